"""The site, built once for all tests that look at it."""

from __future__ import annotations

import fcntl
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def site(testrun_uid: str) -> Path:
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    with (build / "docs-of-tests").open("a+") as stamp:
        # Of several processes that share the tests the first one builds it, and the others wait.
        fcntl.flock(stamp, fcntl.LOCK_EX)
        stamp.seek(0)
        if stamp.read() != testrun_uid:
            built = subprocess.run([ROOT / "scripts" / "docs"], capture_output=True, text=True)
            assert built.returncode == 0, built.stdout + built.stderr
            stamp.truncate(0)
            stamp.write(testrun_uid)
    return build / "docs"
