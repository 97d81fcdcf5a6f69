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
    scripts = [path.name for path in (ROOT / "scripts").iterdir() if not path.suffix]
    assert [name for name in sorted(scripts) if f"scripts/{name}" not in text] == []
