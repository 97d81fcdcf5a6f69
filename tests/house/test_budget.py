"""What a request may cost inside quartish: calls, messages and tasks, counted."""

from __future__ import annotations

import asyncio
import sys
import typing as t
from pathlib import Path
from types import CodeType
from types import FrameType

import pytest

PACKAGE = str(Path(__file__).parents[2] / "quartish")
INWARD = 11  # from the server's call to the view's first line
OUTWARD = 1  # from the view's return to the end of the request

SCOPE = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.4"},
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "path": "/",
    "raw_path": b"/",
    "query_string": b"",
    "root_path": "",
    "headers": [(b"host", b"localhost"), (b"accept", b"*/*")],
    "client": ("127.0.0.1", 50000),
    "server": ("127.0.0.1", 8000),
    "extensions": {},
    "state": {},
}


class Calls:
    """Counts, as a profiler, the calls of quartish's functions around a view's."""

    def __init__(self, view: CodeType) -> None:
        self.view = view
        self.inward: list[str] = []
        self.outward: list[str] = []
        self.reached = False

    def __call__(self, frame: FrameType, event: str, arg: object) -> None:
        code = frame.f_code
        if event != "call":
            return
        if code is self.view:
            self.reached = True
        elif code.co_filename.startswith(PACKAGE):
            (self.outward if self.reached else self.inward).append(
                f"{Path(code.co_filename).stem}.{code.co_qualname}"
            )


async def call(app: t.Any, scope: dict[str, t.Any] = SCOPE) -> list[dict[str, t.Any]]:
    """Send one GET as a server does and return what came back."""
    messages: list[dict[str, t.Any]] = []
    pending = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, t.Any]:
        if pending:
            return pending.pop()
        return await asyncio.Future()  # the client stays, and says nothing more

    async def send(message: dict[str, t.Any]) -> None:
        messages.append(message)

    await app(dict(scope), receive, send)
    return messages


@pytest.fixture
def app(colour: type[t.Any]) -> t.Any:
    return colour(__name__)


async def test_calls(app: t.Any) -> None:
    @app.get("/")
    async def hello() -> str:
        return "Hello, World!"

    await call(app)  # the first request settles what later ones find done
    calls = Calls(hello.__code__)
    sys.setprofile(calls)
    try:
        messages = await call(app)
    finally:
        sys.setprofile(None)
    assert messages[0]["status"] == 200 and calls.reached
    assert len(calls.inward) <= INWARD, "\n".join(calls.inward)
    assert len(calls.outward) <= OUTWARD, "\n".join(calls.outward)


async def test_a_body_in_memory_is_one_message(app: t.Any) -> None:
    @app.get("/")
    async def hello() -> t.Any:
        return ["x" * 100_000]

    start, body = await call(app)
    assert start["type"] == "http.response.start"
    assert body["type"] == "http.response.body" and not body.get("more_body", False)
    assert dict(start["headers"])[b"content-length"] == str(len(body["body"])).encode()


async def test_no_task_is_made(app: t.Any) -> None:
    seen: list[set[asyncio.Task[t.Any]]] = []

    @app.before_request
    async def hook() -> None:
        seen.append(asyncio.all_tasks())

    @app.get("/")
    async def hello() -> str:
        seen.append(asyncio.all_tasks())
        return "Hello"

    made: list[str] = []
    loop = asyncio.get_running_loop()

    def factory(loop: t.Any, coro: t.Any, **options: t.Any) -> asyncio.Task[t.Any]:
        made.append(repr(coro))
        return asyncio.Task(coro, loop=loop, **options)

    loop.set_task_factory(factory)
    try:
        await call(app)
    finally:
        loop.set_task_factory(None)
    only = {asyncio.current_task()}
    assert seen == [only, only]
    assert made == []
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == only
