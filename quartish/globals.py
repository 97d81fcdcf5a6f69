"""The proxies through which users read the active context.

Modules of quartish call `_current` instead; only `_application` uses the proxies, as an app gives
them to its templates and its shell.
"""

from __future__ import annotations

import typing as t
from functools import partial
from operator import attrgetter

from werkzeug.local import LocalProxy

from ._current import _cv_app as _cv_context
from ._current import find_context
from ._current import NO_APP
from ._current import NO_REQUEST
from ._current import NO_WEBSOCKET
from .ctx import _AppCtxGlobals
from .ctx import AppContext
from .sansio.app import Core
from .sessions.session import SessionMixin
from .wrappers.request import Request
from .wrappers.websocket import Websocket

_raise: t.Any = object()


class _View:
    """The active context of one kind, read like the ContextVar that Flask 3.1 has for each kind."""

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
    """Takes the place of the context when none is active: each attribute raises RuntimeError."""

    app = g = property(partial(_refuse, NO_APP))
    request = session = property(partial(_refuse, NO_REQUEST))
    websocket = property(partial(_refuse, NO_WEBSOCKET))


_OWN = frozenset([*dir(LocalProxy), "_get_current_object", "_LocalProxy__wrapped"])

_own: t.Any = object.__getattribute__


def _proxy(pick: t.Callable[[t.Any], t.Any]) -> t.Any:
    """Return a proxy for what `pick` reads from the active context."""

    class Proxy(LocalProxy[t.Any]):
        """Werkzeug's proxy, with faster operators for what views do most.

        PERF(1.2 us each time): the parent first looks for an attribute on itself, fails, and then
        binds a function that looks it up on the object.
        """

        __slots__ = ()

        def __getattribute__(self, name: str) -> t.Any:
            return _own(self, name) if name in _OWN else getattr(pick(_get(_outside)), name)

        def __setattr__(self, name: str, value: t.Any) -> None:
            setattr(pick(_get(_outside)), name, value)

        def __getitem__(self, key: t.Any) -> t.Any:
            return pick(_get(_outside))[key]

        def __setitem__(self, key: t.Any, value: t.Any) -> None:
            pick(_get(_outside))[key] = value

        def __contains__(self, key: t.Any) -> bool:
            return key in pick(_get(_outside))

    Proxy.__name__ = LocalProxy.__name__  # which its repr shows when it is unbound
    return Proxy(lambda: pick(_get(_outside)))


_get: t.Any = _cv_context.get
_outside = _Outside()
app_ctx: AppContext = _proxy(lambda _: _cv_app())
request_ctx: AppContext = _proxy(lambda _: _cv_request())
websocket_ctx: AppContext = _proxy(lambda _: _cv_websocket())
current_app: Core = _proxy(attrgetter("app"))
g: _AppCtxGlobals = _proxy(attrgetter("g"))
request: Request = _proxy(attrgetter("request"))
websocket: Websocket = _proxy(attrgetter("websocket"))
session: SessionMixin = _proxy(attrgetter("session"))
