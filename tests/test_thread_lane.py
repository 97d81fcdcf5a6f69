"""The thread lane: async pieces met by the sync code of a request that runs in a worker."""

from __future__ import annotations

import asyncio
import functools
import threading
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


async def get(app: t.Any, extensions: dict[str, t.Any] | None = None) -> list[dict[str, t.Any]]:
    """Get `/` as an ASGI server does; return the messages sent."""
    sent: list[dict[str, t.Any]] = []

    async def receive() -> dict[str, t.Any]:
        return await asyncio.Future()

    async def send(message: dict[str, t.Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "http_version": "1.1",
        "asgi": {"version": "3.0"},
        "extensions": extensions or {},
    }
    async with asyncio.timeout(10):
        await app(scope, receive, send)
    return sent


async def test_a_stream_is_iterated_in_the_thread_of_its_view(colour: type[t.Any]) -> None:
    app = colour(__name__)
    threads: set[str] = set()

    @app.get("/")
    def stream() -> t.Any:
        threads.add(threading.current_thread().name)

        def pieces() -> t.Iterator[str]:
            try:
                for number in range(3):
                    threads.add(threading.current_thread().name)
                    yield str(number)
            finally:
                threads.add(threading.current_thread().name)

        return pieces()

    sent = await get(app)
    assert [message["body"] for message in sent[1:]] == [b"0", b"1", b"2", b""]
    assert len(threads) == 1 and "view" in threads.pop()


async def test_a_server_that_can_sends_the_file_itself(
    colour: type[t.Any], tmp_path: t.Any
) -> None:
    file = tmp_path / "large.bin"
    file.write_bytes(b"x" * 300_000)
    app = colour(__name__)

    @app.get("/")
    async def download() -> t.Any:
        rv = quartish.send_file(str(file))
        return await rv if app.plain is False else rv

    sent = await get(app, {"http.response.pathsend": {}})
    assert sent[1] == {"type": "http.response.pathsend", "path": str(file)}
    assert dict(sent[0]["headers"])[b"content-length"] == b"300000"
    sent = await get(app)
    assert sum(len(message["body"]) for message in sent[1:]) == 300_000
