"""A websocket of an ASGI server: from the handshake to the close.

Source: ASGI specification, "WebSocket"; RFC 6455.
"""

from __future__ import annotations

import asyncio
import typing as t
from contextlib import suppress
from contextvars import Context
from contextvars import copy_context
from functools import partial

from werkzeug.datastructures import Headers
from werkzeug.exceptions import Forbidden

from .._concurrency.coroutines import drive
from .._concurrency.threads import Lane
from .._concurrency.threads import to_thread
from .._concurrency.watch import within
from .._current import is_current
from .._http.head import cut
from .._http.inbox import Inbox
from .._http.outgoing import as_bytes
from .._http.outgoing import close_response
from ..debugger import shows_errors
from ..debugger import traceback_response
from ..typing import ASGIReceive
from ..typing import ASGISend
from ..typing import AwaitableApp
from ..typing import LiveApp
from ..typing import Scope
from ..wrappers.connection import hand_down
from ..wrappers.websocket_messages import is_disconnect
from .debug import log
from .debug import run_websocket_debugged
from .exchange import Exchange
from .exchange import MOMENT
from .send import body_in_memory
from .send import is_sync_stream
from .send import lines_of
from .stopping import when_it_stops
from .wsgi_face import as_wsgi_says

NORMAL_CLOSURE = 1000
INTERNAL_ERROR = 1011
SERVICE_RESTART = 1012
SAME = "same"
"""What `WEBSOCKET_ALLOWED_ORIGINS` calls the origin of the app itself."""
PORTS = {"http": ":80", "https": ":443"}
LATE = 0.02
"""Seconds after which a timer is late: the machine is busy, or the loop was held."""
OFTEN_LATE = 10
"""How often in a row that is forgiven."""
LAST_WORD = 1.0
"""Seconds for sending the close after the server has cancelled a handler."""


async def handle_websocket(
    app: LiveApp, scope: Scope, receive: ASGIReceive, send: ASGISend, direct: bool = False
) -> None:
    """Run a websocket's handler. With `direct` an app's own `asgi_websocket_class` is not asked."""
    scope = cut(scope, app.config)
    flow = app.quartish_websocket_flow
    if flow.plan.in_app_context and not is_current(app):
        async with app.app_context():
            await handle_websocket(app, scope, receive, send, direct)
        return
    own = flow.plan.connection_class
    if own is not None and not direct:
        await own(app, scope)(receive, send)
        return
    await receive()  # websocket.connect
    server: t.Any = getattr(getattr(send, "__self__", None), "context", None)
    if server is not None:  # it may be Hypercorn
        when_it_stops(app, server, partial(end_websockets, app))
    websocket = app.websocket_class.quartish_from_scope(scope)
    hand_down(app, websocket)
    if app.plain or not flow.plan.makes_context:
        ctx = app.quartish_context_class(app, websocket=websocket)
    else:
        ctx = t.cast(AwaitableApp, app).websocket_context(websocket)
    ctx.scope, ctx.quartish_raw_headers = scope, websocket.quartish_raw_headers
    context = copy_context()
    exchange = WebsocketExchange(app, ctx, flow, receive, send)
    exchange.note_task()
    ctx.uncancel = exchange.uncancel
    inbox = exchange.open_inbox()
    websocket.connect(inbox, send)
    app.websockets.add(exchange)
    try:
        if app.config["DEBUG"]:
            await run_websocket_debugged(exchange, context)
        elif context.run(exchange.enter):
            await within(context, exchange.in_task(), exchange)
        else:
            await exchange.in_thread(context)
        if inbox.disconnect is None and inbox.pending:
            if inbox.drops:
                inbox.watch()
            await inbox.drain()
    finally:
        app.websockets.discard(exchange)
        await exchange.close()


async def end_websockets(app: LiveApp, others: t.Iterable[asyncio.Task[t.Any]] = ()) -> None:
    """Close websockets because the server stops; wait up to `DISCONNECT_GRACE` seconds for their
    handlers, and for `others`."""
    tasks = {task for task in others if task is not asyncio.current_task()}
    for exchange in list(app.websockets):
        exchange.shut_down()
        if exchange.task is not None and exchange.task is not asyncio.current_task():
            tasks.add(exchange.task)
    if tasks:
        await asyncio.wait(tasks, timeout=app.config["DISCONNECT_GRACE"])


class WebsocketExchange(Exchange):
    """One websocket and its handler."""

    #: Whether it is closed because the server stops.
    restarting: bool = False
    inbox_class = Inbox
    lane: Lane | None

    def enter(self) -> bool:
        """Match the URL, and refuse origins that may not open a websocket. Return whether the
        loop lane is taken."""
        ctx = self.ctx
        takes_loop = self.flow.enter(ctx)
        config, conn = self.app.config, ctx.made
        origins = config["WEBSOCKET_ALLOWED_ORIGINS"]
        if origins is None:
            origins = config["WEBSOCKET_ORIGINS"]
        if origins is not None and not _is_allowed(conn.headers, origins):
            conn.routing_exception = Forbidden("This origin may not open a websocket here.")
            ctx.view = None
        return takes_loop

    # --- the end, from outside ----------------------------------------------------------------

    def disconnected(self) -> None:
        """Cancel the handler wherever it waits. If it waits in `receive`, that raises instead; if
        there are messages that came before the disconnect, it may receive these first, as long as
        it goes on doing so."""
        inbox = self.inbox
        if inbox.pending:
            self._wait_for_reads()
        elif not inbox.is_awaited:  # else `receive` raises, and calls `disconnect_raised`
            super().disconnected()

    def _wait_for_reads(self, late: int = 0) -> None:
        due = asyncio.get_running_loop().time() + MOMENT
        self.call_later(MOMENT, self._cancel_if_idle, self.inbox.reads, due, late)

    def _cancel_if_idle(self, reads: int, due: float, late: int) -> None:
        if self.inbox.reads != reads:  # it has read meanwhile: give it another moment
            self._wait_for_reads()
        elif late < OFTEN_LATE and asyncio.get_running_loop().time() > due + LATE:
            # The process stood still, and the handler had no turn.
            self._wait_for_reads(late + 1)
        else:
            super().disconnected()

    def disconnect_raised(self) -> None:
        """`receive` or `send` has raised. If that was in another task than the handler's own, the
        handler is cancelled too."""
        if self.raised_disconnect or self.ctx.ending:
            return
        self.raised_disconnect = True
        task = asyncio.current_task()
        if task is self.task or (self.lane is not None and task in self.lane.children):
            self.begin_grace()
        elif not self.cancels:
            super().disconnected()

    def uncancel(self) -> bool:
        if self.raised_disconnect and not self.cancels and self.task is not None:
            if self.lane is not None:
                self.lane.spared = True
            return self.task.cancelling() == 0
        return super().uncancel()

    def shut_down(self) -> None:
        """The server stops: cancel the handler and close with 1012 (service restart)."""
        self.restarting = True
        if not self.ctx.ending:
            self.cancel()
        self.begin_grace()

    # --- the lanes ------------------------------------------------------------------------------

    async def in_task(self) -> None:
        try:
            await self.flow.run(self.ctx, True, as_wsgi_says)
            await self.finish(self.ctx.take_outcome())
        except (asyncio.CancelledError, Exception) as error:
            if not await self.close_after(error):
                raise

    async def in_thread(self, context: Context) -> None:
        self.lane = Lane(self.inbox.watch)
        self.lane.grace = self.app.config["DISCONNECT_GRACE"]
        work = partial(drive, self.flow.run(self.ctx, False, as_wsgi_says), context)
        try:
            await to_thread(self.app.view_pool, None, work, lane=self.lane)
            await within(context, self.finish(self.ctx.take_outcome()))
        except (asyncio.CancelledError, Exception) as error:
            if not await self.close_after(error, context):
                raise

    async def close_after(self, error: BaseException, context: Context | None = None) -> bool:
        """Close the websocket after an exception: with 1011 after an error, with 1012 if the server
        stops. Return False if the exception has to be raised on.

        A handler that raises a CancelledError of its own has failed, but that is not logged. If it
        had not accepted the handshake, nothing is sent, as in *Quart*, and the server sends a 500.
        The handler's `context` is given when this is called outside of it.
        """
        if isinstance(error, Exception):
            if not shows_errors(self.app):
                await self.close_with(INTERNAL_ERROR)
                return False
            shown = self.show(error)
            await (shown if context is None else within(context, shown))
            return True
        if self.uncancel():
            await self.close_with(NORMAL_CLOSURE)
            return True
        if self.is_its_own():
            if self.ctx.websocket.accepted:
                await self.close_with(INTERNAL_ERROR)
            return True
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(LAST_WORD):
                await self.close_with(SERVICE_RESTART)
        return False

    async def show(self, error: Exception) -> None:
        """Log an error; reject the handshake with its traceback, or close."""
        await log(self.app, error)
        await self.finish(await traceback_response(error))

    async def finish(self, response: t.Any) -> None:
        """Reject the handshake with the response, or close what was accepted."""
        self.view_done = True
        websocket = self.ctx.websocket
        if response is None or websocket.accepted:
            failed = response is not None and response.status_code >= 500
            await self.close_with(INTERNAL_ERROR if failed else NORMAL_CLOSURE)
        elif "websocket.http.response" not in (websocket.scope.get("extensions") or {}):
            await self.close_with(NORMAL_CLOSURE)
        elif self.inbox.disconnect is None and not websocket.closed:
            await self.reject(response)

    async def reject(self, response: t.Any) -> None:
        data = body_in_memory(response)
        try:
            if data is None and is_sync_stream(response):
                chunks = response.iter_encoded()
                data = await to_thread(self.app.view_pool, copy_context(), b"".join, chunks)
            elif data is None:
                data = b"".join([as_bytes(chunk) async for chunk in response.response])
        finally:
            await close_response(response)
        status = response.status_code
        headers = lines_of(self.ctx, response, status, len(data))
        start = {"type": "websocket.http.response.start", "status": status}
        await self.send({**start, "headers": headers})
        await self.send({"type": "websocket.http.response.body", "body": data})

    async def close_with(self, code: int) -> None:
        """Close with a code (RFC 6455, section 7.4), unless it is closed."""
        websocket = self.ctx.websocket
        if self.restarting and code == NORMAL_CLOSURE:
            code = SERVICE_RESTART
        if not websocket.closed and self.inbox.disconnect is None:
            websocket.closed = True
            if self.lane is None:
                self.inbox.drops = True  # takes effect if `send` has to wait: `suspended`
            else:
                self.inbox.drop()
            try:
                await self.send({"type": "websocket.close", "code": code, "reason": ""})
            except Exception as error:
                if not is_disconnect(error):
                    raise


def _is_allowed(headers: Headers, origins: str | t.Collection[str | None]) -> bool:
    """Say whether the page that opens a websocket is from one of these origins; browsers send it as
    the Origin header. For "same" the scheme is not compared, as a proxy may have ended TLS.

    *Source:* RFC 6455, section 10.2; RFC 6454.
    """
    origin: str | None = headers.get("Origin")
    if isinstance(origins, str):
        origins = [origins]
    if origin in origins:
        return origin != SAME
    if origin is None or SAME not in origins:
        return False
    scheme, _, place = origin.lower().partition("://")
    host = headers.get("Host", "").lower()
    port = PORTS.get(scheme)
    return port is not None and place.removesuffix(port) == host.removesuffix(port) != ""
