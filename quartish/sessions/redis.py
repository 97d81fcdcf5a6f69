"""Sessions in a Redis server, each in a hash. The changes of a request are written in one step.

*Source:* Redis, "EVAL"; it needs Redis 5 or later, or Valkey, and no cluster.
"""

from __future__ import annotations

import asyncio
import typing as t
from collections.abc import AsyncGenerator
from datetime import datetime
from datetime import timedelta
from datetime import UTC

from .._redis import connect
from .._redis import is_redis_url
from .._redis import PATIENCE
from .._redis import redis_error
from .._redis import redis_library
from .stored import ServerSideSessionInterface
from .stored import SessionChange

#: Keys: the session's new key and its present one, the user's sessions, the former user's sessions.
#: Arguments: milliseconds, both ids, whether to remove all items, how many names of removed items
#: follow, these, then names and texts of changed items.
_WRITE = """
local target, source, index = KEYS[1], KEYS[2], KEYS[3]
if source ~= '' then
    if redis.call('EXISTS', source) == 0 then return 0 end
    if ARGV[4] == '1' then redis.call('DEL', source)
    elseif source ~= target then redis.call('RENAME', source, target) end
end
local first = 6 + tonumber(ARGV[5])
for n = 6, first - 1 do redis.call('HDEL', target, ARGV[n]) end
for n = first, #ARGV, 2 do redis.call('HSET', target, ARGV[n], ARGV[n + 1]) end
redis.call('PEXPIRE', target, ARGV[1])
if KEYS[4] ~= '' then redis.call('ZREM', KEYS[4], ARGV[3]) end
if index ~= '' then
    local clock = redis.call('TIME')
    local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
    redis.call('ZREMRANGEBYSCORE', index, '-inf', now)
    redis.call('ZADD', index, now + ARGV[1], ARGV[2])
    redis.call('PEXPIRE', index, math.max(ARGV[1], redis.call('PTTL', index)))
end
return 1
"""


class RedisSessionInterface(ServerSideSessionInterface):
    """Keeps sessions in a Redis server: `app.session_interface = RedisSessionInterface(url)`.

    Each event loop has connections of its own, which end with it. If the server cannot
    be reached, reading a session raises SessionUnavailable (503); requests that do not are served.

    Args:
        redis: The address of the server, or a `redis.asyncio.Redis` of yours, which works on one
            event loop: `redis://`, `rediss://` or `unix://`.
        prefix: The beginning of all keys in Redis.
        user_key: The item that says whose the session is; `_user_id` is Flask-Login's.
        **options: What `redis.asyncio.BlockingConnectionPool.from_url` takes. By default there
            are 50 connections, and 5 seconds for each reply.

    Raises:
        ModuleNotFoundError: `redis` is not installed.
        ValueError: The address is not one of Redis.
    """

    def __init__(
        self,
        redis: t.Any = "redis://localhost",
        *,
        prefix: str = "session:",
        user_key: str = "_user_id",
        **options: t.Any,
    ) -> None:
        super().__init__(prefix=prefix, user_key=user_key)
        given = redis_library("Sessions in Redis").Redis
        self.errors: tuple[type[Exception], ...] = (redis_error(), OSError)
        self._url: str | None = redis if isinstance(redis, str) else None
        self._given: t.Any = None if isinstance(redis, str) else redis
        if self._url and not is_redis_url(self._url):
            raise ValueError(f"Sessions are kept at 'redis://...', not {redis!r}.")
        if self._given is not None and not isinstance(self._given, given):
            raise ValueError(f"Sessions need a redis.asyncio.Redis or a URL, not {redis!r}.")
        self._options = {"timeout": PATIENCE, **options}
        self._script: t.Any = None
        self._connected_by = f"{self._url} {sorted(self._options.items())!r}"

    async def read(self, id: str) -> dict[str, str] | None:
        """Return the items of a session as text; None if there is none."""
        fields = await (await self._client()).hgetall(self.prefix + id)
        return {_text(name): _text(value) for name, value in fields.items()} or None

    async def end_of(self, id: str) -> datetime | None:
        """Return when a session expires; None if there is none."""
        left = await (await self._client()).pttl(self.prefix + id)
        return None if left < 0 else datetime.now(UTC) + timedelta(milliseconds=left)

    async def write(self, change: SessionChange) -> bool:
        """Write a change. Return False, and write nothing, if the session has ended meanwhile."""
        keys = [
            self.prefix + change.id,
            "" if change.before is None else self.prefix + change.before,
            self._index(change.user),
            self._index(change.user_before),
        ]
        given: list[t.Any] = [int(change.seconds * 1000), change.id, change.before or ""]
        given += [int(change.cleared), len(change.removed)]
        given += [name.encode(*_AS) for name in change.removed]
        for name, text in change.changed.items():
            given += [name.encode(*_AS), text]
        client = await self._client()
        if self._script is None:
            self._script = client.register_script(_WRITE)
        return bool(await self._script(keys, given, client=client))

    async def delete(self, id: str) -> bool:
        """Delete a session; return whether there was one."""
        return bool(await (await self._client()).delete(self.prefix + id))

    async def ids_of(self, user: str) -> list[str]:
        """Return the ids of the sessions of a user; some of them may have ended."""
        found = await (await self._client()).zrange(self._index(user), 0, -1)
        return [_text(id) for id in found]

    def _index(self, user: str | None) -> str:
        return "" if user is None else f"{self.prefix}of:{user}"

    # --- connections ----------------------------------------------------------------------------

    async def _client(self) -> t.Any:
        """Return this event loop's client."""
        if self._given is not None:
            return self._given
        loop = asyncio.get_running_loop()
        found = _clients.get((loop, self._connected_by))
        if found is None:
            for key in [key for key in _clients if key[0].is_closed()]:
                del _clients[key]
            held = self._hold((loop, self._connected_by))
            found = _clients[loop, self._connected_by] = (await anext(held), held)
        return found[0]

    async def _hold(self, key: t.Any) -> AsyncGenerator[t.Any, None]:
        """Keep a client until the loop ends, which closes its async generators."""
        client = connect(t.cast(str, self._url), "Sessions", **self._options)
        try:
            yield client
        finally:
            _clients.pop(key, None)
            await client.aclose()


_AS = ("utf-8", "surrogatepass")


def _text(value: str | bytes) -> str:
    return (
        value if isinstance(value, str) else value.decode(*_AS)
    )  # a client of the user's may decode by itself


#: By event loop, and by address and options: a client, and the generator that closes it. They live
#: as long as their loop, and interfaces for the same server share them.
_clients: dict[tuple[t.Any, str], tuple[t.Any, t.Any]] = {}
