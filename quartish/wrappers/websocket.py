"""Websockets, the same in both colours: messages are pulled and sent by the handler."""

from __future__ import annotations

import asyncio
import typing as t
from time import monotonic

from werkzeug.datastructures import Headers

from .. import json
from .._concurrency.coroutines import mark_async
from .._concurrency.coroutines import Turns
from .._concurrency.threads import in_lane
from .._concurrency.threads import this_thread
from .._http.headers import breaks
from .._http.headers import check_token
from .._http.headers import raw_name
from .._http.headers import raw_value
from .._http.headers import Unsendable
from .._http.inbox import give_way
from .._http.inbox import Inbox
from ..signals import websocket_received
from ..signals import websocket_sent
from ..typing import ASGISend
from ..typing import Message
from ..typing import RawHeaders
from ..typing import Scope
from .connection import ClientDisconnectedError
from .connection import Conn
from .websocket_json import JSONMessages
from .websocket_json import Order
from .websocket_json import waited_for
from .websocket_json import waited_for_in_threads

HeadersLike = t.Union[Headers, t.Mapping[str, str], t.Iterable[tuple[str, str]]]

NO_STATUS = 1005
ABNORMAL_CLOSURE = 1006
UNSENT = (1004, NO_STATUS, ABNORMAL_CLOSURE, 1015)
"""Codes that no close frame may have. *Source:* RFC 6455, section 7.4.1."""
LONGEST_REASON = 123
"""Bytes of a close frame's reason. *Source:* RFC 6455, section 5.5."""
SENDS_PER_TURN = 16
"""Messages sent in a row before other tasks get their turn."""
LOOKS = 15
"""Bits of the number of messages received that are 0 when it is looked whether other tasks waited
long enough for their turn: each 16."""


class WebSocketDisconnect(ClientDisconnectedError):
    """The client left. Raised by `receive` and `send`, after the last message was received.

    It is a cancellation, as in Quart: `except Exception` does not stop it, `finally` and
    `except asyncio.CancelledError` run. Whoever of the handler's tasks is told, the handler ends.

    `code` is that of RFC 6455, section 7.4: 1005 where the client gave none, 1006 where it
    was cut off.
    """

    def __init__(self, code: int = NO_STATUS, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"the client closed the websocket: {self.code} {self.reason}".rstrip()


class Buffer:
    """Messages on their way, as *Quart* 0.23 has them between a server's connection and who
    receives."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[str | bytes | None] = asyncio.Queue()

    async def put(self, data: str | bytes) -> None:
        """Add a message."""
        await self._messages.put(data)

    async def get(self) -> str | bytes:
        """Return the next message. Raises ClientDisconnectedError after the last one."""
        data = await self._messages.get()
        if data is None:
            self.disconnect()  # for the next
            raise ClientDisconnectedError
        return data

    async def __anext__(self) -> t.AsyncGenerator[str | bytes, None]:
        """Iterate over all of them, as *Quart's* does."""
        while True:
            yield await self.get()

    def disconnect(self) -> None:
        """Say that no message comes any more."""
        self._messages.put_nowait(None)


class Websocket(JSONMessages):
    """A websocket, from the handshake to its end.

    It is accepted by the first `receive` or `send`, or by `accept`, which may choose a
    subprotocol. `async for message in websocket` ends when the client leaves. In a `def`
    handler, which has a worker thread to itself, all of this goes without `await`.
    """

    tells_client = True
    json_module: t.Any = json
    #: How often it was said that the websocket is over, or that it cannot be used so.
    refusals = 0
    # What every message asks for has no default in the class: that alone would keep the
    # interpreter from looking it up its fast way (see `_begin`).
    #: Whether the handshake was accepted, and whether this side closed the websocket.
    accepted: bool
    closed: bool
    inbox: Inbox | None
    asgi_send: ASGISend | None
    #: How many messages were sent since one was received, and when other tasks had a turn.
    sends: int
    since: float
    #: The inbox, where messages come from it and go to `asgi_send` as they are.
    _direct: Inbox | None
    order: Order | None

    def __init__(
        self,
        path: str,
        query_string: bytes,
        scheme: str,
        headers: Headers,
        root_path: str,
        http_version: str,
        subprotocols: list[str],
        receive: t.Callable[[], t.Awaitable[str | bytes]] | None,
        send: t.Callable[[str | bytes], t.Awaitable[None]] | None,
        accept: t.Callable[[Headers, str | None], t.Awaitable[None]] | None,
        close: t.Callable[[int, str], t.Awaitable[None]] | None,
        scope: Scope,
    ) -> None:
        """Make a websocket of Quart's pieces; the four callables take the place of ASGI's."""
        scope = {**scope, "subprotocols": subprotocols}
        super().__init__("GET", scheme, path, query_string, headers, root_path, http_version, scope)
        self._begin()
        steps = {"_receive": receive, "_send": send, "_accept": accept, "_close": close}
        vars(self).update((name, step) for name, step in steps.items() if step is not None)

    @classmethod
    def from_scope(cls, scope: Scope, raw_headers: dict[bytes, bytes] | None = None) -> t.Self:
        """Make a websocket of an ASGI websocket scope, after `websocket.connect` was read.

        `__init__` is called where a subclass has one.
        """
        if cls.__init__ is Websocket.__init__:
            self = super().from_scope(scope)
            self._begin()
            return self
        conn = Conn.from_scope(scope)
        return cls(
            conn.path,
            conn.query_string,
            conn.scheme,
            conn.headers,
            conn.root_path,
            conn.http_version,
            list(scope.get("subprotocols") or ()),
            *(None, None, None, None),
            scope=scope,
        )

    def _begin(self) -> None:
        # PERF(0.2 us for a message that is echoed): a dict that shares its keys with those of
        # other instances, as the one in place does, is not looked up the fast way either.
        self.__dict__ = {**self.__dict__}  # pyright: ignore
        self.accepted = self.closed = False
        self.inbox = self.asgi_send = self._direct = self.order = None
        self.sends = 0
        self.since = 0.0

    def connect(self, inbox: Inbox, send: ASGISend) -> None:
        """Take the client's messages from `inbox` and hand ours to `send`."""
        self.inbox = inbox
        self.asgi_send = send

    @property
    def requested_subprotocols(self) -> list[str]:
        """The subprotocols that the client offers, its favourite first."""
        return list(self.scope.get("subprotocols") or ())

    @waited_for_in_threads
    async def accept(
        self, headers: HeadersLike | None = None, subprotocol: str | None = None
    ) -> None:
        """Accept the handshake, unless that was done."""
        if self.closed:
            await self._refuse_closed()
        if self.accepted:
            await asyncio.sleep(0)  # who does nothing but this, in a loop, keeps nobody waiting
        else:
            try:
                _raw_lines(lines := Headers(headers))
                if subprotocol is not None:
                    check_token("subprotocol", subprotocol)
            except (TypeError, ValueError):
                await give_way(self)
                raise
            self.accepted = True
            own, kind = vars(self), type(self)
            if (
                "_receive" not in own
                and "_send" not in own
                and kind._receive is Websocket._receive  # noqa: SLF001 (its own)
                and kind._send is Websocket._send  # noqa: SLF001
            ):
                self._direct = self.inbox
            try:
                await self._accept(lines, subprotocol)
            except Exception:
                self.accepted, self._direct = False, None  # the client still waits for an answer
                await give_way(self)
                raise

    # PERF(0.2 us): `waited_for_in_threads`, written out for the two that every message takes.
    # That no request of the thread lane is served here is sooner known than that a loop runs.
    @mark_async
    def receive(self) -> t.Coroutine[t.Any, t.Any, str | bytes]:
        """Return the next message: str for a text frame, bytes for a binary one."""
        coro = self._received()
        return coro if this_thread.lane is None else waited_for(coro)

    @mark_async
    def send(self, data: str | bytes) -> t.Coroutine[t.Any, t.Any, None]:
        """Send a message: str as a text frame, bytes as a binary one."""
        coro = self._sent(data)
        return coro if this_thread.lane is None else waited_for(coro)

    # PERF(0.8 us for a message that is echoed): `_receive` with `Inbox.get`, and `_send` with
    # `_answer`, written out for the usual case that nothing stands in the way.

    async def _received(self) -> str | bytes:
        if not self.accepted:
            await self.accept()
        self.sends = 0
        inbox = self._direct
        if inbox is None or not inbox.free:
            if self.inbox is not None and not self.inbox.reads & LOOKS:
                await self._look_round(self.inbox)
            data = await self._receive()
        else:
            reads = inbox.reads = inbox.reads + 1
            if not reads & LOOKS:
                await self._look_round(inbox)
            inbox.free = False
            receive = inbox.receive
            try:
                message = await receive()
            except Exception:  # of the server's
                await give_way(self)
                raise
            finally:
                inbox.free = True
                if inbox.waiting:
                    inbox.wake()
            if message["type"] == "websocket.disconnect":
                inbox.end(message)
                await self._over(message)
            text: str | None = message.get("text")
            data = text if text is not None else t.cast(bytes, message.get("bytes") or b"")
        if websocket_received.receivers:
            await websocket_received.send_async(data, _sync_wrapper=_as_async)
        return data

    async def _look_round(self, inbox: Inbox) -> None:
        """Give others their turn, as who reads here may not have waited once. This is before a
        message is taken: who is cancelled here has none."""
        now = monotonic()
        if now - self.since > Turns.LENGTH:
            if self.since:
                await inbox.pause()
            self.since = now

    async def _sent(self, data: str | bytes) -> None:
        if self.order is not None and not self.order.is_mine:
            async with self.order:
                return await self._sent(data)
        kind = type(data)
        if kind is not str and kind is not bytes:
            try:
                data = _sendable(data)
            except TypeError:
                await give_way(self)
                raise
        if self.closed:
            await self._refuse_closed()
        if not self.accepted:
            await self.accept()
        # PERF(8 us): only some sends give way. A loop that does nothing but send has to, or
        # nobody would notice that its client left.
        self.sends += 1
        if self.sends % SENDS_PER_TURN == 0:
            await asyncio.sleep(0)
        inbox = self._direct
        if inbox is None or inbox.gone is not None:
            try:
                await self._send(data)
            except Exception:
                await give_way(self)
                raise
        else:
            send: t.Any = self.asgi_send
            key = "text" if isinstance(data, str) else "bytes"
            try:
                await send({"type": "websocket.send", key: data})
            except OSError as error:
                await self._refused(error)
            except Exception:
                await give_way(self)
                raise
        if websocket_sent.receivers:
            await websocket_sent.send_async(data, _sync_wrapper=_as_async)

    @waited_for_in_threads
    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the websocket; before it was accepted: reject the handshake. Raises ValueError
        for a code or a reason that cannot be sent (RFC 6455, sections 5.5.1 and 7.4)."""
        if self.order is not None and not self.order.is_mine:
            async with self.order:
                return await self.close(code, reason)
        if self.closed:
            await self._refuse_closed()
        if not 1000 <= code < 5000 or code in UNSENT or len(reason.encode()) > LONGEST_REASON:
            await give_way(self)
            raise ValueError(
                f"A websocket cannot be closed with {code} and {reason[:200]!r}: a code is 1000 to"
                f" 4999 but for {UNSENT}, and a reason has {LONGEST_REASON} bytes at most."
            )
        self.closed = True
        await self._close(code, reason)

    async def _refuse_closed(self) -> t.NoReturn:
        await give_way(self)
        raise RuntimeError("The websocket was closed already: nothing can follow.")

    async def __aiter__(self) -> t.AsyncIterator[str | bytes]:
        try:
            while True:
                yield await self.receive()
        except WebSocketDisconnect:
            return

    def __iter__(self) -> t.Iterator[str | bytes]:
        """Iterate in a `def` handler, whose thread waits for each message."""
        if not in_lane():
            raise TypeError("Write `async for message in websocket`: this is no worker thread.")
        try:
            while True:
                yield t.cast("str | bytes", self.receive())  # in a thread: the value itself
        except WebSocketDisconnect:
            return

    # --- ASGI -------------------------------------------------------------------------------

    async def _receive(self) -> str | bytes:
        assert self.inbox is not None, "made without an inbox"
        message = await self.inbox.get()
        if message["type"] == "websocket.disconnect":
            await self._over(message)
        text: str | None = message.get("text")
        return text if text is not None else t.cast(bytes, message.get("bytes") or b"")

    async def _send(self, data: str | bytes) -> None:
        kind = "text" if isinstance(data, str) else "bytes"
        await self._answer({"type": "websocket.send", kind: data})

    async def _accept(self, headers: Headers, subprotocol: str | None) -> None:
        raw = _raw_lines(headers)
        await self._answer({"type": "websocket.accept", "subprotocol": subprotocol, "headers": raw})

    async def _close(self, code: int, reason: str) -> None:
        assert self.inbox is not None, "made without an inbox"
        if self.inbox.gone is None:
            self.inbox.drop()
            await self._answer({"type": "websocket.close", "code": code, "reason": reason})

    async def _answer(self, message: Message) -> None:
        """Send an ASGI message. Where the client has left, raise WebSocketDisconnect; but
        first let the handler receive what came before."""
        assert self.inbox is not None and self.asgi_send is not None, "made without a server"
        if self.inbox.gone is None:
            try:
                await self.asgi_send(message)
            except OSError as error:
                await self._refused(error)
        elif not self.inbox.pending:
            await self._over(self.inbox.gone)

    async def _refused(self, error: OSError) -> None:
        """Take an error of the server's `send`: since ASGI 2.4 that is how a server says
        that the client has left."""
        if self.inbox is None or not self.inbox.pending:
            await self._over({"code": ABNORMAL_CLOSURE}, error)

    async def _over(self, message: Message, cause: OSError | None = None) -> t.NoReturn:
        """Say that the client left. Who goes on all the same, catching it in a loop, is told
        later each time: nobody else may have to wait for that."""
        if self.inbox is not None and self.inbox.told is not None:
            self.inbox.told()
        await give_way(self)
        code = message.get("code")
        reason = message.get("reason") or ""
        raise WebSocketDisconnect(NO_STATUS if code is None else code, reason) from cause


def _raw_lines(headers: Headers) -> RawHeaders:
    """Return headers as ASGI wants them. Raises Unsendable where no server could send them."""
    for name, value in headers:
        if breaks(value):
            raise Unsendable(f"The header {name!r} has a line break or a NUL in its value.")
    return [(raw_name(name), raw_value(value)) for name, value in headers]


def _sendable(data: t.Any) -> str | bytes:
    if isinstance(data, (str, bytes)):
        return data
    if isinstance(data, (bytearray, memoryview)):
        return bytes(data)
    raise TypeError(
        f"`websocket.send` takes str or bytes, not {type(data).__name__}: write"
        " `await websocket.send_json(data)`, or serialize it yourself."
    )


def _as_async(
    func: t.Callable[..., t.Any],
) -> t.Callable[..., t.Coroutine[t.Any, t.Any, t.Any]]:
    """Let a sync receiver take part in `send_async`."""

    async def call(*args: t.Any, **kwargs: t.Any) -> t.Any:
        return func(*args, **kwargs)

    return call
