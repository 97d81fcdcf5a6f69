"""Server-sent events as a client reads them.

*Source:* WHATWG HTML, section 9.2.6, "Interpreting an event stream".
"""

from __future__ import annotations

import codecs
import typing as t
from collections.abc import AsyncIterator
from collections.abc import Iterable
from collections.abc import Iterator

from ..streaming import Event


class EventParser:
    """Makes events of the pieces of a stream, wherever they were cut.

    Attributes:
        last_event_id: What the client would send when it comes back, "" for nothing.
        retry: After how many milliseconds it would, if the server said so.
    """

    def __init__(self) -> None:
        self.last_event_id: str = ""
        self.retry: int | None = None
        self._text = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
        self._rest = ""
        self._data: list[str] = []
        self._kind = ""

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Yield the events that end in this piece. An event that never ends is none."""
        text = self._rest + self._text.decode(piece)
        # A CR may be half of the end of a line.
        whole = text.removesuffix("\r")
        *lines, rest = whole.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._rest = rest + text[len(whole) :]
        for line in lines:
            if line:
                self._take(line)
            elif event := self._event():
                yield event

    def _take(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._kind = value
        elif name == "id" and "\0" not in value:
            self.last_event_id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry = int(value)

    def _event(self) -> Event | None:
        data, kind = self._data, self._kind
        self._data, self._kind = [], ""
        if not data:
            return None
        return Event("\n".join(data), kind or "message", self.last_event_id, self.retry)


class _Chunks(t.Protocol):
    def iter_encoded(self) -> Iterable[bytes]: ...


def read_events(response: _Chunks | Iterable[bytes]) -> Iterator[Event]:
    """Yield the events of a response of the plain test client, each when it is sent.

    An event is as a browser sees it: `data` is text, `event` is "message" where none is said,
    `id` the last one that was. Close the response when enough were read, and the view's
    generator ends as when a client leaves.

    Args:
        response: The response, or pieces of its body.

    Source:
        WHATWG HTML, section 9.2.6.
    """
    parser = EventParser()
    for piece in response if isinstance(response, Iterable) else response.iter_encoded():
        yield from parser.feed(piece)


async def receive_events(receive: t.Callable[[], t.Awaitable[bytes]]) -> AsyncIterator[Event]:
    """Yield the events of what `receive` returns, until that is b""."""
    parser = EventParser()
    while piece := await receive():
        for event in parser.feed(piece):
            yield event
