"""Request bodies: received when somebody reads them, not before.

A `Body` reads the chunks of a request's body from its inbox. It counts the bytes that really came
against a limit, whatever Content-Length says.
"""

from __future__ import annotations

import asyncio
import io
import operator
import tempfile
import typing as t
from asyncio import _get_running_loop
from contextvars import copy_context
from time import monotonic

from werkzeug.exceptions import ClientDisconnected
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.exceptions import RequestTimeout
from werkzeug.wsgi import LimitedStream

from .._concurrency.greenlets import can_pause
from .._concurrency.greenlets import may_pause
from .._concurrency.greenlets import pausable
from .._concurrency.greenlets import pause
from .._concurrency.loops import Turns
from .._concurrency.threads import Lane
from .._concurrency.watch import DONE
from .._concurrency.watch import go_on
from .._lazy import lazy
from .inbox import give_way
from .inbox import Inbox
from .spool import SPOOL_SIZE

#: The steps of a coroutine that was begun, and the future that they wait for.
Begun = tuple[t.Generator[t.Any, t.Any, None], t.Any]


async def _in_time(
    steps: t.Generator[t.Any, t.Any, None], waiting: t.Any, seconds: float | None
) -> None:
    """Await the rest of a read that was begun. Raises RequestTimeout (408) if nothing comes in
    time."""
    try:
        async with asyncio.timeout(seconds):
            await go_on(operator.call, steps, waiting)
    except TimeoutError as error:
        raise RequestTimeout() from error


class Body:
    """A request body: an async iterator of its chunks (bytes, none of them empty).

    Raises RequestEntityTooLarge (413) as soon as more than `limit` bytes have come, RequestTimeout
    (408) when nothing came for `timeout` seconds, and ClientDisconnected (400) when the client
    disconnected before the end. Nothing is lost by a 413: after the limit was raised, reading goes
    on where it stopped.
    """

    #: How many reads have raised.
    quartish_refusals: int = 0
    _turns: Turns | None = None

    def __init__(
        self,
        inbox: Inbox,
        limit: int | None = None,
        offload: t.Callable[..., t.Awaitable[t.Any]] = asyncio.to_thread,
        timeout: float | None = None,
        announced: int | None = None,
    ) -> None:
        self.inbox = inbox
        #: Bytes that the headers announce, 0 if they do not. None if the headers were not looked
        #: at.
        self.announced = announced
        #: `offload(func, *args)` runs file operations off the loop.
        self.offload = offload
        self.limit = limit
        self.timeout = timeout
        #: How many bytes were received, and whether that was all.
        self.received: int = 0
        self.complete: bool = False
        self._held = b""  # a chunk that was received and not returned yet
        self._begun: Begun | None = None  # a `fetch` that has to wait

    @lazy
    def _read(self) -> list[bytes]:
        """The chunks that `gather` has in memory."""
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
        if self._turns is None:
            self._turns = Turns()
        else:
            await self._turns.give()
        try:
            if self.limit is not None and (self.announced or 0) > self.limit:
                raise RequestEntityTooLarge()
            while (chunk := self.pull()) is None:
                steps, waiting = t.cast(Begun, self._begun)
                self._begun = None
                await _in_time(steps, waiting, self.timeout)
                self._turns.since = monotonic()
                self._held = self._take()
        except HTTPException:
            await give_way(self)
            raise
        return chunk

    def pull(self) -> bytes | None:
        """Return the next chunk if that needs no waiting, b"" at the end; else None, and `next` has
        to be awaited.

        PERF(0.5 us): mostly a body comes together with its headers. Then no timer and no coroutine
        are made.
        """
        if self.limit is not None and self.received > self.limit:
            raise RequestEntityTooLarge()
        if self._held:
            chunk, self._held = self._held, b""
            return chunk
        if self._begun is not None:
            return None
        while not self.complete:
            steps = self.inbox.fetch().__await__()
            waiting = next(steps, DONE)
            if waiting is not DONE:
                self._begun = steps, waiting
                return None
            chunk = self._take()
            if chunk:
                return chunk
        return b""

    def _take(self) -> bytes:
        """Return the body's bytes in the message that was fetched."""
        message = self.inbox.message
        if message["type"] == "http.disconnect":
            if self.inbox.listener is not None:
                self.inbox.listener.disconnect_raised()
                self.quartish_refusals += (
                    1  # `give_way` then waits, so that the cancellation comes first
                )
            raise ClientDisconnected()
        chunk: bytes = message.get("body") or b""
        self.received += len(chunk)
        self.inbox.taken = self.received
        self.complete = not message.get("more_body", False)
        if self.limit is not None and self.received > self.limit:
            self._held = chunk
            self.check_limit()
        return chunk

    def check_limit(self) -> None:
        """Raise RequestEntityTooLarge (413) when more than the body's own limit was received."""
        self.check(self.limit)

    def check(self, limit: int | None) -> None:
        """Raise RequestEntityTooLarge (413) when more than `limit` bytes were received."""
        if limit is not None and self.received > limit:
            raise RequestEntityTooLarge()

    def is_here(self) -> bool:
        """Say whether all of it was received or read ahead."""
        return self.complete or self.inbox.complete

    def take_whole(self) -> bytes | None:
        """Return the whole body if it can be read without waiting, is one message, and is short
        enough for memory; else None, and `gather` has to be awaited."""
        chunk = self.pull()
        if chunk is not None:
            if self.complete and self.received == len(chunk) <= SPOOL_SIZE:
                return bytes(chunk)
            self._read.append(chunk)
        return None

    async def gather(self) -> bytes | t.IO[bytes]:
        """Read the whole body. Return bytes, or above 500 kB a file on disk, at its start."""
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
                # PERF(0.05 ms a chunk): as many as may be in memory are written by one call.
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
        """Read the whole body. Return a file at its start: in memory, or above 500 kB on disk."""
        body = await self.gather()
        return io.BytesIO(body) if isinstance(body, bytes) else body


class LimitedInput(LimitedStream):
    """A `wsgi.input` of unknown size that raises RequestEntityTooLarge (413) above `limit` bytes.

    *Werkzeug:* silently truncates it there when all of it is read at once.
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

    def __init__(self, body: Body, limit: t.Callable[[], int | None], lane: Lane) -> None:
        self._body = body
        self._limit = limit
        self._lane = lane
        self._rest = memoryview(b"")
        self._file: t.IO[bytes] | None = None

    def prepare(
        self, coro: t.Coroutine[t.Any, t.Any, t.Any], prepared: bool
    ) -> t.Coroutine[t.Any, t.Any, t.Any]:
        """Return the coroutine that runs async code of a thread-lane request. Sync code in it may
        read the body, and on the loop that cannot wait. So, unless `greenlet` is installed, the
        body is read into a file before. One that is too large raises when it is read."""
        if self._body.complete or self._file is not None:
            self._lane.prepare = None
        elif can_pause():
            return self._while_it_comes(coro)
        elif not prepared:
            self._lane.prepare = None
            return self._when_it_came(coro)
        return coro

    async def _while_it_comes(self, coro: t.Coroutine[t.Any, t.Any, t.Any]) -> t.Any:
        if not self._body.is_here():
            try:
                await asyncio.sleep(0)  # the reader takes what has come
            except BaseException:
                coro.close()  # nobody will await it
                raise
        return await (self._when_it_came(coro) if self._body.is_here() else pausable(coro))

    async def _when_it_came(self, coro: t.Coroutine[t.Any, t.Any, t.Any]) -> t.Any:
        self._body.limit = self._limit()
        try:
            self._file = await self._body.spool()
        except HTTPException:
            pass
        except BaseException:
            coro.close()
            raise
        return await coro

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
        self._body.check_limit()
        if _get_running_loop() is None:
            return self._lane.run(self._body.next(), copy_context())  # works in any thread
        if may_pause():
            return pause(self._body.next())
        raise RuntimeError(
            "Async code asked for a body that has not come, where nobody can wait for it: in a task"
            " that an async function began (read it in the function, before), or in a request to a"
            " 'def' view whose route says stream_body=True (read it in a 'def' function, or leave"
            " that out)."
        )

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        super().close()


class AsyncInput:
    """A blocking binary file that can also be iterated asynchronously. It is the body by WSGI for a
    route with `stream_body=True`; the iteration blocks the thread, whose own loop this is."""

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
