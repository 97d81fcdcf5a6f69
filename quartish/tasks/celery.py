"""Jobs of Celery that run in an app's context: `celery_init_app`, as Flask's documentation has it.

The queue, its workers and when a job counts as done are Celery's.
"""

from __future__ import annotations

import typing as t

from celery import Celery
from celery import Task

from .._concurrency.coroutines import from_thread
from .._concurrency.coroutines import is_awaitable
from .jobs import in_app_context

if t.TYPE_CHECKING:
    from ..typing import AppLike

__all__ = ["celery_init_app"]


def celery_init_app(app: AppLike) -> Celery:
    """Return a Celery app, set up by `app.config["CELERY"]`, whose jobs run in an app's context.

    `current_app`, `g` and what extensions keep work in a job as in a view; the teardown functions
    run after it. A job may be an `async def`, which runs on a loop that belongs to the worker's
    thread. It is `app.extensions["celery"]`, and Celery's default app: `shared_task` finds it.
    Workers (`celery --app module:celery worker`) run no serving hooks.

    Flask:
        Documents it as code to copy, without `async def`.
    """
    serving: t.Any = app

    class AppTask(Task):
        def __call__(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
            rv = in_app_context(app, self.run)(*args, **kwargs)
            return from_thread(rv) if is_awaitable(rv) else rv

    celery = Celery(serving.name, task_cls=AppTask)
    celery.config_from_object(serving.config.get("CELERY") or {})
    celery.set_default()
    serving.extensions["celery"] = celery
    return celery
