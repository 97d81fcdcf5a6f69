"""Groups of websockets beside the libraries that others have for them: what all sockets of a room
are told, in a second, and how soon.

One server process and one of sockets, on a core each where there are two; a Redis of its own.
"""

from __future__ import annotations

import collections.abc as cabc
import contextlib
import statistics
import typing as t
from pathlib import Path

from .environment import child
from .environment import install
from .report import Table
from .rounds import in_turn
from .servers import redis_server
from .servers import running

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
    with redis_server() as url:
        install(python, PACKAGES)
        rooms = {
            f"{name}, {kept}": (*how, redis)
            for name, how in LIBRARIES.items()
            if not names or name in names
            for kept, redis in (("memory", ""), ("Redis", url))
        }

        def figures(name: str) -> dict[str, float]:
            module, server, kind, redis = rooms[name]
            with serving(python, module, server, redis, sockets) as where:
                asked = (where, kind, str(sockets), str(seconds))
                heard: dict[str, float] = child(python, "rooms.listen", *asked, timeout=180)
                return heard

        found = in_turn(rooms, count, figures)
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
def serving(
    python: Path, module: str, server: cabc.Sequence[str], redis: str, sockets: int
) -> cabc.Iterator[str]:
    """Serve a room; give its address. Raises Unable where the server does not start."""
    arguments = [part.replace("{threads}", str(sockets + 20)) for part in server]
    arguments.append(f"benchmarks.rooms.{module}:app")
    with running(python, arguments, {"ROOM_REDIS": redis}) as port:
        yield f"ws://127.0.0.1:{port}/"
