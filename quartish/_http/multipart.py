"""What decodes `multipart/form-data`: the same for each way in which a body is cut, within bounds.

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
"""Bytes that the decoder is given at once; it searches what it holds again and again."""
MAX_HEADERS = 8 * 1024
"""Bytes of a part's headers, and of what precedes the first part: they are parsed at once."""
MAX_BOUNDARY = 100
"""Characters of a boundary: RFC 2046 (section 5.1.1) allows 70, and the test client of Werkzeug's
has a few more now and then. One of a megabyte takes seconds to find."""
PADDING = 32
"""White space that may follow a boundary; what is followed by more is none."""
ROOM = MAX_BOUNDARY + PADDING + 8
"""As many bytes as a boundary has with its line breaks, dashes and padding."""
_LINE_ENDS = (b"\r", b"\n")
_LINE_BREAK = rb"(?:\r\n|\n|\r)"
_AFTER_BOUNDARY = rb"(--[^\S\r\n]{0,%d}%s?|[^\S\r\n]{0,%d}%s)" % ((PADDING, _LINE_BREAK) * 2)


class Decoder(WerkzeugDecoder):
    """Werkzeug's decoder, which else takes the CR before a closing boundary that comes in two
    chunks for data (its issue 3285).

    However a body is cut, it says the same: a CR at the end of a piece waits for what follows,
    since it may be half of a line break; there is an end to the padding of a boundary.
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
        """Return what is known by now. What may be the boundary after a part without data, whose
        line break is the one that ends the headers, is not looked at before it is all there."""
        if self.state is State.DATA_START and len(self.buffer) < ROOM and not self.complete:
            return NeedData()
        return super().next_event()

    def split(self, data: bytes) -> tuple[bytes, bytes]:
        """Return what belongs to the current part for sure, and the rest, which the decoder is
        to be given.

        PERF(20 us of 45 for 64 kB): most of a large file is passed on as it came.
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
        """Raise ValueError where what came before the first part is too long."""
        if isinstance(event, Preamble) and len(event.data) > MAX_HEADERS:
            raise ValueError("its boundary is nowhere")

    def check_room(self) -> None:
        """Do so, or raise RequestEntityTooLarge (413), for what has not come whole and will be
        too long."""
        if self.state is State.PREAMBLE:
            if len(self.buffer) > MAX_HEADERS + ROOM:
                raise ValueError("its boundary is nowhere")
            self.look_back(PADDING)
        elif self.state is State.PART:
            self.check_headers(len(self.buffer) - len(b"\r\n\r\n"))
