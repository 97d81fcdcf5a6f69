"""What the tests of bad input send, sent to typed views: each is answered, and by no 500.

The inputs are those of `tests/http/test_bad_input.py` and `tests/security/test_bodies.py`.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import itertools
import typing as t
import uuid
from typing import Annotated

import msgspec
import pydantic
import pytest
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import HTTPException

from quartish.typed import Body
from quartish.typed import Cookie
from quartish.typed import File
from quartish.typed import Form
from quartish.typed import Header
from quartish.typed import Query
from tests._doors import Ask
from tests._doors import check
from tests._doors import HANDLED
from tests._doors import LIMIT
from tests.http import test_bad_input as bad
from tests.security import test_bodies as attacks
from tests.security._ways import at_once
from tests.typed._ways import each_way
from tests.typed._ways import Way


class Wide(msgspec.Struct):
    a: t.Any = None
    number: int = 0
    when: datetime.datetime | None = None
    price: decimal.Decimal = decimal.Decimal(0)
    deep: dict[str, list[t.Union[int, str, None]]] = {}
    self: t.Optional[Wide] = None


class Model(pydantic.BaseModel):
    a: t.Any = None
    number: int = 0
    when: datetime.datetime | None = None
    price: decimal.Decimal = decimal.Decimal(0)
    deep: dict[str, list[int | str | None]] = {}
    self_: t.Optional[Model] = None


class Fields(msgspec.Struct):
    a: str | list[str] = ""
    file: FileStorage | None = None


def struct(it: Annotated[Wide, Body()]) -> Wide:
    return it


def model(it: Annotated[Model, Body()]) -> Model:
    return it


def anything(it: Annotated[t.Any, Body()]) -> str:
    return repr(it)[:99]


def mapping(it: Annotated[dict[uuid.UUID, set[int]], Body()]) -> int:
    return len(it)


def fields(it: Fields, q: Annotated[list[str], Query()] = []) -> int:  # noqa: B006
    return len(it.a)


def each(a: Annotated[list[str], Form()], f: Annotated[list[FileStorage], File()] = []) -> int:  # noqa: B006
    return len(a) + len(f)


def head(
    a: Annotated[int, Query()] = 0,
    b: Annotated[list[float], Query()] = [],  # noqa: B006
    when: Annotated[datetime.datetime | None, Query()] = None,
    x: Annotated[int, Header()] = 0,
    date: Annotated[datetime.datetime | None, Header()] = None,
    user_agent: Annotated[str, Header(max_length=5)] = "",
    session: Annotated[int, Cookie()] = 0,
    c: Annotated[str, Cookie(pattern="^x*$", alias="a")] = "",
) -> dict[str, t.Any]:
    return dict(a=a, b=b, x=x)


BODIES = [struct, model, anything, mapping, fields, each]


def make_app(way: Way) -> t.Any:
    app = way.app(SECRET_KEY="key", MAX_CONTENT_LENGTH=LIMIT)
    for view in (*BODIES, head):
        way.add(app, f"/{view.__name__}", view, "GET", "POST")

    @app.errorhandler(HTTPException)
    def handled(error: HTTPException) -> t.Any:
        response = error.get_response()
        response.headers[HANDLED] = "yes"
        return response

    return app


def play(way: Way, app: t.Any, asks: t.Iterable[Ask]) -> dict[int, int]:
    """Send each; return how often there was which status."""
    found: dict[int, int] = {}
    for ask in asks:
        if way.door == "wsgi" and any(n == b"transfer-encoding" for n, _ in ask.headers):
            continue  # what a server undoes
        status = check(way.send(app, ask), ask).status
        found[status] = found.get(status, 0) + 1
    return found


KINDS = [b"application/json", b"application/msgpack", bad.FORM, bad.MULTIPART, b"text/plain", b""]


@each_way
@pytest.mark.parametrize(
    "view",
    [struct, *(pytest.param(view, marks=pytest.mark.slow) for view in BODIES[1:])],
    ids=lambda view: view.__name__,
)
def test_bodies(way: Way, view: t.Any) -> None:
    bodies = [*bad.JSON, *bad.URLENCODED, *MSGPACK, *(body for body in DEEP)]
    app = make_app(way)
    found = play(
        way,
        app,
        (
            bad.posted(f"/{view.__name__}", kind, body)
            for kind, body in itertools.product(KINDS, bodies)
        ),
    )
    assert {400, 415} <= {*found}


MSGPACK = [
    *(b"\xc1", b"\xdc\xff\xff", b"\x91" * 100_000, b"\x81\x91\x01\x01", b"\xd9\x01\xff"),
    *(b"\xd6\xff\xff\xff\xff\xff", b"\xd4\x01\x01", b"\xc7\x0c\xff" + b"\xff" * 12),
    *(b"\x93\x81\x81\x01\x01\x01", b"\x81\xa1a\xd4\x01\x01", b"\x81\xd4\x01\x01\x01"),
    *(b"\x81\xc4\x01\xff\x01", b"\x81\xa4deep\x81\xc4\x01\xff\x01", b"\x81\xa4deep\x81\x01\x93"),
    *(b"\x81\xa4deep\x81\xd4\x01\x01\x91\xc3", b"\x81\xa6number\xcb" + b"\x7f" * 8),
]
DEEP = [
    *(b'{"number":1e400}', b'{"number":9999999999999999999999999}', b'{"price":"1e999999999"}'),
    *(b'{"when":"0000-00-00T00:00:00"}', b'{"when":1e300}', b'{"price":"NaN"}', b'{"price":NaN}'),
    *(
        b'{"self":' * 5000,
        b'{"self":' * 90 + b"1" + b"}" * 90,
        b'{"deep":{"a":[[]],"b":3,"":[{}]}}',
    ),
    *(b'{"a":"\\u0000"}', b'{"\\u0000":1}', b'{"deep":{"\\u0000":1}}', b'{"12345":[1]}'),
]


@pytest.mark.slow
@each_way
def test_forms(way: Way) -> None:
    app = make_app(way)
    asks = [
        bad.posted(f"/{view.__name__}", kind, body)
        for view in (struct, fields, each)
        for kind, body in [
            *((bad.MULTIPART, body + bad.END) for body in bad.PARTS if len(body) < 1_000_000),
            *((b"multipart/form-data" + end, bad.part() + bad.END) for end in bad.BOUNDARIES),
        ]
    ]
    found = play(way, app, asks)
    assert {200, 400, 413, 422} <= {*found}


@each_way
def test_heads(way: Way) -> None:
    app = make_app(way)
    asks = [
        *(Ask("/head", query=query) for query in [*bad.QUERIES, b"a=1_0", b"b=1&b=x", b"a=" * 99]),
        *(Ask("/head", query=b"a=" + b"9" * 9000), Ask("/head", query=b"when=" + b"9" * 9000)),
        *(Ask("/head", headers=[(b"cookie", cookie)]) for cookie in bad.COOKIES),
        *(Ask("/head", headers=[(b"cookie", b"session=" + text)]) for text in bad.SESSIONS),
        *(
            Ask("/head", headers=[(name, value)])
            for name, values in bad.HEADERS.items()
            for value in values
        ),
    ]
    found = play(way, app, asks)
    assert {200, 422} <= {*found}


@pytest.mark.slow
@each_way
def test_attacks_are_answered_soon(way: Way) -> None:
    app = make_app(way)
    for case in attacks.CASES:
        for path in ("/struct", "/fields"):
            ask = dataclasses.replace(case.ask, path=path)
            with at_once():
                play(way, app, [ask])


@pytest.mark.slow
@each_way
@pytest.mark.parametrize("view", [struct, model, anything, mapping], ids=lambda v: v.__name__)
def test_many_faults_take_no_longer(way: Way, view: t.Any) -> None:
    """More faults than anybody reads are not looked for one by one."""
    app = make_app(way)
    many = b'{"deep":{"a":[' + b"[]," * 100_000 + b"[]]}}"
    keys = b'{"deep":{' + b",".join(b'"%d":1' % n for n in range(60_000)) + b"}}"
    deep = b'{"self":{"deep":1,' * 400 + b'"number":""' + b"}}" * 400
    for body in (many, keys, deep, b"[" + b"0," * 60_000 + b"0]"):
        with at_once():
            play(way, app, [bad.posted(f"/{view.__name__}", b"application/json", body)])
