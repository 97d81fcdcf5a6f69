"""Running a request's code in a worker thread while its task waits.

Async code that the thread meets runs on the task's loop (`Lane.run`), while the thread waits. The
task waits for the end of the thread also when it is cancelled, unless the thread catches every
cancellation and asks for more async code in a loop.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
import typing as t
from collections import deque
from concurrent.futures import Executor
from contextvars import Context

from .handover import handover
from .workers import Stay
from .workers import Workers

T = t.TypeVar("T")

STUBBORN = 5
"""How many pieces of async code a cancelled thread may ask for before it is given up."""
LONGEST_WAIT = 7
"""How often the time that a cancelled thread waits before each further piece is doubled: up to 128
ms."""


class _Thread(threading.local):
    """What belongs to a thread: the lane of the request that it serves, and its own loop."""

    lane: Lane | None = None
    own: t.Any = None
    #: Work of other threads that coroutines in this thread wait for.
    landings: _Landings | None = None


this_thread = _Thread()


def _begin_anew() -> None:
    """Reset this thread in a forked process: it serves no request there, and its loop belongs to
    the parent process."""
    this_thread.lane = this_thread.own = this_thread.landings = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


def in_lane() -> bool:
    """Say whether this thread is a worker that serves a request of the thread lane."""
    return this_thread.lane is not None


def spare(on: bool) -> None:
    """Set whether async code of the request that this worker serves runs although the request was
    cancelled, as that of its end does."""
    if this_thread.lane is not None:
        this_thread.lane.spared = on


def lane_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop of the request that this worker thread serves, or None."""
    return None if this_thread.lane is None else this_thread.lane.loop


class Lane:
    """A request in its worker thread: runs async code for it on the loop, and cancels that code."""

    __slots__ = (
        *("loop", "children", "cancelled", "spared", "times", "on_wait", "prepare"),
        *("grace", "lost", "on_lost", "thread", "_timer", "_seen"),
    )

    def __init__(self, on_wait: t.Callable[[], None] | None = None) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        #: Called on the loop each time that the thread begins to wait for async code.
        self.on_wait = on_wait
        #: `prepare(coro, prepared)` is called in the thread before each coroutine that is run on
        #: the loop, and returns the coroutine to run instead.
        self.prepare: t.Callable[[t.Any, bool], t.Any] | None = None
        self.children: set[asyncio.Task[t.Any]] = set()
        self.cancelled: bool = False
        #: Whether further async code runs although the request was cancelled, as it belongs to the
        #: end of the request.
        self.spared = False
        #: How many times the thread has asked for async code after the cancellation; and how many
        #: of these were before the last call of `_look`.
        self.times: int = 0
        self._seen = 0
        #: Seconds between two calls of `_look`.
        self.grace: float = 5
        #: Whether the thread was given up, as it goes on asking for async code; then `on_lost` is
        #: called.
        self.lost: bool = False
        self.on_lost: t.Callable[[], None] | None = None
        self.thread: threading.Thread | None = None
        self._timer: asyncio.TimerHandle | None = None

    def run(self, coro: t.Coroutine[t.Any, t.Any, T], context: Context) -> T:
        """Run `coro` on the loop and return its result. Called in the worker, which waits."""
        if handover.agent is not None:
            coro = handover.to_task(coro)
        # PERF(4 us): a lock is enough; a `concurrent.futures.Future` costs more.
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

        if self.lost or (self.cancelled and not self.spared):
            self.times += 1
            if self.times > 1:  # the thread has caught the cancellation: slow it down
                time.sleep(0.001 * 2 ** min(self.times, LONGEST_WAIT))
            if self.lost:
                coro.close()
                raise asyncio.CancelledError()
        self.loop.call_soon_threadsafe(start)
        done.acquire()
        return outcome.pop().result()  # no name refers to it: an exception refers to this frame

    def cancel(self) -> None:
        """Cancel async code, both running and further. Sync code cannot be cancelled."""
        self.cancelled = True
        for task in self.children:
            task.cancel()
        if self._timer is None:
            self._timer = self.loop.call_later(self.grace, self._look)

    def _look(self) -> None:
        """Cancel again what is still running. Give the thread up if it keeps asking for async code.
        A thread that runs sync code, or the end of the request, is waited for."""
        if self.times >= STUBBORN and self.times > self._seen and not self.spared:
            self.lost = True
            if self.on_lost is not None:
                self.on_lost()
            return
        self._seen = self.times
        self._timer = self.loop.call_later(self.grace, self._look)
        if not self.spared:
            self.cancel()

    def done(self) -> None:
        """Stop the timer, as the thread has ended or was given up."""
        if self._timer is not None:
            self._timer.cancel()
        self.on_lost = None


class _Landings:
    """Work that workers have done and the loop has not been told of: one wake-up of the loop is
    enough for all that is done by then."""

    __slots__ = ("_called", "_done", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._done: deque[_Work] = deque()
        self._called = False

    def add(self, work: _Work) -> None:
        """Tell the loop that `work` is done. Called in the worker."""
        self._done.append(work)
        if not self._called:
            self._called = True
            try:
                self.loop.call_soon_threadsafe(self._land)
            except RuntimeError:
                pass  # the loop is closed, so that nothing waits any more

    def _land(self) -> None:
        self._called = False  # first, as work that is added from now on may miss the loop below
        while self._done:
            self._done.popleft().land()


class _Work:
    """A call that a worker makes while a coroutine waits for it. `Workers` keep it in their
    queue."""

    __slots__ = ("_call", "_landings", "_lane", "error", "landed", "landing", "value")

    def __init__(self, call: t.Callable[..., t.Any], args: t.Any, lane: Lane) -> None:
        if handover.agent is not None:
            call = handover.to_thread(call)
        self._call = call, args
        self._lane = lane
        landings = this_thread.landings
        if landings is None or landings.loop is not lane.loop:
            landings = this_thread.landings = _Landings(lane.loop)
        self._landings = landings
        #: Done when the call has ended; or cancelled, if the task that waits for it was.
        self.landing: asyncio.Future[None] = lane.loop.create_future()
        self.landed = False
        self.value: t.Any = None
        self.error: BaseException | None = None

    def run(self, *worker: object) -> None:
        call, args = self._call
        previous, this_thread.lane = this_thread.lane, self._lane
        self._lane.thread = threading.current_thread()
        try:
            self.value = call(*args)
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
        """What a pool that is shut down calls `cancel` of: this."""
        return self

    def cancel(self) -> None:
        self.error = RuntimeError("The pool of worker threads was shut down.")
        self._landings.add(self)


class ThreadsEnd(asyncio.Future[None]):
    """The end of a thread, which a cancelled task goes on waiting for."""


async def to_thread(
    pool: Executor,
    context: Context | None,
    func: t.Callable[..., T],
    *args: t.Any,
    lane: Lane | None = None,
) -> T:
    """Run `func` in a worker of `pool`, in `context` if one is given, and return its result.

    The end of the thread is always waited for. If the caller is cancelled, async code that the
    thread waits for is cancelled, and the cancellation is raised when the thread has ended. Only a
    thread that catches these cancellations, and keeps asking for more async code, is given up.
    """
    lane = Lane() if lane is None else lane
    if context is None:
        work = _Work(func, args, lane)
    else:
        work = _Work(context.run, (func, *args), lane)
    if isinstance(pool, (Workers, Stay)):
        pool.start(work)
    else:
        pool.submit(work.run)
    cancellation: asyncio.CancelledError | None = None
    lane.on_lost = work.land
    while not work.landed:
        try:
            await work.landing
        except asyncio.CancelledError as exc:
            if not lane.cancelled:  # else its async code may be cleaning up
                lane.cancel()
            cancellation = exc
            work.landing = ThreadsEnd(loop=lane.loop)  # in place of the cancelled one
    lane.done()
    if lane.lost:
        if isinstance(pool, (Workers, Stay)) and lane.thread is not None:
            pool.give_up(lane.thread)
        raise cancellation or asyncio.CancelledError()
    error, work.error = work.error, None
    if cancellation is not None and not isinstance(error, Exception):
        raise cancellation
    if error is not None:
        try:
            raise error
        finally:
            del error  # the traceback holds this frame
    return t.cast(T, work.value)
