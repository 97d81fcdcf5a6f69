"""The WSGI door of the plain colour: the same lanes, in the caller's own thread.

Source: PEP 3333.
"""

from __future__ import annotations

import collections.abc as cabc
import threading
import typing as t
from asyncio import _get_running_loop
from contextvars import Context
from contextvars import copy_context
from functools import partial

from werkzeug.exceptions import InternalServerError
from werkzeug.wsgi import ClosingIterator

from ._concurrency.coroutines import as_coroutine
from ._concurrency.coroutines import awaited
from ._concurrency.coroutines import carry
from ._concurrency.coroutines import drive
from ._concurrency.coroutines import unwrapped
from ._concurrency.loops import close_own_loop
from ._concurrency.loops import own_loop
from ._concurrency.threads import in_lane
from ._context import AppContext
from ._current import _cv_app
from ._dispatch.errors import report_unsendable
from ._http.outgoing import as_bytes
from ._http.outgoing import OnePiece
from ._werkzeug import on_close_functions
from .typing import LiveApp

StartResponse = t.Callable[..., t.Any]
T = t.TypeVar("T")


def handle_wsgi(
    app: LiveApp, environ: dict[str, t.Any], start_response: StartResponse
) -> t.Iterable[bytes]:
    """Handle one request. Async code runs on an event loop that belongs to this thread and outlives
    the request; if this thread already runs a loop, a helper thread handles the request."""
    if _get_running_loop() is not None:
        return _in_helper_thread(app, environ, start_response)
    context = copy_context()
    call = _Call(environ, start_response)
    try:
        body = _handle(app, environ, call, context)
    except RuntimeError as error:
        if (original := unwrapped(error)) is not error:
            raise original from None
        raise
    finally:
        carry(context, copy_context(), _cv_app)
    if call.in_memory or isinstance(body, (list, tuple)):
        return body
    return _InContext(body, context, call.response)


def _handle(
    app: LiveApp, environ: dict[str, t.Any], call: _Call, context: Context
) -> t.Iterable[bytes]:
    """Handle one request in one Context, from the first hook to the last teardown function;
    ContextVars that it sets are visible to the caller afterwards, as under Flask."""
    ctx: AppContext = context.run(app.request_context, environ)
    flow = app.quartish_http_flow
    try:
        # Within a WSGI middleware that handles ASGI requests, this thread belongs to the request.
        if context.run(flow.enter, ctx) and not in_lane():
            own_loop().run(flow.run(ctx, False, call.start), context)
        else:
            drive(flow.run(ctx, False, call.start), context)
        return t.cast("t.Iterable[bytes]", ctx.take_outcome())
    finally:
        keep = environ.get("werkzeug.debug.preserve_context")
        if keep is not None:
            if ctx.app_ctx is not ctx:
                keep(ctx.app_ctx)
            keep(ctx)


#: Bodies whose iteration runs no code of the user's.
_IN_MEMORY = (list, OnePiece)


class _Call:
    """One call of the app, from which the flow starts the response."""

    response: t.Any = None
    #: Whether the body may be iterated over in any Context: that runs no code of the user's.
    in_memory = False

    def __init__(self, environ: dict[str, t.Any], start_response: StartResponse) -> None:
        self._environ = environ
        self._start_response = start_response

    def start(self, ctx: AppContext, response: t.Any) -> t.Iterable[bytes]:
        """Start the response, in its Context, and return its body."""
        self.response = response
        try:
            body: t.Iterable[bytes] = response(self._environ, self._start_response)
        except Exception as error:
            report_unsendable(ctx, error)
            return list(InternalServerError()(self._environ, self._start_response))
        self.in_memory = (
            type(response.response) in _IN_MEMORY
            and not getattr(response, "quartish_speaks_wsgi", True)
            and not on_close_functions(response)
        )
        return body


class _InContext:
    """A response body that is iterated over in its request's Context.

    A ContextVar that a middleware sets or resets between two chunks is changed in the body, too,
    and one that the body sets is changed outside, as if there were one Context.
    """

    _outside: Context

    def __init__(self, body: t.Iterable[bytes], context: Context, response: t.Any) -> None:
        self._body = body
        self._context = context
        chunks: t.Any = getattr(response, "response", None)
        is_async = isinstance(chunks, cabc.AsyncIterable) and isinstance(body, ClosingIterator)
        self._async = context.run(aiter, chunks) if is_async else None
        self._chunks = context.run(iter, body)
        self.begin()

    def begin(self) -> None:
        """Note the caller's ContextVars, to find those that change there."""
        self._outside = copy_context()

    def __iter__(self) -> t.Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._async is None:
            return self._step(partial(self._context.run, self._chunks.__next__))
        chunk = self._step(partial(drive, _next(self._async), self._context))
        if chunk is None:
            raise StopIteration
        return chunk

    def close(self) -> None:
        aclose = getattr(self._async, "aclose", None)
        if aclose is not None:
            self._step(partial(drive, as_coroutine(aclose()), self._context))
        close = getattr(self._body, "close", None)
        if close is not None:
            self._step(partial(self._context.run, close))

    def _step(self, step: t.Callable[[], T]) -> T:
        self._context.run(carry, copy_context(), self._outside, _cv_app)
        before = self._context.copy()
        try:
            return step()
        finally:
            carry(self._context, before, _cv_app)
            self.begin()


async def _next(chunks: t.AsyncIterator[str | bytes]) -> bytes | None:
    try:
        chunk = await awaited(anext(chunks))
    except StopAsyncIteration:
        return None
    return as_bytes(chunk)


def _in_helper_thread(
    app: LiveApp, environ: dict[str, t.Any], start_response: StartResponse
) -> t.Iterable[bytes]:
    """Handle the request in a thread without a loop, and return the whole body."""
    context = copy_context()
    chunks: list[bytes] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            body = context.run(handle_wsgi, app, environ, start_response)
            try:
                chunks.extend(body)
            finally:
                close = getattr(body, "close", None)
                if close is not None:
                    close()
        except BaseException as error:
            failure.append(error)
        finally:
            close_own_loop()

    thread = threading.Thread(target=work, name="quartish-wsgi")
    thread.start()
    thread.join()
    carry(context, copy_context(), _cv_app)
    if failure:
        try:
            raise failure[0]
        finally:
            failure.clear()
    return chunks
