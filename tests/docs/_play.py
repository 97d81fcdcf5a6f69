"""Run a block of a page as a program: `python _play.py FILE`, then the tests that are in it.

It needs nothing but Python, as it runs in environments of all kinds.
"""

from __future__ import annotations

import asyncio
import inspect
import runpy
import sys

PATIENCE = 20  # seconds, for one test of a snippet


def main(path: str) -> None:
    names = runpy.run_path(path, run_name="page")
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert tests, "a block that is run so has a test of its own"
    for test in tests:
        outcome = test()
        if inspect.iscoroutine(outcome):
            asyncio.run(asyncio.wait_for(outcome, PATIENCE))
    print(f"{len(tests)} passed")


if __name__ == "__main__":
    main(sys.argv[1])
