"""For BlackSheep, whose inside is compiled."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from blacksheep import Application
from blacksheep import FromJSON
from blacksheep import FromQuery
from blacksheep import json as json_response
from blacksheep import Request
from blacksheep import Response
from blacksheep import Router
from blacksheep import StreamedContent
from blacksheep import text
from blacksheep import WebSocket

from .content import BYTES
from .content import chunks_async
from .content import HELLO
from .content import ROUTES
from .typed_views import Database
from .typed_views import Settings


def small(_: t.Any) -> t.Any:
    app = Application(show_error_details=False)
    route = app.router

    @route.get("/")
    async def hello() -> Response:
        return text(HELLO)

    @route.get("/json")
    async def json() -> Response:
        return json_response({"message": HELLO})

    @route.get("/user/{int:user}/post/{title}")
    async def param(user: int, title: str) -> Response:
        return json_response({"user": user, "post": title})

    @route.post("/form")
    async def form(request: Request) -> Response:
        fields: t.Any = await request.form()
        return text(fields["a"] + fields["b"])

    @route.post("/echo")
    async def echo(request: Request) -> Response:
        return json_response(await request.json())

    @route.get("/stream")
    async def stream() -> Response:
        return Response(200, content=StreamedContent(BYTES.encode(), chunks_async))

    for n in range(ROUTES):

        @route.get(f"/r{n}/{{int:i}}")
        async def view(i: int) -> Response:
            return text(str(i))

    @route.ws("/ws")
    async def ws(websocket: WebSocket) -> None:
        await websocket.accept()
        while True:
            await websocket.send_text(await websocket.receive_text())

    return app


@dataclass
class PostedLine:
    sku: str
    quantity: int
    price: float


@dataclass
class Posted:
    id: int
    customer: str
    lines: list[PostedLine]


class Found:
    """The user; components of BlackSheep's are made by their classes."""

    def __init__(self, database: Database) -> None:
        self.name = database.users["secret"]


def typed(_: t.Any) -> t.Any:
    app = Application(show_error_details=False, router=Router())  # not the process's one
    route = app.router
    app.services.add_transient(Settings)
    app.services.add_transient(Database)
    app.services.add_transient(Found)

    @route.post("/order")
    async def order(data: FromJSON[Posted]) -> Response:
        return json_response({"lines": len(data.value.lines)})

    @route.get("/search")
    async def search(
        q: FromQuery[str], page: FromQuery[int], size: FromQuery[int], exact: FromQuery[bool]
    ) -> Response:
        found = {"q": q.value, "page": page.value, "size": size.value, "exact": exact.value}
        return json_response(found)

    @route.get("/item/{number}")
    async def item(number: int) -> Response:
        return json_response({"number": number})

    @route.get("/me")
    async def me(user: Found) -> Response:
        return json_response({"name": user.name})

    return app
