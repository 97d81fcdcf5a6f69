"""docs/architecture.md names the rooms that there are, and all of them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
#: Modules and functions of the drawn trips, as `room.function`.
STEPS = re.compile(r"\b((?:asgi|_dispatch)/\w+|wsgi|coroutines|flow|exchange)\.(\w+)")
ROOMS = {
    "wsgi": "wsgi.py",
    "coroutines": "_concurrency/coroutines.py",
    "flow": "_dispatch/flow.py",
    "exchange": "asgi/*.py",
}


def test_every_room_is_there() -> None:
    named = re.findall(r"`(quartish/[\w./]+)`", PAGE)
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_package_is_named() -> None:
    packages = {f"quartish/{path.parent.name}/" for path in ROOT.glob("quartish/*/__init__.py")}
    assert packages - {*re.findall(r"`(quartish/\w+/)`", PAGE)} == set()


def test_every_step_of_a_trip_is_a_function() -> None:
    steps = {
        (room, name) for room, name in STEPS.findall(PAGE) if name not in ("py", "md", "scope")
    }
    assert len(steps) > 8
    lost = []
    for room, name in sorted(steps):
        files = ROOT.glob(f"quartish/{ROOMS.get(room, f'{room}.py')}")
        if not any(re.search(rf"def {name}\b", file.read_text()) for file in files):
            lost.append(f"{room}.{name}")
    assert lost == []
