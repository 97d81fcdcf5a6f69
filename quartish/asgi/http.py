"""An http request of an ASGI server: choose its lane, run the flow there, send the response.

Nothing outlives the request. When the client disconnects, async code is cancelled and sync code is
waited for; then the teardown functions run.

Source: ASGI specification, "HTTP", connection scope and disconnect.
"""

from __future__ import annotations

import asyncio
import io
import typing as t
from contextvars import Context
from contextvars import copy_context

from .._concurrency.coroutines import drive
from .._concurrency.threads import Lane
from .._concurrency.threads import to_thread
from .._concurrency.watch import DONE
from .._concurrency.watch import go_on
from .._concurrency.watch import within
from .._current import is_current
from .._http.body import Body
from .._http.body import BodyReader
from .._http.head import cut
from .._http.head import is_long
from .._http.outgoing import AT_ONCE
from .._http.outgoing import Outgoing
from ..typing import ASGIReceive
from ..typing import ASGISend
from ..typing import LiveApp
from ..typing import Scope
from .debug import handle_by_class_debugged
from .debug import handle_through_wsgi_debugged
from .debug import run_debugged
from .debug import run_tested
from .exchange import body_of
from .exchange import Exchange
from .exchange import Flow
from .send import outgoing_of
from .send import send_here
from .send import send_response
from .send import send_unless_disconnected
from .send import streams_here
from .stopping import calls_of
from .through_wsgi import handle_through_wsgi
from .unfinished import cut_off
from .unread import guard

#: The steps of a flow that was begun, and the future that they wait for; `DONE` if they have ended.
Begun = tuple[t.Generator[t.Any, t.Any, None], t.Any]


async def handle_http(
    app: LiveApp, scope: Scope, receive: ASGIReceive, send: ASGISend, direct: bool = False
) -> None:
    """Handle one request. With `direct` an app's own `asgi_http_class` is not asked."""
    flow: Flow = app.quartish_http_flow
    plan = flow.plan
    if plan.detour and not (direct and not plan.through_wsgi):
        detour = _detour(app, scope, receive, send, direct)
        if detour is not None:
            await detour
            return
    ctx = plan.quartish_context_class.of_scope(flow, scope, send)
    if is_long(scope, ctx.quartish_raw_headers):
        ctx = plan.quartish_context_class.of_scope(flow, cut(scope, app.config), send)
    # PERF(0.5 us): a request that has no body, and waits for nothing, needs no exchange.
    exchange: HttpExchange | None = None
    request = ctx.made
    if request is not None and (
        scope["method"] != "GET"
        or b"content-length" in ctx.quartish_raw_headers
        or b"transfer-encoding" in ctx.quartish_raw_headers
    ):
        exchange = HttpExchange(app, ctx, flow, receive, send)
        exchange.expect_body()
    context = copy_context()
    settings = plan.settings
    if settings.DEBUG or (not plan.plain and settings.TESTING):
        exchange = exchange or HttpExchange(app, ctx, flow, receive, send)
        runner = run_debugged if settings.DEBUG else run_tested
        seen: t.Any = exchange  # pyright does not look through its `lazy` attributes
        await exchange.complete(runner(seen, context))
        return
    if not context.run(flow.enter, ctx):
        exchange = exchange or HttpExchange(app, ctx, flow, receive, send)
        await exchange.complete(exchange.in_thread(context))
        return
    if ctx.view is not None:
        steps = flow.straight(ctx, outgoing_of).__await__()
    else:
        steps = flow.run(ctx, True, outgoing_of, direct=True).__await__()
    try:
        waiting = context.run(next, steps, DONE)
    except BaseException as error:
        exchange = exchange or HttpExchange(app, ctx, flow, receive, send)
        if not exchange.forgives(error):
            exchange.stop()
            raise
        await exchange.close()
        return
    outgoing = ctx.outcome
    if (
        waiting is DONE
        and type(outgoing) is Outgoing
        and len(outgoing.body) <= AT_ONCE
        and (exchange is None or exchange.is_quiet())
    ):
        # Send outside of the request's Context, and keep no reference to it: tasks that a server
        # begins in `send`, such as Hypercorn's timer for idle connections, would keep it alive.
        del exchange, request, ctx, context, steps
        try:  # PERF(0.6 us of 14 under Hypercorn): `send_outgoing` here
            await send(
                {
                    "type": "http.response.start",
                    "status": outgoing.status,
                    "headers": outgoing.headers,
                }
            )
            await send({"type": "http.response.body", "body": outgoing.body})
        except OSError:  # the client disconnected
            pass
        return
    exchange = exchange or HttpExchange(app, ctx, flow, receive, send)
    await exchange.complete(exchange.in_task(context, begun=(steps, waiting)))


def _detour(
    app: LiveApp, scope: Scope, receive: ASGIReceive, send: ASGISend, direct: bool
) -> t.Awaitable[None] | None:
    """Return what handles a request that does not go straight to the flow; None if it does."""
    plan = app.quartish_http_flow.plan
    if plan.in_app_context and not is_current(app):
        return _in_app_context(app, scope, receive, send)
    if plan.connection_class is not None and not direct:
        if app.config["DEBUG"]:
            return handle_by_class_debugged(app, scope, receive, send)
        return t.cast("t.Awaitable[None]", plan.connection_class(app, scope)(receive, send))
    if plan.through_wsgi:
        debug = app.config["DEBUG"]
        handle = handle_through_wsgi_debugged if debug else handle_through_wsgi
        return handle(app, scope, receive, send)
    return None


async def _in_app_context(app: LiveApp, scope: Scope, receive: ASGIReceive, send: ASGISend) -> None:
    async with app.app_context():
        await handle_http(app, scope, receive, send)


class HttpExchange(Exchange):
    """One request and its response."""

    outgoing: Outgoing | None
    cancels: int
    lane: Lane | None
    #: The requests of which this is one: those that Hypercorn waits for when it stops, or under
    #: another server the app's `quartish_exchanges`.
    calls: set[Exchange] | None = None

    def note_task(self) -> None:
        self.task: asyncio.Task[t.Any] | None = asyncio.current_task()  # `super`, without a call
        if self.calls is None:
            stream = getattr(self.send, "__self__", None)
            if hasattr(stream, "context"):  # it may be Hypercorn's
                self.calls = calls_of(stream)
            if self.calls is None:
                self.calls = self.app.quartish_exchanges
            self.calls.add(self)

    def expect_body(self) -> None:
        """Make the body, if the headers announce one."""
        request = self.ctx.made
        self.upload: Body | None = body_of(
            request, self.open_inbox(), self.app.config["BODY_TIMEOUT"]
        )
        if self.upload is not None:
            request.quartish_receive_body(self.upload)

    def is_quiet(self) -> bool:
        """Say whether the whole body was read and the client is connected. Then a disconnect is not
        listened for any more."""
        quiet = self.inbox.disconnect is None and (self.upload is None or self.upload.complete)
        if quiet:
            self.inbox.listener = None
        return quiet

    async def complete(self, rest: t.Awaitable[None]) -> None:
        """Await the rest of the app call, send what is in memory, and clean up."""
        try:
            await rest
            if self.outgoing is not None:
                if self.upload is not None and not self.upload.complete:
                    self.inbox.listener = None
                    self.inbox.drop()
                    guard(self, over=True)
                await send_unless_disconnected(self, self.send, self.outgoing)
            if self.has_inbox and self.inbox.drops:
                await self.inbox.drain()
        finally:
            if self.calls is not None:
                self.calls.discard(self)
            await self.close()

    async def in_task(
        self,
        context: Context,
        run: t.Callable[..., t.Any] | None = None,
        begun: Begun | None = None,
    ) -> None:
        """Run the flow in the request's own task, or continue the one that the door has `begun`;
        then send the response. Each step is run by `run`, by default `context.run`."""
        run = run or context.run
        try:
            if begun is None:
                steps = self.flow.run(self.ctx, True, outgoing_of, direct=True).__await__()
                begun = steps, run(next, steps, DONE)
            steps, waiting = begun
            if waiting is not DONE:
                await go_on(run, steps, waiting, self, context)
            await self.deliver(context, run)
        except asyncio.CancelledError as error:
            if not self.forgives(error):
                raise

    async def in_thread(self, context: Context) -> None:
        """Run the flow in a worker thread, then send the response."""
        self.note_task()
        self.lane = lane = Lane(self.thread_waits)
        lane.grace = self.app.config["DISCONNECT_GRACE"]
        conn, plan = self.ctx.made, self.flow.plan
        if conn is not None and plan.plain and conn.quartish_body is not None:
            reader = BodyReader(conn.quartish_open_body(), lambda: conn.max_content_length, lane)
            if plan.may_read(self.ctx):
                lane.prepare = reader.prepare
            conn.quartish_receive_input(io.BufferedReader(reader))
        pool = self.app.file_pool if plan.serves_file(self.ctx) else self.app.view_pool
        try:
            try:
                await to_thread(pool, None, self.work, context, lane=lane)
            except BaseException as error:
                if self.unfinished:
                    await cut_off(self, error)
                raise
            self.lane = None
            self.cancels = 0
            await self.deliver(context)
        except asyncio.CancelledError as error:
            if not self.forgives(error):
                raise

    def work(self, context: Context) -> None:
        """Run the flow; also send the response if it has to be iterated in this thread."""
        drive(self.flow.run(self.ctx, False, outgoing_of, direct=True), context)
        assert self.lane is not None
        self.lane.prepare = None  # an upload that nobody has read does not delay the response
        if type(self.ctx.outcome) is not Outgoing and streams_here(self.ctx.outcome):
            outcome = self.ctx.take_outcome()
            drive(send_here(self, outcome), context)

    async def deliver(self, context: Context, run: t.Callable[..., t.Any] | None = None) -> None:
        """Send the response; one that is small and in memory is left to `complete`."""
        self.view_done = True
        outcome = self.ctx.take_outcome()
        if type(outcome) is not Outgoing:
            if outcome is not None:
                await within(context, send_response(self, outcome), self, run)
        elif len(outcome.body) > AT_ONCE:
            guard(self, over=True)
            send = self.send_timed(outcome)
            await within(context, send_unless_disconnected(self, send, outcome), self, run)
        else:
            self.outgoing = outcome
