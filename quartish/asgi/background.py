"""Background tasks: work that an app starts and that outlives the request it came from.

A failure is logged with the task's name, whether or not anybody awaits the task, and raised
to who does.
"""

from __future__ import annotations

import asyncio
import os
import threading
import typing as t
import weakref
from asyncio import _get_running_loop
from concurrent.futures import Future
from contextvars import copy_context

from .._concurrency.coroutines import from_thread
from .._concurrency.coroutines import is_async_callable
from .._concurrency.coroutines import is_awaitable
from .._concurrency.coroutines import under
from .._concurrency.coroutines import Watch
from .._concurrency.threads import lane_loop
from .._concurrency.threads import to_thread
from .._current import call_with_context
from .._mistakes import explain
from ..logging import folding
from ..signals import got_background_exception

LAST_CALL = 1.0
"""Seconds that a cancelled task may take to end."""
MOMENT = 0.1
"""Seconds in which one that is given up ends."""


class ThreadTask:
    """A background task as code in a thread holds it. Use it from any thread; `await` it on
    any loop."""

    def __init__(self, future: Future[t.Any], name: str) -> None:
        self._future = future
        self._name = name

    def get_name(self) -> str:
        return self._name

    def done(self) -> bool:
        return self._future.done()

    def cancel(self) -> bool:
        return self._future.cancel()

    def cancelled(self) -> bool:
        return self._future.cancelled()

    def result(self, timeout: float | None = None) -> t.Any:
        """Wait for the result, `timeout` seconds at most; blocks this thread."""
        return self._future.result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for what the task raised, or None; blocks this thread."""
        return self._future.exception(timeout)

    def __await__(self) -> t.Generator[t.Any, t.Any, t.Any]:
        return asyncio.wrap_future(self._future).__await__()


class BackgroundTasks:
    """The background tasks of one app.

    They run on the loop of whoever starts them: the one that runs, that of the request which
    a worker thread serves, or the server's. Where there is none (the WSGI door) they run on a
    loop in a thread that belongs to the app and ends with it.
    """

    def __init__(self, app: weakref.ref[t.Any]) -> None:
        self._app = app
        self.tasks: set[asyncio.Task[t.Any]] = set()
        self._watches: dict[asyncio.Task[t.Any], Watch] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0
        self._lock = threading.Lock()

    @property
    def app(self) -> t.Any:
        app = self._app()
        assert app is not None, "used after its app was gone"
        return app

    def add(
        self, func: t.Callable[..., t.Any], *args: t.Any, name: str | None = None, **kwargs: t.Any
    ) -> asyncio.Task[t.Any] | ThreadTask:
        """Start `func(*args, **kwargs)` in an app context and return its task."""
        name = name or str(getattr(func, "__qualname__", repr(func)))
        watch = Watch()
        coro = _run(self.app, watch, func, args, kwargs)
        if _get_running_loop() is not None:
            return self._start(coro, name, watch)
        loop = lane_loop() or self.app.serving_loop or self._own_loop()
        nested = self._nest(coro, name, watch)
        return ThreadTask(asyncio.run_coroutine_threadsafe(nested, loop), name)

    def _start(
        self, coro: t.Coroutine[t.Any, t.Any, t.Any], name: str, watch: Watch
    ) -> asyncio.Task[t.Any]:
        task = asyncio.get_running_loop().create_task(coro, name=name)
        self.tasks.add(task)
        self._watches[task] = watch
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[t.Any]) -> None:
        self.tasks.discard(task)
        del self._watches[task]
        if not task.cancelled():
            task.exception()  # was logged: asyncio need not complain

    async def _nest(self, coro: t.Coroutine[t.Any, t.Any, t.Any], name: str, watch: Watch) -> t.Any:
        return await self._start(coro, name, watch)

    def _own_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._process != os.getpid():  # it has no such thread
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

    async def stop(self, timeout: float) -> None:
        """Wait `timeout` seconds for the tasks, then cancel those that still run."""
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


async def _run(
    app: t.Any, watch: Watch, func: t.Callable[..., t.Any], args: t.Any, kwargs: t.Any
) -> t.Any:
    def call() -> t.Any:
        with app.app_context():  # its teardown runs in this thread too
            rv = func(*args, **kwargs)
            return from_thread(rv) if is_awaitable(rv) else rv

    try:
        if not is_async_callable(func):
            return await to_thread(app.view_pool, copy_context(), call)
        async with app.app_context():
            return await under(watch, func(*args, **kwargs))
    except Exception as error:
        ctx = app.app_context()  # the task's own has ended
        await call_with_context(app.handle_background_exception, error, ctx=ctx)
        raise


async def report(app: t.Any, error: Exception) -> None:
    """Tell receivers of the signal, and the log, what the background task that runs raised."""
    for _, rv in got_background_exception.send(
        app, _async_wrapper=app.ensure_sync, exception=error
    ):
        if is_awaitable(rv):
            await rv
    explain(error, app.app_context())
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
        if stubborn:  # but those in threads end
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
        return  # a forked process, in which the loop does not run

    async def stop() -> None:
        await _stop(dict(tasks), config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"])

    if _get_running_loop() is not loop:  # the garbage collector may be anywhere
        asyncio.run_coroutine_threadsafe(stop(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
