"""Choosing the lane, before the first step of the flow: the context is made active and the URL is
matched; then the view that was found decides."""

from __future__ import annotations

import typing as t

from .._concurrency.coroutines import is_async_callable
from .._concurrency.hook_thread import HookThread
from .._context import AppContext
from .._context import FlowOfContexts
from .life import begin
from .life import PRESERVE
from .match import match_scope
from .match import match_url
from .own_contexts import is_own
from .own_contexts import takes_loop
from .plan import Plan

#: The entry of `colours` for a view that was not looked at yet.
_UNKNOWN: tuple[t.Any, bool, t.Any] = (object(), False, None)


class Colours(FlowOfContexts, t.Protocol):
    """A flow, as this module sees it."""

    #: By endpoint: the view when it was last looked at; whether it is an `async def`; and the view
    #: again if the flow may call it directly, as the app redefines nothing around it, else None.
    #: PERF(0.5 us): to find out takes a call or two.
    colours: dict[str, tuple[t.Any, bool, t.Any]]

    @property
    def plan(self) -> Plan: ...


def enter(flow: Colours, ctx: AppContext) -> bool:
    """Make a connection's context active, match the URL, and return whether the loop lane is taken:
    the view is an `async def`, and no step was overridden by a `def`. Without a view (a 404) the
    hooks decide. A context whose class redefines `push` is pushed by the flow instead.

    Sets `ctx.view` to the view if nothing takes part before it and the app redefines nothing around
    it, in either lane; and `ctx.reads_ahead` to whether the body has to be read before the view
    (plain colour, loop lane).
    """
    plan, scope, ctx.flow = flow.plan, ctx.scope, flow
    if scope is not None and PRESERVE in scope:
        keep = scope[PRESERVE]
        if callable(keep):  # a test client in a `with` block keeps it open
            keep(ctx)
    if plan.own_contexts and is_own(plan, ctx):
        on_loop = takes_loop(plan, ctx)
    else:
        begin(plan, ctx)
        try:
            if not match_scope(plan, ctx):
                match_url(plan, ctx)
        except Exception as error:  # also of a converter: error handlers are asked for all
            ctx.conn.routing_exception = error
        conn = ctx.made
        if plan.overridden:
            on_loop = False
        elif conn is not None and conn.routing_exception is not None:
            on_loop = plan.misses_on_loop(ctx)
        else:
            rule = ctx.url_rule if conn is None else conn.url_rule
            view: t.Any = plan.app.view_functions.get(rule.endpoint)
            known, on_loop, bare = flow.colours.get(rule.endpoint, _UNKNOWN)
            if known is not view:
                adapted = plan.adapt is not None  # to what is awaited, as its base does
                on_loop = view is None or adapted or is_async_callable(view)
                bare = view if plan.direct and not (adapted or plan.replaced) else None
                flow.colours[rule.endpoint] = view, on_loop, bare
            if not (
                plan.before or plan.preprocessors or plan.starting or ctx.unsettled is not None
            ):
                # OPTIONS has no view where its response is automatic. A request that is not
                # made yet is a GET.
                ctx.view = bare if conn is None or conn.method != "OPTIONS" else None
    if on_loop and scope is not None:
        conn = ctx.made
        if plan.reads_ahead and conn is not None and conn.quartish_body is not None:
            ctx.reads_ahead = plan.may_read(ctx)
        if plan.settings.SYNC_HOOKS_IN_THREAD:
            ctx.hook_thread = HookThread(plan.app.hook_pool)
    return on_loop
