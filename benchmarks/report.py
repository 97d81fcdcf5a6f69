"""Tables: on the terminal, in docs/benchmarks/*.json, and in docs/performance.md."""

from __future__ import annotations

import collections.abc as cabc
import dataclasses
import datetime
import json
import typing as t
from pathlib import Path

from .apps import OURS
from .environment import CHECKOUT
from .environment import machine
from .environment import python_of
from .environment import versions

IDLE = 0.3
"""The load of a machine that does nothing else."""
PAGE = CHECKOUT / "docs" / "performance.md"
RESULTS = CHECKOUT / "docs" / "benchmarks"
"""What was measured last, a file for each section: the page and the drawings are made of them."""

#: The sections of the page, in their order: title and what it says first.
SECTIONS = {
    "inprocess": (
        "Inside the framework",
        "Each app is called in process, as a server calls it, without a server or a socket."
        " A figure is the median over interleaved rounds of each round's best block of"
        " requests. Every answer was checked. `raw ASGI` answers with constants: it is the"
        " cost of the measurement. Flask is called as WSGI, with `def` views.",
    ),
    "profile": (
        "Where the rest goes",
        "A profiler's shares of the time that the request takes without a profiler, one"
        " module a line. `driver and view` is the measurement itself and the view.",
    ),
    "footprint": (
        "Memory and import",
        "Memory is what Python's allocator has handed out, less what the raw ASGI app takes"
        " under the same conditions.",
    ),
    "wire": (
        "Over the wire",
        "Requests per second over loopback, measured with wrk. The apps of a server are loaded one"
        " after the other for a second, in turns. In brackets: the share of what the raw ASGI app"
        " reaches on the same server, the median over all turns.",
    ),
    "mixed": (
        "Waiting for a database",
        "200 connections; each view waits 20 ms, as for a database, and answers. An `async"
        " def` view awaits; a `def` view blocks its thread.",
    ),
    "groups": (
        "Groups of websockets",
        "Each library keeps a room, in memory or by Redis. What is counted is told to sockets: a"
        " message to a hundred of them counts a hundred times.",
    ),
    "sessions": (
        "Sessions",
        "A counter in a session that is there, read and changed, by apps that are called in"
        " process. Redis is a server on loopback, SimpleCache is cachelib's, in memory. Flask is"
        " called as WSGI, with `def` views; `Flask-Session` in a row of ours is the same package,"
        " unedited.",
    ),
    "static": (
        "Static files",
        "A style sheet, as it is and as `quartish digest` makes it, by apps that are called in"
        " process. Whether it came encoded was checked.",
    ),
}


@dataclasses.dataclass
class Table:
    """Figures by row and column; None where there is none."""

    title: str
    unit: str
    columns: list[str]
    rows: list[tuple[str, list[t.Any]]]
    notes: list[str] = dataclasses.field(default_factory=list)

    def text(self) -> str:
        """Draw the table for a terminal."""
        first = max((len(name) for name, _ in self.rows), default=0) + 2
        widths = [
            max(len(column), *(len(cell(row[n])) for _, row in self.rows), 6) + 2
            for n, column in enumerate(self.columns)
        ]
        lines = [f"{self.title} ({self.unit})"]
        for name, row in [("", self.columns), *self.rows]:
            cells = (cell(v).rjust(w) for v, w in zip(row, widths, strict=True))
            lines.append(name.ljust(first) + "".join(cells))
        return "\n".join([*lines, *self.notes])

    def markdown(self) -> str:
        """Draw the table for the page."""
        lines = [f"### {self.title}", "", f"{self.unit[:1].upper()}{self.unit[1:]}.", ""]
        lines.append("| |" + "".join(f" {column} |" for column in self.columns))
        lines.append("|---|" + "---:|" * len(self.columns))
        for name, row in self.rows:
            shown = f"**{name}**" if name.partition(",")[0] in OURS else name
            lines.append(f"| {shown} |" + "".join(f" {cell(value)} |" for value in row))
        return "\n".join([*lines, "", *(f"- {note}" for note in self.notes)]).rstrip() + "\n"


def cell(value: t.Any) -> str:
    """Write one figure with about three digits."""
    if value is None:
        return "–"
    if not isinstance(value, float):
        return str(value)
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def keep(
    section: str, tables: cabc.Iterable[Table], python: Path, load: float | None = None
) -> None:
    """Keep a section's tables, with the day, the command, the machine and the versions.

    `load` is what the machine was busy with before.
    """
    RESULTS.mkdir(parents=True, exist_ok=True)
    result = {
        "command": f"python -m benchmarks {section} --write",
        "day": datetime.date.today().isoformat(),
        "machine": machine(),
        "python": python_of(python),
        "load": load,
        "versions": versions(python),
        "tables": [dataclasses.asdict(table) for table in tables],
    }
    _file(section).write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _file(section: str) -> Path:
    return RESULTS / f"{section}.json"


def page() -> str:
    """Return docs/performance.md, made of the latest result of each section."""
    parts = [
        "# Performance",
        "Written by `python -m benchmarks`, which measures quartish beside its peers in an"
        " environment that it makes itself. To measure again: `python -m benchmarks all"
        " --write`. Compare figures within a table only: another machine has others.",
    ]
    told = None
    for section, (title, introduction) in SECTIONS.items():
        if not _file(section).exists():
            continue
        result = json.loads(_file(section).read_text("utf-8"))
        named = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
        where = f"{result['machine']}, {result['python']}. With {named}."
        parts += [
            f"## {title}",
            introduction,
            f"Measured on {result['day']}{' as above.' if where == told else f': {where}'}"
            + _of_load(result["load"]),
            *(Table(**table).markdown().rstrip() for table in result["tables"]),
        ]
        told = where
    return "\n\n".join(parts) + "\n"


def _of_load(load: float | None) -> str:
    if load is None or load <= IDLE:
        return ""
    return (
        f" **The machine was busy with other work (load {load:.1f}): these figures are rough,"
        " and small differences mean nothing.**"
    )


def write() -> None:
    """Write docs/performance.md."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), "utf-8")
