"""One app that has it all: events, mounts, middleware, tasks, groups, parts, what servers add to
HTTP, health."""

from __future__ import annotations

import asyncio
import hashlib
import os
import typing as t

import flask
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import quartish
from quartish import request
from quartish import url_for
from quartish import websocket
from quartish.groups import Groups
from quartish.health import Health
from quartish.streaming import Event
from quartish.streaming import last_event_id
from quartish.streaming import sse
from quartish.streaming import stream_json


def make_legacy() -> t.Any:
    legacy = flask.Flask("legacy")

    @legacy.get("/orders/<int:number>")
    def order(number: int) -> t.Any:
        root = flask.request.environ["SCRIPT_NAME"]
        return {"number": number, "root": root, "links": flask.url_for("links")}

    return legacy


async def daily(request: t.Any) -> t.Any:
    return PlainTextResponse(f"sunny, see {request.url_for('daily').path}")


def make(colour: type[t.Any]) -> t.Any:
    app = colour(__name__)
    # Starlette's GZip knows of files that the server sends itself, and lets them pass.
    app.config.update(PATH_SEND=True, DECODE_BODY=True)
    groups = Groups(app, os.environ["REDIS_URL"], prefix=app.import_name + colour.__name__)
    app.mount("/legacy", make_legacy(), name="legacy")
    app.mount("/reports", Starlette(routes=[Route("/daily", daily, name="daily")]))
    app.add_middleware(GZipMiddleware, minimum_size=500)
    health = Health(app, keep=0)
    left: list[int] = []

    @app.get("/events")
    @sse(heartbeat=0.05, retry=10)
    async def events() -> t.AsyncIterator[Event]:
        number = seen = int(last_event_id() or 0)
        try:
            for number in range(seen + 1, 4):
                yield Event({"n": number}, id=str(number))
            await asyncio.Event().wait()
        finally:
            left.append(number)

    @app.get("/left")
    async def who_left() -> t.Any:
        return left

    @app.get("/numbers")
    async def numbers() -> t.Any:
        return stream_json({"n": number} for number in range(200))

    @app.get("/links")
    async def links() -> t.Any:
        return [url_for("order", number=7), url_for("legacy:order", number=8)]

    @app.websocket("/rooms/<room>")
    async def live(room: str) -> None:
        async with groups.join(room, info=websocket.args["name"]) as me:
            await websocket.send("joined")
            while True:
                await me.send(await websocket.receive())

    @app.get("/rooms/<room>")
    async def members(room: str) -> t.Any:
        return sorted(await groups.members(room))

    # The awaitable colour reads all bodies as they come.
    @app.post("/parts", **({"stream_body": True} if app.plain else {}))
    async def parts() -> t.Any:
        told = {}
        async for part in request.parts:
            digest = hashlib.sha256()
            async for piece in part:
                digest.update(piece)
            told[part.name] = [part.filename, digest.hexdigest()]
        return told

    @app.post("/decoded")
    async def decoded() -> t.Any:
        found: t.Any = request.get_json()
        return {"sum": sum(found if app.plain else await found)}

    @app.get("/adds")
    async def adds() -> t.Any:
        await request.send_early_hints(["</style.css>; rel=preload; as=style"])
        names = ("early_hints", "trailers", "push", "path_send")
        response = app.json.response({name: request.supports(name) for name in names})
        response.trailers = {"Digest": lambda: "sha-256=of-it"}
        return response

    @app.get("/file")
    async def file() -> t.Any:
        sent: t.Any = quartish.send_file(__file__, mimetype="text/plain")
        return sent if app.plain else await sent

    @app.before_serving
    async def begin() -> None:
        app.add_background_task(asyncio.Event().wait, name="consumer")

    @app.delete("/tasks/<name>")
    async def stop(name: str) -> t.Any:
        count = app.tasks.cancel(name)
        await app.tasks.wait(name)
        return {"cancelled": count}

    @app.get("/tasks")
    async def tasks() -> t.Any:
        return [task.get_name() for task in app.tasks]

    health.needs_task("consumer")
    return app


plain = make(quartish.Flask)
awaitable = make(quartish.Quart)
