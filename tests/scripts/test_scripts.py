"""The README's first command, in a copy of what a clone has: installed anew, and again."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests._doors import Ask

ROOT = Path(__file__).parents[2]
CLONED = ["examples", "quartish", "scripts", "LICENSE", "README.md", "pyproject.toml"]


@pytest.mark.slow
def test_demo(tmp_path: Path) -> None:
    for name in CLONED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    first = visit(tmp_path)
    assert "Notes in the margin" in first
    assert visit(tmp_path) == first  # what is there is kept


def visit(folder: Path) -> str:
    """Start the demo, fetch its first page and stop it as Ctrl-C does."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = str(sock.getsockname()[1])
    environ = {**os.environ, "PORT": port, "PYTHON": sys.executable}
    environ.pop("PYTHONPATH", None)
    with subprocess.Popen(["scripts/demo"], cwd=folder, env=environ) as demo:
        try:
            return fetch(f"http://127.0.0.1:{port}/", demo)
        finally:
            demo.send_signal(signal.SIGINT)
            assert demo.wait(20) in (0, 130, -signal.SIGINT)


def fetch(url: str, demo: subprocess.Popen[bytes]) -> str:
    """Return the page once somebody serves it; installing comes first."""
    for _ in range(600):
        assert demo.poll() is None, "the demo stopped"
        try:
            return httpx.get(url).raise_for_status().text
        except httpx.ConnectError:
            time.sleep(0.5)
    raise TimeoutError(url)


@pytest.mark.slow
def test_soak() -> None:
    """A moment of it, behind one server: the whole minute is a part of its own in CI."""
    if not Path("/proc/self/status").exists():
        pytest.skip("the soak reads /proc")
    done = subprocess.run(
        [sys.executable, "scripts/soak.py", "8", "uvicorn", "--seed", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.count(" yes\n") == 2


def test_soak_tells_wrong_answers() -> None:
    """What the soak is for: an answer that is another request's is found."""
    soak = runpy.run_path(str(ROOT / "scripts" / "soak.py"))
    client = soak["Client"](None, 1)
    right = soak["parse"](b"HTTP/1.1 200 OK\r\nX-Mark: m1\r\nContent-Length: 5\r\n\r\nm1 m1")
    client.check(right, "m1", "m1 m1")
    for mark, body in (("m2", "m1 m1"), ("m1", "m2 m2")):
        with pytest.raises(soak["Wrong"]):
            client.check(right, mark, body)
    for data in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nm1"):
        with pytest.raises(soak["Wrong"]):
            soak["parse"](data)


FUZZED = {
    "form": (b"\x01a=b", "/form"),
    "cookie": (b"a=b", "/attributes"),
    "range": (b"\x80x", "/file"),
    "header": (b"\x05[::1]", "/attributes"),
    "path": (b"x?y", "/x"),
}


@pytest.mark.parametrize("target", FUZZED)
def test_what_is_fuzzed(target: str) -> None:
    """Each target makes requests that say what the bytes do."""
    fuzz = runpy.run_path(str(ROOT / "scripts" / "fuzz.py"))
    assert set(FUZZED) == set(fuzz["TARGETS"])
    data, path = FUZZED[target]
    ask = fuzz["ask_of"](target, data, Ask)
    assert ask.path == path
    said = [*ask.body, ask.query, ask.host or b"", *(value for _, value in ask.headers)]
    assert any(part and part in data for part in said)
    assert fuzz["ask_of"](target, b"", Ask)


@pytest.mark.slow
def test_fuzzing_by_coverage() -> None:
    pytest.importorskip("atheris")
    done = subprocess.run(
        [sys.executable, "scripts/fuzz.py", "header", "3"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "seed corpus" in done.stderr


@pytest.mark.slow
def test_soak_of_others() -> None:
    """The same app in Quart and Starlette answers as right; what they log and keep is theirs."""
    if not Path("/proc/self/status").exists():
        pytest.skip("the soak reads /proc")
    done = subprocess.run(
        [
            *(sys.executable, "scripts/soak.py", "16", "uvicorn", "--seed", "1"),
            *("--apps", "quart", "starlette"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    for name in ("quart", "starlette"):
        found = re.search(rf"uvicorn +{name} +(\d+) +(\d+) +0 ", done.stdout)
        assert found and int(found[1]) > int(found[2]) > 0, done.stdout + done.stderr


@pytest.mark.slow
def test_load_of_streams_that_are_reset() -> None:
    """In each of the frameworks the file comes, and no task stays."""
    if not Path("/proc/self/status").exists():
        pytest.skip("the load reads /proc")
    done = subprocess.run(
        [sys.executable, "scripts/load.py", "--server", "hypercorn", "--reset", "60", "reset"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
    )
    row = done.stdout.splitlines()[-1].split("|")[2:-1]
    assert len(row) == 4, done.stdout + done.stderr
    for app in row:
        found = re.fullmatch(r" (\d+) ms, (-?\d+) tasks and (-?\d+) files left, .*", app)
        assert found and int(found[2]) <= 0 and int(found[3]) <= 0, row


@pytest.mark.slow
def test_load() -> None:
    """A little of it, of one framework: nothing is answered wrongly."""
    if not Path("/proc/self/status").exists():
        pytest.skip("the load reads /proc")
    done = subprocess.run(
        [
            sys.executable,
            "scripts/load.py",
            "--apps",
            "plain",
            "--idle",
            "300",
            "--marked",
            "300",
            "--blocked",
            "60",
            "--upload",
            "60",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
    )
    table = done.stdout
    assert done.returncode == 0 and table.count("\n") == 8, table + done.stderr
    assert "WRONG" not in table and "failed" not in table
    assert table.count("| 0 wrong,") == 1 and ", 0 wrong, 0 tasks left" in table
    for kind, most in (("raw", 2.0), ("form", 4.0)):
        found = re.search(rf"MB {kind} \| \+([\d.]+) MB", table)
        assert found and float(found[1]) <= most, table
