"""Contexts whose `push`, `pop` or `match_request` is the app's own: the flow calls these, where
Flask and Quart do, in the place of what it does itself.

The plain colour calls them in the thread lane, as it does other `def`s that take a step's place.
"""

from __future__ import annotations

from contextvars import copy_context

from .._concurrency.coroutines import is_async_callable
from .._concurrency.coroutines import settled
from .._context import AppContext
from .._context import lives_by_itself
from .._current import activate
from .match import match_url
from .plan import Plan


def is_own(plan: Plan, ctx: AppContext) -> bool:
    """Say whether this context, or the application context to come, has methods of its own."""
    return plan.own_app_context or lives_by_itself(ctx)


def takes_loop(plan: Plan, ctx: AppContext) -> bool:
    """Say whether the loop lane is taken; the context is not made active for that."""
    if plan.plain or plan.overridden:
        return False
    if "match_request" in type(ctx).redefined or "match_request" in vars(ctx):
        return False  # nobody knows which view it will find
    return copy_context().run(_finds_async_view, plan, ctx)


def _finds_async_view(plan: Plan, ctx: AppContext) -> bool:
    conn = ctx.conn
    if conn.routing_exception is not None:
        return True
    activate(ctx, ctx)
    try:
        match_url(plan, ctx)
    except Exception:  # a converter's own fault: raised again when the context matches
        return True
    view = None
    if conn.routing_exception is None:
        view = plan.app.view_functions.get(conn.url_rule.endpoint)
    conn.url_rule = conn.view_args = conn.routing_exception = None
    return view is None or plan.adapt is not None or is_async_callable(view)


async def push_own(plan: Plan, ctx: AppContext) -> Exception | None:
    """Push a context by its own method, if it has any. Return what went wrong before it was
    pushed; what does so later is dispatched like a view's."""
    if is_own(plan, ctx):
        try:
            await settled(ctx.push())
        except Exception as error:
            if not ctx.pushes:
                return error
            ctx.conn.routing_exception = error
    return None


async def pop_own(ctx: AppContext) -> None:
    """End a context by its own method."""
    if ctx.pushes:
        error, ctx.error = ctx.error, None
        await settled(getattr(ctx, "auto_pop", ctx.pop)(error))
