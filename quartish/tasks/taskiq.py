"""Jobs of taskiq that run in an app's context: `taskiq_init_app`.

The queue, its workers and when a job counts as done are taskiq's. An app that serves starts and
stops the broker; a worker starts and stops the app, with its serving hooks.
"""

from __future__ import annotations

import typing as t
from collections.abc import AsyncIterator

from taskiq import AsyncBroker
from taskiq import TaskiqEvents
from taskiq import TaskiqMessage
from taskiq import TaskiqMiddleware
from taskiq import TaskiqState

from ..typing import AppLike
from .jobs import in_app_context

__all__ = ["taskiq_init_app"]

B = t.TypeVar("B", bound=AsyncBroker)


class _InAppContext(TaskiqMiddleware):
    """Puts an app's context around each job."""

    def __init__(self, app: AppLike) -> None:
        super().__init__()
        self._app = app
        self._known: set[str] = set()

    def pre_execute(self, message: TaskiqMessage) -> TaskiqMessage:
        """Give the job's function the context, before its first run in this process."""
        name = message.task_name
        task = None if name in self._known else self.broker.find_task(name)
        if task is not None:
            self._known.add(name)
            task.original_func = in_app_context(self._app, task.original_func)
        return message


def taskiq_init_app(app: AppLike, broker: B) -> B:
    """Let the jobs of a broker run in an app's context, and return the broker.

    `current_app`, `g` and what extensions keep work in a job as in a view; the teardown functions
    run after it. The broker is `app.extensions["taskiq"]`. It is started and stopped with the app.
    In a worker (`taskiq worker module:broker`) the app is started and stopped with the worker: its
    serving hooks run, periodic tasks do not.
    """
    serving: t.Any = app
    serving.extensions["taskiq"] = broker
    broker.add_middlewares(_InAppContext(app))

    async def start(state: TaskiqState) -> None:
        if not broker.is_worker_process:
            return  # a broker in memory is its own worker, and was started by the app
        serving.tasks.runs_periodic = False
        await serving.startup()

    async def stop(state: TaskiqState) -> None:
        if broker.is_worker_process:
            await serving.shutdown()

    broker.add_event_handler(TaskiqEvents.WORKER_STARTUP, start)
    broker.add_event_handler(TaskiqEvents.WORKER_SHUTDOWN, stop)

    @serving.while_serving  # type: ignore[untyped-decorator, unused-ignore]
    async def serve_broker() -> AsyncIterator[None]:
        if broker.is_worker_process:
            yield  # the app is started elsewhere
            return
        await broker.startup()
        try:
            yield
        finally:
            await broker.shutdown()

    return broker
