"""examples/deploy/many: two machines behind nginx, Redis behind them; one is killed under load."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
import typing as t
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests._processes import free_port
from tests._redis import Redis
from tests._redis import redis_server
from tests.examples.test_deploy import EXAMPLE
from tests.examples.test_deploy import listens
from tests.examples.test_deploy import NGINX
from tests.examples.test_deploy import running

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed"),
]

MACHINES = {"one": "127.0.0.1", "two": "127.0.0.2"}
CLIENTS = 8


@pytest.fixture
def redis(tmp_path: Path) -> t.Iterator[Redis]:
    with redis_server(tmp_path) as server:
        yield server


class Asked(t.NamedTuple):
    """What came of one request, and when: seconds of the monotonic clock."""

    method: str
    name: str
    begun: float
    ended: float
    status: int
    machine: str


class Machine:
    """A group of processes at one address, which goes as a whole."""

    def __init__(self, folder: Path, name: str, port: int, redis: str) -> None:
        command = [
            *(sys.executable, "-m", "gunicorn", "--workers", "2", "--graceful-timeout", "5"),
            *("--worker-class", "uvicorn_worker.UvicornWorker", "machine:app"),
            *("--bind", f"{MACHINES[name]}:{port}"),
        ]
        env = {
            **os.environ,
            "PYTHONPATH": str(EXAMPLE.parents[1]),
            "MACHINE": name,
            "REDIS_URL": redis,
        }
        self.address = MACHINES[name], port
        self.log = (folder / f"{name}.log").open("ab")
        self.process = subprocess.Popen(
            command, cwd=folder, env=env, stdout=self.log, stderr=self.log, start_new_session=True
        )
        url = f"http://{MACHINES[name]}:{port}/readyz"
        deadline = time.monotonic() + 30
        while True:
            try:
                if httpx.get(url, timeout=2).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline and self.process.poll() is None, self.told(folder)
            time.sleep(0.1)

    def told(self, folder: Path) -> str:
        return "\n".join(path.read_text() for path in folder.glob("*.log"))

    def kill(self) -> None:
        """Lose the machine: all of its processes at once, without a word."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.log.close()


@contextmanager
def machines(folder: Path, port: int, redis: str) -> t.Iterator[dict[str, Machine]]:
    found: dict[str, Machine] = {}
    try:
        for name in MACHINES:
            found[name] = Machine(folder, name, port, redis)
        yield found
    finally:
        for machine in found.values():
            if machine.process.poll() is None:
                machine.kill()


async def client(base: str, number: int, until: asyncio.Event, asked: list[Asked]) -> None:
    async with httpx.AsyncClient(base_url=base, timeout=30) as http:
        count = 0
        while not until.is_set():
            count += 1
            method = "POST" if count % 2 else "GET"
            name = f"{number}-{count}"
            path = f"/orders/{name}" if method == "POST" else "/"
            begun = time.monotonic()
            answer = await http.request(method, path)
            machine = answer.json()["machine"] if answer.status_code < 500 else ""
            asked.append(Asked(method, name, begun, time.monotonic(), answer.status_code, machine))
            await asyncio.sleep(0.002)


async def test_a_machine_is_lost_under_load(tmp_path: Path, redis: Redis) -> None:
    folder = Path(shutil.copytree(EXAMPLE / "many", tmp_path / "many"))
    (folder / "tmp").mkdir()
    port, front = free_port(), free_port()
    text = (folder / "nginx.conf").read_text()
    text = text.replace(":8001", f":{port}").replace("127.0.0.1:8080", f"127.0.0.1:{front}")
    (folder / "nginx.conf").write_text(f"user root;\n{text}" if os.geteuid() == 0 else text)
    base = f"http://127.0.0.1:{front}"
    nginx = [str(NGINX), "-p", str(folder), "-c", "nginx.conf"]
    asked: list[Asked] = []
    with (
        machines(folder, port, redis.url) as found,
        running(folder, *nginx, until=listens(front)),
    ):
        until = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(client(base, number, until, asked))
            await asyncio.sleep(2)
            killed = time.monotonic()
            found["one"].kill()
            await asyncio.sleep(
                0.2
            )  # its workers end a moment after the process that was waited for
            gone = time.monotonic()
            await asyncio.sleep(4)
            back = time.monotonic()
            found["one"] = await asyncio.to_thread(Machine, folder, "one", port, redis.url)
            await asyncio.sleep(4)
            until.set()
        async with httpx.AsyncClient(base_url=base) as http:
            kept = (await http.get("/")).json()["orders"]
    assert {each.machine for each in asked if each.ended < killed} == {"one", "two"}
    assert {each.machine for each in asked if gone < each.begun < back} == {"two"}
    assert {each.machine for each in asked[-500:]} == {"one", "two"}  # it is asked again
    lost = [each for each in asked if each.status >= 400]
    # Of what may be sent twice, nothing is lost, and of the rest what was in flight there.
    assert all(each.method == "POST" for each in lost), lost
    assert all(each.begun < gone and each.ended > killed for each in lost), lost
    assert len(lost) <= CLIENTS
    orders = [each for each in asked if each.method == "POST" and each.status == 201]
    assert len(orders) <= kept <= len(orders) + len(lost)
    assert len(asked) > 200
