"""The floor: an ASGI callable that answers with constants."""

from __future__ import annotations

import asyncio
import typing as t

from .content import HELLO
from .content import TEXT
from .content import WAIT

START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", TEXT.encode()), (b"content-length", b"%d" % len(HELLO))],
}
SERVED = {"/", "/echo", "/upload", "/wait"}
BODY = {"type": "http.response.body", "body": HELLO.encode()}


def small(_: t.Any) -> t.Any:
    async def app(scope: t.Any, receive: t.Any, send: t.Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            while (message := await receive())["type"] == "websocket.receive":
                await send({"type": "websocket.send", "text": message["text"]})
            return
        if scope["method"] == "POST":
            while (await receive()).get("more_body"):
                pass
        if scope["path"] == "/wait":
            await asyncio.sleep(WAIT)
        await send(START if scope["path"] in SERVED else {**START, "status": 404})
        await send(BODY)

    return app
