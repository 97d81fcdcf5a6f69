"""One request or websocket on its way through the app: what both kinds have in common."""

from __future__ import annotations

import asyncio
import typing as t

from werkzeug.exceptions import BadRequest

from .._bridge import Lane
from .._dispatch import Flow
from .._streaming import Body
from .._streaming import Inbox
from ..ctx import AppContext
from ..typing import ASGISend
from ..wrappers._conn import Conn


def body_of(app: t.Any, conn: Conn, inbox: Inbox) -> Body | None:
    """Return the body to come; None where the headers say that there is none, or contradict
    each other: dispatching then raises BadRequest (400).

    Source: RFC 9112, section 6.3. HTTP/2 and 3 frame a body without any header.
    """
    raw = conn.raw_headers
    if b"content-length" in raw:
        length, headers = raw[b"content-length"], conn.scope["headers"]
        if not length.isdigit() or (
            len(raw) != len(headers)  # some name came twice
            and any(name == b"content-length" and value != length for name, value in headers)
        ):
            conn.routing_exception = BadRequest("The Content-Length is malformed.")
            return None
        expected = length != b"0"
    else:
        expected = b"transfer-encoding" in raw or (
            conn.http_version >= "2" and conn.method not in ("GET", "HEAD")
        )
    return Body(inbox, offload=app.to_file_thread) if expected else None


class Exchange:
    """A connection, its context and the flow that answers it."""

    #: The task that runs async code, while it may be cancelled.
    task: asyncio.Task[t.Any] | None = None
    #: Whether it was cancelled because the client left.
    gone = False

    def __init__(
        self, app: t.Any, ctx: AppContext, flow: Flow, inbox: Inbox, send: ASGISend
    ) -> None:
        self.app = app
        self.ctx = ctx
        self.flow = ctx.flow = flow
        self.inbox = inbox
        self.send = send

    def begin(self) -> bool:
        """Match the URL in the connection's own Context; say whether the loop lane is taken."""
        ctx = self.ctx
        if "quartish.preserve_context" in ctx.conn.scope:  # a test client's, in a `with` block
            ctx.conn.scope["quartish.preserve_context"](ctx)
        ctx.begin()
        try:
            ctx.match_request()
        except Exception as error:  # a converter's own fault: dispatched like a view's
            ctx.conn.routing_exception = error
        return self.flow.takes_loop(ctx)

    async def respond(self) -> t.Any:
        """Run the flow and end the context; return the response."""
        ctx = self.ctx
        try:
            return await self.flow.handle(ctx)
        except BaseException as error:
            ctx.error = error
            raise
        finally:
            await self.end()

    async def end(self) -> None:
        """End the context; a test client may ask for it first, to look into it afterwards."""
        ctx = self.ctx
        if "quartish.preserve_context" in ctx.conn.scope:
            ctx.conn.scope["quartish.preserve_context"](ctx)
        if ctx.error is not None and self.app.should_ignore_error(ctx.error):
            ctx.error = None
        await ctx.release(ctx.error)

    def cancel(self) -> None:
        """Cancel the view, unless it asked to be let finish."""
        if self.task is not None and not self.flow.survives_disconnect(self.ctx):
            self.gone = True
            self.task.cancel()

    def took_back(self) -> bool:
        """Say whether a cancellation was ours alone, and take it back. A server's, or an
        outer timeout's, has to go on."""
        return self.gone and self.task is not None and self.task.uncancel() == 0
