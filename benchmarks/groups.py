"""Groups of websockets beside the libraries that others have for them: what all sockets of a room
are told, in a second, and how soon.

One server process and one of sockets, on a core each where there are two; a Redis of its own.
"""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

from .environment import CHECKOUT
from .environment import child
from .environment import clean_environ
from .environment import install
from .environment import say
from .environment import Unable
from .report import Table
from .wire import await_listener
from .wire import pin

PACKAGES = [
    *("redis<6", "websockets", "uvicorn", "gunicorn", "starlette", "broadcaster[redis]"),
    *("flask", "flask-socketio", "simple-websocket", "channels", "channels-redis", "django"),
]
UVICORN = ("uvicorn", "--log-level", "error", "--ws", "websockets-sansio", "--port", "{port}")
#: Library -> its module, its server, and what its sockets speak.
LIBRARIES = {
    "quartish.groups": ("with_quartish", UVICORN, "plain"),
    "broadcaster": ("with_broadcaster", UVICORN, "plain"),
    "channels": ("with_channels", (*UVICORN, "--lifespan", "off"), "plain"),
    "Flask-SocketIO": (
        "with_socketio",
        ("gunicorn", "--log-level", "error", "--threads", "{threads}", "-b", "127.0.0.1:{port}"),
        "socketio",
    ),
}


def measure(
    python: Path, names: cabc.Sequence[str], sockets: int, count: int, seconds: float
) -> list[Table]:
    """Return messages a second and milliseconds, each in memory and by Redis."""
    if shutil.which("redis-server") is None:
        raise Unable("there is no redis-server on the PATH")
    install(python, PACKAGES)
    found: dict[str, list[dict[str, float]]] = {}
    with redis_server() as url:
        for turn in range(count):
            for name, (module, server, kind) in LIBRARIES.items():
                if names and name not in names:
                    continue
                for kept, redis in (("memory", ""), ("Redis", url)):
                    say(f"groups: {name}, {kept}, {turn + 1} of {count}")
                    try:
                        with serving(python, module, server, redis, sockets) as where:
                            asked = (where, kind, str(sockets), str(seconds))
                            figures = child(python, "rooms.listen", *asked, timeout=180)
                    except Unable as reason:
                        say(f"SKIPPED: {name}, {kept}: {reason}")
                        continue
                    found.setdefault(f"{name}, {kept}", []).append(figures)
    best = {
        name: {figure: statistics.median(each[figure] for each in rounds) for figure in rounds[0]}
        for name, rounds in found.items()
    }
    rows: list[tuple[str, list[t.Any]]] = []
    for name, figures in best.items():
        ours = best.get("quartish.groups," + name.partition(",")[2])
        share = figures["a second"] / ours["a second"] if ours else None
        rows.append((name, [figures["a second"], share, figures["ms"]]))
    columns = ["told a second", "share of quartish's", "ms until all have it"]
    notes = [
        f"{sockets} sockets in one room; one of them speaks, 16 messages ahead of the slowest.",
        "uvicorn serves all but Flask-SocketIO, which gunicorn does, by threads.",
    ]
    return [Table("Groups of websockets", "median of the rounds", columns, rows, notes)]


@contextlib.contextmanager
def redis_server() -> cabc.Iterator[str]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--save", "", "--dir", folder]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            await_listener(process, port)
            yield f"redis://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


@contextlib.contextmanager
def serving(
    python: Path, module: str, server: cabc.Sequence[str], redis: str, sockets: int
) -> cabc.Iterator[str]:
    """Serve a room; give its address. Raises Unable where the server does not start."""
    port = free_port()
    arguments = [part.format(port=port, threads=sockets + 20) for part in server]
    process = subprocess.Popen(
        [*pin(0), str(python), "-m", *arguments, f"benchmarks.rooms.{module}:app"],
        cwd=CHECKOUT,
        env=clean_environ() | {"ROOM_REDIS": redis},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=sys.stderr if os.environ.get("ROOM_LOG") else subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        await_listener(process, port)
        yield f"ws://127.0.0.1:{port}/"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
