"""When Hypercorn begins to stop.

ASGI tells an app that its server stops when all connections have ended. From Python 3.12 on
Hypercorn waits for these without end, for websockets, which nobody has told, and for streams: so
its own event is looked for, by whose method `send` is. Websockets are closed at once; requests
have the server's `graceful_timeout` to end, and are cancelled then.
"""

from __future__ import annotations

import asyncio
import typing as t
import weakref
from contextvars import Context
from functools import partial

from .._concurrency.watch import SERVER_STOPS
from ..typing import LiveApp

Stop = t.Callable[[], t.Coroutine[t.Any, t.Any, None]]

_watching: weakref.WeakKeyDictionary[t.Any, weakref.WeakSet[LiveApp]] = weakref.WeakKeyDictionary()
_calls: weakref.WeakKeyDictionary[t.Any, set[asyncio.Task[t.Any]]] = weakref.WeakKeyDictionary()
_tasks: set[asyncio.Task[None]] = set()


def _is_hypercorns(server: t.Any) -> bool:
    return type(server).__module__ == "hypercorn.asyncio.worker_context"


def when_it_stops(app: LiveApp, server: t.Any, stop: Stop) -> None:
    """Call `stop()` for an app, once, when Hypercorn begins to stop, whose context `server` is."""
    if not _is_hypercorns(server):
        return
    apps = _watching.setdefault(server, weakref.WeakSet())
    if app not in apps:
        apps.add(app)
        _watch(server.terminated, stop)


def calls_of(stream: t.Any) -> set[asyncio.Task[t.Any]] | None:
    """Return the tasks of requests that Hypercorn waits for, whose `stream` one of them has; None
    under another server."""
    server = stream.context
    if not _is_hypercorns(server):
        return None
    calls = _calls.get(server)
    if calls is None:
        calls = _calls[server] = set()
        _watch(server.terminated, partial(_cancel, calls, stream.config))
    return calls


async def _cancel(calls: set[asyncio.Task[t.Any]], config: t.Any) -> None:
    await asyncio.sleep(config.graceful_timeout)
    for task in calls:
        task.cancel(SERVER_STOPS)


def _watch(event: t.Any, stop: Stop) -> None:
    # Not in the Context of the connection that happens to be the first.
    waiting = asyncio.get_running_loop().create_task(_wait(event, stop), context=Context())
    _tasks.add(waiting)
    waiting.add_done_callback(_tasks.discard)


async def _wait(event: t.Any, stop: Stop) -> None:
    await event.wait()
    await stop()
