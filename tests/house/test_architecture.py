"""docs/architecture.md, and what rooms say of themselves, name what there is."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
import typing as t
from pathlib import Path

from tests.house.test_layers import modules
from tests.house.test_layers import trees

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
#: Modules and functions of the drawn trips, as `room.function`.
STEPS = re.compile(r"\b((?:asgi|_dispatch)/\w+|wsgi|coroutines|flow|exchange)\.(\w+)")
ROOMS = {
    "wsgi": "wsgi.py",
    "coroutines": "_concurrency/coroutines.py",
    "flow": "_dispatch/flow.py",
    "exchange": "asgi/*.py",
}


def test_every_room_is_there() -> None:
    named = re.findall(r"`(quartish/[\w./]+)`", PAGE)
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_package_is_named() -> None:
    packages = {f"quartish/{path.parent.name}/" for path in ROOT.glob("quartish/*/__init__.py")}
    assert packages - {*re.findall(r"`(quartish/\w+/)`", PAGE)} == set()


def test_every_step_of_a_trip_is_a_function() -> None:
    steps = {
        (room, name) for room, name in STEPS.findall(PAGE) if name not in ("py", "md", "scope")
    }
    assert len(steps) > 8
    lost = []
    for room, name in sorted(steps):
        files = ROOT.glob(f"quartish/{ROOMS.get(room, f'{room}.py')}")
        if not any(re.search(rf"def {name}\b", file.read_text()) for file in files):
            lost.append(f"{room}.{name}")
    assert lost == []


#: What heads of rooms name that is not in the code: of the environment, of an example.
FOREIGN = {"3f2a9c1b", "FLASK_RUN_PORT", "QUARTISH_RUN_PORT", "QUART_RUN_PORT", "js", "y"}


def words_of(tree: ast.Module) -> t.Iterator[str | None]:
    """Yield the names that a module's code has, and those in its short texts."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                yield name
            case ast.arg(arg=name) | ast.keyword(arg=name):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name):
                yield name
            case ast.alias(name=name):
                yield from name.split(".")
            case ast.Constant(value=str(text)) if len(text) < 60:
                yield from re.findall(r"\w+", text)


def test_what_is_named_is_there() -> None:
    """A room that was renamed is told of by its new name."""
    known = {name for tree in trees().values() for name in words_of(tree)}
    known |= {part for name in modules() for part in name.split(".")}
    known |= {"quartish", "tests", "house", "py"} | set(dir(builtins)) | set(keyword.kwlist)
    known |= {path.stem for path in (ROOT / "tests" / "house").glob("*.py")}
    pages = {name: ast.get_docstring(tree) or "" for name, tree in trees().items()}
    lost = [
        f"{name}: `{told}`"
        for name, text in {**pages, "docs/architecture.md": PAGE}.items()
        for told in re.findall(r"`([A-Za-z_][\w./]*)`", text)
        for word in re.split(r"[./]", told)
        if word and word not in known | FOREIGN and not (ROOT / told).exists()
    ]
    assert lost == []
