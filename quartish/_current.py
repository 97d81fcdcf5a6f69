"""The one ContextVar that says which application context is active.

Only `ctx` writes it. Everything below `ctx` that needs the current app, request or
session reads it through the three functions here; users read it through `globals`.
"""

from __future__ import annotations

import typing as t
from contextvars import ContextVar

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
