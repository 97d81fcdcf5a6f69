"""Threads and event loops: the drivers of the two lanes, and the hops between them.

The dispatch flow is one set of coroutines. On the loop lane they are awaited. On the
thread lane `drive` runs them in a worker thread; there they never suspend, because
whatever awaitable of the user's they meet goes through `awaited`, which runs it on the
loop while the thread waits. The rule: sync code of a request never changes thread, async
code always runs on a loop.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
import threading
import time
import types
import typing as t
import weakref
from asyncio import _get_running_loop
from collections import deque
from concurrent.futures import Executor
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from contextvars import ContextVar
from contextvars import copy_context

from ._handover import handover

T = t.TypeVar("T")
F = t.TypeVar("F", bound=t.Callable[..., t.Any])

_MISSING: t.Any = object()
_RAISED_BY_COROUTINES = {"coroutine raised StopIteration", "async generator raised StopIteration"}
LONGEST_WAIT = 7
"""So often is the time doubled for which a thread that was cancelled waits with what it asks for
nevertheless: to 128 ms."""
#: What `next` returns for a coroutine that ended.
DONE: t.Any = object()


class _Thread(threading.local):
    """What a thread knows: the loop that lent it a request, and the loop it owns."""

    lane: Lane | None = None
    own: _OwnLoop | None = None
    #: Where work comes back to that a coroutine in this thread waits for.
    landings: _Landings | None = None


class _OwnLoop:
    """An event loop that lives as long as the thread it was made for."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        #: Runs when the thread's locals go, and for the main thread at exit.
        self.close = weakref.finalize(self, _close_loop, self.loop)

    def run(self, coro: t.Coroutine[t.Any, t.Any, T], context: Context) -> T:
        task = self.loop.create_task(coro, context=context)
        try:
            return self.loop.run_until_complete(task)
        finally:
            if not task.done():  # KeyboardInterrupt and its like leave the task behind
                task.cancel()


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


async def _wait(tasks: set[asyncio.Task[t.Any]]) -> None:
    await asyncio.wait(tasks)


this_thread = _Thread()


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
    if sys.version_info >= (3, 12):
        return inspect.markcoroutinefunction(func)
    code = t.cast(types.FunctionType, func).__code__  # there the flag does nothing else
    t.cast(t.Any, func).__code__ = code.replace(co_flags=code.co_flags | inspect.CO_COROUTINE)
    return func


def drive(coro: t.Coroutine[t.Any, t.Any, T]) -> T:
    """Run `coro` to its end in this thread, now.

    Raises RuntimeError when it suspends: that is async code of the user's reached from a
    synchronous call on a running event loop, where nothing can wait for it.
    """
    try:
        coro.send(None)
    except StopIteration as stop:
        return t.cast(T, stop.value)
    name = getattr(coro, "__qualname__", repr(coro))
    coro.close()
    raise RuntimeError(
        f"{name} met an async function while called synchronously on a running event loop,"
        " where it cannot be waited for. Make the function that it met a plain 'def', or"
        " use the 'async with' / 'await' form of the call."
    )


def awaited(awaitable: t.Awaitable[T]) -> t.Awaitable[T]:
    """Return what the flow awaits for a user's awaitable: itself on a loop, else a stand-in
    that runs it on the lane's loop (or this thread's own) while this thread waits."""
    return awaitable if _get_running_loop() is not None else _Blocking(awaitable)


class _Blocking(t.Generic[T]):
    __slots__ = ("awaitable",)

    def __init__(self, awaitable: t.Awaitable[T]) -> None:
        self.awaitable = awaitable

    def __await__(self) -> t.Generator[t.Any, t.Any, T]:
        return from_thread(self.awaitable)
        yield  # makes this a generator, which never suspends


async def _as_coroutine(awaitable: t.Awaitable[T]) -> T:
    return await awaitable


def from_thread(awaitable: t.Awaitable[T], *, prepared: bool = False) -> T:
    """Run `awaitable` on an event loop and return its result; blocks this thread.

    Before the lane's first async piece the lane is prepared, unless the piece is `prepared`
    for, such as the read of a body that preparing itself consists of.

    In a worker of the thread lane the loop is the server's, elsewhere one that belongs to
    this thread and outlives the call. The awaitable runs in a copy of this thread's
    Context; ContextVars that it changed are changed here when it is done.
    """
    coro: t.Coroutine[t.Any, t.Any, T]
    if isinstance(awaitable, types.CoroutineType):
        coro = t.cast("t.Coroutine[t.Any, t.Any, T]", awaitable)
    else:
        coro = _as_coroutine(awaitable)
    context = copy_context()
    try:
        if this_thread.lane is not None:
            prepare = this_thread.lane.prepare
            if prepare is not None and not prepared:
                this_thread.lane.prepare = None
                prepare()
            return this_thread.lane.run(coro, context)
        return own_loop().run(coro, context)
    finally:
        carry(context, copy_context())


def carry(context: Context, since: Context, *apart: ContextVar[t.Any]) -> None:
    """Change ContextVars here, but those `apart`, to what they became in `context` after it was
    as `since`."""
    for var, value in context.items():
        if since.get(var, _MISSING) is not value and var not in apart:
            var.set(value)


def unwrapped(error: BaseException) -> BaseException:
    """Return the StopIteration that sync code of the user's raised, where a coroutine has made a
    RuntimeError of it; any other error as it is."""
    cause = error.__cause__
    if type(error) is RuntimeError and isinstance(cause, (StopIteration, StopAsyncIteration)):
        if str(error) in _RAISED_BY_COROUTINES:
            return cause
    return error


def in_lane() -> bool:
    """Say whether this thread is a worker that serves a request of the thread lane."""
    return this_thread.lane is not None


def spare(on: bool) -> None:
    """Say whether async pieces are to run although the request that this worker serves was
    cancelled: those of its end are."""
    if this_thread.lane is not None:
        this_thread.lane.spared = on


def lane_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop that lent this worker thread its request, or None."""
    return None if this_thread.lane is None else this_thread.lane.loop


def own_loop() -> _OwnLoop:
    """Return the event loop that belongs to this thread, made on first use."""
    if this_thread.own is None:
        this_thread.own = _OwnLoop()
    return this_thread.own


def close_own_loop() -> None:
    """Close the loop that belongs to this thread, which is about to end."""
    own, this_thread.own = this_thread.own, None
    if own is not None:
        own.close()


class Lane:
    """One request's stay in one worker thread, seen from the loop that lent it."""

    __slots__ = ("loop", "children", "cancelled", "spared", "times", "on_wait", "prepare")

    def __init__(self, on_wait: t.Callable[[], None] | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        #: Called on the loop whenever the thread begins to wait for an async piece.
        self.on_wait = on_wait
        #: Called in the thread before its first async piece.
        self.prepare: t.Callable[[], None] | None = None
        self.children: set[asyncio.Task[t.Any]] = set()
        self.cancelled = False
        #: Whether async pieces to come run although those before were cancelled.
        self.spared = False
        #: How many async pieces came after they were cancelled.
        self.times = 0

    def run(self, coro: t.Coroutine[t.Any, t.Any, T], context: Context) -> T:
        """Run `coro` on the lane's loop; called in the worker, which waits."""
        if handover.agent is not None:
            coro = handover.to_task(coro)
        # PERF(4 us): of a concurrent Future, a lock is all that is needed.
        done = threading.Lock()
        done.acquire()
        outcome: list[asyncio.Task[T]] = []

        def start() -> None:
            task = self.loop.create_task(coro, context=context)
            self.children.add(task)
            task.add_done_callback(finish)
            if self.cancelled and not self.spared:
                task.cancel()
            elif self.on_wait is not None:
                self.on_wait()

        def finish(task: asyncio.Task[T]) -> None:
            self.children.discard(task)
            outcome.append(task)
            done.release()

        if self.cancelled and not self.spared:
            self.times += 1
            if self.times > 1:  # it was caught, and does not help
                time.sleep(0.001 * 2 ** min(self.times, LONGEST_WAIT))
        self.loop.call_soon_threadsafe(start)
        done.acquire()
        return outcome.pop().result()  # kept by no name: what it raised holds this frame

    def cancel(self) -> None:
        """Cancel the async pieces, running and to come; sync code itself cannot be."""
        self.cancelled = True
        for task in self.children:
            task.cancel()


class _Landings:
    """What workers have done for one loop, on its way back there: one wake-up of the loop
    lets everything land that is done by then."""

    __slots__ = ("loop", "_done", "_called")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._done: deque[_Work] = deque()
        self._called = False

    def add(self, work: _Work) -> None:
        """Announce that `work` is done; called in its worker."""
        self._done.append(work)
        if not self._called:
            self._called = True
            try:
                self.loop.call_soon_threadsafe(self._land)
            except RuntimeError:
                pass  # the loop was closed: nobody waits

    def _land(self) -> None:
        self._called = False  # first: what is added from now on may be too late for the rest
        while self._done:
            self._done.popleft().land()


class _Work:
    """What a worker does for a coroutine that waits; for `Workers`, an item of their queue."""

    __slots__ = ("_call", "_lane", "_landings", "landing", "landed", "value", "error")

    def __init__(
        self, context: Context, func: t.Callable[..., t.Any], args: t.Any, lane: Lane
    ) -> None:
        if handover.agent is not None:
            func = handover.to_thread(func)
        self._call = (context.run, func, args)
        self._lane = lane
        landings = this_thread.landings
        if landings is None or landings.loop is not lane.loop:
            landings = this_thread.landings = _Landings(lane.loop)
        self._landings = landings
        #: Done when the work is, unless the one that waits for it was cancelled.
        self.landing: asyncio.Future[None] = lane.loop.create_future()
        self.landed = False
        self.value: t.Any = None
        self.error: BaseException | None = None

    def run(self, *worker: object) -> None:
        run, func, args = self._call
        previous, this_thread.lane = this_thread.lane, self._lane
        try:
            self.value = run(func, *args)
        except BaseException as error:
            self.error = error
        finally:
            this_thread.lane = previous
        self._landings.add(self)

    def land(self) -> None:
        self.landed = True
        if not self.landing.done():
            self.landing.set_result(None)

    @property
    def future(self) -> _Work:
        """Whom a pool that is shut down tells that this will not be done."""
        return self

    def cancel(self) -> None:
        self.error = RuntimeError("The pool of worker threads was shut down.")
        self._landings.add(self)


class Workers(ThreadPoolExecutor):
    """Worker threads, which take work of `to_thread` without a Future and its locks.

    PERF(8 us of 13 where requests come side by side, 5 of 40 where they come one by one)
    """

    def start(self, work: _Work) -> None:
        """Do `work` as soon as a thread is free. Raises RuntimeError after the shutdown."""
        with self._shutdown_lock:
            if self._shutdown:
                raise RuntimeError("The pool of worker threads was shut down.")
            self._work_queue.put(work)  # type: ignore[arg-type]
            self._adjust_thread_count()


async def to_thread(
    pool: Executor,
    context: Context,
    func: t.Callable[..., T],
    *args: t.Any,
    lane: Lane | None = None,
) -> T:
    """Run `func` in a worker of `pool`, in `context`, and return its result.

    The thread is always waited for: when the caller is cancelled, async pieces that the
    thread waits for are cancelled, and the cancellation goes on once the thread is done.
    """
    lane = Lane() if lane is None else lane
    work = _Work(context, func, args, lane)
    if isinstance(pool, Workers):
        pool.start(work)
    else:
        pool.submit(work.run)
    cancellation: asyncio.CancelledError | None = None
    while not work.landed:
        try:
            await work.landing
        except asyncio.CancelledError as exc:
            cancellation = exc
            lane.cancel()
            work.landing = lane.loop.create_future()  # a cancelled one can be waited for no more
    error, work.error = work.error, None
    if cancellation is not None and not isinstance(error, Exception):
        raise cancellation
    if error is not None:
        try:
            raise error
        finally:
            del error  # the traceback holds this frame
    return t.cast(T, work.value)


@types.coroutine
def within(
    context: Context,
    coro: t.Coroutine[t.Any, t.Any, None],
    suspended: t.Callable[[], None] | None = None,
) -> t.Generator[t.Any, t.Any, None]:
    """Await `coro` in this task but in `context`; call `suspended` each time it waits.

    A ContextVar that it sets is gone with `context`, even when a server calls the app
    twice in one task, and no task has to be made for that.
    """
    steps = coro.__await__()
    waiting = context.run(next, steps, DONE)
    if waiting is not DONE:
        yield from _go_on(context.run, steps, waiting, suspended)


def _go_on(
    run: t.Callable[..., t.Any],
    steps: t.Generator[t.Any, t.Any, None],
    waiting: t.Any,
    suspended: t.Callable[[], None] | None = None,
) -> t.Generator[t.Any, t.Any, None]:
    """Await, as `within`, what was begun by `next(coro.__await__(), DONE)` and is `waiting`;
    `run(func, *args)` takes each step, as `Context.run` does.

    PERF(0.3 us): what was begun in this way, and never waits, ends without an exception.
    """
    while True:
        if suspended is not None:
            suspended()
        step: t.Callable[[t.Any], t.Any] = steps.send
        value: t.Any = None
        try:
            value = yield waiting
        except GeneratorExit:
            run(steps.close)
            raise
        except BaseException as exc:
            step, value = steps.throw, exc
        try:
            waiting = run(step, value)
        except StopIteration:
            return


go_on = types.coroutine(_go_on)
