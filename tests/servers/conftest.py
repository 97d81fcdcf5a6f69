"""Real servers on loopback, each in a thread of its own: Hypercorn and uvicorn."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
import typing as t
from contextlib import contextmanager
from contextlib import ExitStack
from pathlib import Path

import pytest
import uvicorn
from hypercorn.config import Config

from quartish import serving
from tests.examples._browser import Browser
from tests.examples._browser import open_browser

Serve = t.Callable[[t.Any], "Served"]


class Served:
    """An app behind a server: where it is, and how to stop it."""

    def __init__(self, sock: socket.socket, stop: t.Callable[[], None]) -> None:
        host, port = sock.getsockname()
        self.address = (host, port)
        self.http = f"http://{host}:{port}"
        self.ws = f"ws://{host}:{port}"
        self.stop = stop


@contextmanager
def hypercorn(app: t.Any, sock: socket.socket) -> t.Iterator[t.Callable[[], None]]:
    config = Config()
    config.graceful_timeout = 1
    config.bind = [f"fd://{sock.detach()}"]
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serving.serve(app, config, stop.wait))

    with in_thread(run):
        yield lambda: None if loop.is_closed() else _threadsafe(loop, stop.set)


@contextmanager
def uvicorn_server(app: t.Any, sock: socket.socket) -> t.Iterator[t.Callable[[], None]]:
    config = uvicorn.Config(
        app, log_level="warning", ws="websockets-sansio", timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)

    def stop() -> None:
        server.should_exit = True

    with in_thread(lambda: asyncio.run(server.serve(sockets=[sock]))):
        while not server.started:
            time.sleep(0.01)
        yield stop


def _threadsafe(loop: asyncio.AbstractEventLoop, func: t.Callable[[], None]) -> None:
    loop.call_soon_threadsafe(func)


@contextmanager
def in_thread(run: t.Callable[[], None]) -> t.Iterator[None]:
    thread = threading.Thread(target=run, name="server")
    thread.start()
    yield
    thread.join(10)
    assert not thread.is_alive(), "the server did not stop"


@pytest.fixture(params=["hypercorn", "uvicorn"])
def server(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def serve(server: str) -> t.Iterator[Serve]:
    """Serve an app until the test ends."""
    with ExitStack() as stack:

        def start(app: t.Any) -> Served:
            sock = socket.create_server(("127.0.0.1", 0), backlog=128)
            served = Served(sock, lambda: None)
            behind = hypercorn if server == "hypercorn" else uvicorn_server
            served.stop = stack.enter_context(behind(app, sock))
            stack.callback(served.stop)
            return served

        yield start


@pytest.fixture
def browser(tmp_path: Path) -> t.Iterator[Browser]:
    with open_browser(tmp_path) as session:
        yield session
