"""The app that `scripts/soak` serves: each answer has the mark of its request in it. The same in
Quart and in Starlette, for comparison."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import hashlib
import importlib
import os
import sys
import threading
import time
import typing as t
from pathlib import Path

#: Gives back what glibc keeps of memory that was freed: large bodies leave up to 100 MB of it
#: between blocks that live, which the next ones fill.
_trim: t.Any = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None

FOLDER = str(Path(__file__).parent)


class Deliberate(Exception):
    """What the app raises itself: the only traceback that its log may have."""


def state() -> dict[str, int]:
    """Return what the process holds: memory in kB, open files, threads, tasks."""
    gc.collect()
    if _trim is not None:
        _trim(0)
    status = Path("/proc/self/status").read_text()
    return {
        "memory": int(status.partition("VmRSS:")[2].split()[0]),
        "files": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "tasks": len(asyncio.all_tasks()),
    }


def make_app(module: t.Any, cls: str) -> t.Any:
    """Return the app of quartish's classes, or Quart's."""
    app = getattr(module, cls)("soaked", static_folder=FOLDER, static_url_path="/static")
    # Few threads: all of them are there after a moment.
    app.config.update(SECRET_KEY="key", VIEW_THREADS=6, FILE_THREADS=3, PROPAGATE_EXCEPTIONS=False)
    plain = getattr(app, "plain", False)

    async def value(of: t.Any) -> t.Any:
        return of if plain else await of

    def mark() -> str:
        return str(module.request.args["mark"])

    @app.before_request
    def remember() -> None:
        module.g.mark = module.request.args.get("mark", "")

    @app.after_request
    def check(response: t.Any) -> t.Any:
        response.headers["X-Mark"] = module.g.get("mark", "")
        return response

    @app.get("/echo")
    async def echo() -> str:
        await asyncio.sleep(0.001)
        return f"{mark()} {module.g.mark}"

    @app.get("/thread")
    def thread() -> str:
        time.sleep(0.001)
        return f"{mark()} {module.g.mark}"

    @app.get("/session")
    async def session() -> str:
        module.session["mark"] = mark()
        await asyncio.sleep(0)
        return f"{module.session['mark']} {module.g.mark}"

    @app.post("/raw")
    async def raw() -> str:
        data = await value(module.request.get_data())
        return f"{mark()} {hashlib.sha256(data).hexdigest()}"

    @app.post("/form")
    async def form() -> str:
        fields = await value(module.request.form)
        files = await value(module.request.files)
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
            await module.websocket.send(
                f"{module.websocket.args['mark']} {await module.websocket.receive()}"
            )

    return app


def starlette_app() -> t.Any:
    applications = importlib.import_module("starlette.applications")
    middleware = importlib.import_module("starlette.middleware")
    responses = importlib.import_module("starlette.responses")
    routing = importlib.import_module("starlette.routing")
    sessions = importlib.import_module("starlette.middleware.sessions")
    statics = importlib.import_module("starlette.staticfiles")
    route = routing.Route

    def text(request: t.Any, body: str, status: int = 200) -> t.Any:
        headers = {"X-Mark": request.query_params.get("mark", "")}
        return responses.PlainTextResponse(body, status, headers=headers)

    def twice(request: t.Any) -> t.Any:
        return text(request, "{0} {0}".format(request.query_params["mark"]))

    async def echo(request: t.Any) -> t.Any:
        await asyncio.sleep(0.001)
        return twice(request)

    def thread(request: t.Any) -> t.Any:
        time.sleep(0.001)
        return twice(request)

    async def session(request: t.Any) -> t.Any:
        request.session["mark"] = request.query_params["mark"]
        await asyncio.sleep(0)
        return twice(request)

    async def raw(request: t.Any) -> t.Any:
        digest = hashlib.sha256(await request.body()).hexdigest()
        return text(request, f"{request.query_params['mark']} {digest}")

    async def form(request: t.Any) -> t.Any:
        async with request.form() as form:
            digest = hashlib.sha256(await form["file"].read()).hexdigest()
            return text(request, f"{form['mark']} {digest}")

    async def pieces(mark: str) -> t.AsyncIterator[str]:
        for _ in range(40):
            yield f"{mark}\n" * 50
            await asyncio.sleep(0.001)

    def pieces_in_thread(mark: str) -> t.Iterator[str]:
        for _ in range(40):
            yield f"{mark}\n" * 50
            time.sleep(0.0005)

    def streamed(make: t.Callable[[str], t.Any]) -> t.Callable[..., t.Any]:
        async def view(request: t.Any) -> t.Any:
            mark = request.query_params["mark"]
            return responses.StreamingResponse(make(mark), headers={"X-Mark": mark})

        return view

    async def fail(request: t.Any) -> t.NoReturn:
        raise Deliberate(request.query_params["mark"])

    async def failed(request: t.Any, error: Exception) -> t.Any:
        return text(request, "Internal Server Error", 500)

    async def show(request: t.Any) -> t.Any:
        return responses.JSONResponse(state())

    async def file(scope: t.Any, receive: t.Any, send: t.Any) -> None:
        """Serve the files, with the mark of whoever asks."""
        query = scope["query_string"].partition(b"mark=")[2]

        async def marked(message: t.Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-mark", query)]
            await send(message)

        await files(scope, receive, marked)

    async def socket(websocket: t.Any) -> None:
        await websocket.accept()
        async for message in websocket.iter_text():
            await websocket.send_text(f"{websocket.query_params['mark']} {message}")

    files = statics.StaticFiles(directory=FOLDER)
    return applications.Starlette(
        routes=[
            *(route("/echo", echo), route("/thread", thread), route("/session", session)),
            *(route("/raw", raw, methods=["POST"]), route("/form", form, methods=["POST"])),
            *(route("/stream", streamed(pieces)), route("/state", show), route("/fail", fail)),
            route("/stream-thread", streamed(pieces_in_thread)),
            routing.WebSocketRoute("/ws", socket),
            routing.Mount("/static", file),
        ],
        middleware=[middleware.Middleware(sessions.SessionMiddleware, secret_key="key")],
        exception_handlers={Exception: failed},
    )


def make(name: str) -> t.Any:
    """Return the app of that name in `soak.APPS`, and import no other's framework."""
    if name == "starlette":
        return starlette_app()
    if name == "quart":
        return make_app(importlib.import_module("quart"), "Quart")
    return make_app(importlib.import_module("quartish"), "Flask" if name == "plain" else "Quart")


if "APP" in os.environ:
    app = make(os.environ["APP"])
