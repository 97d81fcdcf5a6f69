"""Calls of a websocket's that nobody awaited, named in debug mode.

Python warns of such a coroutine when it is collected, by a name that is not the user's; here the
line that made it is told, and what was not done.
"""

from __future__ import annotations

import functools
import logging
import typing as t
import weakref
from asyncio import _get_running_loop

from .._concurrency.coroutines import mark_async
from ..wrappers.unawaited import find_place
from ..wrappers.unawaited import Place

NAMES = ("accept", "close", "receive", "receive_json", "send", "send_json")


def watch_calls(app: t.Any, websocket: t.Any) -> None:
    """Let the websocket's own calls be told of, where they are dropped without being awaited."""
    for name in NAMES:
        method = getattr(websocket, name)
        setattr(websocket, name, _watched(app.logger, method, name))


def _watched(
    log: logging.Logger, method: t.Callable[..., t.Any], name: str
) -> t.Callable[..., t.Any]:
    @mark_async
    @functools.wraps(method)
    def call(*args: t.Any, **kwargs: t.Any) -> t.Any:
        if _get_running_loop() is None:
            return method(*args, **kwargs)  # in a thread, where it is waited for
        begun: list[bool] = []
        coro: t.Any = _noted(begun, method, args, kwargs)
        coro.__qualname__ = coro.__name__ = f"websocket.{name}"
        weakref.finalize(coro, _tell, log, begun, name, find_place())
        return coro

    return call


async def _noted(
    begun: list[bool], method: t.Callable[..., t.Awaitable[t.Any]], args: t.Any, kwargs: t.Any
) -> t.Any:
    begun.append(True)
    return await method(*args, **kwargs)


def _tell(log: logging.Logger, begun: list[bool], name: str, place: Place) -> None:
    if not begun:
        log.warning(
            "`websocket.%s(...)` was not awaited, and so nothing was %s: write `await"
            " websocket.%s(...)`; %s",
            name,
            _DONE[name.partition("_")[0]],
            name,
            place,
        )


_DONE = {"accept": "accepted", "close": "closed", "receive": "received", "send": "sent"}
