"""Awaiting a coroutine step by step: in a Context of its own, and supervised by a `Watch`.

A `Watch` is called each time that the coroutine begins to wait, and when it is cancelled. It may
delay a cancellation, and it may give the coroutine up if that catches every cancellation. No task
is made for this.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import operator
import sys
import types
import typing as t
from concurrent.futures import Executor
from contextvars import Context

from .giving_up import end_user_code
from .giving_up import keep
from .giving_up import waiting_chain
from .threads import to_thread

T = t.TypeVar("T")

#: What `next` returns for a coroutine that ended.
DONE: t.Any = object()
#: The message with which a stopping server of ours cancels tasks.
SERVER_STOPS = "the server stops"


class Apart:
    """Sync code to be run in a worker thread, in the Context of the flow that awaits this. `within`
    runs it: as that is outside of the Context, the worker may enter it."""

    __slots__ = ("_args", "_func", "_pool")

    def __init__(self, pool: Executor, func: t.Callable[..., t.Any], *args: t.Any) -> None:
        self._pool = pool
        self._func = func
        self._args = args

    def __await__(self) -> t.Generator[t.Any, t.Any, t.Any]:
        return (yield self)

    def call(self, context: Context) -> t.Generator[t.Any, t.Any, t.Any]:
        """Run the code and wait for it."""
        return to_thread(self._pool, context, self._func, *self._args).__await__()


class Watch:
    """Supervises a coroutine: its methods are called when it waits and when it is cancelled."""

    #: Whether the coroutine has to be given up now, and whether that was done.
    lost: bool = False
    given_up: bool = False
    #: The future that the task waits for in place of the coroutine's own, if it may have to stop
    #: waiting earlier.
    shelter: Shelter | None = None

    def suspended(self, waiting: t.Any) -> t.Any:
        """The coroutine waits for `waiting`. Return what the task has to wait for: that, or a
        `Shelter` for it."""
        if asyncio.isfuture(waiting):
            waiting = self.shelter = Shelter(waiting, self)
        return waiting

    def on_cancel(self, msg: t.Any) -> None:
        """The task is cancelled, and a `Shelter` passes that on to what it waits for."""

    def holds(self, error: BaseException, shelter: Shelter | None) -> bool:
        """The task is cancelled while it waits. Return whether the cancellation is delayed."""
        return False

    def give_up(self) -> None:
        """End the coroutine where it waits, as it has caught every cancellation. If code does not
        even end then, the code that awaits it gets a RuntimeError, and a second call of this ends
        that."""
        self.lost = True
        if self.shelter is not None and not self.shelter.done():
            self.shelter.set_result(None)


class Shelter(asyncio.Future[None]):
    """A future that a task waits for in place of the one that its coroutine waits for (`waiting`).

    Without a watch, cancelling the task does not cancel `waiting`. With one it does, but the watch
    can also make the task go on before `waiting` is done.
    """

    #: Whether it was cancelled by a timeout or a task group, which may be the coroutine's own.
    by_itself: bool = False

    def __init__(self, waiting: t.Any, watch: Watch | None = None) -> None:
        super().__init__(loop=waiting.get_loop())
        self.waiting = waiting
        #: The watch whose `on_cancel` is called before a cancellation is passed on.
        self.watch = watch
        # `Future.__await__` sets this for the task, which is given this future instead.
        waiting._asyncio_future_blocking = False  # noqa: SLF001
        self._asyncio_future_blocking = True
        #: The callback of `waiting` refers to this list, not to the shelter: a future that a server
        #: never frees (granian) would keep the whole request alive.
        self._box: list[Shelter] = [self]
        waiting.add_done_callback(functools.partial(_tell, self._box))

    def forget(self) -> None:
        """Remove the reference that `waiting` has to this."""
        self._box.clear()

    def end(self, waiting: asyncio.Future[t.Any]) -> None:
        if not self.done():
            if self.watch is not None and waiting.cancelled():
                super().cancel()
            else:
                self.set_result(None)

    def cancel(self, msg: t.Any = None) -> bool:
        if self.watch is not None:
            self.watch.on_cancel(msg)
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
    """Await `coro` in this task, but in `context`. `watch` is called each time that it waits. Each
    step is run by `run`, by default `context.run`.

    So ContextVars that it sets do not stay in the task, in which a server may call the app again,
    and no task has to be made.
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
    """Await, as `within` does, the rest of a coroutine whose first step was `next(coro.__await__(),
    DONE)` and has returned `waiting`. Each step is run by `run(func, *args)`, such as
    `context.run`.

    A coroutine that was begun this way and never waits needs no StopIteration to be raised.
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
            # What it waits for may raise anything; the watch is only asked about cancellations.
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
    """Cancel the future that a coroutine waited for when it was cancelled."""
    future = t.cast("asyncio.Future[t.Any]", waiting)
    if future.done():
        _take_note(future)
    else:
        future.cancel()
        future.add_done_callback(_take_note)


def _take_note(future: asyncio.Future[t.Any]) -> None:
    """Read the exception of an abandoned future if it is a cancellation (`asyncio.gather` stores
    one as an exception), as asyncio would log it as an error that was never retrieved."""
    if not future.cancelled() and isinstance(
        getattr(future, "_exception", None), asyncio.CancelledError
    ):
        future.exception()


go_on = types.coroutine(_go_on)


async def under(watch: Watch, coro: t.Coroutine[t.Any, t.Any, T]) -> T:
    """Await `coro` and return its result. Raise CancelledError if `watch` gives it up."""
    result: list[T] = []

    async def whole() -> None:
        result.append(await coro)

    steps = whole().__await__()
    waiting = next(steps, DONE)
    if waiting is not DONE:
        await go_on(operator.call, steps, waiting, watch)
    if not result:
        raise asyncio.CancelledError
    return result.pop()
