"""Groups that any number of processes share through Redis.

All messages go through one stream. Each process reads it from the last message that it has seen, so
that it gets messages later that were sent while it could not reach Redis. Each group has a stream
of its own with the messages for clients that reconnect, and for each process a hash with the
members there. That expires unless its process renews it, so that the members of a process that has
died go by themselves.

*Source:* Redis, "Streams"; it needs Redis 5 or later.
"""

from __future__ import annotations

import asyncio
import json
import logging
import operator
import typing as t
from collections.abc import Awaitable
from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from itertools import compress
from types import MappingProxyType
from uuid import uuid4

from .._redis import connect
from .._redis import longest_block
from .._redis import redis_error
from .messages import Message
from .messages import NO_ID
from .messages import order
from .messages import pack

T = t.TypeVar("T")

log: logging.Logger = logging.getLogger(__name__)

PASSING = 100_000
"""How many messages of all groups are kept for processes that cannot reach Redis."""
AGAIN = 0.2
"""Seconds between attempts to reach Redis."""
LIFE = 30
"""Seconds after which the members of a process that has not renewed them go."""
AT_ONCE = 500
"""Groups that are renewed, or members that are told of, by one command."""

#: Numbers and stores a message in one step. A message that is sent again, as there was no reply, is
#: not stored twice.
_PUBLISH = """
if not redis.call('SET', KEYS[3], 1, 'NX', 'EX', 60) then return end
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], '*',
    'group', ARGV[1], 'data', ARGV[2], 'sender', ARGV[3])
if tonumber(ARGV[5]) > 0 then
    redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[5], id, 'data', ARGV[2], 'sender', ARGV[3])
    redis.call('PEXPIRE', KEYS[2], ARGV[6])
end
"""
#: Adds members and what is told of them, where any are given, and renews what a process has in
#: groups: of each the hash of its members, and its entry in the group's set of processes. Returns
#: for each whether the hash is there.
_RENEW = """
local process, life, there = ARGV[1], tonumber(ARGV[2]), {}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 3, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
for i = 1, #KEYS, 2 do
    local found = redis.call('PEXPIRE', KEYS[i], life)
    there[#there + 1] = found
    if found == 1 then
        redis.call('ZADD', KEYS[i + 1], now, process)
        redis.call('ZREMRANGEBYSCORE', KEYS[i + 1], '-inf', now - life)
        redis.call('PEXPIRE', KEYS[i + 1], life)
    end
end
return there
"""


class RedisBroker:
    """The groups of a Redis server.

    Raises:
        ModuleNotFoundError: `redis` is not installed.
    """

    def __init__(
        self,
        deliver: Callable[[Message], Awaitable[None]],
        url: str,
        history: int,
        keep: float,
        prefix: str,
        patience: float,
    ) -> None:
        self._deliver = deliver
        self._redis = connect(url, "Groups")
        self._error = redis_error()
        self._block = longest_block(self._redis)
        self._history = history
        self._keep = max(1, round(1000 * keep))
        self._prefix = prefix
        self._patience = patience
        self._all = f"{prefix}:messages"
        self._process = uuid4().hex
        #: The members in this process, and what is told of them, by their groups.
        self._here: dict[str, dict[str, bytes]] = {}
        #: Members that have left, and are not removed in Redis yet.
        self._left: set[tuple[str, str]] = set()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def is_open(self) -> bool:
        return bool(self._tasks)

    async def open(self) -> None:
        newest = await self._try(lambda: self._redis.xrevrange(self._all, count=1))
        last = newest[0][0].decode() if newest else "0-0"
        self._tasks = [
            asyncio.create_task(self._read(last), name="quartish-groups-read"),
            asyncio.create_task(self._keep_alive(), name="quartish-groups-alive"),
        ]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._tasks.clear()
        with suppress(self._error):
            for group in self._here:
                await self._redis.delete(self._members_of(group))
        await self._redis.aclose()

    async def publish(self, group: str, data: t.Any, sender: str) -> None:
        keys = [self._all, self._key("kept", group), self._key("sent", uuid4().hex)]
        given = [group, pack(data), sender, PASSING, self._history, self._keep]
        await self._try(lambda: self._redis.eval(_PUBLISH, len(keys), *keys, *given))

    async def replay(self, group: str, after: str) -> list[Message]:
        # Text that is no id comes before all.
        last = order(after)
        begin = "-" if last == NO_ID else "({}-{}".format(*last)
        kept = await self._try(lambda: self._redis.xrange(self._key("kept", group), min=begin))
        return [_message(group, number, fields) for number, fields in kept]

    async def enter(self, group: str, member: str, info: t.Any) -> None:
        told = json.dumps(info).encode()
        self._here.setdefault(group, {})[member] = told
        await self._try(lambda: self._renew([group], {member: told}))

    async def leave(self, group: str, member: str) -> None:
        here = self._here.get(group, {})
        here.pop(member, None)
        if not here:
            self._here.pop(group, None)
        self._left.add((group, member))
        with suppress(self._error):  # else it is done later
            await self._forget(group, member)

    async def members(self, group: str) -> dict[str, t.Any]:
        processes = await self._try(lambda: self._redis.zrange(self._key("members", group), 0, -1))
        found: dict[str, t.Any] = {}
        for process in processes:
            key = self._members_of(group, process.decode())
            told = await self._try(lambda: self._redis.hgetall(key))  # noqa: B023
            found.update({member.decode(): json.loads(line) for member, line in told.items()})
        return found

    # --- the delivery -----------------------------------------------------------------------------

    async def _read(self, last: str) -> None:
        """Deliver the messages after `last`, as long as the app serves."""
        away = False
        while True:
            try:
                found = await self._redis.xread({self._all: last}, count=1000, block=self._block)
            except self._error as error:
                if not away:
                    log.warning("Redis is not there (%s): groups wait for it", error)
                away = True
                await asyncio.sleep(AGAIN)
                continue
            if away:
                log.warning("Redis is there again")
                await self._tell_again()
            away = False
            for _, entries in found:
                for number, fields in entries:
                    last = number.decode()
                    try:
                        await self._deliver(_message(fields[b"group"].decode(), number, fields))
                    except Exception:  # else no message would be delivered any more
                        log.exception("What Redis has in %s at %s is no message", self._all, last)

    async def _tell_again(self) -> None:
        """Add the members of this process again after Redis was out of reach, as it may have lost
        them."""
        with suppress(self._error):
            await self._tell(list(self._here))
            await self._forget_all()

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(LIFE / 3)
            with suppress(self._error):
                groups = list(self._here)
                for at in range(0, len(groups), AT_ONCE):
                    some = groups[at : at + AT_ONCE]
                    there = await self._renew(some)
                    # What has expired meanwhile, as this process was held up, is told again.
                    await self._tell(list(compress(some, map(operator.not_, there))))
                await self._forget_all()

    async def _renew(
        self, groups: list[str], told: t.Mapping[str, bytes] = MappingProxyType({})
    ) -> list[int]:
        """Renew this process's members in groups; tell of some, where that is one group. Return for
        each whether there are any."""
        keys = []
        for group in groups:
            keys += [self._members_of(group), self._key("members", group)]
        given = [self._process, round(1000 * LIFE), *chain.from_iterable(told.items())]
        there: list[int] = await self._redis.eval(_RENEW, len(keys), *keys, *given)
        return there

    async def _tell(self, groups: list[str]) -> None:
        """Add the members that this process has in groups."""
        for group in groups:
            members = list(self._here.get(group, ()))
            for at in range(0, len(members), AT_ONCE):
                here = self._here.get(group, {})
                told = {each: here[each] for each in members[at : at + AT_ONCE] if each in here}
                if told:
                    await self._renew([group], told)
                here = self._here.get(group, {})
                self._left.update((group, each) for each in told if each not in here)

    async def _forget_all(self) -> None:
        for group, member in list(self._left):
            await self._forget(group, member)

    async def _forget(self, group: str, member: str) -> None:
        await self._redis.hdel(self._members_of(group), member)
        self._left.discard((group, member))

    def _members_of(self, group: str, process: str | None = None) -> str:
        return self._key("here", f"{group}:{process or self._process}")

    def _key(self, kind: str, name: str) -> str:
        return f"{self._prefix}:{kind}:{name}"

    async def _try(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Send a command to Redis, and repeat it for a while if Redis cannot be reached. Then raise
        the error."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._patience
        while True:
            try:
                return await ask()
            except self._error:
                if loop.time() > end:
                    raise
                await asyncio.sleep(AGAIN)


def _message(group: str, number: bytes, fields: t.Mapping[bytes, bytes]) -> Message:
    return Message.of(number.decode(), group, fields[b"data"], fields[b"sender"].decode())
