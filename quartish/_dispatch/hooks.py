"""Which hooks take part in a request, in which order, and which of them run in its hook thread.

On the loop lane synchronous hooks run on the loop: cheap, and right for what lives in `g`. What
keeps state per thread, or blocks, needs a thread, which `SYNC_HOOKS_IN_THREAD` gives it
(`_concurrency.hook_thread`).
"""

from __future__ import annotations

import functools
import typing as t

from .._concurrency.coroutines import is_async_callable
from .._context import AppContext

F = t.TypeVar("F")

#: Functions by the name of a blueprint; by None the app's own.
Registry = t.Mapping[t.Any, t.Sequence[t.Callable[..., t.Any]]]

_OF_APP = (None,)


def goes_apart(ctx: AppContext, func: t.Callable[..., t.Any]) -> bool:
    """Say whether a hook has to run in the hook thread: `SYNC_HOOKS_IN_THREAD` is True, or names
    the module or the package of the hook, or a blueprint of the request."""
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
    registry: Registry, ctx: AppContext, outer_first: bool = False
) -> t.Iterator[t.Callable[..., t.Any]]:
    """Iterate over the functions that take part in a request: from the innermost of its blueprints
    to the app, the last registered first; with `outer_first` the other way round."""
    names: tuple[t.Any, ...] = _OF_APP
    if len(registry) > 1 or None not in registry:  # else the blueprints do not matter
        names = (*ctx.conn.blueprints, None)
    if outer_first:
        for name in reversed(names):
            yield from registry.get(name, ())
    else:
        for name in names:
            yield from reversed(registry.get(name, ()))


def itself(receiver: F) -> F:
    """Return an async receiver of a signal as it is: its awaitable is awaited by `Flow.send`."""
    return receiver


async def collect(errors: list[BaseException], step: t.Awaitable[t.Any]) -> None:
    """Await a teardown step; add an exception of it to the errors."""
    try:
        await step
    except Exception as error:
        errors.append(error)
