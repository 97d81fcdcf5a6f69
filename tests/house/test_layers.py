"""The floors of the house: who may import whom, read from the source and never run.

An import goes to a lower floor, or along the same one without a circle. Imports for type
checkers count like any other.
"""

from __future__ import annotations

import ast
import typing as t
from functools import cache
from graphlib import CycleError
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "quartish"
LONGEST = 500  # lines
DEEPEST = 19  # modules, each imported by the one before
#: Packages that are names for users; what is in them has a room of its own.
FACES = {"routing", "sessions", "templating", "testing", "wrappers"}
#: Modules for users, which name all of a face.
NAMING = {"__init__", "app", "as_flask", "quart"}

# A package stands for all modules in it, unless one has a line of its own.
FLOORS = {
    "_access_log": 1,
    "_app_globals": 1,
    "_aside": 1,
    "_asgi_or_wsgi": 1,
    "_concurrency": 1,
    "_current": 1,
    "_defaults": 1,
    "_digests": 1,
    "_import_paths": 1,
    "_jinja": 1,
    "_lazy": 1,
    "_loopback": 1,
    "_mistakes": 1,
    "_names": 1,
    "_observed": 1,
    "_precompressed": 1,
    "_servers": 1,
    "_settings": 1,
    "_redis": 1,
    "_request_id": 1,
    "_view_makers": 1,
    "_werkzeug": 1,
    "_http.environ": 1,
    "_http.head": 1,
    "_http.headers": 1,
    "_quart.modules": 1,
    "_cli.commands": 1,
    "config": 1,
    "datastructures": 1,
    "debughelpers": 1,
    "json": 1,
    "logging": 1,
    "_tracebacks": 1,
    "production": 1,
    "routing": 1,
    "signals": 1,
    "templating.compile": 1,
    "typing": 1,
    "_files": 2,
    "_http": 2,
    "_quart.utils": 2,
    "_quart.reload": 3,
    "debugger": 2,
    "helpers": 2,
    "_serving": 2,
    "serving": 2,
    "sessions": 2,
    "templating": 2,
    "views": 2,
    "wrappers": 2,
    "_context": 3,
    "_quart.contexts": 4,
    "_quart.functions": 3,
    "blueprints": 3,
    "ctx": 3,
    "sansio": 3,
    "streaming": 3,
    "_cli": 4,
    "_dispatch": 4,
    "globals": 4,
    "groups": 4,
    "health": 5,
    "telemetry": 5,
    "testing": 4,
    "asgi": 5,
    "middleware": 5,
    "tasks": 5,
    "typed": 5,
    "wsgi": 5,
    "__init__": 6,
    "__main__": 6,
    "_port": 6,
    "_application": 6,
    "_early": 6,
    "_module_alias": 6,
    "_quart": 6,
    "app": 6,
    "as_flask": 6,
    "as_quart": 6,
    "cli": 6,
    "_cli.check": 6,
    "quart": 6,
}

# Names that a reference has, and its users import.
GIVEN_NAMES = {"_quart.utils", "testing.utils"}
FORBIDDEN_WORDS = {"util", "utils", "common", "manager"}
REFERENCES = {"flask", "quart"}


class Import(t.NamedTuple):
    """An import statement: who writes it, what it names, the line, and how deep it stands."""

    importer: str
    target: str
    line: int
    in_function: bool


def name_of(path: Path) -> str:
    """Return a module's dotted name below quartish; a package is its `__init__`."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    return {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def trees() -> dict[str, ast.Module]:
    return {name: ast.parse(path.read_text(), str(path)) for name, path in modules().items()}


@cache
def imports() -> list[Import]:
    return [found for name, tree in trees().items() for found in walk(name, tree, False)]


def walk(importer: str, node: ast.AST, in_function: bool) -> t.Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            for target in targets(importer, child):
                yield Import(importer, target, child.lineno, in_function)
        inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from walk(importer, child, in_function or inside)


def targets(importer: str, node: ast.Import | ast.ImportFrom) -> t.Iterator[str]:
    """Name the modules that a statement imports, ours as `quartish.x`."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    base = node.module or ""
    if node.level:
        package = ["quartish", *importer.split(".")]
        if not (modules()[importer].name == "__init__.py" and importer != "__init__"):
            package.pop()  # a module's package; the name of a package is its own
        package = package[: len(package) - node.level + 1]
        base = ".".join([*package, base]).rstrip(".")
    for alias in node.names:
        whole = f"{base}.{alias.name}"
        yield whole if whole.removeprefix("quartish.") in modules() else base


def ours() -> t.Iterator[tuple[Import, str]]:
    """Pair each import of our own modules with the name that `modules` knows it by."""
    for found in imports():
        if found.target == "quartish" or found.target.startswith("quartish."):
            yield found, found.target.removeprefix("quartish").removeprefix(".") or "__init__"


def floor(module: str) -> int:
    floors = (FLOORS[key] for key in (module, module.split(".")[0]) if key in FLOORS)
    found = next(floors, None)
    assert found is not None, f"quartish.{module} stands on no floor: give it one in FLOORS"
    return found


def where(found: Import) -> str:
    return f"{modules()[found.importer].relative_to(PACKAGE.parent)}:{found.line}"


def test_every_module_has_a_floor() -> None:
    assert not [name for name in modules() if not (FLOORS.keys() & {name, name.split(".")[0]})]


def test_imports_go_down() -> None:
    wrong = [
        f"{where(found)} (floor {floor(found.importer)}) imports {target} (floor {floor(target)})"
        for found, target in ours()
        if floor(target) > floor(found.importer)
    ]
    assert not wrong, "\n".join(wrong)


def test_no_circle() -> None:
    graph: dict[str, set[str]] = {}
    for found, target in ours():
        graph.setdefault(found.importer, set()).add(target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("a circle: " + " -> ".join(reversed(error.args[1])))


@cache
def deepest(module: str) -> tuple[str, ...]:
    """Return the longest chain of imports that begins with a module."""
    below = {target for found, target in ours() if found.importer == module}
    return (module, *max(map(deepest, sorted(below)), key=len, default=()))


def test_chains_of_imports_are_short() -> None:
    """Who reads a room has to know those below it: an import for a type alone wants a Protocol."""
    chain = max(map(deepest, modules()), key=len)
    assert len(chain) <= DEEPEST, " > ".join(chain)


def test_no_import_of_our_own_in_a_function() -> None:
    wrong = [f"{where(found)} imports {target}" for found, target in ours() if found.in_function]
    assert not wrong, "\n".join(wrong)


def test_a_name_is_imported_from_the_module_that_has_it() -> None:
    """The package itself is for users: a name that comes from it hides who is needed."""
    wrong = [
        where(found)
        for found, target in ours()
        if target == "__init__" or (target in FACES and found.importer not in NAMING)
    ]
    assert not wrong, "\n".join(wrong)


def test_flask_and_quart_are_not_dependencies() -> None:
    wrong = [where(found) for found in imports() if found.target.split(".")[0] in REFERENCES]
    assert not wrong, "\n".join(wrong)


def test_no_module_is_long() -> None:
    lengths = {name: len(path.read_text().splitlines()) for name, path in modules().items()}
    assert not {name: length for name, length in lengths.items() if length > LONGEST}


def test_no_room_for_odds_and_ends() -> None:
    wrong = [name for name in modules() if FORBIDDEN_WORDS & set(words(name))]
    wrong = [name for name in wrong if name not in GIVEN_NAMES]
    for name, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name.lower().endswith("manager"):
                wrong.append(f"{name}.{node.name}")
    assert not wrong


def words(module: str) -> list[str]:
    return module.replace(".", "_").lower().split("_")


def test_every_module_says_what_it_holds() -> None:
    assert not [name for name, tree in trees().items() if not ast.get_docstring(tree)]
