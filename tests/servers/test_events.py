"""Streams of events without an end, when the server stops: they end with it, and in order."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from tests._processes import is_installed
from tests._processes import serve

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("server", ["hypercorn", "uvicorn"])
@pytest.mark.parametrize("colour", ["plain", "awaitable"])
def test_a_server_with_open_streams_stops(server: str, colour: str, tmp_path: Path) -> None:
    """sysid/sse-starlette#73, #124 and #132, Kludex/uvicorn#2829, simonw/datasette#2890,
    modelcontextprotocol/python-sdk#514: it waited for the page to be closed. Each generator's
    clean-up runs, and the app's shutdown after it."""
    if not is_installed(server):
        pytest.skip(f"NOT TESTED: {server} is not installed")
    notes = tmp_path / "notes"
    with contextlib.ExitStack() as stack:
        process = stack.enter_context(
            serve(server, f"tests.servers._events_app:{colour}", NOTES=str(notes))
        )
        http = stack.enter_context(httpx.Client(timeout=30))
        paths = ["/waits", "/group", "/thread"]
        for path in paths:
            response = stack.enter_context(http.stream("GET", process.http + path))
            lines = response.iter_lines()
            while next(lines) != "data: first":
                pass
        process.process.send_signal(signal.SIGTERM)
        try:
            process.process.wait(20)
        except subprocess.TimeoutExpired:
            pytest.fail(f"it goes on: {process.log()}")
        log = process.log()
    told = notes.read_text().splitlines()
    assert sorted(told) == ["group ended", "served", "thread ended", "waits ended"], log
    assert told[-1] == "served", log
    assert "ERROR in" not in log and "Task was destroyed" not in log, log
