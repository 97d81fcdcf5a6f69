"""The stay of a request in a worker thread.

A worker does what a coroutine waits for, and lends its thread to the request meanwhile: what
is async there goes back to the loop that waits. A thread is waited for, also by who is
cancelled; but for one that catches every cancellation in a loop.
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
"""How often a thread asks for async pieces, after those were cancelled, before it is given up."""
LONGEST_WAIT = 7
"""So often is the time doubled for which a thread that was cancelled waits with what it asks for
nevertheless: to 128 ms."""


class _Thread(threading.local):
    """What a thread knows: the loop that lent it a request, and the loop it owns."""

    lane: Lane | None = None
    own: t.Any = None
    #: Where work comes back to that a coroutine in this thread waits for.
    landings: _Landings | None = None


this_thread = _Thread()


def _begin_anew() -> None:
    """Begin anew in a forked process: of its parent's threads it has one alone, which serves
    nobody, and whose loop is its parent's."""
    this_thread.lane = this_thread.own = this_thread.landings = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


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


class Lane:
    """One request's stay in one worker thread, seen from the loop that lent it."""

    __slots__ = (
        *("loop", "children", "cancelled", "spared", "times", "on_wait", "prepare"),
        *("grace", "lost", "on_lost", "thread", "_timer", "_seen"),
    )

    def __init__(self, on_wait: t.Callable[[], None] | None = None) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        #: Called on the loop whenever the thread begins to wait for an async piece.
        self.on_wait = on_wait
        #: `prepare(coro, prepared)` is called in the thread before each async piece, and returns
        #: what is to be run.
        self.prepare: t.Callable[[t.Any, bool], t.Any] | None = None
        self.children: set[asyncio.Task[t.Any]] = set()
        self.cancelled: bool = False
        #: Whether async pieces to come run although those before were cancelled.
        self.spared = False
        #: How many async pieces came after they were cancelled; and before the last look.
        self.times: int = 0
        self._seen = 0
        #: Seconds from one look to the next.
        self.grace: float = 5
        #: Whether it was given up, as it goes on asking; `on_lost` is called then.
        self.lost: bool = False
        self.on_lost: t.Callable[[], None] | None = None
        self.thread: threading.Thread | None = None
        self._timer: asyncio.TimerHandle | None = None

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

        if self.lost or (self.cancelled and not self.spared):
            self.times += 1
            if self.times > 1:  # it was caught, and does not help
                time.sleep(0.001 * 2 ** min(self.times, LONGEST_WAIT))
            if self.lost:
                coro.close()
                raise asyncio.CancelledError()
        self.loop.call_soon_threadsafe(start)
        done.acquire()
        return outcome.pop().result()  # kept by no name: what it raised holds this frame

    def cancel(self) -> None:
        """Cancel the async pieces, running and to come; sync code itself cannot be."""
        self.cancelled = True
        for task in self.children:
            task.cancel()
        if self._timer is None:
            self._timer = self.loop.call_later(self.grace, self._look)

    def _look(self) -> None:
        """Cancel again what goes on. Give the thread up if it asks for more and more; sync code
        that does something else, and an end that takes its time, is waited for."""
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
        """The thread has ended, or was given up."""
        if self._timer is not None:
            self._timer.cancel()
        self.on_lost = None


class _Landings:
    """What workers have done for one loop, on its way back there: one wake-up of the loop
    lets everything land that is done by then."""

    __slots__ = ("_called", "_done", "loop")

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
        #: Done when the work is, unless the one that waits for it was cancelled.
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
        """Whom a pool that is shut down tells that this will not be done."""
        return self

    def cancel(self) -> None:
        self.error = RuntimeError("The pool of worker threads was shut down.")
        self._landings.add(self)


class ThreadsEnd(asyncio.Future[None]):
    """The end of a thread that is waited for also by who is cancelled."""


async def to_thread(
    pool: Executor,
    context: Context | None,
    func: t.Callable[..., T],
    *args: t.Any,
    lane: Lane | None = None,
) -> T:
    """Run `func` in a worker of `pool`, in `context` (or in none of its own), and return its
    result.

    The thread is waited for: when the caller is cancelled, async pieces that the thread waits
    for are cancelled, and the cancellation goes on once the thread is done. Only a thread that
    catches what cancels these, and asks for more and more of them, is given up.
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
            if not lane.cancelled:  # else they may clean up
                lane.cancel()
            cancellation = exc
            work.landing = ThreadsEnd(loop=lane.loop)  # a cancelled one can be waited for no more
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
