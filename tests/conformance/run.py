"""Run Flask's own test suite against quartish, and compare with what is expected.

    python tests/conformance/run.py [--flask-only | --quartish-only] [-k EXPRESSION]
        [--as-written | --async-views | --asgi-as-written | --asgi-async-views]

Flask's source distribution comes from the package index into a cache outside the
repository; two environments there hold the sides. `flask` has Flask itself, for
reference. `quartish` has this checkout and no Flask: `-p quartish.as_flask` answers the
suite's imports. Each side runs the suite as written, and with every view made `async def`
(see `async_views`); quartish runs both once more by its ASGI door (see `asgi_door`).

The exit status is 1 when quartish differs from `flask_expected.toml` in either
direction, 2 when a run could not be made.
"""

from __future__ import annotations

import argparse
import collections
import collections.abc as cabc
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import typing as t
import venv
import xml.etree.ElementTree as ET
from pathlib import Path

from async_views import make_views_async

FLASK = "3.1.3"
SDIST_SHA256 = "0ef0e52b8a9cd932855379197dd8f94047b359ca0a78695144304cb45f87c9eb"
# pytest 9 dropped a private name that Flask's test_cli imports; Werkzeug is the release
# that the counts are known for; the rest is what Flask's own test group installs.
TOOLS = ["pytest<9", "werkzeug==3.1.9", "asgiref", "cryptography", "greenlet", "python-dotenv"]

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "quartish-conformance"
SIDES = {"flask": [f"flask=={FLASK}"], "quartish": ["-e", str(CHECKOUT)]}
PASSES = ["as_written", "async_views", "asgi_as_written", "asgi_async_views"]
TIMEOUT = 600  # seconds for one run of the suite, which takes about three

Outcomes: t.TypeAlias = dict[str, str]  # test -> passed, failed or skipped
Run: t.TypeAlias = tuple[str, str]  # pass, side


class Unable(Exception):
    """A run could not be made: says what to look at."""


def environment(side: str) -> Path:
    """Return the Python of the side's environment, made anew when its contents change."""
    home = CACHE / side
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    recipe = f"{sys.version}\n{SIDES[side]}\n{TOOLS}\n"
    if side == "quartish":
        recipe += (CHECKOUT / "pyproject.toml").read_text()
    stamp = home / "recipe"
    if not stamp.exists() or stamp.read_text() != recipe:
        print(f"making the environment of {side} ...", flush=True)
        venv.create(home, clear=True, with_pip=True)
        call(python, "-m", "pip", "install", "-qq", *SIDES[side], *TOOLS)
        stamp.write_text(recipe)
    return python


def suite(name: str) -> tuple[Path, int]:
    """Unpack Flask's source distribution for the pass, and count the views changed."""
    sdist = CACHE / f"flask-{FLASK}.tar.gz"
    if not sdist.exists():
        call(
            *(sys.executable, "-m", "pip", "download", "-qq", "--no-deps"),
            *("--no-binary", "flask", "--dest", CACHE, f"flask=={FLASK}"),
        )
    if hashlib.sha256(sdist.read_bytes()).hexdigest() != SDIST_SHA256:
        raise Unable(f"{sdist} is not Flask {FLASK}'s source distribution: delete it.")
    home = CACHE / name
    shutil.rmtree(home, ignore_errors=True)
    with tarfile.open(sdist) as archive:
        archive.extractall(home, filter="data")
    root = home / f"flask-{FLASK}"
    changed = 0
    if name.endswith("async_views"):
        for path in (root / "tests").rglob("*.py"):
            source, views = make_views_async(path.read_text("utf-8"))
            path.write_text(source, "utf-8")
            changed += len(views)
    return root, changed


def run(side: str, name: str, root: Path, options: cabc.Sequence[str]) -> Outcomes:
    """Run one pass on one side; its output goes to a log beside its report."""
    python = environment(side)
    report, log = (CACHE / f"{name}-{side}.{ending}" for ending in ("xml", "log"))
    report.unlink(missing_ok=True)
    command: list[str | Path] = [python, "-m", "pytest", "-p", "no:cacheprovider"]
    command += ["-p", "quartish.as_flask"] if side == "quartish" else []
    command += ["-p", "asgi_door"] if name.startswith("asgi") else []
    command += ["-o", "faulthandler_timeout=60", f"--junit-xml={report}", *options, "tests"]
    call(*command, cwd=root, log=log, allowed=(0, 1, 5))
    if not report.exists():
        raise Unable(f"{side} wrote no report: see {log}")
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


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    sides = parser.add_mutually_exclusive_group()
    sides.add_argument("--flask-only", dest="sides", action="store_const", const=["flask"])
    sides.add_argument("--quartish-only", dest="sides", action="store_const", const=["quartish"])
    passes = parser.add_mutually_exclusive_group()
    for name in PASSES:
        option = f"--{name.replace('_', '-')}"
        passes.add_argument(option, dest="passes", action="store_const", const=[name])
    parser.add_argument("-k", metavar="EXPRESSION", help="as for pytest")
    arguments = parser.parse_args()
    options = ["-k", arguments.k] if arguments.k else []
    expected = tomllib.loads((HERE / "flask_expected.toml").read_text("utf-8"))

    CACHE.mkdir(parents=True, exist_ok=True)
    results: dict[Run, Outcomes] = {}
    try:
        for name in arguments.passes or PASSES:
            root, changed = suite(name)
            if changed:
                print(f"{name}: {changed} views made async", flush=True)
            for side in arguments.sides or SIDES:
                if side == "quartish" or not name.startswith("asgi"):
                    results[name, side] = run(side, name, root, options)
    except (Unable, OSError) as error:
        print(error, file=sys.stderr)
        return 2

    print(*table(results), sep="\n")
    found = [
        f"{name}: {difference}"
        for (name, side), outcome in results.items()
        if side == "quartish"
        for difference in differences(outcome, expected[name], not options)
    ]
    print(*found, sep="\n")
    print(f"{len(found)} differences from what is expected; logs are in {CACHE}")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
