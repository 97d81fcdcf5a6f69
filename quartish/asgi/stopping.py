"""When Hypercorn begins to stop.

ASGI tells an app that its server stops when all connections have ended. From Python 3.12 on
Hypercorn waits for these without end, its websockets too, which nobody has told: so its own event
is looked for, by whose method `send` is.
"""

from __future__ import annotations

import asyncio
import typing as t
import weakref
from contextvars import Context

_watching: weakref.WeakKeyDictionary[t.Any, weakref.WeakSet[t.Any]] = weakref.WeakKeyDictionary()
_tasks: set[asyncio.Task[None]] = set()


def when_it_stops(
    app: t.Any, server: t.Any, stop: t.Callable[[], t.Coroutine[t.Any, t.Any, None]]
) -> None:
    """Call `stop()` for an app, once, when Hypercorn begins to stop, whose context `server` is."""
    if type(server).__module__ != "hypercorn.asyncio.worker_context":
        return
    apps = _watching.setdefault(server, weakref.WeakSet())
    if app not in apps:
        apps.add(app)
        waiting = _wait(server.terminated, stop)
        # Not in the Context of the websocket that happens to be the first.
        task = asyncio.get_running_loop().create_task(waiting, context=Context())
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)


async def _wait(event: t.Any, stop: t.Callable[[], t.Coroutine[t.Any, t.Any, None]]) -> None:
    await event.wait()
    await stop()
