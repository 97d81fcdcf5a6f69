"""Forms, parsed while their body comes in.

For both kinds of form the limits count the bytes that were received. A body that is damaged raises
BadRequest (400), one that is too large RequestEntityTooLarge (413), nothing else. Files above 500
kB are written to disk, off the loop.

Source: RFC 7578 and RFC 2046, section 5.1.
"""

from __future__ import annotations

import asyncio
import typing as t
from tempfile import SpooledTemporaryFile

from werkzeug.datastructures import FileStorage as WerkzeugFileStorage
from werkzeug.datastructures import Headers
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser as WerkzeugFormDataParser
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data
from werkzeug.sansio.multipart import Epilogue
from werkzeug.sansio.multipart import Field
from werkzeug.sansio.multipart import File
from werkzeug.sansio.multipart import NeedData
from werkzeug.sansio.multipart import State

from .._concurrency.coroutines import drive
from .._concurrency.loops import Turns
from ..datastructures import FileStorage
from .multipart import Decoder
from .multipart import MAX_BOUNDARY
from .multipart import SLICE
from .spool import SPOOL_SIZE
from .urlencoded import damaged
from .urlencoded import parse_urlencoded
from .urlencoded import URLENCODED

MULTIPART = "multipart/form-data"
FORMS = frozenset([MULTIPART, URLENCODED])
FILE_SLICE = 256 * 1024
"""Bytes that are read from a file, and may be written to one, at once. PERF(1 ms for 10 MB)"""
MANY = 16 * 1024
"""Bytes of an urlencoded form above which it is parsed off the loop, as it may take 10 ms."""
_CHARSETS = {"ascii", "us-ascii", "utf-8", "iso-8859-1"}

Form = tuple[MultiDict[str, str], MultiDict[str, t.Any]]
Offload = t.Callable[..., t.Awaitable[t.Any]]
ParseFunc = t.Callable[..., t.Awaitable[Form]]
StreamFactory = t.Callable[[int | None, str | None, str | None, int | None], t.IO[bytes]]


class FormBody(t.Protocol):
    """What a parser needs of a body."""

    def __aiter__(self) -> t.AsyncIterator[bytes]: ...
    async def read(self, limit: int | None = None) -> bytes: ...


def make_spooled_file(
    total_content_length: int | None,
    content_type: str | None,
    filename: str | None,
    content_length: int | None = None,
) -> t.IO[bytes]:
    """Return a file in memory that moves to disk above 500 kB, whatever the client announces."""
    return t.cast(t.IO[bytes], SpooledTemporaryFile(max_size=SPOOL_SIZE))


class FormDataParser:
    """A parser of `multipart/form-data` and `application/x-www-form-urlencoded` bodies.

    `offload(func, *args)` runs file operations off the loop.
    """

    file_storage_class: type[WerkzeugFileStorage] = FileStorage
    #: Bytes that are parsed at once, and may be written to a file.
    slice = SLICE
    #: Whether it runs on a loop, and gives that its turns.
    on_loop = True

    def __init__(
        self,
        *,
        cls: type[MultiDict[str, t.Any]] | None = MultiDict,
        max_form_memory_size: int | None = None,
        max_form_parts: int | None = None,
        stream_factory: StreamFactory = make_spooled_file,
        offload: Offload = asyncio.to_thread,
        max_content_length: int | None = None,
        silent: bool = True,
    ) -> None:
        """Make a parser. `max_content_length` is *Quart's*: the body has that limit itself.
        *Quart:* a damaged form is an empty one where `silent`; it is a 400 here."""
        self.cls: type[MultiDict[str, t.Any]] = (
            cls or ImmutableMultiDict
        )  # *Werkzeug:* gives None since 3.2
        self.max_content_length = max_content_length
        self.silent = silent
        self.max_form_memory_size = max_form_memory_size
        self.max_form_parts = max_form_parts
        self.stream_factory = stream_factory
        self.offload = offload

    async def parse(
        self,
        body: FormBody,
        mimetype: str,
        content_length: int | None,
        options: t.Mapping[str, str] | None = None,
    ) -> Form:
        """Return the fields and the files; both empty if the body is no form.

        Raises BadRequest (400) for a damaged body, RequestEntityTooLarge (413) above a limit.
        """
        options = options or {}
        func = self.get_parse_func(mimetype, options)
        if func is None:
            return self.cls(), self.cls()
        try:
            return await func(self, body, mimetype, content_length, options)
        except ValueError as error:
            raise damaged(error) from error

    def get_parse_func(self, mimetype: str, options: t.Mapping[str, str]) -> ParseFunc | None:
        """Return the function of `parse_functions` that parses bodies of a type, or None."""
        return self.parse_functions.get(mimetype)

    async def _parse_urlencoded(
        self,
        body: FormBody,
        mimetype: str,
        content_length: int | None,
        options: t.Mapping[str, str],
    ) -> Form:
        data = await read_whole(body, self.max_form_memory_size)
        return await read_urlencoded(data, self), self.cls()

    async def _parse_multipart(
        self,
        body: FormBody,
        mimetype: str,
        content_length: int | None,
        options: t.Mapping[str, str],
    ) -> Form:
        boundary = options.get("boundary", "").encode("ascii")
        if len(boundary) > MAX_BOUNDARY:
            raise ValueError("its boundary is too long")
        decoder = Decoder(boundary, max_parts=self.max_form_parts)
        parts = _Parts(self, content_length)
        empty = True
        try:
            async for chunk in body:
                empty = False
                if not boundary:
                    raise ValueError("the Content-Type has no boundary")
                for start in range(0, len(chunk), self.slice):
                    await parts.feed(decoder, chunk[start : start + self.slice])
            if not empty:
                decoder.receive_data(None)
                await parts.take(decoder)
        except BaseException:
            parts.close()
            raise
        return self.cls(parts.fields), self.cls(parts.files)

    #: By mimetype: the function that parses a body, called with the parser first.
    parse_functions: t.ClassVar[dict[str, ParseFunc]] = {
        MULTIPART: _parse_multipart,
        URLENCODED: _parse_urlencoded,
        "application/x-url-encoded": _parse_urlencoded,
    }


class MultiPartParser:
    """A parser of multipart bodies only, with *Quart's* interface."""

    def __init__(
        self,
        *,
        buffer_size: int = SLICE,
        cls: type[MultiDict[str, t.Any]] = MultiDict,
        file_storage_cls: type[WerkzeugFileStorage] = FileStorage,
        max_content_length: int | None = None,
        max_form_memory_size: int | None = None,
        max_form_parts: int | None = None,
        stream_factory: StreamFactory = make_spooled_file,
    ) -> None:
        self._parser = FormDataParser(
            cls=cls,
            max_content_length=max_content_length,
            max_form_memory_size=max_form_memory_size,
            max_form_parts=max_form_parts,
            stream_factory=stream_factory,
        )
        self._parser.file_storage_class = file_storage_cls
        self._parser.slice = buffer_size

    async def parse(self, body: FormBody, boundary: bytes, content_length: int | None) -> Form:
        """Return the fields and the files. Raises as `FormDataParser.parse` does."""
        options = {"boundary": boundary.decode("ascii")}
        return await self._parser.parse(body, MULTIPART, content_length, options)


async def read_whole(body: t.Any, limit: int | None) -> bytes:
    """Return a whole body, also of a class of the user's. Raises RequestEntityTooLarge (413) above
    `limit` bytes."""
    if hasattr(body, "read"):
        return t.cast(bytes, await body.read(limit))
    data: bytes = await body
    if limit is not None and len(data) > limit:
        raise RequestEntityTooLarge()
    return data


async def read_urlencoded(data: bytes, parser: FormDataParser) -> MultiDict[str, str]:
    """Return the fields of a form as `parse_urlencoded` does. A long one is parsed off the loop."""
    if len(data) > MANY:
        off_loop = parser.offload(parse_urlencoded, data, parser.cls, parser.max_form_parts)
        return t.cast("MultiDict[str, str]", await off_loop)
    return parse_urlencoded(data, parser.cls, parser.max_form_parts)


class BlockingFormDataParser(WerkzeugFormDataParser):
    """The same parser for the plain colour, whose bodies are files, with Werkzeug's interface.

    *Flask:* takes a damaged form for an empty one, and has no limit for an urlencoded one.
    """

    def parse(
        self,
        stream: t.IO[bytes],
        mimetype: str,
        content_length: int | None,
        options: dict[str, str] | None = None,
    ) -> tuple[t.IO[bytes], MultiDict[str, str], MultiDict[str, WerkzeugFileStorage]]:
        """Return the stream, the fields and the files, as `FormDataParser.parse` does."""
        kind = self.cls or ImmutableMultiDict  # *Werkzeug:* None since 3.2
        if mimetype == URLENCODED:  # PERF(1.9 us): without a parser of its own
            data = _read_file(stream, self.max_form_memory_size)
            fields = parse_urlencoded(data, kind, self.max_form_parts)
            return stream, fields, kind()
        if mimetype != MULTIPART:  # Quart's parser has one name more than Werkzeug's
            return stream, kind(), kind()
        parser = FormDataParser(
            cls=kind,
            max_form_memory_size=self.max_form_memory_size,
            max_form_parts=self.max_form_parts,
            stream_factory=t.cast(StreamFactory, self.stream_factory),
            offload=_at_once,
        )
        parser.file_storage_class = WerkzeugFileStorage
        parser.slice = FILE_SLICE
        parser.on_loop = False
        body = t.cast(FormBody, _FileBody(stream))  # nothing of a multipart form is read whole
        form, files = drive(parser.parse(body, mimetype, content_length, options))
        return stream, form, files


async def _at_once(func: t.Callable[..., t.Any], *args: t.Any) -> t.Any:
    return func(*args)


class _FileBody:
    """A body that is read from a file: its coroutines never suspend."""

    def __init__(self, file: t.IO[bytes]) -> None:
        self.file = file

    async def __aiter__(self) -> t.AsyncIterator[bytes]:
        while chunk := self.file.read(FILE_SLICE):
            yield chunk


def _read_file(file: t.IO[bytes], limit: int | None) -> bytes:
    data = file.read() if limit is None else file.read(limit + 1)
    if limit is not None and len(data) > limit:
        raise RequestEntityTooLarge()
    return data


class _Parts:
    """The parts of one multipart form, filled as the decoder's events come in."""

    def __init__(self, parser: FormDataParser, content_length: int | None) -> None:
        self.parser = parser
        self.content_length = content_length
        self.fields: list[tuple[str, str]] = []
        self.files: list[tuple[str, WerkzeugFileStorage]] = []
        self.memory = 0
        self.turns = Turns() if parser.on_loop else None
        self._text: list[bytes] = []
        self._part: Field | File
        self._file: t.IO[bytes] | None = None
        self._size = 0

    async def feed(self, decoder: Decoder, data: bytes) -> None:
        """Take a piece of the body."""
        if self._file is not None and decoder.state is State.DATA:
            content, data = decoder.split(data)
            if content:
                await self._write(self._file, content)
        if self.turns is not None:
            await self.turns.give()
        for start in range(0, len(data), SLICE):
            if decoder.state is State.EPILOGUE:  # has no meaning, and may be long
                return
            decoder.receive_data(data[start : start + SLICE])
            await self.take(decoder)

    async def take(self, decoder: Decoder) -> None:
        """Take all events that the decoder has by now."""
        while not isinstance(event := decoder.next_event(), (Epilogue, NeedData)):
            if isinstance(event, (Field, File)):
                self._begin(event)
                if self.turns is not None:
                    await self.turns.give()
            elif isinstance(event, Data):
                if self._file is None:
                    self._add_text(event.data)
                else:
                    await self._write(self._file, event.data)
                if not event.more_data:
                    self._end()
            else:
                decoder.check_preamble(event)
        decoder.check_room()

    def _begin(self, part: Field | File) -> None:
        if part.name is None:
            raise ValueError("a part has no name")
        self._part = part
        self._text = []
        self._size = 0
        if isinstance(part, File):
            length = part.headers.get("content-length", type=int)
            self._file = self.parser.stream_factory(
                self.content_length, part.headers.get("content-type"), part.filename, length
            )

    def _add_text(self, data: bytes) -> None:
        self.memory += len(data)
        limit = self.parser.max_form_memory_size
        if limit is not None and self.memory > limit:
            raise RequestEntityTooLarge()
        self._text.append(data)

    async def _write(self, file: t.IO[bytes], data: bytes) -> None:
        self._size += len(data)
        if self._size > SPOOL_SIZE:
            await self.parser.offload(file.write, data)
        else:
            file.write(data)

    def _end(self) -> None:
        part, file = self._part, self._file
        if file is None:
            text = b"".join(self._text).decode(_charset(part.headers), "replace")
            self.fields.append((part.name, text))
            return
        file.seek(0)
        filename = t.cast(File, part).filename
        storage = self.parser.file_storage_class(file, filename, part.name, headers=part.headers)
        self.files.append((part.name, storage))
        self._file = None

    def close(self) -> None:
        """Close all files, as parsing has failed."""
        if self._file is not None:
            self._file.close()
        for _, storage in self.files:
            storage.close()


def _charset(headers: Headers) -> str:
    """Return the charset that a part names, if it is one of the few that are allowed, else
    UTF-8."""
    charset = parse_options_header(headers.get("content-type"))[1].get("charset", "").lower()
    return charset if charset in _CHARSETS else "utf-8"
