"""An app with sessions in the Redis that `REDIS_URL` names, for a server."""

from __future__ import annotations

import os
import typing as t

import quartish
from quartish.sessions import RedisSessionInterface

cls: t.Any = getattr(quartish, os.environ.get("COLOUR", "Flask"))
app = cls("served")
app.session_interface = sessions = RedisSessionInterface(os.environ["REDIS_URL"])
session: t.Any = quartish.session


@app.post("/login/<user>")  # type: ignore[untyped-decorator, unused-ignore]
async def login(user: str) -> str:
    session.regenerate()
    session["_user_id"] = user
    return "welcome"


@app.post("/count")  # type: ignore[untyped-decorator, unused-ignore]
def count() -> str:
    session["count"] = session.get("count", 0) + 1
    return str(session["count"])


@app.get("/")  # type: ignore[untyped-decorator, unused-ignore]
async def show() -> t.Any:
    return dict(session)


@app.post("/end")  # type: ignore[untyped-decorator, unused-ignore]
async def end() -> str:
    return str(await sessions.end_sessions(session["_user_id"]))


@app.websocket("/ws")  # type: ignore[untyped-decorator, unused-ignore]
async def ws() -> None:
    session["by"] = await quartish.websocket.receive()
    await quartish.websocket.send(session["_user_id"])
