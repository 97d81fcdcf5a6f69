"""Pages that are open see entries come: each has a websocket, and a queue in `listeners`."""

from __future__ import annotations

import asyncio
import typing as t

from quartish import Blueprint
from quartish import current_app
from quartish import websocket

WAITING = 100  # messages for one who reads slowly; then some are left out

bp = Blueprint("live", __name__)


def listeners() -> set[asyncio.Queue[dict[str, t.Any]]]:
    """Return the queues of the pages that are open in this process."""
    found: set[asyncio.Queue[dict[str, t.Any]]]
    found = current_app.extensions.setdefault("listeners", set())
    return found


async def announce(message: dict[str, t.Any]) -> None:
    """Tell every open page. On the event loop, as queues are no one else's."""
    for queue in listeners():
        if not queue.full():
            queue.put_nowait(message)


@bp.websocket("/live")
async def live() -> None:
    queue: asyncio.Queue[dict[str, t.Any]] = asyncio.Queue(WAITING)
    listeners().add(queue)
    try:
        await websocket.send_json({"listening": True})
        while True:
            await websocket.send_json(await queue.get())
    finally:
        listeners().discard(queue)
