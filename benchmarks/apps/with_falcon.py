"""For Falcon, whose hot path is compiled."""

from __future__ import annotations

import typing as t

import falcon
import falcon.asgi

from .content import chunks_async
from .content import HELLO
from .content import ROUTES


class Hello:
    async def on_get(self, request: t.Any, response: t.Any) -> None:
        response.content_type = falcon.MEDIA_TEXT
        response.text = HELLO


class Json:
    async def on_get(self, request: t.Any, response: t.Any) -> None:
        response.media = {"message": HELLO}


class Param:
    async def on_get(self, request: t.Any, response: t.Any, user: int, post: str) -> None:
        response.media = {"user": user, "post": post}


class Form:
    async def on_post(self, request: t.Any, response: t.Any) -> None:
        fields = await request.get_media()
        response.text = fields["a"] + fields["b"]


class Echo:
    async def on_post(self, request: t.Any, response: t.Any) -> None:
        response.media = await request.get_media()


class Stream:
    async def on_get(self, request: t.Any, response: t.Any) -> None:
        response.stream = chunks_async()


class Route:
    async def on_get(self, request: t.Any, response: t.Any, i: int) -> None:
        response.text = str(i)


class Ws:
    async def on_websocket(self, request: t.Any, websocket: t.Any) -> None:
        await websocket.accept()
        while True:
            await websocket.send_text(await websocket.receive_text())


def small(_: t.Any) -> t.Any:
    app = falcon.asgi.App()
    app.add_route("/", Hello())
    app.add_route("/json", Json())
    app.add_route("/user/{user:int}/post/{post}", Param())
    app.add_route("/form", Form())
    app.add_route("/echo", Echo())
    app.add_route("/stream", Stream())
    app.add_route("/ws", Ws())
    for n in range(ROUTES):
        app.add_route(f"/r{n}/{{i:int}}", Route())
    return app
