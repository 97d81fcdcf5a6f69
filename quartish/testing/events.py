"""Reading server-sent events as a client does.

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
    """Parses events of the pieces of a stream, however it is split.

    Attributes:
        last_event_id: The `Last-Event-ID` for reconnecting, "" for none.
        retry: After how many milliseconds to reconnect, if the server has sent that.
    """

    def __init__(self) -> None:
        self.last_event_id: str = ""
        self.retry: int | None = None
        self._text = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
        self._rest = ""
        self._data: list[str] = []
        self._kind = ""

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Yield the events that end in this piece. An unfinished event is ignored."""
        text = self._rest + self._text.decode(piece)
        # A CR may be half of a line break.
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

    An event is as in a browser: `data` is text, `event` is "message" by default, `id` is the last
    one that was sent. Closing the response ends the view's generator as a disconnect does.

    Args:
        response: The response, or pieces of its body.

    Source:
        WHATWG HTML, section 9.2.6.
    """
    parser = EventParser()
    for piece in response if isinstance(response, Iterable) else response.iter_encoded():
        yield from parser.feed(piece)


async def receive_events(receive: t.Callable[[], t.Awaitable[bytes]]) -> AsyncIterator[Event]:
    """Yield the events in the pieces that `receive` returns, until that is b""."""
    parser = EventParser()
    while piece := await receive():
        for event in parser.feed(piece):
            yield event
