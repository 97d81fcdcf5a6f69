"""The README is true: the snippets of each section run, in order, and then their tests."""

from __future__ import annotations

import asyncio
import inspect
import re
import typing as t
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SECTIONS = re.split(r"^(?=## )", README, flags=re.MULTILINE)
SNIPPET = re.compile(r"^```python\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "section",
    [pytest.param(s, id=s.partition("\n")[0]) for s in SECTIONS if SNIPPET.search(s)],
)
def test_snippets(section: str, caplog: pytest.LogCaptureFixture) -> None:
    names: dict[str, t.Any] = {"__name__": "readme"}
    snippets = SNIPPET.findall(section)
    for snippet in snippets:
        # Empty lines in front make a traceback point into the README.
        above = README[: README.index(snippet)].count("\n") * "\n"
        exec(compile(above + snippet, ROOT / "README.md", "exec"), names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert len(tests) == len(snippets), "each snippet has its test"
    for test in tests:
        outcome = test()
        if inspect.iscoroutine(outcome):
            asyncio.run(asyncio.wait_for(outcome, 10))
    assert not [record.getMessage() for record in caplog.records]


def test_there_are_snippets() -> None:
    assert len(SNIPPET.findall(README)) == README.count("```python") > 5


@pytest.mark.parametrize("command", ["scripts/demo", "scripts/test"])
def test_commands_are_there(command: str) -> None:
    assert f"\n{command} " in README
    assert (ROOT / command).stat().st_mode & 0o111


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_each_cell_of_ours_leads_to_its_test() -> None:
    [table] = re.findall(r"(?m)^\| \| quartish \| Flask \|.*\n\|---.*\n((?:\|.*\n)+)", README)
    rows = table.splitlines()
    assert len(rows) > 10
    for row in rows:
        cell = row.split(" | ")[1]
        links = re.findall(r"\]\((tests/[^)]+)\)", cell)
        assert links, cell
        for target in links:
            path = ROOT / target
            assert path.is_file(), target
            # `run.py` plays Flask's own suite.
            assert (
                path.name == "run.py"
                or "\ndef test_" in (text := path.read_text())
                or ("\nasync def test_" in text)
            ), target


def test_where_to_go_on_leads_to_pages() -> None:
    [section] = [each for each in SECTIONS if each.startswith("## Where to go on")]
    assert len(re.findall(r"\]\(docs/[^)#]+\.md", section)) > 12
