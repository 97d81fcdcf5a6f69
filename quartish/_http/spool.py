"""Messages that were read ahead, until somebody reads them: in memory, and past that on disk.

An inbox decides whether more is read ahead; a spool keeps what was. It is a queue: messages come
out in the order in which they went in, whether they are in memory or in the temporary file.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import typing as t
from collections import deque

from ..typing import Message

SPOOL_SIZE = 500_000
"""Bytes of messages that stay in memory; further ones go to a temporary file."""
PIECE = 65_536
"""Bytes of a body in a file that are taken for one message."""
MESSAGE_SIZE = 500
"""Bytes of memory that a message takes beside its content."""

#: A message in memory, with its size.
_InMemory = tuple[int, Message]
#: Where a message is in the file: size, offset, and what else it says.
_OnDisk = tuple[int, int, object]


async def in_thread(func: t.Callable[..., t.Any], *args: t.Any) -> t.Any:
    """Run `func` off the loop and wait for its end, even when cancelled: the file that it writes to
    must not be closed before."""
    work = asyncio.ensure_future(asyncio.to_thread(func, *args))
    try:
        return await asyncio.shield(work)
    finally:
        await asyncio.wait([work])


def _write_all(file: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(file, data, offset)
        data, offset = data[written:], offset + written


class Spool:
    """The messages of a websocket that were read ahead, and that nobody has read yet."""

    #: Bytes of the messages in memory, and of all of them.
    held: int = 0
    size: int = 0
    #: Bytes in the file, which shrinks only when all of it was read.
    file_size: int = 0
    #: How many reads and writes of the file are running.
    _busy = 0
    file: t.IO[bytes] | None = None

    def __init__(self, offload: t.Callable[..., t.Awaitable[t.Any]]) -> None:
        self.messages: deque[_InMemory | _OnDisk] = deque()
        self._offload = offload

    async def put(self, message: Message) -> bool:
        """Add a message; return False if the disk is full, and it stays in memory therefore."""
        size = self._size(message)
        self.size += size
        disk_is_full = False
        if self.held >= SPOOL_SIZE:
            self._busy += 1
            try:
                await self._write(message)
                return True
            except OSError:
                disk_is_full = True
            finally:
                self._busy -= 1
        self.held += size + MESSAGE_SIZE
        self.messages.append((size, message))
        return not disk_is_full

    async def take(self) -> Message:
        """Remove the first message, and return it."""
        entry = self.messages.popleft()
        if len(entry) == 2:
            size, message = entry
            self.held -= size + MESSAGE_SIZE
        else:
            message = await self._read(entry)
            size = self._size(message)
        self.size -= size
        if self.file is not None and not self.messages and not self._busy:
            self.file.close()
            self.file, self.file_size = None, 0
        return message

    async def _read(self, entry: _OnDisk) -> Message:
        assert self.file is not None
        size, offset, rest = entry
        self._busy += 1
        try:
            data = await self._offload(os.pread, self.file.fileno(), size, offset)
        except BaseException:
            self.messages.appendleft(entry)
            raise
        finally:
            self._busy -= 1
        return self._unpack(data, rest)

    async def _write(self, message: Message) -> None:
        file = self.file
        if file is None:
            file = self.file = await self._offload(tempfile.TemporaryFile)
        data, rest = self._pack(message)
        offset, self.file_size = self.file_size, self.file_size + len(data)
        await self._offload(_write_all, file.fileno(), data, offset)
        self._add((len(data), offset, rest))

    # --- the messages of a websocket ----------------------------------------------------------

    def _size(self, message: Message) -> int:
        """Return the bytes that count for a message. Its entry in the queue counts too, as a client
        could send any number of empty messages."""
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

    def _add(self, entry: _OnDisk) -> None:
        self.messages.append(entry)


class BodySpool(Spool):
    """The pieces of a request's body that were read ahead, and that nobody has read yet."""

    def _size(self, message: Message) -> int:
        return len(message.get("body") or b"")

    def _pack(self, message: Message) -> tuple[bytes, object]:
        return message.get("body") or b"", message.get("more_body", False)

    def _unpack(self, data: bytes, rest: object) -> Message:
        return {"type": "http.request", "body": data, "more_body": rest}

    def _add(self, entry: _OnDisk) -> None:
        """Add a piece of a body. It is joined with the one before, so that there are not many small
        ones."""
        size, offset, more = entry
        last = self.messages[-1] if self.messages else None
        if last is not None and len(last) == 3 and sum(last[:2]) == offset and last[0] < PIECE:
            self.messages[-1] = (last[0] + size, last[1], more)
        else:
            self.messages.append(entry)


EMPTY = Spool(in_thread)
"""What an inbox has until something was read ahead. Nothing is put into it."""
