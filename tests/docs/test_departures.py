"""Clients that leave at any moment, a thousand of them: whatever they interrupt, the teardown
functions run, once for each, and neither tasks nor lines in the log are left."""

from __future__ import annotations

import asyncio
import random
import time
import typing as t

import pytest

from quartish import stream_with_context
from quartish import websocket
from tests._scripted import HttpPeer
from tests._scripted import Peer
from tests._scripted import WebsocketPeer
from tests.asgi.test_disconnect import pass_through

App = type[t.Any]
MOMENT = 0.001  # seconds
ROUNDS, PEERS = 20, 30


def make(colour: App, ran: dict[str, int]) -> t.Any:
    app = colour("app")

    def count(name: str) -> t.Callable[..., t.Any]:
        async def hook(*args: t.Any) -> None:
            await asyncio.sleep(MOMENT)
            ran[name] = ran.get(name, 0) + 1

        return hook

    app.teardown_request(count("http"))
    app.teardown_websocket(count("websocket"))
    app.after_websocket(count("after"))

    @app.before_request
    async def before() -> None:
        await asyncio.sleep(MOMENT)

    @app.after_request
    async def after(response: t.Any) -> t.Any:
        await asyncio.sleep(MOMENT)
        return response

    @app.route("/async")
    async def view() -> str:
        await asyncio.sleep(2 * MOMENT)
        return "ok"

    app.add_url_rule("/decorated", "decorated", pass_through(view))

    @app.route("/sync")
    def sync() -> str:
        time.sleep(2 * MOMENT)
        return "ok"

    @app.route("/stream")
    async def stream() -> t.Any:
        @stream_with_context
        async def chunks() -> t.AsyncIterator[bytes]:
            for _ in range(5):
                yield b"x"
                await asyncio.sleep(MOMENT)

        return chunks()

    @app.route("/stream/sync")
    def stream_sync() -> t.Any:
        @stream_with_context
        def chunks() -> t.Iterator[bytes]:
            for _ in range(5):
                yield b"x"
                time.sleep(MOMENT)

        return chunks()

    @app.websocket("/echo")
    async def echo() -> None:
        async for message in websocket:
            await websocket.send(message)

    @app.websocket("/echo/sync")
    def echo_sync() -> None:
        for message in websocket:
            websocket.send(message)

    @app.websocket("/deaf")
    async def deaf() -> None:
        await websocket.accept()
        for _ in range(3):
            await asyncio.sleep(2 * MOMENT)

    return app


PATHS = ["/async", "/decorated", "/sync", "/stream", "/stream/sync"]
WEBSOCKETS = ["/echo", "/echo/sync", "/deaf"]


async def test_departures(colour: App, caplog: pytest.LogCaptureFixture) -> None:
    ran: dict[str, int] = {}
    app = make(colour, ran)
    choose = random.Random(4)
    begun = {"http": 0, "websocket": 0}

    async def visit() -> None:
        kind = choose.choice(["http", "websocket"])
        begun[kind] += 1
        peer: Peer
        if kind == "http":
            peer = HttpPeer(app, choose.choice(PATHS))
        else:
            peer = WebsocketPeer(app, choose.choice(WEBSOCKETS))
            peer.say(*["x"] * choose.randrange(30))
        peer.task = asyncio.create_task(peer._run())
        await asyncio.sleep(choose.random() * 15 * MOMENT)
        t.cast(t.Any, peer).leave()
        await peer.ended()
        assert peer.error is None

    before = asyncio.all_tasks()
    for _ in range(ROUNDS):
        await asyncio.gather(*(visit() for _ in range(PEERS)))
    assert ran == {**begun, "after": begun["websocket"]}
    assert not caplog.records and asyncio.all_tasks() == before and not app.websockets
