"""Compressed request bodies: gzip, deflate, and Brotli and Zstandard if these are installed.

The decoded body comes in pieces of bounded size, and is counted against a limit of its own, as a
few kilobytes may decode to gigabytes.

Source: RFC 9110, sections 8.4, 12.5.3 and 15.5.16; RFC 9659 for the window of zstd.
"""

from __future__ import annotations

import importlib
import io
import typing as t
import zlib
from functools import partial

from werkzeug.exceptions import BadRequest
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.exceptions import UnsupportedMediaType

from .._concurrency.loops import Turns
from .body import Body
from .inbox import give_way

PIECE = 64 * 1024
"""Bytes that are decoded at once, approximately."""
WINDOW = 23
"""The binary logarithm of the largest window that a zstd body may ask for: 8 MB (RFC 9659)."""

SLICE = 16 * 1024
"""Bytes that a decoder is given at once, as it copies what it does not use."""
FEW = 100
"""How many streams one after the other may be short, and how many in a row may be empty: to begin a
stream takes as long as to decode some kilobytes."""
AVERAGE = 1024
"""Bytes to which the streams have to decode on average, if there are more."""

Limit = t.Callable[[], int | None]


def first_importable(*names: str) -> t.Any:
    """Return the first of these modules that is installed; None if none is."""
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            pass
    return None


_brotli: t.Any = first_importable("brotli")
_zstd: t.Any = first_importable("compression.zstd", "backports.zstd")


class UnsupportedCoding(UnsupportedMediaType):
    """A Content-Encoding that is not supported (415). The response names those that are."""

    def get_headers(self, *args: t.Any, **kwargs: t.Any) -> list[tuple[str, str]]:
        return [*super().get_headers(*args, **kwargs), ("Accept-Encoding", ", ".join(CODINGS))]


class Decoding(t.Protocol):
    """The decoder of one body."""

    def feed(self, data: bytes) -> None:
        """Take bytes of the body as they came."""

    def take(self) -> bytes:
        """Return a piece of the decoded body; b"" if that needs more bytes."""
        ...

    def is_whole(self) -> bool:
        """Say whether the body may end here."""
        ...


class TooManyStreams(ValueError):
    """The body consists of too many streams that decode to almost nothing."""


class _Stream:
    """Decodes a body that may consist of several compressed streams, one after the other."""

    _decoder: t.Any = None
    _given = b""
    #: Where in it the next slice begins, and what is left of the one before.
    _at = 0
    _rest = b""
    #: Whether the decoder may hold more of what it was given.
    _holds = False
    #: How many streams have ended; how many of the last ones were empty; bytes that all decoded to.
    _ended = 0
    _silent = 0
    _said = 0

    def __init__(self, make: t.Callable[[], t.Any]) -> None:
        self._make = make

    def feed(self, data: bytes) -> None:
        self._given, self._at = self._given[self._at :] + data, 0

    def take(self) -> bytes:
        while self._rest or self._at < len(self._given) or self._holds:
            if not self._rest:
                self._rest = self._given[self._at : self._at + SLICE]
                self._at += len(self._rest)
            if self._decoder is None:
                if self._ended:
                    self._rest = self._rest.lstrip(b"\0")  # padding
                    if not self._rest:
                        continue
                self._decoder = self._make()
            piece = self._decode(self._decoder)
            self._holds = bool(piece) and self._decoder is not None
            if piece:
                self._said += len(piece)
                self._silent = 0
                return piece
        return b""

    def _decode(self, decoder: t.Any) -> bytes:
        raise NotImplementedError

    def _end(self, after: bytes) -> None:
        """Take the rest for another stream, as gzip and zstd do."""
        self._decoder, self._rest = None, after
        self._ended += 1
        self._silent += 1
        if self._silent > FEW or (self._ended > FEW and self._said < self._ended * AVERAGE):
            raise TooManyStreams

    def is_whole(self) -> bool:
        return self._decoder is None


class _Deflated(_Stream):
    def _decode(self, decoder: t.Any) -> bytes:
        piece: bytes = decoder.decompress(self._rest, PIECE)
        self._rest = decoder.unconsumed_tail
        if decoder.eof:
            self._end(decoder.unused_data)
        return piece


class _Zstd(_Stream):
    def _decode(self, decoder: t.Any) -> bytes:
        data, self._rest = self._rest, b""
        piece: bytes = decoder.decompress(data, PIECE)
        if decoder.eof:
            self._end(decoder.unused_data)
        return piece


class _Brotli(_Stream):
    def _decode(self, decoder: t.Any) -> bytes:
        data, self._rest = self._rest, b""
        return t.cast(bytes, decoder.process(data, output_buffer_limit=PIECE))

    def is_whole(self) -> bool:
        return self._decoder is None or self._decoder.is_finished()


def _zstd_decoder() -> t.Any:
    return _zstd.ZstdDecompressor(options={_zstd.DecompressionParameter.window_log_max: WINDOW})


def _makers() -> dict[str, t.Callable[[], Decoding]]:
    makers: dict[str, t.Callable[[], Decoding]] = {
        "gzip": partial(_Deflated, partial(zlib.decompressobj, 31)),
        "deflate": partial(_Deflated, zlib.decompressobj),
    }
    if hasattr(_brotli, "Decompressor") and hasattr(
        _brotli.Decompressor, "can_accept_more_data"
    ):  # since 1.2; before that a piece of output has no limit
        makers["br"] = partial(_Brotli, _brotli.Decompressor)
    if _zstd is not None:
        makers["zstd"] = partial(_Zstd, _zstd_decoder)
    return makers


#: By Content-Encoding: the function that makes the decoder of one body.
CODINGS: t.Mapping[str, t.Callable[[], Decoding]] = _makers()
_ERRORS: tuple[type[Exception], ...] = (
    zlib.error,
    TooManyStreams,
    *([_brotli.error] if "br" in CODINGS else []),
    *([_zstd.ZstdError] if "zstd" in CODINGS else []),
)


class Decoder:
    """Decodes one body whose Content-Encoding is `header`, up to `limit()` bytes.

    Nothing is lost by a 413: after the limit was raised it goes on where it stopped.
    """

    def __init__(self, header: str, limit: Limit) -> None:
        name = header.strip().lower()
        self._coding = {"x-gzip": "gzip"}.get(name, name)
        self._limit = limit
        self._decoding: Decoding | None = None
        self._piece = b""
        #: Bytes that were decoded.
        self.decoded: int = 0

    def take(self) -> bytes:
        """Return a piece of the decoded body; b"" if more has to be fed.

        Raises BadRequest (400) for damaged data, RequestEntityTooLarge (413) above the limit,
        UnsupportedMediaType (415) for an unknown coding.
        """
        if self._coding not in CODINGS:
            raise UnsupportedCoding(
                f"The Content-Encoding {self._coding!r} is not read here, as"
                f" {', '.join(CODINGS)} are."
            )
        if not self._piece and self._decoding is not None:
            try:
                self._piece = self._decoding.take()
            except _ERRORS as error:
                raise self._damaged() from error
            self.decoded += len(self._piece)
        limit = self._limit()
        if limit is not None and self.decoded > limit:
            raise RequestEntityTooLarge(
                f"The body is more than {limit} bytes when decoded (MAX_DECODED_CONTENT_LENGTH)."
            )
        piece, self._piece = self._piece, b""
        return piece

    def feed(self, data: bytes) -> None:
        """Take bytes of the body as they came; b"" at its end. Raises BadRequest (400) if the body
        must not end there."""
        if data:
            if self._decoding is None:
                self._decoding = CODINGS[self._coding]()
            self._decoding.feed(data)
        elif self._decoding is not None and not self._decoding.is_whole():
            raise self._damaged()

    def _damaged(self) -> BadRequest:
        return BadRequest(f"The body is no whole {self._coding}, as its Content-Encoding says.")


class DecodedBody(Body):
    """The decoded form of a body. `received` counts decoded bytes, `limit` the bytes that came."""

    def __init__(self, raw: Body, decoder: Decoder) -> None:
        self._raw = raw
        self._decoder = decoder
        super().__init__(raw.inbox, raw.limit, raw.offload, raw.timeout, raw.announced)

    @property
    def limit(self) -> int | None:
        return self._raw.limit

    @limit.setter
    def limit(self, value: int | None) -> None:
        self._raw.limit = value

    @property
    def timeout(self) -> float | None:
        return self._raw.timeout

    @timeout.setter
    def timeout(self, value: float | None) -> None:
        self._raw.timeout = value

    async def next(self) -> bytes:
        if self._turns is None:
            self._turns = Turns()
        else:
            await self._turns.give()
        try:
            while (piece := self.pull()) is None:
                self._take_raw(await self._raw.next())
        except HTTPException:
            await give_way(self)
            raise
        return piece

    def pull(self) -> bytes | None:
        while not self.complete:
            piece = self._decoder.take()
            self.received = self._decoder.decoded
            if piece:
                return piece
            raw = self._raw.pull()
            if raw is None:
                return None
            self._take_raw(raw)
        return b""

    def _take_raw(self, raw: bytes) -> None:
        self._decoder.feed(raw)
        self.complete = not raw

    def check_limit(self) -> None:
        self._raw.check_limit()

    def is_here(self) -> bool:
        return self.complete or self._raw.is_here()


class DecodedFile(io.RawIOBase):
    """The decoded form of a binary file."""

    def __init__(self, file: t.IO[bytes], decoder: Decoder) -> None:
        self._file = file
        self._decoder = decoder
        self._rest = memoryview(b"")
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        while not self._rest and not self._ended:
            self._rest = memoryview(self._decoder.take())
            if not self._rest:
                raw = self._file.read(PIECE)
                self._decoder.feed(raw)
                self._ended = not raw
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
