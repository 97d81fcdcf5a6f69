"""For FastAPI, which checks what comes in and ships no sessions."""

from __future__ import annotations

import asyncio
import typing as t

from fastapi import Body
from fastapi import FastAPI
from fastapi import Form
from fastapi import UploadFile
from fastapi import WebSocket
from fastapi.responses import FileResponse
from fastapi.responses import PlainTextResponse
from fastapi.responses import StreamingResponse

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
