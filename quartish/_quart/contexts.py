"""Quart's three kinds of context: `push` and `pop` are coroutines, as in Quart.

They are one class here. `RequestContext` and `WebsocketContext` make such a context for a
connection, with Quart's arguments; every context of a request, or of a websocket, is an instance of
them.
"""

from __future__ import annotations

import sys
import typing as t
from types import TracebackType

from .. import ctx
from .._context import _sentinel
from .._dispatch.life import PRESERVE
from .._observed import PartType
from ..typing import LiveApp

if t.TYPE_CHECKING:
    from ..sessions.session import SessionMixin


class AppContext(ctx.AppContext):
    """The context of an app of the awaitable colour, for `async with`."""

    #: Whether `auto_pop` left it active.
    preserved = False

    async def push(self) -> None:
        """Become the active context until `pop`."""
        await self._push()

    async def pop(self, exc: BaseException | None = _sentinel) -> None:
        """Undo the last push; the pop that undoes the first one runs the teardown functions with
        `exc`, by default the exception being handled.

        Raises:
            AssertionError: Another context is active.
        """
        await self._pop(sys.exc_info()[1] if exc is _sentinel else exc)

    async def __aenter__(self) -> t.Self:
        return await self.quartish_enter(self.push())

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self._leave(exc_value)

    def _leave(self, exc: BaseException | None) -> t.Any:
        # A test client that preserves contexts holds them by itself.
        pops = self.made is None or PRESERVE in self.made.scope
        return self.pop(exc) if pops else self.auto_pop(exc)

    def copy(self) -> ctx.AppContext:
        """Return another context for the same app, with the same `g`, or for the same request
        or websocket."""
        copied = super().copy()
        if self.kind is None:
            copied.g, copied.kept = self.g, True
        return copied

    async def auto_pop(self, exc: BaseException | None) -> None:
        """Pop the context, unless a test client preserves it, or there is an exception and
        `PRESERVE_CONTEXT_ON_EXCEPTION` is set."""
        scope = {} if self.conn is None else self.conn.scope
        kept = exc is not None and self.app.config.get("PRESERVE_CONTEXT_ON_EXCEPTION")
        if kept or scope.get(PRESERVE, False):
            self.preserved = True
        else:
            await self.pop(exc)


class _Kind(PartType):
    """The metaclass of contexts whose instances are known by the connection they were made for."""

    kind: str

    def __instancecheck__(cls, instance: object) -> bool:
        if super().__instancecheck__(instance):
            return True
        own = "kind" in vars(cls)  # a subclass of a user's has only its own instances
        return own and isinstance(instance, ctx.AppContext) and instance.kind == cls.kind


class RequestContext(AppContext, metaclass=_Kind):
    """The context of a request."""

    kind = "request"

    def __init__(self, app: LiveApp, request: t.Any, session: SessionMixin | None = None) -> None:
        super().__init__(app, request=request, session=session)

    def copy(self) -> t.Self:
        copied = type(self)(self.app, self.conn, self.shared_session())
        return self._with_adapter(copied)


class WebsocketContext(AppContext, metaclass=_Kind):
    """The context of a websocket."""

    kind = "websocket"

    def __init__(self, app: LiveApp, request: t.Any, session: SessionMixin | None = None) -> None:
        super().__init__(app, websocket=request, session=session)

    def copy(self) -> t.Self:
        copied = type(self)(self.app, self.conn, self.shared_session())
        return self._with_adapter(copied)
