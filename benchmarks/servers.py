"""Servers in processes of their own: of apps, and Redis."""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .environment import CHECKOUT
from .environment import clean_environ
from .environment import Unable

START = 20  # seconds in which a server has to listen


def pin(core: int) -> list[str]:
    """Return the prefix that keeps a command on one core, where that can be had."""
    if shutil.which("taskset") and (os.cpu_count() or 1) > 1:
        return ["taskset", "-c", str(core)]
    return []


@contextlib.contextmanager
def running(
    python: Path, arguments: cabc.Sequence[str], environ: cabc.Mapping[str, str]
) -> cabc.Iterator[int]:
    """Run a server module, pinned to the first core; give its port, which is `{port}` in the
    arguments. Raises Unable where it does not start. `BENCHMARK_LOG` shows what it says."""
    port = _free_port()
    process = subprocess.Popen(
        [*pin(0), str(python), "-m", *(part.replace("{port}", str(port)) for part in arguments)],
        cwd=CHECKOUT,
        env={**clean_environ(), **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=sys.stderr if os.environ.get("BENCHMARK_LOG") else subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _await_listener(process, port)
        yield port
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


@contextlib.contextmanager
def redis_server() -> cabc.Iterator[str]:
    """Run a Redis; give its address. Raises Unable where there is none."""
    path = shutil.which("redis-server")
    if path is None:
        raise Unable("there is no redis-server on the PATH")
    port = _free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [path, "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            _await_listener(process, port)
            yield f"redis://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _await_listener(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + START
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        time.sleep(0.05)
    raise Unable("the server did not start")
