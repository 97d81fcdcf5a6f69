"""A redis-server of a test's own."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import typing as t
from contextlib import contextmanager
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests._processes import end


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def wait_for(what: t.Callable[[], object], error: type[BaseException], process: t.Any) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            what()
            return
        except error:
            assert process.poll() is None, f"it ended: {process.args}"
            assert time.monotonic() < deadline, f"it did not start: {process.args}"
            time.sleep(0.05)


@contextmanager
def running(*command: str, **options: t.Any) -> t.Iterator[subprocess.Popen[bytes]]:
    process: t.Any = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        end(process)


class Redis:
    """A redis-server of the test's own, which may be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self.folder = folder
        self.stack = ExitStack()

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--dir", str(self.folder), "--save", "", "--appendonly", "yes"]
        process = self.stack.enter_context(running(*command, stdout=subprocess.DEVNULL))
        from redis import Redis as Client
        from redis.exceptions import ConnectionError
        from redis.exceptions import RedisError

        with Client.from_url(self.url) as client:
            wait_for(client.ping, (ConnectionError, RedisError), process)  # type: ignore[arg-type]

    def stop(self) -> None:
        self.stack.close()


@contextmanager
def redis_server(folder: Path) -> t.Iterator[Redis]:
    """Start one; skip the test where there is none."""
    if shutil.which("redis-server") is None:
        pytest.skip("NOT TESTED with Redis: there is no redis-server on the PATH")
    pytest.importorskip("redis", reason="NOT TESTED with Redis: no redis client")
    server = Redis(folder)
    server.start()
    yield server
    server.stop()
