"""Responses to requests whose body was not read to its end.

Over HTTP/1 the rest of a body comes before the client's next request. If the rest has not come when
the response ends, Hypercorn and others close the connection without saying so, and the client's
next request is lost. So the part of the body that has come is dropped before the response begins.
If there is more, either the response says `Connection: close`; or, for a short body, the server
gets the end of the response only when the rest has come. The client does not wait for that, as it
knows the length of the response. How long we wait, and how much we drop, is bounded.

Over HTTP/2 Hypercorn fails at the rest, and closes all streams of the connection: so the rest is
kept from it.

uvicorn drops the rest where it keeps the connection. Where it closes it, it does so at once: what
the client still sends meets a reset, by which the response may be lost. So its connection
is closed for writing first.

Source: RFC 9112, sections 9.3 and 9.6; RFC 9110, section 10.1.1; RFC 9113, section 8.1.
"""

from __future__ import annotations

import asyncio
import typing as t
from time import monotonic

from .._http.body import Body
from .._http.inbox import PAUSE
from .._http.inbox import QUEUED
from .._http.outgoing import BODILESS
from ..typing import ASGISend
from ..typing import Message
from ..typing import Scope
from .exchange import Exchange
from .servers import h2_protocol_of
from .servers import package_of
from .servers import stream_of

SHORT = 262_144
"""The longest Content-Length of a body whose rest is waited for after the response."""
LINGER = 2.0
"""Seconds for which the client may pause then."""
LONGEST = 10.0
"""Seconds for which the rest is waited for altogether."""
LAST_LOOK = 1.0
"""Seconds for which the rest is dropped at most if the connection is closed."""
TURNS = 4
"""Turns of the loop without a message after which nothing more is at hand; a server needs some for
each message."""
MOST_TURNS = 32
MOST_DROPPED = 16 * 1024 * 1024
"""Bytes of a body that are dropped over HTTP/2, before the client is told to stop. httpx 0.28 waits
for ever once it is told so, and is none the worse for sending the rest."""
MOST_AFTER_CLOSE = 128 * 1024 * 1024
"""Bytes that are dropped after uvicorn's response, before the connection is reset."""
NO_ERROR = 0
"""Code of a reset that means: the response is complete, send no more (RFC 9113, section 8.1)."""


def guard(exchange: Exchange, over: bool) -> None:
    """Let the exchange's `send` drop an unread body. `over` says that nothing will read more of the
    body, as the response is in memory."""
    upload = exchange.upload
    if upload is not None and not upload.is_here() and exchange.inbox.disconnect is None:
        exchange.send = guarded(exchange.send, upload, exchange.ctx.scope, over)


def guarded(send: ASGISend, upload: Body, scope: Scope, over: bool = False) -> ASGISend:
    """Return a `send` for the response to a request whose body may not have been read."""
    stream = stream_of(send)
    server = package_of(stream)
    if server == "uvicorn":  # drops the rest by itself if the connection is kept
        Lingering.close_of(stream)
        return send
    return UnreadSend(send, upload, scope, over, stream, server == "hypercorn").send


class UnreadSend:
    """Sends a response, and drops the rest of the request's body before the end of the response."""

    def __init__(
        self, send: ASGISend, upload: Body, scope: Scope, over: bool, stream: t.Any, direct: bool
    ) -> None:
        self.through: ASGISend = send
        self._upload = upload
        self._inbox = upload.inbox
        self._scope = scope
        self._over = over
        self._stream = stream
        self._h2 = h2_protocol_of(stream)
        #: Whether messages go to the client at once, as no middleware may wait for more, and "100
        #: Continue" was sent already.
        self._direct = direct
        #: Whether a part of the response's body was sent; some servers do not send the head before.
        self._begun = False
        #: Whether the connection may serve another request.
        self._keeps = False

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if self._upload.is_here():
            pass
        elif kind == "http.response.start":
            if self._over:
                self._inbox.drop()
            if self._h2 is not None:
                Rest.of(self._h2, self._stream, self._over)
            elif self._scope["http_version"] < "2":
                message = await self._begin(message)
        elif (
            kind == "http.response.body"
            and not message.get("more_body", False)
            and self._h2 is None
        ):
            self._inbox.drop()
            if message.get("body") or not self._begun:
                await self.through({**message, "more_body": True})
            await self._linger()
            message = {"type": kind, "body": b"", "more_body": False}
        self._begun = kind == "http.response.body"
        await self.through(message)

    async def _begin(self, start: Message) -> Message:
        """Return the head of the response, which says whether the connection is closed."""
        headers, scope = start["headers"], self._scope
        if (b"connection", b"close") in headers:
            return start
        waits = not self._direct and any(name == b"expect" for name, _ in scope["headers"])
        announced = self._upload.announced or 0
        if not waits and announced <= SHORT:
            await self._arrive()
        if self._upload.is_here():
            return start
        self._keeps = (
            0 < announced <= SHORT
            and self._direct
            and self._over  # else a thread may be waiting for this
            and (
                start["status"] in BODILESS
                or scope["method"] == "HEAD"
                or any(name == b"content-length" for name, _ in headers)
            )
        )
        if self._keeps:
            return start
        kept = [line for line in headers if line[0] != b"connection"]
        return {**start, "headers": [*kept, (b"connection", b"close")]}

    async def _arrive(self) -> None:
        """Receive what has come, without waiting for more."""
        inbox = self._inbox
        inbox.watch()
        seen, idle = inbox.seen, 0
        end = seen + QUEUED
        for _ in range(MOST_TURNS):
            if self._upload.is_here() or idle == TURNS or inbox.seen >= end:
                break
            await asyncio.sleep(0)
            idle = idle + 1 if inbox.seen == seen else 0
            seen = inbox.seen

    async def _linger(self) -> None:
        """Drop the rest: all of it; or, if the connection is closed, as much as the client needs to
        see the response before that."""
        if self._keeps:
            await self._inbox.skip(LINGER, monotonic() + LONGEST)
        else:
            await self._inbox.skip(PAUSE, monotonic() + LAST_LOOK, QUEUED)


class Lingering(asyncio.Protocol):
    """Stands for the transport of a uvicorn connection during one response: if that is closed while
    the client still sends, it is closed for writing, and what comes is dropped until the client has
    closed it too. Other calls go through."""

    def __init__(self, cycle: t.Any, connection: t.Any) -> None:
        self._cycle = cycle
        self._connection = connection
        self._transport: t.Any = cycle.transport
        self._begun = False
        self._left = MOST_AFTER_CLOSE
        self._moved = self._end = 0.0
        self._timer: asyncio.TimerHandle

    @classmethod
    def close_of(cls, cycle: t.Any) -> None:
        """Let the connection of a request be closed this way. `cycle` is the object whose method
        uvicorn's `send` is."""
        connection = getattr(getattr(cycle, "on_response", None), "__self__", None)
        transport = getattr(cycle, "transport", None)
        if transport is not None and transport is getattr(connection, "transport", None):
            cycle.transport = cls(cycle, connection)

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self._begun or bool(self._transport.is_closing())

    def close(self) -> None:
        cycle, transport = self._cycle, self._transport
        if self._begun or transport.is_closing() or cycle.disconnected or not cycle.more_body:
            transport.close()
            return
        self._begun = True
        self._connection.transport = self  # it is closing, and closed when the server stops
        transport.set_protocol(self)
        if transport.can_write_eof():  # TLS cannot
            transport.write_eof()
        cycle.flow.resume_reading()
        self._moved = monotonic()
        self._end = self._moved + LONGEST
        self._look()

    def data_received(self, data: bytes) -> None:
        self._moved = monotonic()
        self._left -= len(data)
        if self._left < 0:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._connection.connection_lost(exc)

    def _look(self) -> None:
        rest = min(self._moved + LINGER, self._end) - monotonic()
        if rest > 0:
            self._timer = asyncio.get_running_loop().call_later(rest, self._look)
        else:
            self._transport.close()


class _Reset:
    """Takes the place of a stream that was reset."""

    idle = True

    async def handle(self, event: t.Any) -> None:
        pass


_RESET = _Reset()


class Rest:
    """Takes the place of a stream of Hypercorn's HTTP/2 connection until the client has sent all:
    what comes after the response is dropped, and if that is much, the stream is reset."""

    def __init__(self, protocol: t.Any, stream: t.Any, over: bool) -> None:
        self._protocol = protocol
        self._stream = stream
        self._over = over
        self._open = True
        self._dropped = 0

    @classmethod
    def of(cls, protocol: t.Any, stream: t.Any, over: bool) -> None:
        if protocol.streams.get(stream.stream_id) is stream:
            protocol.streams[stream.stream_id] = cls(protocol, stream, over)

    @property
    def idle(self) -> bool:
        """Whether the connection may be closed when nothing happens on it."""
        return not self._open

    async def handle(self, event: t.Any) -> None:
        kind, number = type(event).__name__, self._stream.stream_id
        streams = self._protocol.streams
        if kind == "StreamClosed":
            if self._open and not self._protocol.closed and self._may_go_on(number):
                streams[number] = self  # Hypercorn has just removed it
            self._open = False
            await self._stream.handle(event)
        elif kind == "EndBody":
            if self._open:
                streams[number] = self._stream
                await self._stream.handle(event)
            else:
                streams.pop(number, None)
        elif self._open and not self._over:
            await self._stream.handle(event)
        else:
            self._dropped += len(event.data)
            if self._dropped > MOST_DROPPED and not self._open:
                self._protocol.connection.reset_stream(number, NO_ERROR)
                streams[number] = _RESET  # more of it may have been read already

    def _may_go_on(self, number: int) -> bool:
        """Say whether the client has not reset the stream. It may have ended it, in frames that h2
        has read and Hypercorn has not handled."""
        stream = self._protocol.connection.streams.get(number)
        return stream is not None and "RST" not in getattr(stream.closed_by, "name", "")
