"""The site holds together: each page is reached, each module has its place in the reference."""

from __future__ import annotations

import os
import pkgutil
import re
from pathlib import Path

import quartish
from tests.docs._snippets import DOCS
from tests.docs._snippets import ROOT

TREE = re.compile(r"(?ms)^```\{toctree\}\n(.*?)^```")
PUBLIC = re.compile(r"```+\{public\} ([\w.]+)")
#: Modules that a user imports nothing from by name.
WITHOUT_NAMES = {
    "as_flask": "is imported for what it does",
    "as_quart": "is imported for what it does",
    "asgi": "the door",
    "wsgi": "the door",
    "sansio": "other names of app and blueprints",
    "debugger": "is asked by the doors alone",
}


def entries(page: Path) -> list[Path]:
    lines = [line for tree in TREE.findall(page.read_text()) for line in tree.splitlines()]
    names = [line for line in lines if line and not line.startswith(":")]
    return [Path(os.path.normpath(page.parent / f"{name}.md")) for name in names]


def test_each_page_is_reached_once() -> None:
    reached: list[Path] = []
    left = [DOCS / "index.md"]
    while left:
        page = left.pop()
        reached.append(page)
        left += entries(page)
    assert sorted(reached) == sorted(DOCS.rglob("*.md"))


def test_each_public_module_has_its_place() -> None:
    pages = "".join(page.read_text() for page in (DOCS / "reference").glob("*.md"))
    told = {name.removeprefix("quartish.").partition(".")[0] for name in PUBLIC.findall(pages)}
    modules = {m.name for m in pkgutil.iter_modules(quartish.__path__) if m.name[0] != "_"}
    # What these give is at home elsewhere: `quartish.Flask`, `quartish.g`.
    given = {"app", "globals", "wrappers", "templating", "quart"}
    assert sorted(modules - told - given) == sorted(WITHOUT_NAMES)


def test_figures_are_those_that_were_measured() -> None:
    """What pages say of speed is within a sixth of what docs/performance.md has by now."""
    tables = (DOCS / "performance.md").read_text()

    def measured(title: str, row: str, column: str) -> float:
        table = re.search(rf"(?ms)^### {re.escape(title)}\n.*?^(\|.*?)(?:\n\n|\Z)", tables)
        assert table, title
        head, _, *rows = table[1].splitlines()
        place = [cell.strip() for cell in head.split("|")].index(column)
        [line] = [each for each in rows if each.split("|")[1].strip().strip("*") == row]
        return float(line.split("|")[place].split("(")[0].strip().replace(",", ""))

    inside, threads = "Microseconds for a request", "What Flask has and others may not"
    waiting, rate = "A ported Flask app and gunicorn", "requests per second"
    flask, quart = (DOCS / "move" / "flask.md"), (DOCS / "move" / "quart.md")
    for page, said, figure in [
        (flask, r"takes (\d+) µs inside", measured(inside, "quartish.Flask", "hello")),
        (flask, r"`def` view (\d+) µs", measured(threads, "quartish.Flask", "def")),
        (flask, r"Flask itself takes (\d+) µs", measured(threads, "Flask", "def")),
        (
            flask,
            r"answer ([\d,]+) requests",
            measured(waiting, "quartish.Flask, def, Hypercorn, 40 threads", rate),
        ),
        (
            flask,
            r"awaited answers ([\d,]+)",
            measured(waiting, "quartish.Flask, async def, Hypercorn", rate),
        ),
        (
            flask,
            r"and ([\d,]+) under uvicorn",
            measured(waiting, "quartish.Flask, async def, uvicorn", rate),
        ),
        (quart, r"takes (\d+) µs inside", measured(inside, "quartish.Quart", "hello")),
        (quart, r"where Quart takes (\d+)", measured(inside, "Quart", "hello")),
    ]:
        text = re.search(said, " ".join(page.read_text().split()))
        assert text, said
        assert abs(float(text[1].replace(",", "")) / figure - 1) < 1 / 6, (said, figure)
    readme = (ROOT / "README.md").read_text()
    wire = "On uvicorn"
    for title, label, column in [
        (inside, "`Hello, World!`, µs", "hello"),
        (inside, "a form, µs", "form"),
        (wire, "JSON on uvicorn, a second", "/json"),
    ]:
        [line] = re.findall(rf"(?m)^\| {re.escape(label)} \|(.*)\|$", readme)
        said_there = [cell.strip().replace(",", "") for cell in line.split("|")]
        names = ["quartish.Flask", "Quart", "Starlette", "FastAPI", "Flask"]
        for name, cell in zip(names, said_there, strict=True):
            if cell != "–":
                figure = measured(title, name, column)
                assert abs(float(cell) / figure - 1) < 1 / 6, (label, name, figure)


def test_the_session_of_the_readme_is_the_one_that_is_played() -> None:
    """tests/docs/test_development.py plays it."""
    [session] = re.findall(r"(?ms)^```console\n(.*?)^```$", (ROOT / "README.md").read_text())
    [played] = re.findall(r"(?ms)^```console\n(.*?)^```$", (DOCS / "development.md").read_text())
    assert played.startswith(session)
