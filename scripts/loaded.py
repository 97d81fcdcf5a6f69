"""What `scripts/load` serves: the same app in quartish, Quart and Starlette."""

from __future__ import annotations

import asyncio
import importlib
import os
import time
import typing as t
from pathlib import Path

from scripts.soaked import state

FOLDER = str(Path(__file__).parent)
BLOCKED = 1.5  # seconds
PIECES = 256  # of 64 kB: what slow readers are sent


async def pieces() -> t.AsyncIterator[bytes]:
    for _ in range(PIECES):
        yield bytes(1 << 16)


def flask_like(module: t.Any, cls: str, limit: int = 2 << 30) -> t.Any:
    """Return the app of quartish's classes, or Quart's."""
    app = getattr(module, cls)("loaded", static_folder=FOLDER, static_url_path="/static")
    app.config.update(MAX_CONTENT_LENGTH=limit)
    request, plain = module.request, getattr(app, "plain", False)

    @app.get("/mark")
    async def mark() -> str:
        await asyncio.sleep(0.2)
        return str(request.args["mark"])

    @app.get("/block")
    def block() -> str:
        time.sleep(BLOCKED)
        return str(request.args["mark"])

    @app.get("/pieces")
    async def stream() -> t.Any:
        return pieces()

    @app.get("/state")
    async def show() -> t.Any:
        return state()

    async def raw() -> str:
        size = 0
        async for piece in request.stream if plain else request.body:
            size += len(piece)
        return str(size)

    options = {"stream_body": True} if plain else {}
    app.add_url_rule("/raw", view_func=raw, methods=["POST"], **options)

    @app.post("/form")
    async def form() -> str:
        file = (request.files if plain else await request.files)["file"]
        return str(file.seek(0, 2) or file.tell())

    @app.websocket("/ws")
    async def socket() -> None:
        while True:
            await module.websocket.send(await module.websocket.receive())

    return app


def starlette_app() -> t.Any:
    applications = importlib.import_module("starlette.applications")
    responses = importlib.import_module("starlette.responses")
    routing = importlib.import_module("starlette.routing")
    statics = importlib.import_module("starlette.staticfiles")
    text, route = responses.PlainTextResponse, routing.Route

    async def mark(request: t.Any) -> t.Any:
        await asyncio.sleep(0.2)
        return text(request.query_params["mark"])

    def block(request: t.Any) -> t.Any:
        time.sleep(BLOCKED)
        return text(request.query_params["mark"])

    async def stream(request: t.Any) -> t.Any:
        return responses.StreamingResponse(pieces())

    async def show(request: t.Any) -> t.Any:
        return responses.JSONResponse(state())

    async def raw(request: t.Any) -> t.Any:
        size = 0
        async for piece in request.stream():
            size += len(piece)
        return text(str(size))

    async def form(request: t.Any) -> t.Any:
        async with request.form() as form:
            return text(str(form["file"].size))

    async def socket(websocket: t.Any) -> None:
        await websocket.accept()
        async for message in websocket.iter_text():
            await websocket.send_text(message)

    return applications.Starlette(
        routes=[
            *(route("/mark", mark), route("/block", block), route("/state", show)),
            route("/pieces", stream),
            *(route("/raw", raw, methods=["POST"]), route("/form", form, methods=["POST"])),
            routing.WebSocketRoute("/ws", socket),
            routing.Mount("/static", statics.StaticFiles(directory=FOLDER)),
        ]
    )


def make(name: str) -> t.Any:
    """Return the app of that name in `soak.APPS`, and import no other's framework."""
    if name == "starlette":
        return starlette_app()
    if name == "quart":
        return flask_like(importlib.import_module("quart"), "Quart")
    return flask_like(importlib.import_module("quartish"), "Flask" if name == "plain" else "Quart")


if "APP" in os.environ:
    app = make(os.environ["APP"])
