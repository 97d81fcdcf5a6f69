"""Tasks under real servers: from their start until they are told to stop; and the reloader."""

from __future__ import annotations

import collections
import os
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests._processes import COMMANDS
from tests._processes import free_port
from tests._processes import is_installed
from tests._processes import serve
from tests._redis import running
from tests._waiting import wait_until

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


def notes(path: Path) -> collections.Counter[str]:
    lines = path.read_text().splitlines() if path.exists() else []
    return collections.Counter(line.rpartition(" ")[0] for line in lines)


def pids(path: Path) -> set[str]:
    return {line.rpartition(" ")[2] for line in path.read_text().splitlines()}


@pytest.mark.parametrize("app", ["plain", "awaitable"])
@pytest.mark.parametrize("server", [*COMMANDS])
def test_from_the_start_to_the_stop(server: str, app: str, tmp_path: Path) -> None:
    if not is_installed(server):
        pytest.skip(f"NOT TESTED under {server}, which is not installed")
    path = tmp_path / "notes"
    with serve(server, f"tests.tasks.served:{app}", TASKS_NOTES=str(path)) as process:
        wait_until(lambda: min(notes(path)["tick"], notes(path)["sync_tick"]) > 3)
        assert set(httpx.get(process.http + "/beats").json()) == {"tick", "sync_tick"}
        assert httpx.get(process.http + "/begin").status_code == 200
        wait_until(lambda: notes(path)["begun"] and notes(path)["sync begun"])
    # The server was told to stop: it waited for those that ran, and nothing runs afterwards.
    told = notes(path)
    assert (told["ended"], told["sync ended"]) == (1, 1), process
    time.sleep(0.3)
    assert notes(path) == told
    assert len(pids(path)) == 1


def test_under_the_reloader_one_process_runs_them(tmp_path: Path) -> None:
    """Flask-APScheduler #139: in debug mode, the process that watches ran each job as well."""
    path, port = tmp_path / "notes", free_port()
    environ = {**os.environ, "TASKS_NOTES": str(path), "PORT": str(port), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.tasks.served"]
    with running(*command, cwd=ROOT, env=environ) as process:
        wait_until(lambda: notes(path)["tick"] > 5 or process.poll() is not None)
        assert pids(path) and str(process.pid) not in pids(path) and len(pids(path)) == 1
    told = notes(path)
    time.sleep(0.3)
    assert notes(path) == told
