"""Requests per second over loopback: real servers, and wrk as their client.

Server and client are pinned to a core each where there are two, one process each.
"""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import re
import shutil
import statistics
import subprocess
import typing as t
from pathlib import Path

from .environment import say
from .environment import Unable
from .report import Table
from .rounds import in_turn
from .servers import pin
from .servers import running

TARGET = "benchmarks.served:app"

#: How each server is started: its arguments after the Python, `{port}` to be filled in.
SERVERS = {
    "Hypercorn": ("hypercorn", "-b", "127.0.0.1:{port}", "--log-level", "ERROR", TARGET),
    "uvicorn": (
        *("uvicorn", "--host", "127.0.0.1", "--port", "{port}"),
        *("--log-level", "error", "--no-access-log", TARGET),
    ),
    "granian": (
        *("granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", "{port}"),
        *("--no-log", TARGET),
    ),
    "Sanic": (
        *("sanic", TARGET, "--single-process", "--host", "127.0.0.1", "--port", "{port}"),
        *("--no-motd", "--no-access-logs"),
    ),
    "gunicorn": (
        *("gunicorn", "-b", "127.0.0.1:{port}", "--threads", "40"),
        *("--log-level", "error", TARGET),
    ),
}
ASGI_SERVERS = ("Hypercorn", "uvicorn", "granian")
COMPARED = ("raw ASGI", "quartish.Quart", "quartish.Flask", "Quart", "Starlette", "FastAPI")
#: Frameworks by servers that are not for any ASGI app.
OWN = {"Sanic": "Sanic", "gunicorn": "Flask"}

#: Scenario -> framework, server, path; each view waits for a database.
MIXED = {
    "Flask, def, gunicorn with 40 threads": ("Flask", "gunicorn", "/wait-def"),
    "Quart, def, Hypercorn": ("Quart", "Hypercorn", "/wait-def"),
    "Quart, async def, Hypercorn": ("Quart", "Hypercorn", "/wait"),
    "quartish.Flask, def, Hypercorn, 40 threads": ("quartish.Flask", "Hypercorn", "/wait-def"),
    "quartish.Flask, async def, Hypercorn": ("quartish.Flask", "Hypercorn", "/wait"),
    "quartish.Flask, def, uvicorn, 40 threads": ("quartish.Flask", "uvicorn", "/wait-def"),
    "quartish.Flask, async def, uvicorn": ("quartish.Flask", "uvicorn", "/wait"),
}


class Rate(t.NamedTuple):
    """What wrk saw: answers a second, and the slowest of 50 and of 99 in a hundred, in ms."""

    requests: float
    half: float
    most: float


@contextlib.contextmanager
def serving(python: Path, framework: str, server: str) -> cabc.Iterator[str]:
    """Serve an app; give its address. Raises Unable where the server does not start."""
    with running(python, SERVERS[server], {"BENCHMARK": framework}) as port:
        yield f"http://127.0.0.1:{port}"


def load(url: str, connections: int, seconds: float) -> Rate:
    """Ask for `url` over and over, for whole seconds, one at least.

    Raises Unable where an answer is no success.
    """
    span = max(1, round(seconds))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{span}s", "--latency", url]
    done = subprocess.run([*pin(1), *command], capture_output=True, text=True, timeout=span + 30)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    failed = re.search(r"Non-2xx.*|Socket errors.*", done.stdout)
    if done.returncode or rate is None or failed is not None or not float(rate[1]):
        raise Unable(failed[0] if failed else (done.stderr or done.stdout)[-100:].strip())
    slowest = dict(re.findall(r"^\s+(50|99)%\s+(\S+)", done.stdout, re.MULTILINE))
    return Rate(float(rate[1]), _ms(slowest["50"]), _ms(slowest["99"]))


def _ms(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(\D+)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}[unit]


def need_wrk() -> None:
    """Raise Unable where wrk is missing."""
    if shutil.which("wrk") is None:
        raise Unable("wrk is missing; it is a system package: apt-get install wrk")


def measure(
    python: Path,
    servers: cabc.Sequence[str] = tuple(SERVERS),
    names: cabc.Sequence[str] = COMPARED,
    paths: cabc.Sequence[str] = ("/", "/json"),
    count: int = 3,
    seconds: float = 3,
    connections: int = 32,
) -> list[Table]:
    """Return a table for each server, and one of frameworks with their own; `seconds` are those
    for which each path of each app is loaded in a round."""
    need_wrk()
    names = list(dict.fromkeys(("raw ASGI", *names)))
    tables = []
    for server in [server for server in servers if server in ASGI_SERVERS]:
        pairs = [(name, server) for name in names]
        rates = _rounds(python, pairs, paths, count, seconds, connections)
        rows: list[tuple[str, list[t.Any]]] = []
        for name in names:
            cells = [_share(rates, (name, server), ("raw ASGI", server), path) for path in paths]
            if any(cells):
                rows.append((name, cells))
        tables.append(Table(f"On {server}", _unit(connections), list(paths), rows))
    pairs = [(OWN[server], server) for server in servers if server in OWN]
    if pairs:
        rates = _rounds(python, pairs, paths, count, seconds, connections)
        rows = [
            (f"{name} on {server}", [_middle(rates.get(((name, server), path))) for path in paths])
            for name, server in pairs
        ]
        notes = ["gunicorn has 40 threads."]
        tables.append(Table("On other servers", _unit(connections), list(paths), rows, notes))
    return tables


def _unit(connections: int) -> str:
    pinned = "server and client pinned to a core each" if pin(0) else "not pinned"
    return f"requests per second, more is better; {connections} connections, {pinned}"


Pair = tuple[str, str]
#: What each pair answered a second to each path, by turn. A turn is the same short while for all.
Rates = dict[tuple[Pair, str], dict[tuple[int, int], float]]


def _rounds(
    python: Path,
    pairs: cabc.Sequence[Pair],
    paths: cabc.Sequence[str],
    count: int,
    seconds: float,
    connections: int,
) -> Rates:
    """Start all servers anew in each round, and load one after the other for a second, in turns:
    a machine that drifts drifts for all of them."""
    rates: Rates = {}
    for number in range(count):
        with contextlib.ExitStack() as stack:
            running: dict[Pair, str] = {}
            for pair in pairs:
                try:
                    running[pair] = stack.enter_context(serving(python, *pair))
                except Unable as reason:
                    say(f"SKIPPED: {pair[0]} on {pair[1]}: {reason}")
            servers = ", ".join(dict.fromkeys(server for _, server in running))
            for path in paths:
                say(f"round {number + 1} of {count}: {path} on {servers}")
                for turn in range(-1, max(1, round(seconds))):
                    for pair, address in list(running.items()):
                        # The floor is the same for every path.
                        url = address + ("/" if pair[0] == "raw ASGI" else path)
                        try:
                            rate = load(url, connections, 1)
                        except (Unable, subprocess.TimeoutExpired) as reason:
                            say(f"SKIPPED: {pair[0]} on {pair[1]}: {reason}")
                            del running[pair]
                        else:
                            if turn >= 0:  # the first warms up
                                rates.setdefault((pair, path), {})[number, turn] = rate.requests
    return rates


def _middle(rates: dict[t.Any, float] | None) -> float | None:
    return statistics.median(rates.values()) if rates else None


def _share(rates: Rates, pair: Pair, floor: Pair, path: str) -> str | None:
    """Return the rate, and its share of the floor's in the same turn: the median of each."""
    own, most = rates.get((pair, path)), rates.get((floor, path), {})
    rate = _middle(own)
    if own is None or rate is None:
        return None
    share = _middle({turn: own[turn] / most[turn] for turn in own.keys() & most.keys()})
    return f"{rate:,.0f}" + (f" ({share:.2f})" if share else "")


def mixed(python: Path, count: int = 3, seconds: float = 5, connections: int = 200) -> list[Table]:
    """Return what is answered while each view waits 20 ms for a database."""
    need_wrk()

    def rate(scenario: str) -> Rate:
        name, server, path = MIXED[scenario]
        with serving(python, name, server) as address:
            load(address + path, 8, 1)
            return load(address + path, connections, seconds)

    found = in_turn(MIXED, count, rate)
    rows: list[tuple[str, list[t.Any]]] = [
        (scenario, [statistics.median(figures) for figures in zip(*rates, strict=True)])
        for scenario, rates in found.items()
    ]
    unit = f"{connections} connections, one server process"
    columns = ["requests per second", "half within, ms", "99 % within, ms"]
    return [Table("A ported Flask app and gunicorn", unit, columns, rows)]
