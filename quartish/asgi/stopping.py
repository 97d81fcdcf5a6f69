"""The server stops: noticing that Hypercorn begins to, and the requests that it has cancelled.

By ASGI an app learns that its server stops only after all connections have ended. From Python 3.12
on Hypercorn waits for these without a limit, also for websockets and streams, which do not know. So
Hypercorn's own event is used, which is found through the object whose method `send` is. Websockets
are closed at once; requests may go on for the server's `graceful_timeout`, and are then cancelled.

A server may end its process as soon as the app's shutdown has ended, although requests that it has
cancelled are not over: uvicorn raises its signal again. So the shutdown waits for these.
"""

from __future__ import annotations

import asyncio
import typing as t
import weakref
from contextvars import Context
from functools import partial

from .._concurrency.watch import SERVER_STOPS
from ..typing import LiveApp
from .exchange import Exchange
from .exchange import MOMENT

Stop = t.Callable[[], t.Coroutine[t.Any, t.Any, None]]

_watching: weakref.WeakKeyDictionary[t.Any, weakref.WeakSet[LiveApp]] = weakref.WeakKeyDictionary()
_calls: weakref.WeakKeyDictionary[t.Any, set[Exchange]] = weakref.WeakKeyDictionary()
_tasks: set[asyncio.Task[None]] = set()


def _is_hypercorns(server: object) -> bool:
    return type(server).__module__ == "hypercorn.asyncio.worker_context"


def when_it_stops(app: LiveApp, server: t.Any, stop: Stop) -> None:
    """Call `stop()`, once for each app, when Hypercorn begins to stop. `server` is its context."""
    if not _is_hypercorns(server):
        return
    apps = _watching.setdefault(server, weakref.WeakSet())
    if app not in apps:
        apps.add(app)
        _watch(server.terminated, stop)


def cancelled_requests(app: LiveApp) -> list[asyncio.Task[t.Any]]:
    """Return the tasks of requests that were cancelled, and are cleaning up, on this loop. They may
    be those of other apps, which the same Hypercorn serves."""
    loop = asyncio.get_running_loop()
    exchanges = app.quartish_exchanges.union(*list(_calls.values()))
    return [
        exchange.task
        for exchange in exchanges
        if exchange.task is not None
        and exchange.task.get_loop() is loop
        and _is_cancelled(exchange, exchange.task)
    ]


def _is_cancelled(exchange: Exchange, task: asyncio.Task[t.Any]) -> bool:
    return exchange.in_grace or task.cancelling() > 0


def calls_of(stream: t.Any) -> set[Exchange] | None:
    """Return the set of the requests that Hypercorn waits for; `stream` is the one of a request.
    Return None under another server."""
    server = stream.context
    if not _is_hypercorns(server):
        return None
    calls = _calls.get(server)
    if calls is None:
        calls = _calls[server] = set()
        _watch(server.terminated, partial(_cancel, calls, stream.config))
    return calls


async def _cancel(calls: set[Exchange], config: t.Any) -> None:
    # Before Python 3.12 Hypercorn does this by itself; a second time would end their clean-up.
    await asyncio.sleep(config.graceful_timeout + MOMENT)
    for exchange in calls:
        if exchange.task is not None and not _is_cancelled(exchange, exchange.task):
            exchange.task.cancel(SERVER_STOPS)


def _watch(event: t.Any, stop: Stop) -> None:
    # Not in the Context of the first connection, which happens to start this.
    waiting = asyncio.get_running_loop().create_task(_wait(event, stop), context=Context())
    _tasks.add(waiting)
    waiting.add_done_callback(_tasks.discard)


async def _wait(event: t.Any, stop: Stop) -> None:
    await event.wait()
    await stop()
