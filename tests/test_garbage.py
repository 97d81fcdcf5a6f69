"""A request leaves nothing for the garbage collector: memory is freed when it ends."""

from __future__ import annotations

import asyncio
import gc
import typing as t

import pytest


async def get(app: t.Any, path: str) -> int:
    sent: list[dict[str, t.Any]] = []

    async def receive() -> dict[str, t.Any]:
        return await asyncio.Future()

    async def send(message: dict[str, t.Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"cookie", b"a=b")],
        "http_version": "1.1",
        "asgi": {"version": "3.0"},
    }
    await app(scope, receive, send)
    return int(sent[0]["status"])


@pytest.mark.parametrize("path", ["/", "/waits", "/missing", "/fails"])
async def test_no_circles(colour: type[t.Any], path: str) -> None:
    app = colour(__name__)
    app.logger.disabled = True

    @app.get("/")
    async def index() -> str:
        return "x"

    @app.get("/waits")
    async def waits() -> str:
        await asyncio.sleep(0)
        return "x"

    @app.get("/fails")
    async def fails() -> str:
        raise LookupError

    for _ in range(3):  # what is made once is made
        await get(app, path)
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            await get(app, path)
        assert gc.collect() == 0
    finally:
        gc.enable()
