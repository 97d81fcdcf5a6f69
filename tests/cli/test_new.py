"""`quartish new`: what it writes passes its tests and mypy strict, is served, and hides nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from quartish._cli.new import package_of
from quartish.cli import cli

ROOT = Path(__file__).parents[2]


def new(folder: Path, name: str = "my-app") -> str:
    result = CliRunner().invoke(cli, ["new", name, "--folder", str(folder)])
    assert result.exit_code == 0, result.output
    return result.output


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_is_written(tmp_path: Path) -> None:
    said = new(tmp_path / "there")
    written = {
        str(path.relative_to(tmp_path / "there"))
        for path in (tmp_path / "there").rglob("*")
        if path.is_file()
    }
    assert {"pyproject.toml", "Dockerfile", ".gitignore", ".flaskenv", "README.md"} <= written
    assert {"my_app/__init__.py", "my_app/templates/index.html", "tests/test_pages.py"} <= written
    assert [name for name in written if name not in said] == []
    texts = [path.read_text() for path in (tmp_path / "there").rglob("*") if path.is_file()]
    assert not [text for text in texts if "@@" in text]


def test_it_passes_its_tests_and_mypy(tmp_path: Path) -> None:
    new(tmp_path / "there")
    assert re.search(
        r"\d passed", run(tmp_path / "there", "pytest", "-q", "-p", "no:cacheprovider")
    )
    cache = f"--cache-dir={ROOT / '.mypy_cache' / 'new'}"
    assert "Success" in run(tmp_path / "there", "mypy", cache)


def test_its_routes_are_found(tmp_path: Path) -> None:
    new(tmp_path / "there")
    assert "WEBSOCKET  /echo" in run(tmp_path / "there", "quartish", "routes")


@pytest.mark.parametrize(
    "name", ["", "1st", "a b", "../up", "class", "json", "quartish", "-x", "a/"]
)
def test_a_name_that_cannot_be(name: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["new", "--folder", str(tmp_path / "there"), "--", name])
    assert result.exit_code == 2, result.output
    assert not (tmp_path / "there").exists()


def test_import_names() -> None:
    assert package_of("My.App-2") == "my_app_2"
    with pytest.raises(click.UsageError, match="would hide the module"):
        package_of("tests")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("mine")
    result = CliRunner().invoke(cli, ["new", "my-app", "--folder", str(tmp_path)])
    assert result.exit_code == 2 and "not empty" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
