"""One connection of the asynchronous test client: plain ASGI, message by message.

The app runs in a task beside the test, from `async with` to its end; its
exceptions are raised where the test waits for it.
"""

from __future__ import annotations

import asyncio
import typing as t
from collections.abc import AsyncIterator
from types import TracebackType

from werkzeug.datastructures import Headers

from ..streaming import Event
from ..typing import AppLike
from ..typing import Message
from ..typing import Scope
from .events import receive_events
from .responses import make_response
from .utils import decode_headers


class HTTPDisconnectError(Exception):
    """The response has ended, or the app has closed the connection."""


class WebsocketDisconnectError(Exception):
    """The app has closed the websocket, with `code` and `reason`."""

    def __init__(self, code: int = 1000, reason: str = "") -> None:
        super().__init__(code, reason) if reason else super().__init__(code)
        self.code = code
        self.reason = reason


class WebsocketResponseError(Exception):
    """The app has rejected the handshake with an http response."""

    def __init__(self, response: t.Any) -> None:
        super().__init__(response)
        self.response = response


class _TestConnection:
    """What both kinds have in common: two queues, and the app's task between them."""

    __test__ = False  # for pytest
    headers: Headers | None
    status_code: int | None
    response_data: bytearray

    def __init__(self, app: AppLike, scope: Scope) -> None:
        self.app = app
        self.scope = scope
        self._asked = {**scope}  # a copy, as the app may change the scope
        self.headers = None
        self.status_code = None
        self.response_data = bytearray()
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._received: asyncio.Queue[t.Any] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._raised: BaseException | None = None
        self._left = False

    async def __aenter__(self) -> t.Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def _run(self) -> None:
        try:
            await self.app(self.scope, self._to_app.get, self._receive_message)
        except BaseException as error:
            self._received.put_nowait(error)
            raise
        self._received.put_nowait(self._ended())

    def _ended(self) -> Exception:
        """Return the exception for waiting after the app has ended."""
        return HTTPDisconnectError("The app has ended; there is nothing more to receive.")

    async def receive(self) -> t.Any:
        """Return the app's next message; raise the app's exception."""
        if self._received.empty() and self._raised is not None:
            raise self._raised
        data = await self._received.get()
        if isinstance(data, BaseException):
            self._raised = data
            raise data
        return data

    async def _wait_for_app(self) -> None:
        """Wait until the app has ended; raise its exception, unless `receive` has raised it."""
        assert self._task is not None
        try:
            await self._task
        except BaseException as error:
            if error is not self._raised:
                raise

    async def _receive_message(self, message: Message) -> None:
        raise NotImplementedError

    def _make_response(self) -> t.Any:
        status = self.status_code
        if status is None:
            if self._left or self._task is None or not self._task.done():
                raise RuntimeError("The app has sent no response.")
            status = 500  # what servers send for an app that ends without a response
        headers, body = Headers(self.headers), bytes(self.response_data)
        return make_response(self.app, self._asked, status, headers, body)


class TestHTTPConnection(_TestConnection):
    """A request that is sent, and a response that is received, in pieces."""

    headers: Headers | None
    status_code: int | None
    response_data: bytearray

    def __init__(self, app: AppLike, scope: Scope) -> None:
        super().__init__(app, scope)
        self.push_promises: list[tuple[str, Headers]] = []
        self._complete = False

    async def send(self, data: bytes) -> None:
        """Send a chunk of the body."""
        await self._to_app.put({"type": "http.request", "body": data, "more_body": True})

    async def send_complete(self) -> None:
        """End the body."""
        self._complete = True
        await self._to_app.put({"type": "http.request", "body": b"", "more_body": False})

    async def receive(self) -> bytes:
        """Return the next chunk of the response, b"" at its end.

        After that raise HTTPDisconnectError, or the app's exception.
        """
        return t.cast(bytes, await super().receive())

    def events(self) -> AsyncIterator[Event]:
        """Return the server-sent events of the response, each when it is sent, until its end.

        An event is as in a browser: `data` is text, `event` is "message" by default, `id` is the
        last one that was sent.
        """
        return receive_events(self.receive)

    async def disconnect(self) -> None:
        """Disconnect, as a client does."""
        self._left = self._complete = True
        await self._to_app.put({"type": "http.disconnect"})

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if exc_type is not None:
            await self.disconnect()
        elif not self._complete:
            await self.send_complete()
        await self._wait_for_app()
        self._collect()

    async def as_response(self) -> t.Any:
        """Return the rest, which was not received in pieces, as a response."""
        self._collect()
        return self._make_response()

    def _collect(self) -> None:
        while not self._received.empty():
            data = self._received.get_nowait()
            if isinstance(data, bytes):
                self.response_data += data
            else:
                self._raised = data

    async def _receive_message(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            self.status_code = message["status"]
            self.headers = decode_headers(message.get("headers", ()))
        elif kind == "http.response.body":
            body = bytes(message.get("body", b""))
            if body:
                await self._received.put(body)
            if not message.get("more_body", False):
                await self._received.put(b"")
        elif kind == "http.response.push":
            self.push_promises.append((message["path"], decode_headers(message["headers"])))
        elif kind == "http.disconnect":
            await self._received.put(HTTPDisconnectError())


class TestWebsocketConnection(_TestConnection):
    """A websocket: `async with client.websocket("/ws") as connection`."""

    headers: Headers | None
    status_code: int | None
    response_data: bytearray

    def __init__(self, app: AppLike, scope: Scope) -> None:
        super().__init__(app, scope)
        self.accepted: bool = False
        #: The subprotocol that the app has chosen.
        self.subprotocol: str | None = None
        self._left = False
        self._to_app.put_nowait({"type": "websocket.connect"})

    def _ended(self) -> Exception:
        return WebsocketDisconnectError(1006, "the app has ended")

    async def receive(self) -> str | bytes:
        """Return the next message. Raises WebsocketDisconnectError if the app has closed,
        WebsocketResponseError if it has rejected the handshake."""
        return t.cast("str | bytes", await super().receive())

    async def send(self, data: str | bytes) -> None:
        """Send a message."""
        kind = "text" if isinstance(data, str) else "bytes"
        await self._to_app.put({"type": "websocket.receive", kind: data})

    async def receive_json(self) -> t.Any:
        """Return the JSON of the next message."""
        return self.app.json.loads(await self.receive())

    async def send_json(self, data: t.Any) -> None:
        """Send a message of JSON."""
        await self.send(self.app.json.dumps(data))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the websocket from the client's side."""
        if not self._left:
            self._left = True
            await self._to_app.put({"type": "websocket.disconnect", "code": code, "reason": reason})

    async def disconnect(self) -> None:
        """Disconnect without a status."""
        await self.close(1005)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.disconnect()
        await self._wait_for_app()
        while exc_value is None and not self._received.empty():
            data = self._received.get_nowait()
            if isinstance(data, WebsocketResponseError):
                raise data

    async def _receive_message(self, message: Message) -> None:
        kind = message["type"]
        if kind == "websocket.accept":
            self.accepted = True
            self.subprotocol = message.get("subprotocol")
            self.headers = decode_headers(message.get("headers", ()))
        elif kind == "websocket.send":
            text = message.get("text")
            await self._received.put(message.get("bytes") if text is None else text)
        elif kind == "websocket.close":
            await self._received.put(
                WebsocketDisconnectError(message.get("code", 1000), message.get("reason") or "")
            )
        elif kind == "websocket.http.response.start":
            self.status_code = message["status"]
            self.headers = decode_headers(message.get("headers", ()))
        elif kind == "websocket.http.response.body":
            self.response_data += message.get("body", b"")
            if not message.get("more_body", False):
                await self._received.put(WebsocketResponseError(self._make_response()))
