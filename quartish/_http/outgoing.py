"""What is sent of a response: an `Outgoing` in memory, or chunks, after which it is closed.

Source: RFC 9110, sections 6.4 and 15; ASGI specification, "Response Start" and "Response Body".
"""

from __future__ import annotations

import typing as t
from asyncio import _get_running_loop
from dataclasses import dataclass

from werkzeug.exceptions import InternalServerError

from .._concurrency.coroutines import awaited
from .._concurrency.coroutines import is_awaitable
from .._concurrency.threads import spare
from ..typing import RawHeaders
from .headers import length_line

AT_ONCE = 65536
"""Bytes of a body that a server accepts without waiting, however slowly the client reads."""
HEAD_BODY = "quartish.head_body"
"""Key of a scope, set by Quart's test client: a response to HEAD is sent with its body, as in Quart
only the server leaves it out."""
BODILESS = frozenset([*range(200), 204, 304])
"""Statuses of responses without a body. *Source:* RFC 9110, section 6.4.1."""


@dataclass(slots=True, eq=False)
class Outgoing:
    """A response that is in memory, encoded for sending. Nothing changes it on its way."""

    status: int
    headers: RawHeaders
    body: bytes


class OnePiece:
    """A body in memory that counts as a stream, as what Werkzeug makes of a WSGI callable's body
    does: `rest` is what nobody has taken yet."""

    __slots__ = ("rest",)

    def __init__(self, whole: bytes) -> None:
        self.rest: bytes | None = whole

    def __iter__(self) -> t.Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece, self.rest = self.rest, None
        if not piece:
            raise StopIteration
        return piece


HTML = b"text/html; charset=utf-8"


def page(status: int, body: bytes, content_type: bytes = HTML, *, head: bool = False) -> Outgoing:
    """Return a page that no view has made; with `head` without its body."""
    headers = [(b"content-type", content_type), length_line(len(body))]
    return Outgoing(status, headers, b"" if head else body)


def plain_error(*, head: bool = False) -> Outgoing:
    """Return a plain 500, for when the response cannot be sent."""
    return page(500, InternalServerError().get_body().encode(), head=head)


def as_bytes(chunk: object) -> bytes:
    """Return a piece of a response's body as bytes. Raises TypeError for any other type than str
    and bytes."""
    if isinstance(chunk, str):
        return chunk.encode()
    if isinstance(chunk, (bytes, bytearray, memoryview)):
        return bytes(chunk)
    raise TypeError(f"A response consists of str and bytes, not of {type(chunk).__name__}.")


async def close_response(response: t.Any) -> None:
    """Close a response, whether or not it was sent, as its stream may keep the context. Without a
    running loop it is closed in this thread."""
    spare(True)
    body = getattr(response, "response", None)
    close_here = getattr(body, "close_here", None)
    aclose = getattr(body, "aclose", None)  # Werkzeug knows `close` only
    try:
        if close_here is not None and _get_running_loop() is None:
            close_here()
        if aclose is not None:
            await awaited(aclose())
    finally:
        closed: t.Any = response.close() if hasattr(response, "close") else None
        if is_awaitable(closed):
            await awaited(closed)
    spare(False)
