"""Sync code for async callers: the functions of `quart.utils` that extensions import."""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import typing as t
from contextvars import copy_context
from pathlib import Path

from .._concurrency.threads import to_thread
from ..wrappers.response_bodies import iterate_in_thread
from ..wrappers.response_bodies import view_pool

P = t.ParamSpec("P")
T = t.TypeVar("T")


def run_sync(func: t.Callable[P, T]) -> t.Callable[P, t.Coroutine[t.Any, t.Any, T]]:
    """Return an `async def` that runs `func` in a worker thread, in a copy of the Context.

    A generator that `func` returns is stepped through in worker threads as well.
    """

    @functools.wraps(func)
    async def call(*args: P.args, **kwargs: P.kwargs) -> t.Any:
        work = functools.partial(func, *args, **kwargs)
        result = await to_thread(view_pool(), copy_context(), work)
        return iterate_in_thread(result) if inspect.isgenerator(result) else result

    return call


async def cancel_tasks(tasks: set[asyncio.Task[t.Any]]) -> None:
    """Cancel tasks and wait for them; raise what one of them raised."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    raise_task_exceptions(tasks)


def raise_task_exceptions(tasks: set[asyncio.Task[t.Any]]) -> None:
    """Raise what one of the tasks, which are done, raised; those that were cancelled do not
    count."""
    for task in tasks:
        if not task.cancelled() and task.exception() is not None:
            raise t.cast(BaseException, task.exception())


def join_paths(*paths: str | os.PathLike[str] | bytes) -> Path:
    """Return `paths` joined."""
    return Path(*map(os.fsdecode, paths))
