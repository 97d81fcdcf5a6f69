"""Each step of the tutorial passes its own tests; what its pages show is in the steps."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STEPS = sorted((ROOT / "examples" / "tutorial").glob("step*"))
PAGES = ROOT / "docs" / "start" / "tutorial"
SHOWN = re.compile(r"(?m)^```\{literalinclude\} (\S+)$")


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(step, id=step.name, marks=[] if step == STEPS[-1] else pytest.mark.slow)
        for step in STEPS
    ],
)
def test_step(step: Path) -> None:
    """The last one every day: it has the tests of all the others."""
    options = ["-q", "-c", os.devnull, "--rootdir", str(step), "-o", "asyncio_mode=auto"]
    options += ["-o", "asyncio_default_fixture_loop_scope=function"]
    options += ["-p", "no:cacheprovider", "-p", "pytest_asyncio.plugin", "-W", "error"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(step / "tests")],
        cwd=step,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(step), str(step / "tests"), str(ROOT)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d+ passed", done.stdout)


def test_each_step_has_its_page() -> None:
    assert len(STEPS) == 7
    shown = {
        (page.parent / name).resolve()
        for page in PAGES.glob("*.md")
        for name in SHOWN.findall(page.read_text())
    }
    assert all(path.is_file() for path in shown)
    for step in STEPS:
        new = [
            path
            for path in (step / "journal").rglob("*")
            if path.is_file() and path.suffix in (".py", ".sql", ".js", ".html")
        ]
        before = STEPS[STEPS.index(step) - 1] if step != STEPS[0] else None
        for path in new:
            old = before and before / path.relative_to(step)
            if old is None or not old.exists():
                assert path in shown, path
