"""What only the awaitable app has."""

from __future__ import annotations

import asyncio
import socket

import httpx
from werkzeug.datastructures import Headers

from quartish import Quart
from quartish import request
from quartish.wrappers.awaitable import Request


async def test_run_task_serves_until_it_is_told_to_stop() -> None:
    app = Quart(__name__)

    @app.get("/")
    async def index() -> str:
        return request.url_root

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ready, stop = asyncio.Event(), asyncio.Event()
    app.before_serving(ready.set)
    serving = asyncio.create_task(app.run_task(port=port, shutdown_trigger=stop.wait))
    async with asyncio.timeout(10), httpx.AsyncClient() as client:
        await ready.wait()
        for _ in range(100):
            try:
                answer = await client.get(f"http://127.0.0.1:{port}/")
                break
            except httpx.ConnectError:
                await asyncio.sleep(0.05)
    assert answer.text == f"http://127.0.0.1:{port}/"
    stop.set()
    await asyncio.wait_for(serving, 10)


async def test_handle_request() -> None:
    app = Quart(__name__)
    ended: list[BaseException | None] = []
    app.teardown_request(ended.append)

    @app.get("/<name>")
    async def index(name: str) -> str:
        return f"Hello, {name}!"

    made = Request("GET", "http", "/Ada", b"", Headers({"Host": "localhost"}), "", "1.1", {})
    response = await app.handle_request(made)
    assert await response.get_data(as_text=True) == "Hello, Ada!"
    assert ended == [None]
