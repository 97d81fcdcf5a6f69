"""An async iterator that yields None at intervals while its source yields nothing.

The whole source is iterated in one task: a timeout, a task group or a ContextVar's token that it
entered has to be left in the same task. It is advanced only when the next item is wanted, as it
would be without this iterator.
"""

from __future__ import annotations

import asyncio
import typing as t

T = t.TypeVar("T")


class Heartbeats(t.Generic[T]):
    """Iterates over `source`, and yields None whenever `seconds` pass without an item."""

    def __init__(self, source: t.AsyncIterator[T], seconds: float) -> None:
        self._source = source
        self._seconds = seconds
        self._task: asyncio.Task[None] | None = None
        self._items: list[T] = []  # one at most
        self._changed = asyncio.Event()
        self._asked = asyncio.Event()
        self._closed = False

    def __aiter__(self) -> t.Self:
        return self

    async def __anext__(self) -> T | None:
        if self._task is None:
            self._task = asyncio.create_task(self._iterate())
            self._task.add_done_callback(lambda _: self._changed.set())
        self._asked.set()
        while not self._items:
            if self._task.done():
                self._task.result()
                raise StopAsyncIteration
            self._changed.clear()
            try:
                async with asyncio.timeout(self._seconds):
                    await self._changed.wait()
            except TimeoutError:
                return None
        return self._items.pop()

    async def _iterate(self) -> None:
        try:
            async for item in self._source:
                if self._closed:  # it was cancelled, and goes on
                    break
                self._asked.clear()
                self._items.append(item)
                self._changed.set()
                await self._asked.wait()
        finally:
            await close(self._source)

    async def aclose(self) -> None:
        """End the source where it waits, and wait for its clean-up. Raises what that raises."""
        if self._task is None:
            await close(self._source)
        elif not self._task.done():
            self._closed = True
            self._task.cancel()
            await asyncio.wait([self._task])
            if not self._task.cancelled():
                self._task.result()


async def close(source: object) -> None:
    """Close an async iterator that can be closed."""
    aclose = getattr(source, "aclose", None)
    if aclose is not None:
        await aclose()
