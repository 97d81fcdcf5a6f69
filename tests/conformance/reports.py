"""Environments for the sides of a comparison, runs in them, and what the runs came to."""

from __future__ import annotations

import collections
import collections.abc as cabc
import os
import subprocess
import sys
import typing as t
import venv
import xml.etree.ElementTree as ET
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "quartish-conformance"
TIMEOUT = 600  # seconds for one run of the suite, which takes about three

Outcomes: t.TypeAlias = dict[str, str]  # test -> passed, failed or skipped
Run: t.TypeAlias = tuple[str, str]  # pass, side


class Unable(Exception):
    """A run could not be made: says what to look at."""


def environment(name: str, packages: list[str], tools: list[str]) -> Path:
    """Return the Python of an environment, made anew when its contents change."""
    home = CACHE / name
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    recipe = f"{sys.version}\n{packages}\n{tools}\n"
    if "-e" in packages:
        recipe += (CHECKOUT / "pyproject.toml").read_text()
    stamp = home / "recipe"
    if not stamp.exists() or stamp.read_text() != recipe:
        print(f"making the environment {name} ...", flush=True)
        venv.create(home, clear=True, with_pip=True)
        call(python, "-m", "pip", "install", "-qq", *packages, *tools)
        stamp.write_text(recipe)
    return python


def play(
    python: Path, name: str, root: Path, plugins: cabc.Iterable[str], options: cabc.Iterable[str]
) -> Outcomes:
    """Run the tests below `root`; the output goes to a log beside the report."""
    report, log = (CACHE / f"{name}.{ending}" for ending in ("xml", "log"))
    report.unlink(missing_ok=True)
    command: list[str | Path] = [python, "-m", "pytest", "-p", "no:cacheprovider"]
    for plugin in plugins:
        command += ["-p", plugin]
    command += ["-o", "faulthandler_timeout=60", f"--junit-xml={report}", *options, "tests"]
    call(*command, cwd=root, log=log, allowed=(0, 1, 5))
    if not report.exists():
        raise Unable(f"{name} wrote no report: see {log}")
    return dict(outcomes(ET.parse(report).getroot()))


def outcomes(report: ET.Element) -> cabc.Iterator[tuple[str, str]]:
    for case in report.iter("testcase"):
        kinds = {child.tag for child in case}
        module = case.get("classname", "").removeprefix("tests.")
        outcome = "failed" if kinds & {"failure", "error"} else "passed"
        yield f"{module}::{case.get('name')}", "skipped" if "skipped" in kinds else outcome


def call(
    *command: str | Path,
    cwd: Path | None = None,
    log: Path | None = None,
    allowed: cabc.Container[int] = (0,),
) -> None:
    """Run `command` with nothing of the caller's Python settings in its environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    kept |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(HERE)}
    done: subprocess.CompletedProcess[bytes]
    output = log.open("wb") if log else None
    try:
        done = subprocess.run(
            command, cwd=cwd, env=kept, timeout=TIMEOUT, stdout=output, stderr=output
        )
    except subprocess.TimeoutExpired:
        raise Unable(f"{command[0]} took more than {TIMEOUT} s: see {log}") from None
    finally:
        if output:
            output.close()
    if done.returncode not in allowed:
        raise Unable(f"exit status {done.returncode} of {' '.join(map(str, command))}: see {log}")


def differences(outcome: Outcomes, expected: dict[str, str], whole: bool) -> cabc.Iterator[str]:
    """Name what quartish does otherwise than expected; `whole` if every test was to run."""
    for test, result in sorted(outcome.items()):
        if result != "passed" and test not in expected:
            yield f"{test}: {result}, and is expected to pass"
        if result == "passed" and test in expected:
            yield f"{test}: passes, and is expected to fail: {expected[test]}"
    for test in expected if whole else ():
        if test not in outcome:
            yield f"{test}: is expected to fail, and no such test ran"


def table(results: dict[Run, Outcomes]) -> cabc.Iterator[str]:
    """Draw passed/run for each of Flask's test modules, a column a run."""
    counts: dict[Run, dict[str, list[int]]] = {}
    for key, outcome in results.items():
        rows = counts[key] = collections.defaultdict(lambda: [0, 0])
        for test, result in outcome.items():
            for row in (test.partition("::")[0].partition(".")[0], "total"):
                rows[row][0] += result == "passed"
                rows[row][1] += result != "skipped"
    names = sorted({row for rows in counts.values() for row in rows} - {"total"})
    yield f"{'':24}" + "".join(f"{name:>18}" for name, _ in counts)
    yield f"{'':24}" + "".join(f"{side:>18}" for _, side in counts)
    for row in [*names, "total"]:
        cells = (rows[row] for rows in counts.values())
        yield f"{row:24}" + "".join(f"{f'{good}/{all_}':>18}" for good, all_ in cells)
    shares = (rows["total"] for rows in counts.values())
    yield f"{'':24}" + "".join(f"{good / max(all_, 1):>18.1%}" for good, all_ in shares)
