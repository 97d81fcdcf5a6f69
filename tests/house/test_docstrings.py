"""Public names are documented as an editor shows them; `CONTRIBUTING.md` says the style.

Public is what `quartish` and `quartish.quart` export, and what the modules that users import from
define under a name without an underscore.
"""

from __future__ import annotations

import importlib
import inspect
import re
import typing as t

from werkzeug import exceptions

FACES = ("quartish", "quartish.quart")
MODULES = (
    *("app", "blueprints", "config", "ctx", "globals", "helpers", "json", "json.provider"),
    *("json.tag", "logging", "middleware", "production", "sessions", "templating", "testing"),
    *("typed", "typed.openapi", "views", "wrappers"),
)
SECTIONS = ("Args", "Raises", "Flask", "Quart", "Source")
#: Parameters above which each is told.
SHORT = 2

_HEADING = re.compile(r"^([A-Z][a-z]+):$", re.MULTILINE)
_STATUS = {
    error.__name__: error.code
    for error in vars(exceptions).values()
    if isinstance(error, type) and issubclass(error, exceptions.HTTPException) and error.code
}


def is_ours(value: object) -> bool:
    return str(getattr(value, "__module__", "")).partition(".")[0] == "quartish"


def public_names() -> dict[str, t.Any]:
    found = {}
    for face in FACES:
        module = importlib.import_module(face)
        for name in getattr(module, "__all__", vars(module)):
            if not name.startswith("_"):
                found[f"{face}.{name}"] = getattr(module, name)
    for name in MODULES:
        module = importlib.import_module(f"quartish.{name}")
        for key, value in vars(module).items():
            own = getattr(value, "__module__", "") == module.__name__
            if not key.startswith("_") and (own or key in getattr(module, "__all__", ())):
                found[f"quartish.{name}.{key}"] = value
    return {name: value for name, value in found.items() if is_ours(value)}


def documented() -> dict[str, tuple[t.Any, str]]:
    """Return functions and methods, each under one name, with their docstrings."""
    found: dict[str, tuple[t.Any, str]] = {}
    for value in public_names().values():
        if inspect.isfunction(value):
            found[f"{value.__module__}.{value.__qualname__}"] = value, inspect.getdoc(value) or ""
        if not inspect.isclass(value):
            continue
        found[f"{value.__module__}.{value.__qualname__}"] = value, inspect.getdoc(value) or ""
        for name, member in inspect.getmembers(value):
            member = inspect.unwrap(getattr(member, "__func__", member))
            if not (inspect.isfunction(member) and is_ours(member)):
                continue
            if name == "__init__":
                text = f"{inspect.getdoc(value)}\n{member.__doc__ or ''}"
            elif name.startswith("_"):
                continue
            else:
                text = inspect.getdoc(getattr(value, name)) or ""
            found.setdefault(f"{member.__module__}.{member.__qualname__}", (member, text))
    return found


DOCUMENTED = documented()


def parameters_of(function: t.Any) -> list[str]:
    kinds = inspect.Parameter
    return [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in ("self", "cls")
        and not name.startswith("_")
        and parameter.kind not in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)
    ]


def test_the_walk_finds_what_is_public() -> None:
    assert len(DOCUMENTED) > 300
    assert "quartish.sansio.app.Core.add_url_rule" in DOCUMENTED
    assert "quartish.helpers.make_response" in DOCUMENTED


def test_each_has_a_docstring() -> None:
    assert [name for name, (_, text) in DOCUMENTED.items() if not text.strip()] == []


def test_each_parameter_of_many_is_told() -> None:
    untold = []
    for name, (function, text) in DOCUMENTED.items():
        if inspect.isclass(function):
            continue
        parameters = parameters_of(function)
        if len(parameters) > SHORT:
            told = set(re.findall(r"`(\w+)`", text)) | set(
                re.findall(r"^ *(\w+): ", text, re.MULTILINE)
            )
            untold += [f"{name}: {key}" for key in parameters if key not in told]
    assert untold == []


def test_each_http_exception_has_its_status() -> None:
    wrong = []
    for name, (_, text) in DOCUMENTED.items():
        for error, code in re.findall(r"\b([A-Z][A-Za-z]+)\b(?: \((\d{3})\))?", text):
            if error in _STATUS and code != str(_STATUS[error]):
                wrong.append(f"{name}: {error} ({_STATUS[error]})")
    assert wrong == []


def test_sections_are_those_of_the_style() -> None:
    wrong = []
    for name, (_, text) in DOCUMENTED.items():
        headings = _HEADING.findall(text)
        known = [heading for heading in headings if heading in SECTIONS]
        if headings != known or known != sorted(set(known), key=SECTIONS.index):
            wrong.append(f"{name}: {headings}")
        if re.search(r"\*(Flask|Quart|Source):\*", text):
            wrong.append(f"{name}: a paragraph in the place of a section")
    assert wrong == []


def test_sections_name_what_there_is() -> None:
    wrong = []
    for name, (function, text) in DOCUMENTED.items():
        if inspect.isclass(function) or "\nArgs:\n" not in text:
            continue
        block = re.split(r"\n(?=\S)", text.partition("\nArgs:\n")[2])[0]
        entries = re.findall(r"^    (\*{0,2}\w+): ", block, re.MULTILINE)
        signature = inspect.signature(function).parameters
        wrong += [f"{name}: {entry}" for entry in entries if entry.lstrip("*") not in signature]
        assert entries, name
    assert wrong == []
