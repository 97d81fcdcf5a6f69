"""Sending responses by ASGI whose class redefines how they are sent by WSGI.

A class of the plain colour may redefine methods that Werkzeug calls to send a response by WSGI
(`get_wsgi_headers`, `get_app_iter`, ...). Then they are called here too, inside of the context, and
their result is sent.
"""

from __future__ import annotations

import typing as t

from werkzeug.wrappers import Response

from .._context import AppContext


class _Chunks:
    """The chunks of a WSGI response. It is closed once, however often `close` is called."""

    def __init__(self, chunks: t.Iterable[bytes]) -> None:
        self._chunks = chunks
        self._iterator = iter(chunks)
        self._closed = False

    def __iter__(self) -> t.Iterator[bytes]:
        return self._iterator

    def close(self) -> None:
        closes = not self._closed and getattr(self._chunks, "close", None)
        self._closed = True
        if closes:
            closes()


def as_wsgi_says(ctx: AppContext, response: t.Any) -> t.Any:
    """Return the response that is sent: the same, unless its class redefines how it is sent by
    WSGI."""
    if not getattr(response, "quartish_speaks_wsgi", False):
        return response
    environ = ctx.conn.environ
    if hasattr(response.response, "__aiter__"):  # an async stream, which WSGI cannot iterate
        response.headers = response.get_wsgi_headers(environ)
        return response
    begun: list[t.Any] = []
    written: list[bytes] = []

    def start_response(
        status: str, headers: list[tuple[str, str]], exc_info: t.Any = None
    ) -> t.Callable[[bytes], object]:
        begun[:] = status, headers
        return written.append

    in_memory = response.is_sequence
    chunks = _Chunks(response(environ, start_response))
    body: t.Any = chunks
    if in_memory or not begun:
        try:
            body = [*written, *chunks]
        finally:
            chunks.close()
    status, headers = begun
    return Response(body, status, headers, direct_passthrough=response.direct_passthrough)
