"""A server's connection as an object, with Quart's interface: the base classes for
`asgi_http_class`, `asgi_websocket_class` and `asgi_lifespan_class` of an awaitable app.

The classes themselves only call the ASGI door. The steps below run for subclasses alone, which may
override each of them. They read ahead without a limit, as Quart does.
"""

from __future__ import annotations

import asyncio
import inspect
import typing as t
import warnings
from contextvars import copy_context
from functools import partial

from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response as WerkzeugResponse

from .._concurrency.coroutines import carry
from .._concurrency.coroutines import drive
from .._concurrency.coroutines import is_async_callable
from .._concurrency.threads import to_thread
from .._context import AppContext
from .._http.headers import latin_lines
from .._http.outgoing import as_bytes
from ..debugger import KEEP
from ..debugger import traceback_response
from ..typing import ASGIReceive
from ..typing import ASGISend
from ..typing import AwaitableApp
from ..typing import Message
from ..typing import Scope
from ..wrappers.connection import Conn
from ..wrappers.connection import hand_down
from .debug import error_response
from .debug import log
from .exchange import Flow
from .http import handle_http
from .lifespan import ASGILifespan as ASGILifespan
from .websocket import handle_websocket

T = t.TypeVar("T")
Task = asyncio.Task[None]

NORMAL_CLOSURE = 1000


async def off_loop(flow: Flow, ctx: AppContext, handle: t.Coroutine[t.Any, t.Any, T]) -> T:
    """Await the coroutine that handles a connection of an app's own class. If the view is a `def`,
    it is run in a worker thread, as *Quart* runs such a view in a thread."""
    app = flow.app
    rule = ctx.conn.url_rule
    view = None if rule is None else app.view_functions.get(rule.endpoint)
    if view is None or flow.plan.adapt is not None or is_async_callable(view):
        return await handle
    before = copy_context()
    context = before.copy()
    try:
        return await to_thread(app.view_pool, None, drive, handle, context)
    finally:
        carry(context, before)


class _Connection:
    """What the classes for requests and for websockets have in common."""

    #: Whether the ASGI door is called, as this is not a subclass.
    direct: t.ClassVar[bool] = True

    def __init__(self, app: AwaitableApp, scope: Scope) -> None:
        self.app = app
        self.scope = scope

    def __init_subclass__(cls, **kwargs: t.Any) -> None:
        super().__init_subclass__(**kwargs)
        if not cls.__module__.startswith("quartish."):
            cls.direct = False

    async def _run(
        self,
        read: t.Callable[..., t.Coroutine[t.Any, t.Any, None]],
        handle: t.Callable[[], t.Coroutine[t.Any, t.Any, None]],
        hand_in: bool,
    ) -> None:
        """Run the handler and the reader, which ends when the client disconnects. Whichever ends
        first ends the other. The reader starts first, unless it is given the handler's task
        (`hand_in`)."""
        if hand_in:
            handler = asyncio.ensure_future(handle())
            tasks = [asyncio.ensure_future(read(handler)), handler]
        else:
            tasks = [asyncio.ensure_future(read()), asyncio.ensure_future(handle())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for task, outcome in zip(tasks, ended, strict=True):
            if task in done and isinstance(outcome, BaseException) and not task.cancelled():
                raise outcome

    def _headers(self) -> Headers:
        headers = Headers()
        headers["Remote-Addr"] = (self.scope.get("client") or ["<local>"])[0]
        for name, value in self.scope["headers"]:
            headers.add(name.decode("latin-1").title(), value.decode("latin-1"))
        return headers

    def _path(self) -> str:
        path: str = self.scope["path"]
        if path[:1] != "/":
            path = Conn.quartish_from_scope({**self.scope, "root_path": ""}).path
        root: str = self.scope.get("root_path") or ""
        return _normalise_path(path, root) if root else path


class ASGIHTTPConnection(_Connection):
    """One request: `await ASGIHTTPConnection(app, scope)(receive, send)`."""

    async def __call__(self, receive: ASGIReceive, send: ASGISend) -> None:
        if self.direct:
            await handle_http(self.app, self.scope, receive, send, direct=True)
            return
        request = self._create_request_from_scope(send)
        read = partial(self.handle_messages, request, receive)
        handle = partial(self.handle_request, request, send)
        await self._run(read, handle, _takes_task(self.handle_messages))

    async def handle_messages(
        self, request: t.Any, receive: ASGIReceive, request_task: Task | None = None
    ) -> None:
        """Fill the request's body until the client disconnects; then cancel the handler's task, if
        it is given, as by *Quart* 0.23."""
        while True:
            message = await receive()
            if message["type"] == "http.request":
                request.body.append(message.get("body", b""))
                if not message.get("more_body", False):
                    request.body.set_complete()
            elif message["type"] == "http.disconnect":
                if request_task is not None:
                    request.body.disconnect()
                    request_task.cancel()
                return

    def _create_request_from_scope(self, send: ASGISend) -> t.Any:
        headers = self._headers()
        if self.scope["http_version"] < "1.1":
            headers.setdefault("Host", self.app.config["SERVER_NAME"] or "")
        request = self.app.request_class(
            self.scope["method"],
            self.scope["scheme"],
            self._path(),
            self.scope["query_string"],
            headers,
            self.scope.get("root_path", ""),
            self.scope["http_version"],
            max_content_length=self.app.config["MAX_CONTENT_LENGTH"],
            body_timeout=self.app.config["BODY_TIMEOUT"],
            send_push_promise=partial(self._send_push_promise, send),
            scope=self.scope,
        )
        hand_down(self.app, request)
        return request

    async def handle_request(self, request: t.Any, send: ASGISend) -> None:
        """Let the app handle the request, and send the response."""
        kept: list[AppContext] = []
        if self.app.debug:
            request.scope[KEEP] = kept.append
        try:
            response = await self.app.handle_request(request)
        except Exception as error:
            if self.app.debug:
                ctx = kept[-1] if kept else None
                response = await error_response(self.app, self.scope, error, ctx)
            else:
                response = await _handle_exception(self.app, error)
        timeout = getattr(response, "timeout", ...)
        if timeout is ...:
            timeout = self.app.config["RESPONSE_TIMEOUT"]
        try:
            await asyncio.wait_for(self._send_response(send, response), timeout)
        except TimeoutError:
            pass

    async def _send_response(self, send: ASGISend, response: t.Any) -> None:
        start = {
            "type": "http.response.start",
            "status": response.status_code,
            "headers": latin_lines(response.headers),
        }
        await _send_all(send, start, response)

    async def _send_push_promise(self, send: ASGISend, path: str, headers: Headers) -> None:
        if "http.response.push" in (self.scope.get("extensions") or {}):
            message = {"type": "http.response.push", "path": path, "headers": latin_lines(headers)}
            await send(message)


class ASGIWebsocketConnection(_Connection):
    """One websocket: `await ASGIWebsocketConnection(app, scope)(receive, send)`."""

    def __init__(self, app: AwaitableApp, scope: Scope) -> None:
        super().__init__(app, scope)
        #: Messages that the handler has not received yet.
        self.queue: asyncio.Queue[str | bytes] = asyncio.Queue()
        self._accepted = False
        self._closed = False

    async def __call__(self, receive: ASGIReceive, send: ASGISend) -> None:
        if self.direct and "buffer_class" not in self.app.websocket_class.quartish_redefined:
            await handle_websocket(self.app, self.scope, receive, send, direct=True)
            return
        websocket = self._create_websocket_from_scope(send)
        first = (websocket,) if self._has_buffer else ()
        read = partial(self.handle_messages, *first, receive)
        await self._run(read, partial(self.handle_websocket, websocket, send), self._has_buffer)

    @property
    def _has_buffer(self) -> bool:
        """Whether messages go into the websocket's own buffer, as in *Quart* 0.23."""
        kind = self.app.websocket_class
        return (
            _takes_task(self.handle_messages)
            or not kind.takes_receive()
            or "buffer_class" in kind.quartish_redefined
        )

    @t.overload
    async def handle_messages(self, receive: ASGIReceive) -> None: ...
    @t.overload
    async def handle_messages(
        self, websocket: t.Any, receive: ASGIReceive, websocket_task: Task
    ) -> None: ...
    async def handle_messages(self, *args: t.Any, **kwargs: t.Any) -> None:
        """Fill the queue until the client disconnects; or, by *Quart* 0.23's arguments, the buffer
        of the websocket, and then cancel the handler's task."""
        named = len(args) + len(kwargs) > 1
        names = ("websocket", "receive", "websocket_task") if named else ("receive",)
        given = dict(zip((name for name in names if name not in kwargs), args, strict=True))
        given |= kwargs
        receive, websocket = given["receive"], given.get("websocket")
        put = self.queue.put if websocket is None else websocket.buffer.put
        while True:
            message = await receive()
            if message["type"] == "websocket.receive":
                data = message.get("text")
                await put(message.get("bytes") or b"" if data is None else data)
            elif message["type"] == "websocket.disconnect":
                if websocket is not None:
                    websocket.buffer.disconnect()
                    given["websocket_task"].cancel()
                return

    def _create_websocket_from_scope(self, send: ASGISend) -> t.Any:
        websocket = self.app.websocket_class(
            self._path(),
            self.scope["query_string"],
            self.scope["scheme"],
            self._headers(),
            self.scope.get("root_path", ""),
            self.scope.get("http_version", "1.1"),
            list(self.scope.get("subprotocols") or ()),
            *(() if self._has_buffer else (self.queue.get,)),
            partial(self.send_data, send),
            partial(self.accept_connection, send),
            partial(self.close_connection, send),
            scope=self.scope,
        )
        hand_down(self.app, websocket)
        return websocket

    async def handle_websocket(self, websocket: t.Any, send: ASGISend) -> None:
        """Let the app handle the websocket; then close it, or reject it with the response."""
        try:
            response = await self.app.handle_websocket(websocket)
        except Exception as error:
            if self.app.debug:
                await log(self.app, error)
            response = await _handle_exception(self.app, error)
        extensions = self.scope.get("extensions") or {}
        if not self._accepted and response is None:
            return
        if not self._accepted and "websocket.http.response" in extensions:
            start = {
                "type": "websocket.http.response.start",
                "status": response.status_code,
                "headers": latin_lines(response.headers),
            }
            await _send_all(send, start, response)
        elif not self._closed:
            await send({"type": "websocket.close", "code": NORMAL_CLOSURE})

    async def send_data(self, send: ASGISend, data: str | bytes) -> None:
        """Send a message to the client."""
        if isinstance(data, str):
            await send({"type": "websocket.send", "bytes": None, "text": data})
        else:
            await send({"type": "websocket.send", "bytes": data, "text": None})

    async def accept_connection(
        self, send: ASGISend, headers: Headers, subprotocol: str | None
    ) -> None:
        """Accept the handshake, unless it is accepted."""
        if self._accepted:
            return
        message: Message = {"type": "websocket.accept", "subprotocol": subprotocol, "headers": []}
        if self._spec_version() > [2, 0]:
            message["headers"] = latin_lines(headers)
        elif headers:
            warnings.warn(
                "The ASGI server sends no headers when it accepts a websocket.", stacklevel=2
            )
        self._accepted = True
        await send(message)

    async def close_connection(self, send: ASGISend, code: int, reason: str) -> None:
        """Close the websocket. Raises RuntimeError if it is closed."""
        if self._closed:
            raise RuntimeError("The websocket was closed already.")
        message: Message = {"type": "websocket.close", "code": code}
        if self._spec_version() >= [2, 3]:
            message["reason"] = reason
        await send(message)
        self._closed = True

    def _spec_version(self) -> list[int]:
        return _convert_version(self.scope.get("asgi", {}).get("spec_version", "2.0"))


async def _send_all(send: ASGISend, start: Message, response: t.Any) -> None:
    """Send a response in pieces."""
    kind = start["type"].removesuffix("start") + "body"

    async def piece(data: str | bytes) -> None:
        await send({"type": kind, "body": as_bytes(data), "more_body": True})

    await send(start)
    if isinstance(response, WerkzeugResponse):
        for data in response.response:
            await piece(data)
    else:
        async with response.response as body:
            async for data in body:
                await piece(data)
    await send({"type": kind, "body": b"", "more_body": False})


async def _handle_exception(app: AwaitableApp, error: Exception) -> t.Any:
    """Return the traceback page of an error in debug mode and in tests; else raise the error."""
    if app.debug or app.testing:
        return await traceback_response(error)
    raise error


def _takes_task(method: t.Any) -> bool:
    """Say whether an overridden `handle_messages` takes three arguments, the third of which is the
    handler's task, as in *Quart* 0.23."""
    if method.__func__ in (
        ASGIHTTPConnection.handle_messages,
        ASGIWebsocketConnection.handle_messages,
    ):
        return False
    found = inspect.signature(method).parameters.values()
    return sum(parameter.kind.name.startswith("POSITIONAL") for parameter in found) == 3


def _normalise_path(path: str, root_path: str) -> str:
    """Return the path below `root_path`; outside of it " ", which is in no rule: 404."""
    if path == root_path or not path.startswith(root_path):
        return " "
    return path.removeprefix(root_path)


def _convert_version(raw: str) -> list[int]:
    return [int(number) for number in raw.split(".")]
