"""The jobs: Redis and workers for real, of which one is killed in the middle of a job."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import typing as t
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from quartish.testing import read_events
from tests._redis import free_port
from tests._redis import Redis
from tests._redis import redis_server
from tests._redis import running
from tests._redis import wait_for

from ._browser import Browser
from .conftest import EXAMPLES

pytest.importorskip("taskiq_redis", reason="NOT TESTED: there is no taskiq-redis")
pytestmark = [pytest.mark.redis, pytest.mark.slow]

ROOT = EXAMPLES.parent


class Jobs:
    """The page, its Redis, and the workers that a test begins and kills."""

    def __init__(self, redis: Redis, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.workers: list[subprocess.Popen[bytes]] = []
        self.log = folder / "workers.log"
        environ = {"JOBS_REDIS": redis.url, "JOBS_RECLAIM": "4", "JOBS_PAUSE": "0.1"}
        self.environ = {**os.environ, **environ, "PYTHONPATH": str(ROOT)}

    @contextmanager
    def served(self) -> t.Iterator[None]:
        command = [sys.executable, "-m", "hypercorn", "--bind", f"127.0.0.1:{self.port}"]
        command += ["--graceful-timeout", "1", "examples.jobs:create_app()"]
        with running(*command, cwd=ROOT, env=self.environ) as process:
            wait_for(lambda: httpx.get(self.url), httpx.TransportError, process)
            yield

    def begin_worker(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "taskiq", "worker", "--workers", "1"]
        command += ["--log-level", "WARNING", "examples.jobs.worker:broker"]
        with self.log.open("ab") as log:
            worker = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.environ,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a group, to be killed with its children
            )
        self.workers.append(worker)
        return worker

    @staticmethod
    def kill(worker: subprocess.Popen[bytes]) -> None:
        if worker.poll() is None:
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait(30)

    def begin(self, numbers: t.Iterable[int]) -> str:
        answer = httpx.post(self.url, data={"numbers": " ".join(map(str, numbers))})
        assert answer.status_code == 303
        return answer.headers["location"].rpartition("/")[2]

    def events(self, job: str) -> t.Iterator[dict[str, t.Any]]:
        url = f"{self.url}/jobs/{job}/events"
        with httpx.stream("GET", url, timeout=60) as response:
            for event in read_events(response.iter_raw()):
                if event.data:
                    yield json.loads(event.data)

    def result(self, job: str) -> t.Any:
        return httpx.get(f"{self.url}/jobs/{job}/result").json()


@pytest.fixture
def jobs(tmp_path: Path) -> t.Iterator[Jobs]:
    with redis_server(tmp_path) as redis:
        jobs = Jobs(redis, tmp_path)
        with jobs.served():
            try:
                yield jobs
            finally:
                for worker in jobs.workers:
                    jobs.kill(worker)


def test_what_is_no_job(jobs: Jobs) -> None:
    for text in ("", "one two", "1 " * 1001):
        assert httpx.post(jobs.url, data={"numbers": text}).status_code == 422
    assert jobs.result("nothing") == {"ready": False}


def test_a_worker_is_killed_in_the_middle_and_nothing_is_lost(jobs: Jobs) -> None:
    first = jobs.begin_worker()
    job = jobs.begin(range(20))
    events = jobs.events(job)
    told = next(event for event in events if event.get("done") == 5)
    jobs.kill(first)
    waiting = jobs.begin([40, 2])  # while there is no worker at all
    jobs.begin_worker()
    rest = list(events)  # the same stream: the page stays open
    assert rest[-1] == {"total": 190}
    # By another process, from the beginning.
    by = {event["worker"] for event in rest[:-1] if event["worker"] != told["worker"]}
    assert len(by) == 1
    assert [event["done"] for event in rest[:-1] if event["worker"] in by] == [*range(1, 21)]
    assert list(jobs.events(waiting))[-1] == {"total": 42}
    end = time.monotonic() + 30
    while jobs.result(job) != {"ready": True, "total": 190}:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert jobs.result(waiting) == {"ready": True, "total": 42}
    assert "Traceback" not in jobs.log.read_text()


@pytest.mark.browser
def test_the_page_shows_it(jobs: Jobs, browser: Browser, tmp_path: Path) -> None:
    first = jobs.begin_worker()
    browser.open(jobs.url)
    browser.fill("input", " ".join(map(str, range(30))) + "\n")
    browser.expect("#state", "5 of 30")
    shown = browser.run("document.querySelector('#state').textContent")
    jobs.kill(first)
    time.sleep(0.5)
    stopped = browser.run("document.querySelector('#bar').value")
    assert stopped < 30
    jobs.begin_worker()
    browser.expect("#state", "done")
    browser.expect("#total", "435")
    assert "by worker" in shown
    (tmp_path / "jobs.png").write_bytes(browser.picture())
