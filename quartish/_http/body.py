"""Bodies on their way in: pulled by the code that reads them, never pumped.

A `Body` is the http view of an inbox: chunks, counted against a limit that never trusts
Content-Length.
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
from .inbox import SPOOL_SIZE

#: What was begun, and what it waits for.
Begun = tuple[t.Generator[t.Any, t.Any, None], t.Any]


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
    (400) when the client disconnected before the end. Nothing is lost by a 413: under a higher
    limit reading goes on where it stopped.
    """

    #: How often a read was refused.
    refusals: int = 0
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
        #: Bytes that the headers announce, 0 where they do not say. None: who made it did not look.
        self.announced = announced
        #: `offload(func, *args)` runs file operations off the loop.
        self.offload = offload
        self.limit = limit
        self.timeout = timeout
        #: Bytes received, and whether those were all.
        self.received: int = 0
        self.complete: bool = False
        self._held = b""  # a chunk that was received, and not given to anybody
        self._begun: Begun | None = None  # a message that has to be waited for

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
        """Return the next chunk if it is at hand, b"" at the end; else None, and `next` has to
        be awaited for it.

        PERF(0.5 us): a body mostly comes with its headers. Then there is nobody to wait for,
        and no timer and no coroutine to be made.
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
        """Return what the message that was fetched holds of the body, b"" if nothing."""
        message = self.inbox.message
        if message["type"] == "http.disconnect":
            if self.inbox.listener is not None:
                self.inbox.listener.disconnect_raised()
                self.refusals += 1  # a cancellation is on its way: let it arrive
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
        """Say whether nobody has to be waited for, as all of it was received or read ahead."""
        return self.complete or self.inbox.complete

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

    def __init__(self, body: Body, limit: t.Callable[[], int | None], lane: Lane) -> None:
        self._body = body
        self._limit = limit
        self._lane = lane
        self._rest = memoryview(b"")
        self._file: t.IO[bytes] | None = None

    def prepare(
        self, coro: t.Coroutine[t.Any, t.Any, t.Any], prepared: bool
    ) -> t.Coroutine[t.Any, t.Any, t.Any]:
        """Return what runs a piece of async code in which sync code may ask for the body: on
        the loop nobody can wait for it, unless `greenlet` lends a hand. Else it is read before,
        into a file. What is too large is left to whoever reads."""
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
                await asyncio.sleep(0)  # what has come is read ahead
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
            return self._lane.run(self._body.next(), copy_context())  # in any thread
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
