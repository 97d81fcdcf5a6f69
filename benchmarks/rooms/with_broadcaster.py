"""broadcaster, in Starlette, as its documentation has a chat."""

from __future__ import annotations

import asyncio
import typing as t
from contextlib import asynccontextmanager

from broadcaster import Broadcast
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from . import REDIS

broadcast = Broadcast(REDIS or "memory://")


async def room(websocket: WebSocket) -> None:
    await websocket.accept()

    async def hear() -> None:
        async for text in websocket.iter_text():
            await broadcast.publish(channel="room", message=text)

    async with broadcast.subscribe(channel="room") as subscriber:
        await websocket.send_text("joined")
        hearing = asyncio.create_task(hear())
        async for event in subscriber:
            await websocket.send_text(event.message)
        hearing.cancel()


@asynccontextmanager
async def lifespan(app: Starlette) -> t.AsyncIterator[None]:
    await broadcast.connect()
    yield
    await broadcast.disconnect()


app = Starlette(routes=[WebSocketRoute("/", room)], lifespan=lifespan)
