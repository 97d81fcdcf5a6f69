"""Where what is said goes: to everybody who listens in the room, and into its history.

Who listens first and then asks for the history misses nothing; what comes twice is known
by its id. Ids grow, also from one run of the server to the next.
"""

from __future__ import annotations

import asyncio
import itertools
import time
import typing as t
from collections import defaultdict
from collections import deque
from contextlib import contextmanager

Message = dict[str, t.Any]
Queue = asyncio.Queue[t.Optional[Message]]

HISTORY = 200  # messages of a room that are kept
BEHIND = 100  # messages that a slow client may be behind before it has to come again


class Ear(Queue):
    """What one client is yet to be told. Its last item is None once some were lost."""

    lost = False

    def tell(self, message: Message | None) -> None:
        if self.lost:
            return
        if message is None or self.qsize() >= BEHIND:
            self.lost, message = True, None
        self.put_nowait(message)


class Hub:
    """The rooms, as this process sees them. Use it in `async with`."""

    def __init__(self) -> None:
        self.ears: defaultdict[str, set[Ear]] = defaultdict(set)

    async def say(self, room: str, message: Message) -> None:
        """Give the message an id, keep it and tell everybody."""
        raise NotImplementedError

    async def history(self, room: str, after: int) -> list[Message]:
        """Return what was said after the message of that id, the oldest first."""
        raise NotImplementedError

    @contextmanager
    def listen(self, room: str) -> t.Iterator[Queue]:
        """Give a queue that gets what is said in the room."""
        ear = Ear()
        self.ears[room].add(ear)
        try:
            yield ear
        finally:
            self.ears[room].discard(ear)
            if not self.ears[room]:
                del self.ears[room]

    def tell(self, room: str, message: Message) -> None:
        for ear in self.ears.get(room, ()):
            ear.tell(message)

    def tell_of_loss(self) -> None:
        """Let all clients come again: some messages may not have come through."""
        for ear in itertools.chain.from_iterable(self.ears.values()):
            ear.tell(None)

    async def __aenter__(self) -> t.Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        pass


class MemoryHub(Hub):
    """Rooms in the memory of one process."""

    def __init__(self) -> None:
        super().__init__()
        self.ids = itertools.count(time.time_ns() // 1_000_000)
        self.said: defaultdict[str, deque[Message]] = defaultdict(lambda: deque(maxlen=HISTORY))

    async def say(self, room: str, message: Message) -> None:
        message = {"id": next(self.ids), **message}
        self.said[room].append(message)
        self.tell(room, message)

    async def history(self, room: str, after: int) -> list[Message]:
        return [message for message in self.said.get(room, ()) if message["id"] > after]
