"""Requests whose body is not read to its end, to servers of each kind: what the response says of
the connection, when it goes out, and what is taken of the rest."""

from __future__ import annotations

import asyncio
import io
import typing as t
from types import MethodType
from types import SimpleNamespace

import pytest
from h2.stream import StreamClosedBy
from hypercorn.protocol.events import Body
from hypercorn.protocol.events import EndBody
from hypercorn.protocol.events import Event
from hypercorn.protocol.events import StreamClosed

import quartish
from quartish import request
from quartish.asgi import servers
from quartish.asgi import unread
from tests._scripted import HttpPeer
from tests._scripted import Message

CLOSE = (b"connection", b"close")


class HypercornPeer(HttpPeer):
    """A client by a server whose `send` is known to go straight to it."""


class UvicornPeer(HttpPeer):
    """A client by a server that drops the rest of a body by itself."""


HypercornPeer.__module__ = "hypercorn.scripted"
UvicornPeer.__module__ = "uvicorn.scripted"


def make(colour: type[t.Any]) -> t.Any:
    app = colour("app")

    @app.post("/async", stream_body=True)
    async def asynchronous() -> str:
        return "ok"

    @app.post("/def")
    def synchronous() -> str:
        return "ok"

    @app.post("/large", stream_body=True)
    async def large() -> bytes:
        return b"x" * 100_000

    @app.post("/stream", stream_body=True)
    async def stream() -> t.Any:
        async def generate() -> t.AsyncIterator[bytes]:
            yield b"ok"

        return generate()

    return app


def says_close(peer: HttpPeer) -> bool:
    return CLOSE in peer.sent[0]["headers"]


PATHS = ["/async", "/def", "/large", "/stream", "/missing"]


@pytest.mark.parametrize("path", PATHS)
async def test_what_comes_with_the_head_is_dropped_before_it(
    colour: type[t.Any], path: str
) -> None:
    async with HttpPeer(make(colour), path, "POST", body=None) as peer:
        peer.say(b"x" * 10)
        peer.say(b"x" * 10, more=False)
    assert not says_close(peer)
    assert peer.received == 2 or peer.received == 3  # a task may wait for the disconnect
    assert peer.types[:2] == ["start", "body"]
    assert path == "/stream" or len(peer.sent) == 2


@pytest.mark.parametrize("path", PATHS)
async def test_a_rest_of_unknown_length_closes_the_connection(
    colour: type[t.Any], path: str
) -> None:
    async with HttpPeer(make(colour), path, "POST", body=None) as peer:
        peer.say(b"x" * 10)
        await peer.until(2)  # while the client waits
    assert says_close(peer)
    assert [message.get("more_body", False) for message in peer.sent[1:]] == [True, False]
    assert peer.error is None


@pytest.mark.parametrize("path", ["/async", "/def", "/large", "/missing"])
async def test_a_short_rest_is_waited_for_after_the_response(
    colour: type[t.Any], path: str
) -> None:
    async with HypercornPeer(
        make(colour), path, "POST", body=None, content_length="200000"
    ) as peer:
        await peer.until(2)  # the whole of it, before anything has come
        assert not says_close(peer)
        for _ in range(3):
            peer.say(b"x" * 50_000)
            await asyncio.sleep(0.01)
        assert not peer.task.done() and len(peer.sent) == 2
        peer.say(b"x" * 50_000, more=False)
    assert [message.get("more_body", False) for message in peer.sent[1:]] == [True, False]
    assert peer.sent[2]["body"] == b""


async def test_who_never_sends_it_is_not_waited_for(
    colour: type[t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unread, "LINGER", 0.05)
    async with HypercornPeer(make(colour), "/async", "POST", body=None, content_length="9") as peer:
        pass
    assert peer.types == ["start", "body", "body"]


async def test_who_sends_it_for_ever_is_not_waited_for(
    colour: type[t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unread, "LONGEST", 0.1)
    async with HypercornPeer(
        make(colour), "/async", "POST", body=None, content_length="200000"
    ) as peer:
        while not peer.task.done():
            peer.say(b"x")
            await asyncio.sleep(0.01)
    assert peer.types == ["start", "body", "body"]


async def test_what_is_here_is_taken_for_some_turns_of_the_loop(
    colour: type[t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who sends faster than it is taken is not waited for either."""
    monkeypatch.setattr(unread, "MOST_TURNS", 1)
    async with HttpPeer(make(colour), "/async", "POST", body=None, content_length="9") as peer:
        peer.say(b"x")
        await peer.until(2)
    assert says_close(peer) and peer.body == b"ok"


async def test_who_leaves_meanwhile_is_not_waited_for(colour: type[t.Any]) -> None:
    async with HypercornPeer(make(colour), "/async", "POST", body=None, content_length="9") as peer:
        await peer.until(2)
        peer.leave()
    assert peer.error is None


@pytest.mark.parametrize("peer_class", [HttpPeer, HypercornPeer])
async def test_a_long_rest_closes_the_connection(
    colour: type[t.Any], peer_class: type[HttpPeer]
) -> None:
    async with peer_class(
        make(colour), "/async", "POST", body=None, content_length="1000000"
    ) as peer:
        peer.say(b"x" * 60_000)
        await peer.until(2)
    assert says_close(peer)


async def test_what_stands_between_may_wait_for_the_end(colour: type[t.Any]) -> None:
    """So a client that sends slowly is told that the connection is closed, and waited for no longer
    than a moment."""
    app = make(colour)

    async def between(scope: t.Any, receive: t.Any, send: t.Any) -> None:
        async def sending(message: Message) -> None:
            await send(message)

        await app(scope, receive, sending)

    async with HypercornPeer(between, "/async", "POST", body=None, content_length="9") as peer:
        pass
    assert says_close(peer)


async def test_uvicorn_needs_nothing_of_this(colour: type[t.Any]) -> None:
    async with UvicornPeer(make(colour), "/async", "POST", body=None, content_length="9") as peer:
        pass
    assert not says_close(peer) and peer.types == ["start", "body"]


async def test_a_response_that_closes_says_so_once(colour: type[t.Any]) -> None:
    app = make(colour)
    app.config["MAX_CONTENT_LENGTH"] = 5

    @app.post("/read")
    async def read() -> str:
        data = request.get_data()
        return str(data if app.plain else await data)  # type: ignore[misc]

    async with HttpPeer(app, "/read", "POST", body=None) as peer:
        peer.say(b"x" * 10)
    assert peer.status == 413
    assert [line for line in peer.sent[0]["headers"] if line[0] == b"connection"] == [CLOSE]


async def test_a_kept_connection_that_the_view_asked_for_is_closed(colour: type[t.Any]) -> None:
    app = make(colour)
    app.after_request(lambda response: response.headers.set("Connection", "keep-alive") or response)
    async with HttpPeer(app, "/async", "POST", body=None) as peer:
        peer.say(b"x" * 10)
    assert [line for line in peer.sent[0]["headers"] if line[0] == b"connection"] == [CLOSE]


async def test_nobody_is_told_to_send_a_body_that_is_not_wanted(colour: type[t.Any]) -> None:
    """Servers other than Hypercorn say "100 Continue" when the body is asked for."""
    app = make(colour)
    async with HttpPeer(
        app, "/async", "POST", body=None, content_length="9", expect="100-continue"
    ) as peer:
        await peer.until(1)
        seen = peer.received
        assert peer.task.done() or not seen
    assert says_close(peer)


async def test_a_stream_may_read_to_the_end(colour: type[t.Any]) -> None:
    app = colour("app")

    @app.post("/", stream_body=True)
    async def echo() -> t.Any:
        stream: t.Any = request.stream if app.plain else request.body  # type: ignore[attr-defined]

        async def generate() -> t.AsyncIterator[bytes]:
            yield b"begun "
            async for chunk in stream:
                yield chunk

        return generate()

    async with HypercornPeer(app, "/", "POST", body=None) as peer:
        await peer.until(2)
        peer.say(b"one ")
        await peer.until(3)
        peer.say(b"two", more=False)
    assert peer.body == b"begun one two"
    assert len(peer.sent) == 5  # the end is not sent twice


@pytest.mark.parametrize("whole", [True, False])
async def test_through_wsgi_middleware(whole: bool) -> None:
    app = make(quartish.Flask)
    inner = app.wsgi_app
    app.wsgi_app = lambda environ, start_response: inner(environ, start_response)
    async with HttpPeer(app, "/def", "POST", body=None) as peer:
        peer.say(b"x" * 10, more=not whole)
        await peer.until(2)
    assert says_close(peer) is not whole
    assert peer.body == b"ok"


async def test_http_2_has_no_such_line(colour: type[t.Any]) -> None:
    peer = HttpPeer(make(colour), "/async", "POST", body=None)
    peer.scope["http_version"] = "2"
    async with peer:
        peer.say(b"x" * 10)
        await peer.until(2)
    assert not says_close(peer)


class H2:
    """Hypercorn's HTTP/2 connection, with one stream of its, and h2's, which all are this one."""

    stream_id = 1

    def __init__(self, over: bool, closed: bool = False, by: t.Any = None) -> None:
        self.closed = closed
        self.by = by
        self.handled: list[str] = []
        self.resets: list[tuple[int, int]] = []
        self.connection = self
        self.streams: dict[int, t.Any] = {1: self}
        unread.Rest.of(self, self, over)

    async def handle(self, event: Event) -> None:
        self.handled.append(type(event).__name__)

    def reset_stream(self, number: int, code: int) -> None:
        self.resets.append((number, code))

    async def take(self, *events: Event) -> None:
        for event in events:
            if isinstance(event, StreamClosed):
                stream = self.streams.pop(1)
                # What h2 knows of it is still there.
                self.connection = t.cast(t.Any, Known(self, {1: Known(self, {})}))
                await stream.handle(event)
                self.connection = self
            else:
                await self.streams[1].handle(event)


class Known:
    """What h2 knows of a connection or a stream."""

    def __init__(self, h2: H2, streams: dict[int, t.Any]) -> None:
        self.closed_by = h2.by
        self.streams = streams
        self.reset_stream = h2.reset_stream


async def test_the_rest_over_http_2_is_dropped_until_its_end() -> None:
    h2 = H2(over=True)
    await h2.take(Body(1, b"x"), StreamClosed(1))
    assert h2.handled == ["StreamClosed"] and h2.streams[1].idle
    await h2.take(Body(1, b"y"), EndBody(1))
    assert h2.streams == {} and h2.resets == [] and h2.handled == ["StreamClosed"]


async def test_a_body_over_http_2_that_ends_before_the_response_is_read_on() -> None:
    h2 = H2(over=False)
    assert not h2.streams[1].idle
    await h2.take(Body(1, b"x"), EndBody(1))
    assert h2.streams == {1: h2} and h2.handled == ["Body", "EndBody"]


async def test_much_after_the_response_over_http_2_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unread, "MOST_DROPPED", 10)
    h2 = H2(over=True)
    await h2.take(Body(1, b"x" * 20))
    assert h2.resets == []  # the response has not ended
    await h2.take(StreamClosed(1), Body(1, b"x"), Body(1, b"y"))
    assert h2.resets == [(1, unread.NO_ERROR)] and h2.streams[1].idle


async def test_the_end_over_http_2_that_was_read_and_not_handled_is_dropped() -> None:
    """h2 knew of the end: the connection failed at what it had read before."""
    h2 = H2(over=True, by=StreamClosedBy.RECV_END_STREAM)
    await h2.take(StreamClosed(1), Body(1, b""), EndBody(1))
    assert h2.streams == {} and h2.handled == ["StreamClosed"]


@pytest.mark.parametrize(("closed", "by"), [(True, None), (False, StreamClosedBy.RECV_RST_STREAM)])
async def test_a_connection_over_http_2_that_is_closed_keeps_no_stream(
    closed: bool, by: t.Any
) -> None:
    h2 = H2(over=True, closed=closed, by=by)
    await h2.take(StreamClosed(1))
    assert h2.streams == {} and h2.handled == ["StreamClosed"]


async def test_a_stream_over_http_2_that_is_another_one_by_now_is_left_alone() -> None:
    h2 = H2(over=True)
    rest = h2.streams[1]
    unread.Rest.of(h2, h2, True)
    assert h2.streams[1] is rest


def test_whose_send_it_is() -> None:
    class Through:
        def __init__(self, send: t.Any) -> None:
            self.through = send

        async def send(self, message: t.Any) -> None: ...

    file = io.BytesIO()
    wrapped = Through(Through(file.write).send).send
    assert servers.stream_of(wrapped) is file
    assert servers.stream_of(make) is make  # type: ignore[arg-type]
    assert servers.package_of(HypercornPeer(None, "/")) == "hypercorn"


class Transport:
    """A TLS connection, which cannot be closed for writing alone."""

    closed = False

    def is_closing(self) -> bool:
        return self.closed

    def set_protocol(self, protocol: asyncio.Protocol) -> None:
        self.protocol = protocol

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True


async def test_a_tls_connection_of_uvicorn_is_closed_when_the_client_has_sent_all() -> None:
    lost: list[t.Any] = []
    resumed: list[bool] = []
    transport = Transport()
    connection = SimpleNamespace(transport=transport, connection_lost=lost.append)
    cycle = SimpleNamespace(
        transport=transport,
        on_response=MethodType(lambda self: None, connection),
        flow=SimpleNamespace(resume_reading=lambda: resumed.append(True)),
        disconnected=False,
        more_body=True,
    )
    unread.Lingering.close_of(cycle)
    cycle.transport.close()
    assert resumed and not transport.closed and cycle.transport.is_closing()
    transport.protocol.data_received(b"rest")
    transport.protocol.connection_lost(None)
    assert lost == [None]
