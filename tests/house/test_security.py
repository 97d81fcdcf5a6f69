"""SECURITY.md names tests that exist, and each test of an advisory names it as it is written."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
POLICY = (ROOT / "SECURITY.md").read_text()
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", POLICY)
ADVISORY = re.compile(r"(?:CVE|PYSEC)-20\d\d-\d{2,6}")


def functions_of(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in tree.body if isinstance(node, functions)}


def test_each_promise_has_its_test() -> None:
    rows = [line for line in POLICY.splitlines() if line.startswith("| ") and "---" not in line]
    promises = [row for row in rows if row != "| promise | test |"]
    assert len(promises) > 20
    assert not [row for row in promises if not re.search(r"`tests/[\w/]+\.py::test_\w+`", row)]
    assert not [name for path, name in NAMED if name not in functions_of(path)]


def test_what_is_named_is_an_advisory() -> None:
    found = set()
    for path in (ROOT / "tests" / "security").glob("test_*.py"):
        text = path.read_text()
        found |= set(ADVISORY.findall(text))
        found |= {f"CVE-{a}-{b}" for a, b in re.findall(r"def test_cve_(\d{4})_(\d+)_", text)}
    assert len(found) > 100, len(found)


def test_settings_that_it_recommends_exist() -> None:
    from quartish._defaults import DEFAULTS

    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)(?: =[^`]*)?`", POLICY))
    assert named and named <= DEFAULTS.keys(), named - DEFAULTS.keys()
