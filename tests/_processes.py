"""Real servers, each in a process of its own: Hypercorn, uvicorn, and granian where it is
installed."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import typing as t
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMMANDS = {
    "hypercorn": ["-m", "hypercorn", "--graceful-timeout", "2", "--bind", "127.0.0.1:{port}"],
    "uvicorn": [
        *("-m", "uvicorn", "--host", "127.0.0.1", "--port", "{port}", "--no-access-log"),
        *("--timeout-graceful-shutdown", "2", "--log-level", "warning"),
        *("--ws", "websockets-sansio", "--ws-ping-interval", "600"),
    ],
    "granian": [
        *("-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", "{port}"),
        *("--workers", "1", "--ws", "--log-level", "warning"),
    ],
}


def is_installed(server: str) -> bool:
    return importlib.util.find_spec(server) is not None


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


class Process:
    """A server that runs: its address, its process and what it has written."""

    def __init__(self, port: int, process: subprocess.Popen[bytes], log: t.IO[bytes]) -> None:
        self.address = ("127.0.0.1", port)
        self.http = f"http://127.0.0.1:{port}"
        self.ws = f"ws://127.0.0.1:{port}"
        self.process = process
        self._log = log

    def log(self) -> str:
        """Return what the server wrote until now."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def pid(self) -> int:
        """Return the process that answers: the server's only worker, or the server itself."""
        tasks = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        children = tasks.read_text().split() if tasks.exists() else []
        for child in children:
            if b"resource_tracker" not in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
        return self.process.pid


@contextmanager
def serve(server: str, app: str, patience: float = 30, **environ: str) -> t.Iterator[Process]:
    """Serve `module:name` until the block ends."""
    port = free_port()
    command = [part.format(port=port) for part in COMMANDS[server]]
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environ}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, *command, app],
            cwd=ROOT,
            env=env,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        found = Process(port, process, log)
        try:
            _wait(found, patience)
            yield found
        finally:
            end(process)


def run_pytest(*options: str, timeout: float, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run tests in a process of their own, to its end."""
    command = [sys.executable, "-m", "pytest", "--no-cov", "-q", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, *options], cwd=cwd, timeout=timeout, capture_output=True, text=True
    )


def end(process: subprocess.Popen[t.Any], by: int = signal.SIGTERM, patience: float = 15) -> None:
    """End a process, and kill it where it does not end in time."""
    if process.poll() is None:
        process.send_signal(by)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            kill(process)


def kill(process: subprocess.Popen[t.Any]) -> None:
    """Kill a process, and its workers where it began a session of its own."""
    if process.poll() is None:
        if os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()


def _wait(found: Process, patience: float) -> None:
    until = time.monotonic() + patience
    while True:
        try:
            socket.create_connection(found.address, timeout=1).close()
            return
        except OSError:
            if found.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the server did not start:\n{found.log()}") from None
            time.sleep(0.05)
