"""Values of path, query, headers and cookies: by the annotation, in both colours and lanes, by
both doors."""

from __future__ import annotations

import datetime
import decimal
import enum
import typing as t
import uuid
from typing import Annotated

import msgspec
import pytest

from quartish.typed import Cookie
from quartish.typed import Header
from quartish.typed import Path
from quartish.typed import Query
from quartish.typed import typed
from tests.typed._ways import each_way
from tests.typed._ways import faults
from tests.typed._ways import said
from tests.typed._ways import Way
from tests.typed._ways import WAYS


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Filter(msgspec.Struct):
    name: str
    sizes: list[int] = []
    limit: Annotated[int, msgspec.Meta(le=100)] = 10


@each_way
def test_values_stand_where_marks_say(way: Way) -> None:
    app = way.app()

    def show(
        number: int,
        name: str,
        page: Annotated[int, Query(ge=1)] = 1,
        tags: Annotated[list[str], Query(alias="tag")] = [],  # noqa: B006
        user_agent: Annotated[str, Header()] = "none",
        theme: Annotated[Colour, Cookie()] = Colour.RED,
    ) -> dict[str, t.Any]:
        return dict(n=number, s=name, p=page, t=tags, u=user_agent, c=theme.value)

    way.add(app, "/<int:number>/<name>", show)
    found = way.get(app, "/7/x", "page=2&tag=a&tag=b", user_agent="me", cookie="theme=blue")
    assert said(found) == dict(n=7, s="x", p=2, t=["a", "b"], u="me", c="blue")
    assert said(way.get(app, "/7/x")) == dict(n=7, s="x", p=1, t=[], u="none", c="red")


@each_way
def test_every_fault_is_told_at_once(way: Way) -> None:
    app = way.app()

    def show(
        number: Annotated[int, Path(le=5)],
        a: Annotated[int, Query(ge=1)],
        b: Annotated[float, Query()],
        token: Annotated[str, Header(min_length=3)],
        needed: Annotated[str, Query()],
        theme: Annotated[Colour, Cookie()] = Colour.RED,
    ) -> str:
        raise AssertionError("The view is not called.")

    way.add(app, "/<int:number>", show)
    assert faults(way.get(app, "/7", "a=0&b=x", token="a", cookie="theme=green")) == [
        ("path", ["number"], "int <= 5"),
        ("query", ["a"], "int >= 1"),
        ("query", ["b"], "float"),
        ("query", ["needed"], "a value"),
        ("header", ["token"], "str of length >= 3"),
        ("cookie", ["theme"], "Invalid enum value 'green'"),
    ]


ONE = uuid.UUID("12345678-1234-5678-1234-567812345678")

KINDS: list[tuple[t.Any, str, t.Any]] = [
    (int, "12", 12),
    (float, "1.5", 1.5),
    (bool, "true", True),
    (bool, "0", False),
    (bool, "on", True),
    (decimal.Decimal, "1.10", decimal.Decimal("1.10")),
    (uuid.UUID, str(ONE), ONE),
    (datetime.date, "2024-02-29", datetime.date(2024, 2, 29)),
    (datetime.datetime, "2024-02-29T12:00:00", datetime.datetime(2024, 2, 29, 12)),
    (datetime.timedelta, "PT90S", datetime.timedelta(seconds=90)),
    (Colour, "red", Colour.RED),
    (Level, "2", Level.HIGH),
    (t.Literal["a", "b"], "b", "b"),
    (t.Literal[1, 2], "2", 2),
    (int | None, "3", 3),
    (t.Optional[Colour], "blue", Colour.BLUE),
    (list[int], "1", [1]),
    (set[int], "1", {1}),
    (tuple[int, ...], "1", (1,)),
    (int | datetime.date, "2024-02-29", datetime.date(2024, 2, 29)),
    (Annotated[str, msgspec.Meta(pattern="^a")], "abc", "abc"),
]


@pytest.mark.parametrize(("kind", "text", "value"), KINDS, ids=lambda value: str(value)[-25:])
def test_types_of_values(kind: t.Any, text: str, value: t.Any) -> None:
    [way] = [way for way in WAYS if way == (WAYS[0].cls, "async", "asgi")]
    app = way.app()
    seen = []

    def show(x: t.Any) -> str:
        seen.append(x)
        return "seen"

    show.__annotations__["x"] = Annotated[kind, Query()]
    way.add(app, "/", show)
    assert way.get(app, "/", f"x={text}").status == 200
    assert seen == [value]
    assert type(seen[0]) is type(value)
    if kind is not bool:
        assert way.get(app, "/", "x=%2B!").status == 422


@each_way
def test_a_struct_has_a_value_for_each_field(way: Way) -> None:
    app = way.app()

    def search(by: Annotated[Filter, Query()]) -> Filter:
        return by

    way.add(app, "/", search)
    assert said(way.get(app, "/", "name=x&sizes=1&sizes=2")) == dict(
        name="x", sizes=[1, 2], limit=10
    )
    assert faults(way.get(app, "/", "sizes=a&sizes=1&limit=101")) == [
        ("query", ["name"], "a value"),
        ("query", ["sizes", 0], "int"),
        ("query", ["limit"], "int <= 100"),
    ]


@each_way
def test_without_a_mark_the_rule_decides(way: Way) -> None:
    """A name of the rule's is a variable of the URL's; anything else stands in the query."""
    app = way.app()

    @typed
    def show(number: int, page: int = 1, q: str = "", **rest: str) -> dict[str, t.Any]:
        return dict(number=number, page=page, q=q, rest=rest)

    view = way.view(show)
    app.add_url_rule("/<number>", view_func=view)
    app.add_url_rule("/<number>/<int:page>/<more>", view_func=view)
    assert said(way.get(app, "/7", "page=3&q=a")) == dict(number=7, page=1, q="a", rest={})
    assert said(way.get(app, "/7/4/x")) == dict(number=7, page=4, q="", rest={"more": "x"})
    assert faults(way.get(app, "/x")) == [("path", ["number"], "int")]


@each_way
def test_what_flask_gives_otherwise_is_given_too(way: Way) -> None:
    app = way.app()

    def show(lang: str, q: Annotated[str, Query()], fixed: int) -> str:
        return f"{lang} {q} {fixed}"

    way.add(app, "/<lang>", show, defaults={"fixed": 3})

    @app.url_value_preprocessor
    def shout(endpoint: str, values: dict[str, t.Any]) -> None:
        values["lang"] = values["lang"].upper()

    assert way.get(app, "/en", "q=x").body == b"EN x 3"
