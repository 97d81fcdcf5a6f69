"""For Litestar."""

from __future__ import annotations

import typing as t

from litestar import get
from litestar import Litestar
from litestar import MediaType
from litestar import post
from litestar import WebSocket
from litestar import websocket
from litestar.datastructures import UploadFile
from litestar.di import Provide
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.params import Parameter
from litestar.response import File
from litestar.response import Stream

from .content import BYTES
from .content import chunks_async
from .content import FILE
from .content import HELLO
from .content import ROUTES
from .typed_views import Database
from .typed_views import Order
from .typed_views import Settings
from .typed_views import User


def small(_: t.Any) -> t.Any:
    @get("/", media_type=MediaType.TEXT)
    async def hello() -> str:
        return HELLO

    @get("/json")
    async def json() -> dict[str, str]:
        return {"message": HELLO}

    @get("/user/{user:int}/post/{title:str}")
    async def param(user: int, title: str) -> dict[str, t.Any]:
        return {"user": user, "post": title}

    @post("/form", media_type=MediaType.TEXT)
    async def form(
        data: t.Annotated[dict[str, t.Any], Body(media_type=RequestEncodingType.URL_ENCODED)],
    ) -> str:
        return str(data["a"]) + str(data["b"])

    @post("/echo")
    async def echo(data: dict[str, t.Any]) -> dict[str, t.Any]:
        return data

    @get("/stream")
    async def stream() -> Stream:
        return Stream(chunks_async(), media_type=BYTES)

    @get("/def", media_type=MediaType.TEXT, sync_to_thread=True)
    def in_thread() -> str:
        return HELLO

    @post("/upload", media_type=MediaType.TEXT, request_max_body_size=None)
    async def upload(
        data: t.Annotated[UploadFile, Body(media_type=RequestEncodingType.MULTI_PART)],
    ) -> str:
        data.file.seek(0, 2)
        return str(data.file.tell())

    @get("/download", media_type=BYTES)
    async def download() -> File:
        return File(FILE)

    handlers = []
    for n in range(ROUTES):

        @get(f"/r{n}/{{i:int}}", media_type=MediaType.TEXT)
        async def route(i: int) -> str:
            return str(i)

        handlers.append(route)

    @websocket("/ws")
    async def ws(socket: WebSocket) -> None:
        await socket.accept()
        async for message in socket.iter_data():
            await socket.send_text(message)

    return Litestar(
        [hello, json, param, form, echo, stream, in_thread, upload, download, ws, *handlers],
        openapi_config=None,
    )


async def open_settings() -> Settings:
    return Settings()


async def open_database(settings: Settings) -> Database:
    return Database(settings)


async def find_user(database: Database) -> User:
    return User(database.users["secret"])


def typed(_: t.Any) -> t.Any:
    @post("/order", status_code=200)
    async def order(data: Order) -> dict[str, int]:
        return {"lines": len(data.lines)}

    @get("/search")
    async def search(
        q: str,
        page: t.Annotated[int, Parameter(ge=1)],
        size: t.Annotated[int, Parameter(le=100)],
        exact: bool,
    ) -> dict[str, t.Any]:
        return {"q": q, "page": page, "size": size, "exact": exact}

    @get("/item/{number:int}")
    async def item(number: int) -> dict[str, int]:
        return {"number": number}

    @get(
        "/me",
        dependencies={
            "settings": Provide(open_settings),
            "database": Provide(open_database),
            "user": Provide(find_user),
        },
    )
    async def me(user: User) -> dict[str, str]:
        return {"name": user.name}

    return Litestar([order, search, item, me], openapi_config=None)
