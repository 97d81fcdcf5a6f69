"""Commands and scripts in processes of their own, whose output is read as it comes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import httpx

from tests._processes import ROOT

PATIENCE = 20.0  # seconds; far more than anything here takes


class Program:
    """A process whose output is read as it comes."""

    def __init__(self, *args: str | Path, cwd: Path, **env: str) -> None:
        clean = {name: v for name, v in os.environ.items() if not name.startswith("WERKZEUG")}
        clean.pop("FLASK_RUN_FROM_CLI", None)
        self.process = subprocess.Popen(
            [sys.executable, "-u", *map(str, args)],
            cwd=cwd,
            env={**clean, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output = ""
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        for line in t.cast(t.Any, self.process.stdout):
            self.output += line

    def wait_for(self, text: str, times: int = 1) -> str:
        """Return the word that follows `text`, once it came so many times, or ""."""
        deadline = time.monotonic() + PATIENCE
        while self.output.count(text) < times or not self.output.endswith("\n"):
            assert time.monotonic() < deadline, f"no {text!r} in:\n{self.output}"
            assert self.process.poll() is None or text in self.output, self.output
            time.sleep(0.02)
        return [*self.output.split(text)[times].split(), ""][0]

    def url(self) -> str:
        return self.wait_for("Running on ")

    def end(self, signum: int = signal.SIGTERM) -> int:
        self.process.send_signal(signum)
        return self.wait()

    def wait(self) -> int:
        status = self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        return status


def get(url: str, **options: t.Any) -> httpx.Response:
    return httpx.get(url, timeout=PATIENCE, **options)
