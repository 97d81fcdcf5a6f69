"""The site's reference is complete: public names, configuration values, variables, commands."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import typing as t
from pathlib import Path

import pytest

import quartish
from quartish import _defaults
from quartish.cli import cli
from tests.docs._inventory import names_in
from tests.house.test_docstrings import is_ours
from tests.house.test_docstrings import public_names

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
#: What a file has for its own annotations.
VARIABLES = (t.TypeVar, t.ParamSpec)
#: Begins or names what the process reads of its environment.
VARIABLE = re.compile(
    r"\b(?:(?:QUARTISH|FLASK|QUART)_[A-Z_]*[A-Z]|NO_COLOR|PYTHONSTARTUP|WERKZEUG_RUN_MAIN)\b"
)


def listed() -> set[str]:
    """Return each name of each `__all__` of a module that users import from."""
    modules = {name.rpartition(".")[0] for name in public_names()}
    return {
        f"{module}.{name}"
        for module in modules
        for name in getattr(importlib.import_module(module), "__all__", ())
    }


def methods() -> set[str]:
    """Return each public method of the classes that `quartish` gives."""
    found = set()
    for name in quartish.__all__:
        value = getattr(quartish, name)
        if inspect.isclass(value) and is_ours(value) and name != "Quartish":
            for key, member in inspect.getmembers(value, inspect.isfunction):
                if not key.startswith("_") and is_ours(member):
                    found.add(f"quartish.{name}.{key}")
    return found


@pytest.mark.slow
def test_the_site_is_built_and_has_every_public_name(site: Path) -> None:
    there = names_in(site / "objects.inv")
    values = {k: v for k, v in public_names().items() if not isinstance(v, VARIABLES)}
    expected = {*values, *listed(), *methods()}
    assert len(expected) > 450
    assert sorted(expected - there.keys()) == []
    assert {"quartish.Flask.route", "quartish.Request.args", "quartish.helpers.url_for"} <= {*there}
    for page in site.rglob("*.html"):
        assert str(ROOT) not in page.read_text(), page
        assert not re.search(
            r'(?:src|href)="(?:https?:)?//[^"]+\.(?:js|css|woff2?)', page.read_text()
        )


def config_lines() -> dict[str, str]:
    [block] = re.findall(
        r"(?ms)^```\{settings\}\n(.*?)^```$", (REFERENCE / "config.md").read_text()
    )
    return dict(line.split(": ", 1) for line in block.splitlines())


def test_every_configuration_value_has_its_sentence() -> None:
    settings = (ROOT / "docs" / "settings.md").read_text().partition("## Of the server")[0]
    own = set(re.findall(r"(?m)^\| `([A-Z_]+)` \|", settings))
    said = config_lines()
    assert {*said, *own} == _defaults.QUART_DEFAULTS.keys()
    assert all(text.endswith(".") for text in said.values())


def variables_of_the_package() -> set[str]:
    found: set[str] = set()
    for path in (ROOT / "quartish").rglob("*.py"):
        if "_port" in path.parts:
            continue  # what it says of the variables of others
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= set(VARIABLE.findall(node.value))
    return {name for name in found if not name.endswith("_NAMES")}


def test_every_environment_variable_is_told() -> None:
    page = set(re.findall(r"`([A-Z_]+)`", (REFERENCE / "environment.md").read_text()))
    there = variables_of_the_package()
    assert len(there) > 10
    assert sorted(there - page) == []
    known = {name for name in page if VARIABLE.fullmatch(name)}
    # Put together of a prefix and a name by the package; of others.
    assert known - there <= {"FLASK_ENV"} | {
        f"{prefix}_{name}"
        for prefix in ("QUARTISH", "FLASK", "QUART")
        for name in ("DEBUG", "SKIP_DOTENV", "RUN_PORT", "TRACEBACKS", "APP")
    }


def test_every_signal_is_told() -> None:
    signals = importlib.import_module("quartish.signals")
    page = (REFERENCE / "signals.md").read_text()
    names = [name for name, value in vars(signals).items() if hasattr(value, "receivers")]
    assert len(names) > 15
    assert [name for name in names if f"\n{name}: " not in page] == []


def test_every_command_is_known_to_the_page() -> None:
    assert {"run", "shell", "routes", "new", "port", "check", "openapi", "digest"} == {
        *cli.commands,
        *cli._own,
    }
    assert "```{commands}" in (REFERENCE / "commands.md").read_text()
