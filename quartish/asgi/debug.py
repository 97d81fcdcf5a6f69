"""Requests and websockets in debug mode: an error is shown with its traceback, and a view that
blocks the event loop is logged.

Requests in production never run this code.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import typing as t
from contextvars import Context
from contextvars import copy_context

from .._concurrency.coroutines import is_awaitable
from .._concurrency.threads import Lane
from .._concurrency.threads import to_thread
from .._concurrency.watch import Watch
from .._concurrency.watch import within
from .._context import AppContext
from .._current import activate
from .._current import call_with_context
from .._http.headers import latin_lines
from .._http.headers import length_line
from .._http.inbox import Inbox
from .._http.outgoing import HEAD_BODY
from .._http.outgoing import HTML
from .._http.outgoing import Outgoing
from .._http.outgoing import page
from .._loopback import is_loopback
from .._loopback import PROXIES
from .._tracebacks import is_full
from ..debugger import debugger_of
from ..debugger import is_asked
from ..debugger import kind_of
from ..debugger import Place
from ..debugger import render_problem
from ..debugger import render_traceback
from ..typing import ASGIReceive
from ..typing import ASGISend
from ..typing import LiveApp
from ..typing import Message
from ..typing import Scope
from ..wrappers.awaitable_response import Response
from ..wrappers.connection import Conn
from ..wrappers.request import Request
from .exchange import Flow
from .forgotten import log_dropped_calls
from .forgotten import watch_calls
from .send import send_outgoing
from .through_wsgi import handle_through_wsgi
from .unfinished import note
from .watchdog import watched

Run = t.Callable[..., t.Any]

HEAD_WAITS = 0.2
"""Seconds for which the head of a response waits for its first piece."""
KINDS = {
    "html": HTML,
    "json": b"application/problem+json",
    "text": b"text/plain; charset=utf-8",
}


class Debugged(t.Protocol):
    """An exchange (`asgi.exchange`), as debug mode sees it."""

    @property
    def app(self) -> LiveApp: ...
    @property
    def ctx(self) -> AppContext: ...
    @property
    def flow(self) -> Flow: ...
    async def in_thread(self, context: Context, /) -> None: ...


class DebuggedHttp(Debugged, t.Protocol):
    """An `HttpExchange`, as debug mode sees it."""

    send: ASGISend
    outgoing: Outgoing | None
    lane: Lane | None

    @property
    def inbox(self) -> Inbox: ...
    def note_task(self) -> None: ...
    def uncancel(self) -> bool: ...
    def is_its_own(self) -> bool: ...
    async def in_task(self, context: Context, run: Run | None = ..., /) -> None: ...


class DebuggedWebsocket(Debugged, t.Protocol):
    """A `WebsocketExchange`, as debug mode sees it."""

    def enter(self) -> bool: ...
    async def in_task(self) -> None: ...


async def run_debugged(exchange: DebuggedHttp, context: Context) -> None:
    """Run an `HttpExchange` in its lane. An exception before the response began is logged, and the
    response is its traceback, unless the app is tested or `PROPAGATE_EXCEPTIONS` is set. Requests
    of the debugger's page do not reach the app."""
    app, ctx = exchange.app, exchange.ctx
    if is_asked(app, ctx.scope) and await _ask_debugger(exchange):
        return
    if _is_for_others(app):
        await _run(exchange, context)
        return
    exchange.note_task()  # while `send` is the server's
    send = exchange.send
    started = _Started(send)
    exchange.send = started.send
    on_loop = False
    try:
        on_loop = context.run(exchange.flow.enter, exchange.ctx)
        await _run(exchange, context, on_loop)
        await started.begin()
    except Exception as error:
        if started.began:
            raise
        await started.close()
        about = note(exchange.flow.plan.describe(ctx))
        if about in getattr(error, "__notes__", ()):
            error.__notes__.remove(about)  # nothing was sent
        place = Place(context, ctx, asyncio.get_running_loop(), on_loop)
        await within(context, _send_page(app, ctx.conn, send, error, place))
    finally:
        exchange.send = send
        await started.close()


async def run_tested(exchange: DebuggedHttp, context: Context) -> None:
    """Run an `HttpExchange` of the awaitable colour in its lane. An exception before the response
    began is logged, and the response is its traceback, as in *Quart* when testing."""
    send = exchange.send
    began: list[Message] = []

    async def note_begin(message: Message) -> None:
        began.append(message)
        exchange.send = send
        await send(message)

    exchange.send = note_begin
    try:
        if context.run(exchange.flow.enter, exchange.ctx):
            await exchange.in_task(context)
        else:
            await exchange.in_thread(context)
    except Exception as error:
        if began:
            raise
        await within(context, log(exchange.app, error))
        text = render_traceback(error, html=True).encode("utf-8", "backslashreplace")
        scope = exchange.ctx.scope
        exchange.outgoing = page(
            500, text, head=scope["method"] == "HEAD" and HEAD_BODY not in scope
        )


async def _run(exchange: DebuggedHttp, context: Context, on_loop: bool | None = None) -> None:
    depth = sys.get_coroutine_origin_tracking_depth()
    if not depth:  # Python's warning of a coroutine that nobody awaited names the line then
        sys.set_coroutine_origin_tracking_depth(1)
    try:
        await _run_in_lane(exchange, context, on_loop)
    finally:
        sys.set_coroutine_origin_tracking_depth(depth)
        log_dropped_calls(exchange.app, exchange.ctx.conn.endpoint)


async def _run_in_lane(exchange: DebuggedHttp, context: Context, on_loop: bool | None) -> None:
    if context.run(exchange.flow.enter, exchange.ctx) if on_loop is None else on_loop:
        await exchange.in_task(context, watched(exchange.flow, exchange.ctx, context))
    else:
        await exchange.in_thread(context)


async def handle_through_wsgi_debugged(
    app: LiveApp, scope: Scope, receive: ASGIReceive, send: ASGISend
) -> None:
    """Handle one request as `handle_through_wsgi` does, and exceptions as `run_debugged` does."""
    if await _was_for_debugger(app, scope, send):
        return
    context = copy_context()
    started = _Started(send)
    kept: list[AppContext] = []
    try:
        await handle_through_wsgi(app, scope, receive, started.send, context, kept.append)
        await started.begin()
    except Exception as error:
        if started.began or _is_for_others(app):
            raise
        await started.close()
        ctx = kept[-1] if kept else None
        place = Place(context, ctx, asyncio.get_running_loop(), False)
        await within(context, _send_page(app, Conn.quartish_from_scope(scope), send, error, place))
    finally:
        await started.close()


async def handle_by_class_debugged(
    app: LiveApp, scope: Scope, receive: ASGIReceive, send: ASGISend
) -> None:
    """Handle one request by the app's own `asgi_http_class`, which shows errors by
    `error_response`. Requests of the debugger's page do not reach it."""
    if not await _was_for_debugger(app, scope, send):
        await app.quartish_http_flow.plan.connection_class(app, scope)(receive, send)


async def error_response(
    app: LiveApp, scope: Scope, error: Exception, ctx: AppContext | None
) -> Response:
    """Log an exception that reached an app's own `asgi_http_class`; return the response that shows
    it. `ctx` is the context of the request, if it was made."""
    context = copy_context()
    if ctx is not None:
        context.run(activate, ctx.app_ctx, ctx.conn_ctx)
    place = Place(context, ctx, asyncio.get_running_loop(), True)
    await within(context, log(app, error))
    outgoing = _page_of(app, Conn.quartish_from_scope(scope), error, place)
    headers = {name.decode(): value.decode() for name, value in outgoing.headers}
    return Response(outgoing.body, outgoing.status, headers)


async def _was_for_debugger(app: LiveApp, scope: Scope, send: ASGISend) -> bool:
    if not is_asked(app, scope):
        return False
    environ = Request.quartish_from_scope(scope).environ
    response = await to_thread(app.view_pool, None, debugger_of(app).respond, environ)
    if response is not None:
        await send_outgoing(send, _outgoing(response))
    return response is not None


async def run_websocket_debugged(exchange: DebuggedWebsocket, context: Context) -> None:
    """Run a `WebsocketExchange` in its lane. An exception is logged as one of a request is, and not
    raised to the server: the client knows by the close."""
    try:
        watch_calls(exchange.app, exchange.ctx.websocket)
        if context.run(exchange.enter):
            run = watched(exchange.flow, exchange.ctx, context)
            await within(context, exchange.in_task(), t.cast(Watch, exchange), run)
        else:
            await exchange.in_thread(context)
    except Exception as error:
        if _is_for_others(exchange.app):
            raise
        await within(context, log(exchange.app, error))
    finally:
        log_dropped_calls(exchange.app, exchange.ctx.conn.endpoint)


def _is_for_others(app: LiveApp) -> bool:
    """Say whether exceptions are raised to a test, or to a debugger around the app."""
    return app.plain and (app.testing or app.config["PROPAGATE_EXCEPTIONS"] is not None)


class _Started:
    """Delays the head of a response until the first piece of its body, so that an error before that
    can still be shown. It waits `HEAD_WAITS` seconds at most, as the client may wait for it."""

    def __init__(self, send: ASGISend) -> None:
        self._send = send
        #: Whether anything was sent.
        self.began = False
        self._head: Message | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._late: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()

    @property
    def through(self) -> ASGISend | None:
        """The server's `send` once something was sent, for a stream that may have to be reset."""
        return self._send if self.began else None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and not self.began:
            self._head = message
            self._timer = asyncio.get_running_loop().call_later(HEAD_WAITS, self._begin_late)
            return
        await self.begin()
        await self._send(message)

    async def begin(self) -> None:
        """Send the head, if there is one that was not sent."""
        async with self._lock:
            head, self._head = self._head, None
            if head is not None:
                self.began = True
                await self._send(head)

    def _begin_late(self) -> None:
        self._late = asyncio.get_running_loop().create_task(self.begin())

    async def close(self) -> None:
        """Forget a head that was not sent, and end the timer."""
        self._head = None
        if self._timer is not None:
            self._timer.cancel()
        if self._late is not None:
            with contextlib.suppress(OSError):  # the client has disconnected
                await self._late


async def _ask_debugger(exchange: DebuggedHttp) -> bool:
    """Let the debugger respond; return whether it did."""
    app = exchange.app
    exchange.note_task()
    exchange.lane = lane = Lane(exchange.inbox.watch)
    environ = Request.quartish_from_scope(exchange.ctx.scope).environ
    try:
        response = await to_thread(
            app.view_pool, None, debugger_of(app).respond, environ, lane=lane
        )
    except asyncio.CancelledError:
        if not (exchange.uncancel() or exchange.is_its_own()):
            raise
        return True
    finally:
        exchange.lane = None
    if response is not None:
        exchange.outgoing = _outgoing(response)
    return response is not None


def _outgoing(response: tuple[int, list[tuple[str, str]], bytes]) -> Outgoing:
    status, headers, data = response
    lines = latin_lines(headers)
    if not any(name == b"content-length" for name, _ in lines):
        lines.append(length_line(len(data)))
    return Outgoing(status, lines, data)


async def log(app: LiveApp, error: Exception) -> None:
    """Log an exception, in its context."""
    exc_info = (type(error), error, error.__traceback__)
    logged = call_with_context(app.log_exception, exc_info)
    if is_awaitable(logged):
        await logged


async def _send_page(
    app: LiveApp, conn: Conn, send: ASGISend, error: Exception, place: Place
) -> None:
    await log(app, error)
    outgoing = _page_of(app, conn, error, place)
    if conn.method == "HEAD":
        outgoing.body = b""
    await send_outgoing(send, outgoing)


def _page_of(app: LiveApp, conn: Conn, error: Exception, place: Place) -> Outgoing:
    """Return the page of an exception, or JSON or text if the client accepts that instead."""
    kind = kind_of(_accept(conn))
    full = is_full(app.config["TRACEBACKS"])
    if kind == "json":
        text = render_problem(error, full=full)
    elif kind == "html" and app.config["DEBUGGER"]:
        debugger = debugger_of(app)
        text = debugger.page(error, Request.quartish_from_scope(conn.scope).environ, place)
    else:
        text = render_traceback(error, html=kind == "html", full=full)
    _warn_once(app, conn)
    body = text.encode("utf-8", "backslashreplace")
    return page(500, body, KINDS[kind])


def _accept(conn: Conn) -> str:
    return conn.quartish_raw_headers.get(b"accept", b"").decode("latin-1")


def _warn_once(app: LiveApp, conn: Conn) -> None:
    """Log as critical, once, that a client on another machine was shown an error."""
    if vars(app).get("_told_of_others"):
        return
    client = (conn.scope.get("client") or ("",))[0]
    proxy = next((name for name in PROXIES if name in conn.quartish_raw_headers), None)
    if proxy is None and is_loopback(client):
        return
    vars(app)["_told_of_others"] = True
    whom = client if proxy is None else f"a client behind a proxy ({proxy.decode()})"
    app.logger.critical(
        "DEBUG MODE IS ON, AND %s WAS SHOWN AN ERROR WITH ITS SOURCE CODE. %s Turn debug mode off"
        " (leave out --debug, unset QUARTISH_DEBUG and FLASK_DEBUG) where others than you can"
        " reach this server.",
        whom,
        "Who finds out the PIN, and the Host that is trusted, runs any code here."
        if app.config["DEBUGGER"]
        else "Nothing runs there (DEBUGGER is False).",
    )
