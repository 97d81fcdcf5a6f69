"""Requests over real sockets: clients that leave, dawdle, or send too much."""

from __future__ import annotations

import asyncio
import socket
import time
import typing as t

import httpx
import pytest

from quartish import request
from quartish import stream_with_context
from quartish.views import survives_disconnect

from .conftest import Serve
from .test_websockets import wait_until

App = type[t.Any]


def make(colour: App) -> tuple[t.Any, list[t.Any]]:
    """Make an app, and the list of what its views note."""
    app = colour("app")
    app.config["MAX_CONTENT_LENGTH"] = 1_000_000
    log: list[t.Any] = []

    @app.teardown_request
    async def teardown(exc: t.Any) -> None:
        await asyncio.sleep(0)
        log.append("teardown")

    @app.get("/wait")
    async def wait() -> str:
        log.append("in")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            log.append("cancelled")
            raise
        return "never"

    @app.get("/pay")
    @survives_disconnect
    async def pay() -> str:
        log.append("in")
        await asyncio.sleep(0.3)
        log.append("paid")
        return "paid"

    @app.get("/sync")
    def sync() -> str:
        log.append("in")
        time.sleep(0.3)
        log.append("out")
        return "ok"

    @app.get("/ticks")
    async def ticks() -> t.Any:
        async def chunks() -> t.AsyncIterator[bytes]:
            log.append("in")
            try:
                while True:
                    yield b"tick\n"
                    await asyncio.sleep(0.01)
            finally:
                await asyncio.sleep(0)
                log.append("closed")

        return stream_with_context(chunks)()

    @app.post("/upper", **({"stream_body": True} if app.plain else {}))
    async def upper() -> t.Any:
        body: t.Any = request.stream if app.plain else request.body  # type: ignore[attr-defined]

        async def chunks() -> t.AsyncIterator[bytes]:
            async for chunk in body:
                yield chunk.upper()

        return chunks()

    @app.post("/size")
    async def size() -> str:
        data: t.Any = request.get_data()
        return str(len(data if app.plain else await data))

    return app, log


def quiet(caplog: pytest.LogCaptureFixture) -> bool:
    return not [record for record in caplog.records if record.levelname != "INFO"]


@pytest.mark.parametrize(
    ("path", "noted"),
    [
        ("/wait", ["in", "cancelled", "teardown"]),
        ("/pay", ["in", "paid", "teardown"]),
        ("/sync", ["in", "out", "teardown"]),
        ("/ticks", ["in", "closed", "teardown"]),
    ],
)
@pytest.mark.parametrize("abrupt", [False, True], ids=["closes", "resets"])
def test_the_client_leaves(
    colour: App,
    serve: Serve,
    path: str,
    noted: list[str],
    abrupt: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    app, log = make(colour)
    served = serve(app)
    with socket.create_connection(served.address) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        wait_until(lambda: log)
        if path == "/ticks":
            assert b"200" in sock.recv(100)
        if abrupt:  # RST in place of FIN
            linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    wait_until(lambda: log == noted)
    assert quiet(caplog)


def test_both_ways_at_once(colour: App, serve: Serve) -> None:
    served = serve(make(colour)[0])
    with socket.create_connection(served.address, timeout=5) as sock:
        sock.sendall(
            b"POST /upper HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        got = b""
        for word in [b"one", b"two", b"three"]:
            sock.sendall(b"%x\r\n%s\r\n" % (len(word), word))
            while word.upper() not in got:
                data = sock.recv(1000)
                assert data, got
                got += data
        sock.sendall(b"0\r\n\r\n")


def test_too_much_is_refused_while_it_arrives(colour: App, serve: Serve) -> None:
    served = serve(make(colour)[0])
    sent = 0

    def endless() -> t.Iterator[bytes]:
        nonlocal sent
        while sent < 200:
            sent += 1
            yield b"x" * 100_000

    with httpx.Client(base_url=served.http) as client:
        try:
            assert client.post("/size", content=endless()).status_code == 413
        except httpx.TransportError:
            pass  # closed before the answer was read, which HTTP/1.1 allows
        assert client.post("/size", content=b"x" * 900_000).text == "900000"


def test_who_leaves_more_than_16_mib_unread_is_noticed(colour: App, serve: Serve) -> None:
    app = colour("app")
    app.config["MAX_CONTENT_LENGTH"] = None
    log: list[str] = []

    @app.post("/", stream_body=True)
    async def view() -> None:
        log.append("begins")
        try:
            await asyncio.sleep(60)
        finally:
            log.append("ends")

    served = serve(app)
    with socket.create_connection(served.address) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90000000\r\n\r\n")
        for _ in range(18):
            sock.sendall(b"x" * 1_000_000)
    deadline = time.monotonic() + 5
    while log != ["begins", "ends"]:
        assert time.monotonic() < deadline, log
        time.sleep(0.01)


def test_a_slow_body(colour: App, serve: Serve) -> None:
    served = serve(make(colour)[0])

    def slowly() -> t.Iterator[bytes]:
        for _ in range(10):
            time.sleep(0.02)
            yield b"x"

    assert httpx.post(served.http + "/size", content=slowly()).text == "10"


def test_many_at_once(colour: App, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    served = serve(make(colour)[0])

    async def visit() -> list[int]:
        limits = httpx.Limits(max_connections=20)
        async with httpx.AsyncClient(base_url=served.http, limits=limits, timeout=30) as client:
            answers = await asyncio.gather(
                *(client.post("/size", content=b"x" * n) for n in range(200))
            )
        return [int(answer.text) for answer in answers]

    assert asyncio.run(visit()) == list(range(200))
    assert quiet(caplog)
