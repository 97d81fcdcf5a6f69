"""quartish.groups."""

from __future__ import annotations

from quartish import Flask
from quartish import websocket
from quartish.groups import Groups

from . import REDIS

app = Flask(__name__)
groups = Groups(app, REDIS, prefix="bench", history=0)


@app.websocket("/")
async def room() -> None:
    async with groups.join("room"):
        await websocket.send("joined")
        async for text in websocket:
            await groups.send("room", text)
