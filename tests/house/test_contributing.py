"""CONTRIBUTING.md names what there is."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: What is named in backquotes or in a command: a path of the checkout.
PATHS = re.compile(
    r"(?<![\w./])(?:\.ci|benchmarks|docs|examples|quartish|scripts|tests)/[\w./-]*\w"
)


def test_every_path_is_there() -> None:
    named = set(PATHS.findall((ROOT / "CONTRIBUTING.md").read_text()))
    assert {"scripts/test", ".ci/run", "quartish/_dispatch/flow.py"} <= named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_every_script_is_told_of() -> None:
    text = "".join((ROOT / name).read_text() for name in ("CONTRIBUTING.md", "README.md"))
    scripts = [
        path.name for path in (ROOT / "scripts").iterdir() if path.is_file() and not path.suffix
    ]
    assert [name for name in sorted(scripts) if f"scripts/{name}" not in text] == []


def test_each_python_that_is_declared_is_tested() -> None:
    """3.14 is tested before it is declared."""
    declared = re.findall(r"Python :: (3\.\d+)\"", (ROOT / "pyproject.toml").read_text())
    workflow = (ROOT / ".github/workflows/tests.yml").read_text()
    [tested] = re.findall(r"python: \[(.*)\]", workflow)
    assert {*declared} <= {*re.findall(r"3\.\d+", tested)}


def test_what_a_commit_is_checked_for_the_everyday_run_checks() -> None:
    hooks = re.findall(r"entry: (\w+)", (ROOT / ".pre-commit-config.yaml").read_text())
    everyday = (ROOT / "scripts/test").read_text()
    assert {"ruff", "codespell"} <= {*hooks}
    assert [hook for hook in hooks if f'"$bin/{hook}"' not in everyday and hook != "venv"] == []


def test_scopes_are_made_in_one_place() -> None:
    """But for those that lack what the specification wants."""
    whole = re.compile(r"\"asgi\": .*\s+\"http_version\"")
    places = [path for path in (ROOT / "tests").rglob("*.py") if whole.search(path.read_text())]
    places = [path for path in places if "conformance" not in path.parts]
    assert [path.name for path in places] == ["_scopes.py"]
