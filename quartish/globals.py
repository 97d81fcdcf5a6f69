"""The proxies that users read the active context through. No other room imports them."""

from __future__ import annotations

import typing as t

from werkzeug.local import LocalProxy

from ._core import Core
from ._current import current_context
from ._current import find_context
from ._current import NO_APP
from ._current import NO_REQUEST
from ._current import NO_WEBSOCKET
from .ctx import _AppCtxGlobals
from .ctx import AppContext
from .sessions import SessionMixin
from .wrappers import Request
from .wrappers import Websocket

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


_OWN = frozenset([*dir(LocalProxy), "_get_current_object", "_LocalProxy__wrapped"])


def _proxy(read: t.Callable[[], t.Any]) -> t.Any:
    class Proxy(LocalProxy[t.Any]):
        """Werkzeug's proxy, faster at what views do with it.

        PERF(1.2 us each time): the parent looks for an attribute on itself, fails, and binds
        a function that looks it up on the object.
        """

        __slots__ = ()

        def __getattribute__(self, name: str) -> t.Any:
            return own(self, name) if name in _OWN else getattr(read(), name)

        def __setattr__(self, name: str, value: t.Any) -> None:
            setattr(read(), name, value)

        def __getitem__(self, key: t.Any) -> t.Any:
            return read()[key]

        def __setitem__(self, key: t.Any, value: t.Any) -> None:
            read()[key] = value

        def __contains__(self, key: t.Any) -> bool:
            return key in read()

    own = object.__getattribute__
    Proxy.__name__ = LocalProxy.__name__  # its repr says so where it is unbound
    return Proxy(read)


app_ctx: AppContext = _proxy(_cv_app)
request_ctx: AppContext = _proxy(_cv_request)
websocket_ctx: AppContext = _proxy(_cv_websocket)
current_app: Core = _proxy(lambda: current_context().app)
g: _AppCtxGlobals = _proxy(lambda: current_context().g)
request: Request = _proxy(lambda: current_context(NO_REQUEST).request)
websocket: Websocket = _proxy(lambda: current_context(NO_WEBSOCKET).websocket)
session: SessionMixin = _proxy(lambda: current_context(NO_REQUEST).session)
