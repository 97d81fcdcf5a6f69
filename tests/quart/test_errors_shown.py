"""What nobody handles is answered, or raised, as in Quart: in each mode, by each kind of
connection, whether the app's own `handle_request` raised it or a view."""

from __future__ import annotations

import itertools
import typing as t

import pytest
import quart

import quartish.quart
from tests._peer import ask
from tests._scripted import WebsocketPeer

MODES = [
    dict(zip(("TESTING", "DEBUG", "PROPAGATE_EXCEPTIONS"), values, strict=True))
    for values in itertools.product((False, True), (False, True), (None, True, False))
]


def make(module: t.Any, mode: dict[str, t.Any], own: bool) -> t.Any:
    async def handle(self: t.Any, conn: t.Any) -> t.Any:
        raise LookupError("boom")

    methods = {"handle_request": handle, "handle_websocket": handle} if own else {}
    app = type("App", (module.Quart,), methods)("app", root_path=".", static_folder=None)
    app.config.update(mode)

    @app.route("/")
    async def view() -> None:
        raise LookupError("boom")

    @app.route("/sync")
    def sync_view() -> None:
        raise LookupError("boom")

    @app.websocket("/ws")
    async def refuse() -> None:
        raise LookupError("boom")

    @app.websocket("/accepted")
    async def fail() -> None:
        await module.websocket.accept()
        raise LookupError("boom")

    return app


async def tried(awaitable: t.Awaitable[t.Any]) -> t.Any:
    try:
        return await awaitable
    except Exception as error:
        return type(error).__name__


async def by_asgi(app: t.Any, path: str) -> t.Any:
    answer = await ask(app, path)
    # In debug mode it is told as the client likes it; *Quart:* as HTML.
    kind = "text/html" if app.debug else answer.headers["Content-Type"].partition(";")[0]
    return answer.status, kind, b"boom" in answer.body


async def by_client(app: t.Any, path: str) -> t.Any:
    response = await app.test_client().get(path)
    return response.status_code, b"boom" in await response.get_data()


async def by_websocket(app: t.Any, path: str, rejects: bool) -> t.Any:
    async with WebsocketPeer(app, path, rejects=rejects) as peer:
        await peer.ended()
    bodies = [message["body"] for message in peer.sent if "body" in message]
    types = [message["type"] for message in peer.sent]
    shown = b"boom" in b"".join(bodies)
    if peer.error is not None:  # *Quart:* closes nothing then, whatever the handler accepted
        return type(peer.error).__name__
    return list(dict.fromkeys(types)), shown


async def by_websocket_client(app: t.Any, path: str) -> t.Any:
    async with app.test_client().websocket(path) as websocket:
        return await websocket.receive()


@pytest.mark.parametrize("own", [False, True], ids=["view", "own handle_request"])
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: " ".join(k for k in mode if mode[k]))
async def test_errors_are_shown_or_raised(mode: dict[str, t.Any], own: bool) -> None:
    async def play(module: t.Any) -> t.Any:
        app = make(module, mode, own)
        told = [
            await tried(by_asgi(app, "/")),
            await tried(by_asgi(app, "/sync")),
            await tried(by_client(app, "/")),
            *[await by_websocket(app, "/ws", rejects) for rejects in (True, False)],
            await by_websocket(app, "/accepted", True),
        ]
        if "LookupError" not in told:  # *Quart's* client waits for ever
            told += [await tried(by_websocket_client(app, path)) for path in ("/ws", "/accepted")]
        return told

    assert await play(quartish.quart) == await play(quart)
