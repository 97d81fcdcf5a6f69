"""Background tasks: work that an app starts and that outlives the request it came from."""

from __future__ import annotations

import asyncio
import threading
import typing as t
from asyncio import _get_running_loop
from contextvars import copy_context

from .._bridge import is_async_callable
from .._bridge import is_awaitable
from .._bridge import to_thread
from ..signals import got_background_exception


class BackgroundTasks:
    """The background tasks of one app.

    Under ASGI they run on the server's loop; where no loop runs (the WSGI door, a worker
    thread without one) on a loop thread that belongs to the app.
    """

    def __init__(self, app: t.Any) -> None:
        self.app = app
        self.tasks: set[asyncio.Task[t.Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    def add(
        self, func: t.Callable[..., t.Any], *args: t.Any, name: str | None = None, **kwargs: t.Any
    ) -> asyncio.Task[t.Any] | asyncio.Future[t.Any]:
        """Start `func(*args, **kwargs)` in an app context and return its task."""
        name = name or str(getattr(func, "__qualname__", repr(func)))
        coro = self._run(func, args, kwargs, name)
        loop = _get_running_loop()
        if loop is not None:
            return self._start(coro, name)
        from_loop = self.app.serving_loop
        target = from_loop if from_loop is not None else self._own_loop()
        return t.cast(
            "asyncio.Future[t.Any]", asyncio.run_coroutine_threadsafe(self._nest(coro, name), target)
        )

    def _start(self, coro: t.Coroutine[t.Any, t.Any, t.Any], name: str) -> asyncio.Task[t.Any]:
        task = asyncio.get_running_loop().create_task(coro, name=name)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def _nest(self, coro: t.Coroutine[t.Any, t.Any, t.Any], name: str) -> t.Any:
        return await self._start(coro, name)

    async def _run(
        self, func: t.Callable[..., t.Any], args: t.Any, kwargs: t.Any, name: str
    ) -> t.Any:
        app = self.app
        try:
            async with app.app_context():
                if is_async_callable(func):
                    return await func(*args, **kwargs)
                rv = await to_thread(
                    app.view_pool, copy_context(), lambda: func(*args, **kwargs)
                )
                return await rv if is_awaitable(rv) else rv
        except Exception as error:
            await self._failed(error, name)
            return None

    async def _failed(self, error: Exception, name: str) -> None:
        for _, rv in got_background_exception.send(
            self.app, _async_wrapper=self.app.ensure_sync, exception=error
        ):
            if is_awaitable(rv):
                await rv
        self.app.logger.error(
            "Exception in background task %s", name, exc_info=(type(error), error, error.__traceback__)
        )

    def _own_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(
                    target=self._loop.run_forever, name="quartish-background", daemon=True
                ).start()
            return self._loop

    async def stop(self, timeout: float) -> None:
        """Wait `timeout` seconds for the tasks, then cancel those that still run."""
        tasks = [task for task in self.tasks if task.get_loop() is asyncio.get_running_loop()]
        if not tasks:
            return
        _, running = await asyncio.wait(tasks, timeout=timeout)
        for task in running:
            self.app.logger.warning(
                "Background task %s was cancelled: it ran on %s seconds after shutdown began"
                " (BACKGROUND_TASK_SHUTDOWN_TIMEOUT)",
                task.get_name(),
                timeout,
            )
            task.cancel()
        if running:
            await asyncio.wait(running)
