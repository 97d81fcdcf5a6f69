"""The app that `scripts/soak` serves: each answer has the mark of its request in it."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import os
import threading
import time
import typing as t
from pathlib import Path

import quartish


class Deliberate(Exception):
    """What the app raises itself: the only traceback that its log may have."""


def state() -> dict[str, int]:
    """Return what the process holds: memory in kB, open files, threads, tasks."""
    gc.collect()
    status = Path("/proc/self/status").read_text()
    return {
        "memory": int(status.partition("VmRSS:")[2].split()[0]),
        "files": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "tasks": len(asyncio.all_tasks()),
    }


def make_app(cls: type[t.Any]) -> t.Any:
    app = cls("soaked", static_folder=str(Path(__file__).parent), static_url_path="/static")
    # Few threads: all of them are there after a moment.
    app.config.update(SECRET_KEY="key", VIEW_THREADS=6, FILE_THREADS=3, PROPAGATE_EXCEPTIONS=False)
    plain = app.plain

    async def value(of: t.Any) -> t.Any:
        return of if plain else await of

    def mark() -> str:
        return str(quartish.request.args["mark"])

    @app.before_request
    def remember() -> None:
        quartish.g.mark = quartish.request.args.get("mark", "")

    @app.after_request
    def check(response: t.Any) -> t.Any:
        response.headers["X-Mark"] = quartish.g.get("mark", "")
        return response

    @app.get("/echo")
    async def echo() -> str:
        await asyncio.sleep(0.001)
        return f"{mark()} {quartish.g.mark}"

    @app.get("/thread")
    def thread() -> str:
        time.sleep(0.001)
        return f"{mark()} {quartish.g.mark}"

    @app.get("/session")
    async def session() -> str:
        quartish.session["mark"] = mark()
        await asyncio.sleep(0)
        return f"{quartish.session['mark']} {quartish.g.mark}"

    @app.post("/raw")
    async def raw() -> str:
        data = await value(quartish.request.get_data())
        return f"{mark()} {hashlib.sha256(data).hexdigest()}"

    @app.post("/form")
    async def form() -> str:
        fields = await value(quartish.request.form)
        files = await value(quartish.request.files)
        data = files["file"].read()
        return f"{fields['mark']} {hashlib.sha256(data).hexdigest()}"

    @app.get("/stream")
    async def stream() -> t.Any:
        text = mark()

        async def pieces() -> t.AsyncIterator[str]:
            for _ in range(40):
                yield f"{text}\n" * 50
                await asyncio.sleep(0.001)

        return app.response_class(pieces())

    @app.get("/stream-thread")
    def stream_thread() -> t.Any:
        text = mark()

        def pieces() -> t.Iterator[str]:
            for _ in range(40):
                yield f"{text}\n" * 50
                time.sleep(0.0005)

        return app.response_class(pieces())

    @app.get("/fail")
    async def fail() -> t.NoReturn:
        raise Deliberate(mark())

    @app.get("/state")
    async def show() -> t.Any:
        return state()

    @app.websocket("/ws")
    async def socket() -> None:
        while True:
            await quartish.websocket.send(
                f"{quartish.websocket.args['mark']} {await quartish.websocket.receive()}"
            )

    return app


plain = make_app(quartish.Flask)
awaitable = make_app(quartish.Quart)
