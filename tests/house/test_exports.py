"""quartish's names: each of Flask's in the module where Flask has it, and its own list true."""

from __future__ import annotations

import ast
import importlib
import inspect
import types
import typing as t
from pathlib import Path

import flask
import pytest
import quart

import quartish

FLASK_MODULES = [
    "",
    "app",
    "blueprints",
    "cli",
    "config",
    "ctx",
    "debughelpers",
    "globals",
    "helpers",
    "json",
    "json.provider",
    "json.tag",
    "logging",
    "sansio.app",
    "sansio.blueprints",
    "sansio.scaffold",
    "sessions",
    "signals",
    "templating",
    "testing",
    "typing",
    "views",
    "wrappers",
]

# Flask's names that quartish leaves out, each with the reason.
MISSING_NAMES: dict[str, str] = {}
MISSING_MEMBERS = {
    f"sansio.app.App.{name}": "on Flask, which alone sees contexts and tests"
    for name in ("app_ctx_globals_class", "test_client_class", "test_cli_runner_class")
}
MISSING_PARAMETERS = {
    "sansio.scaffold.setupmethod(f)": "a decorator's argument, which nobody names",
}
MISSING_QUART_NAMES: dict[str, str] = {}


def twin(name: str) -> tuple[types.ModuleType, types.ModuleType]:
    """Return Flask's module and ours of the same name; "" is the package itself."""
    dotted = f".{name}".rstrip(".")
    return importlib.import_module(f"flask{dotted}"), importlib.import_module(f"quartish{dotted}")


def public_names(module: types.ModuleType) -> set[str]:
    """Names that a module defines or passes on (`import x as x`); not what it merely uses.

    Type variables are the business of the file that has them.
    """
    assert module.__file__
    names: set[str] = set()
    for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.name for alias in node.names if alias.asname == alias.name}
        elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return {
        name
        for name, value in vars(module).items()
        if name in names and not name.startswith("_") and not isinstance(value, t.TypeVar)
    }


def classes() -> t.Iterator[tuple[str, type, type]]:
    for module in FLASK_MODULES:
        theirs, ours = twin(module)
        for name in sorted(public_names(theirs)):
            value = getattr(theirs, name)
            if inspect.isclass(value) and value.__module__ == theirs.__name__:
                if f"{module}.{name}" not in MISSING_NAMES:
                    yield f"{module}.{name}", value, getattr(ours, name)


def check(missing: set[str], reasons: dict[str, str], prefix: str) -> None:
    """Fail for names missing without a reason, and for reasons that no longer apply."""
    excused = {name for name in reasons if name.rpartition(".")[0] == prefix}
    found = {f"{prefix}.{name}" if prefix else name for name in missing}
    assert found == excused


@pytest.mark.parametrize("module", FLASK_MODULES)
def test_flask_names(module: str) -> None:
    theirs, ours = twin(module)
    check({n for n in public_names(theirs) if not hasattr(ours, n)}, MISSING_NAMES, module)


@pytest.mark.parametrize("module", FLASK_MODULES)
def test_flask_names_are_there_for_type_checkers(module: str) -> None:
    """A name that a module merely uses is no export of it in a strict checker's eyes."""
    theirs, ours = twin(module)
    exported = public_names(ours) | set(getattr(ours, "__all__", ()))
    wanted = {n for n in public_names(theirs) if f"{module}.{n}" not in MISSING_NAMES}
    assert not wanted - exported


def test_flask_modules() -> None:
    assert flask.__file__ is not None
    root = Path(flask.__file__).parent
    names = {".".join(path.relative_to(root).with_suffix("").parts) for path in root.rglob("*.py")}
    public = {name.removesuffix(".__init__") for name in names if not name.startswith("__")}
    assert public - {"sansio"} == set(FLASK_MODULES) - {""}


def test_flask_members() -> None:
    missing = {
        f"{name}.{member}"
        for name, theirs, ours in classes()
        for member in dir(theirs)
        if not member.startswith("_") and not hasattr(ours, member)
    }
    assert missing == set(MISSING_MEMBERS)


def test_attributes_of_an_app_and_a_blueprint() -> None:
    for theirs, ours in (
        (flask.Flask("x"), quartish.Flask("x")),
        (flask.Blueprint("x", "x"), quartish.Blueprint("x", "x")),
    ):
        missing = {n for n in vars(theirs) if not n.startswith("_") and not hasattr(ours, n)}
        assert not missing


def test_flask_parameters() -> None:
    """Every parameter of Flask's functions, methods and classes has its place in ours."""
    missing = set()
    for module in FLASK_MODULES:
        theirs, ours = twin(module)
        for name in public_names(theirs):
            value = getattr(theirs, name)
            if inspect.isfunction(value) and hasattr(ours, name):
                lost = lost_parameters(value, getattr(ours, name))
                missing |= {f"{module}.{name}({parameter})" for parameter in lost}
    for name, value, own in classes():
        for member in dir(value):
            function = inspect.getattr_static(value, member)
            if inspect.isfunction(function) and not member.startswith("_") and hasattr(own, member):
                lost = lost_parameters(function, getattr(own, member))
                missing |= {f"{name}.{member}({parameter})" for parameter in lost}
    assert missing == set(MISSING_PARAMETERS)


def lost_parameters(theirs: t.Any, ours: t.Any) -> set[str]:
    """Name the parameters of `theirs` that `ours` takes neither by name nor at its place."""
    own = inspect.signature(ours).parameters
    kinds = {parameter.kind for parameter in own.values()}
    if inspect.Parameter.VAR_KEYWORD in kinds and inspect.Parameter.VAR_POSITIONAL in kinds:
        return set()
    named = inspect.Parameter.VAR_KEYWORD in kinds
    nameless = (
        inspect.Parameter.VAR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
        inspect.Parameter.POSITIONAL_ONLY,
    )
    return {
        name
        for name, parameter in inspect.signature(theirs).parameters.items()
        if not named and name != "self" and parameter.kind not in nameless and name not in own
    }


def test_quart_names() -> None:
    face = importlib.import_module("quartish.quart")
    missing = {n for n in public_names(quart) if not hasattr(face, n)}
    check(missing, MISSING_QUART_NAMES, "")


def test_all_is_a_literal() -> None:
    [value] = [
        node.value
        for node in ast.parse(Path(quartish.__file__).read_text()).body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and "__all__" in ast.unparse(node).split("=")[0]
    ]
    assert value is not None
    assert ast.literal_eval(value) == quartish.__all__


def test_all_is_true() -> None:
    """What `__all__` lists is there, and what is there for users is listed."""
    listed = list(quartish.__all__)
    assert len(listed) == len(set(listed))
    assert not [name for name in listed if not hasattr(quartish, name)]
    present = {
        name
        for name, value in vars(quartish).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    # `from __future__ import annotations` leaves its feature behind.
    assert present - {"annotations"} <= set(listed)


def test_quarts_and_flasks_face_list_nothing_else() -> None:
    """A star import of the package gives at least what Flask's package offers."""
    offered = {n for n in public_names(flask) if n not in MISSING_NAMES}
    assert offered - {"json"} <= set(quartish.__all__)
