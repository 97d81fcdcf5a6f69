"""The teardown functions of a context: which of them run, and in which order.

All of them run, also if some of them raise; then the first exception is raised.
"""

from __future__ import annotations

import typing as t
from types import CoroutineType

from blinker import Signal

from .._concurrency.coroutines import awaited
from .._concurrency.coroutines import settled
from .._context import AppContext
from ..sansio.app import Core
from ..signals import appcontext_tearing_down
from .hooks import collect
from .hooks import functions_of
from .plan import Plan


class Caller(t.Protocol):
    """What teardown functions need of a flow: how it calls functions of the user's, and sends
    signals."""

    @property
    def app(self) -> Core: ...
    @property
    def plan(self) -> Plan: ...

    def call(self, ctx: AppContext, func: t.Callable[..., t.Any], *args: t.Any) -> t.Any: ...
    def send(self, signal: Signal, **kwargs: t.Any) -> t.Awaitable[None]: ...


async def teardown_connection(flow: Caller, ctx: AppContext, exc: BaseException | None) -> None:
    """Run the teardown functions of a request or a websocket, the last registered first."""
    errors: list[BaseException] = []
    if flow.plan.teardown:
        for func in functions_of(flow.plan.teardown, ctx):
            await _tear_down(flow, ctx, errors, func, exc)
    if flow.plan.kind.tearing_down.receivers:
        await collect(errors, flow.send(flow.plan.kind.tearing_down, exc=exc))
    if errors:
        raise errors[0]


async def teardown_app(flow: Caller, ctx: AppContext, exc: BaseException | None) -> None:
    """Run the teardown functions of an application context: the last registered first, or, as in
    Quart, the first registered first."""
    errors: list[BaseException] = []
    for func in flow.app.teardown_appcontext_funcs[:: -1 if flow.plan.plain else 1]:
        await _tear_down(flow, ctx, errors, func, exc)
    if appcontext_tearing_down.receivers:
        await collect(errors, flow.send(appcontext_tearing_down, exc=exc))
    if errors:
        raise errors[0]


async def _tear_down(
    flow: Caller,
    ctx: AppContext,
    errors: list[BaseException],
    func: t.Callable[..., t.Any],
    exc: BaseException | None,
) -> None:
    try:
        rv = flow.call(ctx, func, exc)
        if rv is not None:
            await (awaited(rv) if type(rv) is CoroutineType else settled(rv))
    except Exception as error:
        errors.append(error)
