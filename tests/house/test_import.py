"""What `import quartish` does not load: each of these is for what most processes never do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

LATER = {
    "hypercorn": "serving",
    "h2": "serving",
    "watchfiles": "serving in debug mode",
    "werkzeug.debug": "an error's page in debug mode",
    "importlib.metadata": "a test client, the command line",
    "decimal": "JSON of what is no plain value",
    "flask": "",
    "quart": "",
}

# What was there before, Python or a coverage tool has loaded at its start.
CODE = "import sys; there = set(sys.modules); import quartish; print(*set(sys.modules) - there)"


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("module", LATER)
def test_it_is_loaded_later(module: str, loaded: set[str]) -> None:
    assert "quartish.app" in loaded
    assert module not in loaded
