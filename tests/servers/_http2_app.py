"""What only HTTP/2 has: hints, trailers, and a websocket in one of many streams."""

from __future__ import annotations

import hashlib
import typing as t

import quartish
from quartish import request
from quartish import websocket


def make(colour: type[t.Any]) -> t.Any:
    app = colour(__name__)

    @app.get("/hints")
    async def hints() -> t.Any:
        await request.send_early_hints(["</style.css>; rel=preload; as=style", "</a.js>; rel=x"])
        return {name: request.supports(name) for name in ("early_hints", "trailers", "push")}

    @app.get("/trailers")
    async def trailers() -> t.Any:
        digest = hashlib.sha256()

        async def pieces() -> t.AsyncIterator[bytes]:
            for number in range(3):
                piece = b"%d" % number * 1000
                digest.update(piece)
                yield piece

        response = app.response_class(pieces())
        response.trailers = {"Digest": digest.hexdigest}
        return response

    @app.websocket("/echo/<name>")
    async def echo(name: str) -> None:
        while True:
            said: t.Any = await websocket.receive()
            await websocket.send(f"{name} {websocket.scope['http_version']}: {said}")

    if app.plain:

        @app.get("/blocking")
        def blocking() -> t.Any:
            request.send_early_hints(["</style.css>; rel=preload"])
            return "done"

    return app


plain = make(quartish.Flask)
awaitable = make(quartish.Quart)
