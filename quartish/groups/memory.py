"""Groups in the memory of one process, and what every broker has to do."""

from __future__ import annotations

import time
import typing as t
from collections import defaultdict
from collections import deque
from collections.abc import Awaitable
from collections.abc import Callable

from .messages import Message
from .messages import order
from .messages import pack
from .messages import unpack


class Broker(t.Protocol):
    """Takes messages of any process, and gives each process all of them, in one order."""

    @property
    def is_open(self) -> bool:
        """Whether messages come."""
        ...

    async def open(self) -> None:
        """Deliver each message from now on."""

    async def close(self) -> None:
        """Deliver no more."""

    async def publish(self, group: str, data: t.Any, sender: str) -> None:
        """Send a message, this process's own members included."""

    async def replay(self, group: str, after: str) -> list[Message]:
        """Return what is kept of a group's messages since the one of that id."""
        ...

    async def enter(self, group: str, member: str, info: t.Any) -> None:
        """Tell of a member."""

    async def leave(self, group: str, member: str) -> None:
        """Tell of a member no more."""

    async def members(self, group: str) -> dict[str, t.Any]:
        """Return what is told of a group's members, by their ids, in all processes."""
        ...


class MemoryBroker:
    """The groups of this process alone."""

    is_open = True  # also where nothing starts the app, as in many a test

    def __init__(
        self, deliver: Callable[[Message], Awaitable[None]], history: int, keep: float
    ) -> None:
        self._deliver = deliver
        self._history = history
        self._keep = keep
        self._last = (0, 0)
        self._members: defaultdict[str, dict[str, t.Any]] = defaultdict(dict)
        #: By group, what is kept and since when nothing was added; the one of longest ago first.
        self._kept: dict[str, tuple[float, deque[Message]]] = {}

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def publish(self, group: str, data: t.Any, sender: str) -> None:
        now, (then, number) = time.time_ns() // 1_000_000, self._last
        self._last = (now, 0) if now > then else (then, number + 1)
        # As what came through another process: what is changed later was sent as it was.
        message = Message.of("{}-{}".format(*self._last), group, pack(data), sender)
        if self._history > 0:
            self._add(group, message)
        await self._deliver(message)

    def _add(self, group: str, message: Message) -> None:
        now = time.monotonic()
        _, kept = self._kept.pop(group, (now, deque(maxlen=self._history)))
        kept.append(message)
        self._kept[group] = now, kept
        self._forget(now)

    def _forget(self, now: float) -> None:
        while self._kept:
            group = next(iter(self._kept))
            if now - self._kept[group][0] < self._keep:
                break
            del self._kept[group]

    async def replay(self, group: str, after: str) -> list[Message]:
        self._forget(time.monotonic())
        last = order(after)
        _, kept = self._kept.get(group, (0, ()))
        return [message for message in kept if order(message.id) > last]

    async def enter(self, group: str, member: str, info: t.Any) -> None:
        self._members[group][member] = unpack(pack(info))

    async def leave(self, group: str, member: str) -> None:
        members = self._members.get(group, {})
        members.pop(member, None)
        if not members:
            self._members.pop(group, None)

    async def members(self, group: str) -> dict[str, t.Any]:
        return dict(self._members.get(group, {}))
