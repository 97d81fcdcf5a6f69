"""The contexts, and the functions that look for the active one or copy it to another task or
thread."""

from __future__ import annotations

import copy
import functools
import typing as t

from ._concurrency.coroutines import is_async_callable
from ._context import _AppCtxGlobals as _AppCtxGlobals
from ._context import AppContext as AppContext
from ._current import current_context
from ._current import find_context

F = t.TypeVar("F", bound=t.Callable[..., t.Any])

#: *Flask:* the class of request contexts in 3.1; one class serves for both here.
RequestContext = AppContext
#: *Quart:* the class of websocket contexts.
WebsocketContext = AppContext


def has_app_context() -> bool:
    """Say whether an application context is active."""
    ctx = find_context()
    return ctx is not None and ctx.app_ctx is not None


def has_request_context() -> bool:
    """Say whether a request context is active."""
    ctx = find_context()
    return ctx is not None and ctx.has_request


def has_websocket_context() -> bool:
    """Say whether a websocket context is active."""
    ctx = find_context()
    return ctx is not None and ctx.has_websocket


def after_this_request(f: F) -> F:
    """Call `f(response)` after this request, before the `after_request` functions; it
    returns the response to send."""
    _connected("after_this_request", "request")._after_request_functions.append(f)
    return f


def after_this_websocket(func: F) -> F:
    """Call `func(response)` when this websocket's handler has ended, as `after_websocket` does."""
    _connected("after_this_websocket", "websocket")._after_request_functions.append(func)
    return func


def copy_current_app_context(func: F) -> F:
    """Return `func` such that it runs in an application context of the current app, with the
    same `g`, in whatever thread or task it is called. In the awaitable colour it is an `async def`
    then, as in Quart; a `def` runs in a worker thread."""
    g, app = current_context().g, t.cast(t.Any, current_context().app)

    def make_context() -> AppContext:
        ctx: AppContext = app.app_context()
        ctx.g, ctx.kept = g, True
        return ctx

    return _run_in(make_context, func)


def copy_current_request_context(f: F) -> F:
    """Return `f` such that it runs in a copy of the current request context, in whatever
    thread or task it is called. An `async def` stays one; in the awaitable colour a `def` becomes
    one, as in Quart."""
    ctx = _connected("copy_current_request_context", "request").copy()
    return _run_in(functools.partial(copy.copy, ctx), f)


def copy_current_websocket_context(func: F) -> F:
    """Return `func` such that it runs in a copy of the current websocket context, in whatever
    thread or task it is called. An `async def` stays one; in the awaitable colour a `def` becomes
    one, as in Quart."""
    ctx = _connected("copy_current_websocket_context", "websocket").copy()
    return _run_in(functools.partial(copy.copy, ctx), func)


def _connected(caller: str, kind: t.Literal["request", "websocket"]) -> AppContext:
    ctx = find_context()
    if ctx is None or not (ctx.has_request if kind == "request" else ctx.has_websocket):
        raise RuntimeError(
            f"'{caller}' can only be used when a {kind} context is active,"
            " such as in a view function."
        )
    return t.cast(AppContext, ctx.conn_ctx)


def _run_in(make_context: t.Callable[[], AppContext], f: F) -> F:
    app = t.cast(t.Any, current_context().app)
    if is_async_callable(f) or not app.plain:

        @functools.wraps(f)
        async def async_wrapper(*args: t.Any, **kwargs: t.Any) -> t.Any:
            async with make_context():
                func = f if app.plain else app.ensure_async(f)
                return await func(*args, **kwargs)

        return t.cast(F, async_wrapper)

    @functools.wraps(f)
    def wrapper(*args: t.Any, **kwargs: t.Any) -> t.Any:
        with make_context():
            return app.ensure_sync(f)(*args, **kwargs)

    return t.cast(F, wrapper)
