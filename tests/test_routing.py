"""URLs are built as Werkzeug builds them, though the code for it is compiled when first needed.

`Rule` overrides a method of Werkzeug's that is not public; these tests are what notices when
a release of Werkzeug changes it.
"""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.routing import BuildError
from werkzeug.routing import Map as WerkzeugMap
from werkzeug.routing import Rule as WerkzeugRule

from quartish.routing import Map
from quartish.routing import Rule

RULES: list[dict[str, t.Any]] = [
    {"string": "/"},
    {"string": "/a b/ä/<v>/"},
    {"string": "/<int(fixed_digits=3):v>/<path:w>"},
    {"string": "/<v>", "subdomain": "<w>"},
    {"string": "/page/<int:v>", "defaults": {"v": 1}},
    {"string": "/page", "defaults": {"v": 2, "rule": "x"}},
    {"string": "/<rule>/<self>"},
    {"string": "/<any(x,y):v>-<float:w>"},
]
TEXTS = ["x", "a b/ä", "", "1.5"]
VALUES = st.one_of(st.integers(-2, 2000), st.sampled_from([*TEXTS, 1.5, None, TEXTS]))


def built(rule: WerkzeugRule, values: dict[str, t.Any], append_unknown: bool) -> t.Any:
    try:
        return rule.build(values, append_unknown)
    except (ValueError, TypeError) as error:
        return type(error)


@given(
    st.sampled_from(RULES),
    st.dictionaries(st.sampled_from(["v", "w", "rule", "self", "other"]), VALUES),
    st.booleans(),
)
def test_built_as_werkzeug_builds_it(
    arguments: dict[str, t.Any], values: dict[str, t.Any], append_unknown: bool
) -> None:
    ours, theirs = Rule(endpoint="e", **arguments), WerkzeugRule(endpoint="e", **arguments)
    Map([ours])
    WerkzeugMap([theirs])
    expected = built(theirs, values, append_unknown)
    for _ in range(2):  # compiled now, and then found compiled
        assert built(ours, values, append_unknown) == expected


@pytest.mark.parametrize("append_unknown", [False, True])
def test_compiled_when_first_called(
    append_unknown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[bool] = []
    compile_builder = WerkzeugRule._compile_builder

    def counted(self: WerkzeugRule, append_unknown: bool = True) -> t.Any:
        compiled.append(append_unknown)
        return compile_builder(self, append_unknown)

    monkeypatch.setattr(WerkzeugRule, "_compile_builder", counted)
    adapter = Map([Rule("/<v>", endpoint="e")]).bind("localhost")
    assert adapter.match("/x") == ("e", {"v": "x"})
    assert compiled == []
    for _ in range(2):
        assert adapter.build("e", {"v": "x"}, append_unknown=append_unknown) == "/x"
    assert compiled == [append_unknown]
    with pytest.raises(BuildError):
        adapter.build("e", {})


@pytest.mark.parametrize(
    "arguments",
    [
        {"string": "/<v>/<v>"},
        {"string": "/<None>"},
        {"string": "/<__debug__>"},
        {"string": "/<int:v>", "defaults": {"v": "text"}},
    ],
)
def test_what_cannot_be_compiled_is_refused_at_once(arguments: dict[str, t.Any]) -> None:
    errors = []
    for map_class, rule_class in ((WerkzeugMap, WerkzeugRule), (Map, Rule)):
        with pytest.raises((SyntaxError, ValueError)) as raised:
            map_class([rule_class(endpoint="e", **arguments)])
        errors.append((type(raised.value), str(raised.value)))
    assert errors[0] == errors[1]
