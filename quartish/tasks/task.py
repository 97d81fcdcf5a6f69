"""One background task, as any code may hold it: its name, its outcome, how far it has come."""

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
    """A background task. Use it from any thread; `await` it on any loop: who is cancelled while he
    waits leaves the task as it is.

    Attributes:
        started: When it was begun, in UTC.
        progress: What it has said last by `report_progress`; None before.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._future: Future[t.Any] = Future()
        self._task: asyncio.Task[t.Any] | None = None  # once its loop has begun it
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
        """Whether it runs, or how it ended."""
        if self._future.cancelled():
            return "cancelled"
        if not self._future.done():
            return "running"
        return "done" if self._future.exception() is None else "failed"

    def done(self) -> bool:
        """Say whether it has ended, or was told to."""
        return self._future.done()

    def cancelled(self) -> bool:
        """Say whether it was cancelled."""
        return self._future.cancelled()

    def cancel(self) -> bool:
        """Cancel it, and return whether that could be done. A `def` in its thread goes on, and
        its result is thrown away."""
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
        """Wait for what the task raised, or None; blocks this thread."""
        return self._future.exception(timeout)

    def __await__(self) -> t.Generator[t.Any, t.Any, t.Any]:
        return outcome(asyncio.wrap_future(self._future)).__await__()

    # --- progress ---------------------------------------------------------------------------------

    async def events(self) -> AsyncIterator[Event]:
        """Yield its progress as server-sent events: `progress`, with what it said last, and in the
        end `end`, with its `{"state": ...}`.

        Who reads slowly is not told of what was said in between. A reader that comes back begins
        with what was said last.
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
        """Wait until it has ended, its clean-up included; raise nothing of it."""
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
            with suppress(RuntimeError):  # closed: nobody reads any more
                loop.call_soon_threadsafe(changed.set)

    # --- what its loop says -----------------------------------------------------------------------

    def _begin(self, task: asyncio.Task[t.Any]) -> None:
        task.set_name(self._name)
        self._task = task

    def _end(self, task: asyncio.Task[t.Any] | None = None) -> None:
        """Take over how it ended; None: it was cancelled before it began."""
        future = self._future
        if task is None or task.cancelled():
            future.cancel()
        error = None if task is None or task.cancelled() else task.exception()
        if future.set_running_or_notify_cancel():
            if error is not None:
                future.set_exception(error)
            elif task is not None:
                future.set_result(task.result())
        # Who remembers this one need not keep the request that it was begun from.
        self._name, self._task = self.get_name(), None
        self._ended = True
        self._tell()


def current_task() -> Task | None:
    """Return the background task that this code runs in, or None. Receivers of
    `got_background_exception` ask for the one that failed."""
    return _current.get()


def report_progress(progress: t.Any) -> None:
    """Say how far the background task that this code runs in has come: anything that JSON can say.
    It is `Task.progress`, and an event of `Task.events`.

    From a `def` too. Code that is no task, as when a test calls the function, tells nobody.
    """
    task = _current.get()
    if task is not None:
        task._report(progress)  # noqa: SLF001 (this module's)


def enter(task: Task) -> None:
    """Make it the one that this Context runs in."""
    _current.set(task)
