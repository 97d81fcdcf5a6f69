"""What Quart's idiom and quartish's two have in common: everything that reads no body."""

from __future__ import annotations

import asyncio
import time
import typing as t

from .content import BYTES
from .content import chunks_async
from .content import HELLO
from .content import ROUTES
from .content import TEMPLATES
from .content import TEXT
from .content import WAIT


def new(app_class: t.Any) -> t.Any:
    app = app_class("benchmarks", template_folder=str(TEMPLATES))
    app.secret_key = "benchmarks"
    app.config["MAX_CONTENT_LENGTH"] = None
    return app


def add_views(app: t.Any, lib: t.Any) -> None:
    session = lib.session

    @app.get("/")
    async def hello() -> t.Any:
        return HELLO, 200, {"content-type": TEXT}

    @app.get("/json")
    async def json() -> t.Any:
        return {"message": HELLO}

    @app.get("/user/<int:user>/post/<post>")
    async def param(user: int, post: str) -> t.Any:
        return {"user": user, "post": post}

    @app.get("/visits")
    async def visits() -> str:
        session["n"] = session.get("n", 0) + 1
        return str(session["n"])

    @app.get("/stream")
    async def stream() -> t.Any:
        return chunks_async(), 200, {"content-type": BYTES}

    @app.get("/def")
    def in_thread() -> str:
        return HELLO

    @app.get("/wait")
    async def wait() -> str:
        await asyncio.sleep(WAIT)
        return HELLO

    @app.get("/wait-def")
    def wait_in_thread() -> str:
        time.sleep(WAIT)
        return HELLO

    for n in range(ROUTES):

        @app.get(f"/r{n}/<int:i>", endpoint=f"r{n}")
        async def route(i: int) -> str:
            return str(i)

    @app.websocket("/ws")
    async def ws() -> None:
        while True:
            await lib.websocket.send(await lib.websocket.receive())


def add_hooks(app: t.Any, lib: t.Any) -> t.Any:
    for n in range(5):

        @app.before_request
        def before(n: int = n) -> None:
            setattr(lib.g, f"hook{n}", n)

        @app.after_request
        def after(response: t.Any) -> t.Any:
            return response

    @app.get("/")
    async def view() -> str:
        return HELLO

    return app


def add_blueprints(app: t.Any, lib: t.Any) -> t.Any:
    inner = lib.Blueprint("inner", __name__)

    @inner.get("/<int:i>")
    async def view(i: int) -> str:
        return str(i)

    for name in ("c", "b", "a"):
        outer = lib.Blueprint(name, __name__, url_prefix=f"/{name}")

        @outer.before_request
        async def before() -> None:
            lib.g.depth = lib.g.get("depth", 0) + 1

        outer.register_blueprint(inner)
        inner = outer
    app.register_blueprint(inner)
    return app
