"""Contexts that redefine `push`, `pop` or `match_request`: the flow calls these methods where Flask
and Quart do, instead of doing the same itself.

In the plain colour they are called in the thread lane, like other `def`s that replace a step.
"""

from __future__ import annotations

from contextvars import copy_context

from .._concurrency.coroutines import is_async_callable
from .._concurrency.coroutines import settled
from .._context import AppContext
from .._context import has_own_methods
from .._current import activate
from .match import match_url
from .plan import Plan


def is_own(plan: Plan, ctx: AppContext) -> bool:
    """Say whether this context redefines such methods, or the application context that the app will
    make for it."""
    return plan.own_app_context or has_own_methods(ctx)


def takes_loop(plan: Plan, ctx: AppContext) -> bool:
    """Say whether the loop lane is taken. The context is not made active by this."""
    if plan.plain or plan.overridden:
        return False
    if "match_request" in type(ctx).quartish_redefined or "match_request" in vars(ctx):
        return False  # which view it will find cannot be known
    return copy_context().run(_finds_async_view, plan, ctx)


def _finds_async_view(plan: Plan, ctx: AppContext) -> bool:
    conn = ctx.conn
    if conn.routing_exception is not None:
        return True
    activate(ctx, ctx)
    try:
        match_url(plan, ctx)
    except Exception:  # of a converter: it is raised again when the context matches
        return True
    view = None
    if conn.routing_exception is None:
        view = plan.app.view_functions.get(conn.url_rule.endpoint)
    conn.url_rule = conn.view_args = conn.routing_exception = None
    return view is None or plan.adapt is not None or is_async_callable(view)


async def push_own(plan: Plan, ctx: AppContext) -> Exception | None:
    """Push a context by its own method, if it redefines any. Return an exception that was raised
    before it was pushed. A later one goes to the error handlers, like a view's."""
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
