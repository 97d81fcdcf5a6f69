"""URLs are built as Werkzeug builds them, though the code for it is compiled when first needed.

`Rule` overrides a method of Werkzeug's that is not public; these tests are what notices when
a release of Werkzeug changes it.
"""

from __future__ import annotations

import typing as t

import pytest
import quart
import werkzeug.exceptions
import werkzeug.routing
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.routing import BuildError
from werkzeug.routing import Map as WerkzeugMap
from werkzeug.routing import Rule as WerkzeugRule

import quartish.quart
import quartish.routing.map
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
def test_compiled_when_first_called(append_unknown: bool, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_copy_of_a_rule_keeps_its_options() -> None:
    options: dict[str, t.Any] = {"stream_body": True, "max_content_length": 1}
    options |= {"max_form_memory_size": 2, "max_form_parts": 3}
    rule = Rule("/<v>", endpoint="view", provide_automatic_options=False, **options)
    assert rule.provide_automatic_options is False
    copy = rule.empty()
    assert {name: getattr(copy, name) for name in options} == options
    assert copy.endpoint == "view" and copy.map is None


async def test_a_map_is_bound_to_a_request_as_quarts_is() -> None:
    async def play(module: t.Any) -> t.Any:
        app = module.Quart("app", subdomain_matching=True)
        app.add_url_rule("/<v>", "view", lambda v: v, subdomain="a")
        seen: list[t.Any] = []
        for host, subdomain, name in (
            *(("a.example.com", None, "example.com"), ("a.example.com", "a", "example.com")),
            ("example.com", "a", None),
        ):
            async with app.test_request_context("/x?q=1", headers={"host": host}):
                request = module.request._get_current_object()
                adapter = app.url_map.bind_to_request(request, subdomain, name)
                seen.append((adapter.match(), adapter.build("view", {"v": "y"})))
        return seen

    ours = await play(quartish.quart)
    assert ours == await play(quart)
    assert ours == [(("view", {"v": "x"}), "/y")] * 3


def test_what_clients_choose_is_remembered_within_bounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Hosts, and the adapters that are made for them."""
    monkeypatch.setattr(quartish.routing.AdapterCache, "SIZE", 3)
    monkeypatch.setattr(quartish.routing.map, "VALID_HOSTS", valid := set[bytes]())
    app = quartish.Flask("app", subdomain_matching=True)
    app.config["SERVER_NAME"] = "example.com"
    app.add_url_rule("/", "view", lambda sub: sub, subdomain="<sub>")
    client = app.test_client()
    for n in range(10):
        assert client.get("/", base_url=f"http://s{n}.example.com").text == f"s{n}"
        assert len(valid) <= 3
    assert client.get("/", base_url="http://s1.example.com").text == "s1"


@pytest.mark.parametrize("raises", [ValueError, None])
def test_integers_that_python_does_not_read(
    raises: type[Exception] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Match no rule, whether it is Werkzeug's converter that says so or ours."""

    def to_python(self: t.Any, value: str) -> t.Any:
        if raises is None:
            return len(value)
        return int(value) if len(value) < 4000 else int("too many")

    monkeypatch.setattr(werkzeug.routing.IntegerConverter, "to_python", to_python)
    converter = quartish.routing.map._integer_converter()
    assert (converter is werkzeug.routing.IntegerConverter) == (raises is None)
    url_map = Map([Rule("/<int:v>", endpoint="view")], converters={"int": converter})
    adapter = url_map.bind("localhost")
    assert adapter.match("/12") == ("view", {"v": 12 if raises else 2})
    if raises:
        with pytest.raises(werkzeug.exceptions.NotFound):
            adapter.match("/" + "1" * 5000)
    else:
        assert adapter.match("/" + "1" * 5000) == ("view", {"v": 5000})
