"""The `flask` command where Flask is not installed."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[2]
APP = """\
from flask import Flask

app = Flask(__name__)


@app.cli.command()
def where():
    print(type(app).__module__)


@app.get("/hello")
def hello():
    return ""
"""


def flask(folder: Path, *args: str) -> str:
    (folder / "app.py").write_text(APP)
    done = subprocess.run(
        [sys.executable, "-m", "quartish.as_flask", *args],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_module_is_the_command(tmp_path: Path) -> None:
    assert flask(tmp_path, "where").strip() == "quartish.app"
    assert "/hello" in flask(tmp_path, "routes")
    assert "Flask 3.1.3" in flask(tmp_path, "--version")


def test_the_distribution_names_it() -> None:
    script = tomllib.loads((ROOT / "flask_command/pyproject.toml").read_text())["project"]
    module, _, name = script["scripts"]["flask"].partition(":")
    assert module == "quartish.as_flask"
    command = subprocess.run(
        [sys.executable, "-c", f"import sys; from {module} import {name}; sys.argv = ['flask', "
         f"'--version']; {name}()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )  # fmt: skip
    assert "Flask 3.1.3" in command.stdout, command.stderr
    assert import_module("quartish.cli").main
