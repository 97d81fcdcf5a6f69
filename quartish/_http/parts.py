"""The parts of a multipart form, one after the other, while the body comes in.

Of a part only the piece that is being read is in memory, and nothing is written to disk: a slow
reader slows the client down (backpressure).

Source: RFC 7578 and RFC 2046, section 5.1.
"""

from __future__ import annotations

import os
import typing as t

from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data
from werkzeug.sansio.multipart import Epilogue
from werkzeug.sansio.multipart import Event
from werkzeug.sansio.multipart import Field
from werkzeug.sansio.multipart import File
from werkzeug.sansio.multipart import NeedData
from werkzeug.sansio.multipart import State

from .._aside import Aside
from .._concurrency.coroutines import drive
from .._concurrency.loops import Turns
from .inbox import give_way
from .multipart import Decoder
from .multipart import MAX_BOUNDARY
from .multipart import SLICE
from .urlencoded import damaged

Offload = t.Callable[..., t.Awaitable[t.Any]]
Pull = t.Callable[[], t.Awaitable[bytes]]
Destination = t.Union[str, os.PathLike[str], t.IO[bytes]]


class PartReader:
    """Reads a form: the next part, and the next piece of that part.

    `pull` returns the next piece of the body. `offload(func, *args)` runs file operations off the
    loop; it is None in a thread without a loop. `max_parts` and `max_memory` are the request's
    limits, of parts and of the bytes that `Part.read` takes; `boundary` is the form's.
    """

    #: How many reads have raised.
    quartish_refusals = 0

    def __init__(
        self,
        pull: Pull,
        boundary: str,
        max_parts: int | None,
        max_memory: int | None,
        offload: Offload | None = None,
    ) -> None:
        self.pull: Pull = pull
        self.max_memory = max_memory
        self.offload = offload
        self.part: Part | None = None
        self._boundary = boundary.encode("latin-1", "replace")
        self._max_parts = max_parts
        self._decoder: Decoder | None = None
        self._rest = b""  # bytes that the decoder was not given yet
        self._ended = False
        self._failed: HTTPException | None = None
        self._turns: Turns | None = Turns() if offload is not None else None

    def block(self, read: t.Callable[[], bytes]) -> None:
        """From now on get the body by `read`, which may block, instead of waiting on a loop."""

        async def pull() -> bytes:
            return read()

        self.pull, self.offload, self._turns = pull, None, None

    async def next_part(self) -> Part | None:
        """Return the next part, None after the last. The rest of the part before is skipped."""
        if self.part is not None:
            while await self.next_piece(self.part):
                pass
        self.part = None
        if self._turns is not None:
            await self._turns.give()
        while not self._ended:
            event = await self._event()
            if isinstance(event, Field | File):
                if event.name is None:
                    await self._fail(ValueError("a part has no name"))
                filename = event.filename if isinstance(event, File) else None
                self.part = Part(self, event.name, filename, event.headers)
                return self.part
            if event is None or isinstance(event, Epilogue):
                self._ended, self._rest = True, b""
                while await self.pull():  # has no meaning; read so that the connection can be kept
                    pass
        return None

    async def next_piece(self, part: Part) -> bytes:
        """Return the next piece of a part; b"" at its end."""
        if part is not self.part:
            raise RuntimeError(
                f"The part {part.name!r} is over: it has to be read before the next one is asked"
                " for, as nothing of it is kept."
            )
        while not part.ended:
            decoder = self._decoder
            assert decoder is not None
            if decoder.state is State.DATA and not self._rest:
                await self._receive()
                piece, self._rest = decoder.split(self._rest)
                if piece:
                    return piece
            event = await self._event()
            assert isinstance(event, Data), "within a part there are no other events"
            part.ended = not event.more_data
            if event.data:
                return bytes(event.data)
        return b""

    async def _event(self) -> Event | None:
        """Return the decoder's next event; None if the body is empty."""
        if self._failed is not None:
            await self._give_way()
            raise self._failed
        try:
            if self._decoder is None:
                await self._receive()
                if not self._rest:
                    return None
                if not self._boundary:
                    raise ValueError("the Content-Type has no boundary")
                if len(self._boundary) > MAX_BOUNDARY:
                    raise ValueError("its boundary is too long")
                self._decoder = Decoder(self._boundary, max_parts=self._max_parts)
            decoder = self._decoder
            while isinstance(event := decoder.next_event(), NeedData):
                if decoder.state is State.EPILOGUE:
                    return None
                decoder.check_room()
                if not self._rest:
                    await self._receive()
                piece, self._rest = self._rest[:SLICE], self._rest[SLICE:]
                decoder.receive_data(piece or None)
            decoder.check_preamble(event)
            return event
        except ValueError as error:
            await self._fail(error)
        except RequestEntityTooLarge as error:
            self._failed = error
            raise

    async def _receive(self) -> None:
        self._rest = await self.pull()

    async def _fail(self, error: ValueError) -> t.NoReturn:
        self._failed = damaged(error)
        await self._give_way()
        raise self._failed from error

    async def _give_way(self) -> None:
        if self._turns is not None:
            await give_way(self)


class _Head:
    """The name and the headers of a part."""

    #: The name of the field.
    name: str
    #: The name of the file that the client sends, which must not be used as a path. None: a plain
    #: field.
    filename: str | None
    #: The headers of the part.
    headers: Headers

    def __init__(self, name: str, filename: str | None, headers: Headers) -> None:
        self.name = name
        self.filename = filename
        self.headers = headers

    @property
    def content_type(self) -> str | None:
        """The Content-Type, as it came."""
        return self.headers.get("Content-Type")

    @property
    def mimetype(self) -> str:
        """The Content-Type without its parameters, in lower case; "" for none."""
        return parse_options_header(self.content_type)[0].lower()

    def __repr__(self) -> str:
        file = "" if self.filename is None else f" {self.filename!r}"
        return f"<{type(self).__name__} {self.name!r}{file}>"


class Part(_Head):
    """A field or a file of a form, read as it comes: `async for chunk in part`.

    Args:
        reader: What reads the form.
        name: The name of the field.
        filename: The name of the file, if it is one.
        headers: The headers of the part.
    """

    def __init__(
        self, reader: PartReader, name: str, filename: str | None, headers: Headers
    ) -> None:
        super().__init__(name, filename, headers)
        self._reader = reader
        #: Whether all of it was read.
        self.ended: bool = False

    def __aiter__(self) -> t.Self:
        return self

    async def __anext__(self) -> bytes:
        piece = await self._reader.next_piece(self)
        if not piece:
            raise StopAsyncIteration
        return piece

    async def read(self, limit: int | None = -1) -> bytes:
        """Return the rest of the part, of `limit` bytes at most. The default is
        `max_form_memory_size`; None means no limit.

        Raises:
            BadRequest (400): The form is damaged, or ends before its end.
            RequestEntityTooLarge (413): It is longer.
        """
        if limit == -1:
            limit = self._reader.max_memory
        pieces, size = [], 0
        async for piece in self:
            size += len(piece)
            if limit is not None and size > limit:
                raise RequestEntityTooLarge(f"The part {self.name!r} has more than {limit} bytes.")
            pieces.append(piece)
        return b"".join(pieces)

    async def save(self, destination: Destination) -> None:
        """Write the rest of the part to a path, or to a file open for writing bytes. At a path
        there is the whole of it in the end, or what was there before.

        Raises:
            BadRequest (400): The form is damaged, or ends before its end.
        """
        run = self._reader.offload or _at_once
        if hasattr(destination, "write"):
            file: t.Any = destination
            async for piece in self:
                await run(file.write, piece)
            return
        aside = Aside(t.cast(t.Any, destination))
        try:
            await run(aside.open)
            async for piece in self:
                await run(aside.file.write, piece)
        except BaseException:
            await run(aside.drop)
            raise
        await run(aside.keep)


class BlockingPart(_Head):
    """The same for code in a thread: `for chunk in part`."""

    def __init__(self, part: Part) -> None:
        super().__init__(part.name, part.filename, part.headers)
        self._part = part

    def __iter__(self) -> t.Self:
        return self

    def __next__(self) -> bytes:
        try:
            return drive(self._part.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None

    def read(self, limit: int | None = -1) -> bytes:
        """Return the rest of the part, as `Part.read` does.

        Raises:
            BadRequest (400): The form is damaged, or ends before its end.
            RequestEntityTooLarge (413): It is longer than `limit`.
        """
        return drive(self._part.read(limit))

    def save(self, destination: Destination) -> None:
        """Write the rest of the part to a path or a file, as `Part.save` does.

        Raises:
            BadRequest (400): The form is damaged, or ends before its end.
        """
        drive(self._part.save(destination))


class Parts:
    """The parts of a form as they come: `async for part in request.parts`; in a `def` view of the
    plain colour, `for part in request.parts`."""

    def __init__(self, reader: PartReader, read: t.Callable[[], bytes] | None = None) -> None:
        self._reader = reader
        self._read = read

    def __aiter__(self) -> t.Self:
        return self

    async def __anext__(self) -> Part:
        part = await self._reader.next_part()
        if part is None:
            raise StopAsyncIteration
        return part

    def __iter__(self) -> t.Iterator[BlockingPart]:
        read, reader = self._read, self._reader
        if read is None:
            raise RuntimeError(
                "This body comes while the view runs on the event loop, where nobody can wait for"
                " it without `await`: write `async for part in request.parts`."
            )

        reader.block(read)
        return self._parts(reader)

    def _parts(self, reader: PartReader) -> t.Iterator[BlockingPart]:
        while (part := drive(reader.next_part())) is not None:
            yield BlockingPart(part)


async def _at_once(func: t.Callable[..., t.Any], *args: t.Any) -> t.Any:
    return func(*args)
