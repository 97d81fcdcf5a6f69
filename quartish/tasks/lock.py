"""One run at a time, and one for each time that is due, in all processes that share a Redis.

A run holds a lock for as long as it lasts, which its process renews; one that dies loses it half a
minute later. And it takes the number of what is due, which no other takes again. *Source:* Redis,
"Distributed Locks", with one server.
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
"""Seconds after which the lock of a process that says nothing is free."""


class Lock:
    """The locks of an app at one Redis. Raises ValueError for what is none."""

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
        """Do the work that is due at `slot`, if no other process does or did, and return whether
        it was done; seconds from one slot to the next say how long it is remembered."""
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
                pass  # it was lost, as was logged, or is when its time is over
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
                with suppress(self._error):  # Redis came back without it, or this loop stood still
                    told = not await lock.acquire(blocking=False)

    async def close(self) -> None:
        await self._redis.aclose()
