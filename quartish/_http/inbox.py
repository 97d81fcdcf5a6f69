"""The messages that a client sends over one connection: received when somebody reads them.

Only an `Inbox` calls its connection's ASGI `receive`. As a rule the code that wants a message does
so itself. While the request's code waits for something else, a task (the reader) receives messages
ahead of time, so that a disconnect is noticed and ends the handler.

Messages that were read ahead are bounded by bytes: up to `SPOOL_SIZE` are kept in memory. When
nobody has read for a while, more of them, up to a limit, go to a temporary file. A handler that
does read never causes that: its client is slowed down instead (backpressure).
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import typing as t
from collections import deque
from time import monotonic
from types import MappingProxyType

from .._concurrency.loops import Turns
from ..typing import ASGIReceive
from ..typing import Message

WEBSOCKET_READ_AHEAD = 16 * 1024 * 1024
"""Bytes of a websocket's messages that are read ahead."""
SPOOL_SIZE = 500_000
"""Bytes of messages that stay in memory; what is more goes to a temporary file."""
PIECE = 65_536
"""Bytes of a body in a file that are taken for one message."""
MESSAGE_SIZE = 500
"""Bytes of memory that a message takes beside its content."""
STALLED = 0.2
"""Seconds in which nobody has read, after which messages that do not fit into memory go to disk."""
PAUSE = 0.1
"""Seconds to wait for the next message of a body that is dropped; a longer pause ends that."""
LONGEST_WAIT = 7
"""How often the time that `give_way` waits is doubled: up to 128 ms."""
QUEUED = 16
"""Messages that a server may have in its queue; Hypercorn has 10 (`max_app_queue_size`)."""
DISCONNECTS = frozenset(["http.disconnect", "websocket.disconnect"])
#: Where a message is in the file: offset, size, and what else it says.
_OnDisk = tuple[int, int, object]


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


async def _in_thread(func: t.Callable[..., t.Any], *args: t.Any) -> t.Any:
    """Run `func` off the loop and wait for its end, even when cancelled: the file that it writes to
    must not be closed before."""
    work = asyncio.ensure_future(asyncio.to_thread(func, *args))
    try:
        return await asyncio.shield(work)
    finally:
        await asyncio.wait([work])


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


def _write_all(file: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(file, data, offset)
        data, offset = data[written:], offset + written


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
    _messages: deque[Message | _OnDisk] | None = None
    #: Bytes of messages above which nothing more is read ahead. None: no limit.
    limit: int | None = WEBSOCKET_READ_AHEAD
    #: Bytes that were read ahead and that nobody has read yet: in memory, and altogether.
    _held = _ahead = 0
    _file: t.IO[bytes] | None = None
    #: Bytes in the file, and how many of its reads and writes are running.
    _file_size = _busy = 0
    #: Whether nothing goes to disk: when memory is full, nothing is received until somebody reads.
    in_memory = False
    #: The timer that calls `_go_on` when memory is full.
    _later: asyncio.TimerHandle | None = None
    #: The value of `reads` when messages began to go to disk.
    _spooling: int | None = None

    def __init__(
        self,
        receive: ASGIReceive,
        offload: t.Callable[..., t.Awaitable[t.Any]] = _in_thread,
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
        return len(self._messages) if self._messages else 0

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
            if self._messages:
                self.message = await self._next()
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

    async def _next(self) -> Message:
        """Return the first message that was read ahead."""
        messages = self._messages
        assert messages is not None
        entry: Message | _OnDisk = messages.popleft()
        if isinstance(entry, tuple):
            assert self._file is not None
            offset, size, rest = entry
            self._busy += 1
            try:
                data = await self.offload(os.pread, self._file.fileno(), size, offset)
            except BaseException:
                messages.appendleft(entry)
                raise
            finally:
                self._busy -= 1
            message = self._unpack(data, rest)
        else:
            message = entry
            self._held -= self._size(message) + MESSAGE_SIZE
        self._ahead -= self._size(message)
        if not messages and self._file is not None and not self._busy:
            self._file.close()
            self._file, self._file_size = None, 0
        self._settle()
        self.watch()  # there is room again; nothing else would start the reader
        return message

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
        self.free = self.reader is None and self.disconnect is None and not self._messages

    def watch(self) -> None:
        """Start the reader, unless somebody else reads or enough was read ahead."""
        if self.free or (
            self._messages
            and self.reader is None
            and self.disconnect is None
            and (self.drops or self._has_room())
        ):
            self._start()
        elif self._held >= SPOOL_SIZE:
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
        # The file only shrinks when all of it was read.
        if self.limit is not None and max(self._ahead, self._file_size) > self.limit:
            return False
        return self._held < SPOOL_SIZE or (self._spooling == self.reads and not self.in_memory)

    async def _read_ahead(self) -> None:
        if self._messages is None:
            self._messages = deque()
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
            self._held >= SPOOL_SIZE
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
        """Add a message that was read ahead: in memory, or on disk where that is full."""
        assert self._messages is not None
        size = self._size(message)
        self._ahead += size
        if self._held >= SPOOL_SIZE:
            self._busy += 1
            try:
                await self._write(message)
                return
            except OSError:
                self.limit = 0  # the disk is full: nothing more is read ahead
            finally:
                self._busy -= 1
        self._held += size + MESSAGE_SIZE
        self._messages.append(message)

    async def _write(self, message: Message) -> None:
        file = self._file
        if file is None:
            file = self._file = await self.offload(tempfile.TemporaryFile)
        data, rest = self._pack(message)
        offset, self._file_size = self._file_size, self._file_size + len(data)
        await self.offload(_write_all, file.fileno(), data, offset)
        self._add((offset, len(data), rest))

    def _add(self, entry: _OnDisk) -> None:
        assert self._messages is not None
        self._messages.append(entry)

    def _size(self, message: Message) -> int:
        """Return how many bytes of `limit` a message uses. Its entry in the queue counts too, as a
        client could send any number of empty messages."""
        text = message.get("text")
        return len(message.get("bytes") or b"" if text is None else text) + MESSAGE_SIZE

    def _pack(self, message: Message) -> tuple[bytes, object]:
        """Return the part of a message that is written to disk, and the part kept in memory."""
        text = message.get("text")
        if text is None:
            return message.get("bytes") or b"", "bytes"
        return text.encode("utf-8", "surrogatepass"), "text"

    def _unpack(self, data: bytes, rest: object) -> Message:
        if rest == "bytes":
            return {"type": "websocket.receive", "bytes": data}
        return {"type": "websocket.receive", "text": data.decode("utf-8", "surrogatepass")}

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
            if self._file is not None:
                self._file.close()


class HttpInbox(Inbox):
    """The messages of a request. No more than `limit` bytes of its body are read ahead."""

    limit = None
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
        limit = self.config["MAX_CONTENT_LENGTH"] if self.limit is None else self.limit
        if limit is None:
            if max(self._ahead, self._file_size) > self.config["READ_AHEAD_SIZE"]:
                return False
        elif self.taken + self._ahead > limit:
            return False
        return self._held < SPOOL_SIZE or (self._spooling == self.reads and not self.in_memory)

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

    def _add(self, entry: _OnDisk) -> None:
        """Add a piece of a body. It is joined with the one before, so that there are not many small
        ones."""
        assert self._messages is not None
        offset, size, more = entry
        last = self._messages[-1] if self._messages else None
        if type(last) is tuple and last[0] + last[1] == offset and last[1] < PIECE:
            self._messages[-1] = (last[0], last[1] + size, more)
        else:
            self._messages.append(entry)

    def _size(self, message: Message) -> int:
        return len(message.get("body") or b"")

    def _pack(self, message: Message) -> tuple[bytes, object]:
        return message.get("body") or b"", message.get("more_body", False)

    def _unpack(self, data: bytes, rest: object) -> Message:
        return {"type": "http.request", "body": data, "more_body": rest}
