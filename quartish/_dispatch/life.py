"""The life of a context: how it becomes active, opens its session, is released, and ends.

The context itself is data (`_context`). These functions are given it, and the flow or the plan that
they need. A context counts its users (`pushes`): if it was pushed twice, or pushed and kept by a
stream, the second release runs its teardown functions.
"""

from __future__ import annotations

import typing as t
from contextvars import Token

from .._concurrency.coroutines import awaited
from .._concurrency.coroutines import is_awaitable
from .._context import AppContext
from .._context import has_own_methods
from .._current import _cv_app
from .._current import activate
from ..signals import appcontext_popped
from ..signals import appcontext_pushed
from ..signals import appcontext_tearing_down
from .hooks import collect
from .match import match_url
from .plan import Plan

PRESERVE = "_quart._preserve_context"
"""Key of a scope: a function that is called with the context, so that a test client can keep it."""


class Steps(t.Protocol):
    """What the life of a context needs of a flow: the plan, and the steps that end a context."""

    @property
    def plan(self) -> Plan: ...

    def teardown_connection(
        self, ctx: AppContext, exc: BaseException | None
    ) -> t.Awaitable[None]: ...
    def teardown_app(self, ctx: AppContext, exc: BaseException | None) -> t.Awaitable[None]: ...


def begin(plan: Plan, ctx: AppContext) -> Token[t.Any]:
    """Make a context active in the current `contextvars.Context`. A door does no more than this, in
    a Context that it has made for the request; `release` is the counterpart. If the app redefines
    how its application contexts are made, one is made by it, apart from the connection's."""
    active: t.Any = _cv_app.get(None)
    this: t.Any = ctx
    if active is not None and ctx.kind is not None:
        around, ctx.covered = active.app_ctx, active.conn_ctx
        if around is not None and around.app is ctx.app:
            ctx.outer = around
    if plan.asks_for_app_context and ctx.kind is not None and ctx.outer is None:
        outer = ctx.outer = ctx.apart = ctx.app.app_context()
        first: Token[t.Any]
        if has_own_methods(outer) and plan.plain:
            outer.push()
            first = outer.entered[-1][-1]
        else:
            first = begin(plan, outer)
        ctx.unsettled = outer.unsettled
        _cv_app.set(this)
        ctx.pushes = 1
        return first
    token = _cv_app.set(this)
    ctx.pushes = 1
    if appcontext_pushed.receivers and ctx.outer is None:
        _announce(ctx)
    return token


async def push(flow: Steps, ctx: AppContext) -> None:
    """Make a context active until `pop`. The first push of a request matches the URL, and opens the
    session if that cannot be done later."""
    plan, active = flow.plan, t.cast(t.Any, _cv_app.get(None))
    app_half, conn_half = (None, None) if active is None else (active.app_ctx, active.conn_ctx)
    token: Token[t.Any]
    if ctx.pushes:
        ctx.pushes += 1
        owns = ctx.kind is None or app_half is None or app_half.app is not ctx.app
        token = activate(ctx if owns else app_half, ctx if ctx.kind else conn_half)
        if owns and appcontext_pushed.receivers:
            _announce(ctx)
    else:
        if ctx.kind is not None and not ctx.kept:  # pushed again after its end: a new `g`
            vars(ctx).pop("g", None)
        ctx.outer = None
        token = begin(plan, ctx)
        owns = ctx.outer is None or ctx.apart is not None
        if not owns or (ctx.kind is None and conn_half is not None):
            activate(ctx.outer or ctx, ctx if ctx.kind else conn_half)
    ctx.entered.append((app_half, conn_half, owns, token))
    await announced(ctx)
    if ctx.kind is not None and ctx.pushes == 1:
        await open_session(plan, ctx)
        conn = ctx.conn
        found = conn.url_rule is not None or conn.routing_exception is not None
        if not found or has_own_methods(ctx):
            ctx.match_request()


def match(flow: Steps, ctx: AppContext) -> None:
    """Match the URL of a context's connection."""
    match_url(flow.plan, ctx)


def _announce(ctx: AppContext) -> None:
    """Send `appcontext_pushed`. What async receivers return is awaited by `announced`."""
    sent = appcontext_pushed.send(ctx.app, _async_wrapper=ctx.app.ensure_sync)
    ctx.unsettled = [rv for _, rv in sent if is_awaitable(rv)] or None


async def announced(ctx: AppContext) -> None:
    """Await what async receivers of `appcontext_pushed` returned."""
    unsettled, ctx.unsettled = ctx.unsettled, None
    for rv in unsettled or ():
        await awaited(rv)


async def open_session(plan: Plan, ctx: AppContext) -> None:
    """Open the session, unless that can be done when something first reads it."""
    if ctx.session_opened or plan.lazy_session:
        return
    interface: t.Any = plan.app.session_interface
    session = plan.of_interface(interface.open_session)(ctx.app, ctx.conn)
    if is_awaitable(session):
        session = await awaited(session, prepared=True)  # does not read the body
    if session is None:
        session = interface.make_null_session(ctx.app)
        if is_awaitable(session):
            session = await awaited(session, prepared=True)
    ctx.keep_session(session)


async def pop(flow: Steps, ctx: AppContext, exc: BaseException | None) -> None:
    """Undo the last push. For the last user of the context this runs the teardown functions with
    `exc`. Raises AssertionError when another context is active."""
    active: t.Any = _cv_app.get(None)
    try:
        await release(flow, ctx, exc)
    finally:
        app_half, conn_half, owns, token = ctx.entered.pop()
        if active is not None:
            app_half = app_half if owns else active.app_ctx
            conn_half = conn_half if ctx.kind else active.conn_ctx
        activate(app_half, conn_half, ctx.blank or token)
    if (
        active is None
        or (ctx.kind is not None and active.conn_ctx is not ctx)
        or (owns and active.app_ctx is not (ctx.outer or ctx))
    ):
        kind = "app" if ctx.kind is None else ctx.kind
        raise AssertionError(f"Popped wrong {kind} context. ({active!r} instead of {ctx!r})")


async def release(flow: Steps, ctx: AppContext, exc: BaseException | None) -> None:
    """Count one user less. For the last one this runs the teardown functions."""
    ctx.pushes -= 1
    if ctx.pushes > 0:
        return
    ctx.ending = True
    try:
        await _end(flow, ctx, exc)
    finally:
        ctx.ending = False  # the response may still have to be sent, which a disconnect ends
        if ctx.apart is not None:
            apart, ctx.apart = ctx.apart, None
            activate(apart, ctx.covered)
            if has_own_methods(apart) and flow.plan.plain:
                apart.pop(exc)
            else:
                await release(flow, apart, exc)
    if ctx.outer is None and appcontext_popped.receivers:
        for _, rv in appcontext_popped.send(ctx.app, _async_wrapper=ctx.app.ensure_sync):
            if is_awaitable(rv):
                await awaited(rv)


async def _end(flow: Steps, ctx: AppContext, exc: BaseException | None) -> None:
    """Run all teardown functions, also if some of them raise; then raise the first exception."""
    errors: list[BaseException] = []
    ctx.error = None  # its traceback refers to the context
    plan = flow.plan
    if ctx.kind is not None:
        if ctx.made is not None and ctx.made.routing_exception is not None:
            ctx.made.routing_exception.__traceback__ = None  # refers to the connection
        # PERF(1.5 us): steps that are not overridden are skipped if they have nothing to do.
        if (
            plan.overridden
            or plan.teardown
            or plan.kind.tearing_down.receivers
            or "teardown_connection" in plan.replaced
        ):
            await collect(errors, flow.teardown_connection(ctx, exc))
        if ctx.kind == "request" and ctx.made is not None and ctx.made.quartish_needs_close:
            await _close(errors, ctx.made)
    if ctx.outer is None and (
        plan.overridden
        or plan.app.teardown_appcontext_funcs
        or appcontext_tearing_down.receivers
        or "teardown_app" in plan.replaced
    ):
        if ctx.kind is not None:  # these functions see no request, as in Flask 3.1
            activate(ctx, ctx.covered)
        await collect(errors, flow.teardown_app(ctx, exc))
    if errors:
        raise errors[0]


async def _close(errors: list[BaseException], request: t.Any) -> None:
    try:
        closed = request.close()
        if closed is not None and is_awaitable(closed):
            await awaited(closed)
    except Exception as error:
        errors.append(error)
    if "environ" in request.__dict__:
        request.environ["werkzeug.request"] = None  # breaks the only reference cycle
