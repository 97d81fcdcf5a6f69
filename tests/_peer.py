"""A client that calls an app as an ASGI server does, without a socket."""

from __future__ import annotations

import asyncio
import typing as t
from dataclasses import dataclass
from dataclasses import field

from werkzeug.datastructures import Headers

from tests._scopes import http_scope
from tests._scopes import websocket_scope


@dataclass
class Answer:
    """What came back: the body is a list of its non-empty messages, in order."""

    status: int = 0
    headers: Headers = field(default_factory=Headers)
    messages: list[bytes] = field(default_factory=list)
    size: int = 0

    @property
    def body(self) -> bytes:
        return b"".join(self.messages)

    @property
    def text(self) -> str:
        return self.body.decode()


async def ask(
    app: t.Any,
    path: str = "/",
    method: str = "GET",
    *,
    body: t.Sequence[bytes] = (),
    keep: bool = True,
    leave_after: int | None = None,
    **headers: str,
) -> Answer:
    """Send one request, with `body` in so many messages, and collect the answer.

    Names of headers are in snake case. Without `keep` only the body's size is kept. With
    `leave_after` the client leaves when it has got so many body messages.
    """
    answer = Answer()
    left = asyncio.Event()
    messages = [*body] or [b""]
    path, _, query = path.partition("?")
    names = {"host": "localhost", **{name.replace("_", "-"): headers[name] for name in headers}}
    lines = [(key.encode(), value.encode("latin-1")) for key, value in names.items()]
    scope = http_scope(path, method, lines, query_string=query.encode())

    async def receive() -> dict[str, t.Any]:
        if not messages:
            await left.wait()
            return {"type": "http.disconnect"}
        chunk = messages.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(messages)}

    async def send(message: t.Any) -> None:
        if left.is_set():
            raise OSError("the client left")
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            for name, value in message["headers"]:
                answer.headers.add(name.decode(), value.decode("latin-1"))
        elif chunk := message.get("body", b""):
            answer.size += len(chunk)
            answer.messages.append(chunk if keep else b"")
            if len(answer.messages) == leave_after:
                left.set()

    await app(scope, receive, send)
    return answer


async def settled(value: t.Any) -> t.Any:
    """Take a body attribute of either colour."""
    return await value if hasattr(type(value), "__await__") else value


async def handshake(app: t.Any, path: str, **scope: t.Any) -> list[t.Any]:
    """Ask for a websocket that the app is to refuse, by a server that lets it answer unless
    `extensions` says otherwise; return the messages that came back."""
    sent: list[t.Any] = []

    async def receive() -> t.Any:
        return {"type": "websocket.connect"}

    async def send(message: t.Any) -> None:
        sent.append(message)

    scope.setdefault("extensions", {"websocket.http.response": {}})
    await app(websocket_scope(path, **scope), receive, send)
    return sent
