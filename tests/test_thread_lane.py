"""The thread lane: async pieces met by the sync code of a request that runs in a worker."""

from __future__ import annotations

import asyncio
import functools
import typing as t

import pytest

import quartish
from quartish import request


def through_ensure_sync(app: t.Any, view: t.Any) -> t.Any:
    """Wrap an async view as `login_required` and its like do."""

    @functools.wraps(view)
    def inner(*args: t.Any, **kwargs: t.Any) -> t.Any:
        return app.ensure_sync(view)(*args, **kwargs)

    return inner


async def post(app: t.Any, path: str, *parts: bytes) -> tuple[int, bytes]:
    """Send a body in parts, as an ASGI server does; return status and answer."""
    left = list(parts)
    sent: list[dict[str, t.Any]] = []

    async def receive() -> dict[str, t.Any]:
        if left:
            return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}
        return await asyncio.Future()

    async def send(message: dict[str, t.Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [
            (b"host", b"localhost"),
            (b"content-length", str(sum(map(len, parts))).encode()),
            (b"content-type", b"application/x-www-form-urlencoded"),
        ],
        "http_version": "1.1",
        "asgi": {"version": "3.0"},
    }
    async with asyncio.timeout(10):
        await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


@pytest.mark.parametrize("size", [1, 700_000])
async def test_an_async_view_behind_a_sync_decorator_reads_the_body(size: int) -> None:
    app = quartish.Flask(__name__)
    app.config["MAX_FORM_MEMORY_SIZE"] = None

    async def view() -> str:
        await asyncio.sleep(0)
        return f"{len(request.form['a'])} {request.form['b']}"

    app.add_url_rule("/", "view", through_ensure_sync(app, view), methods=["POST"])
    assert await post(app, "/", b"a=" + b"x" * size, b"&b=", b"2") == (200, b"%d 2" % size)


async def test_an_async_hook_reads_the_body_before_a_sync_view() -> None:
    app = quartish.Flask(__name__)

    @app.before_request
    async def load() -> None:
        quartish.g.name = request.form["name"]

    @app.post("/")
    def index() -> str:
        return f"{quartish.g.name} {request.form['name']}"

    assert await post(app, "/", b"name=", b"Ada") == (200, b"Ada Ada")


async def test_a_body_too_large_is_told_the_async_view() -> None:
    app = quartish.Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 10

    async def view() -> str:
        return request.form["a"]

    app.add_url_rule("/", "view", through_ensure_sync(app, view), methods=["POST"])
    status, _ = await post(app, "/", b"a=", b"x" * 20)
    assert status == 413
