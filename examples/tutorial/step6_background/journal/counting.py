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


async def keep_counting(database: str, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            number = await asyncio.to_thread(count, database)
        except sqlite3.Error as error:
            current_app.logger.warning("The entries were not counted: %s", error)
        else:
            await announce({"count": number})


@bp.while_app_serving
async def counting() -> t.AsyncIterator[None]:
    """Count from start-up to shutdown."""
    config = current_app.config
    task = asyncio.create_task(keep_counting(config["DATABASE"], config["COUNT_EVERY"]))
    yield
    task.cancel()
