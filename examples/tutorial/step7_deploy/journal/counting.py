"""Every so often open pages are told how many entries there are."""

from __future__ import annotations

import asyncio
import sqlite3
import typing as t

from quartish import Blueprint
from quartish import current_app

from .live import announce

bp = Blueprint("counting", __name__)


def count(database: str) -> int:
    """Count the entries. Blocks, so it is called in a thread."""
    connection = sqlite3.connect(database)
    try:
        number: int = connection.execute("SELECT count(*) FROM entry").fetchone()[0]
    finally:
        connection.close()
    return number


async def tell_how_many() -> None:
    number = await asyncio.to_thread(count, current_app.config["DATABASE"])
    await announce({"count": number})


@bp.record_once
def begin(state: t.Any) -> None:
    """Count from the app's start-up to its shutdown."""
    state.app.every(seconds=state.app.config["COUNT_EVERY"])(tell_how_many)
