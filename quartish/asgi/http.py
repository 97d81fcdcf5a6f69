"""An http request of an ASGI server: choose its lane, run the flow there, send the response.

Nothing outlives the request. When the client leaves, async code is cancelled, sync code is
waited for; then the teardown functions run.

Source: ASGI specification, "HTTP", connection scope and disconnect.
"""

from __future__ import annotations

import asyncio
import io
import typing as t
from contextvars import copy_context

from .._bridge import drive
from .._bridge import Lane
from .._bridge import to_thread
from .._bridge import within
from .._dispatch import Flow
from .._streaming import Body
from .._streaming import BodyReader
from .._streaming import Inbox
from ..ctx import AppContext
from ..typing import ASGIReceive
from ..typing import ASGISend
from ..typing import Scope
from ._send import is_sync_stream
from ._send import send_response


async def handle_http(app: t.Any, scope: Scope, receive: ASGIReceive, send: ASGISend) -> None:
    """Answer one request."""
    inbox = Inbox(receive)
    request = app.request_class.from_scope(scope, _body_of(app, scope, inbox))
    request.json_module = app.json
    ctx = app.context_class(app, request=request)
    context = copy_context()
    exchange = Exchange(app, ctx, app.flow_of(ctx), inbox, send)
    try:
        if context.run(exchange.begin):
            inbox.left = exchange.left
            await within(context, exchange.on_loop(), inbox.watch)
        else:
            await exchange.in_thread(context)
    finally:
        if inbox.reading_ahead:
            await inbox.close()


def _body_of(app: t.Any, scope: Scope, inbox: Inbox) -> Body | None:
    """Return the body to come; None where the headers say that there is none.

    Source: RFC 9112, section 6.3. HTTP/2 and 3 frame a body without any header.
    """
    for name, value in scope["headers"]:
        if name == b"content-length":
            if value == b"0":
                return None
            break
        if name == b"transfer-encoding":
            break
    else:
        if scope.get("http_version", "1.1") < "2" or scope["method"] in ("GET", "HEAD"):
            return None
    return Body(inbox, offload=app.to_file_thread)


class Exchange:
    """One request and the answer to it."""

    __slots__ = ("app", "ctx", "flow", "inbox", "send", "task", "gone")

    def __init__(
        self, app: t.Any, ctx: AppContext, flow: Flow, inbox: Inbox, send: ASGISend
    ) -> None:
        self.app = app
        self.ctx = ctx
        self.flow = flow
        self.inbox = inbox
        self.send = send
        self.task: asyncio.Task[t.Any] | None = None
        self.gone = False

    def begin(self) -> bool:
        """Match the URL in the request's own Context; say whether the loop lane is taken."""
        ctx = self.ctx
        ctx.begin()
        try:
            ctx.match_request()
        except Exception as error:  # a converter's own fault: dispatched like a view's
            ctx.conn.routing_exception = error
        return self.flow.takes_loop(ctx)

    def client_gone(self) -> bool:
        return self.inbox.gone is not None

    # --- the loop lane ----------------------------------------------------------------------

    def left(self) -> None:
        """The client left: cancel the view, unless it asked to be let finish."""
        if self.task is not None and not self.flow.survives_disconnect(self.ctx):
            self.gone = True
            self.task.cancel()

    async def on_loop(self) -> None:
        self.task = asyncio.current_task()
        conn = self.ctx.conn
        self.ctx.reads_ahead = (
            self.app.plain
            and conn.body is not None
            and not getattr(conn.url_rule, "stream_body", False)
        )
        try:
            response = await self.respond()
            await send_response(self.app, conn, response, self.send, self.client_gone)
        except asyncio.CancelledError:
            # Ours is taken back; a server's or an outer timeout's goes on.
            if not self.gone or self.task is None or self.task.uncancel() > 0:
                raise
        except Exception:
            if not self.client_gone():
                raise

    async def respond(self) -> t.Any:
        """Run the flow and end the context; return the response."""
        error: BaseException | None = None
        try:
            return await self.flow.handle(self.ctx)
        except BaseException as exc:
            error = exc
            raise
        finally:
            if error is not None and self.app.should_ignore_error(error):
                error = None
            await self.ctx.release(error)

    # --- the thread lane --------------------------------------------------------------------

    async def in_thread(self, context: t.Any) -> None:
        body = self.ctx.conn.body
        if body is not None and self.app.plain:
            conn = self.ctx.conn
            conn.receive_input(
                io.BufferedReader(BodyReader(body, lambda: conn.max_content_length))
            )
        lane = Lane(self.inbox.watch)
        self.inbox.left = lane.cancel
        pool = self.app.file_pool if self.flow.serves_file(self.ctx) else self.app.view_pool
        try:
            response = await to_thread(pool, context, self.work, lane=lane)
            if response is not None:
                await within(
                    context,
                    send_response(
                        self.app, self.ctx.conn, response, self.send, self.client_gone
                    ),
                )
        except asyncio.CancelledError:
            if not lane.cancelled:
                raise
            task = asyncio.current_task()
            if task is not None and task.cancelling() > 0:
                raise

    def work(self) -> t.Any:
        """Run the flow; send what has to be iterated in this thread, return anything else."""
        response = drive(self.respond())
        if not is_sync_stream(response):
            return response
        drive(
            send_response(self.app, self.ctx.conn, response, self.send, self.client_gone)
        )
        return None
