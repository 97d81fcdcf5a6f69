"""Threads and event loops: the drivers of the two lanes, and the hops between them.

The dispatch flow is one set of coroutines. On the loop lane they are awaited. On the
thread lane `drive` runs them in a worker thread; there they suspend only for an awaitable of
the user's, which goes through `awaited` to `drive`, and that runs it on the loop while the
thread waits. The rule: sync code of a request never changes thread, async code always runs on
a loop, and all of it in the request's one Context: who drives stands outside of it, so that
the other side may be in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import operator
import os
import sys
import threading
import types
import typing as t
import weakref
from asyncio import _get_running_loop
from concurrent.futures import Executor
from contextvars import Context
from contextvars import ContextVar
from contextvars import copy_context
from time import monotonic

from werkzeug.sansio.response import Response as SansioResponse

from .giving_up import end_user_code
from .giving_up import waiting_chain
from .threads import keep
from .threads import this_thread
from .threads import to_thread

T = t.TypeVar("T")
F = t.TypeVar("F", bound=t.Callable[..., t.Any])
E = t.TypeVar("E", bound=BaseException)

_MISSING: t.Any = object()
_RAISED_BY_COROUTINES = {"coroutine raised StopIteration", "async generator raised StopIteration"}
#: With these words a server of ours cancels what it has waited for.
SERVER_STOPS = "the server stops"
#: What `next` returns for a coroutine that ended.
DONE: t.Any = object()


class Turns:
    """Give the loop its turn when code on it, which waits for nothing, has run for 5 ms."""

    LENGTH = 0.005  # seconds

    def __init__(self) -> None:
        self.since = monotonic()

    async def give(self) -> None:
        if monotonic() - self.since > self.LENGTH:
            await asyncio.sleep(0)
            self.since = monotonic()


CLEAN_UP = 5.0
"""Seconds for which what Ctrl+C has interrupted may clean up."""


class _OwnLoop:
    """An event loop that lives as long as the thread it was made for."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        #: Runs when the thread's locals go, and for the main thread at exit.
        self.close = weakref.finalize(self, _close_own, self.loop, os.getpid())

    def run(self, coro: t.Coroutine[t.Any, t.Any, T], context: Context) -> T:
        task = self.loop.create_task(coro, context=context)
        try:
            return self.loop.run_until_complete(task)
        finally:
            if not task.done():  # KeyboardInterrupt and its like leave the task behind
                task.cancel()
                self.loop.run_until_complete(_wait({task}, CLEAN_UP))  # what it has to clean up


_parents: list[asyncio.AbstractEventLoop] = []


def _close_own(loop: asyncio.AbstractEventLoop, process: int) -> None:
    if process == os.getpid():
        _close_loop(loop)
    else:  # in a forked one: it shares with its parent what the loop listens to
        _parents.append(loop)


def _close_loop(loop: asyncio.AbstractEventLoop) -> None:
    if loop.is_closed() or loop.is_running():
        return
    if _get_running_loop() is not None:  # of another thread that ended, collected in this one
        helper = threading.Thread(target=_close_loop, args=[loop])
        helper.start()
        helper.join()
        return
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(_wait(tasks))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


async def _wait(tasks: set[asyncio.Task[t.Any]], seconds: float | None = None) -> None:
    await asyncio.wait(tasks, timeout=seconds)


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
    """Mark a `def` that returns something to be awaited, as an `async def` is marked: those who
    ask `inspect.iscoroutinefunction` need not know the difference."""
    if sys.version_info < (3, 12):
        code = t.cast(types.FunctionType, func).__code__  # there the flag does nothing else
        t.cast(t.Any, func).__code__ = code.replace(co_flags=code.co_flags | inspect.CO_COROUTINE)
        return func
    return inspect.markcoroutinefunction(func)


def drive(coro: t.Coroutine[t.Any, t.Any, T], context: Context | None = None) -> T:
    """Run `coro` to its end in this thread, now; in `context`, where one is given, which no code
    may be in meanwhile.

    What it awaits of the user's (`awaited`) runs on an event loop while this thread waits: in
    `context` too, or else in a copy of this thread's.

    Raises RuntimeError when it suspends otherwise: that is async code of the user's reached
    from a synchronous call on a running event loop, where nothing can wait for it.
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
        del step, value  # the traceback of an error holds this frame
    name = getattr(coro, "__qualname__", repr(coro))
    coro.close()
    raise RuntimeError(
        f"{name} met an async function while called synchronously on a running event loop,"
        " where it cannot be waited for. Make the function that it met a plain 'def', or"
        " use the 'async with' / 'await' form of the call."
    )


def awaited(awaitable: t.Awaitable[T], *, prepared: bool = False) -> t.Awaitable[T]:
    """Return what the flow awaits for a user's awaitable: itself on a loop, else a stand-in
    that hands it to whoever drives the flow. `prepared` as `from_thread` has it."""
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
    """Await it, as `awaited` does."""
    return await awaited(awaitable)


async def settled(rv: t.Any) -> t.Any:
    """Return what code of the user's returned; await it first, as `awaited` does, if it is an
    awaitable and no response."""
    if hasattr(type(rv), "__await__") and not isinstance(rv, SansioResponse):
        rv = await awaited(rv)
    return rv


def from_thread(awaitable: t.Awaitable[T], *, prepared: bool = False) -> T:
    """Run `awaitable` on an event loop and return its result; blocks this thread.

    The lane may prepare for a piece of async code of the user's. `prepared` says that there
    is nothing to prepare, as it is ours.

    In a worker of the thread lane the loop is the server's, elsewhere one that belongs to
    this thread and outlives the call. The awaitable runs in a copy of this thread's
    Context; ContextVars that it changed are changed here when it is done.
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


def carry(context: Context, since: Context, *apart: ContextVar[t.Any]) -> None:
    """Change ContextVars here, but those `apart`, to what they became in `context` after it was
    as `since`."""
    for var, value in context.items():
        if since.get(var, _MISSING) is not value and var not in apart:
            var.set(value)


def unwrapped(error: E) -> E:
    """Return the StopIteration that sync code of the user's raised, where a coroutine has made a
    RuntimeError of it; any other error as it is."""
    cause = error.__cause__
    if type(error) is RuntimeError and isinstance(cause, (StopIteration, StopAsyncIteration)):
        if str(error) in _RAISED_BY_COROUTINES:
            return t.cast(E, cause)
    return error


def own_loop() -> _OwnLoop:
    """Return the event loop that belongs to this thread, made on first use."""
    own: _OwnLoop | None = this_thread.own
    if own is None:
        own = this_thread.own = _OwnLoop()
    return own


def close_own_loop() -> None:
    """Close the loop that belongs to this thread, which is about to end."""
    own, this_thread.own = this_thread.own, None
    if own is not None:
        own.close()


class Apart:
    """Sync code that is to run in a worker, in the Context of the flow that awaits it, by whoever
    drives the flow: he stands outside of that Context."""

    __slots__ = ("_args", "_func", "_pool")

    def __init__(self, pool: Executor, func: t.Callable[..., t.Any], *args: t.Any) -> None:
        self._pool = pool
        self._func = func
        self._args = args

    def __await__(self) -> t.Generator[t.Any, t.Any, t.Any]:
        return (yield self)

    def call(self, context: Context) -> t.Generator[t.Any, t.Any, t.Any]:
        """Call it, and wait for it."""
        return to_thread(self._pool, context, self._func, *self._args).__await__()


class Watch:
    """Who is told of a coroutine's waiting, and may give it up."""

    #: Whether it is to be given up, and whether it was.
    lost: bool = False
    given_up: bool = False
    #: What the task waits for in its place, where that may have to end before it does.
    shelter: Shelter | None = None

    def suspended(self, waiting: t.Any) -> t.Any:
        """It waits for `waiting`; return that, or a `Shelter` of it."""
        if asyncio.isfuture(waiting):
            waiting = self.shelter = Shelter(waiting, self)
        return waiting

    def asked(self, msg: t.Any) -> None:
        """Its task is cancelled while a `Shelter` hands that on."""

    def holds(self, error: BaseException, shelter: Shelter | None) -> bool:
        """It is cancelled while it waits; say whether that has to wait."""
        return False

    def give_up(self) -> None:
        """End it where it waits: it has caught every cancellation. What awaits the code that does
        not even end then, sees a RuntimeError, and is ended by a second call of this."""
        self.lost = True
        if self.shelter is not None and not self.shelter.done():
            self.shelter.set_result(None)


class Shelter(asyncio.Future[None]):
    """Stands between a task and what its coroutine waits for, so that a cancellation of the task
    does not end that; or is handed on to it, and yet the task need not wait for it."""

    #: Whether it was cancelled by a timeout or a task group, which may be the coroutine's own.
    by_itself: bool = False

    def __init__(self, waiting: t.Any, watch: Watch | None = None) -> None:
        super().__init__(loop=waiting.get_loop())
        self.waiting = waiting
        #: Who is told of a cancellation that is handed on.
        self.watch = watch
        # As `Future.__await__` tells the task, which sees this one only.
        waiting._asyncio_future_blocking = False  # noqa: SLF001
        self._asyncio_future_blocking = True
        #: What the other refers to. A future of a server's that is not collected (granian's) would
        #: keep all of the request, for ever.
        self._box: list[Shelter] = [self]
        waiting.add_done_callback(functools.partial(_tell, self._box))

    def forget(self) -> None:
        """Have the other refer to this no more."""
        self._box.clear()

    def end(self, waiting: asyncio.Future[t.Any]) -> None:
        if not self.done():
            if self.watch is not None and waiting.cancelled():
                super().cancel()
            else:
                self.set_result(None)

    def cancel(self, msg: t.Any = None) -> bool:
        if self.watch is not None:
            self.watch.asked(msg)
            return not self.done() and t.cast(bool, self.waiting.cancel(msg))
        caller = sys._getframe(1).f_code.co_name
        self.by_itself = caller in ("_on_timeout", "_on_task_done")
        return super().cancel(msg)


def _tell(box: list[Shelter], waiting: asyncio.Future[t.Any]) -> None:
    if box:
        box.pop().end(waiting)


@types.coroutine
def within(
    context: Context,
    coro: t.Coroutine[t.Any, t.Any, None],
    watch: Watch | None = None,
    run: t.Callable[..., t.Any] | None = None,
) -> t.Generator[t.Any, t.Any, None]:
    """Await `coro` in this task but in `context`; tell `watch` each time it waits. `run`
    takes each step, where `context.run` is not to.

    A ContextVar that it sets is gone with `context`, even when a server calls the app
    twice in one task, and no task has to be made for that.
    """
    run = run or context.run
    steps = coro.__await__()
    waiting = run(next, steps, DONE)
    if waiting is not DONE:
        yield from _go_on(run, steps, waiting, watch, context)


def _go_on(
    run: t.Callable[..., t.Any],
    steps: t.Generator[t.Any, t.Any, None],
    waiting: t.Any,
    watch: Watch | None = None,
    context: Context | None = None,
) -> t.Generator[t.Any, t.Any, None]:
    """Await, as `within`, what was begun by `next(coro.__await__(), DONE)` and is `waiting`;
    `run(func, *args)` takes each step, as the `run` of `context` does.

    What was begun in this way, and never waits, ends without an exception.
    """
    while True:
        shown: t.Any = waiting if watch is None else watch.suspended(waiting)
        step: t.Callable[[t.Any], t.Any] = steps.send
        value: t.Any = None
        try:
            if context is not None and type(waiting) is Apart:
                value = yield from waiting.call(context)
            elif shown is waiting:
                value = yield shown
            else:
                try:
                    value = yield shown
                finally:
                    shown.forget()
        except GeneratorExit:
            run(steps.close)
            raise
        except BaseException as exc:
            # What it waits for may fail, which is no matter of the watch's.
            if watch is not None and isinstance(exc, asyncio.CancelledError):
                shelter: t.Any = None if shown is waiting else shown
                if watch.holds(exc, shelter):
                    continue
                if shelter is not None:
                    _disown(waiting)
            step, value = steps.throw, exc
        if watch is not None and watch.lost:
            watch.lost = False
            if watch.given_up:
                with contextlib.suppress(Exception, GeneratorExit):
                    run(end_user_code, steps)
                keep(waiting_chain(steps))
                return
            watch.given_up = True
            step, value = end_user_code, steps
        try:
            waiting = run(step, value)
        except StopIteration:
            return
        except GeneratorExit:
            if watch is not None and watch.given_up:
                return
            raise


def _disown(waiting: t.Any) -> None:
    """Cancel what a coroutine waits for, and is cancelled while it does."""
    future = t.cast("asyncio.Future[t.Any]", waiting)
    if future.done():
        _take_note(future)
    else:
        future.cancel()
        future.add_done_callback(_take_note)


def _take_note(future: asyncio.Future[t.Any]) -> None:
    """Ask for what nobody asks for any more, where it is a cancellation: `asyncio.gather` has it as
    an exception, and asyncio would log that as an error."""
    if not future.cancelled() and isinstance(
        getattr(future, "_exception", None), asyncio.CancelledError
    ):
        future.exception()


go_on = types.coroutine(_go_on)


async def under(watch: Watch, coro: t.Coroutine[t.Any, t.Any, T]) -> T:
    """Await `coro`; where `watch` gives it up, raise CancelledError."""
    result: list[T] = []

    async def keep() -> None:
        result.append(await coro)

    steps = keep().__await__()
    waiting = next(steps, DONE)
    if waiting is not DONE:
        await go_on(operator.call, steps, waiting, watch)
    if not result:
        raise asyncio.CancelledError
    return result.pop()
