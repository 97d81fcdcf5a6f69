"""Clients as an ASGI server presents them, moved step by step: what is said, what is left
unsaid, when they leave. Each ends by a look at what the app left behind."""

from __future__ import annotations

import asyncio
import typing as t

from tests._scopes import http_scope
from tests._scopes import websocket_scope

Message = dict[str, t.Any]

PATIENCE = 5.0
"""Seconds after which an app that does nothing fails the test."""


class Peer:
    """One connection: `async with Peer(app, scope) as peer`.

    On leaving the block the app must have ended, or end soon, and no task of its may be
    left. Where the app call raised, `error` says what.
    """

    def __init__(self, app: t.Any, scope: Message) -> None:
        self.app = app
        self.scope = scope
        self.sent: list[Message] = []
        self.error: BaseException | None = None
        #: How many messages the app has received.
        self.received = 0
        #: Set while the client takes what is sent; clear it to stop reading.
        self.takes = asyncio.Event()
        self.takes.set()
        self.broken = False
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._moved = asyncio.Event()
        self.task: asyncio.Task[None]

    async def __aenter__(self) -> t.Self:
        self._before = asyncio.all_tasks()
        self.task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, kind: t.Any, value: t.Any, tb: t.Any) -> None:
        if value is not None:
            self.task.cancel()
        await self.ended()
        left = asyncio.all_tasks() - self._before
        assert not left, f"outlived the connection: {left}"

    async def _run(self) -> None:
        try:
            await self.app(self.scope, self._receive, self._send)
        except BaseException as error:
            self.error = error
        self._moved.set()

    async def ended(self) -> None:
        """Wait until the app call has ended."""
        done, _ = await asyncio.wait([self.task], timeout=PATIENCE)
        if not done:
            self.task.cancel()
            await asyncio.wait([self.task], timeout=PATIENCE)
            raise AssertionError("the app did not end")

    async def _receive(self) -> Message:
        message = await self._to_app.get()
        self.received += 1
        return message

    async def _send(self, message: t.Any) -> None:
        await self.takes.wait()
        if self.broken:
            raise OSError("the client left")
        self.sent.append(dict(message))
        self._moved.set()

    def put(self, *messages: Message) -> None:
        """Let the server hand these to the app."""
        for message in messages:
            self._to_app.put_nowait(message)

    async def until(self, count: int) -> Message:
        """Wait until so many messages were sent, and return the last of those."""
        async with asyncio.timeout(PATIENCE):
            while len(self.sent) < count:
                assert not self.task.done(), f"ended after {self.sent}: {self.error!r}"
                self._moved.clear()
                await self._moved.wait()
        return self.sent[count - 1]

    @property
    def types(self) -> list[str]:
        """What was sent, as the last word of each message's type."""
        return [message["type"].rpartition(".")[2] for message in self.sent]


class HttpPeer(Peer):
    """An http client. `body` is sent at once; None: by `put`, later."""

    def __init__(
        self,
        app: t.Any,
        path: str = "/",
        method: str = "GET",
        *,
        body: bytes | None = b"",
        **headers: str,
    ) -> None:
        if body is None:
            if "content-length" not in {name.replace("_", "-").lower() for name in headers}:
                headers.setdefault("transfer-encoding", "chunked")
        elif body:
            headers["content-length"] = str(len(body))
        super().__init__(app, http_scope(method=method, **_head(path, headers)))
        if body is not None:
            self.put({"type": "http.request", "body": body, "more_body": False})

    def leave(self) -> None:
        """Leave, as a server says it: by `http.disconnect`, and by OSError to who sends."""
        self.broken = True
        self.put({"type": "http.disconnect"})

    def say(self, data: bytes, more: bool = True) -> None:
        """Send a piece of the body."""
        self.put({"type": "http.request", "body": data, "more_body": more})

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])


class WebsocketPeer(Peer):
    """A websocket client. `rejects`: whether the server can reject with a response."""

    def __init__(
        self,
        app: t.Any,
        path: str = "/",
        *,
        subprotocols: t.Sequence[str] = (),
        rejects: bool = True,
        **headers: str,
    ) -> None:
        scope = websocket_scope(**_head(path, headers), subprotocols=list(subprotocols))
        if rejects:
            scope["extensions"] = {"websocket.http.response": {}}
        super().__init__(app, scope)
        self.put({"type": "websocket.connect"})

    def say(self, *messages: str | bytes) -> None:
        """Send messages."""
        for data in messages:
            kind, other = ("text", "bytes") if isinstance(data, str) else ("bytes", "text")
            self.put({"type": "websocket.receive", kind: data, other: None})

    def leave(self, code: int = 1005, reason: str = "") -> None:
        """Close from the client's side."""
        self.put({"type": "websocket.disconnect", "code": code, "reason": reason})

    @property
    def said(self) -> list[str | bytes]:
        """The messages that the app sent."""
        return [
            message["text"] if message.get("text") is not None else message["bytes"]
            for message in self.sent
            if message["type"] == "websocket.send"
        ]

    @property
    def code(self) -> int | None:
        """The code with which the app closed, or None."""
        last = self.sent[-1] if self.sent else {"type": ""}
        return int(last["code"]) if last["type"] == "websocket.close" else None


def _head(path: str, headers: dict[str, str]) -> dict[str, t.Any]:
    path, _, query = path.partition("?")
    names = {"host": "localhost", **{k.replace("_", "-"): v for k, v in headers.items()}}
    lines = [(key.encode(), value.encode("latin-1")) for key, value in names.items()]
    return {"path": path, "headers": lines, "query_string": query.encode()}
