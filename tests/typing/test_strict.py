"""What strict type checkers say of a user's apps: nothing; and of mistakes, what each line says.

Pyright looks for the package as a user's environment has it, never beside itself: so it is run
elsewhere, on copies.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import typing as t
from collections import defaultdict
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
FILES = ("plain_app.py", "awaitable_app.py", "typed_app.py", "mistakes.py")
BINARIES = Path(sys.executable).parent
#: What a checker adds to another error of the same line.
CONSEQUENCES = {
    "reportUnknownMemberType",
    "reportUntypedFunctionDecorator",
    "untyped-decorator",
}

Found = t.Mapping[tuple[str, int], set[str]]


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        [BINARIES / command[0], *command[1:]],
        cwd=folder,
        env={**os.environ, "PATH": f"{BINARIES}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.stdout, done.stderr
    return done.stdout


def by_mypy(folder: Path) -> Found:
    (folder / "mypy.ini").write_text("[mypy]\npython_version = 3.11\nstrict = true\n")
    said = run(folder, "mypy", "--hide-error-context", "--cache-dir", str(folder / "cache"), *FILES)
    found = defaultdict(set)
    for line in said.splitlines():
        if match := re.fullmatch(r"(\w+\.py):(\d+): error: .*  \[([\w-]+)\]", line):
            found[match[1], int(match[2])].add(match[3])
        else:
            assert ": error:" not in line, line
    return found


def by_pyright(folder: Path) -> Found:
    config = {"include": ["."], "typeCheckingMode": "strict", "pythonVersion": "3.11"}
    (folder / "pyrightconfig.json").write_text(json.dumps(config))
    found = defaultdict(set)
    for told in json.loads(run(folder, "pyright", "--outputjson"))["generalDiagnostics"]:
        if told["severity"] == "error":
            place = Path(told["file"]).name, told["range"]["start"]["line"] + 1
            found[place].add(told.get("rule", ""))
    return found


@pytest.mark.parametrize("check", [by_mypy, by_pyright])
def test_apps_are_accepted_and_mistakes_refused(
    tmp_path: Path, check: t.Callable[[Path], Found]
) -> None:
    expected: dict[tuple[str, int], set[str]] = {}
    for name in FILES:
        shutil.copy(HERE / name, tmp_path)
        for number, line in enumerate((HERE / name).read_text().splitlines(), 1):
            if match := re.search(r"# refused: (\S+) (\S+)$", line):
                expected[name, number] = set(match[1 + (check is by_pyright)].split(","))
    assert len(expected) > 30
    found = check(tmp_path)
    for place in {*expected, *found}:
        codes = found.get(place, set())
        if place in expected:
            assert expected[place] <= codes, place
            codes = codes - CONSEQUENCES
        assert codes == expected.get(place, set()), place
