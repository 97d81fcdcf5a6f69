"""Typed views, as a user with strict type checkers writes them. They are run, too."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import AsyncIterator
from collections.abc import Iterator
from typing import Annotated

import attrs
import msgspec
import pydantic
from werkzeug.datastructures import FileStorage

from quartish import Blueprint
from quartish import Flask
from quartish import ResponseReturnValue
from quartish.typed import Body
from quartish.typed import Cookie
from quartish.typed import Depends
from quartish.typed import Fault
from quartish.typed import File
from quartish.typed import Form
from quartish.typed import Header
from quartish.typed import Path
from quartish.typed import Query
from quartish.typed import RequestValidationError
from quartish.typed import Status
from quartish.typed import Typed
from quartish.typed import typed
from quartish.typed.openapi import OpenAPI
from quartish.views import MethodView


class Order(msgspec.Struct):
    customer: str
    day: datetime.date | None = None


class Database:
    name = "real"


class Fake(Database):
    name = "fake"


def open_database() -> Iterator[Database]:
    yield Database()


async def current_user(
    database: Annotated[Database, Depends()], token: Annotated[str, Header()] = "Ada"
) -> AsyncIterator[str]:
    yield f"{token} of {database.name}"


app = Flask("typed_app")
app.provide(Database, open_database)
pages = Blueprint("pages", "typed_app", url_prefix="/pages")
User = Annotated[str, Depends(current_user)]


@app.provide(dict, scope="app")
def settings() -> dict[str, str]:
    return {"greeting": "Hello"}


@app.post("/orders/<int:number>")
@typed(status_code=201, tags=["orders"], responses={409: "It is there", 404: Order})
async def create(
    number: Annotated[int, Path(ge=1)],
    order: Annotated[Order, Body(examples=[{"customer": "Ada"}])],
    user: User,
    page: Annotated[int, Query(ge=1)] = 1,
    theme: Annotated[str | None, Cookie()] = None,
) -> Order:
    return order


@pages.get("/me")
@typed
def me(user: User, settings: Annotated[dict[str, str], Depends(settings)]) -> str:
    return f"{settings['greeting']}, {user}"


@pages.post("/photos")
def upload(
    photo: Annotated[FileStorage, File()], title: Annotated[str, Form(min_length=1)]
) -> Annotated[list[Order], Status(202)]:
    return [Order(title)]


@dataclasses.dataclass
class Size:
    width: int


class Model(pydantic.BaseModel):
    width: int


@attrs.define
class Box:
    width: int


@app.get("/order")
async def an_order(customer: Annotated[str, Query()]) -> Annotated[Order, Status(203)]:
    return Order(customer)


@app.get("/size")
def a_size(width: Annotated[int, Query()]) -> Size:
    return Size(width)


@app.get("/box")
def a_box(width: Annotated[int, Query()]) -> Box:
    return Box(width)


@pages.get("/model")
async def a_model(width: Annotated[int, Query()]) -> Model:
    return Model(width=width)


class Orders(MethodView):
    async def get(self, number: int, size: Annotated[int, Query()] = 3) -> dict[str, int]:
        return {"number": number, "size": size}


@app.errorhandler(RequestValidationError)
def wrong(error: RequestValidationError) -> ResponseReturnValue:
    first: Fault = error.errors[0]
    return {"where": first.where, "path": first.path, "expected": first.expected}, 422


app.add_url_rule("/all/<int:number>", view_func=Orders.as_view("all"))
app.register_blueprint(pages)
OpenAPI(app, title="Typed", security_schemes={"token": {"type": "http", "scheme": "bearer"}})
Typed(app)


def test_views() -> None:
    client = app.test_client()
    made = client.post("/orders/1?page=2", json={"customer": "Ada", "day": "2024-02-29"})
    assert made.status_code == 201
    assert client.post("/orders/0", json={"customer": "Ada"}).get_json()["path"] == ["number"]
    assert client.get("/pages/me", headers={"Token": "Eve"}).text == "Hello, Eve of real"
    with app.override(Database, Fake):
        assert client.get("/pages/me").text == "Hello, Ada of fake"
    assert client.get("/order?customer=Ada").status_code == 203
    for path in ("/size", "/box", "/pages/model"):
        assert client.get(f"{path}?width=3").json == {"width": 3}
    assert client.get("/all/4").json == {"number": 4, "size": 3}
    assert client.post("/pages/photos", data={"title": ""}).status_code == 422
    assert client.get("/openapi.json").get_json()["info"]["title"] == "Typed"
