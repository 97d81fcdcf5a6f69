"""What is sent of a response: `Outgoing`, or its chunks, after which the response is closed.

Source: RFC 9110, sections 6.4 and 15; ASGI specification, "Response Start" and "Response Body".
"""

from __future__ import annotations

import functools
import typing as t
from asyncio import _get_running_loop

from werkzeug.exceptions import InternalServerError

from .._concurrency.coroutines import awaited
from .._concurrency.coroutines import is_awaitable
from .._concurrency.threads import spare
from ..typing import RawHeaders

AT_ONCE = 65536
"""Bytes of a body that a server takes at once, however slow the client reads."""
HEAD_BODY = "quartish.head_body"
"""Key of a scope whose response to HEAD is wanted with its body, which no client may get: by
Quart's test client, as in Quart it is the server that leaves it out."""
BODILESS = frozenset([*range(200), 204, 304])
"""Statuses of responses without a body. *Source:* RFC 9110, section 6.4.1."""


Outgoing = tuple[int, RawHeaders, bytes]
"""Status, header lines and body of a response that is in memory, as they are sent: nobody between
view and server looks at them. PERF(0.2 us): a class with these names is made and unmade slowly."""


@functools.lru_cache(maxsize=1024)
def length_line(length: int) -> tuple[bytes, bytes]:
    """Return the Content-Length header of a body of `length` bytes, as it is sent."""
    return b"content-length", b"%d" % length


def plain_error(body: bool = True) -> Outgoing:
    """Return what is sent where nothing else can be: a page that says 500."""
    page = InternalServerError().get_body().encode()
    headers = [(b"content-type", b"text/html; charset=utf-8"), length_line(len(page))]
    return 500, headers, page if body else b""


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
