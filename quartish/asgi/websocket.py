"""A websocket of an ASGI server: from the handshake to the close.

Source: ASGI specification, "WebSocket"; RFC 6455.
"""

from __future__ import annotations

import asyncio
import typing as t
from contextvars import copy_context

from werkzeug.exceptions import Forbidden

from .._bridge import drive
from .._bridge import Lane
from .._bridge import to_thread
from .._bridge import within
from .._streaming import Inbox
from .._streaming import WEBSOCKET_READ_AHEAD
from ..typing import ASGIReceive
from ..typing import ASGISend
from ..typing import Scope
from ._exchange import Exchange
from ._send import body_in_memory
from ._send import raw_headers

NORMAL_CLOSURE = 1000
INTERNAL_ERROR = 1011
SERVICE_RESTART = 1012


async def handle_websocket(app: t.Any, scope: Scope, receive: ASGIReceive, send: ASGISend) -> None:
    """Run a websocket's handler."""
    await receive()  # websocket.connect
    inbox = Inbox(receive, WEBSOCKET_READ_AHEAD)
    websocket = app.websocket_class.from_scope(scope)
    websocket.connect(inbox, send)
    websocket.json_module = app.json
    ctx = app.context_class(app, websocket=websocket)
    context = copy_context()
    exchange = WebsocketExchange(app, ctx, app.flow_of(ctx), inbox, send)
    app.websockets.add(exchange)
    try:
        if context.run(exchange.begin):
            inbox.left = exchange.left
            await within(context, exchange.on_loop(), inbox.watch)
        else:
            await exchange.in_thread(context)
    finally:
        app.websockets.discard(exchange)
        exchange.cancel_timer()
        if inbox.reader is not None:
            await inbox.close()


class WebsocketExchange(Exchange):
    """One websocket and the handler that talks over it."""

    restarting = False
    _timer: asyncio.TimerHandle | None = None

    def begin(self) -> bool:
        takes_loop = super().begin()
        origins, conn = self.app.config["WEBSOCKET_ORIGINS"], self.ctx.conn
        if origins is not None and conn.headers.get("Origin") not in origins:
            conn.routing_exception = Forbidden("This origin may not open a websocket here.")
        return takes_loop

    # --- the end, from outside ----------------------------------------------------------------

    def left(self) -> None:
        """The client left. Who reads or sends is told by a WebSocketDisconnect after the last
        message; a handler that does neither for `DISCONNECT_GRACE` seconds is cancelled."""
        if self.inbox.reads == 0 and not self.inbox.pending:
            self.cancel()
        else:
            self._wait_for_reads()

    def _wait_for_reads(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(
            self.app.config["DISCONNECT_GRACE"], self._cancel_if_idle, self.inbox.reads
        )

    def _cancel_if_idle(self, reads: int) -> None:
        if self.inbox.reads == reads:
            self.cancel()
        else:
            self._wait_for_reads()

    def cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def shut_down(self) -> None:
        """The server stops: the handler is cancelled and the client told to come again."""
        self.restarting = True
        self.cancel()

    # --- the lanes ------------------------------------------------------------------------------

    async def on_loop(self) -> None:
        self.task = asyncio.current_task()
        try:
            await self.finish(await self.respond())
        except asyncio.CancelledError:
            if not self.took_back():
                raise
            await self.close(SERVICE_RESTART if self.restarting else NORMAL_CLOSURE)
        except Exception:
            await self.close(INTERNAL_ERROR)
            raise

    async def in_thread(self, context: t.Any) -> None:
        lane = Lane(self.inbox.watch)
        self.inbox.left = lane.cancel
        try:
            response = await to_thread(
                self.app.view_pool, context, lambda: drive(self.respond()), lane=lane
            )
            await within(context, self.finish(response))
        except asyncio.CancelledError:
            if not lane.cancelled:
                raise
        except Exception:
            await self.close(INTERNAL_ERROR)
            raise

    async def finish(self, response: t.Any) -> None:
        """Reject the handshake with the response, or close what was accepted."""
        websocket = self.ctx.websocket
        if response is None or websocket.accepted:
            status = 200 if response is None else response.status_code
            await self.close(INTERNAL_ERROR if status >= 500 else NORMAL_CLOSURE)
            return
        if self.inbox.gone is not None or websocket.closed:
            return
        if "websocket.http.response" not in self.ctx.websocket.scope.get("extensions", {}):
            await self.send({"type": "websocket.close", "code": NORMAL_CLOSURE})
            return
        data = body_in_memory(response)
        if data is None:
            data = b"".join([chunk async for chunk in response.response])
        await self.send(
            {
                "type": "websocket.http.response.start",
                "status": response.status_code,
                "headers": raw_headers(websocket, response, len(data)),
            }
        )
        await self.send({"type": "websocket.http.response.body", "body": data})

    async def close(self, code: int) -> None:
        """Close with a code (RFC 6455, section 7.4), unless that was done."""
        websocket = self.ctx.websocket
        if not websocket.closed and self.inbox.gone is None:
            websocket.closed = True
            await self.send({"type": "websocket.close", "code": code, "reason": ""})
