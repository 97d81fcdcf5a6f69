"""Contexts whose `push`, `pop` or `match_request` is the app's own: the flow calls these, where
Flask and Quart do, in the place of what it does itself.

The plain colour calls them in the thread lane, as it does other `def`s that take a step's place.
"""

from __future__ import annotations

import typing as t
from contextvars import copy_context
from functools import partial

from .._concurrency.coroutines import is_async_callable
from .._context import lives_by_itself
from .._current import activate
from ..ctx import AppContext
from .match import match_url
from .plan import Plan

Enter = t.Callable[[AppContext], bool]
Handle = t.Callable[..., t.Awaitable[t.Any]]


class OwnContexts:
    """A flow in which contexts may live by themselves."""

    plan: Plan

    def is_own(self, ctx: AppContext) -> bool:
        """Say whether this context, or the application context to come, has methods of its own."""
        return self.plan.own_app_context or lives_by_itself(ctx)

    def enter_own(self, enter: Enter, ctx: AppContext) -> bool:
        """Say whether the loop lane is taken, as `enter` does; but leave it to `handle` to make the
        context active."""
        if not self.is_own(ctx):
            return enter(ctx)
        if self.plan.plain or self.plan.overridden:
            return False
        if "match_request" in type(ctx).redefined or "match_request" in vars(ctx):
            return False  # nobody knows which view it will find
        return copy_context().run(self._finds_async_view, ctx)

    def _finds_async_view(self, ctx: AppContext) -> bool:
        conn = ctx.conn
        if conn.routing_exception is not None:
            return True
        activate(ctx, ctx)
        try:
            match_url(self.plan, ctx)
        except Exception:  # a converter's own fault: raised again when the context matches
            return True
        view = None
        if conn.routing_exception is None:
            view = self.plan.app.view_functions.get(conn.url_rule.endpoint)
        conn.url_rule = conn.view_args = conn.routing_exception = None
        return view is None or self.plan.adapt is not None or is_async_callable(view)

    async def handle_own(self, handle: Handle, ctx: AppContext, on_loop: bool = False) -> t.Any:
        if self.is_own(ctx):
            try:
                await self.settle(ctx.push())
            except Exception as error:
                if not ctx.pushes:
                    return await self.fail(ctx, error)
                ctx.conn.routing_exception = error  # dispatched like a view's
        return await handle(ctx, on_loop)

    async def pop(self, ctx: AppContext) -> None:
        """End a context by its own method."""
        if not self.is_own(ctx):
            await ctx.release(ctx.error)
        elif ctx.pushes:
            error, ctx.error = ctx.error, None
            await self.settle(getattr(ctx, "auto_pop", ctx.pop)(error))

    def let_contexts_be(self, enter: Enter, handle: Handle) -> None:
        """Go by a context's own methods from now on, if it has any."""
        self.enter: Enter = partial(self.enter_own, enter)
        self.handle: Handle = partial(self.handle_own, handle)

    if t.TYPE_CHECKING:

        async def settle(self, rv: t.Any) -> t.Any: ...
        async def fail(self, ctx: AppContext, error: Exception) -> t.Any: ...
