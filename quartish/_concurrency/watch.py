"""A coroutine awaited step by step: in a Context of its own, and under a watch.

A `Watch` is told whenever the coroutine waits, and what comes of it: it may keep a cancellation
from it for a while, and give it up where it catches all. The rule: no task is made for that.
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
#: With these words a server of ours cancels what it has waited for.
SERVER_STOPS = "the server stops"


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

    async def whole() -> None:
        result.append(await coro)

    steps = whole().__await__()
    waiting = next(steps, DONE)
    if waiting is not DONE:
        await go_on(operator.call, steps, waiting, watch)
    if not result:
        raise asyncio.CancelledError
    return result.pop()
