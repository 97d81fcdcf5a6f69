"""The proxies that users read the active context through. Our own rooms ask `_current`; an app
gives these to its templates and its shell.
"""

from __future__ import annotations

import typing as t
from functools import partial

from werkzeug.local import LocalProxy

from ._current import _cv_app as _cv_context
from ._current import find_context
from ._current import NO_APP
from ._current import NO_REQUEST
from ._current import NO_WEBSOCKET
from .ctx import _AppCtxGlobals
from .ctx import AppContext
from .sansio.app import Core
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
_cv_request = _View(lambda ctx: ctx.conn_ctx if ctx.has_request else None, NO_REQUEST)
_cv_websocket = _View(lambda ctx: ctx.conn_ctx if ctx.has_websocket else None, NO_WEBSOCKET)


def _refuse(unbound: str, _: object) -> t.NoReturn:
    raise RuntimeError(unbound)


class _Outside:
    """Stands for the context where none is active: whatever it is asked for, it says so."""

    app = g = property(partial(_refuse, NO_APP))
    request = session = property(partial(_refuse, NO_REQUEST))
    websocket = property(partial(_refuse, NO_WEBSOCKET))


_OWN = frozenset([*dir(LocalProxy), "_get_current_object", "_LocalProxy__wrapped"])

_own: t.Any = object.__getattribute__


def _proxy(read: t.Callable[[], t.Any], look_up: t.Any = None) -> t.Any:
    class Proxy(LocalProxy[t.Any]):
        """Werkzeug's proxy, faster at what views do with it.

        PERF(1.2 us each time): the parent looks for an attribute on itself, fails, and binds
        a function that looks it up on the object.
        """

        __slots__ = ()

        def __getattribute__(self, name: str) -> t.Any:
            return _own(self, name) if name in _OWN else getattr(read(), name)

        if look_up is not None:
            __getattribute__ = look_up

        def __setattr__(self, name: str, value: t.Any) -> None:
            setattr(read(), name, value)

        def __getitem__(self, key: t.Any) -> t.Any:
            return read()[key]

        def __setitem__(self, key: t.Any, value: t.Any) -> None:
            read()[key] = value

        def __contains__(self, key: t.Any) -> bool:
            return key in read()

    Proxy.__name__ = LocalProxy.__name__  # its repr says so where it is unbound
    return Proxy(read)


app_ctx: AppContext = _proxy(_cv_app)
request_ctx: AppContext = _proxy(_cv_request)
websocket_ctx: AppContext = _proxy(_cv_websocket)

# PERF(0.06 us each time, of 0.19): the ContextVar itself is read, in the one function that an
# attribute takes; and without asking whether there is a context, for there always is one.
_get: t.Any = _cv_context.get
_outside = _Outside()
current_app: Core = _proxy(
    lambda: _get(_outside).app,
    lambda self, name: _own(self, name) if name in _OWN else getattr(_get(_outside).app, name),
)
g: _AppCtxGlobals = _proxy(
    lambda: _get(_outside).g,
    lambda self, name: _own(self, name) if name in _OWN else getattr(_get(_outside).g, name),
)
request: Request = _proxy(
    lambda: _get(_outside).request,
    lambda self, name: _own(self, name) if name in _OWN else getattr(_get(_outside).request, name),
)
websocket: Websocket = _proxy(
    lambda: _get(_outside).websocket,
    lambda self, name: (
        _own(self, name) if name in _OWN else getattr(_get(_outside).websocket, name)
    ),
)
session: SessionMixin = _proxy(
    lambda: _get(_outside).session,
    lambda self, name: _own(self, name) if name in _OWN else getattr(_get(_outside).session, name),
)
