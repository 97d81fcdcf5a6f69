"""Websockets, the same in both colours: the handler receives and sends messages."""

from __future__ import annotations

import asyncio
import inspect
import typing as t
from time import monotonic

from werkzeug.datastructures import Headers

from .. import json
from .._concurrency.coroutines import mark_async
from .._concurrency.coroutines import waited_for
from .._concurrency.coroutines import waited_for_in_threads
from .._concurrency.loops import Turns
from .._concurrency.threads import in_lane
from .._concurrency.threads import this_thread
from .._http.headers import accepted_lines
from .._http.headers import check_token
from .._http.inbox import give_way
from .._http.inbox import Inbox
from .._lazy import lazy
from ..signals import websocket_received
from ..signals import websocket_sent
from ..typing import ASGISend
from ..typing import Message
from ..typing import Scope
from .connection import Conn
from .websocket_json import JSONMessages
from .websocket_json import Order
from .websocket_messages import ABNORMAL_CLOSURE
from .websocket_messages import as_async
from .websocket_messages import Buffer as Buffer
from .websocket_messages import is_disconnect
from .websocket_messages import LONGEST_REASON
from .websocket_messages import NO_STATUS
from .websocket_messages import sendable
from .websocket_messages import UNSENT
from .websocket_messages import WebSocketDisconnect as WebSocketDisconnect

HeadersLike = t.Union[Headers, t.Mapping[str, str], t.Iterable[tuple[str, str]]]
Receive = t.Callable[[], t.Awaitable[str | bytes]]
Send = t.Callable[[str | bytes], t.Awaitable[None]]
Accept = t.Callable[[Headers, str | None], t.Awaitable[None]]
Close = t.Callable[[int, str], t.Awaitable[None]]

SENDS_PER_TURN = 16
"""Messages sent in a row before other tasks get their turn."""
READS_PER_LOOK = 16
"""Messages received before it is checked whether other tasks should get their turn."""


class Websocket(JSONMessages):
    """A websocket, from the handshake to its end.

    It is accepted by the first `receive` or `send`, or by `accept`, which may choose a
    subprotocol. `async for message in websocket` ends when the client disconnects. In a `def`
    handler, which has a worker thread to itself, all of this is used without `await`.
    """

    quartish_tells_client = True
    json_module: t.Any = json
    #: *Quart:* 0.23's. A subclass's own one is filled by the app's class of connections.
    buffer_class: t.Any = Buffer
    #: How many calls have raised, as the websocket has ended or was used in a wrong way.
    quartish_refusals = 0
    # What is read for every message has no default in the class, which would keep the interpreter
    # from its fast way of reading an attribute.
    #: Whether the handshake was accepted, and whether this side closed the websocket.
    accepted: bool
    closed: bool
    #: Whether messages need no call of `accept`: that was done, and no subclass redefines it.
    _open: bool
    inbox: Inbox | None
    asgi_send: ASGISend | None
    #: How many messages were sent since one was received, and when other tasks had a turn.
    sends: int
    since: float
    #: The number of received messages at which that is checked again.
    look_at: int
    #: The inbox, if messages come from there and go straight to `asgi_send`.
    _direct: Inbox | None
    order: Order | None

    @t.overload
    def __init__(
        self,
        path: str,
        query_string: bytes,
        scheme: str,
        headers: Headers,
        root_path: str,
        http_version: str,
        subprotocols: list[str],
        receive: Receive | None,
        send: Send | None,
        accept: Accept | None,
        close: Close | None,
        scope: Scope,
    ) -> None: ...

    @t.overload
    def __init__(
        self,
        path: str,
        query_string: bytes,
        scheme: str,
        headers: Headers,
        root_path: str,
        http_version: str,
        subprotocols: list[str],
        send: Send | None,
        accept: Accept | None,
        close: Close | None,
        scope: Scope,
    ) -> None: ...

    def __init__(
        self,
        path: str,
        query_string: bytes,
        scheme: str,
        headers: Headers,
        root_path: str,
        http_version: str,
        subprotocols: list[str],
        *steps: t.Any,
        **named: t.Any,
    ) -> None:
        """Make a websocket with Quart's arguments.

        Args:
            path: The path, decoded.
            query_string: The query, as it came.
            scheme: `ws` or `wss`.
            headers: The headers.
            root_path: Where the app is mounted.
            http_version: `1.1` or `2`.
            subprotocols: Those that the client offers, its first choice first.
            *steps: `receive`, `send`, `accept` and `close`, in place of ASGI's; `scope`.
            **named: The same, by name.

        Raises:
            TypeError: Anything else is given.

        Quart:
            0.22 gives a `receive`; 0.23 does not, and puts messages into the `buffer`.
        """
        given = [*steps, *named.values()]
        names = (*(("receive",) if len(given) == 5 else ()), "send", "accept", "close", "scope")
        own = dict(zip((name for name in names if name not in named), steps, strict=False)) | named
        if len(given) != len(names) or sorted(own) != sorted(names):
            raise TypeError(
                "A websocket is made of (path, query_string, scheme, headers, root_path,"
                " http_version, subprotocols, [receive,] send, accept, close, scope)."
            )
        scope = own.pop("scope")
        if list(scope.get("subprotocols") or ()) != subprotocols:
            scope = {**scope, "subprotocols": subprotocols}
        super().__init__("GET", scheme, path, query_string, headers, root_path, http_version, scope)
        self._begin()
        if "receive" not in own and own["send"] is not None:
            own["receive"] = self._from_buffer
        vars(self).update((f"_{name}", step) for name, step in own.items() if step is not None)

    @classmethod
    def quartish_from_scope(
        cls, scope: Scope, raw_headers: dict[bytes, bytes] | None = None
    ) -> t.Self:
        """Make a websocket of an ASGI websocket scope, after `websocket.connect` was read.

        `__init__` is called if a subclass has one.
        """
        if cls.__init__ is Websocket.__init__:
            self = super().quartish_from_scope(scope)
            self._begin()
            return self
        conn, made = Conn.quartish_from_scope(scope), t.cast(t.Any, cls)
        return t.cast(
            t.Self,
            made(
                conn.path,
                conn.query_string,
                conn.scheme,
                conn.headers,
                conn.root_path,
                conn.http_version,
                list(scope.get("subprotocols") or ()),
                *([None] * (4 if cls.takes_receive() else 3)),
                scope=scope,
            ),
        )

    @classmethod
    def takes_receive(cls) -> bool:
        """Say whether it is made as in Quart 0.22, with a `receive`: a subclass may have an
        `__init__` of its own, in the form of 0.23."""
        parameters = inspect.signature(cls.__init__).parameters.values()
        needed = [p for p in parameters if p.default is p.empty and "VAR" not in p.kind.name]
        return len(needed) != 12  # with `self`

    def _begin(self) -> None:
        self.accepted = self.closed = self._open = False
        self.inbox = self.asgi_send = self._direct = self.order = None
        self.sends = 0
        self.look_at = READS_PER_LOOK
        self.since = 0.0

    def connect(self, inbox: Inbox, send: ASGISend) -> None:
        """Receive the client's messages from `inbox` and send ours by `send`."""
        self.inbox = inbox
        self.asgi_send = send

    @lazy
    def buffer(self) -> t.Any:
        """The messages that were not received yet, if the server's connection puts them here
        (*Quart* 0.23)."""
        return self.buffer_class()

    async def _from_buffer(self) -> str | bytes:
        return t.cast("str | bytes", await self.buffer.get())

    @property
    def requested_subprotocols(self) -> list[str]:
        """The subprotocols that the client offers, its favourite first."""
        return list(self.scope.get("subprotocols") or ())

    @waited_for_in_threads
    async def accept(
        self, headers: HeadersLike | None = None, subprotocol: str | None = None
    ) -> None:
        """Accept the handshake, unless it is accepted."""
        # `vars(self)` is not used: it would make a dict of the attributes, and reading them would
        # be slower for each message.
        own_step = getattr(self._accept, "__func__", None) is not Websocket._accept
        if self.accepted and own_step:  # *Quart:* calls it for each message
            await self._accept(Headers(headers), subprotocol)
            return
        if self.closed:
            await self._refuse_closed()
        if self.accepted:
            await asyncio.sleep(0)  # a loop that only calls this must not block others
        else:
            try:
                lines = Headers(headers)
                if lines:
                    accepted_lines(lines)
                if subprotocol is not None:
                    check_token("subprotocol", subprotocol)
            except (TypeError, ValueError):
                await give_way(self)
                raise
            self.accepted = True
            self._open = not (own_step or "accept" in type(self).quartish_redefined)
            if (
                getattr(self._receive, "__func__", None) is Websocket._receive
                and getattr(self._send, "__func__", None) is Websocket._send
            ):
                self._direct = self.inbox
            try:
                await self._accept(lines, subprotocol)
            except Exception:
                self.accepted = self._open = False  # the handshake is still open
                self._direct = None
                await give_way(self)
                raise

    # PERF(0.2 of 1.2 us for a message that is echoed): `waited_for_in_threads`, written out for the
    # two methods that are called for every message.
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
    # `_send_message`, written out for the usual case.

    async def _received(self) -> str | bytes:
        if not self._open:
            await self.accept()
        self.sends = 0
        inbox = self._direct
        if inbox is None or not inbox.free:
            if self.inbox is not None:  # an app's own `receive` may not use it
                await self._look_round(self.inbox)
            data = await self._receive()
        else:
            reads = inbox.reads = inbox.reads + 1
            if reads >= self.look_at:
                await self._look_round(inbox)
            inbox.free = False
            receive = inbox.receive
            try:
                message = await receive()
            except Exception:  # of the server
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
            await websocket_received.send_async(data, _sync_wrapper=as_async)
        return data

    async def _look_round(self, inbox: Inbox) -> None:
        """Give other tasks their turn, as reading may not have waited once. This is done before a
        message is received, so that a cancellation here loses none."""
        self.look_at = inbox.reads + READS_PER_LOOK
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
                data = sendable(data)
            except TypeError:
                await give_way(self)
                raise
        if self.closed:
            await self._refuse_closed()
        if not self._open:
            await self.accept()
        # PERF(8 us): only some sends give way. A loop that does nothing but send has to, or
        # nobody would notice that its client disconnected.
        self.sends += 1
        if self.sends % SENDS_PER_TURN == 0:
            await asyncio.sleep(0)
        inbox = self._direct
        if inbox is None or inbox.disconnect is not None:
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
            except Exception as error:
                if is_disconnect(error):
                    await self._refused(error)
                else:
                    await give_way(self)
                    raise
        if websocket_sent.receivers:
            await websocket_sent.send_async(data, _sync_wrapper=as_async)

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
        """Iterate in a `def` handler: its thread waits for each message."""
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
        await self._send_message({"type": "websocket.send", kind: data})

    async def _accept(self, headers: Headers, subprotocol: str | None) -> None:
        raw = accepted_lines(headers) if headers else []
        message = {"type": "websocket.accept", "subprotocol": subprotocol, "headers": raw}
        await self._send_message(message)

    async def _close(self, code: int, reason: str) -> None:
        assert self.inbox is not None, "made without an inbox"
        if self.inbox.disconnect is None:
            self.inbox.drop()
            await self._send_message({"type": "websocket.close", "code": code, "reason": reason})

    async def _send_message(self, message: Message) -> None:
        """Send an ASGI message. If the client has disconnected, raise WebSocketDisconnect, but
        first let the handler receive the messages that came before."""
        assert self.inbox is not None and self.asgi_send is not None, "made without a server"
        if self.inbox.disconnect is None:
            try:
                await self.asgi_send(message)
            except Exception as error:
                if not is_disconnect(error):
                    raise
                await self._refused(error)
        elif not self.inbox.pending:
            await self._over(self.inbox.disconnect)

    async def _refused(self, error: Exception) -> None:
        """Handle what the server's `send` has raised: the client has disconnected."""
        if self.inbox is None or not self.inbox.pending:
            await self._over({"code": ABNORMAL_CLOSURE}, error)

    async def _over(self, message: Message, cause: Exception | None = None) -> t.NoReturn:
        """Raise that the client has disconnected. If the handler catches that in a loop, each time
        takes longer, so that it does not block others."""
        if self.inbox is not None and self.inbox.listener is not None:
            self.inbox.listener.disconnect_raised()
        await give_way(self)
        code = message.get("code")
        reason = message.get("reason") or ""
        raise WebSocketDisconnect(NO_STATUS if code is None else code, reason) from cause
