"""Clients that use a connection again after a request whose body nobody read: no request is lost.

As reported: pgjones/hypercorn#314 and #334, #365 (HTTP/2: the connection failed with all that was
on it). Each also after a head alone, and while the rest is on its way.
"""

from __future__ import annotations

import asyncio
import http.client
import socket
import time
import typing as t
from contextlib import closing
from contextlib import ExitStack

import h2.events
import httpx
import pytest
import uvicorn

from quartish import redirect
from quartish import request
from quartish import Response
from quartish.asgi import unread
from tests.servers.conftest import in_thread
from tests.servers.conftest import Serve
from tests.servers.test_http2 import Client

App = type[t.Any]
Start = t.Callable[[t.Any], tuple[uvicorn.Server, tuple[str, int]]]
SIZES = [1, 200_000, 2_000_000]


def make(colour: App) -> t.Any:
    app = colour("app")

    @app.post("/async", stream_body=True)
    async def asynchronous() -> str:
        return "ok"

    @app.post("/def")
    def synchronous() -> str:
        return "ok"

    @app.post("/stream", stream_body=True)
    async def stream() -> t.Any:
        async def generate() -> t.AsyncIterator[bytes]:
            yield b"o"
            yield b"k"

        return generate()

    @app.get("/next")
    async def following() -> str:
        return "next"

    return app


def answer(sock: socket.socket, method: str = "POST") -> http.client.HTTPResponse:
    response = http.client.HTTPResponse(sock, method=method)
    response.begin()
    return response


def ask_again(address: tuple[str, int], path: str, size: int, way: str) -> str:
    """Send a request and then another one, unless the first one's answer says not to."""
    framing = f"Content-Length: {size}\r\n"
    if way == "chunked":
        framing = "Transfer-Encoding: chunked\r\n"
    elif way == "expect":
        framing += "Expect: 100-continue\r\n"
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n".encode()
    body = b"x" * size
    if way == "chunked":
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (size, body)
    with socket.create_connection(address, timeout=10) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if way == "whole":
            sock.sendall(head + body)
        else:
            sock.sendall(head)
        if way in ("apart", "chunked"):
            sock.sendall(body)
        response = answer(sock)  # which skips a 100
        assert response.status == (404 if path == "/missing" else 200)
        response.read()
        if response.will_close:
            return "closed"
        if way in ("late", "expect"):
            sock.sendall(body)
        sock.sendall(b"GET /next HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answer(sock, "GET").read() == b"next"
        return "kept"


@pytest.mark.parametrize("path", ["/async", "/def", "/stream", "/missing"])
def test_no_request_is_lost(colour: App, serve: Serve, server: str, path: str) -> None:
    served = serve(make(colour))
    for way in ("whole", "apart", "late", "chunked", "expect"):
        for size in SIZES:
            if way not in ("late", "expect") and size == max(SIZES):
                continue  # who does not look before all is sent may find the connection closed
            for _ in range(3):
                found = ask_again(served.address, path, size, way)
                if size < max(SIZES) and way != "chunked" and path != "/stream":
                    assert found == "kept"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("path", ["/async", "/def", "/stream", "/missing"])
def test_other_streams_of_http_2_go_on(
    colour: App,
    serve: Serve,
    server: str,
    path: str,
    size: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if server == "uvicorn":
        pytest.skip("has no HTTP/2")
    monkeypatch.setattr(unread, "MOST_DROPPED", 1_000_000)
    client = Client(serve(make(colour)).address)
    with closing(client.socket):
        first = client.ask("POST", path, end=False)
        client.until(h2.events.StreamEnded, first)
        rest = size
        while rest:
            room = min(client.http.local_flow_control_window(first), 16_384, rest)
            if not room:  # it is opened, or we are told to stop
                client.http.receive_data(client.socket.recv(65536))
                if first not in client.http.streams or client.http.streams[first].closed:
                    break
                continue
            rest -= room
            client.http.send_data(first, b"x" * room, end_stream=not rest)
            client.flush()
        assert bool(rest) is (size > 1_000_000)
        for _ in range(3):
            events = client.answer(client.ask("GET", "/next"))
            data = [e.data for e in events if isinstance(e, h2.events.DataReceived)]
            assert b"".join(t.cast("list[bytes]", data)) == b"next"


def reading(colour: App) -> t.Any:
    """Return the app with a view that reads its body, of 100 kB at most."""
    app = make(colour)
    app.config["MAX_CONTENT_LENGTH"] = 100_000

    @app.post("/read")
    async def read() -> str:
        data = request.get_data()
        return str(len(data if app.plain else await data))  # type: ignore[misc]

    return app


@pytest.mark.parametrize("size", [*SIZES, 10_000_000])
def test_httpx_over_http_2(colour: App, serve: Serve, server: str, size: int) -> None:
    """It waits for ever where it is told to stop before it has sent all."""
    if server == "uvicorn":
        pytest.skip("has no HTTP/2")
    app = reading(colour)
    with httpx.Client(http1=False, http2=True, timeout=20, base_url=serve(app).http) as client:
        for path, status in (("/def", 200), ("/missing", 404), ("/read", 413)):
            if size > 100_000 or path != "/read":
                assert client.post(path, content=b"x" * size).status_code == status
            assert client.get("/next").text == "next"


# --- pallets/flask#2188, #4507, pallets/werkzeug#2380: "{}POST" -----------------------------------


@pytest.mark.parametrize("path", ["/async", "/def", "/stream", "/missing"])
def test_a_body_is_never_taken_for_a_request(colour: App, serve: Serve, path: str) -> None:
    """Neither what was sent, nor what it looks like."""
    app = make(colour)
    seen: list[str] = []
    app.before_request(lambda: seen.append(request.path))
    hidden = b"GET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with closing(http.client.HTTPConnection(*serve(app).address, timeout=10)) as client:
        for _ in range(20):
            client.request("POST", path, hidden)
            client.getresponse().read()
            client.request("GET", "/next")
            assert client.getresponse().read() == b"next"
    assert seen == [path, "/next"] * 20


# --- pallets/werkzeug#1313, #2051: a reset in place of the response -------------------------------


@pytest.mark.parametrize("size", [500_000, 5_000_000])
def test_who_sends_all_before_it_reads_has_its_answer(colour: App, serve: Serve, size: int) -> None:
    app = reading(colour)

    @app.post("/moved")
    def moved() -> t.Any:
        return redirect("/next")

    base = serve(app).http
    for path, status in (("/def", 200), ("/moved", 302), ("/missing", 404), ("/read", 413)):
        for _ in range(3):
            assert httpx.post(base + path, content=b"x" * size, timeout=20).status_code == status


@pytest.fixture(params=["h11", "httptools"])
def uvicorns(request: pytest.FixtureRequest) -> t.Iterator[Start]:
    """Serve an app by uvicorn with each of its parsers; return its server and where it is."""
    pytest.importorskip(request.param)
    with ExitStack() as stack:

        def start(app: t.Any) -> tuple[uvicorn.Server, tuple[str, int]]:
            sock = socket.create_server(("127.0.0.1", 0))
            config = uvicorn.Config(app, http=request.param, log_level="warning", access_log=False)
            server = uvicorn.Server(config)
            stack.enter_context(in_thread(lambda: asyncio.run(server.serve(sockets=[sock]))))
            stack.callback(setattr, server, "should_exit", True)
            while not server.started:
                time.sleep(0.01)
            return server, sock.getsockname()

        yield start


def closing_app(colour: App) -> t.Any:
    app = reading(colour)

    @app.post("/large", stream_body=True)
    async def large() -> t.Any:
        return Response(b"y" * 3_000_000, headers={"Connection": "close"})

    return app


def post(address: tuple[str, int], path: str, sent: int, size: int = 5_000_000) -> socket.socket:
    """Send a request that closes its connection, with `sent` bytes of its body; read nothing."""
    sock = socket.create_connection(address, timeout=10)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    sock.sendall(f"{head}Content-Length: {size}\r\n\r\n".encode())
    sock.sendall(b"x" * sent)
    return sock


def test_a_client_may_send_all_before_uvicorn_closes(colour: App, uvicorns: Start) -> None:
    """What was sent is lost else, or what is read, by a reset."""
    _, address = uvicorns(closing_app(colour))
    found = {"/read": 413, "/def": 200, "/stream": 200, "/missing": 404}
    for path, status in found.items():
        with closing(post(address, path, 5_000_000)) as sock:
            response = answer(sock)
            assert response.status == status and response.will_close
            response.read()
    with closing(http.client.HTTPConnection(*address, timeout=10)) as client:
        client.request("POST", "/read", b"x" * 5_000_000)
        assert client.getresponse().status == 413
    for _ in range(5):
        with closing(post(address, "/large", 300_000)) as sock:
            assert len(answer(sock).read()) == 3_000_000


def test_uvicorn_closes_in_the_end(
    colour: App, uvicorns: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the client says nothing more, says too much, or the server stops."""
    server, address = uvicorns(closing_app(colour))
    connections = server.server_state.connections

    def is_closed(sock: socket.socket, after: float) -> None:
        began = time.monotonic()
        while connections:
            assert time.monotonic() < began + 5
            time.sleep(0.01)
        assert time.monotonic() - began >= after
        with pytest.raises(OSError):  # the server's thread may be about to close it
            while time.monotonic() < began + 5:
                sock.sendall(b"x")
                time.sleep(0.01)

    monkeypatch.setattr(unread, "LINGER", 0.1)
    with closing(post(address, "/read", 10)) as sock:
        assert answer(sock).read() and sock.recv(1) == b""  # the end is told at once
        is_closed(sock, after=0.05)
    monkeypatch.setattr(unread, "LINGER", 60)
    monkeypatch.setattr(unread, "LONGEST", 0.1)
    with closing(post(address, "/read", 10)) as sock:
        assert answer(sock).read()
        is_closed(sock, after=0.05)
    monkeypatch.setattr(unread, "LONGEST", 60)
    with closing(post(address, "/read", 10)) as sock:
        assert answer(sock).read()
    while connections:  # the client closes
        time.sleep(0.01)
    with closing(post(address, "/read", 10)) as sock:
        assert answer(sock).read()
        server.should_exit = True
        is_closed(sock, after=0)


def test_uvicorn_drops_so_much_and_no_more(
    colour: App, uvicorns: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unread, "MOST_AFTER_CLOSE", 1_000_000)
    _, address = uvicorns(closing_app(colour))
    with closing(post(address, "/read", 0, 30_000_000)) as sock, pytest.raises(OSError):
        sock.sendall(b"x" * 30_000_000)
