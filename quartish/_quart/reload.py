"""What development servers of programs' own are made of, around `app.run_task`, in *Quart's* words.

`app.run` and `quartish run` have a reloader of their own, in `_serving`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import typing as t

from .._serving.watch import of_program


class MustReloadError(Exception):
    """Raised by what looks for changes: the program is to be started anew."""


async def observe_changes(
    sleep: t.Callable[[float], t.Awaitable[t.Any]], shutdown_event: asyncio.Event
) -> None:
    """Raise MustReloadError once a file that the program is made of has changed; return once
    `shutdown_event` is set. It waits a second between two looks, by `sleep`."""
    watched = of_program()
    seen = await asyncio.to_thread(watched.look)
    while not shutdown_event.is_set():
        await sleep(1)
        if await asyncio.to_thread(watched.look) != seen:
            raise MustReloadError


def restart() -> None:
    """Start the program anew, in this process, with the arguments that it was started with."""
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606


def cancel_all_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel the tasks of a loop that was stopped, and wait for them; what they raise goes to the
    loop's exception handler."""
    tasks = asyncio.all_tasks(loop)
    if not tasks:
        return
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    for task in tasks:
        if not task.cancelled() and (error := task.exception()) is not None:
            loop.call_exception_handler(
                {"message": "unhandled at shutdown", "exception": error, "task": task}
            )
