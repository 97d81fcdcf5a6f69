"""Port real Flask applications, and run their own tests before and after.

Each project is taken from its source distribution, or from a checkout that is given as NAME=PATH.
Its tests run four times, each in a fresh copy: as it is, on Flask; ported with its views left; with
those turned that `quartish port` chooses; and with `--all-views`. After the port Flask is not
installed. With `--write` the table in docs/port.md is written anew. The exit status is 1 where a
project lost a test, but by `--all-views`.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import typing as t
import xml.etree.ElementTree as ET
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "extensions"))
import suites  # noqa: E402
from _environment import CACHE  # noqa: E402
from _environment import clean_environ  # noqa: E402
from _environment import make  # noqa: E402

PAGE = ROOT / "docs" / "port.md"
TIMEOUT = 1800  # seconds for one run of one suite
#: The sides: what is given to `quartish port`, or None for the project as it is.
SIDES: dict[str, tuple[str, ...] | None] = {
    "before": None,
    "left": ("--no-views",),
    "chosen": (),
    "all": ("--all-views",),
}


@dataclass(frozen=True)
class Application:
    """An application: where it is, and what is given to pytest."""

    release: str
    tests: str = "tests"
    #: The folder of a distribution that is ported, and in which its tests run.
    folder: str = ""
    #: The distribution, where it is not named as the application is.
    distribution: str = ""
    #: The repository, where the source distribution has no tests.
    checkout: str = ""
    #: Its environment; see `PLACES`.
    place: str = "ported"
    #: Whether its tests need plugins of pytest that import Flask: those get quartish.
    plugins: bool = False


PLACES = {
    "ported": ("ported-requirements.txt",),
    "plugin": ("ported-plugin-requirements.txt",),
    "further": ("further-requirements.txt",),
    "more-apps": ("ported-more-requirements.txt",),
}
#: What of searxng is its web application; the rest asks servers.
SEARXNG = " ".join(
    f"tests/unit/test_{part}.py" for part in ("webapp", "webadapter", "webutils", "preferences")
)
APPLICATIONS = {
    "flaskr": Application(
        "3.1.3", "-p no:asyncio tests", folder="examples/tutorial", distribution="flask"
    ),
    "httpbin": Application("0.10.4"),
    "bepasty": Application("1.2.2", "src/bepasty/tests"),
    "fava": Application("1.30.16", checkout="beancount/fava"),
    "flask-monitoringdashboard": Application("5.1.0", place="further"),
    "functions-framework": Application(
        "3.10.2", checkout="GoogleCloudPlatform/functions-framework-python"
    ),
    # Its web part.
    "beets": Application("2.14.1", "test/plugins/test_web.py", place="more-apps"),
    "searxng": Application("2026.8.22", SEARXNG, checkout="searxng/searxng", place="more-apps"),
    "ihatemoney": Application("7.2.1", "ihatemoney/tests", place="plugin", plugins=True),
}


class Outcome(t.NamedTuple):
    """What became of the tests of one side, and what the port counted."""

    tests: dict[str, str]
    counts: dict[str, int]

    def __str__(self) -> str:
        counts = Counter(self.tests.values())
        return f"{counts['passed']} / {counts['passed'] + counts['failed']}"


def environment(place: str, flask: bool) -> Path:
    """Return the Python of an environment with what the suites need, with Flask or without."""
    if flask:
        return make(place, PLACES[place])
    python = make(f"{place}-without-flask", PLACES[place])
    command = [python, "-m", "pip", "uninstall", "--yes", "--quiet", "flask"]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    found = subprocess.run([python, "-c", "import flask"], stderr=subprocess.DEVNULL)
    assert found.returncode, "Flask is not installed"
    return python


def quartish_alone(place: str) -> Path:
    """Return a folder with quartish in it, and nothing else of the checkout."""
    folder = CACHE / "import" / f"port-{place}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "quartish").unlink(missing_ok=True)
    (folder / "quartish").symlink_to(ROOT / "quartish")
    return folder


def port(root: Path, options: t.Sequence[str]) -> dict[str, int]:
    """Port the project, and return what the report counts."""
    command = [sys.executable, "-m", "quartish", "port", root, "--write", "--format", "json"]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([*command, *options], cwd=root, env=environ, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    counts: dict[str, int] = json.loads(done.stdout)["counts"]
    check = [*command[:-3], "--check", "--no-diff", *options]
    again = subprocess.run(check, cwd=root, env=environ, capture_output=True)
    assert again.returncode == 0, f"to port twice changes something: {again.stdout.decode()}"
    return counts


def run(name: str, checkout: Path | None, side: str) -> Outcome:
    """Run the tests of one side; what they print goes to a log beside the copy."""
    application = APPLICATIONS[name]
    place = application.place
    distribution = application.distribution or name
    if checkout:
        root = suites.unpack(distribution, application.release, f"port-{side}", checkout)
    else:
        home = CACHE / "suites" / f"port-{side}" / name
        root = suites.unpack_release(distribution, application.release, home)
    root /= application.folder
    options = SIDES[side]
    python = environment(place, flask=options is None)
    counts = {} if options is None else port(root, options)
    report = CACHE / "suites" / f"port-{side}" / f"{name}.xml"
    report.unlink(missing_ok=True)
    command: list[t.Any] = [python, "-m", "pytest", "-p", "no:randomly", "-p", "no:cacheprovider"]
    if application.plugins and options is not None:
        command += ["-p", "quartish.as_flask"]
    command += ["--continue-on-collection-errors", f"--junit-xml={report}"]
    command += shlex.split(application.tests)
    environ = clean_environ()
    path = [str(root), str(root / "src"), str(quartish_alone(place))]
    environ["PYTHONPATH"] = os.pathsep.join(path)
    environ["PATH"] = os.pathsep.join([str(python.parent), environ["PATH"]])
    with report.with_suffix(".log").open("wb") as log:
        streams: dict[str, t.Any] = {"stdout": log, "stderr": log, "stdin": subprocess.DEVNULL}
        try:
            subprocess.run(command, cwd=root, env=environ, timeout=TIMEOUT, **streams)
        except subprocess.TimeoutExpired:
            log.write(f"\ntook more than {TIMEOUT} s\n".encode())
    if not report.exists():
        return Outcome({}, counts)
    return Outcome(dict(suites.outcomes(ET.parse(report).getroot())), counts)


def lost(before: Outcome, after: Outcome) -> list[str]:
    """Return the tests that passed before, and do not after."""
    return [
        test
        for test, outcome in before.tests.items()
        if outcome == "passed" and after.tests.get(test) != "passed"
    ]


def row(name: str, outcomes: dict[str, Outcome]) -> str:
    """Return the line of the table."""
    chosen, every = outcomes["chosen"].counts, outcomes["all"].counts
    views = chosen.get("views", 0)
    cells = [name, APPLICATIONS[name].release, str(outcomes["before"]), str(outcomes["left"])]
    turned = "views turned to async def"
    cells += [f"{outcomes['chosen']} ({chosen.get(turned, 0)} of {views})"]
    cells += [f"{outcomes['all']} ({every.get(turned, 0)} of {views})"]
    cells += [
        str(max(len(lost(outcomes["before"], outcomes[side])) for side in ("left", "chosen")))
    ]
    return "| " + " | ".join(cells) + " |"


def page(rows: dict[str, str]) -> str:
    """Return the page with these rows of its table anew."""
    before, _, rest = PAGE.read_text("utf-8").partition("<!-- projects -->\n")
    old, _, after = rest.partition("<!-- /projects -->")
    kept = {line.split()[1]: line for line in old.splitlines() if line.startswith("| ")}
    rows = kept | rows
    lines = [
        "| project | release | on Flask | ported | views chosen | all views | lost |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(rows[name] for name in APPLICATIONS if name in rows),
    ]
    return "\n".join([before + "<!-- projects -->", *lines, "<!-- /projects -->" + after])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write docs/port.md")
    parser.add_argument("names", nargs="*", metavar="NAME|NAME=PATH")
    arguments = parser.parse_args()
    given = [name.partition("=") for name in arguments.names]
    paths = {name: Path(path).resolve() for name, _, path in given if path}
    names = [name for name, *_ in given]
    names = names or [name for name in APPLICATIONS if not APPLICATIONS[name].checkout]
    for name in names:
        if name not in APPLICATIONS:
            parser.error(f"no application is named {name}")
        if APPLICATIONS[name].checkout and name not in paths:
            parser.error(f"say {name}=PATH, a checkout of {APPLICATIONS[name].checkout}")
    rows: dict[str, str] = {}
    wrong = False
    for name in names:
        with ThreadPoolExecutor(len(SIDES)) as pool:
            found = pool.map(partial(run, name, paths.get(name)), SIDES)
        outcomes = dict(zip(SIDES, found, strict=True))
        rows[name] = row(name, outcomes)
        print(rows[name], flush=True)
        for side in ("left", "chosen", "all"):
            tests = lost(outcomes["before"], outcomes[side])
            wrong = wrong or (bool(tests) and side != "all") or not outcomes["before"].tests
            print(*(f"    {side}: {test}" for test in tests[:20]), sep="\n", flush=True)
    if arguments.write:
        PAGE.write_text(page(rows), "utf-8")
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
