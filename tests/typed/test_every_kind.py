"""Every kind of type with fields: in a multipart form with files, as MessagePack, and returned."""

from __future__ import annotations

import dataclasses
import decimal
import enum
import io
import typing as t
import uuid
from typing import Annotated

import attrs
import msgspec
import pydantic
import pytest
from werkzeug.datastructures import FileStorage
from werkzeug.test import EnvironBuilder

import quartish
from quartish.typed import Body
from quartish.typed import typed
from quartish.typed import WrongReturn
from tests.typed._ways import faults
from tests.typed._ways import said
from tests.typed._ways import Way

ONE = uuid.UUID(int=1)
Price = Annotated[decimal.Decimal, msgspec.Meta(title="A price")]
Size = Annotated[int, msgspec.Meta(ge=1)]


class Colour(enum.Enum):
    RED = "red"


class StructPhoto(msgspec.Struct):
    title: str
    file: FileStorage
    size: Size = 1
    price: Price | None = None
    key: uuid.UUID | int = 0
    colour: Colour | None = None
    tags: list[str] = []
    more: list[FileStorage] = []


@dataclasses.dataclass
class DataclassPhoto:
    title: str
    file: FileStorage
    size: Size = 1
    price: Price | None = None
    key: uuid.UUID | int = 0
    colour: Colour | None = None
    tags: list[str] = dataclasses.field(default_factory=list)
    more: list[FileStorage] = dataclasses.field(default_factory=list)


@attrs.define
class AttrsPhoto:
    title: str
    file: FileStorage
    size: Size = 1
    price: Price | None = None
    key: uuid.UUID | int = 0
    colour: Colour | None = None
    tags: list[str] = attrs.field(factory=list)
    more: list[FileStorage] = attrs.field(factory=list)


class DictPhoto(t.TypedDict):
    title: str
    file: FileStorage
    size: t.NotRequired[Size]
    price: t.NotRequired[Price | None]
    key: t.NotRequired[uuid.UUID | int]
    colour: t.NotRequired[Colour | None]
    tags: t.NotRequired[list[str]]
    more: t.NotRequired[list[FileStorage]]


class ModelPhoto(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)

    title: str
    file: FileStorage
    size: int = pydantic.Field(1, ge=1)
    price: decimal.Decimal | None = None
    key: uuid.UUID | int = 0
    colour: Colour | None = None
    tags: list[str] = []
    more: list[FileStorage] = []


PHOTOS = [StructPhoto, DataclassPhoto, AttrsPhoto, DictPhoto, ModelPhoto]
by_name = pytest.mark.parametrize("photo", PHOTOS, ids=lambda kind: kind.__name__)


def multipart(**fields: t.Any) -> tuple[bytes, str]:
    builder = EnvironBuilder(method="POST", data=fields)
    environ = builder.get_environ()
    body: bytes = environ["wsgi.input"].read()
    builder.close()
    return body, environ["CONTENT_TYPE"]


def file(name: str, data: bytes) -> FileStorage:
    return FileStorage(io.BytesIO(data), name)


@by_name
@pytest.mark.parametrize("kind", ["async", "def"])
def test_multipart_with_files(colour: type[t.Any], kind: str, photo: t.Any) -> None:
    way = Way(colour, kind, "asgi")
    app = way.app()

    def view(it: t.Any) -> dict[str, t.Any]:
        has = it.get if isinstance(it, dict) else lambda name: getattr(it, name)
        files = [one.read().decode() for one in (has("file"), *(has("more") or ()))]
        rest = {name: has(name) for name in ("title", "size", "price", "key", "colour", "tags")}
        return {**{name: repr(value) for name, value in rest.items()}, "files": files}

    view.__annotations__ = {"it": photo, "return": dict[str, t.Any]}
    way.add(app, "/", typed(view), "POST")
    body, media_type = multipart(
        title="x",
        file=file("a.png", b"1"),
        size="3",
        price="1.10",
        key=str(ONE),
        colour="red",
        tags=["a", "b"],
        more=[file("b", b"2"), file("c", b"3")],
    )
    assert said(way.post(app, "/", body, media_type)) == {
        "title": "'x'",
        "size": "3",
        "price": "Decimal('1.10')",
        "key": repr(ONE),
        "colour": "<Colour.RED: 'red'>",
        "tags": "['a', 'b']",
        "files": ["1", "2", "3"],
    }
    body, media_type = multipart(title="x", size="0", price="much", colour="green")
    found = {tuple(path) for _, path, _ in faults(way.post(app, "/", body, media_type))}
    assert found == {("file",), ("size",), ("price",), ("colour",)}  # all of them at once


class StructItem(msgspec.Struct):
    key: uuid.UUID
    price: decimal.Decimal
    colour: Colour = Colour.RED
    sizes: set[int] = set()


@dataclasses.dataclass
class DataclassItem:
    key: uuid.UUID
    price: decimal.Decimal
    colour: Colour = Colour.RED
    sizes: set[int] = dataclasses.field(default_factory=set)


@attrs.define
class AttrsItem:
    key: uuid.UUID
    price: decimal.Decimal
    colour: Colour = Colour.RED
    sizes: set[int] = attrs.field(factory=set)


class DictItem(t.TypedDict):
    key: uuid.UUID
    price: decimal.Decimal
    colour: Colour
    sizes: set[int]


class ModelItem(pydantic.BaseModel):
    key: uuid.UUID
    price: decimal.Decimal
    colour: Colour = Colour.RED
    sizes: set[int] = set()


ITEM = {"key": str(ONE), "price": "1.10", "colour": "red", "sizes": [1]}
ITEMS: list[t.Any] = [StructItem, DataclassItem, AttrsItem, DictItem, ModelItem]


@pytest.mark.parametrize("kind", ["async", "def"])
@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.__name__)
def test_messagepack_in_and_json_out(colour: type[t.Any], kind: str, item: t.Any) -> None:
    way = Way(colour, kind, "asgi")
    app = way.app(TESTING=True)

    def view(it: t.Any) -> t.Any:
        return it

    view.__annotations__ = {"it": Annotated[item, Body("application/msgpack")], "return": item}
    way.add(app, "/", view, "POST")
    packed = msgspec.msgpack.encode(ITEM)
    assert said(way.post(app, "/", packed, "application/msgpack")) == ITEM
    wrong = msgspec.msgpack.encode({**ITEM, "key": "x", "sizes": ["y"]})
    found = [path for _, path, _ in faults(way.post(app, "/", wrong, "application/msgpack"))]
    assert found == [["key"], ["sizes", 0]]
    assert way.post(app, "/", ITEM).status == 415


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.__name__)
def test_what_is_returned_is_checked(item: t.Any) -> None:
    """In debug mode and in tests."""

    def view(wrong: bool = False) -> t.Any:
        make = dict if item is DictItem else getattr(item, "model_construct", item)
        key: t.Any = "no key" if wrong else ONE
        return make(key=key, price=decimal.Decimal("1.10"), colour=Colour.RED, sizes={1})

    view.__annotations__["return"] = item
    for setting, checked in (("DEBUG", True), ("TESTING", True), ("TESTING", False)):
        app = quartish.Flask(__name__)
        app.config[setting] = checked
        app.add_url_rule("/", view_func=typed(view))
        client = app.test_client()
        assert client.get("/").get_json() == ITEM
        if checked:
            with pytest.raises(WrongReturn, match="`view`"):
                client.get("/?wrong=1")


class Lamp(msgspec.Struct, tag="lamp"):
    watts: int


class Table(msgspec.Struct, tag="table"):
    legs: int = 4


class Cat(pydantic.BaseModel):
    kind: t.Literal["cat"]
    lives: int


class Dog(pydantic.BaseModel):
    kind: t.Literal["dog"]


UNIONS: list[tuple[t.Any, dict[str, t.Any], str, list[t.Any]]] = [
    (Lamp | Table, {"type": "table"}, "Table(legs=4)", [{"type": "lamp"}, {"type": "x"}, {}]),
    (
        Annotated[Cat | Dog, pydantic.Field(discriminator="kind")],
        {"kind": "cat", "lives": 9},
        "Cat(kind='cat', lives=9)",
        [{"kind": "cat"}, {"kind": "x"}, {}],
    ),
]


@pytest.mark.parametrize(("union", "good", "shown", "wrong"), UNIONS, ids=["structs", "models"])
def test_one_of_several(
    colour: type[t.Any], union: t.Any, good: t.Any, shown: str, wrong: list[t.Any]
) -> None:
    way = Way(colour, "async", "asgi")
    app = way.app()

    def view(it: t.Any, many: t.Any = ()) -> str:
        return repr(it)

    view.__annotations__ = {"it": Annotated[union, Body()], "return": str}
    way.add(app, "/", view, "POST")
    assert way.post(app, "/", good).body.decode() == shown
    for one in wrong:
        assert faults(way.post(app, "/", one))
