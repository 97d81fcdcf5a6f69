"""An http request in debug mode: what went wrong is answered with its traceback, and a view
that blocks the event loop is named.

A request in production never comes here.
"""

from __future__ import annotations

import inspect
import sys
import time
import typing as t
from contextvars import Context

from .._concurrency.coroutines import is_awaitable
from .._concurrency.coroutines import within
from .._current import call_with_context
from .._dispatch.response import length_line
from ..debugger import render_traceback
from ..typing import ASGIReceive
from ..typing import ASGISend
from ..typing import Message
from ..typing import Scope
from ..wrappers.connection import Conn
from .exchange import Exchange
from .through_wsgi import handle_through_wsgi

BLOCKING = 0.1
"""Seconds without the loop's turn after which a view is named."""


async def run_debugged(exchange: t.Any, context: Context) -> None:
    """Run an `HttpExchange` in its lane. What it raises before its response began is logged and
    answered with a traceback, unless the app is tested or says `PROPAGATE_EXCEPTIONS`."""
    app = exchange.app
    started = _Started(exchange.send)
    exchange.send = started.send
    try:
        if context.run(exchange.begin):
            run = watched(exchange, context)
            await within(context, exchange.on_loop(), exchange, run)
        else:
            await exchange.in_thread(context)
    except Exception as error:
        if started or _is_for_others(app):
            raise
        await within(context, _answer(app, exchange.ctx.conn, exchange.send, error))


async def handle_through_wsgi_debugged(
    app: t.Any, scope: Scope, receive: ASGIReceive, send: ASGISend
) -> None:
    """Answer one request as `handle_through_wsgi` does, errors as `run_debugged`."""
    started = _Started(send)
    try:
        await handle_through_wsgi(app, scope, receive, started.send)
    except Exception as error:
        if started or _is_for_others(app):
            raise
        await _answer(app, Conn.from_scope(scope), send, error)


def _is_for_others(app: t.Any) -> bool:
    """Say whether a test, or a debugger around the app, waits for what is raised."""
    return app.testing or (app.plain and app.config["PROPAGATE_EXCEPTIONS"] is not None)


class _Started:
    """Whether a response was begun; true from its first message on."""

    def __init__(self, send: ASGISend) -> None:
        self._send = send
        self._began = False

    def __bool__(self) -> bool:
        return self._began

    async def send(self, message: Message) -> None:
        self._began = True
        await self._send(message)


async def _answer(app: t.Any, conn: Conn, send: ASGISend, error: Exception) -> None:
    logged = call_with_context(app.log_exception, sys.exc_info())
    if is_awaitable(logged):
        await logged
    # *Quart:* has a page for every client.
    html = not app.plain or b"text/html" in conn.raw_headers.get(b"accept", b"")
    body = render_traceback(error, html=html).encode("utf-8", "backslashreplace")
    kind = b"text/html" if html else b"text/plain"
    headers = [
        (b"content-type", kind + b"; charset=utf-8"),
        length_line(len(body)),
    ]
    try:
        await send({"type": "http.response.start", "status": 500, "headers": headers})
        payload = b"" if conn.method == "HEAD" else body
        await send({"type": "http.response.body", "body": payload})
    except OSError:
        return  # the client has left; the log has it


def watched(exchange: Exchange, context: Context) -> t.Callable[..., t.Any]:
    """Return what `within` may take for `context.run`: each step is timed."""
    return _Watch(exchange, context).run


class _Watch:
    def __init__(self, exchange: Exchange, context: Context) -> None:
        self.exchange = exchange
        self.context = context

    def run(self, func: t.Callable[..., t.Any], *args: t.Any) -> t.Any:
        began = time.perf_counter()
        try:
            return self.context.run(func, *args)
        finally:
            seconds = time.perf_counter() - began
            if seconds > BLOCKING:
                self.context.run(self.warn, seconds)

    def warn(self, seconds: float) -> None:
        """Say which view it was, where, for how long, and what to do."""
        exchange = self.exchange
        exchange.app.logger.warning(
            "%s%s blocked the event loop for %d ms: nothing else was served meanwhile. Make it a"
            " plain 'def', which runs in a thread, or await an async driver (if it was one of its"
            " synchronous hooks: SYNC_HOOKS_IN_THREAD).",
            exchange.flow.describe(exchange.ctx),
            _place(exchange.app.view_functions.get(exchange.ctx.conn.endpoint)),
            seconds * 1000,
        )


def _place(view: t.Any) -> str:
    """Return where the view was written, as " (file:line)"; "" where nobody can tell."""
    written: t.Any = getattr(view, "view_class", None) or (inspect.unwrap(view) if view else view)
    try:
        return f" ({inspect.getsourcefile(written)}:{inspect.getsourcelines(written)[1]})"
    except (OSError, TypeError):
        return ""
