"""Websockets over real sockets, by the `websockets` client and by a browser."""

from __future__ import annotations

import asyncio
import threading
import typing as t

import pytest
import quart
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.exceptions import InvalidStatus

import quartish.quart
from quartish import abort
from quartish import websocket
from quartish.wrappers.websocket import WebSocketDisconnect
from tests._waiting import until
from tests._waiting import wait_until
from tests.examples._browser import Browser

from .conftest import Serve

App = type[t.Any]


def make(colour: App) -> tuple[t.Any, list[t.Any]]:
    """Make an app, and the list of what its handlers note."""
    app = colour("app")
    log: list[t.Any] = []

    @app.teardown_websocket
    async def teardown(exc: t.Any) -> None:
        await asyncio.sleep(0)
        log.append("teardown")

    @app.websocket("/echo")
    async def echo() -> None:
        async for message in websocket:
            await websocket.send(message)

    @app.websocket("/echo/sync")
    def echo_sync() -> None:
        for message in websocket:
            websocket.send(message)

    @app.websocket("/choose")
    async def choose() -> None:
        offered = websocket.requested_subprotocols
        await websocket.accept(headers={"X-Room": "kitchen"}, subprotocol=offered[-1])
        await websocket.close(4000, "enough")

    @app.websocket("/refused")
    async def refused() -> None:
        abort(403)

    @app.websocket("/broken")
    async def broken() -> None:
        await websocket.accept()
        raise LookupError("broken")

    @app.websocket("/slow")
    async def slow() -> None:
        try:
            while True:
                log.append(await websocket.receive())
                await asyncio.sleep(0.002)
        except WebSocketDisconnect as error:
            log.append((error.code, error.reason))
            raise

    @app.websocket("/stubborn")
    async def stubborn() -> None:
        while True:
            try:
                await websocket.send(await websocket.receive())
            except Exception:
                log.append("bad message")

    @app.websocket("/group")
    async def group() -> None:
        async def produce() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                log.append("producer")

        async def consume() -> None:
            while True:
                await websocket.receive()

        await websocket.accept()
        await asyncio.gather(produce(), consume())

    @app.websocket("/deaf")
    async def deaf() -> None:
        await websocket.accept()
        log.append(websocket._get_current_object())  # type: ignore[attr-defined]
        await asyncio.sleep(60)

    @app.websocket("/late")
    async def late() -> None:
        await websocket.accept()
        log.append(websocket._get_current_object())  # type: ignore[attr-defined]
        while log[-1] != "go":
            await asyncio.sleep(0.01)
        async for _ in websocket:
            pass

    return app, log


@pytest.mark.parametrize("path", ["/echo", "/echo/sync"])
async def test_messages(colour: App, serve: Serve, path: str) -> None:
    app, log = make(colour)
    served = serve(app)
    messages: list[str | bytes] = ["a", b"\0\xff", b"", "", "é" * 100_000, b"x" * 300_000]
    async with connect(served.ws + path) as socket:
        for message in messages:
            await socket.send(message)
        assert [await socket.recv() for _ in messages] == messages
    await until(lambda: log == ["teardown"])


async def test_a_handler_that_catches_everything_stops_nobody(colour: App, serve: Serve) -> None:
    app, log = make(colour)
    served = serve(app)
    async with connect(served.ws + "/stubborn") as socket:
        await socket.send("a")
        assert await socket.recv() == "a"
    await until(lambda: log == ["teardown"])
    async with connect(served.ws + "/echo") as socket:
        await socket.send("b")
        assert await socket.recv() == "b"


async def test_the_tasks_of_a_handler_end_with_it(colour: App, serve: Serve) -> None:
    app, log = make(colour)
    served = serve(app)
    async with connect(served.ws + "/group") as socket:
        await socket.send("a")
    await until(lambda: log == ["producer", "teardown"])


async def test_accepting_and_closing(colour: App, serve: Serve) -> None:
    served = serve(make(colour)[0])
    async with connect(served.ws + "/choose", subprotocols=["v1", "v2"]) as socket:  # type: ignore[list-item]
        assert socket.subprotocol == "v2"
        assert socket.response is not None and socket.response.headers["X-Room"] == "kitchen"
        with pytest.raises(ConnectionClosed) as caught:
            await socket.recv()
    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4000, "enough")


@pytest.mark.parametrize(("path", "status"), [("/refused", 403), ("/nowhere", 404)])
async def test_rejecting_with_a_response(colour: App, serve: Serve, path: str, status: int) -> None:
    served = serve(make(colour)[0])
    with pytest.raises(InvalidStatus) as caught:
        async with connect(served.ws + path):
            pass
    assert caught.value.response.status_code == status
    assert b"<h1>" in (caught.value.response.body or b"")


async def test_origins(colour: App, serve: Serve) -> None:
    app, _ = make(colour)
    app.config["WEBSOCKET_ORIGINS"] = ["https://here.example"]
    served = serve(app)
    async with connect(served.ws + "/echo", origin="https://here.example"):  # type: ignore[arg-type]
        pass
    with pytest.raises(InvalidStatus) as caught:
        async with connect(served.ws + "/echo", origin="https://there.example"):  # type: ignore[arg-type]
            pass
    assert caught.value.response.status_code == 403


async def test_an_error_closes_with_1011(
    colour: App, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    served = serve(make(colour)[0])
    async with connect(served.ws + "/broken") as socket:
        with pytest.raises(ConnectionClosed) as caught:
            await socket.recv()
    assert caught.value.rcvd is not None and caught.value.rcvd.code == 1011
    assert "LookupError: broken" in caplog.text


async def test_every_message_before_the_disconnect(
    colour: App, serve: Serve, server: str, caplog: pytest.LogCaptureFixture
) -> None:
    app, log = make(colour)
    served = serve(app)
    async with connect(served.ws + "/slow") as socket:
        for n in range(50):
            await socket.send(str(n))
        await socket.close(4001, "home")
    await until(lambda: log and log[-1] == "teardown")
    # Hypercorn (0.18) tells apps of 1006, whatever the client said.
    end = (1006, "") if server == "hypercorn" else (4001, "home")
    assert log == [*(str(n) for n in range(50)), end, "teardown"]
    assert not [record for record in caplog.records if record.levelname != "INFO"]


async def test_a_handler_that_waits_is_cancelled(
    colour: App, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    app, log = make(colour)
    served = serve(app)
    async with connect(served.ws + "/deaf"):
        await until(lambda: log)
    await until(lambda: log[1:] == ["teardown"])
    assert not [record for record in caplog.records if record.levelname != "INFO"]


async def test_a_late_handler_bounds_what_is_read(colour: App, serve: Serve) -> None:
    """TCP pushes back in the end, and the client cannot send on."""
    app, log = make(colour)
    served = serve(app)
    async with connect(served.ws + "/late", compression=None) as socket:
        await until(lambda: log)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                for _ in range(1000):
                    await socket.send(b"x" * 100_000)
        assert 16 < log[0].inbox.pending < 250
        log.append("go")
        socket.transport.abort()
    await until(lambda: log[2:] == ["teardown"])


async def test_shutdown_tells_the_client_to_come_again(colour: App, serve: Serve) -> None:
    app, log = make(colour)
    served = serve(app)
    async with connect(served.ws + "/echo") as socket:
        await socket.send("a")
        assert await socket.recv() == "a"
        served.stop()
        with pytest.raises(ConnectionClosed) as caught:
            await asyncio.wait_for(socket.recv(), 5)
    assert caught.value.rcvd is not None and caught.value.rcvd.code == 1012
    await until(lambda: log == ["teardown"])


@pytest.mark.parametrize("own_connection", [False, True])
async def test_a_handler_that_raises_a_cancellation_of_its_own(
    colour: App, server: str, serve: Serve, own_connection: bool
) -> None:
    """It has failed: Quart says nothing then, and Hypercorn answers 500, or 1011."""
    modules: list[tuple[t.Any, App]] = [(quartish.quart, colour)]
    if server == "hypercorn" and not colour.plain:
        modules.append((quart, quart.Quart))
    for module, app_class in modules:
        app, log = app_class("app"), []  # type: ignore[var-annotated]
        app.teardown_websocket(lambda exc, log=log: log.append(type(exc)))
        if own_connection and not getattr(app, "plain", False):
            app.asgi_websocket_class = type("Own", (app_class.asgi_websocket_class,), {})

        async def raises(how: str, module: t.Any = module) -> None:
            if how != "new":
                await module.websocket.accept()
            if how == "late":
                await asyncio.sleep(0)
            raise asyncio.CancelledError

        def raises_in_thread() -> None:
            raise asyncio.CancelledError

        app.add_websocket("/<how>", "raises", raises)
        app.add_websocket("/thread", "raises_in_thread", raises_in_thread)
        served = serve(app)
        for how in ("accepted", "late"):
            async with connect(f"{served.ws}/{how}") as socket:
                with pytest.raises(ConnectionClosed) as closed:
                    await asyncio.wait_for(socket.recv(), 5)
            assert (server == "uvicorn" and own_connection) or closed.value.rcvd.code == 1011  # type: ignore[union-attr]
        for how in ("new", "thread"):
            with pytest.raises(InvalidStatus) as rejected:
                await connect(f"{served.ws}/{how}")
            assert rejected.value.response.status_code == 500
        await until(lambda log=log: log == [asyncio.CancelledError] * 4)  # type: ignore[misc]


async def test_a_burst_of_clients(colour: App, serve: Serve) -> None:
    app, log = make(colour)
    served = serve(app)

    async def visit(n: int) -> None:
        async with connect(served.ws + "/echo") as socket:
            for k in range(20):
                await socket.send(f"{n} {k}")
                assert await socket.recv() == f"{n} {k}"

    async with asyncio.TaskGroup() as group:
        for n in range(40):
            group.create_task(visit(n))
    await until(lambda: log == ["teardown"] * 40)
    assert not app.websockets


PAGE = """<!doctype html><title>echo</title><ol></ol><output></output><script>
const socket = new WebSocket(location.href.replace("http", "ws") + "echo");
const show = (text) => document.querySelector("ol").append(
  Object.assign(document.createElement("li"), {textContent: text}), " ");
socket.binaryType = "arraybuffer";
socket.onopen = () => {
  for (const data of ["é", "", new ArrayBuffer(0), new Uint8Array([1, 2])]) socket.send(data);
};
let left = 4;
socket.onmessage = ({data}) => {
  show(typeof data === "string" ? `text ${data.length}` : `bytes ${data.byteLength}`);
  if (--left === 0) socket.close(4002, "read it");
};
socket.onclose = ({code}) => document.querySelector("output").textContent = `closed ${code}`;
</script>"""


@pytest.mark.browser
def test_a_browser(colour: App, serve: Serve, browser: Browser) -> None:
    app, log = make(colour)
    app.add_url_rule("/", view_func=lambda: PAGE)
    served = serve(app)
    browser.open(served.http + "/")
    browser.expect("output", "closed 4002")
    items = browser.run("[...document.querySelectorAll('li')].map(li => li.textContent)")
    assert items == ["text 1", "text 0", "bytes 0", "bytes 2"]
    wait_until(lambda: log == ["teardown"])
    assert threading.active_count() < 100
