"""Two rooms alone touch what a dependency keeps to itself: `_werkzeug` and `_jinja`.

Read from the source: quartish's, and that of what it depends on, as it is installed here.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import textwrap
import typing as t
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "quartish"
ROOMS = {PACKAGE / "_werkzeug.py", PACKAGE / "_jinja.py"}
DEPENDENCIES = "blinker click hypercorn itsdangerous jinja2 markupsafe werkzeug".split()
#: Functions that are given the name of an attribute.
BY_NAME = {"getattr", "hasattr", "setattr", "delattr", "attrgetter", "methodcaller"}
# Importing it is not reading it.
NOT_IMPORTED = {"__main__", "as_flask", "as_quart"}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


def defined(tree: ast.AST) -> set[str]:
    """Return the private names that a piece of source gives to something."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.attr if isinstance(node, ast.Attribute) else node.id)
    return set(filter(is_private, names))


def sources(package: str) -> list[Path]:
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.submodule_search_locations
    return [path for place in spec.submodule_search_locations for path in Path(place).rglob("*.py")]


@cache
def trees() -> dict[Path, ast.Module]:
    return {
        path: ast.parse(path.read_text("utf-8"), str(path))
        for path in sorted(PACKAGE.rglob("*.py"))
        if path not in ROOMS
    }


@cache
def theirs() -> set[str]:
    """Return what the dependencies keep to themselves, less what has the same name here."""
    names: set[str] = set()
    for package in DEPENDENCIES:
        for path in sources(package):
            names |= defined(ast.parse(path.read_text("utf-8")))
    return names.difference(*map(defined, trees().values()))


def touched(tree: ast.AST) -> t.Iterator[tuple[int, str]]:
    """Yield the private names that source reads, sets or defines on objects, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.Call) and called(node) in BY_NAME:
            for argument in node.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield node.lineno, argument.value


def called(node: ast.Call) -> str:
    func = node.func
    return func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")


def imported(tree: ast.AST) -> t.Iterator[tuple[int, str]]:
    """Yield the private modules and names of dependencies that source imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, *parts = name.split(".")
            if package in DEPENDENCIES and any(map(is_private, parts)):
                yield node.lineno, name


def offences(tree: ast.AST) -> list[tuple[int, str]]:
    found = [(line, name) for line, name in touched(tree) if name in theirs()]
    return [*imported(tree), *found]


OFFENDING = """
import werkzeug._internal
from werkzeug import _reloader
from werkzeug.http import _cookie_re
headers._list = []
getattr(response, "_status_code")
operator.attrgetter("_storage_key")
"""


def test_offences_are_seen() -> None:
    assert sorted(line for line, _ in offences(ast.parse(OFFENDING))) == [2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("path", trees(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_private_name_of_a_dependency(path: Path) -> None:
    assert not offences(trees()[path])


# --- subclasses -----------------------------------------------------------------------------


@cache
def kept(kind: type) -> set[str]:
    """Return the private names that a class of a dependency gives to itself or its objects."""
    names = set(filter(is_private, [*vars(kind), *inspect.get_annotations(kind)]))
    try:
        return names | defined(ast.parse(textwrap.dedent(inspect.getsource(kind))))
    except (OSError, TypeError):  # written in C
        return names


def inherited(kind: type) -> set[str]:
    bases = [base for base in kind.__mro__ if base.__module__.split(".")[0] in DEPENDENCIES]
    return set().union(*map(kept, bases))


def in_subclass(node: ast.ClassDef, names: set[str]) -> list[tuple[int, str]]:
    found = list(touched(node))
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            found.append((inner.lineno, inner.name))
        elif isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            found.append((inner.lineno, inner.value))
    for inner in node.body:
        if isinstance(inner, ast.Assign | ast.AnnAssign):
            found += [(inner.lineno, name) for name in defined(inner)]
    return [(line, name) for line, name in found if name in names]


def subclasses() -> t.Iterator[tuple[str, ast.ClassDef, set[str]]]:
    """Yield our classes that have one of a dependency above them, and what that keeps."""
    for path, tree in trees().items():
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        if parts[-1] in NOT_IMPORTED:
            continue
        module = importlib.import_module(".".join(parts).removesuffix(".__init__"))
        for node in tree.body:
            kind = getattr(module, node.name, None) if isinstance(node, ast.ClassDef) else None
            if isinstance(node, ast.ClassDef) and isinstance(kind, type) and inherited(kind):
                yield f"{module.__name__}.{node.name}", node, inherited(kind)


def test_no_subclass_has_a_name_that_its_base_keeps() -> None:
    """Neither to use it nor by chance: one of the two would lose."""
    found = {name: in_subclass(node, names) for name, node, names in subclasses()}
    assert len(found) > 20  # they are looked at
    assert not {name: wrong for name, wrong in found.items() if wrong}


def test_names_of_bases_are_seen() -> None:
    source = """
class Mine(Response):
    _status = ""
    def _iter(self): return self._on_close, "_status_code"
    def _clean_status(self): pass
"""
    node = ast.parse(source).body[0]
    from werkzeug.wrappers import Response

    assert isinstance(node, ast.ClassDef)
    names = {name for _, name in in_subclass(node, inherited(Response))}
    assert names == {"_status", "_on_close", "_status_code", "_clean_status"}
