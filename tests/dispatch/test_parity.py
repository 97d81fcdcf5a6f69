"""Flask 3.1.3's public names and signatures, module by module, against ours.

A difference that is meant stands below with its reason; any other fails, and so does a
reason whose difference is gone.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import typing as t

import pytest

flask = pytest.importorskip("flask")

DIFFERENCES = {
    "app.Flask.url_rule_class": "Takes options of its own and hands Werkzeug's on as they are.",
}


def modules(package: t.Any) -> list[str]:
    found = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    names = ["", *(info.name.partition(".")[2] for info in found)]
    return [name for name in names if name != "__main__"]


def public_names(module: t.Any) -> list[str]:
    """Name what the module defines, and what it imports under an `as` to export it."""
    names: list[str] = []
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names += [a.name for a in node.names if a.name == a.asname]
        elif isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.append(node.target.id)
    return [name for name in names if not name.startswith("_")]


def signature(value: t.Any) -> inspect.Signature | None:
    try:
        return inspect.signature(value)
    except (TypeError, ValueError):
        return None


def mismatch(theirs: t.Any, ours: t.Any) -> str | None:
    """Say why a call that `theirs` takes is not one that `ours` takes, or None."""
    wanted, given = signature(theirs), signature(ours)
    if wanted is None or given is None:
        return None if wanted is None else "is not callable"
    left, places = dict(given.parameters), list(given.parameters)
    for place, parameter in enumerate(wanted.parameters.values()):
        own = left.pop(places[0] if parameter.name == "self" else parameter.name, None)
        if own is None:
            return f"has no parameter {parameter.name!r}: {given}, Flask {wanted}"
        if parameter.name == "self":
            continue
        if own.kind is not parameter.kind:
            return f"takes {parameter.name!r} in another way: {given}, Flask {wanted}"
        if own.kind is own.POSITIONAL_OR_KEYWORD and places[place] != own.name:
            return f"takes {parameter.name!r} at another place: {given}, Flask {wanted}"
        if parameter.default is not parameter.empty and own.default is own.empty:
            return f"requires {parameter.name!r}: {given}, Flask {wanted}"
    for own in left.values():
        if own.default is own.empty and own.kind not in (own.VAR_POSITIONAL, own.VAR_KEYWORD):
            return f"requires {own.name!r} as well: {given}, Flask {wanted}"
    return None


def differences() -> t.Iterator[tuple[str, str]]:
    for name in modules(flask):
        theirs = importlib.import_module(f"flask.{name}".rstrip("."))
        try:
            ours = importlib.import_module(f"quartish.{name}".rstrip("."))
        except ModuleNotFoundError as error:
            yield name, str(error)
            continue
        for public in public_names(theirs):
            if not isinstance(getattr(theirs, public), t.TypeVar):
                yield from compare(f"{name}.{public}".lstrip("."), theirs, ours)


def compare(path: str, theirs: t.Any, ours: t.Any) -> t.Iterator[tuple[str, str]]:
    name = path.rpartition(".")[2]
    if not hasattr(ours, name):
        yield path, "is missing"
        return
    if isinstance(inspect.getattr_static(theirs, name), property):
        return
    wanted, given = getattr(theirs, name), getattr(ours, name)
    if inspect.isroutine(wanted) or inspect.isclass(wanted):
        reason = mismatch(wanted, given)
        if reason:
            yield path, reason
    if inspect.isclass(wanted) and wanted.__module__ == theirs.__name__:
        for member in dir(wanted):
            if not member.startswith("_"):
                yield from compare(f"{path}.{member}", wanted, given)


def instance_attributes() -> t.Iterator[tuple[str, str]]:
    """Compare what stands on instances, which no class tells."""
    import quartish

    for name, arguments in {"Flask": ("app",), "Blueprint": ("bp", __name__)}.items():
        ours = getattr(quartish, name)(*arguments)
        for attribute in vars(getattr(flask, name)(*arguments)):
            if not attribute.startswith("_") and not hasattr(ours, attribute):
                yield f"{name}().{attribute}", "is missing"


def test_every_public_name_and_signature_of_flask() -> None:
    found = dict([*differences(), *instance_attributes()])
    unexplained = {path: reason for path, reason in found.items() if path not in DIFFERENCES}
    assert not unexplained, "\n".join(f"{path} {reason}" for path, reason in unexplained.items())
    assert DIFFERENCES.keys() - found.keys() == set()
