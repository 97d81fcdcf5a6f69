"""Bodies of awaitable responses: `async with body as chunks: async for chunk in chunks`.

Files are read and plain iterables iterated in worker threads, never on the loop.
"""

from __future__ import annotations

import collections.abc as cabc
import functools
import inspect
import io
import os
import typing as t
from abc import ABC
from abc import abstractmethod
from concurrent.futures import Executor
from contextvars import copy_context
from pathlib import Path
from types import TracebackType

from werkzeug.exceptions import RequestedRangeNotSatisfiable

from .._concurrency.threads import to_thread
from .._concurrency.workers import Stay
from .._concurrency.workers import Workers
from .._current import find_context

T = t.TypeVar("T")

_END: t.Any = object()


@functools.cache
def _pool_without_app() -> Executor:
    return Workers(thread_name_prefix="quartish")  # of responses without an app


def view_pool() -> Executor:
    """Return the hook thread of the current request, if it has one that is free; else the current
    app's pool for code of the user's."""
    ctx: t.Any = find_context()
    if ctx is None:
        return _pool_without_app()
    thread: t.Any = getattr(ctx, "hook_thread", None)
    return t.cast(Executor, ctx.app.view_pool if thread is None or not thread.is_free else thread)


async def to_file_thread(func: t.Callable[..., T], *args: t.Any) -> T:
    """Run a file operation in the file pool of the current app."""
    ctx = find_context()
    pool = _pool_without_app() if ctx is None else ctx.app.file_pool
    return await to_thread(pool, copy_context(), func, *args)


class ResponseBody(ABC):
    """The base class of `response.response`."""

    async def __aenter__(self) -> t.Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.close()

    @abstractmethod
    def __aiter__(self) -> t.AsyncIterator[t.Any]: ...

    async def close(self) -> None:
        """Close what the body uses, whether or not it was sent."""
        return


class RangeBody(ResponseBody):
    """A body of known size, of which the bytes from `begin` to before `end` are sent."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.begin: int = 0
        self.end: int = size

    async def make_conditional(self, begin: int, end: int | None) -> int:
        """Select a range and return the full size. A negative `begin` counts from the end.

        Raises RequestedRangeNotSatisfiable (416). Source: RFC 9110, section 14.1.2.
        """
        size = self.size
        first = max(size + begin, 0) if begin < 0 else begin
        last = size if end is None else min(end, size)
        if first >= last:
            raise RequestedRangeNotSatisfiable(size)
        self.begin, self.end = first, last
        return size


class DataBody(RangeBody):
    """A body in memory."""

    def __init__(self, data: bytes) -> None:
        super().__init__(len(data))
        self.data = data

    def selected(self) -> bytes:
        """Return the bytes of the range."""
        return self.data[self.begin : self.end]

    async def __aiter__(self) -> t.AsyncIterator[bytes]:
        yield self.selected()


class IterableBody(ResponseBody):
    """A body streamed from an iterable, async or plain, of str or bytes."""

    def __init__(self, iterable: t.AsyncIterable[t.Any] | t.Iterable[t.Any]) -> None:
        #: The iterator as it was given; `is_sync` says that it is not an async one.
        self.source: t.Any
        self.iter: t.AsyncIterator[t.Any]
        self.is_sync: bool = not isinstance(iterable, cabc.AsyncIterable)
        if not self.is_sync:
            self.source = self.iter = aiter(t.cast("t.AsyncIterable[t.Any]", iterable))
        else:
            source = iter(t.cast("t.Iterable[t.Any]", iterable))
            if hasattr(source, "close") and not inspect.isgenerator(source):
                source = _closing(source)
                next(source)
            self.source = source
            self.iter = iterate_in_thread(source)

    def __aiter__(self) -> t.AsyncIterator[t.Any]:
        return self.iter

    async def close(self) -> None:
        if self.source is None:
            return  # it was closed
        aclose = getattr(self.iter, "aclose", None)
        if aclose is not None:
            await aclose()  # closes a plain iterator in its thread
        if _is_open(self.source):
            await to_thread(view_pool(), copy_context(), self.source.close)
        self.source = None

    def close_here(self) -> None:
        """Close a plain iterator in this thread, in which it was iterated over."""
        if _is_open(self.source):
            self.source.close()


def _closing(source: t.Iterator[T]) -> t.Generator[T | None, None, None]:
    """Make a generator of an iterator that has to be closed. Its first item is None: from then on
    closing the generator closes the iterator, also if that was never begun."""
    try:
        yield None
        for item in source:  # noqa: UP028 (which would close it, too)
            yield item
    finally:
        source.close()  # type: ignore[attr-defined]


def _is_open(source: object) -> bool:
    return inspect.isgenerator(source) and source.gi_frame is not None


async def iterate_in_thread(iterable: t.Iterator[T]) -> t.AsyncGenerator[T, None]:
    """Iterate over a plain iterator in one worker thread, and close a generator there: objects that
    it uses may belong to that thread."""
    context = copy_context()  # one for all steps, as a generator expects
    pool = view_pool()
    thread = Stay(pool) if isinstance(pool, Workers) else pool
    try:
        while True:
            item: T = await to_thread(thread, context, next, iterable, _END)
            if item is _END:
                return
            yield item
    finally:
        try:
            if _is_open(iterable):
                await to_thread(thread, context, iterable.close)  # type: ignore[attr-defined]
        finally:
            if thread is not pool:
                thread.shutdown()


class _ReadBody(RangeBody):
    """A body read chunk by chunk; once."""

    buffer_size: int = 256 * 1024  # PERF(26 ms for 100 MB, 69 with a quarter): in a thread
    _position = 0

    def __init__(self, size: int, buffer_size: int | None = None) -> None:
        super().__init__(size)
        if buffer_size is not None:
            self.buffer_size = buffer_size

    def __aiter__(self) -> t.Self:
        return self

    async def __anext__(self) -> bytes:
        size = min(self.buffer_size, self.end - self._position)
        chunk = await self._read(size) if size > 0 else b""
        if not chunk:
            raise StopAsyncIteration
        self._position += len(chunk)
        return chunk

    @abstractmethod
    async def _read(self, size: int) -> bytes: ...


class FileBody(_ReadBody):
    """The file at a path."""

    def __init__(
        self, file_path: str | bytes | os.PathLike[str], *, buffer_size: int | None = None
    ) -> None:
        self.file_path: Path = Path(os.fsdecode(file_path))
        self.file: t.BinaryIO | None = None
        super().__init__(self.file_path.stat().st_size, buffer_size)

    async def __aenter__(self) -> t.Self:
        await to_file_thread(self._open)
        return self

    def _open(self) -> None:
        self.file = self.file_path.open("rb")
        self.file.seek(self.begin)
        self._position = self.begin

    async def _read(self, size: int) -> bytes:
        assert self.file is not None, "read outside of `async with`"
        return await to_file_thread(self.file.read, size)

    async def close(self) -> None:
        file, self.file = self.file, None
        if file is not None:
            await to_file_thread(file.close)


class IOBody(_ReadBody):
    """An open binary file that can seek: a buffer, or a file on disk, which is closed."""

    def __init__(self, io_stream: t.IO[bytes], *, buffer_size: int | None = None) -> None:
        self.io_stream = io_stream
        super().__init__(io_stream.seek(0, os.SEEK_END), buffer_size)
        io_stream.seek(0)

    async def __aenter__(self) -> t.Self:
        self.io_stream.seek(self.begin)
        self._position = self.begin
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Do not close the stream here: it can be entered again until `close`."""

    async def _read(self, size: int) -> bytes:
        if isinstance(self.io_stream, io.BytesIO):
            return self.io_stream.read(size)
        return await to_file_thread(self.io_stream.read, size)

    async def close(self) -> None:
        if not isinstance(self.io_stream, io.BytesIO):
            await to_file_thread(self.io_stream.close)
