"""Run Flask's, or Quart's, own test suite against quartish, and compare with what is expected.

    python tests/conformance/run.py [--flask-only | --quartish-only] [-k EXPRESSION]
        [--as-written | --async-views | --asgi-as-written | --asgi-async-views]
    python tests/conformance/run.py quart PATH [--quart-only | --quartish-only] [-k EXPRESSION]

Flask's source distribution comes from the package index into a cache outside the
repository; two environments there hold the sides. `flask` has Flask itself, for
reference. `quartish` has this checkout and no Flask: `-p quartish.as_flask` answers the
suite's imports. Each side runs the suite as written, and with every view made `async def`
(see `async_views`); quartish runs both once more by its ASGI door (see `asgi_door`).

Quart's suite is not in its source distribution: PATH is a checkout (see `quart_suite`).

The exit status is 1 when quartish differs from `flask_expected.toml` or
`quart_expected.toml` in either direction, 2 when a run could not be made.
"""

from __future__ import annotations

import argparse
import collections.abc as cabc
import hashlib
import shutil
import sys
import tarfile
import tomllib
from pathlib import Path

import quart_suite
from async_views import make_views_async
from reports import CACHE
from reports import call
from reports import CHECKOUT
from reports import differences
from reports import environment
from reports import HERE
from reports import Outcomes
from reports import play
from reports import Run
from reports import table
from reports import Unable

FLASK = "3.1.3"
SDIST_SHA256 = "0ef0e52b8a9cd932855379197dd8f94047b359ca0a78695144304cb45f87c9eb"
# pytest 9 dropped a private name that Flask's test_cli imports; Werkzeug is the release
# that the counts are known for; the rest is what Flask's own test group installs.
TOOLS = ["pytest<9", "werkzeug==3.1.9", "asgiref", "cryptography", "greenlet", "python-dotenv"]

SIDES = {"flask": [f"flask=={FLASK}"], "quartish": ["-e", str(CHECKOUT)]}
PASSES = ["as_written", "async_views", "asgi_as_written", "asgi_async_views"]


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
    """Run one pass on one side."""
    plugins = ["quartish.as_flask"] if side == "quartish" else []
    plugins += ["asgi_door"] if name.startswith("asgi") else []
    python = environment(side, SIDES[side], TOOLS)
    return play(python, f"{name}-{side}", root, plugins, options)


def main() -> int:
    if sys.argv[1:2] == ["quart"]:
        return quart_suite.main(sys.argv[2:])
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
