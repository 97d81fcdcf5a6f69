"""The query's parameters are what Werkzeug reads, whatever the client sends."""

from __future__ import annotations

import typing as t

from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Request as WerkzeugRequest

import quartish
from quartish.quart import Request as AwaitableRequest
from tests._scopes import http_scope

PIECES = st.sampled_from(
    [b"a", b"b", b"=", b"&", b"+", b"%", b"%20", b"%2B", b"%26", b"%ff", b"%c3%a9", b"%C3", b";"]
    + ["é".encode(), b"\xff", b"%00", b"%ed%a0%80", b" ", b"==", b"&&", b"%zz", b"#"]
)


def of_werkzeug(query: bytes) -> t.Any:
    environ = {"QUERY_STRING": query.decode("latin-1"), "REQUEST_METHOD": "GET"}
    try:
        return list(WerkzeugRequest(environ).args.items(multi=True))
    except UnicodeDecodeError:
        return "refused"


def of_ours(cls: t.Any, query: bytes) -> t.Any:
    request = cls.quartish_from_scope(http_scope("/", "GET", [], query_string=query))
    try:
        return list(request.args.items(multi=True))
    except BadRequest:
        return "refused"


@given(st.lists(PIECES).map(b"".join))
@example(b"a=1&a=2&b=&c&=d&&e=f=g")
def test_as_werkzeug(query: bytes) -> None:
    expected = of_werkzeug(query)
    for cls in (quartish.Request, AwaitableRequest):
        assert of_ours(cls, query) == expected, query


def test_in_a_class_of_the_apps() -> None:
    class Request(quartish.Request):
        parameter_storage_class = MultiDict  # type: ignore[assignment]

    request = Request.quartish_from_scope(http_scope("/", "GET", [], query_string=b"a=1&a=2"))
    assert type(request.args) is MultiDict
    assert request.args.getlist("a") == ["1", "2"]
