"""Several workers are restarted under load, by each server that can: no request is lost."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import time
import typing as t
from pathlib import Path

import httpx
import pytest

from tests._processes import free_port
from tests.examples.test_deploy import EXAMPLE
from tests.examples.test_deploy import listens
from tests.examples.test_deploy import put_port
from tests.examples.test_deploy import running

pytestmark = pytest.mark.slow

RESTARTS = {
    # A new worker for each, of the new code; the old ones let finish what they have.
    "gunicorn": ["gunicorn", "--config", "gunicorn.conf.py", "app:app"],
    "uvicorn": ["uvicorn", "--port", "{port}", "--workers", "2", "--log-level", "warning"]
    + ["app:app"],
    "granian": ["granian", "--interface", "asgi", "--port", "{port}", "--workers", "2"]
    + ["--workers-kill-timeout", "10", "app:app"],
}


#: Connections that were made, and are closed by a worker that goes before it takes them: none by
#: gunicorn's; the others' pull requests (Kludex/uvicorn 3023) tell of one of 5,000. A client, or
#: nginx, sends such a request again.
LOST = {"gunicorn": 0, "uvicorn": 2, "granian": 2}


async def client(base: str, until: asyncio.Event, seen: list[t.Any]) -> None:
    """Ask again and again, each time by a connection of its own, as behind a proxy that closes."""
    async with httpx.AsyncClient(base_url=base, timeout=30) as http:
        count = 0
        while not until.is_set():
            count += 1
            path = "/slow" if count % 5 == 0 else "/process"
            try:
                answer = await http.get(path, headers={"Connection": "close"})
                seen.append((answer.status_code, answer.text))
            except httpx.TransportError as error:
                seen.append((0, repr(error)))
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("server", RESTARTS)
async def test_a_graceful_restart(tmp_path: Path, server: str) -> None:
    pytest.importorskip(server)
    folder = Path(shutil.copytree(EXAMPLE, tmp_path / "deploy"))
    port = free_port()
    put_port(folder, "gunicorn.conf.py", "127.0.0.1:8000", port)
    command = [part.format(port=port) for part in RESTARTS[server]]
    base = f"http://127.0.0.1:{port}"
    with running(folder, sys.executable, "-m", *command, until=listens(port)) as process:
        deadline = time.monotonic() + 30
        while True:  # the parent of gunicorn's and granian's listens before its workers do
            try:
                httpx.get(f"{base}/process", timeout=30)
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline
        seen: list[t.Any] = []
        until = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(client(base, until, seen))
            await asyncio.sleep(3)
            before = len(seen)
            process.send_signal(signal.SIGHUP)
            first = {text for _, text in seen[:before]} - {"done"}
            assert first
            deadline = time.monotonic() + 30
            while first & {text for _, text in seen[-40:]}:  # others answer than before
                assert time.monotonic() < deadline, (first, seen[-40:])
                await asyncio.sleep(0.2)
            await asyncio.sleep(1)
            until.set()
    lost = [each for each in seen if each[0] != 200]
    assert len(lost) <= LOST[server] and not any(status for status, _ in lost), lost
