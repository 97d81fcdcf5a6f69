"""Http requests of an app whose `wsgi_app`, or `__call__`, was replaced by a WSGI middleware.

The whole call runs in one worker thread: middleware, app, and the iteration of the body,
each chunk of which is sent before the next is asked for.
"""

from __future__ import annotations

import asyncio
import io
import logging
import typing as t
from contextvars import Context
from contextvars import copy_context

from .._concurrency.coroutines import from_thread
from .._concurrency.threads import Lane
from .._concurrency.threads import spare
from .._concurrency.threads import to_thread
from .._current import find_context
from .._http.body import BodyReader
from .._http.headers import wsgi_head
from .._http.inbox import HttpInbox
from .._http.inbox import Inbox
from ..typing import ASGIReceive
from ..typing import ASGISend
from ..typing import Message
from ..typing import Scope
from ..wrappers.request import Request
from .exchange import body_of
from .exchange import IdleTimer
from .unfinished import Disconnected
from .unfinished import note
from .unfinished import reset
from .unread import guarded

T = t.TypeVar("T")

log: logging.Logger = logging.getLogger(__name__)


class CalledAsWSGI(t.Protocol):
    """The WSGI app that is called: an app of ours, or another (`middleware.FromWSGI`)."""

    @property
    def config(self) -> t.Mapping[str, t.Any]: ...
    @property
    def view_pool(self) -> t.Any: ...
    def to_file_thread(self, func: t.Callable[..., T], /, *args: t.Any) -> t.Awaitable[T]: ...
    def __call__(
        self, environ: dict[str, t.Any], start_response: t.Any, /
    ) -> t.Iterable[bytes]: ...


async def handle_through_wsgi(
    app: CalledAsWSGI,
    scope: Scope,
    receive: ASGIReceive,
    send: ASGISend,
    context: Context | None = None,
    keep: t.Callable[[t.Any], None] | None = None,
) -> None:
    """Handle one request by calling the app as WSGI, in `context` if one is given. `keep` is called
    with the app's contexts, as Werkzeug's debugger is."""
    inbox = HttpInbox(receive, app.to_file_thread)
    conn = Request.quartish_from_scope(scope)
    body = body_of(conn, inbox, app.config["BODY_TIMEOUT"])
    lane = Lane(inbox.watch)
    if body is not None:
        reader = BodyReader(body, _limit, lane)
        lane.prepare = reader.prepare
        conn.quartish_receive_input(io.BufferedReader(reader))
    environ = conn.environ
    del environ["werkzeug.request"]
    if keep is not None:
        environ["werkzeug.debug.preserve_context"] = keep

    def stalled() -> None:
        getattr(app, "logger", log).warning(
            "The response to [%s %s] was given up: nothing of it was sent for %s seconds"
            " (RESPONSE_TIMEOUT)",
            conn.method,
            conn.path,
            idle.seconds,
        )
        lane.cancel()

    sending = send if body is None else guarded(send, body, scope)
    idle = IdleTimer(lane.loop, sending, app.config["RESPONSE_TIMEOUT"], stalled)
    call = WsgiCall(app, environ, idle, inbox, lane)
    inbox.listener = call
    try:
        await to_thread(app.view_pool, context or copy_context(), call.run, lane=lane)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if not lane.cancelled or (task is not None and task.cancelling()):
            raise
    except Exception as error:
        if call.started and not call.ended:
            error.add_note(note(f"[{conn.method} {conn.path}]"))
        raise
    finally:
        if call.started and not call.ended and inbox.disconnect is None:
            await reset(send)
        idle.stop()
        environ["wsgi.input"].close()
        if inbox.drops and call.ended:
            await inbox.drain()
        await inbox.close()


def _limit() -> int | None:
    """Return `max_content_length` of the request that the app has made of the environ; None if it
    has made none."""
    ctx = find_context()
    return t.cast(int, ctx.request.max_content_length) if ctx and ctx.has_request else None


class WsgiCall:
    """One call of a WSGI app in a worker thread, its output sent as ASGI messages."""

    def __init__(
        self,
        app: CalledAsWSGI,
        environ: dict[str, t.Any],
        idle: IdleTimer,
        inbox: Inbox,
        lane: Lane,
    ) -> None:
        self.app = app
        self.environ = environ
        self.idle = idle
        self.inbox = inbox
        self.lane = lane
        self.start: dict[str, t.Any] | None = None
        self.length: int | None = None
        self.started: bool = False
        self.ended: bool = False

    def disconnected(self) -> None:
        """Cancel async code that the app waits for."""
        self.lane.cancel()

    def disconnect_raised(self) -> None:
        """Nothing is cancelled: the app, which reads, gets an exception."""

    def run(self) -> None:
        """Call the app and send its response, until it ends or the client disconnects."""
        try:
            body = self.app(self.environ, self.start_response)
            try:
                for chunk in body:
                    if self.inbox.disconnect is not None:
                        return
                    if chunk and not self.ended:
                        self.write(chunk)
                if not self.ended:
                    self.write(b"", more=False)
            finally:
                close = getattr(body, "close", None)
                if close is not None:
                    spare(True)
                    close()
        except Disconnected:
            pass

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: t.Any = None
    ) -> t.Callable[[bytes], None]:
        """Note status and headers (PEP 3333). They are sent before the first chunk."""
        if exc_info is not None and self.started:
            raise exc_info[1].with_traceback(exc_info[2])
        if exc_info is None and self.start is not None:
            raise RuntimeError("start_response was called twice without exc_info (PEP 3333).")
        code, raw = wsgi_head(status, headers)
        self.start = {"type": "http.response.start", "status": code, "headers": raw}
        length = dict(raw).get(b"content-length")
        self.length = None if length is None else int(length)
        return self.write

    def write(self, chunk: bytes, more: bool = True) -> None:
        """Send a chunk. If the length is known, the chunk that completes it ends the response.
        Raises Disconnected if the client has disconnected."""
        if self.start is None:
            raise RuntimeError("The WSGI app sent its body before it called start_response.")
        if not self.started:
            self.started = True
            self.idle.start()
            self._send(self.start)
        if self.length is not None:
            self.length -= len(chunk)
            more = more and self.length > 0
        self.ended = not more
        self._send({"type": "http.response.body", "body": chunk, "more_body": more})

    def _send(self, message: Message) -> None:
        try:
            from_thread(self.idle.send(message), prepared=True)
        except OSError as error:
            raise Disconnected from error
