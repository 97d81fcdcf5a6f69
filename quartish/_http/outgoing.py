"""What is sent of a response: `Outgoing`, or its chunks, after which the response is closed.

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
"""Bytes of a body that a server takes at once, however slow the client reads."""
HEAD_BODY = "quartish.head_body"
"""Key of a scope whose response to HEAD is wanted with its body, which no client may get: by
Quart's test client, as in Quart it is the server that leaves it out."""
BODILESS = frozenset([*range(200), 204, 304])
"""Statuses of responses without a body. *Source:* RFC 9110, section 6.4.1."""


@dataclass(slots=True, eq=False)
class Outgoing:
    """A response that is in memory, as it is sent: nobody between view and server looks at it."""

    status: int
    headers: RawHeaders
    body: bytes


HTML = b"text/html; charset=utf-8"


def page(status: int, body: bytes, content_type: bytes = HTML, *, head: bool = False) -> Outgoing:
    """Return a page that no view has made; without its body where it answers a HEAD."""
    headers = [(b"content-type", content_type), length_line(len(body))]
    return Outgoing(status, headers, b"" if head else body)


def plain_error(*, head: bool = False) -> Outgoing:
    """Return what is sent where nothing else can be: a page that says 500."""
    return page(500, InternalServerError().get_body().encode(), head=head)


def as_bytes(chunk: t.Any) -> bytes:
    """Return a piece of a response's body. Raises TypeError where it is none."""
    if isinstance(chunk, str):
        return chunk.encode()
    if isinstance(chunk, (bytes, bytearray, memoryview)):
        return bytes(chunk)
    raise TypeError(f"A response consists of str and bytes, not of {type(chunk).__name__}.")


async def close_response(response: t.Any) -> None:
    """Close a response, whether or not it was sent: its stream may hold the context. In the thread
    that drives this, where no loop runs."""
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
