"""The messages of one connection: pulled by the code that reads them, never pumped.

An `Inbox` owns a connection's ASGI `receive`. Whoever reads calls it; only while the
request's code waits for something else does a reader task look ahead, within bounds, and so
notices that the client left: a disconnect ends the handler, whoever reads.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import typing as t
from collections import deque

from .typing import ASGIReceive
from .typing import Message

WEBSOCKET_READ_AHEAD = 16
"""Messages of a websocket that are read ahead."""
SPOOL_SIZE = 500_000
"""Bytes of a request body that stay in memory; what is longer goes to a temporary file."""
STALLED = 0.2
"""Seconds without reading after which what does not fit into memory is read ahead to disk."""
LONGEST_WAIT = 7
"""So often is the time that `give_way` waits doubled: to 128 ms."""
DISCONNECTS = frozenset(["http.disconnect", "websocket.disconnect"])
#: Where a piece of a body is in the file: offset, size, and whether more follows.
_OnDisk = tuple[int, int, bool]


async def give_way(told: t.Any) -> None:
    """Let others have the loop, before something is raised that user code may catch, and then
    ask again, in a loop: for longer each time that `told.refusals` counts, the first time not at
    all. A client that said all it had to say may look as if it had left, and is owed an answer."""
    told.refusals += 1
    if told.refusals > 1:
        await asyncio.sleep(0.001 * 2 ** min(told.refusals - 2, LONGEST_WAIT))


class Inbox:
    """The messages of one connection, in order, a disconnect last.

    `watch` is called each time the request's code suspends. It starts the reader unless
    that code is itself reading, so an exchange that never waits costs no task.
    `left` is called once, from the reader, when the client is seen to have gone; `told` each
    time somebody is told so.
    """

    #: The task that reads ahead; where there is one, `close` has to be awaited at the end.
    reader: asyncio.Task[None] | None = None
    left: t.Callable[[], None] | None = None
    told: t.Callable[[], None] | None = None
    #: Whether who wants a message may call `receive`: nobody is in it, nothing was read
    #: ahead, and the client did not leave.
    free = True
    #: Those that wait for what somebody else is about to receive.
    waiting: list[asyncio.Future[None]] | None = None
    #: What was fetched last.
    message: Message
    #: The disconnect message, once it was received.
    gone: Message | None = None
    #: How often anybody read, and how many bytes of a body were taken.
    reads = taken = 0
    _messages: deque[t.Any] | None = None

    def __init__(self, receive: ASGIReceive) -> None:
        self.receive = receive

    @property
    def pending(self) -> int:
        """Messages received ahead and not read yet."""
        return len(self._messages) if self._messages else 0

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for a message, and is told when there is none to come."""
        return any(not turn.done() for turn in self.waiting or ())

    async def get(self) -> Message:
        """Return the next message; after a disconnect, that message again and again."""
        await self.fetch()
        return self.message

    async def fetch(self) -> None:
        """Make the next message `message`, as `get` returns it.

        PERF(0.1 us): who steps through a coroutine finds its value in an exception.
        """
        self.reads += 1
        while not self.free:
            if self._messages:
                self.message = await self._next()
                return
            if self.gone is not None:
                self.message = self.gone
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
        assert self._messages is not None
        message: Message = self._messages.popleft()
        self._settle()
        self.watch()  # there is room again, and nobody else may notice
        return message

    def end(self, message: Message) -> None:
        """Note the message that says that the client left."""
        self.gone = message
        self.free = False

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
        self.free = self.reader is None and self.gone is None and not self._messages

    def watch(self) -> None:
        """Read ahead from now on, unless somebody reads or enough was read."""
        if self.free or (
            self._messages and self.reader is None and self.gone is None and self._has_room()
        ):
            self._start()

    def _start(self) -> None:
        self.free = False
        self.reader = asyncio.get_running_loop().create_task(self._read_ahead())

    def _has_room(self) -> bool:
        return self.pending < WEBSOCKET_READ_AHEAD

    async def _keep(self, message: Message) -> None:
        assert self._messages is not None
        self._messages.append(message)

    async def _read_ahead(self) -> None:
        if self._messages is None:
            self._messages = deque()
        try:
            while self._has_room():
                message = await self.receive()
                if message["type"] in DISCONNECTS:
                    self.gone = message
                    if self.left is not None:
                        self.left()
                    return
                await self._keep(message)
                if self.waiting:
                    self.wake()
        finally:
            self.reader = None
            self._settle()
            self.wake()

    async def close(self) -> None:
        """Stop the reader and wait until it has stopped."""
        reader = self.reader
        if reader is not None:
            reader.cancel()
            await asyncio.wait([reader])


class HttpInbox(Inbox):
    """The messages of a request, read ahead until the client leaves: `SPOOL_SIZE` bytes of its
    body into memory; more, up to `limit` bytes, into a temporary file once the view has not
    read for a while, so that one which reads keeps the client waiting, as it should."""

    #: Bytes of a body past which nothing is read ahead. None: no limit.
    limit: int | None = None
    #: Bytes that were read ahead and not taken: in memory, and in all.
    _held = _ahead = 0
    #: Whether the body has ended, and whether the server sends nothing but more ends of it.
    _complete = _repeats = False
    _file: t.IO[bytes] | None = None
    _file_size = 0
    _writing = False
    #: Calls `_go_on` when memory is full.
    _later: asyncio.TimerHandle | None = None
    #: How often anybody had read when reading to disk began.
    _spooling: int | None = None

    def __init__(
        self,
        receive: ASGIReceive,
        offload: t.Callable[..., t.Awaitable[t.Any]] = asyncio.to_thread,
    ) -> None:
        super().__init__(receive)
        #: `offload(func, *args)` runs file operations off the loop.
        self._offload = offload

    def watch(self) -> None:
        if self._repeats:
            return
        super().watch()
        if self.reader is None:
            self._look_later()

    async def _read_ahead(self) -> None:
        await super()._read_ahead()
        self._look_later()

    def _look_later(self) -> None:
        """Where memory is full, look later whether anybody reads."""
        if self._is_full() and not self._complete and self.gone is None and self._later is None:
            loop = asyncio.get_running_loop()
            self._later = loop.call_later(STALLED, self._go_on, self.reads)

    def _go_on(self, reads: int) -> None:
        """Read on, to disk, unless somebody has begun to read."""
        self._later = None
        if self.reader is None and self.gone is None:
            if self.reads == reads:
                self._spooling = reads
                self._start()
            else:
                self.watch()

    def _is_full(self) -> bool:
        return self._held >= SPOOL_SIZE

    def _has_room(self) -> bool:
        if self._complete:
            return not self._repeats
        if self.limit is not None and self.taken + self._ahead > self.limit:
            return False
        return not self._is_full() or self._spooling == self.reads

    async def _keep(self, message: Message) -> None:
        assert self._messages is not None
        if self._complete:
            # After the end of a body nothing but the disconnect can follow. What repeats itself
            # is no server, and would be read for ever.
            self._repeats = True
            return
        body: bytes = message.get("body") or b""
        self._complete = not message.get("more_body", False)
        self._ahead += len(body)
        if self._file is None and self._held < SPOOL_SIZE:
            self._held += len(body)
            self._messages.append(message)
            return
        self._writing = True
        try:
            file = self._file
            if file is None:
                file = self._file = await self._offload(tempfile.TemporaryFile)
            offset, self._file_size = self._file_size, self._file_size + len(body)
            await self._offload(os.pwrite, file.fileno(), body, offset)
            self._messages.append((offset, len(body), not self._complete))
        finally:
            self._writing = False

    async def _next(self) -> Message:
        assert self._messages is not None
        message: Message | _OnDisk = self._messages.popleft()
        if isinstance(message, tuple):
            assert self._file is not None
            offset, size, more = message
            body = await self._offload(os.pread, self._file.fileno(), size, offset)
            message = {"type": "http.request", "body": body, "more_body": more}
        else:
            self._held -= len(message.get("body") or b"")
        self._ahead -= len(message.get("body") or b"")
        if not self._messages and self._file is not None and not self._writing:
            self._file.close()
            self._file, self._file_size = None, 0
        self._settle()
        return message

    async def close(self) -> None:
        if self._later is not None:
            self._later.cancel()
        try:
            await super().close()
        finally:
            if self._file is not None:
                self._file.close()
