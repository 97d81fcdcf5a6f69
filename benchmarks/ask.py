"""Asks an app for a path, with headers, and returns those of its answer."""

from __future__ import annotations

import asyncio
import importlib
import typing as t

from .driver import HEADERS
from .driver import scope_of
from .workloads import WORKLOADS

GET = WORKLOADS["hello"]
Headers = list[tuple[str, str]]
#: Asks an app for a path with a cookie; returns the headers of the answer, and its body.
Ask = t.Callable[[str, str], t.Awaitable[tuple[Headers, bytes]]]


def asgi_ask(app: t.Any, more: t.Mapping[str, str] = {}) -> Ask:
    """Return what asks an ASGI app, with `more` headers."""
    extra = [(k.encode(), v.encode()) for k, v in more.items()]
    usual = [pair for pair in HEADERS[:-1] if pair[0].decode() not in more]

    async def ask(path: str, cookie: str) -> tuple[Headers, bytes]:
        headers = [*usual, *extra, (b"cookie", cookie.encode())]
        scope = {**scope_of(GET), "path": path, "raw_path": path.encode(), "headers": headers}
        told: Headers = []
        body: list[bytes] = []
        asked = False

        async def receive() -> dict[str, t.Any]:
            nonlocal asked
            if asked:
                await asyncio.get_running_loop().create_future()
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, t.Any]) -> None:
            if message["type"] == "http.response.start":
                told.extend((k.decode().lower(), v.decode()) for k, v in message["headers"])
            else:
                body.append(message.get("body", b""))

        await app(scope, receive, send)
        return told, b"".join(body)

    return ask


def wsgi_ask(app: t.Any, more: t.Mapping[str, str] = {}) -> Ask:
    """Return what asks a WSGI app, with `more` headers."""
    create_environ = importlib.import_module("werkzeug.test").create_environ

    async def ask(path: str, cookie: str) -> tuple[Headers, bytes]:
        environ = {**base, "PATH_INFO": path, "HTTP_COOKIE": cookie}
        told: Headers = []

        def start(status: str, headers: t.Any, exc_info: t.Any = None) -> None:
            told.extend((k.lower(), v) for k, v in headers)

        body = app(environ, start)
        try:
            return told, b"".join(body)
        finally:
            getattr(body, "close", int)()

    base = create_environ(headers=dict(more))
    return ask
