"""Background tasks: work that an app starts and that outlives the request it came from.

An exception is logged with the task's name, and also raised to code that awaits the task.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
import typing as t
import weakref
from asyncio import _get_running_loop
from collections import deque
from collections.abc import Iterator
from contextvars import copy_context
from functools import partial

from .._concurrency.coroutines import is_async_callable
from .._concurrency.coroutines import is_awaitable
from .._concurrency.threads import lane_loop
from .._concurrency.threads import to_thread
from .._concurrency.watch import under
from .._concurrency.watch import Watch
from .._current import call_with_context
from .._mistakes.explain import explain
from ..logging import folding
from ..signals import got_background_exception
from ..typing import LiveApp
from .jobs import in_app_context
from .periodic import Periodic
from .periodic import Schedule
from .task import current_task
from .task import enter
from .task import Task

LAST_CALL = 1.0
"""Seconds that a cancelled task may take to end."""
MOMENT = 0.1
"""Seconds for the end of a task that was given up."""


class Tasks:
    """The background tasks of one app, `app.tasks`: those that run, the oldest first.

    They run on the loop of the code that starts them: the running one, or in a worker thread that
    of its request, or the server's. If there is none (by WSGI), they run on a loop in a thread that
    belongs to the app and ends with it.
    """

    def __init__(self, app: weakref.ref[t.Any]) -> None:
        self._app = app
        #: The asyncio tasks of those that run, for code that expects Quart's set.
        self.running: set[asyncio.Task[t.Any]] = set()
        self._watches: dict[asyncio.Task[t.Any], Watch] = {}
        self._tasks: dict[asyncio.Task[t.Any], Task] = {}
        self._named: deque[Task] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0
        self._lock = threading.Lock()
        self._schedule = Schedule()
        #: Whether this process runs periodic tasks; workers of job queues do not.
        self.runs_periodic = True

    @property
    def app(self) -> t.Any:
        """The app."""
        app = self._app()
        assert app is not None, "used after its app was collected"
        return app

    # --- which there are --------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Task]:
        return iter(list(self._tasks.values()))

    def __len__(self) -> int:
        return len(self._tasks)

    def __bool__(self) -> bool:
        return True  # also while none runs

    def named(self, name: str) -> list[Task]:
        """Return the running tasks of a name, the oldest first. Names need not be unique."""
        return [task for task in self if task.get_name() == name]

    def get(self, name: str) -> Task | None:
        """Return the task of that name: the newest that runs, else the last one that has ended
        (`BACKGROUND_TASK_HISTORY`), or None."""
        kept = [task for task in list(self._named) if task.get_name() == name]
        return next(reversed([*kept, *self.named(name)]), None)

    def __getitem__(self, name: str) -> Task:
        """Return the task of that name, as `get` does. Raises KeyError."""
        task = self.get(name)
        if task is None:
            names = ", ".join(sorted({repr(task.get_name()) for task in self})) or "none"
            raise KeyError(f"No background task is named {name!r}; there run: {names}.")
        return task

    def cancel(self, name: str) -> int:
        """Cancel all tasks of that name, and return how many there were."""
        return sum(task.cancel() for task in self.named(name))

    async def wait(self, *names: str, timeout: float | None = None) -> bool:
        """Wait for the tasks of these names, or for all that run, except the calling one.

        Returns whether all have ended, within `timeout` seconds if that is given. Their exceptions
        are not raised here, but to code that awaits them.
        """
        tasks = [task for task in self if not names or task.get_name() in names]
        waits = [asyncio.ensure_future(k.ended()) for k in tasks if k is not current_task()]
        try:
            if waits:
                await asyncio.wait(waits, timeout=timeout)
            return all(each.done() for each in waits)
        finally:
            for each in waits:
                each.cancel()

    @property
    def periodic(self) -> list[Periodic]:
        """The periodic tasks that `app.every` has registered."""
        return list(self._schedule.periodic.values())

    # --- their lives ------------------------------------------------------------------------------

    def add(
        self, func: t.Callable[..., t.Any], *args: t.Any, **kwargs: t.Any
    ) -> asyncio.Task[t.Any] | Task:
        """Start `func(*args, **kwargs)` in an app context and return its task."""
        name: str | None = None
        if "name" in kwargs and not takes_name(func, args):
            name = kwargs.pop("name")
        handle = Task(name or name_of(func))
        if name:
            self._keep(handle)
        if _get_running_loop() is not None:
            return self._start(handle, func, args, kwargs)

        def start() -> None:
            if handle.cancelled():
                handle._end()  # noqa: SLF001 (this package's)
            else:
                self._start(handle, func, args, kwargs)

        loop = lane_loop() or self.app.quartish_serving_loop or self._own_loop()
        loop.call_soon_threadsafe(start)
        return handle

    def _keep(self, task: Task) -> None:
        """Remember the last tasks that were named by the user."""
        self._named.append(task)
        while len(self._named) > self.app.config["BACKGROUND_TASK_HISTORY"]:
            self._named.popleft()

    def _start(
        self, handle: Task, func: t.Callable[..., t.Any], args: t.Any, kwargs: t.Any
    ) -> asyncio.Task[t.Any]:
        watch = Watch()
        coro = _run(self.app, handle, watch, func, args, kwargs)
        task = asyncio.get_running_loop().create_task(coro)
        handle._begin(task)  # noqa: SLF001
        self.running.add(task)
        self._watches[task] = watch
        self._tasks[task] = handle
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[t.Any]) -> None:
        self.running.discard(task)
        del self._watches[task]
        # This also reads its exception, which was logged, so that asyncio does not log it again.
        self._tasks.pop(task)._end(task)  # noqa: SLF001

    def _own_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if (
                self._loop is None or self._process != os.getpid()
            ):  # a forked process has no such thread
                loop = self._loop = asyncio.new_event_loop()
                self._process = os.getpid()
                threading.Thread(
                    target=_run_loop, args=[loop], name="quartish-background", daemon=True
                ).start()
                # Also at the end of the process, where tasks may still run.
                weakref.finalize(
                    self, _end_loop, loop, self._watches, self.app.config, self._process
                )
            return self._loop

    def add_periodic(self, each: Periodic) -> None:
        """Register a periodic task. Raises ValueError if there is one of this name."""
        self._schedule.add(each)

    def open(self) -> None:
        """Start the periodic tasks."""
        if self.runs_periodic:
            self._schedule.open(self.app, self._run_periodic)

    async def _run_periodic(self, each: Periodic) -> None:
        task = self._start(Task(each.name), each.func, (), {})
        await asyncio.wait([task])

    async def stop(self, timeout: float) -> None:
        """Stop the periodic tasks; wait `timeout` seconds for all tasks, then cancel those that
        still run."""
        self._schedule.stop()
        loop = asyncio.get_running_loop()
        tasks = {k: watch for k, watch in self._watches.items() if k.get_loop() is loop}
        tasks.pop(t.cast("asyncio.Task[t.Any]", asyncio.current_task()), None)
        for task in await _stop(tasks, timeout):
            self.app.logger.warning(
                "Background task %s was cancelled: it ran on %s seconds after shutdown began"
                " (BACKGROUND_TASK_SHUTDOWN_TIMEOUT)%s",
                task.get_name(),
                timeout,
                " and still runs in its thread"
                if not task.done()
                else ", and given up: it catches every cancellation"
                if tasks[task].given_up
                else "",
            )
        await self._schedule.close(LAST_CALL)


def name_of(func: t.Callable[..., t.Any]) -> str:
    """Return the default name for a task of a function."""
    while isinstance(func, partial):
        func = func.func
    return str(getattr(func, "__qualname__", repr(func)))


def takes_name(func: t.Callable[..., t.Any], args: t.Sequence[t.Any]) -> bool:
    """Say whether `func` accepts `func(*args, name=...)`: then `name` is an argument for it.

    A decorator that passes everything on accepts what the decorated function accepts.
    """
    while True:
        try:
            signature = inspect.signature(func, follow_wrapped=False)
        except (TypeError, ValueError):  # a builtin without a signature
            return False
        try:
            signature.bind_partial(*args, name=None)
        except TypeError:
            return False
        inner = getattr(func, "__wrapped__", None)
        if inner is None or "name" in signature.parameters:
            return True
        func = inner


async def _run(
    app: LiveApp,
    handle: Task,
    watch: Watch,
    func: t.Callable[..., t.Any],
    args: t.Any,
    kwargs: t.Any,
) -> t.Any:
    enter(handle)

    try:
        if not is_async_callable(func):
            call = in_app_context(app, func)
            return await to_thread(app.view_pool, copy_context(), partial(call, *args, **kwargs))
        async with app.app_context():
            return await under(watch, func(*args, **kwargs))
    except Exception as error:
        ctx = app.app_context()  # the task's own context has ended
        try:
            await call_with_context(app.handle_background_exception, error, ctx=ctx)
        except Exception as failure:
            _log(app, error)
            app.logger.error(
                "Exception in what was to handle that of background task %s",
                handle.get_name(),
                exc_info=failure,
                extra=folding(app),
            )
        raise


async def report(app: LiveApp, error: Exception) -> None:
    """Send the signal and log the exception of the current background task."""
    for _, rv in got_background_exception.send(
        app, _async_wrapper=app.ensure_sync, exception=error
    ):
        if is_awaitable(rv):
            await rv
    explain(error, app.app_context())
    _log(app, error)


def _log(app: LiveApp, error: Exception) -> None:
    task = asyncio.current_task()
    app.logger.error(
        "Exception in background task %s",
        task and task.get_name(),
        exc_info=(type(error), error, error.__traceback__),
        extra=folding(app),
    )


async def _stop(
    tasks: t.Mapping[asyncio.Task[t.Any], Watch], timeout: float
) -> set[asyncio.Task[t.Any]]:
    """Wait for tasks, then cancel them; return those that were cancelled."""
    if not tasks:
        return set()
    _, running = await asyncio.wait(tasks, timeout=timeout)
    for task in running:
        task.cancel()
    if running:
        _, stubborn = await asyncio.wait(running, timeout=LAST_CALL)
        for task in stubborn:
            tasks[task].give_up()
        if stubborn:  # those in threads are waited for
            await asyncio.wait(stubborn, timeout=MOMENT)
    return running


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()


def _end_loop(
    loop: asyncio.AbstractEventLoop,
    tasks: t.Mapping[asyncio.Task[t.Any], Watch],
    config: t.Mapping[str, t.Any],
    process: int,
) -> None:
    if process != os.getpid():
        return  # in a forked process the loop does not run

    async def stop() -> None:
        await _stop(dict(tasks), config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"])

    if _get_running_loop() is not loop:  # garbage collection may run in any thread
        asyncio.run_coroutine_threadsafe(stop(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
