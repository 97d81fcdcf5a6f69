"""docs/development.md: what is typed there is answered as it says."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest

from quartish.cli import run_command
from tests._processes import free_port
from tests._processes import ROOT
from tests.cli._program import PATIENCE
from tests.cli._program import Program

PAGE = (ROOT / "docs" / "development.md").read_text()
BIN = Path(sys.executable).parent
INSTALLED = pytest.mark.skipif(not (BIN / "quartish").exists(), reason="no `quartish` command")
#: What stands in the page for what differs each time.
ANY = re.escape("[...]")


def block(kind: str) -> str:
    [text] = re.findall(rf"(?ms)^```{kind}\n(.*?)^```$", PAGE)
    return t.cast(str, text)


def steps(text: str) -> list[tuple[str, list[str]]]:
    """Return what is typed, each with the lines that follow."""
    found = re.findall(r"(?m)^\$ (.*)\n((?:(?!\$ ).*\n)*)", text)
    return [(typed, answer.splitlines()) for typed, answer in found]


def is_like(line: str, expected: str) -> bool:
    return re.fullmatch(re.escape(expected).replace(ANY, ".*"), line) is not None


class Terminal:
    """Runs what is typed; what the program in the background writes is read as it comes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.background: Program | None = None
        self.read = 0  # lines of the program in the background
        self.env = {
            "PATH": os.pathsep.join([str(BIN), os.environ["PATH"]]),
            "QUARTISH_RUN_PORT": str(self.port),
        }

    def type(self, typed: str, expected: list[str]) -> None:
        own = self._run(typed)
        for line in expected:
            if own and is_like(own[0], line):
                own.pop(0)
            else:
                self._await(line, own)
        assert not own

    def _run(self, typed: str) -> list[str]:
        if typed.endswith(" &"):
            name, *args = typed.removesuffix(" &").split()
            self.background = Program(BIN / name, *args, cwd=self.folder, **self.env)
            return []
        typed = typed.replace("5000", str(self.port))
        if "$!" in typed:
            assert self.background is not None
            typed = typed.replace("$!", str(self.background.process.pid))
        done = subprocess.run(
            typed,
            shell=True,
            cwd=self.folder,
            env={**os.environ, **self.env, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
        )
        lines = done.stdout.replace(str(self.port), "5000").splitlines()
        return [line.rstrip() for line in lines]

    def _await(self, expected: str, own: list[str]) -> None:
        """Wait until the program in the background has written that line."""
        assert self.background is not None
        until = time.monotonic() + PATIENCE
        while True:
            output = self.background.output.replace(str(self.port), "5000")
            lines = output.splitlines()
            for number, line in enumerate(lines[self.read :], self.read):
                if is_like(line, expected):
                    self.read = number + 1
                    return
            assert time.monotonic() < until, f"{expected!r} is not in {own} or:\n{output}"
            time.sleep(0.05)


@pytest.mark.slow
@INSTALLED
@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_session(tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text(block("python"))
    terminal = Terminal(tmp_path)
    try:
        for typed, expected in steps(block("console")):
            terminal.type(typed, expected)
        assert terminal.background is not None
        assert terminal.background.wait() == 0, terminal.background.output
    finally:
        program = terminal.background
        if program is not None:
            if program.process.poll() is None:
                program.end(signal.SIGTERM)
            t.cast(t.Any, program.process.stdout).close()


def test_the_page_names_each_option() -> None:
    for parameter in run_command.params:
        assert any(f"`{name}`" in PAGE or f"`{name} " in PAGE for name in parameter.opts)


@INSTALLED
@pytest.mark.parametrize(
    ("words", "completed"), [("quartish ru", "run"), ("quartish run --live", "--live-reload")]
)
def test_the_shell_completes(words: str, completed: str, tmp_path: Path) -> None:
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "_QUARTISH_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    done = subprocess.run(
        [BIN / "quartish"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=PATIENCE
    )
    assert f"plain,{completed}" in done.stdout.split(), done.stderr
    assert 'eval "$(_QUARTISH_COMPLETE=bash_source quartish)"' in PAGE
