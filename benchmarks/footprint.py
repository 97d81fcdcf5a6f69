"""What an app, an idle websocket and an import cost."""

from __future__ import annotations

import collections.abc as cabc
import subprocess
import typing as t
from pathlib import Path

from .apps import FRAMEWORKS
from .environment import CHECKOUT
from .environment import child
from .environment import clean_environ
from .environment import say
from .environment import Unable
from .report import Table

LIBRARIES = ("flask", "quartish", "quart", "starlette.applications", "fastapi", "litestar", "sanic")


def measure(
    python: Path, names: cabc.Sequence[str] = (), websockets: int = 1000, count: int = 10
) -> list[Table]:
    return [memory(python, names or list(FRAMEWORKS), websockets), imports(python, count)]


def memory(python: Path, names: cabc.Sequence[str], websockets: int) -> Table:
    """Return kilobytes for an idle websocket and for an app with its 300 routes."""
    found: dict[str, dict[str, float | None]] = {}
    for name in dict.fromkeys(("raw ASGI", *names)):
        say(f"memory: {name}")
        try:
            found[name] = child(python, "holder", name, str(websockets), timeout=180)
        except Unable as reason:
            say(f"SKIPPED: {name}: {reason}")
    floor = found.pop("raw ASGI", {})
    rows: list[tuple[str, list[t.Any]]] = [
        (
            name,
            [
                None if figure is None else (figure - (floor.get(kind) or 0)) / 1000
                for kind, figure in by.items()
            ],
        )
        for name, by in found.items()
    ]
    columns = ["app", "idle websocket"]
    notes = [
        "app: what a further app of some 310 routes holds after its first request.",
        "idle websocket: accepted, it echoed one message and waits for the next.",
    ]
    return Table("Memory", "kilobytes, less is better", columns, rows, notes)


def imports(python: Path, count: int) -> Table:
    """Return milliseconds of an import in a fresh process, and the process's memory after."""
    code = (
        "import sys, time; begin = time.perf_counter(); __import__(sys.argv[1]);"
        " print(time.perf_counter() - begin)\n"
        "try:\n"
        "    import resource\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
        "except ImportError:\n"
        "    print(0)"
    )
    best: dict[str, tuple[float, float]] = {}
    skipped: set[str] = set()
    for _ in range(count):
        for library in LIBRARIES:
            done = subprocess.run(
                [str(python), "-c", code, library],
                cwd=CHECKOUT,
                env=clean_environ(),
                capture_output=True,
                text=True,
                timeout=60,
            )
            if done.returncode:
                if library not in skipped:
                    say(f"SKIPPED: import {library}: {done.stderr.strip().splitlines()[-1]}")
                skipped.add(library)
                continue
            seconds, memory = map(float, done.stdout.split())
            known = best.get(library, (seconds, memory))
            best[library] = (min(known[0], seconds), min(known[1], memory))
    flask = best.get("flask", (None, None))[0]
    rows: list[tuple[str, list[t.Any]]] = [
        (
            f"import {library}",
            [seconds * 1e3, seconds / flask if flask else None, memory / 1024],
        )
        for library, (seconds, memory) in best.items()
    ]
    columns = ["ms", "share of Flask's", "MB in all"]
    return Table("Import", f"best of {count} fresh processes, less is better", columns, rows)
