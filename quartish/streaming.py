"""Streams: server-sent events, and JSON one value after the other.

Their sources are iterables, sync or async. The context is kept for them: `request`, `session` and
`g` work in a generator, and the teardown functions run when it has ended. When the client
disconnects, the generator is cancelled where it waits. No time limit applies to the source, and
proxies are asked not to buffer what is sent.

*Flask:* has neither. *Source:* WHATWG HTML, "Server-sent events"; RFC 7464.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import AsyncIterable
from collections.abc import AsyncIterator
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from functools import update_wrapper
from inspect import isasyncgenfunction

from ._concurrency.heartbeats import close as close_async
from ._concurrency.heartbeats import Heartbeats
from ._current import current_context
from ._current import NO_REQUEST
from .helpers import stream_with_context

if t.TYPE_CHECKING:
    from .wrappers.response import Response

__all__ = ["Event", "last_event_id", "sse", "stream_json"]

P = t.ParamSpec("P")

_LINE_ENDS = re.compile(r"\r\n|\r|\n")
#: A comment: clients ignore it, and proxies see that the connection is alive.
_HEARTBEAT = b":\n\n"
_HEADERS = {
    # Compressed, an event would wait for the ones after it.
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",  # nginx, and servers that have adopted it
}


@dataclass(frozen=True)
class Event:
    """A server-sent event.

    Args:
        data: Text, or what the app's JSON provider writes. Without it clients take `id` and
            `retry`, and see no event.
        event: Its type, for `addEventListener`; clients take "message" where none is said.
        id: What a client that comes back sends in `Last-Event-ID`; "" makes it forget.
        retry: After how many milliseconds a client that was cut off shall come back.

    Raises:
        TypeError: `event` or `id` is no text, or `retry` no number.
        ValueError: `event` or `id` holds the end of a line, or a NUL; `retry` is below 0.

    Source:
        WHATWG HTML, section 9.2.6, "Interpreting an event stream".
    """

    data: t.Any = None
    event: str | None = None
    id: str | None = None
    retry: int | None = None

    def __post_init__(self) -> None:
        for name in ("event", "id"):
            value: str | None = getattr(self, name)
            if value is None:
                continue
            if not isinstance(value, str):
                raise TypeError(f"An event's {name!r} is text: str({value!r}).")
            if _LINE_ENDS.search(value) or "\0" in value:
                raise ValueError(f"An event's {name!r} is one line of text without NUL: {value!r}.")
        retry = self.retry
        if retry is not None and not isinstance(retry, int):
            raise TypeError(f"An event's 'retry' is a whole number of milliseconds, not {retry!r}.")
        if retry is not None and retry < 0:
            raise ValueError(f"An event's 'retry' is 0 milliseconds or more: {retry!r}.")

    def encode(self, dumps: Callable[[t.Any], str]) -> bytes:
        """Return the event as it is sent; `dumps` writes data that is not text."""
        data = self.data
        lines = [
            f"{name}: {value}"
            for name, value in (("event", self.event), ("id", self.id), ("retry", self.retry))
            if value is not None
        ]
        if isinstance(data, bytes):
            data = data.decode(errors="replace")
        if data is not None:
            text = data if isinstance(data, str) else dumps(data)
            lines += [f"data: {line}" for line in _LINE_ENDS.split(text)]
        return ("\n".join(lines) + "\n\n").encode(errors="replace")


def last_event_id() -> str | None:
    """Return the `id` of the last event that the current request's client has seen, if it was
    here before."""
    header: str | None = current_context(NO_REQUEST).request.headers.get("Last-Event-ID")
    return None if header is None else header.encode("latin-1").decode(errors="replace")


Source = AsyncIterable[t.Any] | Iterable[t.Any]


@t.overload
def sse(
    source: Source, /, *, heartbeat: float | None = 15, retry: int | None = None
) -> Response: ...
@t.overload
def sse(
    source: Callable[P, AsyncIterator[t.Any]],
    /,
    *,
    heartbeat: float | None = 15,
    retry: int | None = None,
) -> Callable[P, t.Coroutine[t.Any, t.Any, Response]]: ...
@t.overload
def sse(
    source: Callable[P, Iterator[t.Any]],
    /,
    *,
    heartbeat: float | None = 15,
    retry: int | None = None,
) -> Callable[P, Response]: ...
@t.overload
def sse(
    *, heartbeat: float | None = 15, retry: int | None = None
) -> Callable[[Callable[P, t.Any]], Callable[P, t.Any]]: ...
def sse(
    source: t.Any = None, /, *, heartbeat: float | None = 15, retry: int | None = None
) -> t.Any:
    """Return a response of server-sent events, or make a generator function a view of them.

    An item is an `Event`, or its data: text, or what JSON can say. An item None is a heartbeat.
    As a decorator it stands right below the route, above a function that yields.

    Args:
        source: Items, sync or async; or the function that yields them.
        heartbeat: After how many seconds without an item a comment is sent, so that nobody on the
            way takes the connection for dead; None for never. Only of an async source: a sync one
            that waits holds its thread, and yields None itself.
        retry: As `Event.retry`, said first.

    Raises:
        RuntimeError: No request is active.
        TypeError: `source` is text, a mapping or no iterable at all.

    Source:
        WHATWG HTML, "Server-sent events".
    """
    if source is None or callable(source):
        return _as_decorator(source, partial(sse, heartbeat=heartbeat, retry=retry))
    _check(source, "sse")
    if heartbeat is not None and isinstance(source, AsyncIterable):
        source = Heartbeats(aiter(source), heartbeat)
    dumps = current_context(NO_REQUEST).app.json.dumps

    def encode(item: t.Any) -> bytes:
        if item is None:
            return _HEARTBEAT
        return (item if isinstance(item, Event) else Event(item)).encode(dumps)

    # Servers send the head with the first piece, which so is sent before the first item.
    opening = _HEARTBEAT if retry is None else Event(retry=retry).encode(dumps)
    response = _stream(source, encode, opening, "text/event-stream; charset=utf-8")
    if heartbeat is not None and isinstance(source, Heartbeats):
        # Something is sent regularly: when nothing can be sent, the client has stopped reading.
        limit: float | None = current_context(NO_REQUEST).app.config["RESPONSE_TIMEOUT"]
        response.timeout = None if limit is None else max(limit, 2 * heartbeat)
    return response


@t.overload
def stream_json(source: Source, /, *, sequence: bool = False) -> Response: ...
@t.overload
def stream_json(
    source: Callable[P, AsyncIterator[t.Any]], /, *, sequence: bool = False
) -> Callable[P, t.Coroutine[t.Any, t.Any, Response]]: ...
@t.overload
def stream_json(
    source: Callable[P, Iterator[t.Any]], /, *, sequence: bool = False
) -> Callable[P, Response]: ...
@t.overload
def stream_json(
    *, sequence: bool = False
) -> Callable[[Callable[P, t.Any]], Callable[P, t.Any]]: ...
def stream_json(source: t.Any = None, /, *, sequence: bool = False) -> t.Any:
    """Return a response of JSON values, each sent when it is there; or make a generator function
    a view of them.

    Args:
        source: Values, sync or async; or the function that yields them.
        sequence: False for one value a line (`application/x-ndjson`), True for JSON text
            sequences (`application/json-seq`).

    Raises:
        RuntimeError: No request is active.
        TypeError: `source` is text, a mapping or no iterable at all.

    Source:
        RFC 7464 for `sequence`.
    """
    if source is None or callable(source):
        return _as_decorator(source, partial(stream_json, sequence=sequence))
    _check(source, "stream_json")
    dumps = current_context(NO_REQUEST).app.json.dumps
    begin = "\x1e" if sequence else ""

    def encode(item: t.Any) -> bytes:
        # An indenting provider's ends of lines; those of text are escaped.
        return f"{begin}{_LINE_ENDS.sub('', dumps(item))}\n".encode()

    kind = "application/json-seq" if sequence else "application/x-ndjson"
    return _stream(source, encode, b"", kind)


def _check(source: object, name: str) -> None:
    """Raise TypeError for what has no items, and for one item in place of several."""
    one = isinstance(source, str | bytes | Mapping)
    if one or not isinstance(source, AsyncIterable | Iterable):
        cure = f"[{'...' if one else 'item'}] or a generator"
        raise TypeError(
            f"'{name}' takes an iterable, sync or async, and was given {type(source).__name__!r}:"
            f" pass {cure}."
        )


def _as_decorator(function: t.Any, respond: Callable[[t.Any], Response]) -> t.Any:
    """Return a view that responds with what `function` yields, in the lane of that function;
    without a function, return the decorator."""
    if function is None:
        return respond
    if isasyncgenfunction(function):

        async def async_view(*args: t.Any, **kwargs: t.Any) -> Response:
            return respond(function(*args, **kwargs))

        return update_wrapper(async_view, function)

    def view(*args: t.Any, **kwargs: t.Any) -> Response:
        return respond(function(*args, **kwargs))

    return update_wrapper(view, function)


def _stream(source: t.Any, encode: Callable[[t.Any], bytes], opening: bytes, kind: str) -> Response:
    ctx = current_context(NO_REQUEST)
    # No disconnect would end the stream of a HEAD, which sends nothing.
    ended = ctx.request.method == "HEAD"
    stream: t.Any
    if isinstance(source, AsyncIterable):
        stream = _AsyncStream(aiter(source), encode, opening, ended)
    else:
        stream = _Stream(iter(source), encode, opening, ended)
    app = ctx.app
    response: t.Any = app.response_class(
        stream_with_context(stream), headers=_HEADERS, content_type=kind
    )
    response.timeout = None
    return t.cast("Response", response)


# Classes, and no generators: closing a generator that was never started leaves its source open.


class _Pieces:
    """What both kinds of stream know: an opening, then each item encoded; nothing once `ended`."""

    def __init__(
        self, source: t.Any, encode: Callable[[t.Any], bytes], opening: bytes, ended: bool
    ) -> None:
        self._source = source
        self._encode = encode
        self._opening = opening
        self._ended = ended

    def _take_opening(self) -> bytes:
        opening, self._opening = self._opening, b""
        return opening


class _Stream(_Pieces):
    """The pieces of a sync source."""

    def __iter__(self) -> t.Self:
        return self

    def __next__(self) -> bytes:
        if self._ended:
            raise StopIteration
        return self._take_opening() or self._encode(next(self._source))

    def close(self) -> None:
        """Close the source."""
        close = getattr(self._source, "close", None)
        if close is not None:
            close()


class _AsyncStream(_Pieces):
    """The pieces of an async source."""

    def __aiter__(self) -> t.Self:
        return self

    async def __anext__(self) -> bytes:
        if self._ended:
            raise StopAsyncIteration
        return self._take_opening() or self._encode(await anext(self._source))

    async def aclose(self) -> None:
        """Close the source."""
        await close_async(self._source)
