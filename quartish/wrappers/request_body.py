"""The body of an awaitable request, received from the server while the view awaits it."""

from __future__ import annotations

import asyncio
import typing as t
from collections import deque

from werkzeug.exceptions import ClientDisconnected
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import RequestEntityTooLarge

from .._http.body import Body as IncomingBody
from .._http.inbox import give_way
from .._http.inbox import Inbox
from ..typing import Message
from .connection import ClientDisconnectedError


class LazyLock:
    """Lets one task do something while others wait, which then find it done.

    PERF(1.2 us): its `asyncio.Lock` is made only when a second task comes meanwhile.
    """

    taken: bool = False
    _freed: asyncio.Future[None] | None = None

    async def wait(self) -> None:
        """Wait until the other task has ended."""
        while self.taken:
            if self._freed is None:
                self._freed = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._freed)

    def end(self) -> None:
        self.taken = False
        if self._freed is not None:
            self._freed.set_result(None)
            self._freed = None


class Body(LazyLock):
    """A request's body: await it for all of it, or iterate over it for its chunks.

    A body that was awaited is kept, and can be awaited, iterated over and parsed again. Chunks that
    were iterated over are not kept: awaiting then gives the rest.
    """

    #: Bytes that may be received in all; above that RequestEntityTooLarge (413).
    limit: int | None = None
    #: Seconds to wait for more; RequestTimeout (408) then.
    timeout: float | None = None
    #: Whether the headers announce more than `limit`.
    too_large = False
    #: How many reads have raised.
    quartish_refusals = 0
    #: Bytes that were filled in by hand.
    _filled = 0
    #: Where the body comes from: the server, or `_feed` for one that is filled by hand.
    _source: IncomingBody | None
    _feed: t.Callable[[Message], None] | None = None
    #: The chunks that were read; and the whole body once all was read.
    _chunks: deque[bytes]
    _data: bytes | None
    #: The iterator that `anext` continues.
    _steps: t.AsyncIterator[bytes] | None = None

    def __init__(
        self,
        expected_content_length: int | None = None,
        max_content_length: int | None = None,
    ) -> None:
        """Make a body that is filled by hand: `append` and `set_complete`, as *Quart's* is.

        If the headers announce one that is too large, reading raises before it comes.
        """
        messages: asyncio.Queue[Message] = asyncio.Queue()
        source = self._source = IncomingBody(Inbox(messages.get))
        self._chunks, self._data = deque(), None
        self._feed = messages.put_nowait
        self.limit = max_content_length
        if max_content_length is not None and (expected_content_length or 0) > max_content_length:
            source.received = expected_content_length or 0

    @classmethod
    def of(cls, source: IncomingBody | None) -> t.Self:
        """Return the body that a server hands over; an empty one without `source`."""
        self = cls.__new__(cls)
        self._source = source
        self.taken = False  # no default in the class, as it is read often
        self._chunks, self._data = deque(), b"" if source is None else None
        return self

    @property
    def _complete(self) -> asyncio.Event:
        """Whether all of it has come. *Quart's* own, which programs ask before they read on."""
        event = asyncio.Event()
        if self._data is not None or (self._source is not None and self._source.is_here()):
            event.set()
        return event

    def append(self, data: bytes, more: bool = True) -> None:
        """Add to a body that is filled by hand."""
        if data and self.limit is not None and self._filled > self.limit:
            return  # a body that is too large is not kept
        self._fill({"type": "http.request", "body": data, "more_body": more})
        self._filled += len(data)

    def _fill(self, message: Message) -> None:
        if self._feed is None:
            raise RuntimeError("This body comes from a client; it cannot be filled by hand.")
        self._feed(message)

    async def put(self, data: bytes) -> None:
        """Add to a body that is filled by hand, as `append` does (*Quart* 0.23)."""
        self.append(data)

    async def get(self) -> bytes:
        """Return the next chunk, b"" at the end. Raises ClientDisconnectedError if the client
        disconnected before it (*Quart* 0.23)."""
        try:
            return self._chunks.popleft() if self._chunks else await self._pull()
        except ClientDisconnected as error:
            raise ClientDisconnectedError from error

    def disconnect(self) -> None:
        """Note that no more of a body that is filled by hand will come (*Quart* 0.23)."""
        self._fill({"type": "http.disconnect"})

    def set_complete(self) -> None:
        """End a body that is filled by hand."""
        self.append(b"", more=False)

    def set_result(self, data: bytes) -> None:
        """Make `data` all of a body that is filled by hand."""
        self.append(data, more=False)

    def clear(self) -> None:
        """Drop the chunks that were kept."""
        self._chunks.clear()
        if self._data is not None:
            self._data = b""

    async def read(self, limit: int | None = None) -> bytes:
        """Return the whole body. Raises RequestEntityTooLarge (413) above `limit` bytes."""
        try:
            if self.too_large:
                raise RequestEntityTooLarge()
            if self._data is None:
                source = self._source
                assert source is not None
                if limit is not None and source.received > limit:
                    raise RequestEntityTooLarge()
                chunk = None
                if not self.taken:
                    source.limit = self.limit
                    chunk = source.pull()
                if chunk is not None and source.complete and not self._chunks:
                    self._data = bytes(chunk)  # PERF(0.5 us): the usual case
                else:
                    if chunk:
                        self._chunks.append(chunk)
                    await self._read_on(source, limit)
            data: t.Any = self._data
            if limit is not None and len(data) > limit:
                raise RequestEntityTooLarge()
            return data  # type: ignore[no-any-return]
        except HTTPException:
            await give_way(self._source or self)
            raise

    async def _read_on(self, source: IncomingBody, limit: int | None) -> None:
        """Read the rest of the body, unless another task does."""
        await self.wait()
        if self._data is None:
            chunks = self._chunks
            self.taken = True
            try:
                source.check(limit)
                while not source.complete and (chunk := await self._pull()):
                    chunks.append(chunk)
                    source.check(limit)
            finally:
                self.end()
            self._data = b"".join(chunks)
            chunks.clear()

    def __await__(self) -> t.Generator[t.Any, t.Any, bytes]:
        return self.read().__await__()

    async def __aiter__(self) -> t.AsyncIterator[bytes]:
        if self._data is None:
            while chunk := self._chunks.popleft() if self._chunks else await self._pull():
                yield chunk
        elif self._data:
            yield self._data

    async def __anext__(self) -> bytes:
        if self._steps is None:
            self._steps = aiter(self)
        return await anext(self._steps)

    async def _pull(self) -> bytes:
        """Return the next chunk, b"" at the end."""
        if self.too_large:
            await give_way(self)
            raise RequestEntityTooLarge()
        source = self._source
        assert source is not None
        source.limit, source.timeout = self.limit, self.timeout
        return await source.next()


async def fill(body: t.Any, source: IncomingBody) -> None:
    """Fill a body that is filled by hand with the chunks that come."""
    try:
        async for chunk in source:
            body.append(chunk)
        body.set_complete()
    except HTTPException:  # the client disconnected: the view is cancelled
        pass
