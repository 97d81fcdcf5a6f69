"""Async code in which a synchronous call may wait without blocking the event loop.

Each step of a coroutine runs in a greenlet of its own. If a function that it calls has to wait
(`pause`), that greenlet is suspended. The task then awaits the awaitable, in its own Context, and
the function goes on with the result. This needs the package `greenlet`.
"""

from __future__ import annotations

import asyncio
import types
import typing as t
from functools import partial
from importlib import import_module

T = t.TypeVar("T")

_greenlets: t.Any
try:
    _greenlets = import_module("greenlet")
except ImportError:
    _greenlets = None
#: The attribute of a greenlet that says for which task it takes a step.
_TASK = "quartish_task"


def can_pause() -> bool:
    """Say whether `greenlet` is installed."""
    return _greenlets is not None


@types.coroutine
def pausable(coro: t.Coroutine[t.Any, t.Any, T]) -> t.Generator[t.Any, t.Any, T]:
    """Await `coro`, in this task and Context, such that functions which it calls may `pause`."""
    task = asyncio.current_task()
    step: t.Callable[[], t.Any] = partial(coro.send, None)
    while True:
        here = _greenlets.getcurrent()
        piece = _greenlets.greenlet(step, here)
        piece.gr_context = here.gr_context  # else it would have its own Context
        setattr(piece, _TASK, task)
        go_on: t.Callable[[], t.Any] = piece.switch
        try:
            said = go_on()
            while not piece.dead:
                asking, awaitable = said
                try:
                    go_on = partial(asking.switch, (yield from awaitable.__await__()))
                except BaseException as error:
                    go_on = partial(asking.throw, error)
                piece.parent = _greenlets.getcurrent()
                said = go_on()
        except StopIteration as stop:
            return t.cast(T, stop.value)
        finally:
            del piece, step, go_on  # they refer to an error, and so to its frames
        try:
            step = partial(coro.send, (yield said))
        except GeneratorExit:
            coro.close()
            raise
        except BaseException as error:
            step = partial(coro.throw, error)


def may_pause() -> bool:
    """Say whether the calling function was called by a `pausable` coroutine, in its task."""
    return _step() is not None


def pause(awaitable: t.Awaitable[T]) -> T:
    """Wait for `awaitable` in a synchronous function, and return its result. `may_pause` has to be
    true."""
    piece = _step()
    assert piece is not None
    result: T = piece.parent.switch((_greenlets.getcurrent(), awaitable))
    return result


def _step() -> t.Any:
    """Return the greenlet of the step that this is called in, or None."""
    if _greenlets is None:
        return None
    piece = _greenlets.getcurrent()
    while piece is not None and _TASK not in piece.__dict__:
        piece = piece.parent  # there may be others between, such as SQLAlchemy's
    if piece is not None and getattr(piece, _TASK) is asyncio.current_task():
        return piece
    return None
