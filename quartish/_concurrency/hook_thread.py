"""The one worker thread that the synchronous hooks of an `async def` view may share.

`SYNC_HOOKS_IN_THREAD` gives each request one, from the first hook to the last teardown function.
They run there in the request's own Context, one after the other with what runs on the loop.
"""

from __future__ import annotations

import asyncio
import typing as t
from contextvars import copy_context

from .coroutines import settled
from .threads import to_thread
from .watch import Apart
from .workers import Stay
from .workers import Workers


class HookThread(Stay):
    """The thread of one request's hooks; `run_sync` uses it too. Made in the task of the app
    call."""

    def __init__(self, pool: Workers) -> None:
        super().__init__(pool)
        self._task = asyncio.current_task()

    async def do(self, func: t.Callable[..., t.Any], *args: t.Any) -> t.Any:
        """Call `func` in the thread, and return its value."""
        if asyncio.current_task() is self._task:
            rv = await Apart(self, func, *args)
        else:  # in a task of the user's, which runs in a Context of its own, not within `within`
            rv = await to_thread(self, copy_context(), func, *args)
        return await settled(rv)
