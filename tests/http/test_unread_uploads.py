"""An upload that nobody asks for delays no answer: the client sends 10 bytes of 1000, and waits.

Async code of the plain colour cannot wait for a body in `request.form`; so it is read before
async code that may ask for it: a view that is `async def`, an async hook of any view.
"""

from __future__ import annotations

import asyncio
import time
import typing as t

import pytest

import quartish
from quartish import request
from quartish import websocket
from quartish._http.inbox import _at_hand
from quartish.sessions import SecureCookieSessionInterface
from tests._scripted import HttpPeer
from tests._scripted import Peer
from tests._scripted import WebsocketPeer


class AsyncSessions(SecureCookieSessionInterface):
    async def open_session(self, app: t.Any, request: t.Any) -> t.Any:  # type: ignore[override]
        await asyncio.sleep(0)
        return super().open_session(app, request)

    async def save_session(  # type: ignore[override]
        self, app: t.Any, session: t.Any, response: t.Any
    ) -> None:
        await asyncio.sleep(0)
        super().save_session(app, session, response)


def make(view_is_async: bool, hook: str, refuses: bool, async_sessions: bool) -> quartish.Flask:
    app = quartish.Flask("app")
    if async_sessions:
        app.session_interface, app.secret_key = AsyncSessions(), "secret"

    def view() -> str:
        return "ok"

    async def async_view() -> str:
        return "ok"

    def check() -> t.Any:
        return ("no", 401) if refuses else None

    async def async_check() -> t.Any:
        return check()

    chosen: t.Any = async_view if view_is_async else view
    app.add_url_rule("/view", "view", chosen, methods=["POST"])
    app.add_url_rule("/unread", "unread", chosen, methods=["POST"], stream_body=True)
    app.add_url_rule("/get", "get", chosen)
    if hook:
        app.before_request(async_check if hook == "async" else check)
    return app


AT_ONCE = [
    # view is async, hook, refuses, async sessions, path, status
    *((False, hook, False, sessions, "/view", 200) for hook in ("", "sync") for sessions in (0, 1)),
    *((False, "sync", True, sessions, "/view", 401) for sessions in (0, 1)),
    *((False, hook, False, 0, "/unread", 200) for hook in ("", "sync", "async")),
    *((True, hook, False, 1, "/unread", 200) for hook in ("", "sync", "async")),
    *((True, hook, True, 1, "/unread", 401) for hook in ("sync", "async")),
    *((True, "", False, sessions, "/nowhere", 404) for sessions in (0, 1)),
    *((True, "", False, sessions, "/get", 405) for sessions in (0, 1)),
    *((False, "sync", False, sessions, "/nowhere", 404) for sessions in (0, 1)),
    *((False, "sync", True, sessions, "/nowhere", 401) for sessions in (0, 1)),
]


@pytest.mark.parametrize(
    ("view_is_async", "hook", "refuses", "sessions", "path", "status"), AT_ONCE
)
async def test_answers_at_once(
    view_is_async: bool, hook: str, refuses: bool, sessions: bool, path: str, status: int
) -> None:
    app = make(view_is_async, hook, refuses, sessions)
    async with HttpPeer(app, path, "POST", body=None) as peer:
        peer.say(b"x" * 10)
        await peer.until(1)
        assert peer.status == status


@pytest.mark.parametrize("view_is_async", [False, True])
async def test_an_async_hook_finds_the_body(view_is_async: bool) -> None:
    app = make(view_is_async, "", False, True)
    seen: list[bytes] = []

    @app.before_request
    async def read() -> None:
        seen.append(quartish.request.get_data())

    for path in ("/view", "/nowhere"):
        async with HttpPeer(app, path, "POST", body=None) as peer:
            peer.say(b"first, ")
            peer.say(b"second", more=False)
            await peer.until(2)
    assert seen == [b"first, second"] * 2


async def test_an_async_hook_that_asks_for_a_body_left_unread_is_told() -> None:
    app = make(False, "", False, False)
    app.testing = True

    @app.before_request
    async def read() -> None:
        quartish.request.get_data()

    async with HttpPeer(app, "/unread", "POST", body=None) as peer:
        peer.say(b"x" * 10)
    assert isinstance(peer.error, RuntimeError)
    assert "stream_body=True" in str(peer.error)


class Hypercorn(Peer):
    """What Hypercorn does: its queue has room for ten messages, and it puts the disconnect into
    that queue before the last `send`, or the app call, is over."""

    app: t.Any
    floods = True

    def __init__(self, app: t.Any, peer: Peer) -> None:
        super().__init__(app, peer.scope)
        self._to_app = asyncio.Queue(10)
        self.messages = 0

    async def flood(self, message: t.Any) -> None:
        while self.floods:
            await self._to_app.put(message)
            self.messages += 1

    async def close(self) -> None:
        if self.floods:
            self.floods = False
            await self._to_app.put({"type": self.scope["type"] + ".disconnect"})

    async def _send(self, message: t.Any) -> None:
        await super()._send(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            await self.close()

    async def _run(self) -> None:
        await super()._run()
        await self.close()


PIECE = b"x" * 60_000


@pytest.mark.parametrize("kind", ["async def", "def", "missing", "not allowed", "too large"])
async def test_who_sends_on_after_the_answer_keeps_no_server_waiting(
    colour: type[t.Any], kind: str
) -> None:
    app = colour("app")
    app.config["MAX_CONTENT_LENGTH"] = 1_000_000

    async def view() -> t.Any:
        if kind == "too large":
            data = request.get_data()
            return str(len(data if app.plain else await data))  # type: ignore[misc]
        await asyncio.sleep(0.1)
        return "ok"

    methods = ["GET" if kind == "not allowed" else "POST"]
    app.add_url_rule("/view", "view", view, methods=methods, stream_body=kind != "too large")
    app.add_url_rule("/def", "def", lambda: time.sleep(0.1) or "ok", methods=methods)
    path = {"missing": "/missing", "def": "/def"}.get(kind, "/view")
    async with Hypercorn(app, HttpPeer(app, path, "POST", body=None)) as peer:
        flood = asyncio.create_task(
            peer.flood({"type": "http.request", "body": PIECE, "more_body": True})
        )
        await peer.ended()
        await flood
    status = {"missing": 404, "not allowed": 405, "too large": 413}.get(kind, 200)
    assert peer.sent[0]["status"] == status and peer.error is None
    assert peer.messages < 1000


async def test_an_upload_that_goes_on_is_not_taken_for_ever(colour: type[t.Any]) -> None:
    app = colour("app")
    async with HttpPeer(app, "/missing", "POST", body=None) as peer:
        for _ in range(100):
            if peer.task.done():
                break
            peer.say(PIECE)
            await asyncio.sleep(0.01)
        await peer.ended()
    assert peer.status == 404 and 3 < peer.received < 100


@pytest.mark.parametrize("closes", [False, True])
async def test_who_talks_on_after_the_websocket_is_closed_keeps_no_server_waiting(
    colour: type[t.Any], closes: bool
) -> None:
    app = colour("app")

    @app.websocket("/")
    async def view() -> None:
        await websocket.accept()
        await asyncio.sleep(0.1)
        if closes:
            await websocket.close(1000)

    async with Hypercorn(app, WebsocketPeer(app)) as peer:
        peer.put({"type": "websocket.connect"})
        flood = asyncio.create_task(peer.flood({"type": "websocket.receive", "bytes": PIECE}))
        await peer.until(2)
        await asyncio.sleep(0.05)
        peer.floods = False  # it takes its time to answer the close
        await peer.ended()
        flood.cancel()
    assert peer.sent[-1]["code"] == 1000 and peer.error is None


@pytest.mark.parametrize("ends", ["cancel", None])
async def test_a_server_whose_awaitables_are_no_generators(ends: str | None) -> None:
    """As granian's: asked for a message that is not there, they are let go of in their own way."""
    ended: list[str] = []

    class Awaitable:
        def __await__(self) -> t.Any:
            return self

        __iter__ = __await__

        def __next__(self) -> t.Any:
            return object()

    if ends is not None:
        setattr(Awaitable, ends, lambda self: ended.append(ends))
    assert _at_hand(lambda: Awaitable()) is None  # type: ignore[arg-type]
    assert ended == ([] if ends is None else [ends])


@pytest.mark.parametrize("limit", [None, 20_000_000])
async def test_more_than_16_mib_unread_hide_no_disconnect(
    colour: type[t.Any], limit: int | None
) -> None:
    app = colour("app")
    app.config["MAX_CONTENT_LENGTH"] = limit
    log: list[str] = []

    @app.post("/", stream_body=True)
    async def view() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            log.append("ended")

    async with HttpPeer(app, "/", "POST", body=None) as peer:
        for _ in range(19):
            peer.say(b"x" * 1_000_000)
        peer.leave()
        await peer.ended()
    assert log == ["ended"] and peer.received == 20


async def test_a_body_without_a_limit_fills_no_disk(colour: type[t.Any]) -> None:
    app = colour("app")
    app.config.update(MAX_CONTENT_LENGTH=None, READ_AHEAD_SIZE=2_000_000)
    go = asyncio.Event()

    @app.post("/", stream_body=True)
    async def view() -> str:
        await go.wait()
        size = 0
        async for chunk in request.stream if app.plain else request.body:  # type: ignore[attr-defined, union-attr]
            size += len(chunk)
        return str(size)

    async with HttpPeer(app, "/", "POST", body=None) as peer:
        for number in range(100):
            peer.say(PIECE, more=number < 99)
        async with asyncio.timeout(5):
            while peer.received < 2_000_000 / len(PIECE):
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        assert peer.received < 40
        go.set()
        await peer.until(2)
    assert peer.body == b"6000000"
