"""An http request of an ASGI server: choose its lane, run the flow there, send the response.

Nothing outlives the request. When the client leaves, async code is cancelled, sync code is
waited for; then the teardown functions run.

Source: ASGI specification, "HTTP", connection scope and disconnect.
"""

from __future__ import annotations

import asyncio
import io
import typing as t
from contextvars import Context
from contextvars import copy_context
from types import CoroutineType

from .._concurrency.coroutines import DONE
from .._concurrency.coroutines import drive
from .._concurrency.coroutines import go_on
from .._concurrency.coroutines import within
from .._concurrency.threads import Lane
from .._concurrency.threads import to_thread
from .._current import is_current
from .._dispatch.direct import direct_answer
from .._dispatch.flow import Flow
from .._dispatch.response import AT_ONCE
from .._dispatch.response import HEAD_BODY
from .._http.body import Body
from .._http.body import BodyReader
from .._http.head import cut
from .._http.head import PASSES
from ..typing import Answer
from ..typing import ASGIReceive
from ..typing import ASGISend
from ..typing import Scope
from .debug import handle_by_class_debugged
from .debug import handle_through_wsgi_debugged
from .debug import run_debugged
from .debug import run_tested
from .exchange import body_of
from .exchange import Exchange
from .send import answer_of
from .send import send_answer_of
from .send import send_here
from .send import send_response
from .send import streams_here
from .stopping import calls_of
from .through_wsgi import handle_through_wsgi
from .unfinished import cut_off
from .wsgi_face import as_wsgi_says

_JOIN = b"".join


def handle_http(
    app: t.Any, scope: Scope, receive: ASGIReceive, send: ASGISend, direct: bool = False
) -> Answer | t.Awaitable[None] | None:
    """Answer one request as far as nobody has to wait; return what is left to be sent, or
    awaited. `direct` says not to ask the app's own class of connections."""
    flow: Flow = app.http_flow
    plan = flow.plan
    if plan.detour and not (direct and not plan.through_wsgi):
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
    if not app._got_first_request:
        app._got_first_request = True
    ctx = plan.context_class.of_scope(flow, scope, send)
    raw = ctx.raw_headers
    # PERF(0.4 us): all is measured in one go.
    if (
        len(_JOIN([*raw, *raw.values()])) + len(scope["path"]) > PASSES
        or len(raw) != len(scope["headers"])
        or len(scope.get("query_string") or b"") > PASSES
    ):
        ctx = plan.context_class.of_scope(flow, cut(scope, app.config), send)
    exchange = HttpExchange(app, ctx, flow, receive, send)
    request = ctx.made
    if request is not None and (scope["method"] != "GET" or b"content-length" in ctx.raw_headers):
        body = body_of(app, request, exchange.open_inbox())
        if body is not None:
            exchange.upload = body
            request.receive_body(body)
    context = copy_context()
    settings = plan.settings
    if settings.DEBUG:
        return exchange.complete(run_debugged(exchange, context))
    if not plan.plain and settings.TESTING:
        return exchange.complete(run_tested(exchange, context))
    if not context.run(exchange.begin):
        return exchange.complete(exchange.in_thread(context))
    steps = exchange.on_loop().__await__()
    try:
        waiting = context.run(next, steps, DONE)
    except BaseException:
        exchange.stop()
        raise
    if waiting is not DONE:
        return exchange.complete(go_on(context.run, steps, waiting, exchange, context))
    answer = exchange.answer
    if not exchange.has_inbox and answer is not None:
        # PERF(1 us of 180 under Hypercorn): nothing of the request is kept while it is sent.
        return answer
    if exchange.upload is not None and not exchange.upload.complete:
        return exchange.complete(None)
    if exchange.idle or (exchange.has_inbox and exchange.inbox.gone):
        exchange.stop()
    return None if answer is None else send_answer_of(exchange, send, answer)


async def finish(rest: Answer | t.Awaitable[None] | None, send: ASGISend) -> None:
    """Do what `handle_http` left to be done."""
    if isinstance(rest, tuple):
        status, headers, data = rest
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": data})
    elif rest is not None:
        await rest


async def _in_app_context(app: t.Any, scope: Scope, receive: ASGIReceive, send: ASGISend) -> None:
    async with app.app_context():
        await finish(handle_http(app, scope, receive, send), send)


class HttpExchange(Exchange):
    """One request and the answer to it."""

    #: The body that is to come, if any.
    upload: Body | None = None
    answer: Answer | None
    cancels: int
    lane: Lane | None
    #: The tasks of requests that a server waits for when it stops, this one's among them.
    calls: set[asyncio.Task[t.Any]] | None = None

    def know_task(self) -> None:
        self.task = asyncio.current_task()  # PERF(0.05 us): `super`, without a call
        stream = getattr(self.send, "__self__", None)
        if self.calls is None and hasattr(stream, "context"):  # it is Hypercorn's, perhaps
            self.calls = calls_of(stream)
            if self.calls is not None:
                self.calls.add(t.cast("asyncio.Task[t.Any]", self.task))

    async def complete(self, rest: t.Awaitable[None] | None) -> None:
        """Await the rest of the app call, then leave nothing behind."""
        try:
            if rest is not None:
                await rest
            if self.answer is not None:
                unread = self.upload is not None and not self.upload.complete
                if unread:
                    self.inbox.listener = None
                    self.inbox.drop()
                await send_answer_of(self, self.send, self.answer)
                if unread:
                    await self.inbox.drain()
        finally:
            if self.calls is not None:
                self.calls.discard(t.cast("asyncio.Task[t.Any]", self.task))
            await self.close()

    # --- the loop lane ----------------------------------------------------------------------

    async def on_loop(self) -> None:
        """Run the flow, end the context and send the response, in the request's own task. An
        answer is left to be sent outside of the request's Context: tasks that a server begins
        meanwhile, such as Hypercorn's timer of an idle connection, would keep it."""
        ctx, flow = self.ctx, self.flow
        plan = flow.plan
        if self.has_inbox and plan.plain and ctx.made.body is not None:
            ctx.reads_ahead = plan.may_read(ctx)
        try:
            try:  # PERF(0.2 us): `respond`, without a call; the call budget counts it
                if (
                    ctx.view is None
                    or plan.before
                    or plan.preprocessors
                    or plan.starting
                    or ctx.reads_ahead
                ):
                    response = await flow.handle(ctx, True)
                else:
                    # PERF(0.5 us): `handle`, where nobody takes part but the view.
                    try:
                        rv = ctx.view(**ctx.view_args)
                        if type(rv) is not CoroutineType:
                            rv = flow.settle(rv)
                        rv = await rv
                    except Exception as error:
                        response = await flow.rescue(ctx, error)
                    else:
                        response = direct_answer(plan, ctx, rv) or await flow.conclude(ctx, rv)
                if type(response) is not tuple and getattr(response, "speaks_wsgi", False):
                    response = as_wsgi_says(ctx.conn, response)
            except BaseException as error:
                ctx.error = error
                raise
            finally:
                if (
                    ctx.error is not None
                    or (ctx.made is not None and ctx.made.needs_close)
                    or any(plan.at_end)
                ):
                    await self.end()
                else:  # PERF(0.8 us): most have no teardown functions, and nothing to close
                    ctx.pushes -= 1  # PERF(0.05 us): `let_go`, without a call
            answer = response if type(response) is tuple else answer_of(self, response)
            if answer is None:
                self.answered = True
                await send_response(self, response)
            elif ctx.scope["method"] == "HEAD" and HEAD_BODY not in ctx.scope:
                self.answer = answer[0], answer[1], b""
            elif len(answer[2]) > AT_ONCE:
                await send_answer_of(self, self.send_timed(answer), answer)
            else:
                self.answer = answer
        except asyncio.CancelledError:
            if not (self.took_back() or self.is_its_own()):
                raise

    # --- the thread lane --------------------------------------------------------------------

    async def in_thread(self, context: Context) -> None:
        self.know_task()
        self.lane = lane = Lane(self.inbox.watch)
        lane.grace = self.app.config["DISCONNECT_GRACE"]
        conn = self.ctx.conn
        if conn.body is not None and self.app.plain:
            reader = BodyReader(conn.body, lambda: conn.max_content_length, lane)
            if self.flow.plan.may_read(self.ctx):
                lane.prepare = reader.prepare
            conn.receive_input(io.BufferedReader(reader))
        pool = self.app.file_pool if self.flow.plan.serves_file(self.ctx) else self.app.view_pool
        try:
            try:
                response = await to_thread(pool, None, self.work, context, lane=lane)
            except BaseException as error:
                if self.unfinished:
                    await cut_off(self, error)
                raise
            self.lane = None
            self.cancels = 0
            if response is not None:
                self.answer = context.run(answer_of, self, response)
                if self.answer is None:
                    await within(context, send_response(self, response), self)
        except asyncio.CancelledError:
            if not (self.took_back() or self.is_its_own()):
                raise

    def work(self, context: Context) -> t.Any:
        """Run the flow; send what has to be iterated in this thread, return anything else."""
        response = drive(self.respond(), context)
        assert self.lane is not None
        self.lane.prepare = None  # an upload that nobody read does not delay the answer
        if not streams_here(response):
            return response
        drive(send_here(self, response), context)
        return None
