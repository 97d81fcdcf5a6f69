"""A background task: its name, its result and its progress."""

from __future__ import annotations

import asyncio
import threading
import typing as t
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextlib import suppress
from contextvars import ContextVar
from datetime import datetime
from datetime import UTC

from .._concurrency.coroutines import outcome
from ..streaming import Event

State = t.Literal["running", "done", "failed", "cancelled"]

_current: ContextVar[Task | None] = ContextVar("quartish-background-task", default=None)


class Task:
    """A background task. It may be used in any thread and awaited on any loop. Cancelling the code
    that awaits it does not cancel the task.

    Attributes:
        started: When it was begun, in UTC.
        progress: The last value given to `report_progress`; None before.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._future: Future[t.Any] = Future()
        self._task: asyncio.Task[t.Any] | None = None  # set when its loop has started it
        self._ended = False
        self._reports = 0
        self._readers: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._lock = threading.Lock()
        self.started: datetime = datetime.now(UTC)
        self.progress: t.Any = None

    def __repr__(self) -> str:
        return f"<Task {self.get_name()!r} {self.state}>"

    def get_name(self) -> str:
        """Return its name."""
        task = self._task
        return self._name if task is None else task.get_name()

    def set_name(self, name: str) -> None:
        """Give it another name."""
        self._name, task = name, self._task
        if task is not None:
            task.set_name(name)

    @property
    def state(self) -> State:
        """Whether it runs, or how it has ended."""
        if self._future.cancelled():
            return "cancelled"
        if not self._future.done():
            return "running"
        return "done" if self._future.exception() is None else "failed"

    def done(self) -> bool:
        """Say whether it has ended, or was cancelled."""
        return self._future.done()

    def cancelled(self) -> bool:
        """Say whether it was cancelled."""
        return self._future.cancelled()

    def cancel(self) -> bool:
        """Cancel it, and return whether that was possible. A `def` goes on in its thread, and its
        result is dropped."""
        if self._future.done() or not self._future.cancel():
            return False
        task = self._task
        if task is not None:
            with suppress(RuntimeError):  # its loop was closed
                task.get_loop().call_soon_threadsafe(task.cancel)
        return True

    def result(self, timeout: float | None = None) -> t.Any:
        """Wait for the result, `timeout` seconds at most; blocks this thread."""
        return self._future.result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the task's exception, or None; blocks this thread."""
        return self._future.exception(timeout)

    def __await__(self) -> t.Generator[t.Any, t.Any, t.Any]:
        return outcome(asyncio.wrap_future(self._future)).__await__()

    # --- progress ---------------------------------------------------------------------------------

    async def events(self) -> AsyncIterator[Event]:
        """Yield its progress as server-sent events: `progress` with the last value, and at the end
        `end` with `{"state": ...}`.

        A slow reader misses values in between. A client that reconnects begins with the last value.
        """
        with self._reader() as changed:
            told = 0
            while True:
                changed.clear()
                ended, number, progress = self._ended, self._reports, self.progress
                if number > told:
                    told = number
                    yield Event(progress, event="progress", id=str(number))
                if ended:
                    yield Event({"state": self.state}, event="end")
                    return
                await changed.wait()

    async def ended(self) -> None:
        """Wait until it has ended, including its clean-up. Its exception is not raised."""
        with self._reader() as changed:
            while not self._ended:
                changed.clear()
                await changed.wait()

    @contextmanager
    def _reader(self) -> t.Iterator[asyncio.Event]:
        changed = asyncio.Event()
        with self._lock:
            self._readers[changed] = asyncio.get_running_loop()
        try:
            yield changed
        finally:
            with self._lock:
                del self._readers[changed]

    def _report(self, progress: t.Any) -> None:
        with self._lock:
            self._reports += 1
            self.progress = progress
        self._tell()

    def _tell(self) -> None:
        with self._lock:
            readers = list(self._readers.items())
        for changed, loop in readers:
            with suppress(RuntimeError):  # the loop was closed
                loop.call_soon_threadsafe(changed.set)

    # --- called on its loop -----------------------------------------------------------------------

    def _begin(self, task: asyncio.Task[t.Any]) -> None:
        task.set_name(self._name)
        self._task = task

    def _end(self, task: asyncio.Task[t.Any] | None = None) -> None:
        """Store how it has ended; None if it was cancelled before it began."""
        future = self._future
        if task is None or task.cancelled():
            future.cancel()
        error = None if task is None or task.cancelled() else task.exception()
        if future.set_running_or_notify_cancel():
            if error is not None:
                future.set_exception(error)
            elif task is not None:
                future.set_result(task.result())
        # So that remembering the task does not keep the request that has started it.
        self._name, self._task = self.get_name(), None
        self._ended = True
        self._tell()


def current_task() -> Task | None:
    """Return the current background task, or None. In receivers of `got_background_exception` it is
    the one that has failed."""
    return _current.get()


def report_progress(progress: t.Any) -> None:
    """Set the progress of the current background task: anything that can be made JSON. It is
    `Task.progress`, and an event of `Task.events`.

    This works in a `def` too. Outside of a task, as when a test calls the function, it does
    nothing.
    """
    task = _current.get()
    if task is not None:
        task._report(progress)  # noqa: SLF001 (this module's)


def enter(task: Task) -> None:
    """Make it the current task of this Context."""
    _current.set(task)
