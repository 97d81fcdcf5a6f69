"""What typed views return: written by its type, checked in debug mode and in tests."""

from __future__ import annotations

import dataclasses
import datetime
import re
import typing as t
import uuid
from typing import Annotated

import msgspec
import pydantic
import pytest

import quartish
from quartish.typed import Query
from quartish.typed import Status
from quartish.typed import typed
from quartish.typed import WrongReturn
from quartish.views import AwaitableMethodView
from quartish.views import MethodView
from tests.typed._ways import each_way
from tests.typed._ways import Way

ONE = uuid.UUID(int=1)


class Item(msgspec.Struct):
    id: uuid.UUID
    when: datetime.date


class Model(pydantic.BaseModel):
    id: uuid.UUID
    name: str = "x"


class Row:
    """What a mapper of tables gives: attributes, and more than is shown."""

    id = ONE
    when = datetime.date(2024, 2, 29)
    secret = "secret"


@dataclasses.dataclass
class Secret:
    id: uuid.UUID
    when: datetime.date
    secret: str = "secret"


ITEM = Item(ONE, datetime.date(2024, 2, 29))
SAID = {"id": str(ONE), "when": "2024-02-29"}


def returning(value: t.Any, annotation: t.Any) -> t.Any:
    @typed
    def view() -> t.Any:
        return value

    view.__annotations__["return"] = annotation
    return view


CASES: list[tuple[t.Any, t.Any, int, t.Any]] = [
    (ITEM, Item, 200, SAID),
    ([ITEM], list[Item], 200, [SAID]),
    ({"a": ITEM}, dict[str, Item], 200, {"a": SAID}),
    (None, t.Optional[Item], 200, None),
    (ITEM, Annotated[Item, Status(201)], 201, SAID),
    ((ITEM, 202), Item, 202, SAID),
    ((ITEM, 202, {"X-A": "b"}), tuple[Item, int, dict[str, str]], 202, SAID),
    ((ITEM, {"X-A": "b"}), Annotated[Item, Status(201)], 201, SAID),
    (Row(), Item, 200, SAID),
    ([Row(), ITEM], list[Item], 200, [SAID, SAID]),
    (Secret(ONE, ITEM.when), Item, 200, SAID),
    (Model(id=ONE), Model, 200, {"id": str(ONE), "name": "x"}),
    (3, int, 200, 3),
    ({"a": 1}, dict[str, int], 200, {"a": 1}),
    ({"a": 1}, Annotated[dict[str, int], Status(201)], 201, {"a": 1}),
    (ONE, uuid.UUID, 200, str(ONE)),
    (ITEM, Item | quartish.Response, 200, SAID),
]


def named(value: object) -> str:
    """Name it without where it is, which is another place in each process."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))


@pytest.mark.parametrize("checked", [True, False])
@pytest.mark.parametrize(("value", "annotation", "status", "json"), CASES, ids=named)
def test_it_is_written_by_its_type(
    value: t.Any, annotation: t.Any, status: int, json: t.Any, checked: bool
) -> None:
    app = quartish.Flask(__name__)
    app.testing = checked
    app.add_url_rule("/", view_func=returning(value, annotation))
    response = app.test_client().get("/")
    assert (response.status_code, response.get_json()) == (status, json)
    assert response.mimetype == "application/json"
    if type(value) is tuple and len(value) == 3:
        assert response.headers["X-A"] == "b"


@each_way
def test_what_flask_answers_is_left_to_flask(way: Way) -> None:
    app = way.app(TESTING=True)

    def text(q: Annotated[str, Query()]) -> str:
        return f"<b>{q}</b>"

    def nothing(q: Annotated[str, Query()]) -> None:
        return None

    def response(q: Annotated[str, Query()]) -> Item:
        return t.cast(Item, app.response_class(q, 299))

    @typed(status_code=202)
    def stream(q: str = "") -> t.Iterator[str]:
        yield "a"
        yield "b"

    for view in (text, nothing, response):
        way.add(app, f"/{view.__name__}", view)
    app.add_url_rule("/stream", view_func=stream)
    reply = way.get(app, "/text", "q=x")
    assert (reply.body, reply.headers["Content-Type"]) == (b"<b>x</b>", "text/html; charset=utf-8")
    assert (way.get(app, "/nothing", "q=x").status, reply.status) == (204, 200)
    assert way.get(app, "/response", "q=x").status == 299
    found = way.get(app, "/stream")
    assert (found.status, found.body) == (202, b"ab")


WRONG: list[tuple[t.Any, t.Any]] = [
    (Item("x", ITEM.when), Item),  # type: ignore[arg-type]
    ([ITEM, 3], list[Item]),
    ({"a": "x"}, dict[str, int]),
    (0, Annotated[int, msgspec.Meta(ge=1)]),
    (Model.model_construct(id="x"), Model),
    ("more", None),
]


@pytest.mark.parametrize(("value", "annotation"), WRONG, ids=named)
def test_what_the_annotation_does_not_say(value: t.Any, annotation: t.Any) -> None:
    app = quartish.Flask(__name__)
    app.testing = True
    app.add_url_rule("/", view_func=returning(value, annotation))
    with pytest.raises(WrongReturn, match=r"`view`, test_returns\.py:\d+"):
        app.test_client().get("/")


async def test_views_of_classes(colour: type[t.Any]) -> None:
    app = colour(__name__)
    app.testing = True
    base: t.Any = MethodView if app.plain else AwaitableMethodView

    class Items(base):  # type: ignore[misc]
        async def get(self, id: int, q: Annotated[str, Query()] = "") -> dict[str, t.Any]:
            return {"id": id, "q": q}

        async def post(self, id: int, item: Annotated[Item, Query()]) -> Item:
            return item

        async def delete(self, id: int) -> str:
            return f"deleted {id + 1}"

    app.add_url_rule("/<int:id>", view_func=Items.as_view("items"))
    client = app.async_test_client() if app.plain else app.test_client()

    async def body(response: t.Any) -> t.Any:
        data = response.get_data(as_text=True)
        return data if isinstance(data, str) else await data

    assert await body(await client.get("/3?q=x")) == '{"id":3,"q":"x"}\n'
    assert (await client.head("/3?q=x")).status_code == 200
    assert await body(await client.delete("/3")) == "deleted 4"
    found = await client.post(f"/3?id={ONE}&when=2024-02-29")
    assert msgspec.json.decode(await body(found)) == SAID
    assert (await client.post("/3?when=x")).status_code == 422
