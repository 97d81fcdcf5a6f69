"""The decoder of `multipart/form-data`. Its result does not depend on how a body is split into
chunks.

Source: RFC 7578 and RFC 2046, section 5.1.
"""

from __future__ import annotations

import re
import typing as t

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import Event
from werkzeug.sansio.multipart import NeedData
from werkzeug.sansio.multipart import Preamble
from werkzeug.sansio.multipart import State

from .._werkzeug import Decoder as WerkzeugDecoder

SLICE = 64 * 1024
"""Bytes that the decoder is given at once, as it searches its whole buffer each time."""
MAX_HEADERS = 8 * 1024
"""Bytes of a part's headers, and of the preamble, both of which are parsed in one go."""
MAX_BOUNDARY = 100
"""Characters of a boundary. RFC 2046 (section 5.1.1) allows 70; Werkzeug's test client sometimes
has a few more. Searching for one of a megabyte would take seconds."""
PADDING = 32
"""Characters of white space that may follow a boundary; with more it does not count as one."""
ROOM = MAX_BOUNDARY + PADDING + 8
"""The greatest length of a boundary with its line breaks, dashes and padding."""
_LINE_ENDS = (b"\r", b"\n")
_LINE_BREAK = rb"(?:\r\n|\n|\r)"
_AFTER_BOUNDARY = rb"(--[^\S\r\n]{0,%d}%s?|[^\S\r\n]{0,%d}%s)" % ((PADDING, _LINE_BREAK) * 2)


class Decoder(WerkzeugDecoder):
    """Werkzeug's decoder, corrected: that takes the CR before a closing boundary for data if the
    boundary is split over two chunks (its issue 3285).

    A CR at the end of a chunk is kept until more comes, as it may be half of a line break; and the
    padding of a boundary is limited.
    """

    def __init__(self, boundary: bytes, **limits: t.Any) -> None:
        super().__init__(boundary, **limits)
        delimiter = b"--" + re.escape(boundary) + _AFTER_BOUNDARY
        self.preamble_re = re.compile(_LINE_BREAK + b"?" + delimiter)
        self.boundary_re = re.compile(_LINE_BREAK + delimiter)
        self._held = b""

    def receive_data(self, data: bytes | None) -> None:
        """Take a piece of the body; None: it has ended."""
        if data is not None:
            data = self._held + data
            self._held = data[-1:] if data[-1:] == b"\r" else b""
            super().receive_data(data[:-1] if self._held else data)
            return
        super().receive_data(self._held)
        super().receive_data(None)

    def next_event(self) -> Event:
        """Return the next event. After the headers of a part it waits until a whole boundary is in
        the buffer: a part without data is ended by one whose line break also ends the headers."""
        if self.state is State.DATA_START and len(self.buffer) < ROOM and not self.complete:
            return NeedData()
        return super().next_event()

    def split(self, data: bytes) -> tuple[bytes, bytes]:
        """Return the bytes that certainly belong to the current part, and the rest, which has to be
        given to the decoder.

        PERF(20 us of 45 for 64 kB): most of a large file is not decoded.
        """
        if self.buffer or self._held:
            data = bytes(self.buffer) + self._held + data
            self.buffer.clear()
            self._held = b""
        if b"--" + self.boundary in data:
            return b"", data
        end = self.boundary_start(data)
        return data[:end], data[end:]

    def check_headers(self, size: int) -> None:
        if size > MAX_HEADERS:
            raise RequestEntityTooLarge("The headers of a part are too long.")

    def boundary_start(self, data: bytes | bytearray) -> int:
        window = max(0, len(data) - ROOM)
        return min(at if (at := data.find(end, window)) >= 0 else len(data) for end in _LINE_ENDS)

    def check_preamble(self, event: Event) -> None:
        """Raise ValueError if the preamble is too long."""
        if isinstance(event, Preamble) and len(event.data) > MAX_HEADERS:
            raise ValueError("its boundary is nowhere")

    def check_room(self) -> None:
        """Raise ValueError for an incomplete preamble, or RequestEntityTooLarge (413) for
        incomplete headers of a part, that are too long already."""
        if self.state is State.PREAMBLE:
            if len(self.buffer) > MAX_HEADERS + ROOM:
                raise ValueError("its boundary is nowhere")
            self.look_back(PADDING)
        elif self.state is State.PART:
            self.check_headers(len(self.buffer) - len(b"\r\n\r\n"))
