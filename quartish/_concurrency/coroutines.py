"""Coroutines: recognising them, and running them to their end on a loop or in a thread.

The dispatch flow is one set of coroutines. In the loop lane they are awaited. In the thread lane
`drive` runs them in a worker thread. There they suspend only for an awaitable of the user's:
`awaited` hands it to `drive`, which runs it on the loop while the thread waits.

The rule: sync code of a request never changes its thread, async code always runs on a loop, and all
of it runs in the request's one Context. No two threads can be in a Context at the same time, so
`drive` itself stays outside of it and enters it for each step.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import operator
import sys
import types
import typing as t
from asyncio import _get_running_loop
from contextvars import Context
from contextvars import ContextVar
from contextvars import copy_context

from werkzeug.sansio.response import Response as SansioResponse

from .loops import own_loop
from .threads import in_lane
from .threads import this_thread

P = t.ParamSpec("P")
T = t.TypeVar("T")
F = t.TypeVar("F", bound=t.Callable[..., t.Any])
E = t.TypeVar("E", bound=BaseException)

_MISSING: t.Any = object()
_RAISED_BY_COROUTINES = {"coroutine raised StopIteration", "async generator raised StopIteration"}


def is_awaitable(value: object) -> bool:
    """Say whether `await value` works; cheaper than `inspect.isawaitable`."""
    return type(value) is types.CoroutineType or hasattr(type(value), "__await__")


def is_async_callable(func: object) -> bool:
    """Say whether calling `func` gives a coroutine: functions, methods, partials, objects."""
    while isinstance(func, functools.partial):
        func = func.func
    if inspect.iscoroutinefunction(func):
        return True
    return not inspect.isroutine(func) and inspect.iscoroutinefunction(
        getattr(func, "__call__", None)  # noqa: B004 - the method itself is looked at
    )


def mark_async(func: F) -> F:
    """Mark a `def` that returns an awaitable such that `inspect.iscoroutinefunction` is true for
    it."""
    if sys.version_info >= (3, 12):
        return inspect.markcoroutinefunction(func)
    marked: t.Any = func
    if isinstance(marked, types.FunctionType):
        code = marked.__code__  # there the flag does nothing else
        marked.__code__ = code.replace(co_flags=code.co_flags | inspect.CO_COROUTINE)
    return func


def drive(coro: t.Coroutine[t.Any, t.Any, T], context: Context | None = None) -> T:
    """Run `coro` to its end in this thread; in `context` if one is given, which must not be entered
    by other code meanwhile.

    The user's awaitables (`awaited`) run on an event loop while this thread waits: also in
    `context`, else in a copy of this thread's Context.

    Raises RuntimeError if `coro` suspends in another way: then a synchronous call on a running
    event loop has reached async code of the user's, and cannot wait for it.
    """
    run: t.Callable[..., t.Any] = operator.call if context is None else context.run
    step: t.Callable[[t.Any], t.Any] = coro.send
    value: t.Any = None
    try:
        while type(waiting := run(step, value)) is _Awaited:
            try:
                if context is None:
                    value = from_thread(waiting.awaitable, prepared=waiting.prepared)
                else:
                    value = _wait_for(waiting.awaitable, context, waiting.prepared)
                step = coro.send
            except BaseException as error:
                step, value = coro.throw, error
    except StopIteration as stop:
        return t.cast(T, stop.value)
    finally:
        del step, value  # the traceback of an error refers to this frame
    name = getattr(coro, "__qualname__", repr(coro))
    coro.close()
    raise RuntimeError(
        f"{name} met an async function while called synchronously on a running event loop,"
        " where it cannot be waited for. Make the function that it met a plain 'def', or"
        " use the 'async with' / 'await' form of the call."
    )


def awaited(awaitable: t.Awaitable[T], *, prepared: bool = False) -> t.Awaitable[T]:
    """Return what the flow awaits for a user's awaitable: on a loop the awaitable itself, else an
    object that hands it to `drive`. `prepared` is as in `from_thread`."""
    return awaitable if _get_running_loop() is not None else _Awaited(awaitable, prepared)


class _Awaited(t.Generic[T]):
    __slots__ = ("awaitable", "prepared")

    def __init__(self, awaitable: t.Awaitable[T], prepared: bool) -> None:
        self.awaitable = awaitable
        self.prepared = prepared

    def __await__(self) -> t.Generator[t.Any, t.Any, T]:
        result: T = yield self
        return result


async def as_coroutine(awaitable: t.Awaitable[T]) -> T:
    """Await an awaitable as `awaited` does."""
    return await awaited(awaitable)


async def settled(rv: t.Any) -> t.Any:
    """Return the value of code of the user's: `rv` itself, or if that is an awaitable, and not a
    response, its result."""
    if hasattr(type(rv), "__await__") and not isinstance(rv, SansioResponse):
        rv = await awaited(rv)
    return rv


def from_thread(awaitable: t.Awaitable[T], *, prepared: bool = False) -> T:
    """Run `awaitable` on an event loop and return its result. This blocks the thread.

    Before async code of the user's runs, the lane may have to prepare something (`Lane.prepare`),
    such as reading the body. `prepared` says that this is not needed, as the awaitable is ours.

    In a worker of the thread lane the loop is the server's; elsewhere it belongs to this thread and
    outlives the call. The awaitable runs in a copy of this thread's Context; ContextVars that it
    has changed are changed here afterwards.
    """
    context = copy_context()
    try:
        return _wait_for(awaitable, context, prepared)
    finally:
        carry(context, copy_context())


def _wait_for(awaitable: t.Awaitable[T], context: Context, prepared: bool = False) -> T:
    coro: t.Coroutine[t.Any, t.Any, T]
    if isinstance(awaitable, types.CoroutineType):
        coro = t.cast("t.Coroutine[t.Any, t.Any, T]", awaitable)
    else:
        coro = as_coroutine(awaitable)
    if this_thread.lane is None:
        return own_loop().run(coro, context)
    prepare = this_thread.lane.prepare
    if prepare is not None:
        coro = prepare(coro, prepared)
    return this_thread.lane.run(coro, context)


def waited_for_in_threads(
    func: t.Callable[P, t.Coroutine[t.Any, t.Any, T]],
) -> t.Callable[P, t.Coroutine[t.Any, t.Any, T]]:
    """Let a `def` handler, which runs in a worker thread, call the method without `await`:
    there the call waits and returns the value itself."""

    @mark_async
    @functools.wraps(func)
    def call(*args: P.args, **kwargs: P.kwargs) -> t.Any:
        coro = func(*args, **kwargs)
        return coro if this_thread.lane is None else waited_for(coro)

    return call


def waited_for(coro: t.Coroutine[t.Any, t.Any, T]) -> t.Any:
    """Return what a coroutine of ours returns, in a worker thread; elsewhere itself."""
    return from_thread(coro) if in_lane() and _get_running_loop() is None else coro


def carry(context: Context, since: Context, *apart: ContextVar[t.Any]) -> None:
    """Set the ContextVars here that were changed in `context` since it was `since`, except those
    `apart`."""
    for var, value in context.items():
        if since.get(var, _MISSING) is not value and var not in apart:
            var.set(value)


def unwrapped(error: E) -> E:
    """Return the StopIteration that sync code of the user's has raised, if Python made a
    RuntimeError of it as it left a coroutine; any other error as it is."""
    cause = error.__cause__
    if type(error) is RuntimeError and isinstance(cause, (StopIteration, StopAsyncIteration)):
        if str(error) in _RAISED_BY_COROUTINES:
            return t.cast(E, cause)
    return error


async def outcome(work: asyncio.Future[T]) -> T:
    """Wait for what goes on also when who waits is cancelled; return or raise what came of it.

    asyncio does not complain of what it raised then. *asyncio:* `shield` does.
    """
    work.add_done_callback(_look_at)
    await asyncio.wait([work])
    return work.result()


def _look_at(work: asyncio.Future[t.Any]) -> None:
    if not work.cancelled():
        work.exception()
