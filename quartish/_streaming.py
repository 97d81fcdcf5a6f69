"""Bodies and messages on their way in: pulled by the code that reads them, never pumped.

An `Inbox` owns a connection's ASGI `receive`. Whoever reads calls it; only while the
request's code waits for something else does a reader task look ahead, a bounded number
of messages, and so notices that the client left. A `Body` is the http view of an inbox:
chunks, counted against a limit that never trusts Content-Length.
"""

from __future__ import annotations

import asyncio
import io
import operator
import tempfile
import typing as t
from collections import deque

from werkzeug.exceptions import ClientDisconnected
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.exceptions import RequestTimeout
from werkzeug.wsgi import LimitedStream

from ._bridge import DONE
from ._bridge import from_thread
from ._bridge import go_on
from ._lazy import lazy
from .typing import ASGIReceive
from .typing import Message

#: What was begun, and what it waits for.
Begun = tuple[t.Generator[t.Any, t.Any, None], t.Any]

HTTP_READ_AHEAD = 1
WEBSOCKET_READ_AHEAD = 16
DISCONNECTS = frozenset(["http.disconnect", "websocket.disconnect"])
SPOOL_SIZE = 500_000
"""Bytes of a request body that stay in memory; what is longer goes to a temporary file."""


class Inbox:
    """The messages of one connection, in order, a disconnect last.

    `watch` is called each time the request's code suspends. It starts the reader unless
    that code is itself reading, so an exchange that never waits costs no task.
    `left` is called once, from the reader, when the client is seen to have gone.
    """

    #: The task that reads ahead; where there is one, `close` has to be awaited at the end.
    reader: asyncio.Task[None] | None = None
    left: t.Callable[[], None] | None = None
    #: Whether who wants a message may call `receive`: nobody is in it, nothing was read
    #: ahead, and the client did not leave.
    free = True
    #: Those that wait for what somebody else is about to receive.
    waiting: list[asyncio.Future[None]] | None = None
    #: What was fetched last.
    message: Message
    #: The disconnect message, once it was received.
    gone: Message | None = None
    #: How often anybody read.
    reads = 0
    _messages: deque[Message] | None = None

    def __init__(self, receive: ASGIReceive, ahead: int = HTTP_READ_AHEAD) -> None:
        self.receive = receive
        self._ahead = ahead

    @property
    def pending(self) -> int:
        """Messages received ahead and not read yet."""
        return len(self._messages) if self._messages else 0

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
                self.message = self._messages.popleft()
                self._settle()
                if self._ahead > 1:  # there is room again, and nobody else may notice
                    self.watch()
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
            self._messages
            and len(self._messages) < self._ahead
            and self.reader is None
            and self.gone is None
        ):
            self.free = False
            self.reader = asyncio.get_running_loop().create_task(self._read_ahead())

    async def _read_ahead(self) -> None:
        messages = self._messages
        if messages is None:
            messages = self._messages = deque()
        try:
            complete = False
            # After the end of a body nothing but the disconnect can follow.
            while len(messages) < self._ahead or complete:
                message = await self.receive()
                if message["type"] in DISCONNECTS:
                    self.gone = message
                    if self.left is not None:
                        self.left()
                    return
                messages.append(message)
                complete = message["type"] == "http.request" and not message.get("more_body")
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


async def _in_time(
    steps: t.Generator[t.Any, t.Any, None], waiting: t.Any, seconds: float | None
) -> None:
    """Await a piece of a body that was begun. Raises RequestTimeout (408) when it does not
    come in time."""
    try:
        async with asyncio.timeout(seconds):
            await go_on(operator.call, steps, waiting)
    except TimeoutError as error:
        raise RequestTimeout() from error


class Body:
    """A request body: an async iterator of its chunks (bytes, none of them empty).

    Raises RequestEntityTooLarge (413) as soon as more than `limit` bytes came in,
    RequestTimeout (408) when nothing came for `timeout` seconds, and ClientDisconnected
    (400) when the client left before the end. Nothing is lost by a 413: under a higher
    limit reading goes on where it stopped.
    """

    #: Bytes received, and whether those were all.
    received = 0
    complete = False
    _held = b""  # a chunk that was received, and not given to anybody
    _begun: Begun | None = None  # a message that has to be waited for

    def __init__(
        self,
        inbox: Inbox,
        limit: int | None = None,
        offload: t.Callable[..., t.Awaitable[t.Any]] = asyncio.to_thread,
        timeout: float | None = None,
    ) -> None:
        self._inbox = inbox
        #: `offload(func, *args)` runs file operations off the loop.
        self.offload = offload
        self.limit = limit
        self.timeout = timeout

    @lazy
    def _read(self) -> list[bytes]:
        """What `gather` has in memory."""
        return []

    def __aiter__(self) -> Body:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self.next()
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def next(self) -> bytes:
        """Return the next chunk, b"" at the end."""
        while (chunk := self.pull()) is None:
            steps, waiting = t.cast(Begun, self._begun)
            self._begun = None
            await _in_time(steps, waiting, self.timeout)
            self._held = self._take()
        return chunk

    def pull(self) -> bytes | None:
        """Return the next chunk if it is at hand, b"" at the end; else None, and `next` has to
        be awaited for it.

        PERF(0.5 us): a body mostly comes with its headers. Then there is nobody to wait for,
        and no timer and no coroutine to be made.
        """
        if self.limit is not None:
            self.check(self.limit)
        if self._held:
            chunk, self._held = self._held, b""
            return chunk
        if self._begun is not None:
            return None
        while not self.complete:
            steps = self._inbox.fetch().__await__()
            waiting = next(steps, DONE)
            if waiting is not DONE:
                self._begun = steps, waiting
                return None
            chunk = self._take()
            if chunk:
                return chunk
        return b""

    def _take(self) -> bytes:
        """Return what the message that was fetched holds of the body, b"" if nothing."""
        message = self._inbox.message
        if message["type"] == "http.disconnect":
            raise ClientDisconnected()
        chunk: bytes = message.get("body") or b""
        self.received += len(chunk)
        self.complete = not message.get("more_body", False)
        if self.limit is not None and self.received > self.limit:
            self._held = chunk
            self.check(self.limit)
        return chunk

    def check(self, limit: int | None) -> None:
        """Raise RequestEntityTooLarge (413) when more than `limit` bytes were received."""
        if limit is not None and self.received > limit:
            raise RequestEntityTooLarge()

    def take_whole(self) -> bytes | None:
        """Return the whole body where it comes at once, in one message and short enough for
        memory; else None, and `gather` has to be awaited for it."""
        chunk = self.pull()
        if chunk is not None:
            if self.complete and self.received == len(chunk) <= SPOOL_SIZE:
                return bytes(chunk)
            self._read.append(chunk)
        return None

    async def gather(self) -> bytes | t.IO[bytes]:
        """Read the whole body: into memory, past 500 kB into a file on disk, at its start."""
        chunks = self._read
        while True:
            if self.received > SPOOL_SIZE and chunks:
                return await self._gather_on_disk(chunks)
            chunk = await self.next()
            if not chunk:
                return b"".join(chunks)
            chunks.append(chunk)

    async def _gather_on_disk(self, chunks: list[bytes]) -> t.IO[bytes]:
        file: t.IO[bytes] = await self.offload(tempfile.TemporaryFile)
        try:
            while chunks:
                # PERF(0.05 ms a chunk): as many at once as may be in memory, in one hop.
                await self.offload(file.writelines, chunks)
                chunks.clear()
                size = 0
                while size < SPOOL_SIZE and (chunk := await self.next()):
                    chunks.append(chunk)
                    size += len(chunk)
            await self.offload(file.seek, 0)
        except BaseException:
            file.close()
            raise
        return file

    async def spool(self) -> t.IO[bytes]:
        """Read the whole body into a file at its start: in memory, past 500 kB on disk."""
        body = await self.gather()
        return io.BytesIO(body) if isinstance(body, bytes) else body


class LimitedInput(LimitedStream):
    """A `wsgi.input` of unknown size that raises RequestEntityTooLarge (413) past `limit`.

    *Werkzeug:* cuts it off there, without a word, when all of it is read at once.
    """

    def __init__(self, stream: t.IO[bytes], limit: int) -> None:
        super().__init__(stream, limit + 1, is_max=True)

    def readinto(self, b: t.Any) -> int | None:
        size = super().readinto(b)
        if self.is_exhausted:
            raise RequestEntityTooLarge()
        return size


class BodyReader(io.RawIOBase):
    """A body as the blocking binary file that thread-lane code reads (`wsgi.input`)."""

    def __init__(self, body: Body, limit: t.Callable[[], int | None]) -> None:
        self._body = body
        self._limit = limit
        self._rest = memoryview(b"")
        self._file: t.IO[bytes] | None = None

    def settle(self) -> None:
        """Read what is left into a file, for async code that is about to run: on the loop
        nobody can wait for more. What is too large is left to whoever reads."""
        self._body.limit = self._limit()
        try:
            self._file = from_thread(self._body.spool(), prepared=True)
        except HTTPException:
            pass

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        if not self._rest:
            self._rest = memoryview(self._next(len(buffer)))
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    def _next(self, size: int) -> bytes:
        if self._file is not None:
            return self._file.read(size)
        self._body.limit = self._limit()
        self._body.check(self._body.limit)
        return from_thread(anext(self._body, b""), prepared=True)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        super().close()


class AsyncInput:
    """A blocking binary file that can be iterated asynchronously too: the WSGI door's body
    for a route with `stream_body=True`, in the thread that reads it anyway."""

    CHUNK = 65536  # bytes

    def __init__(self, file: t.Any) -> None:
        self._file = file

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._file, name)

    def __iter__(self) -> t.Iterator[bytes]:
        return iter(self._file)

    async def __aiter__(self) -> t.AsyncIterator[bytes]:
        while chunk := self._file.read(self.CHUNK):
            yield chunk
