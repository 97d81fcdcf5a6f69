"""For Starlette: sessions only around the route that uses them, its fastest idiom."""

from __future__ import annotations

import asyncio
import typing as t

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import FileResponse
from starlette.responses import JSONResponse
from starlette.responses import PlainTextResponse
from starlette.responses import StreamingResponse
from starlette.routing import Route
from starlette.routing import WebSocketRoute
from starlette.templating import Jinja2Templates

from .content import BYTES
from .content import chunks_async
from .content import FILE
from .content import HELLO
from .content import ROUTES
from .content import ROWS
from .content import TEMPLATES
from .content import WAIT


def small(_: t.Any) -> t.Any:
    templates = Jinja2Templates(directory=TEMPLATES)

    async def hello(request: t.Any) -> t.Any:
        return PlainTextResponse(HELLO)

    async def json(request: t.Any) -> t.Any:
        return JSONResponse({"message": HELLO})

    async def param(request: t.Any) -> t.Any:
        values = request.path_params
        return JSONResponse({"user": values["user"], "post": values["post"]})

    async def form(request: t.Any) -> t.Any:
        fields = await request.form()
        return PlainTextResponse(fields["a"] + fields["b"])

    async def echo(request: t.Any) -> t.Any:
        return JSONResponse(await request.json())

    async def page(request: t.Any) -> t.Any:
        return templates.TemplateResponse(request, "page.html", {"rows": ROWS})

    async def visits(request: t.Any) -> t.Any:
        request.session["n"] = request.session.get("n", 0) + 1
        return PlainTextResponse(str(request.session["n"]))

    async def stream(request: t.Any) -> t.Any:
        return StreamingResponse(chunks_async(), media_type=BYTES)

    def in_thread(request: t.Any) -> t.Any:
        return PlainTextResponse(HELLO)

    async def upload(request: t.Any) -> t.Any:
        async with request.form() as fields:
            return PlainTextResponse(str(fields["file"].size))

    async def download(request: t.Any) -> t.Any:
        return FileResponse(FILE, media_type=BYTES)

    async def wait(request: t.Any) -> t.Any:
        await asyncio.sleep(WAIT)
        return PlainTextResponse(HELLO)

    async def route(request: t.Any) -> t.Any:
        return PlainTextResponse(str(request.path_params["i"]))

    async def ws(websocket: t.Any) -> None:
        await websocket.accept()
        async for message in websocket.iter_text():
            await websocket.send_text(message)

    with_session = Middleware(SessionMiddleware, secret_key="benchmarks")
    return Starlette(
        routes=[
            Route("/", hello),
            Route("/json", json),
            Route("/user/{user:int}/post/{post}", param),
            Route("/form", form, methods=["POST"]),
            Route("/echo", echo, methods=["POST"]),
            Route("/page", page),
            Route("/stream", stream),
            Route("/def", in_thread),
            Route("/upload", upload, methods=["POST"]),
            Route("/download", download),
            Route("/wait", wait),
            Route("/visits", visits, middleware=[with_session]),
            WebSocketRoute("/ws", ws),
            *(Route(f"/r{n}/{{i:int}}", route) for n in range(ROUTES)),
        ]
    )
