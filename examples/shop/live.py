"""Live stock: every open page holds a websocket and hears of each change.

A listener is woken, not told: it then sends what the database says now. So a slow client
skips what is past, and no order of messages can leave a page wrong.
"""

from __future__ import annotations

import asyncio
import typing as t
from functools import partial

from quartish import Blueprint
from quartish import current_app
from quartish import websocket

from .catalogue import shelf
from .extensions import cache
from .extensions import db
from .models import Product

bp = Blueprint("live", __name__)
listeners: set[t.Callable[[], t.Any]] = set()  # of this process; each may be called from any thread


@bp.websocket("/live")
async def live() -> None:
    changed = asyncio.Event()
    wake = partial(asyncio.get_running_loop().call_soon_threadsafe, changed.set)
    listeners.add(wake)
    try:
        while True:
            changed.clear()
            await websocket.send_json(await asyncio.to_thread(levels))
            await changed.wait()
    finally:
        listeners.discard(wake)


def levels() -> dict[int, int]:
    """Return the stock by product, in a context of its own: a socket must keep no connection."""
    with current_app.app_context():
        rows = db.session.execute(db.select(Product.id, Product.stock))
        return {row.id: row.stock for row in rows}


def announce() -> None:
    """Let everyone know that committed stock has changed."""
    cache.delete_memoized(shelf)
    for wake in tuple(listeners):
        wake()
