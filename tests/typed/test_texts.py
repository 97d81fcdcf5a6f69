"""Text that says a value in other words: what browsers and people send."""

from __future__ import annotations

import datetime
import decimal
import enum
import typing as t
from typing import Annotated

import msgspec
import pytest

from quartish import Flask
from quartish.typed import Body
from quartish.typed import Form
from quartish.typed import Query
from quartish.typed import typed
from tests.security._ways import at_once
from tests.typed._ways import faults
from tests.typed._ways import FORM
from tests.typed._ways import JSON
from tests.typed._ways import said
from tests.typed._ways import Way
from tests.typed._ways import WAYS

WAY = next(way for way in WAYS if way.door == "asgi")
Decimal = decimal.Decimal


class Level(enum.IntEnum):
    LOW = 1


class Input(msgspec.Struct):
    """A form of a page, as browsers send it."""

    name: str = "nobody"
    at: datetime.datetime | None = None
    opens: datetime.time = datetime.time(9)
    count: int = 3
    news: bool = False
    prices: list[Decimal] = []
    note: str | None = None


def seen_by(kind: t.Any, mark: t.Any, way: Way = WAY) -> tuple[t.Any, list[t.Any]]:
    app, seen = way.app(), []

    def view(x: t.Any) -> str:
        seen.append(x)
        return "seen"

    view.__annotations__["x"] = Annotated[kind, mark]
    way.add(app, "/", view, "GET", "POST")
    return app, seen


CASES: list[tuple[t.Any, str, t.Any]] = [
    (int, "01", 1),
    (int, "%2B1", 1),
    (int, "-01", -1),
    (int, "+7+", 7),
    (int | None, "007", 7),
    (Annotated[int, msgspec.Meta(ge=1)], "01", 1),
    (Level, "01", Level.LOW),
    (float, ".5", 0.5),
    (float, "-.5", -0.5),
    (Decimal, "01.10", Decimal("1.10")),
    (bool, "on", True),
    (bool, "F", False),
    (bool | None, "yes", True),
    (list[bool], "off", [False]),
    (list[int], "01&x=2", [1, 2]),
    (datetime.time, "12:30", datetime.time(12, 30)),
    (datetime.datetime, "2024-02-29T12:30", datetime.datetime(2024, 2, 29, 12, 30)),
    (
        datetime.datetime,
        "2024-02-29T12:30Z",
        datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.UTC),
    ),
    (int | str, "01", "01"),
    (str, "01", "01"),
    (str | None, "null", "null"),
]


@pytest.mark.parametrize(("kind", "text", "value"), CASES, ids=lambda value: str(value)[-25:])
def test_what_it_says(kind: t.Any, text: str, value: t.Any) -> None:
    app, seen = seen_by(kind, Query())
    assert WAY.get(app, "/", f"x={text}").status == 200
    assert seen == [value]
    assert type(seen[0]) is type(value)


REFUSED: list[tuple[t.Any, str]] = [
    (int, "1_000"),
    (int, "%D9%A3"),
    (int, "0x10"),
    (int, "on"),
    (bool, "01"),
    (datetime.time, "25:00"),
    (datetime.date, "12:30"),
    (Decimal, "NaN"),
    (Decimal, "-Infinity"),
    (list[Decimal], "1&x=sNaN"),
    (int, "9" * 5000),
]


@pytest.mark.parametrize(("kind", "text"), REFUSED, ids=lambda value: str(value)[-25:])
def test_what_says_nothing(kind: t.Any, text: str) -> None:
    app, _ = seen_by(kind, Query())
    assert faults(WAY.get(app, "/", f"x={text}"))


@pytest.mark.parametrize("mark", [Query(), Form()], ids=["query", "form"])
def test_a_number_of_zeros_takes_no_longer(mark: t.Any) -> None:
    """16,000 in a query took seconds, the 400,000 of a form an hour."""
    app, _ = seen_by(int, mark)
    zeros = "0" * (15_000 if isinstance(mark, Query) else 400_000)
    for end in ("x", ".0x", "."):
        with at_once(0.5):
            if isinstance(mark, Query):
                WAY.get(app, "/", f"x={zeros}{end}")
            else:
                WAY.post(app, "/", f"x={zeros}{end}".encode(), FORM)


@pytest.mark.parametrize("mark", [Body(), Form()], ids=["body", "form"])
def test_a_form_of_a_page(mark: t.Any) -> None:
    """What was left empty is not there, but for text."""
    app, seen = seen_by(Input, mark)
    fields = "name=&at=2024-02-29T12:30&opens=&count=&news=on&prices=1.10&prices=01&note="
    assert WAY.post(app, "/", fields.encode(), FORM).status == 200
    at = datetime.datetime(2024, 2, 29, 12, 30)
    prices = [Decimal("1.10"), Decimal(1)]
    assert seen == [Input("", at, datetime.time(9), 3, True, prices, "")]


def test_a_field_that_is_empty_has_its_default() -> None:
    app = Flask(__name__)

    @app.post("/")
    def view(
        count: Annotated[int, Form()],
        size: Annotated[int | None, Form()] = None,
        name: Annotated[str, Form()] = "x",
    ) -> dict[str, t.Any]:
        return dict(count=count, size=size, name=name)

    client = app.test_client()
    found = client.post("/", data={"count": "1", "size": "", "name": ""})
    assert found.get_json() == {"count": 1, "size": None, "name": ""}
    found = client.post("/", data={"count": "", "size": "1"})
    assert [fault["detail"] for fault in found.get_json()["errors"]] == ["It is required."]


class Price(msgspec.Struct, rename="camel"):
    unit_price: Decimal


class Prices(msgspec.Struct):
    by_name: dict[str, list[Price]] = {}
    pair: tuple[int, Decimal] = (1, Decimal(1))


def test_a_decimal_is_finite() -> None:
    """Else what compares it with another raises."""
    app, seen = seen_by(Prices, Body())
    good = {"by_name": {"a": [{"unitPrice": "1.10"}]}}
    assert WAY.post(app, "/", good).status == 200
    bad = {"by_name": {"a": [{"unitPrice": "1"}, {"unitPrice": "NaN"}]}, "pair": [1, "Infinity"]}
    found = [
        ("body", ["by_name", "a", 1, "unitPrice"], "a finite decimal"),
        ("body", ["pair", 1], "a finite decimal"),
    ]
    assert faults(WAY.post(app, "/", bad)) == found
    packed = msgspec.msgpack.encode(bad)
    assert faults(WAY.post(app, "/", packed, "application/msgpack")) == found
    assert len(seen) == 1


def test_bounds_of_decimals_are_checked_by_pydantic() -> None:
    app = Flask(__name__)

    @app.get("/")
    def view(price: Annotated[Decimal, Query(ge=1, title="A price")]) -> str:
        return f"{price}"

    client = app.test_client()
    assert client.get("/?price=1.10").text == "1.10"
    assert client.get("/?price=0.99").status_code == 422


def test_a_body_that_is_not_there_has_its_default() -> None:
    app = Flask(__name__)

    @app.post("/")
    @typed
    def view(it: Annotated[Input, Body()] = Input()) -> Input:  # noqa: B008
        return it

    client = app.test_client()
    for kind in (JSON, "application/msgpack", None):
        assert client.post("/", content_type=kind).get_json()["name"] == "nobody"
    assert client.post("/", data=b"\xef\xbb\xbf{}", content_type=JSON).status_code == 200
    assert said(WAY.post(seen_by(Input, Body())[0], "/", b"", JSON))["errors"][0]["path"] == []
