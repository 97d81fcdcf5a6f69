"""A request leaves nothing for the garbage collector: memory is freed when it ends."""

from __future__ import annotations

import asyncio
import gc
import typing as t

import pytest

from quartish._concurrency.watch import under
from quartish._concurrency.watch import Watch
from tests._scopes import http_scope


async def get(app: t.Any, path: str) -> int:
    sent: list[dict[str, t.Any]] = []

    async def receive() -> dict[str, t.Any]:
        return await asyncio.Future()

    async def send(message: dict[str, t.Any]) -> None:
        sent.append(message)

    scope = http_scope(path, headers=[(b"host", b"localhost"), (b"cookie", b"a=b")])
    await app(scope, receive, send)
    return int(sent[0]["status"])


@pytest.mark.parametrize("path", ["/", "/waits", "/missing", "/fails"])
async def test_no_circles(colour: type[t.Any], path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = colour(__name__)
    monkeypatch.setattr(app.logger, "disabled", True)

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
        found = []
        for _ in range(3):  # what other tests left may come to its end meanwhile
            for _ in range(20):
                await get(app, path)
            found.append(gc.collect())
        assert min(found) == 0, found
    finally:
        gc.enable()


class Kept(asyncio.Future[t.Any]):
    """A future of a server in another language, whose callbacks Python's collector does not see."""

    def __init__(self) -> None:
        super().__init__()
        self.callbacks: list[t.Any] = []

    def add_done_callback(self, func: t.Any, /, **options: t.Any) -> None:
        self.callbacks.append(func)
        super().add_done_callback(func, **options)


@pytest.mark.parametrize("ends", ["well", "cancelled", "never"])
async def test_a_future_of_the_servers_keeps_nothing_of_a_request(ends: str) -> None:
    """Under granian each upload stayed in memory."""
    future, watch = Kept(), Watch()

    async def wait() -> None:
        await future

    task = asyncio.create_task(_wrapped(under(watch, wait())))
    await asyncio.sleep(0)
    [callback] = future.callbacks
    [shelter] = callback.args[0]
    assert shelter is watch.shelter
    if ends == "well":
        future.set_result(None)
    else:
        (future if ends == "cancelled" else task).cancel()
    await asyncio.wait([task])
    assert callback.args == ([],)


async def _wrapped(awaitable: t.Any) -> t.Any:
    return await awaitable
