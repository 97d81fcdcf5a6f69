"""The extra `flask-command`, as pip installs it from the wheels that `scripts/build` makes."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import tomllib
import typing as t
from importlib.metadata import distribution
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(os.name == "nt", reason="scripts/build is for a POSIX shell")

APP = """\
from flask import Flask

app = Flask(__name__)


@app.get("/hello")
def hello():
    return type(app).__module__
"""
# What an extension registers, and what is in its module.
ENTRY_POINTS = "[flask.commands]\nwhence = whence:command\n"
WHENCE = """\
import click
import flask


@click.command()
def command():
    print(flask.__file__)
"""


class Environment:
    """A virtual environment with what quartish depends on, as this one has it. Flask and pip
    are not in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        run(sys.executable, "-m", "venv", "--without-pip", str(folder))
        [self.packages] = folder.glob("lib/python*/site-packages")
        for name in dependencies():
            for part in {file.parts[0] for file in distribution(name).files or ()}:
                source = Path(str(distribution(name).locate_file(part)))
                if part != ".." and source.exists() and not (self.packages / part).exists():
                    (self.packages / part).symlink_to(source)

    def install(self, dist: Path, *what: str) -> None:
        pip = (sys.executable, "-m", "pip", "--python", str(self.bin / "python"))
        run(*pip, "install", "--no-index", "--find-links", str(dist), *what)

    def flask(self, *args: str) -> str:
        return run(str(self.bin / "flask"), *args, cwd=self.folder)


def run(*command: str, cwd: Path = ROOT) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        command,
        cwd=cwd,
        env=kept | {"PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def project(folder: str = ".") -> dict[str, t.Any]:
    return t.cast(
        "dict[str, t.Any]", tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    )


def dependencies() -> set[str]:
    """Name what quartish needs and what that needs, as far as it is in this environment."""
    found: set[str] = set()
    wanted: list[str] = project()["dependencies"]
    while wanted:
        needed = wanted.pop()
        name = re.split(r"[^\w.-]", needed, maxsplit=1)[0].lower()
        if "extra ==" in needed or name in found:
            continue
        try:
            wanted += distribution(name).requires or ()
        except PackageNotFoundError:  # for another Python
            continue
        found.add(name)
    return found


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run("scripts/build", str(folder))
    return folder


def test_versions_are_in_step() -> None:
    quartish, command = project(), project("flask_command")
    assert command["version"] == quartish["version"]
    [wanted] = quartish["optional-dependencies"]["flask-command"]
    assert wanted == f"{command['name']}=={quartish['version']}"
    assert command["dependencies"] == [f"{quartish['name']}>={quartish['version']}"]


def test_the_extra_gives_the_command(dist: Path, tmp_path: Path) -> None:
    env = Environment(tmp_path)
    env.install(dist, "quartish[flask-command]")
    (tmp_path / "app.py").write_text(APP)
    (env.packages / "whence.py").write_text(WHENCE)
    info = env.packages / "whence-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: whence\nVersion: 1\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)

    assert f"quartish {project()['version']}, with the interface of Flask" in env.flask("--version")
    assert "/hello" in env.flask("routes")
    assert "whence" in env.flask("--help")
    assert env.flask("whence").strip() == str(env.packages / "quartish" / "__init__.py")
    assert served(env) == "quartish.app"


def served(env: Environment) -> str:
    """Return what `flask run` answers."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = str(sock.getsockname()[1])
    with subprocess.Popen(
        [env.bin / "flask", "run", "--port", port],
        cwd=env.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as server:
        try:
            for _ in range(200):
                assert server.poll() is None, server.stdout and server.stdout.read()
                try:
                    return httpx.get(f"http://127.0.0.1:{port}/hello").text
                except httpx.ConnectError:
                    time.sleep(0.05)
        finally:
            server.terminate()
    raise TimeoutError(port)


def test_without_the_extra_no_command_is_touched(dist: Path, tmp_path: Path) -> None:
    env = Environment(tmp_path)
    env.install(dist, "quartish")
    assert (env.bin / "quartish").exists()
    assert not (env.bin / "flask").exists()

    (env.bin / "flask").write_text("Flask's own")
    env.install(dist, "quartish", "--no-deps", "--force-reinstall")
    assert (env.bin / "flask").read_text() == "Flask's own"
