"""For FastAPI, which checks what comes in and ships no sessions."""

from __future__ import annotations

import asyncio
import typing as t

from fastapi import Body
from fastapi import Depends
from fastapi import FastAPI
from fastapi import Form
from fastapi import Query
from fastapi import UploadFile
from fastapi import WebSocket
from fastapi.responses import FileResponse
from fastapi.responses import PlainTextResponse
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from pydantic import Field

from .content import BYTES
from .content import chunks_async
from .content import FILE
from .content import HELLO
from .content import ROUTES
from .content import WAIT


def small(_: t.Any) -> t.Any:
    app = FastAPI()

    @app.get("/", response_class=PlainTextResponse)
    async def hello() -> t.Any:
        return HELLO

    @app.get("/json")
    async def json() -> t.Any:
        return {"message": HELLO}

    @app.get("/user/{user}/post/{post}")
    async def param(user: int, post: str) -> t.Any:
        return {"user": user, "post": post}

    @app.post("/form", response_class=PlainTextResponse)
    async def form(a: str = Form(), b: str = Form()) -> t.Any:
        return a + b

    @app.post("/echo")
    async def echo(data: dict[str, t.Any] = Body()) -> t.Any:  # noqa: B008
        return data

    @app.get("/stream")
    async def stream() -> t.Any:
        return StreamingResponse(chunks_async(), media_type=BYTES)

    @app.get("/def", response_class=PlainTextResponse)
    def in_thread() -> t.Any:
        return HELLO

    @app.post("/upload", response_class=PlainTextResponse)
    async def upload(file: UploadFile) -> t.Any:
        return str(file.size)

    @app.get("/download")
    async def download() -> t.Any:
        return FileResponse(FILE, media_type=BYTES)

    @app.get("/wait", response_class=PlainTextResponse)
    async def wait() -> t.Any:
        await asyncio.sleep(WAIT)
        return HELLO

    for n in range(ROUTES):

        @app.get(f"/r{n}/{{i}}", response_class=PlainTextResponse)
        async def route(i: int) -> t.Any:
            return str(i)

    @app.websocket("/ws")
    async def ws(websocket: WebSocket) -> None:
        await websocket.accept()
        async for message in websocket.iter_text():
            await websocket.send_text(message)

    return app


class Line(BaseModel):
    sku: str = Field(max_length=20)
    quantity: int = Field(ge=1)
    price: float


class Order(BaseModel):
    id: int
    customer: str = Field(min_length=1)
    lines: list[Line]


class User:
    def __init__(self, name: str) -> None:
        self.name = name


async def open_settings() -> dict[str, str]:
    return {"token": "secret"}


async def open_database(
    settings: t.Annotated[dict[str, str], Depends(open_settings)],
) -> dict[str, str]:
    return {settings["token"]: "Ada"}


async def find_user(database: t.Annotated[dict[str, str], Depends(open_database)]) -> User:
    return User(database["secret"])


def typed(_: t.Any) -> t.Any:
    app = FastAPI()

    @app.post("/order")
    async def order(order: Order) -> dict[str, int]:
        return {"lines": len(order.lines)}

    @app.get("/search")
    async def search(
        q: str,
        page: t.Annotated[int, Query(ge=1)],
        size: t.Annotated[int, Query(le=100)],
        exact: bool,
    ) -> dict[str, t.Any]:
        return {"q": q, "page": page, "size": size, "exact": exact}

    @app.get("/item/{number}")
    async def item(number: int) -> dict[str, int]:
        return {"number": number}

    @app.get("/me")
    async def me(user: t.Annotated[User, Depends(find_user)]) -> dict[str, str]:
        return {"name": user.name}

    return app
