"""The plain response is made at once where its body is in memory: as Werkzeug makes it.

It sets attributes of Werkzeug's that are not public; these tests are what notices when a
release of Werkzeug changes them.
"""

from __future__ import annotations

import typing as t

import pytest
from werkzeug.wrappers import Response as WerkzeugResponse

from quartish import Response


class Reference(WerkzeugResponse):
    default_mimetype = "text/html"


@pytest.mark.parametrize(
    "arguments",
    [
        {"response": "text"},
        {"response": "tëxt", "status": 201},
        {"response": b"bytes", "status": 404, "headers": {"X-One": "1", "x-two": "2"}},
        {"response": "text", "headers": {"content-type": "text/plain; charset=utf-8"}},
        {"response": "text", "headers": {"Content-Type": "text/plain"}, "mimetype": "text/css"},
        {"response": "text", "headers": {"Content-Length": "9"}},
        {"response": "{}", "mimetype": "application/json"},
        {"response": "text", "content_type": "text/x; charset=y"},
        {"response": "text", "headers": [("A", "1"), ("A", "2")]},
        {"response": "text", "status": "299 Odd"},
        {"response": "text", "status": 299},
        {"response": "text", "headers": {"X-Number": 3}},
        {"response": "text", "mimetype": ""},
    ],
)
def test_made_as_werkzeug_makes_it(arguments: dict[str, t.Any]) -> None:
    ours, theirs = Response(**arguments), Reference(**arguments)
    assert list(ours.headers) == list(theirs.headers)
    assert (ours.status, ours.status_code) == (theirs.status, theirs.status_code)
    assert ours.get_data() == theirs.get_data()
    assert vars(ours).keys() == vars(theirs).keys()
    ours.headers.add("X-More", "1")
    ours.status_code = 202
    assert (ours.headers["x-more"], ours.status) == ("1", Reference("", 202).status)
    closed: list[int] = []
    ours.call_on_close(lambda: closed.append(1))
    ours.close()
    assert closed == [1]


@pytest.mark.parametrize("code", [*range(100, 600), 0, 999])
def test_status_lines(code: int) -> None:
    assert Response("", code).status == Reference("", code).status


@pytest.mark.parametrize("value", ["a\nb", "a\r\nb"])
def test_no_line_break_gets_into_a_header(value: str) -> None:
    with pytest.raises(ValueError, match="newline"):
        Response("text", headers={"X-Bad": value})


class Closing:
    """An async iterable that is no generator."""

    def __init__(self, *pieces: str | bytes) -> None:
        self.pieces = [*pieces]

    def __aiter__(self) -> Closing:
        return self

    async def __anext__(self) -> str | bytes:
        if not self.pieces:
            raise StopAsyncIteration
        return self.pieces.pop(0)


def test_an_async_stream_is_read_like_any_other() -> None:
    closed: list[str] = []

    async def stream() -> t.AsyncIterator[str | bytes]:
        try:
            yield "ä"
            yield b"b"
            yield "c"
        finally:
            closed.append("closed")

    response = Response(stream())
    assert not response.is_sequence
    assert response.get_data() == "äbc".encode() and response.is_sequence
    assert response.get_data(as_text=True) == "äbc" and closed == ["closed"]
    encoded = Response(stream()).iter_encoded()
    assert next(encoded) == "ä".encode() and closed == ["closed"]
    t.cast(t.Any, encoded).close()
    assert closed == ["closed"] * 2
    assert [*Response(Closing(b"a", "b")).iter_encoded()] == [b"a", b"b"]
    response = Response(Closing("a", b"b"))
    response.make_sequence()
    assert response.response == [b"a", b"b"]
