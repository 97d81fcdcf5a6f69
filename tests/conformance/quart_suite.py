"""Run Quart's own test suite, from a checkout of its repository, on Quart and on quartish.

    python tests/conformance/run.py quart PATH [--quart-only | --quartish-only] [-k EXPRESSION]

PATH is a checkout of github.com/pallets/quart, of the release below or near it. Its tests are
copied out of it, away from Quart's source. A test counts where the released Quart passes
it; quartish, which answers the suite's imports by `-p quartish.as_quart`, has to pass it as
well, or be excused in `quart_expected.toml`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tomllib
from pathlib import Path

from reports import CACHE
from reports import CHECKOUT
from reports import differences
from reports import environment
from reports import HERE
from reports import Outcomes
from reports import play
from reports import Run
from reports import table
from reports import Unable

QUART = "0.22.0"
# What Quart's own test group installs, and what its command line looks like under click 8.1.
TOOLS = ["pytest", "pytest-asyncio", "hypothesis", "python-dotenv", "werkzeug==3.1.9"]
SIDES = {"quart": [f"quart=={QUART}"], "quartish": ["-e", str(CHECKOUT)]}


def copy_of_tests(checkout: Path) -> Path:
    """Return a folder that has the checkout's tests and settings alone."""
    for part in ("tests", "pyproject.toml"):
        if not (checkout / part).exists():
            raise Unable(f"{checkout} is no checkout of Quart: it has no {part}")
    root = CACHE / "quart-suite"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(checkout / "tests", root / "tests")
    shutil.copy(checkout / "pyproject.toml", root)
    return root


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="run.py quart", description=__doc__.partition("\n")[0])
    parser.add_argument("path", type=Path, metavar="PATH")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--quart-only", dest="sides", action="store_const", const=["quart"])
    only.add_argument("--quartish-only", dest="sides", action="store_const", const=["quartish"])
    parser.add_argument("-k", metavar="EXPRESSION", help="as for pytest")
    given = parser.parse_args(arguments)
    options = ["-o", "addopts=", "--continue-on-collection-errors"]
    options += ["-k", given.k] if given.k else []
    expected = tomllib.loads((HERE / "quart_expected.toml").read_text("utf-8"))

    CACHE.mkdir(parents=True, exist_ok=True)
    results: dict[Run, Outcomes] = {}
    try:
        root = copy_of_tests(given.path)
        for side in given.sides or SIDES:
            python = environment(f"quarts-{side}", SIDES[side], TOOLS)
            plugins = ["quartish.as_quart"] if side == "quartish" else []
            results["as_written", side] = play(python, f"quart-{side}", root, plugins, options)
    except (Unable, OSError) as error:
        print(error, file=sys.stderr)
        return 2

    print(*table(results), sep="\n")
    found = []
    if (outcome := results.get(("as_written", "quartish"))) is not None:
        reference = results.get(("as_written", "quart"), {})
        # What Quart itself fails says nothing; that quartish passes it does no harm.
        beyond = {test for test, result in reference.items() if result != "passed"}
        counting = {test: result for test, result in outcome.items() if test not in beyond}
        counting |= {
            test: "missing"
            for test, result in reference.items()
            if test not in outcome and result == "passed"
        }
        found = list(differences(counting, expected["not_passed"], not given.k))
    print(*found, sep="\n")
    print(f"{len(found)} differences from what is expected; logs are in {CACHE}")
    return bool(found)
