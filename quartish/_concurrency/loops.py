"""Event loops: the loop that belongs to a thread, and giving a loop its turns."""

from __future__ import annotations

import asyncio
import os
import threading
import typing as t
import weakref
from asyncio import _get_running_loop
from contextvars import Context
from time import monotonic

from .threads import this_thread

T = t.TypeVar("T")

CLEAN_UP = 5.0
"""Seconds for the clean-up of a coroutine that Ctrl+C has interrupted."""


class Turns:
    """Gives the loop a turn when code that never waits has run for 5 ms."""

    LENGTH = 0.005  # seconds

    def __init__(self) -> None:
        self.since = monotonic()

    async def give(self) -> None:
        if monotonic() - self.since > self.LENGTH:
            await asyncio.sleep(0)
            self.since = monotonic()


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
