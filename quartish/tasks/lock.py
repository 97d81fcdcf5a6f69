"""Locks of periodic tasks in Redis: of all processes one runs a task, and once for each time.

A run holds a lock as long as it lasts. Its process renews it; if the process dies, the lock ends
half a minute later. A run also stores the number of the time that it was due, so that no other
process runs it again for that. *Source:* Redis, "Distributed Locks", with one server.
"""

from __future__ import annotations

import asyncio
import logging
import typing as t
from collections.abc import Awaitable
from collections.abc import Callable
from contextlib import suppress

from .._redis import connect
from .._redis import is_redis_url
from .._redis import redis_error

LIFE = 30.0
"""Seconds after which a lock that was not renewed is free."""


class Lock:
    """The locks of an app at one Redis. Raises ValueError for an invalid address."""

    def __init__(self, url: str, app: str, log: logging.Logger) -> None:
        if not is_redis_url(url):
            raise ValueError(f"Periodic tasks are locked at 'redis://...', not {url!r}.")
        self._redis = connect(url, "Locks of periodic tasks")
        self._error = redis_error()
        self._prefix = f"quartish:every:{app}"
        self._log = log
        self._away = False

    async def run(
        self, name: str, slot: float, seconds: float, work: Callable[[], Awaitable[None]]
    ) -> bool:
        """Do the work that is due at `slot`, unless another process does it or has done it. Return
        whether it was done. `seconds` to the next slot decide how long that is remembered."""
        key = f"{self._prefix}:{name}"
        lock = self._redis.lock(key, timeout=LIFE)
        try:
            if not await lock.acquire(blocking=False):
                return False
            taken = f"{key}:{round(slot, 3)}"
            mine = await self._redis.set(taken, 1, nx=True, px=round(2000 * seconds + 60_000))
        except self._error as error:
            if not self._away:
                self._log.warning(
                    "Redis is not there (%s): periodic tasks that are locked by it wait for it",
                    error,
                )
            self._away = True
            return False
        self._away = False
        renewing = asyncio.create_task(self._renew(name, lock))
        try:
            if mine:
                await work()
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])
            try:
                await lock.release()
            except self._error:
                pass  # it was lost, which was logged; or it expires
        return bool(mine)

    async def _renew(self, name: str, lock: t.Any) -> None:
        told = False
        while True:
            await asyncio.sleep(LIFE / 3)
            try:
                await lock.reacquire()
            except self._error as error:
                if not told:
                    self._log.warning(
                        "The lock of periodic task %s is not renewed, and another process may run"
                        " it at the same time: %s",
                        name,
                        error,
                    )
                told = True
                with suppress(self._error):  # Redis has lost it, or this loop was blocked
                    told = not await lock.acquire(blocking=False)

    async def close(self) -> None:
        await self._redis.aclose()
