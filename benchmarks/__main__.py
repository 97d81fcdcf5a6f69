"""The command: `python -m benchmarks inprocess hello`, `… wire`, `… all --write`."""

from __future__ import annotations

import argparse
import collections.abc as cabc
import signal
import subprocess
import sys
from pathlib import Path

from . import __doc__ as about
from .apps import FRAMEWORKS
from .environment import load
from .environment import make
from .environment import say
from .environment import Unable
from .footprint import measure as measure_footprint
from .groups import LIBRARIES
from .groups import measure as measure_groups
from .inprocess import measure as measure_inprocess
from .inprocess import profile
from .inprocess import PROFILED
from .report import IDLE
from .report import keep
from .report import PAGE
from .report import Table
from .report import write
from .sessions import measure as measure_sessions
from .static import measure as measure_static
from .wire import COMPARED
from .wire import measure as measure_wire
from .wire import mixed as measure_mixed
from .wire import SERVERS
from .workloads import WORKLOADS


def inprocess(python: Path, chosen: argparse.Namespace) -> list[Table]:
    """microseconds of a request inside the framework"""
    return measure_inprocess(
        python, chosen.names, chosen.workloads, chosen.rounds, chosen.seconds or 0.4, chosen.huge
    )


def profiles(python: Path, chosen: argparse.Namespace) -> list[Table]:
    """where the microseconds of a request go"""
    names = [pair for pair in PROFILED if pair[0] in (chosen.names or pair)]
    if chosen.workloads:
        names = [(name, each) for name in {n for n, _ in names} for each in chosen.workloads]
    return [profile(python, *pair, chosen.seconds or 1) for pair in names]


def footprint(python: Path, chosen: argparse.Namespace) -> list[Table]:
    """memory of an app and of an idle websocket; time of an import"""
    return measure_footprint(python, chosen.names, chosen.websockets, 2 * chosen.rounds)


def wire(python: Path, chosen: argparse.Namespace) -> list[Table]:
    """requests per second on real servers"""
    return measure_wire(
        python,
        chosen.servers or tuple(SERVERS),
        chosen.names or COMPARED,
        count=chosen.rounds,
        seconds=chosen.seconds or 3,
        connections=chosen.connections or 32,
    )


def mixed(python: Path, chosen: argparse.Namespace) -> list[Table]:
    """requests per second of views that wait for a database"""
    return measure_mixed(python, chosen.rounds, chosen.seconds or 5, chosen.connections or 200)


def groups(python: Path, chosen: argparse.Namespace) -> list[Table]:
    """messages that a group of websockets is told in a second, beside other libraries"""
    return measure_groups(
        python, chosen.names, chosen.connections or 100, chosen.rounds, chosen.seconds or 3
    )


def sessions(python: Path, chosen: argparse.Namespace) -> list[Table]:
    """microseconds of a session in the cookie and on the server"""
    return measure_sessions(python, chosen.rounds, chosen.seconds or 0.3)


def static(python: Path, chosen: argparse.Namespace) -> list[Table]:
    """bytes and time of a static file, before and after quartish digest"""
    return measure_static(python, chosen.rounds, chosen.seconds or 0.3)


#: Subcommand -> what it runs, and the section of the page that it fills.
COMMANDS: dict[str, cabc.Callable[[Path, argparse.Namespace], list[Table]]] = {
    "inprocess": inprocess,
    "profile": profiles,
    "footprint": footprint,
    "wire": wire,
    "mixed": mixed,
    "groups": groups,
    "sessions": sessions,
    "static": static,
}


def parse(arguments: cabc.Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=about)
    parser.add_argument(
        "command",
        choices=[*COMMANDS, "all", "page"],
        help="; ".join(f"{name}: {run.__doc__}" for name, run in COMMANDS.items())
        + "; all: each of these; page: write the page of what was measured before",
    )
    add = parser.add_argument
    add("names", nargs="*", metavar="framework", help=f"of {', '.join(FRAMEWORKS)}")
    add("-w", "--workloads", nargs="+", choices=WORKLOADS, default=[], metavar="NAME")
    add("-s", "--servers", nargs="+", choices=SERVERS, default=[], metavar="SERVER")
    add("-r", "--rounds", type=int, default=5, help="interleaved; the median counts (5)")
    add("-d", "--seconds", type=float, help="for each figure in each round")
    add("-c", "--connections", type=int)
    add("--websockets", type=int, default=1000, help="that wait at once (1000)")
    add("--huge", action="store_true", help="upload 1 GB, too")
    add("--here", action="store_true", help="measure what this very Python has installed")
    add(
        "--write",
        action="store_true",
        help="write docs/benchmarks/*.json, and of them docs/performance.md",
    )
    chosen = parser.parse_args(arguments)
    unknown = set(chosen.names) - set(LIBRARIES if chosen.command == "groups" else FRAMEWORKS)
    if unknown:
        parser.error(f"no such framework: {', '.join(sorted(unknown))}")
    return chosen


def main(arguments: cabc.Sequence[str] | None = None) -> int:
    chosen = parse(arguments)
    status, before = 0, load()
    if chosen.command != "page":
        try:
            python = make(chosen.here)
        except (OSError, subprocess.CalledProcessError) as error:
            say(f"the environment could not be made: {error}")
            return 2
        if before is not None and before > IDLE:
            say(f"the machine is busy (load {before:.1f}): the figures will be rough")
        for name in COMMANDS if chosen.command == "all" else [chosen.command]:
            try:
                tables = COMMANDS[name](python, chosen)
            except Unable as reason:
                say(f"SKIPPED: {name}: {reason}")
                status = 1
                continue
            print(*(table.text() for table in tables), sep="\n\n", end="\n\n", flush=True)
            if chosen.write:
                keep(name, tables, python, before)
    if chosen.write or chosen.command == "page":
        write()
        say(f"wrote {PAGE.name}")
    return status


if __name__ == "__main__":
    # Whoever ends it, ends the servers too: they are stopped as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
