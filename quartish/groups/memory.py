"""Groups in the memory of one process, and the interface of brokers."""

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
    """Distributes messages: all processes get those of any process, in the same order."""

    @property
    def is_open(self) -> bool:
        """Whether messages are delivered."""
        ...

    async def open(self) -> None:
        """Begin to deliver messages."""

    async def close(self) -> None:
        """End the delivery."""

    async def publish(self, group: str, data: t.Any, sender: str) -> None:
        """Send a message, also to the members in this process."""

    async def replay(self, group: str, after: str) -> list[Message]:
        """Return the messages of a group that are kept, after the one with that id."""
        ...

    async def enter(self, group: str, member: str, info: t.Any) -> None:
        """Add a member."""

    async def leave(self, group: str, member: str) -> None:
        """Remove a member."""

    async def members(self, group: str) -> dict[str, t.Any]:
        """Return the `info` of a group's members in all processes, by their ids."""
        ...


class MemoryBroker:
    """The groups of this process alone."""

    is_open = True  # also if nothing starts the app, as in many tests

    def __init__(
        self, deliver: Callable[[Message], Awaitable[None]], history: int, keep: float
    ) -> None:
        self._deliver = deliver
        self._history = history
        self._keep = keep
        self._last = (0, 0)
        self._members: defaultdict[str, dict[str, t.Any]] = defaultdict(dict)
        #: By group, the messages that are kept and when the last one came; the oldest first.
        self._kept: dict[str, tuple[float, deque[Message]]] = {}

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def publish(self, group: str, data: t.Any, sender: str) -> None:
        now, (then, number) = time.time_ns() // 1_000_000, self._last
        self._last = (now, 0) if now > then else (then, number + 1)
        # As through Redis: changing the data later does not change the message.
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
