"""Sending responses: one body message for what is in memory, else one for each chunk.

Source: ASGI specification, "HTTP", response start and body.
"""

from __future__ import annotations

import asyncio
import os
import typing as t
from functools import partial
from time import monotonic

from werkzeug.datastructures import Headers
from werkzeug.http import remove_entity_headers
from werkzeug.sansio.response import Response as SansioResponse
from werkzeug.urls import iri_to_uri
from werkzeug.wrappers import Response as WerkzeugResponse
from werkzeug.wsgi import FileWrapper

from .._concurrency.coroutines import awaited
from .._concurrency.loops import Turns
from .._concurrency.watch import Apart
from .._concurrency.workers import Stay
from .._context import AppContext
from .._dispatch.errors import report_unsendable
from .._http.headers import length_line
from .._http.headers import raw_lines
from .._http.outgoing import as_bytes
from .._http.outgoing import AT_ONCE
from .._http.outgoing import BODILESS
from .._http.outgoing import close_response
from .._http.outgoing import HEAD_BODY
from .._http.outgoing import OnePiece
from .._http.outgoing import Outgoing
from .._http.outgoing import plain_error
from .._werkzeug import on_close_functions
from ..typing import ASGISend
from ..typing import Message
from ..typing import RawHeaders
from ..wrappers.response_bodies import FileBody
from ..wrappers.response_bodies import IterableBody
from .exchange import Exchange
from .trailers import with_trailers
from .unfinished import cut_off
from .unfinished import Disconnected
from .unread import guard
from .wsgi_face import as_wsgi_says

_END: t.Any = object()
_UNREAD = frozenset([413, 414, 431])
FILE_PIECE = 262144
"""Bytes of a file that are read and sent at once."""


def lines_of(
    ctx: AppContext, response: SansioResponse, status: int, length: int | None
) -> RawHeaders:
    """Return the header lines to send. `length` is the body's size in bytes, None if unknown."""
    headers: Headers = response.headers
    if status in BODILESS:
        headers = Headers(headers)
        headers.remove("Content-Length")
        if status == 304:
            remove_entity_headers(headers)
        length = None
    raw, has_length = raw_lines(list(iter(headers)), partial(_location, ctx, response), ctx.checked)
    if length is not None and not has_length:
        raw.append(length_line(length))
    if status in _UNREAD and ctx.kind == "request" and ctx.conn.http_version < "2":
        # The rest of the request's body will not be read.
        raw.append((b"connection", b"close"))
    return raw


def _location(ctx: AppContext, response: t.Any, name: str, value: str) -> str:
    """Return the URL of a header as a URI; an absolute one if the response's class wants it."""
    if getattr(response, "autocorrect_location_header", False):
        value = response.get_wsgi_headers(ctx.conn.environ)[name]
    return iri_to_uri(value)


def body_in_memory(response: t.Any) -> bytes | None:
    """Return the whole body if the response has it in memory, else None."""
    if not isinstance(response, WerkzeugResponse):
        data: bytes | None = response.in_memory()
        return data
    body: t.Any = response.response
    if type(body) is list and len(body) == 1 and type(body[0]) is bytes:
        return body[0]
    if type(body) is OnePiece and body.rest is not None:
        return body.rest
    return b"".join(response.iter_encoded()) if response.is_sequence else None


def is_sync_stream(response: object) -> bool:
    """Say whether the body is a synchronous iterator, which may block."""
    return isinstance(response, WerkzeugResponse) and not (
        response.is_sequence or hasattr(response.response, "__aiter__")
    )


def _path_of(exchange: Exchange, response: t.Any) -> str | None:
    """Return the path of the file that is the whole body, if the server may send it by itself (ASGI
    extension "Path Send"); else None. It may not if there is a middleware that may not know the
    extension, or if closing the response may remove the file."""
    scope, app = exchange.ctx.scope, exchange.app
    if "http.response.pathsend" not in (scope.get("extensions") or ()):
        return None
    wanted: bool | None = app.config["PATH_SEND"]
    if wanted is None:
        wanted = not ("asgi_app" in vars(app) or scope.get("root_path") or "app" in scope)
    if not wanted or on_close_functions(response):
        return None
    body = response.response
    if isinstance(body, FileWrapper):
        name = getattr(body.file, "name", None)
        if isinstance(name, str) and os.path.isabs(name) and body.file.tell() == 0:
            return name
    elif isinstance(body, FileBody) and (body.begin, body.end) == (0, body.size):
        return str(body.file_path.absolute())
    return None


def _read_more_at_once(response: t.Any) -> None:
    """Let Werkzeug read a file in larger pieces, as each one is read in a thread."""
    body = getattr(response.response, "iterable", response.response)  # of a range
    if isinstance(body, FileWrapper):
        body.buffer_size = FILE_PIECE


def is_bodiless(ctx: AppContext, status: int) -> bool:
    """Say whether a response is sent without its body: to HEAD, or because of its status."""
    scope = ctx.scope
    return status in BODILESS or (scope["method"] == "HEAD" and HEAD_BODY not in scope)


def outgoing_of(ctx: AppContext, response: t.Any) -> t.Any:
    """Return the `Outgoing` of a response that is small and in memory. Return the response itself
    if it is sent in pieces, or has something to be closed after it. If it cannot be sent, that is a
    plain 500."""
    if getattr(response, "quartish_speaks_wsgi", False):
        response = as_wsgi_says(ctx, response)
    try:
        if on_close_functions(response) or getattr(response, "trailers", None):
            return response
        data = body_in_memory(response)
        if data is None or len(data) > AT_ONCE:
            return response
        status: int = response.status_code
        headers = lines_of(ctx, response, status, len(data))
        return Outgoing(status, headers, b"" if is_bodiless(ctx, status) else data)
    except Exception as error:
        return failed_outgoing(ctx, error)


def failed_outgoing(ctx: AppContext, error: Exception) -> Outgoing:
    """Log that a response cannot be sent, and return a plain 500 in its place."""
    report_unsendable(ctx, error)
    return plain_error(head=ctx.conn.method == "HEAD")


async def send_outgoing(send: ASGISend, outgoing: Outgoing) -> None:
    """Send a response that is in memory, on the loop."""
    try:
        await send(
            {"type": "http.response.start", "status": outgoing.status, "headers": outgoing.headers}
        )
        await send({"type": "http.response.body", "body": outgoing.body})
    except OSError:  # the client has disconnected (ASGI 2.4)
        pass


async def send_unless_disconnected(exchange: Exchange, send: ASGISend, outgoing: Outgoing) -> None:
    """Send a response that is in memory, unless the client has disconnected."""
    try:
        if not (exchange.has_inbox and exchange.inbox.disconnect):
            await send_outgoing(send, outgoing)
    except asyncio.CancelledError:
        if not exchange.uncancel():
            raise
    finally:
        if exchange.has_inbox:
            exchange.inbox.listener = None


async def send_response(exchange: Exchange, response: t.Any) -> None:
    """Send a response, on the loop, until it ends or the client disconnects.

    A synchronous stream is iterated in a worker thread. The response is closed whatever
    happens.
    """
    inbox, scope = exchange.inbox, exchange.ctx.scope
    data: bytes | None = None
    try:
        if inbox.disconnect is not None:
            return
        send: ASGISend = exchange.send
        try:
            status: int = response.status_code
            data = body_in_memory(response)
            guard(exchange, over=data is not None)
            exchange.send = send = with_trailers(scope, exchange.send, response)
            length = None if data is None else len(data)
            headers = lines_of(exchange.ctx, response, status, length)
        except Exception as error:
            await send_outgoing(send, failed_outgoing(exchange.ctx, error))
            return
        payload = b"" if is_bodiless(exchange.ctx, status) else data
        if payload is None or len(payload) > AT_ONCE:
            send = exchange.send_timed(response)
        path = None if payload is not None else _path_of(exchange, response)
        try:
            await send({"type": "http.response.start", "status": status, "headers": headers})
            if path is not None:
                await send({"type": "http.response.pathsend", "path": path})
                return
            if payload is not None:
                await send({"type": "http.response.body", "body": payload})
                return
        except OSError as error:
            raise Disconnected from error
        exchange.unfinished = True
        if is_sync_stream(response):
            await _send_from_threads(exchange, response, send)
        else:
            await _send_async(exchange, response)
        if exchange.stalled:  # and was not ended by the cancellation
            await cut_off(exchange, None)
        elif inbox.disconnect is None:
            await _send_chunk(send, b"", more=False)
        exchange.unfinished = False
    except Disconnected:
        pass
    except BaseException as error:
        if exchange.unfinished:
            await cut_off(exchange, error)
        raise
    finally:
        inbox.listener = None  # after the end a server may send a disconnect to every app
        if data is None or on_close_functions(response):
            await close_response(response)


async def _send_from_threads(exchange: Exchange, response: t.Any, send: ASGISend) -> None:
    """Iterate a synchronous stream in one worker thread, and close it there: objects that it uses
    may belong to that thread; its `finally` may block; and if the stream keeps its context, closing
    it runs the teardown functions. Files are read in any thread."""
    app, inbox = exchange.app, exchange.inbox
    pool: t.Any = app.file_pool
    if not response.direct_passthrough:
        pool = exchange.ctx.hook_thread or Stay(app.view_pool)
    _read_more_at_once(response)
    chunks: t.Iterator[t.Any] = iter(response.iter_encoded())
    try:
        while True:
            chunk: t.Any = await Apart(pool, next, chunks, _END)
            if chunk is _END or inbox.disconnect is not None:
                return
            await _send_chunk(send, as_bytes(chunk))
    finally:
        try:
            close = getattr(response.response, "close", None)
            if close is not None:
                await Apart(pool, close)
        finally:
            if type(pool) is Stay:  # else it is the hook thread, or the pool of files
                pool.shutdown()


def streams_here(response: t.Any) -> bool:
    """Say whether the body has to be iterated in the thread that ran its request."""
    if isinstance(response, WerkzeugResponse):
        return is_sync_stream(response)
    body = response.response
    return isinstance(body, IterableBody) and body.is_sync


def _chunks_here(response: t.Any) -> t.Iterator[bytes]:
    if isinstance(response, WerkzeugResponse):
        yield from map(as_bytes, response.iter_encoded())
    else:
        yield from map(as_bytes, response.response.source)


async def send_here(exchange: Exchange, response: t.Any) -> None:
    """Send a synchronous stream from the thread that runs its request."""
    guard(exchange, over=False)
    exchange.send = with_trailers(exchange.ctx.scope, exchange.send, response)
    inbox, send = exchange.inbox, exchange.send_timed(response)
    status: int = response.status_code
    _read_more_at_once(response)
    try:
        try:
            headers = lines_of(exchange.ctx, response, status, None)
        except Exception as error:
            await awaited(send_outgoing(send, failed_outgoing(exchange.ctx, error)))
            return
        start = {"type": "http.response.start", "status": status, "headers": headers}
        await awaited(_send(send, start))
        path = None if is_bodiless(exchange.ctx, status) else _path_of(exchange, response)
        if path is not None:
            await awaited(_send(send, {"type": "http.response.pathsend", "path": path}))
            return
        exchange.unfinished = True
        if not is_bodiless(exchange.ctx, status):
            for chunk in _chunks_here(response):
                if inbox.disconnect is not None:
                    return
                await awaited(_send_chunk(send, chunk))
        await awaited(_send_chunk(send, b"", more=False))
        exchange.unfinished = False
    except Disconnected:
        exchange.unfinished = False
    finally:
        inbox.listener = None
        await close_response(response)


async def _send_chunk(send: ASGISend, data: bytes, more: bool = True) -> None:
    if data or not more:  # an empty chunk in between has no meaning
        await _send(send, {"type": "http.response.body", "body": data, "more_body": more})


async def _send(send: ASGISend, message: Message) -> None:
    try:
        await send(message)
    except OSError as error:  # the client has disconnected (ASGI 2.4)
        raise Disconnected from error


async def _send_async(exchange: Exchange, response: t.Any) -> None:
    body = response.response
    if hasattr(body, "__aenter__"):
        async with body as chunks:
            await _send_chunks(exchange, chunks)
    else:
        await _send_chunks(exchange, body)


async def _send_chunks(exchange: Exchange, chunks: t.Any) -> None:
    send, inbox, idle = exchange.send, exchange.inbox, exchange.idle
    iterator = aiter(chunks)
    turn_ends = monotonic() + Turns.LENGTH
    try:
        # PERF(0.4 us a chunk): what `_send_chunk`, `IdleTimer.send` and `Turns.give` do, without a
        # call.
        async for chunk in iterator:
            if inbox.over:
                break
            if type(chunk) is not bytes:
                chunk = as_bytes(chunk)
            if chunk:
                try:  # not around the whole loop: the generator may raise OSErrors of its own
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                except OSError as error:
                    raise Disconnected from error
            now = monotonic()
            if chunk and idle is not None:
                idle.moved = now
            if now > turn_ends:
                await asyncio.sleep(0)
                turn_ends = monotonic() + Turns.LENGTH
    finally:
        aclose = getattr(iterator, "aclose", None)
        if aclose is not None:
            await aclose()
