"""The proxies that users read the active context through. No other room imports them."""

from __future__ import annotations

import typing as t

from werkzeug.local import LocalProxy

from ._core import Core
from ._current import NO_APP
from ._current import NO_REQUEST
from ._current import NO_WEBSOCKET
from ._current import current_context
from ._current import find_context
from .ctx import AppContext
from .ctx import _AppCtxGlobals
from .sessions import SessionMixin
from .wrappers import Request
from .wrappers import Websocket

T = t.TypeVar("T")
_raise: t.Any = object()


class _View:
    """One kind of context, read like the ContextVar that Flask 3.1 has for each kind."""

    def __init__(self, find: t.Callable[[AppContext], AppContext | None], unbound: str) -> None:
        self._find = find
        self._unbound = unbound

    def get(self, default: t.Any = _raise) -> t.Any:
        """Return the active context; without one return `default` or raise LookupError."""
        ctx = find_context()
        found = None if ctx is None else self._find(t.cast(AppContext, ctx))
        if found is not None:
            return found
        if default is _raise:
            raise LookupError(self._unbound)
        return default

    def __call__(self) -> AppContext:
        found: AppContext | None = self.get(None)
        if found is None:
            raise RuntimeError(self._unbound)
        return found


_cv_app = _View(lambda ctx: ctx.app_ctx, NO_APP)
_cv_request = _View(lambda ctx: ctx if ctx.has_request else None, NO_REQUEST)
_cv_websocket = _View(lambda ctx: ctx if ctx.has_websocket else None, NO_WEBSOCKET)


def _proxy(read: t.Callable[[], T]) -> T:
    return t.cast(T, LocalProxy(read))


app_ctx: AppContext = _proxy(_cv_app)
request_ctx: AppContext = _proxy(_cv_request)
websocket_ctx: AppContext = _proxy(_cv_websocket)
current_app: Core = _proxy(lambda: t.cast(Core, current_context().app))
g: _AppCtxGlobals = _proxy(lambda: t.cast(_AppCtxGlobals, current_context().g))
request: Request = _proxy(lambda: t.cast(Request, current_context(NO_REQUEST).request))
websocket: Websocket = _proxy(lambda: t.cast(Websocket, current_context(NO_WEBSOCKET).websocket))
session: SessionMixin = _proxy(lambda: t.cast(SessionMixin, current_context(NO_REQUEST).session))
