"""A client is owed an answer: whatever an app puts into a response, what is sent is a response that
a server can send, and the log has the reason once, with method and path.

Each case goes through both doors, to apps of both colours, on both lanes.
"""

from __future__ import annotations

import asyncio
import logging
import re
import typing as t

import pytest

import quartish
from quartish import redirect
from tests._doors import Ask
from tests._doors import through_asgi
from tests._doors import through_wsgi

Made = t.Callable[[t.Any], t.Any]
TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
BREAKS = re.compile(rb"[\0\r\n\v\f]")


def header(name: t.Any, value: t.Any) -> Made:
    """A header as it is when nobody looked at it."""

    def make(response: t.Any) -> t.Any:
        response.headers._list.append((name, value))
        return response

    return make


def cookie(*args: t.Any, **options: t.Any) -> Made:
    def make(response: t.Any) -> t.Any:
        response.set_cookie(*args, **options)
        return response

    return make


def attribute(name: str, value: t.Any) -> Made:
    def make(response: t.Any) -> t.Any:
        setattr(response, name, value)
        return response

    return make


#: What a view returns, given a response, that cannot be sent.
UNSENDABLE: dict[str, Made] = {
    **{
        f"name {name!r}": header(name, "a")
        for name in ("", "a b", "a:b", "a\r\nb", "a\n", "a\0b", "X-é", "X-€", b"a", 1, None)
    },
    **{
        f"value {value!r}": header("X", value)
        for value in ("a\0b", "a\r\nb: c", "a\n", "\r", "a\vb", "a\fb", "\ud800", b"a", 1, None)
    },
    **{
        f"item {name!r} {value!r}": lambda _, name=name, value=value: ("x", 200, {name: value})  # type: ignore[misc]
        for name in ("X-€", "a b", "X")
        for value in ("a\0b", "a\r\nb")
    },
    **{
        f"status {status!r}": lambda _, status=status: ("x", status)  # type: ignore[misc]
        for status in (-1, 0, 99, 100, 101, 103, 199, 1000, 10**9, "abc", "99 x", "", 200.5)
    },
    **{
        f"to {url!r}": lambda _, url=url: redirect(url)  # type: ignore[misc]
        for url in ("http://[::1/x", "http://[/€", "http://a:99999999/x", "/a\r\nX: y", "/\ud800")
    },
    "cookie's name": cookie("a\r\nb", "c"),
    "cookie's domain": cookie("a", "b", domain="a\r\nb"),
    "Content-Length": attribute("headers", [("Content-Length", "abc")]),
    "the second Content-Length": attribute(
        "headers", [("Content-Length", "1"), ("Content-Length", "abc")]
    ),
    "mimetype": attribute("mimetype", "a/b\r\nc"),
    "text": lambda _: "\ud800",
    "Location": lambda _: ("x", 302, {"Location": "http://[/€"}),
    "nothing": lambda _: None,
    "abort": lambda response: quartish.abort(attribute("status_code", 1000)(response)),
}
#: What looks as bad, and is sent.
SENDABLE: dict[str, tuple[Made, int]] = {
    "latin": (header("X", "é"), 200),
    "unicode": (header("X", "€"), 200),
    "spaces": (header("X", " a\t"), 200),
    "number": (lambda _: ("x", 200, {"X": 5}), 200),
    "status line": (lambda _: ("x", "200 a\r\nb: c"), 200),
    "unknown status": (lambda _: ("x", 999), 999),
    "no content": (lambda _: ("x", 204), 204),
    "not modified": (lambda _: ("x", 304), 304),
    "cookie's value": (cookie("a", "b\0\r\nc€"), 200),
    "cookie's path": (cookie("a", "b", path="/\r\n€"), 200),
    "long redirect": (lambda _: redirect("/" + "é" * 100_000), 302),
    "NUL in a redirect": (lambda _: redirect("/\0"), 302),
}


def make_app(cls: type[t.Any], lane: str, makes: dict[str, Made]) -> t.Any:
    app = cls(__name__)

    def view(number: int) -> t.Any:
        return list(makes.values())[number](app.response_class("x"))

    async def on_loop(number: int) -> t.Any:
        return view(number)

    app.add_url_rule("/<int:number>", "view", on_loop if lane == "loop" else view)
    app.logger.propagate = True
    return app


async def messages_of(app: t.Any, path: str) -> list[dict[str, t.Any]]:
    """Send a GET and return what was sent, which has to be what a server can send."""
    messages: list[dict[str, t.Any]] = []

    async def receive() -> t.Any:
        await asyncio.Event().wait()

    async def send(message: t.Any) -> None:
        messages.append(message)

    scope = {
        **dict(type="http", http_version="1.1", method="GET", scheme="http", path=path),
        **dict(query_string=b"", headers=[(b"host", b"localhost")]),
    }
    await app(scope, receive, send)
    start, *bodies = messages
    assert type(start["status"]) is int and 200 <= start["status"] <= 999
    for name, value in start["headers"]:
        assert TOKEN.fullmatch(name) and not BREAKS.search(value) and value == value.strip()
    assert not bodies[-1].get("more_body")
    size = sum(len(message.get("body", b"")) for message in bodies)
    assert dict(start["headers"]).get(b"content-length", b"%d" % size) == b"%d" % size
    return messages


@pytest.mark.parametrize("lane", ["loop", "thread"])
async def test_what_cannot_be_sent_is_a_500_by_the_apps_handler(
    colour: type[t.Any], lane: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(colour, lane, UNSENDABLE)
    app.register_error_handler(500, lambda error: ("handled", 500, {"X-Handled": "yes"}))
    for number, name in enumerate(UNSENDABLE):
        caplog.clear()
        start, *_ = await messages_of(app, f"/{number}")
        assert start["status"] == 500, name
        assert (b"x-handled", b"yes") in start["headers"], name
        assert [r.message for r in caplog.records if r.levelno >= logging.ERROR] == [
            f"Exception on /{number} [GET]"
        ], name
        if app.plain:
            caplog.clear()
            reply = await asyncio.to_thread(through_wsgi, app, Ask(f"/{number}"))
            assert (reply.status, reply.headers.get("X-Handled")) == (500, "yes"), name
            assert len(caplog.records) == 1


@pytest.mark.parametrize("lane", ["loop", "thread"])
async def test_what_can_be_sent_is(colour: type[t.Any], lane: str) -> None:
    app = make_app(colour, lane, {name: make for name, (make, _) in SENDABLE.items()})
    for number, (name, (_, status)) in enumerate(SENDABLE.items()):
        start, *_ = await messages_of(app, f"/{number}")
        assert start["status"] == status, name
        if app.plain:
            reply = await asyncio.to_thread(through_wsgi, app, Ask(f"/{number}"))
            assert reply.status == status, name


@pytest.mark.parametrize("lane", ["loop", "thread"])
async def test_who_waits_for_errors_is_told(colour: type[t.Any], lane: str) -> None:
    app = make_app(colour, lane, {"name": header("a b", "x"), "to": lambda _: redirect("http://[")})
    app.config["PROPAGATE_EXCEPTIONS"] = True
    for path in ("/0", "/1"):
        with pytest.raises(ValueError):
            await messages_of(app, path)


def broken_handler(app: t.Any) -> None:
    def handler(error: Exception) -> t.Any:
        raise LookupError("the handler's")

    app.register_error_handler(500, handler)


def broken_for_all(app: t.Any) -> None:
    app.after_request(header("a b", "c"))


def broken_after(app: t.Any) -> None:
    def after(response: t.Any) -> t.Any:
        raise LookupError("the after function's")

    app.after_request(after)


@pytest.mark.parametrize("lane", ["loop", "thread"])
@pytest.mark.parametrize("break_it", [broken_handler, broken_for_all, broken_after])
async def test_the_last_word_is_a_plain_500(
    colour: type[t.Any], lane: str, break_it: t.Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(response: t.Any) -> t.Any:
        raise KeyError("the view's")

    app = make_app(colour, lane, {"fails": fail})
    break_it(app)
    start, body = await messages_of(app, "/0")
    assert start["status"] == 500 and b"Internal Server Error" in body["body"]
    messages = [record.message for record in caplog.records]
    assert len(messages) == 2 and messages[0] == "Exception on /0 [GET]"
    if break_it is broken_handler:
        assert messages[1] == "Exception in the error handler of view 'view' [GET /0]"
    if app.plain:
        reply = await asyncio.to_thread(through_wsgi, app, Ask("/0"))
        assert reply.status == 500 and b"Internal Server Error" in reply.body


@pytest.mark.parametrize("lane", ["loop", "thread"])
async def test_a_body_that_is_none(lane: str, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody looks at a list of bytes before it is sent."""
    app = make_app(quartish.Flask, lane, {"list": lambda response: type(response)([1, 2])})
    start, _ = await messages_of(app, "/0")
    assert start["status"] == 500
    assert [r.message for r in caplog.records] == [
        "The response of view 'view' [GET /0] cannot be sent"
    ]
    assert (await asyncio.to_thread(through_wsgi, app, Ask("/0"))).status == 500


@pytest.mark.parametrize("lane", ["loop", "thread"])
@pytest.mark.parametrize("chunk", [1, None, object()])
async def test_a_stream_gives_text_or_bytes(colour: type[t.Any], lane: str, chunk: t.Any) -> None:
    """*Quart:* a number is so many NULs."""
    good = [b"a", "b", bytearray(b"c"), memoryview(b"d")]
    app = make_app(
        colour,
        lane,
        {
            "good": lambda response: type(response)(iter(good)),
            "bad": lambda response: type(response)(iter(["a", chunk])),
        },
    )
    _, *bodies = await messages_of(app, "/0")
    assert b"".join(message.get("body", b"") for message in bodies) == b"abcd"
    if chunk is not None or not app.plain:
        with pytest.raises(TypeError, match="consists of str and bytes"):
            await through_asgi(app, Ask("/1"))
