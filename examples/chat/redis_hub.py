"""Rooms in Redis, shared by any number of processes: publish/subscribe for what is being
said, a list for what was."""

from __future__ import annotations

import asyncio
import json
import logging
import typing as t
from contextlib import suppress

from redis import asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from .hub import HISTORY
from .hub import Hub
from .hub import Message

RETRY = 0.5  # seconds between attempts to reach Redis again

#: Number, keep and publish a message in one step, so that no process sees them out of order.
SAY = f"""
local line = redis.call('INCR', 'chat:id') .. ' ' .. ARGV[1]
redis.call('RPUSH', KEYS[1], line)
redis.call('LTRIM', KEYS[1], -{HISTORY}, -1)
redis.call('PUBLISH', KEYS[1], line)
"""

log = logging.getLogger(__name__)


class RedisHub(Hub):
    """The rooms of a Redis server. One subscription serves all clients of this process."""

    def __init__(self, url: str) -> None:
        super().__init__()
        # It would connect again by itself, and not say that messages were missed meanwhile.
        never = Retry(NoBackoff(), 0)
        self.redis: redis.Redis = redis.from_url(url, decode_responses=True, retry=never)
        self.hears = asyncio.Event()

    async def say(self, room: str, message: Message) -> None:
        await t.cast(t.Any, self.redis.eval(SAY, 1, f"chat:room:{room}", json.dumps(message)))

    async def history(self, room: str, after: int) -> list[Message]:
        await self.hears.wait()
        lines = await t.cast(t.Any, self.redis.lrange(f"chat:room:{room}", 0, -1))
        return [message for message in map(_read, lines) if message["id"] > after]

    async def __aenter__(self) -> t.Self:
        self.task = asyncio.create_task(self._hear(), name="chat-redis")
        await self.hears.wait()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task
        await self.redis.aclose()

    async def _hear(self) -> None:
        """Pass on what is published, for as long as the server runs."""
        while True:
            try:
                async with self.redis.pubsub() as pubsub:
                    await pubsub.psubscribe("chat:room:*")
                    self.hears.set()
                    async for event in pubsub.listen():
                        if event["type"] == "pmessage":
                            room = event["channel"].removeprefix("chat:room:")
                            self.tell(room, _read(event["data"]))
            except RedisError as error:
                log.warning("Redis is not there (%s): trying again", error)
                self.hears.clear()
                self.tell_of_loss()
                await self.redis.connection_pool.disconnect()
                await asyncio.sleep(RETRY)


def _read(line: str) -> Message:
    number, _, message = line.partition(" ")
    return {"id": int(number), **json.loads(message)}
