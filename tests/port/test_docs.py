"""docs/port.md says what the command says."""

from __future__ import annotations

import re
import shutil
import sys
import typing as t
from pathlib import Path

import pytest

from quartish._port.blocking import read_table
from quartish._port.blocking import Table
from quartish._port.report import GROUPS
from quartish.cli import cli
from tests.port._runner import runner

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "port.md").read_text()


def block(name: str) -> str:
    """Return the block of code that follows a mark in the page."""
    match = re.search(
        rf"<!-- {re.escape(name)} -->\n```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL
    )
    assert match is not None
    return match[1]


def said(*arguments: str | Path) -> str:
    return runner().invoke(cli, ["port", *map(str, arguments)]).stdout


def test_the_small_project(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(block("app.py"))
    (tmp_path / "requirements.txt").write_text("flask>=3\n")
    assert said(tmp_path) == block("shop")


def test_every_rule_is_told() -> None:
    told = set(re.findall(r"`([\w-]+)`", PAGE.partition("| rule |")[2].partition("\n\n")[0]))
    assert told >= {rule for _, rules in GROUPS for rule in rules}


def test_every_option_is_an_option() -> None:
    help_text = runner().invoke(cli, ["port", "--help"]).stdout
    for option in set(re.findall(r"(?<=[ `])--[a-z][a-z-]+", PAGE.partition("## Real")[0])):
        assert option in help_text


@pytest.mark.slow
@pytest.mark.extensions
def test_the_tutorial(tmp_path: Path) -> None:
    """What is shown of Flask's tutorial is what is said of the release that is named."""
    sys.path.insert(0, str(ROOT / "tests" / "extensions"))
    try:
        import suites

        home: t.Any = suites.unpack_release("flask", "3.1.3", tmp_path / "flask")
    finally:
        sys.path.pop(0)
    shutil.copytree(home / "examples" / "tutorial", tmp_path / "tutorial")
    assert said(tmp_path / "tutorial", "--no-diff") == block("flaskr")


def test_the_example_of_settings_is_read(tmp_path: Path) -> None:
    match = re.search(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert match is not None
    (tmp_path / "pyproject.toml").write_text(match[1])
    table: Table = read_table(tmp_path)
    entry = table.blocks("ourlib.Client().ask")
    assert entry is not None and entry.instead == "ourlib.AsyncClient"
    assert table.harmless("ourlib.parse")
