"""What a request costs inside the framework: apps called in process, no server, no socket."""

from __future__ import annotations

import collections.abc as cabc
import statistics
import typing as t
from pathlib import Path

from .apps import FRAMEWORKS
from .apps import OURS
from .environment import child
from .environment import say
from .report import Table
from .rounds import in_turn
from .workloads import HUGE
from .workloads import LARGE
from .workloads import MORE
from .workloads import SMALL
from .workloads import TYPED
from .workloads import Workload
from .workloads import WORKLOADS

Found = dict[str, dict[str, float]]  # framework -> workload -> seconds

SMALLEST = 0.01
"""The share of a module that a profile has a line for."""
NOTES = {
    "def": "a `def` view: thread lane, thread pool or executor; Flask calls it where it is."
    " Where threads have more cores than one, each is woken later, in all of them alike",
    "hooks": "ten synchronous hooks around an async view",
    "nested": "a view three blueprints deep, a hook in each",
    "body": "1 kB of JSON, checked, made an object",
    "query": "four values of the query string",
    "path": "a number in the path",
    "422": "a body with four faults; Litestar answers 400 with the first, BlackSheep checks none of"
    " a dataclass",
    "components": "a chain of three, each made by a function",
    "upload": "10 MB as multipart/form-data",
    "upload 1 GB": "1 GB as multipart/form-data",
    "download": "100 MB from a file",
    "pathsend": "the same where the server sends files itself",
}


def rounds(
    python: Path,
    names: cabc.Sequence[str],
    workloads: cabc.Sequence[str],
    count: int,
    seconds: float,
) -> Found:
    """Measure frameworks in turn, `count` times over; return the medians.

    What cannot be measured is named, and left out.
    """
    patience = 60 + len(workloads) * (seconds + 20)

    def figures(name: str) -> dict[str, float]:
        answer = child(python, "driver", name, str(seconds), *workloads, timeout=patience)
        taken = {}
        for workload, figure in answer.items():
            if isinstance(figure, str):
                say(f"SKIPPED: {name}, {workload}: {figure}")
            elif figure is not None:
                taken[workload] = figure
        return taken

    found: Found = {}
    for name, answers in in_turn(names, count, figures).items():
        by: dict[str, list[float]] = {}
        for answer in answers:
            for workload, figure in answer.items():
                by.setdefault(workload, []).append(figure)
        found[name] = {workload: statistics.median(each) for workload, each in by.items()}
    return found


def measure(
    python: Path,
    names: cabc.Sequence[str] = (),
    workloads: cabc.Sequence[str] = (),
    count: int = 5,
    seconds: float = 0.4,
    huge: bool = False,
) -> list[Table]:
    """Return the tables of small requests, of Flask's features, and of large bodies."""
    names = names or list(FRAMEWORKS)
    groups = (SMALL, MORE, TYPED, (*LARGE, *HUGE) if huge else LARGE)
    wanted = set(workloads or [workload.name for group in groups for workload in group])
    found = rounds(python, names, [name for name in WORKLOADS if name in wanted], count, seconds)
    titles = (
        *("Microseconds for a request", "What Flask has and others may not"),
        *("Typed views", "Large bodies"),
    )
    tables = []
    for title, group in zip(titles, groups, strict=True):
        chosen = [workload for workload in group if workload.name in wanted]
        if chosen:
            tables.append(_table(title, found, chosen, 1e3 if group[0] in LARGE else 1e6))
    return tables


def _table(title: str, found: Found, workloads: cabc.Sequence[Workload], scale: float) -> Table:
    columns = [workload.name for workload in workloads]
    rows: list[tuple[str, list[t.Any]]] = [
        (name, [by[column] * scale if column in by else None for column in columns])
        for name, by in found.items()
        if any(column in by for column in columns)
    ]
    unit = "milliseconds" if scale == 1e3 else "microseconds"
    notes = [f"{column}: {NOTES[column]}." for column in columns if column in NOTES]
    if "ws" in columns:
        notes.append("ws is one message echoed over an open websocket.")
    return Table(title, f"{unit}, less is better", columns, rows, notes)


def profile(python: Path, name: str, workload: str, seconds: float) -> Table:
    """Return where the time of a workload goes, by module: a profiler's shares of the time
    that it takes without one."""
    cost = child(python, "driver", name, str(seconds), workload, timeout=120)[workload] * 1e6
    shares: dict[str, float] = child(
        python, "driver", name, str(seconds), workload, "--profile", timeout=120
    )
    rows: list[tuple[str, list[t.Any]]] = [
        (room, [share * cost, f"{share:.0%}"])
        for room, share in sorted(shares.items(), key=lambda item: -item[1])
        if share >= SMALLEST
    ]
    rest = sum(share for share in shares.values() if share < SMALLEST)
    rows.append(("the rest", [rest * cost, f"{rest:.0%}"]))
    title = f"Where the {cost:.1f} microseconds of {workload} go in {name}"
    return Table(title, "by module, as the profiler divides them", ["us", "share"], rows, [])


PROFILED = [(name, workload) for name in OURS for workload in ("hello", "param", "form")]
