"""The table in front of the matcher gives the matcher's answers, or none."""

from __future__ import annotations

import typing as t
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import NotFound
from werkzeug.routing import BaseConverter
from werkzeug.routing import exceptions as refusals
from werkzeug.routing import ValidationError

from quartish.routing import Map
from quartish.routing import Rule
from tests._peer import settled

REFUSAL: t.Any = getattr(refusals, "DuplicateRuleError", ())

SEGMENTS = ["a", "b", "1", "22", "a-b", "1.5", "", "x.y", "ä"]
PARTS = [
    "a",
    "b",
    "1",
    "<v>",
    "<int:v>",
    "<float:v>",
    "<any(a,b):v>",
    "<v>-<w>",
    "x.<v>",
    "<string(length=2):v>",
    "<path:v>",
    "<even:v>",
]


class Even(BaseConverter):
    """Takes even numbers only, and says so when it converts."""

    regex = r"\d+"

    def to_python(self, value: str) -> int:
        if int(value) % 2:
            raise ValidationError
        return int(value)


@st.composite
def rules(draw: st.DrawFn) -> list[dict[str, t.Any]]:
    made = []
    for number in range(draw(st.integers(1, 6))):
        parts = draw(st.lists(st.sampled_from(PARTS), max_size=3))
        names = iter("abcdefgh")
        for index, part in enumerate(parts):
            while "v>" in part or "w>" in part:
                old = "v>" if "v>" in part else "w>"
                part = part.replace(old, f"name_{next(names)}>", 1)
            parts[index] = part
        string = "/" + "/".join(parts)
        if len(string) > 1 and draw(st.booleans()):
            string += "/"
        made.append(
            {
                "string": string,
                "endpoint": draw(st.sampled_from(["x", "y", f"e{number}"])),
                "methods": draw(st.sampled_from([None, ["GET"], ["POST"]])),
                "websocket": False,
                "strict_slashes": draw(st.sampled_from([None, True, False])),
            }
        )
    return made


def answer(find: t.Callable[[], t.Any]) -> t.Any:
    try:
        return find()
    except HTTPException as error:
        return type(error)


def make_map(rules: t.Iterable[Rule]) -> Map:
    """Return a map without those rules that Werkzeug refuses: since 3.2 what is there twice."""
    url_map = Map(converters={"even": Even})
    for rule in rules:
        with suppress(REFUSAL):
            url_map.add(rule)
    return url_map


@settings(max_examples=400, deadline=None)
@given(rules(), st.lists(st.sampled_from(SEGMENTS), max_size=4), st.sampled_from(["GET", "POST"]))
def test_same_answers(made: list[dict[str, t.Any]], segments: list[str], method: str) -> None:
    url_map = make_map(Rule(**each) for each in made)
    path = "/" + "/".join(segments)
    found = answer(lambda: url_map.table.find(path, method, False))
    if found is not None:
        adapter = url_map.bind("localhost")
        assert found == answer(lambda: adapter.match(path, method, return_rule=True))


RULES = ["/a/", "/a", "/<x>", "/<x>/", "/<int:x>", "/a/<x>", "/a/<x>/", "/<x>/a/", "/a/b/"]
RULES += ["/<x>/b", "/<path:x>", "/a/<path:x>/", "/<x>/<y>/"]
PATHS = ["/", "/a", "/a/", "/b", "/b/", "/1", "/a/b", "/a/b/", "/a/1", "/b/a", "/b/a/", "/b/b/"]


@pytest.mark.parametrize("first", RULES)
def test_any_two_rules_with_and_without_a_slash(first: str) -> None:
    for second in RULES:
        for pair in {(first, second), (second, first)} if first != second else [(first,)]:
            url_map = Map([Rule(rule, endpoint=rule) for rule in pair])
            adapter = url_map.bind("localhost")
            for path in PATHS:
                found = answer(lambda: url_map.table.find(path, "GET", False))  # noqa: B023
                if found is not None:
                    expected = answer(lambda: adapter.match(path, "GET", return_rule=True))  # noqa: B023
                    assert found == expected, (pair, path)


@pytest.mark.parametrize(
    ("rule", "path", "values"),
    [
        ("/", "/", {}),
        ("/a/b", "/a/b", {}),
        ("/user/<int:user>/post/<post>", "/user/3/post/x", {"user": 3, "post": "x"}),
        ("/<a>-<int:b>/", "/x-4/", {"a": "x", "b": 4}),
    ],
)
def test_found_without_the_matcher(rule: str, path: str, values: dict[str, t.Any]) -> None:
    url_map = Map([Rule(rule, endpoint="e"), Rule("/static/<path:filename>", endpoint="static")])
    found = url_map.table.find(path, "GET", False)
    assert found is not None and found[1] == values


@pytest.mark.parametrize(
    ("rules", "path"),
    [
        (["/<a>/x", "/y/<b>"], "/y/x"),  # two shapes
        (["/<int:a>", "/<b>"], "/1"),  # two patterns
        (["/s/<path:p>", "/s/<a>"], "/s/1"),  # a converter that takes slashes
        (["/<path:p>", "/s/<a>"], "/s/1"),
        (["/a/<b>"], "/a/"),
        (["/a/<b>"], "/a//b"),
        (["/a/<b>/"], "/a/b"),
        (["/a/<int:b>"], "/a/x"),
    ],
)
def test_stands_aside(rules: list[str], path: str) -> None:
    url_map = Map([Rule(rule, endpoint=rule) for rule in rules])
    assert url_map.table.find(path, "GET", False) is None


class Grouped(BaseConverter):
    regex = r"(a|b)(?P<tail>\d?)"


@pytest.mark.parametrize("name", ["v", "tail"])
def test_groups_of_a_converter_are_no_arguments(name: str) -> None:
    url_map = Map([Rule(f"/<g:{name}>", endpoint="e")], converters={"g": Grouped})
    assert url_map.table.find("/a1", "GET", False) is None
    assert url_map.bind("").match("/a1") == ("e", {name: "a1"})


@pytest.mark.parametrize("rule", ["/<int:n>", "/<int(fixed_digits=3):n>", "/<int(max=9):n>"])
def test_numbers_that_python_does_not_read(rule: str) -> None:
    url_map = Map([Rule(rule, endpoint="e")])
    assert url_map.table.find("/" + "9" * 5000, "GET", False) is None


def test_a_rule_that_is_added_later_is_found() -> None:
    url_map = Map([Rule("/a", endpoint="a")])
    with pytest.raises(NotFound):
        url_map.table.find("/b/1", "GET", False)
    url_map.add(Rule("/b/<int:n>", endpoint="b"))
    found = url_map.table.find("/b/1", "GET", False)
    assert found is not None and (found[0].endpoint, found[1]) == ("b", {"n": 1})


@pytest.mark.parametrize("path", ["/c", "/a/b/c", "/b/1/", "/", "/a/1"])
def test_no_rule_has_the_shape(path: str) -> None:
    url_map = Map([Rule("/a", endpoint="a"), Rule("/b/<int:n>/x", endpoint="b")])
    with pytest.raises(NotFound):
        url_map.table.find(path, "GET", False)


@pytest.mark.parametrize("path", ["/a/", "/b/1", "/b/1/"])
def test_a_slash_more_or_less_is_for_the_matcher(path: str) -> None:
    rules = [Rule("/a", endpoint="a", strict_slashes=False), Rule("/b/<int:n>/", endpoint="b")]
    find = Map(rules).table.find
    assert find(path, "GET", False) is None or path == "/b/1/"


# --- several rules for one path ---------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["/", "/a", "/<v>", "/<int:v>/x"]),
            st.sampled_from(["x", "y", "z"]),
            st.sampled_from([None, ["GET"], ["POST"], ["GET", "POST"]]),
            st.booleans(),
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(["/", "/a", "/b", "/1/x"]),
    st.sampled_from([("GET", False), ("HEAD", False), ("POST", False), ("GET", True)]),
)
def test_the_first_of_several(
    made: list[tuple[str, str, list[str] | None, bool]], path: str, asked: tuple[str, bool]
) -> None:
    # Rules of one text are equal; which one is found shows in its endpoint and its methods.
    rules = []
    for string, endpoint, methods, websocket in made:
        takes = None if websocket else methods
        rules.append(Rule(string, endpoint=endpoint, methods=takes, websocket=websocket))
    url_map = make_map(rules)
    found = answer(lambda: url_map.table.find(path, *asked))
    if type(found) is tuple:
        method, websocket = asked
        adapter = url_map.bind("localhost")
        meant = adapter.match(path, method, return_rule=True, websocket=websocket)
        assert found[0] is meant[0]


async def test_a_second_rule_of_an_earlier_endpoint(colour: type[t.Any]) -> None:
    app = colour(__name__)
    app.add_url_rule("/x", "a", lambda: "a")
    app.add_url_rule("/y", "b", lambda: "b")
    with suppress(REFUSAL):
        app.add_url_rule("/y", "a")
    assert (await app.async_test_client().get("/y")).status_code == 200
    assert await settled((await app.async_test_client().get("/y")).get_data(as_text=True)) == "b"


def test_the_matcher_is_asked_for_a_path_that_it_would_redirect() -> None:
    url_map = make_map(
        [
            Rule("/a", endpoint="old", redirect_to="/b"),
            Rule("/a", endpoint="new", methods=["GET"]),
            Rule("/c", endpoint="new", methods=["GET"]),
            Rule("/c", endpoint="old", redirect_to="/b"),
        ]
    )
    assert url_map.table.find("/a", "GET", False) is None
    found = url_map.table.find("/c", "GET", False)
    assert found is not None and found[0].endpoint == "new"
    assert url_map.table.find("/c", "POST", False) is None


def test_a_refused_rule_is_in_no_table() -> None:
    """Werkzeug refuses a rule with a converter that it does not know, and one that is there."""
    url_map = Map([Rule("/a/<int:x>", endpoint="a")])
    with pytest.raises(LookupError):
        url_map.add(Rule("/<unknown:x>/b", endpoint="b"))
    assert [rule.endpoint for rule in url_map.iter_rules()] == ["a"]
    assert url_map.table.whole
    found = url_map.table.find("/a/1", "GET", False)
    assert found is not None and found[0].endpoint == "a"
    with pytest.raises(NotFound):
        url_map.table.find("/<unknown:x>/b", "GET", False)
