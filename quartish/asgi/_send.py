"""Responses on their way out: one body message for what is in memory, one per chunk else.

Source: ASGI specification, "HTTP", response start and body.
"""

from __future__ import annotations

import typing as t
from asyncio import _get_running_loop
from concurrent.futures import Executor
from contextvars import copy_context

from werkzeug.datastructures import Headers
from werkzeug.http import remove_entity_headers
from werkzeug.wrappers import Response as WerkzeugResponse

from .._bridge import awaited
from .._bridge import is_awaitable
from .._bridge import to_thread
from ..typing import ASGISend

_END: t.Any = object()


def _has_body(method: str, status: int) -> bool:
    return method != "HEAD" and status >= 200 and status not in (204, 304)


def raw_headers(conn: t.Any, response: t.Any, length: int | None) -> list[tuple[bytes, bytes]]:
    """Return the headers to send; `length` is the body's size in bytes, None if unknown."""
    status: int = response.status_code
    headers: Headers = response.headers
    if status < 200 or status == 204 or status == 304:
        headers = Headers(headers)
        headers.remove("Content-Length")
        if status == 304:
            remove_entity_headers(headers)
        length = None
    raw: list[tuple[bytes, bytes]] = []
    for name, value in headers:
        key = name.lower()
        if key == "content-length":
            length = None
        elif key in ("location", "content-location") and isinstance(response, WerkzeugResponse):
            # Werkzeug makes a URI of what may be an IRI, absolute where the class wants it.
            environ = conn.environ if response.autocorrect_location_header else {}
            value = response.get_wsgi_headers(environ)[name]
        try:
            raw.append((key.encode("ascii"), value.encode("latin-1")))
        except UnicodeEncodeError:
            raw.append((key.encode("utf-8"), value.encode("utf-8")))
    if length is not None:
        raw.append((b"content-length", str(length).encode()))
    return raw


def body_in_memory(response: t.Any) -> bytes | None:
    """Return the whole body where the response has it at hand, or None."""
    body = response.response
    if isinstance(response, WerkzeugResponse):
        if response.is_sequence:
            if len(body) == 1 and type(body[0]) is bytes:
                return body[0]
            return b"".join(response.iter_encoded())
        return None
    return t.cast("bytes | None", getattr(body, "data", None))


def is_sync_stream(response: t.Any) -> bool:
    """Say whether the body is an iterator of plain Python, which may block."""
    return isinstance(response, WerkzeugResponse) and not (
        response.is_sequence or hasattr(response.response, "__aiter__")
    )


class ClientGone(Exception):
    """The client left while a response was sent: nothing to tell anybody."""


async def send_response(
    app: t.Any, conn: t.Any, response: t.Any, send: ASGISend, gone: t.Callable[[], bool]
) -> None:
    """Send a response; driven on a loop or in a thread. `gone()` says that the client left.

    A synchronous stream that is sent from the loop is iterated in a worker thread. The
    response is closed whatever happens.
    """
    try:
        data = body_in_memory(response)
        status: int = response.status_code
        start = {
            "type": "http.response.start",
            "status": status,
            "headers": raw_headers(conn, response, None if data is None else len(data)),
        }
        if not _has_body(conn.method, status):
            await awaited(_send_whole(send, start, b""))
        elif data is not None:
            await awaited(_send_whole(send, start, data))
        elif is_sync_stream(response):
            await _send_sync(app, response, send, start, gone)
        else:
            await awaited(_send_async(response, send, start, gone))
    except ClientGone:
        pass
    finally:
        close = getattr(response, "close", None)
        closed: t.Any = close() if close is not None else None
        if is_awaitable(closed):
            await awaited(closed)


async def _send_whole(send: ASGISend, start: dict[str, t.Any], data: bytes) -> None:
    try:
        await send(start)
        await send({"type": "http.response.body", "body": data})
    except OSError as error:
        raise ClientGone from error


async def _send_chunk(send: ASGISend, data: bytes, more: bool = True) -> None:
    try:
        await send({"type": "http.response.body", "body": data, "more_body": more})
    except OSError as error:  # since ASGI 2.4 that is how a server says that the client left
        raise ClientGone from error


async def _send_sync(
    app: t.Any,
    response: t.Any,
    send: ASGISend,
    start: dict[str, t.Any],
    gone: t.Callable[[], bool],
) -> None:
    chunks = iter(response.iter_encoded())
    step = _stepper(chunks, app.file_pool if response.direct_passthrough else app.view_pool)
    await awaited(send(start))
    while (chunk := await step()) is not _END and not gone():
        if chunk:
            await awaited(_send_chunk(send, chunk))
    await awaited(_send_chunk(send, b"", more=False))


def _stepper(chunks: t.Iterator[bytes], pool: Executor) -> t.Callable[[], t.Awaitable[t.Any]]:
    """Return what gives the next chunk or `_END`: in this thread, or from a loop in another."""
    if _get_running_loop() is None:

        async def step() -> t.Any:
            return next(chunks, _END)
    else:
        context = copy_context()

        async def step() -> t.Any:
            return await to_thread(pool, context, next, chunks, _END)

    return step


async def _send_async(
    response: t.Any, send: ASGISend, start: dict[str, t.Any], gone: t.Callable[[], bool]
) -> None:
    await send(start)
    body = response.response
    if hasattr(body, "__aenter__"):
        async with body as chunks:
            await _send_chunks(chunks, send, gone)
    else:
        await _send_chunks(body, send, gone)
    await _send_chunk(send, b"", more=False)


async def _send_chunks(chunks: t.Any, send: ASGISend, gone: t.Callable[[], bool]) -> None:
    iterator = aiter(chunks)
    try:
        async for chunk in iterator:
            if gone():
                break
            if chunk:
                data = chunk.encode() if isinstance(chunk, str) else bytes(chunk)
                await _send_chunk(send, data)
    finally:
        aclose = getattr(iterator, "aclose", None)
        if aclose is not None:
            await aclose()
