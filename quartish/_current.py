"""The one ContextVar that holds the active context.

It is set where contexts begin and end (`_dispatch.life`), and by whatever enters a context for a
while: `_dispatch.own_contexts`, a stream that keeps its context (`helpers`), the debugger. Modules
of ours that need the current app, request or session call the functions here. Users read the
proxies in `globals`.
"""

from __future__ import annotations

import functools
import inspect
import typing as t
from contextvars import ContextVar
from contextvars import Token

if t.TYPE_CHECKING:
    from .typing import AppLike
    from .typing import ContextLike

_cv_app: ContextVar[ContextLike] = ContextVar("quartish.app_ctx")

NO_APP = """\
Working outside of application context.

This typically means that you attempted to use functionality that needed
the current application. To solve this, set up an application context
with app.app_context(). See the documentation for more information.\
"""
NO_REQUEST = """\
Working outside of request context.

This typically means that you attempted to use functionality that needed
an active HTTP request. Consult the documentation on testing for
information about how to avoid this problem.\
"""
NO_WEBSOCKET = """\
Working outside of websocket context.

This typically means that you attempted to use `websocket` in code that
does not run inside a websocket handler. Consult the documentation on
testing for information about how to avoid this problem.\
"""


class Layers:
    """Two active contexts: one for the app and `g` (`app_ctx`), one for everything about the
    connection (`conn_ctx`). Either may be None.

    They differ when `app_context()` is pushed inside of a request: as in Flask 3.1, that gives a
    fresh `g` and leaves `request` and `session` as they were.
    """

    __slots__ = ("app_ctx", "conn_ctx")
    app_ctx: t.Any
    conn_ctx: t.Any

    def __init__(self, app_ctx: t.Any, conn_ctx: t.Any) -> None:
        object.__setattr__(self, "app_ctx", app_ctx)
        object.__setattr__(self, "conn_ctx", conn_ctx)

    def __getattr__(self, name: str) -> t.Any:
        if name in ("app", "g"):
            if self.app_ctx is None:
                raise RuntimeError(NO_APP)
            return getattr(self.app_ctx, name)
        if self.conn_ctx is not None:
            return getattr(self.conn_ctx, name)
        if name in _WITHOUT:
            return _WITHOUT[name]
        if name in _UNBOUND:
            raise RuntimeError(_UNBOUND[name])
        if name == "url_adapter":
            return self.app.create_url_adapter(None)
        return getattr(self.app_ctx, name)

    def __setattr__(self, name: str, value: t.Any) -> None:
        setattr(self.conn_ctx or self.app_ctx, name, value)

    def __repr__(self) -> str:
        return repr(self.conn_ctx or self.app_ctx)


_WITHOUT = {"kind": None, "conn": None, "made": None, "has_request": False, "has_websocket": False}
_UNBOUND = {
    **dict.fromkeys(["request", "session", "flashes"], NO_REQUEST),
    "websocket": NO_WEBSOCKET,
}


def activate(app_ctx: t.Any, conn_ctx: t.Any, blank: Token[t.Any] | None = None) -> Token[t.Any]:
    """Make these two the active contexts. `blank` is a token of the ContextVar: if it was made
    while no context was active, resetting to it leaves no trace when both are None; else the
    context that becomes active keeps it for later."""
    unused = blank is not None and blank.old_value is Token.MISSING
    if app_ctx is None and conn_ctx is None:
        if unused:
            try:
                _cv_app.reset(t.cast("Token[t.Any]", blank))
                return t.cast("Token[t.Any]", blank)
            except ValueError:  # made in another Context
                pass
        return _cv_app.set(t.cast(t.Any, None))
    if unused:
        top: t.Any = conn_ctx or app_ctx
        top.blank = blank
    alone = conn_ctx if conn_ctx is not None and conn_ctx.app_ctx is app_ctx else app_ctx
    if alone is not None and alone.app_ctx is app_ctx and alone.conn_ctx is conn_ctx:
        return _cv_app.set(alone)
    return _cv_app.set(t.cast(t.Any, Layers(app_ctx, conn_ctx)))


def find_context() -> ContextLike | None:
    """Return the active context, or None."""
    return _cv_app.get(None)


def current_context(unbound: str = NO_APP) -> ContextLike:
    """Return the active context, or raise RuntimeError with `unbound`."""
    ctx = _cv_app.get(None)
    if ctx is None:
        raise RuntimeError(unbound)
    return ctx


def current_app() -> AppLike:
    """Return the app of the active context (the real object, not a proxy)."""
    app: AppLike = current_context().app
    return app


def is_current(app: AppLike) -> bool:
    """Say whether an application context of an app is active."""
    ctx = _cv_app.get(None)
    return ctx is not None and ctx.app_ctx is not None and ctx.app_ctx.app is app


@functools.lru_cache(maxsize=256)
def _takes_context(function: t.Any) -> bool:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # a builtin without a signature
        return False
    first = next((name for name in parameters if name != "self"), "")
    return first == "ctx" and parameters[first].default is inspect.Parameter.empty


def call_with_context(
    method: t.Callable[..., t.Any], *args: t.Any, ctx: ContextLike | None = None
) -> t.Any:
    """Call a method of the app. An override whose first parameter is named `ctx` is given the
    context first, as by *Flask* 3.2 and *Quart* 0.23."""
    if _takes_context(getattr(method, "__func__", method)):
        return method(ctx or find_context(), *args)
    return method(*args)
