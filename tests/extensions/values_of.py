"""Print, as JSON, what views of quartish or FastAPI are given for what clients send.

    python values_of.py (quartish | fastapi)

Each case is a place in the request, a type and what is sent there: {case: [status, value]}.
The views are the same in both, but for the marks' module.
"""

from __future__ import annotations

import asyncio
import datetime
import decimal
import enum
import json
import sys
import typing as t
import uuid
from typing import Annotated
from urllib.parse import quote
from urllib.parse import quote_plus

import pydantic

from tests._scopes import http_scope


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Line(pydantic.BaseModel):
    sku: str
    quantity: int = pydantic.Field(1, ge=1)


class Order(pydantic.BaseModel):
    customer: str
    lines: list[Line] = []
    day: datetime.date | None = None
    level: Level = Level.LOW
    price: decimal.Decimal = decimal.Decimal(0)


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", strict=True)
    number: int


class Aliased(pydantic.BaseModel):
    snake_case: int = pydantic.Field(alias="camelCase")


class Cat(pydantic.BaseModel):
    kind: t.Literal["cat"]
    lives: int


class Dog(pydantic.BaseModel):
    kind: t.Literal["dog"]


REQUIRED = object()

#: {name: (type, what its mark says, default)}
TYPES: dict[str, tuple[t.Any, dict[str, t.Any], t.Any]] = {
    "int": (int, {}, REQUIRED),
    "float": (float, {}, REQUIRED),
    "bool": (bool, {}, REQUIRED),
    "str": (str, {}, REQUIRED),
    "decimal": (decimal.Decimal, {}, REQUIRED),
    "uuid": (uuid.UUID, {}, REQUIRED),
    "date": (datetime.date, {}, REQUIRED),
    "datetime": (datetime.datetime, {}, REQUIRED),
    "time": (datetime.time, {}, REQUIRED),
    "timedelta": (datetime.timedelta, {}, REQUIRED),
    "enum": (Colour, {}, REQUIRED),
    "int enum": (Level, {}, REQUIRED),
    "literal": (t.Literal["a", "b"], {}, REQUIRED),
    "int literal": (t.Literal[1, 2], {}, REQUIRED),
    "optional": (int | None, {}, REQUIRED),
    "optional bool": (bool | None, {}, REQUIRED),
    "default": (int, {}, 3),
    "no default": (int | None, {}, None),
    "union": (int | str, {}, REQUIRED),
    "union of dates": (datetime.date | int, {}, REQUIRED),
    "list": (list[int], {}, REQUIRED),
    "list of text": (list[str], {}, REQUIRED),
    "list of bools": (list[bool], {}, REQUIRED),
    "list by default": (list[int], {}, [7]),
    "set": (set[int], {}, REQUIRED),
    "ge": (int, {"ge": 1}, REQUIRED),
    "gt lt": (float, {"gt": 0, "lt": 1}, REQUIRED),
    "le": (int, {"le": 5}, REQUIRED),
    "multiple": (int, {"multiple_of": 5}, REQUIRED),
    "pattern": (str, {"pattern": "^a"}, REQUIRED),
    "short": (str, {"min_length": 1, "max_length": 3}, REQUIRED),
    "optional ge": (int | None, {"ge": 1}, None),
}

#: Texts that stand in the path, the query, a header, a cookie and a form.
TEXTS = [
    *(
        "",
        " ",
        "0",
        "1",
        "-1",
        "+1",
        "5",
        "10",
        " 1 ",
        "01",
        "1.0",
        "1.5",
        "1,5",
        "0.5",
        ".5",
        "5.",
    ),
    *("1e3", "1E3", "1_000", "0x10", "0b1", "\u0663", "9" * 30, "9" * 400, "9" * 5000, "1e999"),
    *("NaN", "nan", "inf", "-inf", "Infinity", "null", "None", "undefined", "abc", "a", "b", "A"),
    *("true", "True", "TRUE", "false", "False", "on", "On", "off", "yes", "no", "t", "f", "y", "n"),
    *(
        "red",
        "RED",
        "Colour.RED",
        "blue",
        "2",
        "3",
        "LOW",
        "aaaa",
        "a b",
        "\u00e9",
        "\u65e5",
        "a+b",
    ),
    "12345678-1234-5678-1234-567812345678",
    "12345678123456781234567812345678",
    "12345678-1234-5678-1234-56781234567",
    "{12345678-1234-5678-1234-567812345678}",
    "urn:uuid:12345678-1234-5678-1234-567812345678",
    "12345678-1234-5678-1234-56781234567G",
    *("2024-02-29", "2023-02-29", "2024-2-9", "20240229", "2024-02", "24-02-29", "0000-01-01"),
    *("2024-02-29T12:00:00", "2024-02-29T12:00:00Z", "2024-02-29T12:00:00+01:00"),
    *("2024-02-29 12:00:00", "2024-02-29T12:00", "2024-02-29T24:00:00", "2024-02-29T12:00:00.5"),
    *("2024-02-29T12:00:00.123456789", "2024-02-29t12:00:00z", "1700000000", "1700000000000"),
    *("2024-02-29T12:00:60", "10000-01-01", "2024-02-29T00:00:00"),
    *("12:00", "12:00:00", "12:00:00Z", "25:00", "12:00:00.5", "1200"),
    *(
        "PT1H",
        "P1D",
        "P1Y",
        "PT",
        "1:00:00",
        "-PT1H",
        "PT0.5S",
        "1 day",
        "P1DT1H",
        "PT99999999999H",
    ),
    *("[1]", "[]", "{}", '"a"', "1;2", "1 2", "a\x00b", "%", "'", "\\"),
]
#: Bodies of JSON, for each type.
JSONS = [
    *("0", "1", "-1", "5", "10", "1.0", "1.5", "0.5", "1e3", "1e2", "9" * 30, "1e999", "-0", "1E0"),
    *("NaN", "Infinity", "-Infinity", "01", "+1", ".5", "1.", "0x1", "'a'", "", " ", "[", "{", '"'),
    *("true", "false", "null", "True", "nul", "[]", "{}", "[1]", "[1, 2, 1]", '["1"]', '["a"]'),
    *(
        "[1.0]",
        "[null]",
        "[true]",
        "[[1]]",
        '{"a": 1}',
        '"1"',
        '"1.0"',
        '"abc"',
        '""',
        '"a"',
        '"b"',
    ),
    *('"red"', '"RED"', "2", "3", '"true"', '"on"', '"null"', '"\\u00e9"', '"\\ud800"', '"aaaa"'),
    *('"2024-02-29"', '"2023-02-29"', '"2024-02-29T12:00:00"', '"2024-02-29T12:00:00Z"'),
    *("1700000000", '"12:00:00"', '"12:00"', '"PT1H"', "3600", '"1:00:00"', '"1.10"', "1.10"),
    '"12345678-1234-5678-1234-567812345678"',
    '"12345678123456781234567812345678"',
    *("1 2", "1,", "[1,]", '{"a": 1,}', "// x\n1", "\ufeff1", "[" * 3000, '{"a":' * 3000),
]
#: Bodies for models: those that both check by pydantic.
MODELS: dict[str, t.Any] = {
    "order": Order,
    "strict": Strict,
    "aliased": Aliased,
    "one of": Annotated[Cat | Dog, pydantic.Field(discriminator="kind")],
    "list": list[Line],
    "dict": dict[str, Line],
    "optional": Order | None,
}
OBJECTS = [
    *("null", "[]", "{}", "1", '"a"', "", "{", '{"customer": "a"}', '{"customer": 1}'),
    '{"customer": "a", "more": 1}',
    '{"customer": "a", "customer": "b"}',
    '{"customer": "a", "lines": [{"sku": "b"}, {"sku": "c", "quantity": 2}]}',
    '{"customer": "a", "lines": [{"sku": "b", "quantity": 0}, {"quantity": "x"}]}',
    '{"customer": "a", "lines": {}}',
    '{"customer": "a", "lines": null}',
    '{"customer": "a", "day": "2024-02-29", "level": 2, "price": "1.10"}',
    '{"customer": "a", "day": null, "level": "2", "price": 1.1}',
    '{"customer": "a", "day": "2023-02-29", "level": 3, "price": "NaN"}',
    '{"customer": "a", "day": 0, "level": true, "price": true}',
    *('{"number": 1}', '{"number": "1"}', '{"number": 1.0}', '{"number": 1, "x": 2}'),
    *('{"snake_case": 1}', '{"camelCase": 1}', '{"kind": "cat", "lives": 9}', '{"kind": "cat"}'),
    *('{"kind": "dog"}', '{"kind": "cow"}', '{"kind": null}', '[{"sku": "a"}]', '[{"sku": 1}]'),
    *('{"a": {"sku": "b"}}', '{"a": 1}', '{"a": {"sku": "b", "quantity": 1e999}}', "[1]", "[[]]"),
]
KINDS = [
    *("application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "text/json", ""),
    *("application/problem+json", "text/plain", "application/x-www-form-urlencoded", "nonsense"),
    *("application/jsonx", "application/vnd.api+json"),
]
JSON = (("content-type", "application/json"),)
FORM = (("content-type", "application/x-www-form-urlencoded"),)
WHERE = ("path", "query", "header", "cookie", "form")


def shown(value: t.Any) -> str:
    """Return a value as text that is the same whichever class of a time zone it has."""
    if isinstance(value, (datetime.datetime, datetime.time)):
        return f"{type(value).__name__} {value.isoformat()}"
    if isinstance(value, set):
        return f"set {sorted(value)}"
    if isinstance(value, pydantic.BaseModel):
        return f"{type(value).__name__} {value.model_dump()}"
    return repr(value)


def view_of(name: str, kind: t.Any, mark: t.Any, default: t.Any = REQUIRED) -> t.Any:
    async def view(x: t.Any) -> t.Any:
        return {"value": shown(x)}

    if default is not REQUIRED:
        view.__defaults__ = (default,)
    view.__name__ = name.replace(" ", "_")
    view.__annotations__ = {"x": Annotated[kind, mark], "return": dict[str, str]}
    return view


def of_quartish() -> tuple[t.Any, t.Any, t.Any]:
    from quartish import Quart
    from quartish import typed

    app = Quart(__name__)

    def add(rule: str, view: t.Any) -> None:
        rule = rule.replace("{x}", "<x>")
        app.add_url_rule(rule, rule.strip("/").replace("/", "_"), view, methods=["GET", "POST"])

    return app, add, typed


def of_fastapi() -> tuple[t.Any, t.Any, t.Any]:
    import fastapi

    app = fastapi.FastAPI()

    def add(rule: str, view: t.Any) -> None:
        app.api_route(rule, methods=["GET", "POST"])(view)

    return app, add, fastapi


def add_views(add: t.Any, lib: t.Any) -> None:
    for where in WHERE:
        mark = getattr(lib, where.capitalize())
        for name, (kind, said, default) in TYPES.items():
            if where == "path" and (default is not REQUIRED or "list" in name or name == "set"):
                continue
            for checked in ("", " by pydantic"):
                annotation = Annotated[kind, pydantic.Field()] if checked else kind
                rule = f"/{where}/{name}{checked}".replace(" ", "-")
                rule += "/{x}" if where == "path" else ""
                add(rule, view_of(f"{where}{name}{checked}", annotation, mark(**said), default))
    for name, (kind, _, default) in TYPES.items():
        for checked in ("", " by pydantic"):
            annotation = Annotated[kind, pydantic.Field()] if checked else kind
            rule = f"/json/{name}{checked}".replace(" ", "-")
            add(rule, view_of(f"json{name}{checked}", annotation, lib.Body(), default))
    for name, kind in MODELS.items():
        rule = f"/model/{name}".replace(" ", "-")
        add(rule, view_of(f"model{name}", kind, lib.Body()))


class Asked(t.NamedTuple):
    case: str
    path: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None


def asked() -> t.Iterator[Asked]:
    for name, (_, _, default) in TYPES.items():
        for checked in ("", " by pydantic"):
            rule = f"{name}{checked}".replace(" ", "-")
            place = f"{name}{checked}"
            for text in TEXTS:
                said = f"{place}: {text[:99]!r}" + (f" {len(text)}" if len(text) > 99 else "")
                many = "list" in name or name == "set"
                if not (many or default is not REQUIRED or text in ("", "%")):
                    yield Asked(f"path {said}", f"/path/{rule}/{text}")
                yield Asked(f"query {said}", f"/query/{rule}", f"x={quote_plus(text)}")
                data = f"x={quote_plus(text)}".encode()
                yield Asked(f"form {said}", f"/form/{rule}", "", FORM, data)
                if text.isascii() and text.isprintable() and text == text.strip():
                    yield Asked(f"header {said}", f"/header/{rule}", "", (("x", text),))
                    if not set(text) & set(' ",;\\'):
                        yield Asked(
                            f"cookie {said}", f"/cookie/{rule}", "", (("cookie", f"x={text}"),)
                        )
            for query in (
                "",
                "x",
                "x=1&x=2",
                "x=1&x=a",
                "x=a&x=1",
                "y=1",
                "x=1&x=",
                "x[]=1",
                "X=1",
            ):
                yield Asked(f"query {place}?{query}", f"/query/{rule}", query)
                yield Asked(f"form {place}?{query}", f"/form/{rule}", "", FORM, query.encode())
            yield Asked(f"header {place} twice", f"/header/{rule}", "", (("x", "1"), ("x", "2")))
            yield Asked(f"header {place} none", f"/header/{rule}")
            yield Asked(f"cookie {place} none", f"/cookie/{rule}")
            for text in JSONS:
                said = f"{place}: {text[:99]}" + (f" {len(text)}" if len(text) > 99 else "")
                yield Asked(f"json {said}", f"/json/{rule}", "", JSON, text.encode())
    for name in MODELS:
        rule = name.replace(" ", "-")
        for text in OBJECTS:
            yield Asked(f"model {name}: {text}", f"/model/{rule}", "", JSON, text.encode())
    for kind in KINDS:
        headers = (("content-type", kind),)[: 1 if kind else 0]
        for body in (b'{"customer": "a"}', b"\xff", b"", b"customer=a"):
            yield Asked(f"kind {kind!r} {body!r}", "/model/order", "", headers, body)


async def send(app: t.Any, ask: Asked) -> list[t.Any]:
    body = ask.body or b""
    headers = [(b"host", b"localhost")]
    headers += [(name.encode(), value.encode("latin-1")) for name, value in ask.headers]
    if ask.body is not None:
        headers.append((b"content-length", str(len(body)).encode()))
    method = "GET" if ask.body is None else "POST"
    raw_path, query = quote(ask.path).encode(), ask.query.encode()
    scope = http_scope(ask.path, method, headers, raw_path=raw_path, query_string=query)
    coming = [{"type": "http.request", "body": body, "more_body": False}]
    sent: list[t.Any] = []

    async def receive() -> t.Any:
        if coming:
            return coming.pop()
        return await asyncio.Event().wait()

    async def answer(message: t.Any) -> None:
        sent.append(message)

    try:
        await app(scope, receive, answer)
    except Exception as error:  # the server's 500
        return [500, repr(error)[:200]]
    status = sent[0]["status"]
    data = b"".join(message.get("body", b"") for message in sent[1:])
    return [status, json.loads(data)["value"] if status == 200 else None]


async def main() -> None:
    app, add, lib = {"quartish": of_quartish, "fastapi": of_fastapi}[sys.argv[1]]()
    add_views(add, lib)
    found = {}
    for ask in asked():
        found[ask.case] = await send(app, ask)
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main())
