"""What `test_processes` serves: one group for all, through Redis."""

from __future__ import annotations

import os

import quartish
from quartish.groups import Groups


def create_app() -> quartish.Flask:
    app = quartish.Flask(__name__)
    groups = Groups(app, os.environ["GROUPS_URL"], queue=1000, patience=60)

    @app.websocket("/")
    async def live() -> None:
        async with groups.join("all", info=os.getpid()) as me:
            await quartish.websocket.send("joined")
            async for text in quartish.websocket:
                await me.send(text)

    @app.get("/members")
    async def members() -> dict[str, int]:
        found = await groups.members("all")
        return {"members": len(found), "processes": len(set(found))}

    @app.post("/say/<text>")
    async def say(text: str) -> str:
        await groups.send("all", text)
        return text

    return app
