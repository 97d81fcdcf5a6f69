"""Synchronous hooks of an `async def` view, and the one thread that they may share.

On the loop lane they run on the loop: cheap, and right for what lives in `g`. What keeps state
per thread, or blocks, needs a thread: `SYNC_HOOKS_IN_THREAD` gives each request one, from the
first hook to the last teardown function. They run there in the request's own Context, one
after the other with what runs on the loop.
"""

from __future__ import annotations

import asyncio
import functools
import typing as t
from contextvars import copy_context

from .._concurrency.coroutines import is_async_callable
from .._concurrency.coroutines import settled
from .._concurrency.threads import to_thread
from .._concurrency.watch import Apart
from .._concurrency.workers import Stay
from .._concurrency.workers import Workers
from .._context import AppContext

_OF_APP = (None,)


class HookThread(Stay):
    """The thread of one request's hooks; `run_sync` uses it too. Made in the task of the app
    call."""

    def __init__(self, pool: Workers) -> None:
        super().__init__(pool)
        self._task = asyncio.current_task()

    async def do(self, func: t.Callable[..., t.Any], *args: t.Any) -> t.Any:
        """Call `func` in the thread, and return its value."""
        if asyncio.current_task() is self._task:
            rv = await Apart(self, func, *args)
        else:  # in a task of the user's nobody stands outside of the Context
            rv = await to_thread(self, copy_context(), func, *args)
        return await settled(rv)


def goes_apart(ctx: AppContext, func: t.Callable[..., t.Any]) -> bool:
    """Say whether `SYNC_HOOKS_IN_THREAD` means the hook: it is True; or it names the module or
    the package that the hook was written in, or a blueprint of the request's."""
    chosen = ctx.app.config["SYNC_HOOKS_IN_THREAD"]
    if is_async_callable(func):
        return False
    if chosen is True:
        return True
    while isinstance(func, functools.partial):
        func = func.func
    module = f"{getattr(func, '__module__', None)}."
    return any(module.startswith(f"{name}.") for name in chosen) or not set(chosen).isdisjoint(
        ctx.conn.blueprints
    )


def functions_of(
    registry: t.Any, ctx: AppContext, outer_first: bool = False
) -> t.Iterator[t.Callable[..., t.Any]]:
    """Iterate the functions that take part in a request: from the innermost of its blueprints to
    the app, the last that was registered first; or the other way round."""
    names: tuple[t.Any, ...] = _OF_APP
    if len(registry) > 1 or None not in registry:  # else nobody has to ask for the blueprints
        names = (*ctx.conn.blueprints, None)
    if outer_first:
        for name in reversed(names):
            yield from registry.get(name, ())
    else:
        for name in names:
            yield from reversed(registry.get(name, ()))


def itself(receiver: t.Any) -> t.Any:
    """Return an async receiver of a signal: what it returns is awaited later."""
    return receiver


async def collect(errors: list[BaseException], step: t.Awaitable[t.Any]) -> None:
    """Await a step of the end; add what it raises to the errors."""
    try:
        await step
    except Exception as error:
        errors.append(error)
