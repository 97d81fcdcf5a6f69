"""For Sanic; its own server serves it over the wire."""

from __future__ import annotations

import asyncio
import itertools
import typing as t

from sanic import json as json_response
from sanic import Sanic
from sanic import text

from .content import BYTES
from .content import CHUNK
from .content import CHUNKS
from .content import HELLO
from .content import ROUTES
from .content import WAIT

_numbers = itertools.count()  # a name is taken once in a process


def small(_: t.Any) -> t.Any:
    app = Sanic(f"benchmarks{next(_numbers)}", configure_logging=False)
    app.config.ACCESS_LOG = False

    @app.get("/")
    async def hello(request: t.Any) -> t.Any:
        return text(HELLO)

    @app.get("/json")
    async def json(request: t.Any) -> t.Any:
        return json_response({"message": HELLO})

    @app.get("/user/<user:int>/post/<post:str>")
    async def param(request: t.Any, user: int, post: str) -> t.Any:
        return json_response({"user": user, "post": post})

    @app.post("/form")
    async def form(request: t.Any) -> t.Any:
        return text(request.form.get("a") + request.form.get("b"))

    @app.post("/echo")
    async def echo(request: t.Any) -> t.Any:
        return json_response(request.json)

    @app.get("/stream")
    async def stream(request: t.Any) -> None:
        response = await request.respond(content_type=BYTES)
        for _ in range(CHUNKS):
            await response.send(CHUNK)
        await response.eof()

    @app.get("/wait")
    async def wait(request: t.Any) -> t.Any:
        await asyncio.sleep(WAIT)
        return text(HELLO)

    for n in range(ROUTES):

        @app.get(f"/r{n}/<i:int>", name=f"r{n}")
        async def route(request: t.Any, i: int) -> t.Any:
            return text(str(i))

    @app.websocket("/ws")
    async def ws(request: t.Any, websocket: t.Any) -> None:
        while (message := await websocket.recv()) is not None:
            await websocket.send(message)

    return app
