"""Bodies: of each kind of type, by their Content-Type, in both colours and lanes, by both doors."""

from __future__ import annotations

import datetime
import decimal
import io
import typing as t
from typing import Annotated

import msgspec
import pydantic
import pytest
from werkzeug.datastructures import FileStorage
from werkzeug.test import EnvironBuilder

import quartish
from quartish.typed import Body
from quartish.typed import File
from quartish.typed import Form
from quartish.typed import Problem
from quartish.typed import Query
from quartish.typed import RequestValidationError
from quartish.typed import search
from tests.security._ways import at_once
from tests.typed._models import ModelOrder
from tests.typed._models import ORDERS
from tests.typed._models import StructOrder
from tests.typed._ways import each_way
from tests.typed._ways import faults
from tests.typed._ways import FORM
from tests.typed._ways import said
from tests.typed._ways import Way

GOOD = {"name": "x", "lines": [{"sku": "a", "quantity": 2}]}
BAD = {"lines": [{"sku": "a", "quantity": 0}, {"sku": 3, "quantity": "many"}]}
PLACES = [["name"], ["lines", 0, "quantity"], ["lines", 1, "sku"], ["lines", 1, "quantity"]]
MSGPACK = "application/msgpack"


class StructTree(msgspec.Struct):
    names: dict[str, dict[str, int]] = {}
    tree: t.Optional[StructTree] = None


class ModelTree(pydantic.BaseModel):
    names: dict[str, dict[str, int]] = {}
    tree: t.Optional[ModelTree] = None


def taking(kind: t.Any, *extras: t.Any) -> t.Any:
    """Return a view that gives back the body, of a type."""

    def create(order: t.Any) -> t.Any:
        return order

    create.__annotations__ = {
        "order": t.Annotated[(kind, *(extras or (Body(),)))],
        "return": kind,
    }
    return create


@each_way
@pytest.mark.parametrize("kind", ORDERS, ids=lambda kind: kind.__name__)
def test_every_kind_of_type(way: Way, kind: t.Any) -> None:
    app = way.app()
    way.add(app, "/", taking(kind), "POST")
    assert said(way.post(app, "/", GOOD)) == GOOD
    assert said(way.post(app, "/", msgspec.msgpack.encode(GOOD), MSGPACK)) == GOOD
    assert said(way.post(app, "/", GOOD, "application/vnd.orders+json; charset=utf-8")) == GOOD
    assert said(way.post(app, "/", {"name": "x"}, FORM))["name"] == "x"
    for kind_of_body, body in (("application/json", BAD), (MSGPACK, msgspec.msgpack.encode(BAD))):
        found = faults(way.post(app, "/", body, kind_of_body))
        assert {where for where, _, _ in found} == {"body"}
        assert sorted(map(str, (path for _, path, _ in found))) == sorted(map(str, PLACES))
    assert faults(way.post(app, "/", {"lines": "x"}, FORM))[0] == ("body", ["name"], "a value")


@each_way
def test_what_is_no_body_of_that_kind(way: Way) -> None:
    app = way.app()
    way.add(app, "/", taking(StructOrder), "POST")
    for body, kind, status in [
        *[(b"[", "application/json", 400), (b"", "application/json", 422)],
        *[(b"\xc1", MSGPACK, 400), (b"", MSGPACK, 422), (b"x", "text/plain", 415)],
        *[(b"x", "", 415), (b"<a/>", "application/xml", 415), (b"", "", 422)],
        *[(b"[]", "application/json", 422), (b"x", "multipart/form-data", 400)],
    ]:
        reply = way.post(app, "/", body, kind)
        assert reply.status == status, (body, kind, reply)
        if kind != "multipart/form-data":  # which Werkzeug refuses
            assert reply.headers["Content-Type"] == "application/problem+json"
            assert said(reply)["status"] == status


@each_way
def test_one_media_type_alone(way: Way) -> None:
    app = way.app()
    way.add(app, "/", taking(StructOrder, Body("application/json")), "POST")
    assert way.post(app, "/", GOOD).status == 200
    reply = way.post(app, "/", {"name": "x"}, FORM)
    assert reply.status == 415
    assert "this takes application/json." in said(reply)["detail"]


@each_way
def test_long_json_goes_by_the_apps_provider(way: Way) -> None:
    app = way.app(MAX_JSON_PARTS=20_000)
    way.add(app, "/", taking(StructOrder), "POST")
    long = {"name": "x" * 200_000, "lines": [{"sku": "a", "quantity": 1}] * 10}
    assert said(way.post(app, "/", long)) == long
    assert way.post(app, "/", b'{"name":"' + b"x" * 200_000).status == 400
    many = {"name": "x", "lines": [{"sku": "a", "quantity": 1}] * 30_000}
    assert way.post(app, "/", many).status == 413
    long["lines"] = [{"sku": "a", "quantity": 0}]
    assert faults(way.post(app, "/", long)) == [
        ("body", ["lines", 0, "quantity"], "int >= 1"),
    ]


@each_way
def test_long_messagepack_is_read_in_steps(way: Way) -> None:
    app = way.app(MAX_JSON_PARTS=2_000)
    way.add(app, "/", taking(StructOrder), "POST")
    kind = "application/msgpack"
    order = {"name": "x" * 40_000, "lines": [{"sku": "a" * 20, "quantity": 1}] * 1_000}
    assert said(way.post(app, "/", msgspec.msgpack.encode(order), kind)) == order
    order["lines"] = [{"sku": "a" * 20, "quantity": 1}] * 2_000
    assert way.post(app, "/", msgspec.msgpack.encode(order), kind).status == 413
    assert way.post(app, "/", b"\xdd\0\0\xff\xff" + b"\1" * 60_000, kind).status == 400
    assert way.post(app, "/", b"\x91" * 60_000, kind).status == 400
    order["lines"] = [{"sku": "a", "quantity": 0}]
    assert faults(way.post(app, "/", msgspec.msgpack.encode(order), kind)) == [
        ("body", ["lines", 0, "quantity"], "int >= 1"),
    ]


@each_way
@pytest.mark.parametrize(
    ("kind", "item", "few", "many"),
    [
        (list[StructOrder], {"name": "x" * 80}, 19_000, 21_000),
        (list[ModelOrder], {"name": "x" * 80}, 1_900, 2_100),
        (list[decimal.Decimal], "1.2345678", 19_000, 21_000),
        (list[str], "1.2345678", 100_000, None),
        (list[t.Annotated[str, pydantic.Field(max_length=9)]], "1,2,3,4,5", 19_000, 21_000),
    ],
    ids=["structs", "models", "decimals", "texts", "texts by pydantic"],
)
def test_what_takes_long_to_make_may_be_fewer(
    way: Way, kind: t.Any, item: t.Any, few: int, many: int | None
) -> None:
    app = way.app(MAX_JSON_PARTS=20_000)
    way.add(app, "/", taking(kind), "POST")
    for pack, media_type in (
        (msgspec.json.encode, "application/json"),
        (msgspec.msgpack.encode, MSGPACK),
    ):
        assert way.post(app, "/", pack([item] * few), media_type).status == 200
        if many is not None:
            reply = way.post(app, "/", pack([item] * many), media_type)
            assert reply.status == 413 and "MAX_JSON_PARTS" in reply.body.decode()


@each_way
@pytest.mark.parametrize("size", [10, 20_000])
def test_names_of_long_json_are_keys_of_any_kind(way: Way, size: int) -> None:
    app = way.app()
    way.add(app, "/", taking(dict[int, int]), "POST")
    numbers = {str(number): number for number in range(size)}
    assert said(way.post(app, "/", numbers)) == numbers
    assert faults(way.post(app, "/", {**numbers, "5": "x"})) == [("body", ["5"], "int")]


@each_way
def test_faults_of_a_model_are_told_in_part(way: Way) -> None:
    """As words of all of them are made at one go: a few are looked for again."""
    app = way.app()
    way.add(app, "/", taking(ModelOrder), "POST")
    line = {"sku": "a", "quantity": 0}
    found = faults(way.post(app, "/", {"name": "x", "lines": [line] * 5_000}))
    assert found[:1] == [("body", ["lines", 0, "quantity"], "greater than or equal to 1")]
    assert len(found) == 100
    lines = [{**line, "quantity": 1}] * 100 + [line] * 2_000
    reply = said(way.post(app, "/", {"name": "x", "lines": lines}))
    assert reply["errors"][0]["detail"] == "2000 values are not what this takes."


SAME = [5 + number * (2**61 - 1) for number in range(30_000)]
"""All of them have one hash."""


class StructIds(msgspec.Struct):
    ids: set[int]


class ModelIds(pydantic.BaseModel):
    ids: frozenset[int]


@each_way
@pytest.mark.parametrize(
    "kind", [set[int], StructIds, ModelIds, dict[int, int], set[decimal.Decimal], list[set[int]]]
)
def test_numbers_of_one_hash_make_no_set(way: Way, kind: t.Any) -> None:
    app = way.app()
    way.add(app, "/", taking(kind), "POST")
    for count in (5_000, 30_000):
        body: t.Any = SAME[:count]
        if kind == dict[int, int]:
            body = dict.fromkeys(map(str, body), 1)
        elif kind == list[set[int]]:
            body = [body]
        elif kind in (StructIds, ModelIds):
            body = {"ids": body}
        with at_once(1.0):
            assert way.post(app, "/", body).status == 400


@each_way
def test_many_ids_make_a_set(way: Way) -> None:
    app = way.app()
    way.add(app, "/", taking(set[int]), "POST")
    ids = list(range(1_500_000_000_000_000_000, 1_500_000_000_000_020_000))
    assert sorted(said(way.post(app, "/", ids))) == ids


@each_way
@pytest.mark.parametrize("kind", [StructTree, ModelTree])
def test_faults_say_no_more_than_came(way: Way, kind: t.Any) -> None:
    """8 MB of one name were told a hundred times, in 800 MB."""
    app = way.app()
    way.add(app, "/", taking(kind), "POST")
    wrong = {str(number): "x" for number in range(200)}
    reply = way.post(app, "/", {"names": {"n" * 100_000: wrong}})
    assert reply.status == 422
    assert len(reply.body) < 50_000
    [*_, (_, path, _)] = faults(reply)
    assert path[:2] == ["names", "n" * 64 + "..."]
    deep: t.Any = {"tree": {}, "names": 1}
    for _ in range(60):
        deep = {"tree": deep}
    [(_, path, _)] = faults(way.post(app, "/", deep))
    assert path == ["tree"] * 16 + ["..."] + ["tree"] * 15 + ["names"]


@each_way
def test_faults_without_number_are_told_in_part(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "LONGEST", 60.0)  # a slow machine looks for fewer
    app = way.app()
    way.add(app, "/", taking(list[int]), "POST")
    assert len(faults(way.post(app, "/", ["x"] * 20_000))) == 100
    assert faults(way.post(app, "/", [1] * 20_000 + ["x"])) == [("body", [20_000], "int")]


@each_way
def test_raw_bodies_and_defaults(way: Way) -> None:
    app = way.app()
    way.add(app, "/raw", taking(bytes), "POST", endpoint="raw")
    way.add(app, "/text", taking(str), "POST", endpoint="text")

    def maybe(order: Annotated[StructOrder | None, Body()] = None) -> str:
        return "none" if order is None else order.name

    way.add(app, "/maybe", maybe, "POST")
    assert way.post(app, "/raw", b"\xff\x00", "image/png").body == b"\xff\x00"
    assert way.post(app, "/text", "é".encode(), "text/plain").body == "é".encode()
    assert way.post(app, "/maybe", b"", "").body == b"none"
    assert way.post(app, "/maybe", GOOD).body == b"x"
    assert way.post(app, "/maybe", {"name": 1}).status == 422


@each_way
def test_a_number_without_fraction_is_an_integer(way: Way) -> None:
    """As JSON Schema has it, and so the document that clients read."""
    app = way.app()
    way.add(app, "/", taking(list[int]), "POST")
    assert said(way.post(app, "/", b"[1.0, 5e2, 3]")) == [1, 500, 3]
    assert faults(way.post(app, "/", b"[1.0, 1.5, 1e300]")) == [
        ("body", [1], "int"),
        ("body", [2], "int"),
    ]


class Upload(msgspec.Struct):
    title: str
    photo: FileStorage
    more: list[FileStorage] = []
    when: datetime.date | None = None


def multipart(**fields: t.Any) -> tuple[bytes, str]:
    builder = EnvironBuilder(method="POST", data=fields)
    environ = builder.get_environ()
    body = environ["wsgi.input"].read()
    builder.close()
    return body, environ["CONTENT_TYPE"]


def file(name: str, data: bytes) -> FileStorage:
    return FileStorage(io.BytesIO(data), name)


@each_way
def test_files_are_fields(way: Way) -> None:
    app = way.app()

    def upload(form: Upload, q: Annotated[str, Query()] = "") -> dict[str, t.Any]:
        more = [one.read().decode() for one in form.more]
        return dict(title=form.title, name=form.photo.filename, more=more, when=str(form.when), q=q)

    way.add(app, "/", upload, "POST")
    body, kind = multipart(
        title="x",
        photo=file("a.png", b"1"),
        more=[file("b", b"2"), file("c", b"3")],
        when="2024-02-29",
    )
    assert said(way.post(app, "/", body, kind, "q=y")) == dict(
        title="x", name="a.png", more=["2", "3"], when="2024-02-29", q="y"
    )
    body, kind = multipart(title="x", photo="no file", when="yesterday")
    assert faults(way.post(app, "/", body, kind)) == [
        ("body", ["photo"], "a value"),
        ("body", ["when"], "Invalid RFC3339 encoded date"),
    ]
    assert way.post(app, "/", {"title": "x", "photo": "y"}).status == 422


@each_way
def test_fields_and_files_one_by_one(way: Way) -> None:
    app = way.app()

    def upload(
        photo: Annotated[FileStorage, File()],
        size: Annotated[int, Form(ge=1)],
        notes: Annotated[list[str], Form(alias="note")] = [],  # noqa: B006
    ) -> dict[str, t.Any]:
        return dict(data=photo.read().decode(), size=size, notes=notes)

    way.add(app, "/", upload, "POST")
    body, kind = multipart(photo=file("a", b"data"), size="3", note=["a", "b"])
    assert said(way.post(app, "/", body, kind)) == dict(data="data", size=3, notes=["a", "b"])
    both = [("form", ["size"], "int >= 1"), ("file", ["photo"], "a value")]
    assert faults(way.post(app, "/", {"size": 0}, FORM)) == both
    assert faults(way.post(app, "/", b"", ""))[1] == both[1]
    assert way.post(app, "/", {"size": 3}).status == 415


class Range(pydantic.BaseModel):
    low: int
    high: int

    @pydantic.model_validator(mode="after")
    def ordered(self) -> t.Self:
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


@each_way
def test_types_and_constraints_of_pydantic(way: Way) -> None:
    app = way.app()

    def view(
        url: Annotated[pydantic.HttpUrl, Query()],
        few: Annotated[list[int], Query(), pydantic.Field(max_length=2)],
        low: Annotated[pydantic.PositiveInt, Query(le=5)] = 1,
    ) -> str:
        return f"{type(url).__name__} {few} {low}"

    way.add(app, "/", view, "POST")
    assert way.post(app, "/", query="url=http://x/&few=1&low=5").body == b"HttpUrl [1] 5"
    found = faults(way.post(app, "/", query="url=x&few=1&few=2&few=3&low=6"))
    assert [(where, path) for where, path, _ in found] == [
        *(("query", ["url"]), ("query", ["few"]), ("query", ["low"])),
    ]


@each_way
def test_what_validators_of_the_users_say(way: Way) -> None:
    class Even(msgspec.Struct):
        number: int

        def __post_init__(self) -> None:
            if self.number % 2:
                raise ValueError("odd")

    app = way.app()
    way.add(app, "/range", taking(Range), "POST", endpoint="range")
    way.add(app, "/even", taking(Even), "POST", endpoint="even")
    assert faults(way.post(app, "/range", dict(low=2, high=1))) == [
        ("body", [], "Value error, low is above high")
    ]
    assert faults(way.post(app, "/even", dict(number=1))) == [("body", [], "odd")]


@each_way
def test_the_apps_error_handlers_see_them_first(way: Way) -> None:
    app = way.app()
    way.add(app, "/", taking(StructOrder), "POST")

    @app.errorhandler(RequestValidationError)
    def told(error: RequestValidationError) -> t.Any:
        return {"wrong": [fault.path for fault in error.errors]}, 400

    @app.errorhandler(415)
    def wrong_type(error: Problem) -> t.Any:
        return f"{error.code}", error.code

    assert said(way.post(app, "/", {})) == {"wrong": [["name"]]}
    assert said(way.post(app, "/", b"["))["status"] == 400
    assert way.post(app, "/", b"x", "text/plain").body == b"415"


def test_two_bodies_are_told_of() -> None:
    app = quartish.Flask(__name__)
    app.testing = True

    @app.post("/")
    def view(a: Annotated[StructOrder, Body()], b: Annotated[StructOrder, Body()]) -> str:
        return ""

    with pytest.raises(TypeError, match="asks for two bodies, 'a' and 'b'"):
        app.test_client().post("/", json={})
