"""An upload that nobody asks for delays no answer: the client sends 10 bytes of 1000, and waits.

Async code of the plain colour cannot wait for a body in `request.form`; so it is read before
async code that may ask for it: a view that is `async def`, an async hook of any view.
"""

from __future__ import annotations

import asyncio
import typing as t

import pytest

import quartish
from quartish.sessions import SecureCookieSessionInterface

from ._scripted import HttpPeer


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
