"""The README's first command, in a copy of what a clone has: installed anew, and again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[1]
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
