"""What only the awaitable app has."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import typing as t
from pathlib import Path

import httpx
import pytest
from werkzeug.datastructures import Headers

from quartish import Quart
from quartish import request
from quartish._quart.reload import cancel_all_tasks
from quartish._quart.reload import MustReloadError
from quartish._quart.reload import observe_changes
from quartish._quart.reload import restart
from quartish._serving.watch import Watched
from quartish.wrappers.awaitable_request import Request


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


async def test_a_trigger_of_ones_own_stops_the_server_by_what_it_raises() -> None:
    app = Quart(__name__)

    async def changed() -> None:
        raise MustReloadError

    with pytest.raises(ExceptionGroup) as caught:
        await asyncio.wait_for(app.run_task(port=0, shutdown_trigger=changed), 10)
    assert caught.value.subgroup(MustReloadError) is not None


async def test_a_change_of_the_programs_files_is_observed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(roots={str(tmp_path)})
    monkeypatch.setattr("quartish._quart.reload.of_program", lambda: watched)
    stop = asyncio.Event()
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            (tmp_path / "views.py").write_text("")

    with pytest.raises(MustReloadError):
        await observe_changes(sleep, stop)
    assert slept == [1, 1, 1]
    stop.set()
    await observe_changes(sleep, stop)


def test_the_program_is_started_anew_as_it_was_started(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(os, "execv", lambda *given: started.append(given))
    monkeypatch.setattr(sys, "orig_argv", ["python3", "-X", "dev", "-m", "app", "--port", "1"])
    restart()
    assert started == [(sys.executable, [sys.executable, "-X", "dev", "-m", "app", "--port", "1"])]


def test_what_is_left_on_a_loop_is_cancelled() -> None:
    loop = asyncio.new_event_loop()
    told: list[t.Any] = []
    loop.set_exception_handler(lambda loop, context: told.append(context["exception"]))
    error = ValueError("at the end")

    async def stubborn() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            raise error

    tasks = [loop.create_task(asyncio.sleep(60)), loop.create_task(stubborn())]
    loop.run_until_complete(asyncio.sleep(0))
    cancel_all_tasks(loop)
    cancel_all_tasks(loop)  # nothing is left
    assert tasks[0].cancelled()
    assert told == [error]
    loop.close()


async def test_a_body_says_whether_all_of_it_has_come() -> None:
    app = Quart(__name__)

    @app.post("/")
    async def index() -> list[t.Any]:
        body = t.cast(t.Any, request).body
        before = body._complete.is_set()
        return [before, (await body).decode(), body._complete.is_set()]

    client = app.test_client()
    async with client.request("/", method="POST") as connection:
        await connection.send(b"a")
        await connection.send(b"b")
        await connection.send_complete()
    answer = await connection.as_response()
    assert await answer.get_json() == [False, "ab", True]


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


class WithContext(Quart):
    """Its dispatch methods take the context first, as from Quart 0.23."""

    async def preprocess_request(self, ctx: t.Any) -> t.Any:  # type: ignore[override]
        return await super().preprocess_request(ctx)

    async def dispatch_request(self, ctx: t.Any) -> t.Any:  # type: ignore[override]
        return f"{ctx.request.path} " + await super().dispatch_request(ctx)  # type: ignore[operator]

    async def process_response(self, ctx: t.Any, response: t.Any) -> t.Any:  # type: ignore[override]
        return await super().process_response(ctx, response)


class WithoutContext(Quart):
    """Its dispatch methods take what Quart 0.22's have to."""

    async def preprocess_request(self, request_context: t.Any = None) -> t.Any:
        return await super().preprocess_request(request_context)

    async def dispatch_request(self, request_context: t.Any = None) -> t.Any:
        return f"{request.path} " + await super().dispatch_request()  # type: ignore[operator]

    async def process_response(self, response: t.Any, request_context: t.Any = None) -> t.Any:
        return await super().process_response(response, request_context)


@pytest.mark.parametrize("cls", [WithContext, WithoutContext])
async def test_dispatch_methods_with_and_without_the_context_first(cls: type[Quart]) -> None:
    app = cls(__name__)
    seen: list[int] = []

    @app.after_request
    async def after(response: t.Any) -> t.Any:
        seen.append(response.status_code)
        return response

    @app.get("/<name>")
    async def index(name: str) -> str:
        return name

    response = await app.test_client().get("/Ada")
    assert await response.get_data(as_text=True) == "/Ada Ada"
    assert seen == [200]


def test_run_takes_quarts_arguments_by_position(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[t.Any] = []
    monkeypatch.setattr("quartish._application._serve", lambda *a, **k: served.append((a, k)))
    loop = object()
    app = Quart("app")
    app.run("host", 5001, False, False, loop, "ca", "cert", "key")  # type: ignore[arg-type]
    app.run()
    [(_, host, port), options], [(_, *address), defaults] = served
    assert (host, port, options.pop("debug")) == ("host", 5001, False)
    assert options == {
        "use_reloader": False,
        "loop": loop,
        "ca_certs": "ca",
        "certfile": "cert",
        "keyfile": "key",
    }
    assert address == ["127.0.0.1", 5000]
    assert defaults == {"debug": False, "use_reloader": False, "loop": None}
