"""The messages that a client sends over one connection: received when somebody reads them.

Only an `Inbox` calls its connection's ASGI `receive`. As a rule the code that wants a message does
so itself. While the request's code waits for something else, a task (the reader) receives messages
ahead of time, so that a disconnect is noticed and ends the handler.

What was read ahead is in a `Spool`: up to `SPOOL_SIZE` bytes in memory. When nobody has read for a
while, more is read ahead, up to a limit, and goes to a temporary file. A handler that does read
never causes that: its client is slowed down instead (backpressure).
"""

from __future__ import annotations

import asyncio
import typing as t
from time import monotonic
from types import MappingProxyType

from .._concurrency.loops import Turns
from ..typing import ASGIReceive
from ..typing import Message
from .spool import BodySpool
from .spool import EMPTY
from .spool import in_thread
from .spool import Spool
from .spool import SPOOL_SIZE

WEBSOCKET_READ_AHEAD = 16 * 1024 * 1024
"""Bytes of a websocket's messages that are read ahead."""
STALLED = 0.2
"""Seconds in which nobody has read, after which messages that do not fit into memory go to disk."""
PAUSE = 0.1
"""Seconds to wait for the next message of a body that is dropped; a longer pause ends that."""
LONGEST_WAIT = 7
"""How often the time that `give_way` waits is doubled: up to 128 ms."""
QUEUED = 16
"""Messages that a server may have in its queue; Hypercorn has 10 (`max_app_queue_size`)."""
DISCONNECTS = frozenset(["http.disconnect", "websocket.disconnect"])


class Refusing(t.Protocol):
    """What may refuse a read again and again, and counts that."""

    quartish_refusals: int


async def give_way(refusing: Refusing) -> None:
    """Give the loop its turn before a read raises. User code may catch that and read again, in an
    endless loop: from the second refusal on each takes twice as long as the one before it. The
    first one takes no time, as a client that has sent all of its request may look as if it had
    disconnected, and waits for its response."""
    refusing.quartish_refusals += 1
    if refusing.quartish_refusals > 1:
        await asyncio.sleep(0.001 * 2 ** min(refusing.quartish_refusals - 2, LONGEST_WAIT))


def _at_hand(receive: ASGIReceive) -> Message | None:
    """Return a message if one can be received without waiting, else None."""
    steps = receive().__await__()
    try:
        next(steps)
    except StopIteration as end:
        message: Message = end.value
        return message
    # A server in another language has an awaitable of its own (granian): no generator.
    close: t.Any = getattr(steps, "close", None) or getattr(steps, "cancel", None)
    if close is not None:
        close()
    return None


class Listener(t.Protocol):
    """What is called when the client has disconnected."""

    def disconnected(self) -> None:
        """The reader has received the disconnect. Called once."""

    def disconnect_raised(self) -> None:
        """Code of the user's reads or sends, and gets an exception because the client has
        disconnected. Called each time."""


class Inbox:
    """The messages of one connection, in order, a disconnect last.

    `watch` is called each time the request's code suspends. It starts the reader, unless that code
    is itself reading. So a request that never waits costs no task.
    """

    #: The task that reads ahead; where there is one, `close` has to be awaited at the end.
    reader: asyncio.Task[None] | None = None
    #: The message that `fetch` received last.
    message: Message
    #: Whether messages that there is no room for are dropped, and how many were.
    drops: bool = False
    dropped: int = 0
    #: How many messages the reader has received.
    seen: int = 0
    #: How many bytes of a body somebody has read.
    taken: int = 0
    #: Whether the end of a body was read ahead.
    complete = False
    #: The app's config, for its limits of bodies.
    config: t.Mapping[str, t.Any]
    #: What was read ahead and not read yet.
    spool: Spool = EMPTY
    spool_class: t.ClassVar[type[Spool]] = Spool
    #: Bytes of messages above which nothing more is read ahead. None: no limit.
    limit: int | None = WEBSOCKET_READ_AHEAD
    #: Whether nothing goes to disk: when memory is full, nothing is received until somebody reads.
    in_memory = False
    #: The timer that calls `_go_on` when memory is full.
    _later: asyncio.TimerHandle | None = None
    #: The value of `reads` when messages began to go to disk.
    _spooling: int | None = None

    def __init__(
        self,
        receive: ASGIReceive,
        offload: t.Callable[..., t.Awaitable[t.Any]] = in_thread,
        listener: Listener | None = None,
    ) -> None:
        self.receive = receive
        self.listener = listener
        #: Whether `receive` may be called right now: nobody else is in it, nothing was read ahead,
        #: and the client has not disconnected.
        self.free: bool = True
        #: Futures of tasks that wait until somebody else has received something.
        self.waiting: list[asyncio.Future[None]] | None = None
        #: The disconnect message, once it was received; None while the client is connected.
        self.disconnect: Message | None = None
        #: Whether nothing more is to be sent: the client has disconnected, or has stopped reading.
        self.over: bool = False
        #: How many reads there were.
        self.reads: int = 0
        #: `offload(func, *args)` runs file operations off the loop, and is always waited for.
        self.offload = offload

    @property
    def pending(self) -> int:
        """Messages received ahead and not read yet."""
        return len(self.spool.messages)

    @property
    def is_awaited(self) -> bool:
        """Whether a task waits for a message. A disconnect wakes it, too."""
        return any(not turn.done() for turn in self.waiting or ())

    async def get(self) -> Message:
        """Return the next message; after a disconnect, the disconnect message each time."""
        await self.fetch()
        return self.message

    async def pause(self) -> None:
        """Give the loop one turn without starting the reader, as the caller goes on reading."""
        if not self.free:
            await asyncio.sleep(0)
            return
        self.free = False
        try:
            await asyncio.sleep(0)
        finally:
            self.free = True
            if self.waiting:
                self.wake()

    async def fetch(self) -> None:
        """Receive the next message and store it as `message`. (`Body` steps through this coroutine
        by hand, and so gets no return value.)"""
        self.reads += 1
        while not self.free:
            if self.spool.messages:
                self.message = await self.spool.take()
                self._settle()
                self.watch()  # there is room again; nothing else would start the reader
                return
            if self.disconnect is not None:
                self.message = self.disconnect
                return
            # The reader, or another task, is in `receive` already: wait for what it gets.
            await self._turn()
        self.free = False
        try:
            self.message = message = await self.receive()
        finally:
            self.free = True
            if self.waiting:
                self.wake()
        if message["type"] in DISCONNECTS:
            self.end(message)

    def end(self, message: Message) -> None:
        """Note the disconnect message."""
        self.disconnect = message
        self.free, self.over = False, True

    def _turn(self) -> asyncio.Future[None]:
        turn = asyncio.get_running_loop().create_future()
        if self.waiting is None:
            self.waiting = []
        self.waiting.append(turn)
        return turn

    def wake(self) -> None:
        waiting, self.waiting = self.waiting, None
        for turn in waiting or ():
            if not turn.done():  # its task may have been cancelled
                turn.set_result(None)

    def _settle(self) -> None:
        self.free = self.reader is None and self.disconnect is None and not self.spool.messages

    def watch(self) -> None:
        """Start the reader, unless somebody else reads or enough was read ahead."""
        if self.free or (
            self.spool.messages
            and self.reader is None
            and self.disconnect is None
            and (self.drops or self._has_room())
        ):
            self._start()
        elif self.spool.held >= SPOOL_SIZE:
            self._look_later()

    def drop(self) -> None:
        """Go on reading, and drop messages that there is no room for, as nobody will ask for them.
        Hypercorn puts the disconnect into the same bounded queue as the messages before it, and our
        last `send` waits until there is room in that."""
        self.drops = True
        Inbox.watch(self)

    async def skip(self, pause: float, end: float, most: float = float("inf")) -> None:
        """Drop what comes until the end of the body, or a disconnect. Stop earlier when nothing
        came for `pause` seconds, at the time `end` of `monotonic`, or after `most` messages."""
        seen, moved, most = self.seen, monotonic(), self.seen + most
        while self.reader is not None and not self.complete and self.seen < most:
            rest = min(moved + pause, end) - monotonic()
            if rest <= 0:
                break
            await asyncio.wait([self._turn()], timeout=rest)
            if self.seen != seen:
                seen, moved = self.seen, monotonic()

    async def drain(self) -> None:
        """After the end of the request, drop up to as many messages as a server's queue holds. Stop
        earlier when none comes for a moment."""
        end, seen = self.dropped + QUEUED, -1
        while self.reader is not None and not self.complete:
            if seen == self.dropped or self.dropped >= end:
                break
            seen = self.dropped
            await asyncio.wait([self.reader], timeout=PAUSE)
        await self.close()
        if self.disconnect is None and not self.complete:
            for _ in range(QUEUED):  # a full queue would block the server after we returned
                message = _at_hand(self.receive)
                if message is None or message["type"] in DISCONNECTS:
                    break

    def _start(self) -> None:
        self.free = False
        self.reader = asyncio.get_running_loop().create_task(self._read_ahead())

    def _has_room(self) -> bool:
        spool = self.spool
        if self.limit is not None and max(spool.size, spool.file_size) > self.limit:
            return False
        return spool.held < SPOOL_SIZE or (self._spooling == self.reads and not self.in_memory)

    async def _read_ahead(self) -> None:
        turns = Turns()
        try:
            while self._has_room() or self.drops:
                await turns.give()  # a server may have thousands of small messages ready
                message = await self.receive()
                self.seen += 1
                if message["type"] in DISCONNECTS:
                    self.disconnect, self.over = message, True
                    if self.listener is not None:
                        self.listener.disconnected()
                    return
                if self.drops and not self._has_room():
                    self._pass_over(message)
                    if self.dropped % QUEUED == 0:  # limits what a flooding client can cost us
                        await asyncio.sleep(PAUSE)
                    continue
                await self._keep(message)
                if self.waiting:
                    self.wake()
        finally:
            self.reader = None
            self._settle()
            self.wake()
        self._look_later()

    def _pass_over(self, message: Message) -> None:
        """Drop a message."""
        self.dropped += 1
        if self.waiting:
            self.wake()

    def _look_later(self) -> None:
        """If memory is full, check after `STALLED` seconds whether somebody has read."""
        if (
            self.spool.held >= SPOOL_SIZE
            and self._later is None
            and self.reader is None
            and self.disconnect is None
        ):
            loop = asyncio.get_running_loop()
            self._later = loop.call_later(STALLED, self._go_on, self.reads)

    def _go_on(self, reads: int) -> None:
        """Go on reading ahead, to disk if nobody has read since (`reads` says)."""
        self._later = None
        if self.reader is None and self.disconnect is None:
            if self.reads == reads:
                self._spooling = reads
                if self._has_room():
                    self._start()
            else:
                self.watch()

    async def _keep(self, message: Message) -> None:
        """Keep a message that was read ahead until somebody reads it."""
        if self.spool is EMPTY:
            self.spool = self.spool_class(self.offload)
        if not await self.spool.put(message):
            self.limit = 0  # the disk is full: nothing more is read ahead

    async def close(self) -> None:
        """Stop the reader and wait until it has stopped."""
        if self._later is not None:
            self._later.cancel()
        try:
            reader = self.reader
            if reader is not None:
                reader.cancel()
                await asyncio.wait([reader])
        finally:
            self.listener = None  # breaks a reference cycle
            if self.spool.file is not None:
                self.spool.file.close()


class HttpInbox(Inbox):
    """The messages of a request. No more than `limit` bytes of its body are read ahead."""

    limit = None
    spool_class = BodySpool
    #: The app's config, for how many bytes of a body are read ahead.
    config: t.Mapping[str, t.Any] = MappingProxyType(
        {"MAX_CONTENT_LENGTH": None, "READ_AHEAD_SIZE": float("inf")}
    )
    #: Whether the server went on sending body messages after the last one.
    _repeats = False

    def watch(self) -> None:
        if not self._repeats:
            super().watch()

    def _has_room(self) -> bool:
        if self.complete:
            return not self._repeats
        spool = self.spool
        limit = self.config["MAX_CONTENT_LENGTH"] if self.limit is None else self.limit
        if limit is None:
            if max(spool.size, spool.file_size) > self.config["READ_AHEAD_SIZE"]:
                return False
        elif self.taken + spool.size > limit:
            return False
        return spool.held < SPOOL_SIZE or (self._spooling == self.reads and not self.in_memory)

    async def _keep(self, message: Message) -> None:
        if self.complete:
            # After the end of a body only a disconnect can follow. A faulty server (or a test's
            # `receive`) that repeats the last message would be read for ever.
            self._repeats, self.drops = True, False
            return
        self.complete = not message.get("more_body", False)
        await super()._keep(message)

    def _pass_over(self, message: Message) -> None:
        self.complete = not message.get("more_body", False)
        super()._pass_over(message)
