"""Where the views of an app with connections of its own class run: on Quart, and here."""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import threading
import time
import typing as t

import pytest

from tests._scopes import http_scope
from tests._scopes import websocket_scope

from .test_quart_connections import talk

KINDS = ["def", "async def", "broken def", "def with hooks", "streams", "blueprint"]
VAR: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="unset")


def make(name: str, kind: str) -> tuple[t.Any, list[t.Any]]:
    framework: t.Any = importlib.import_module(name)
    app = framework.Quart(__name__)
    seen: list[t.Any] = []
    app.secret_key = "x"

    class Connection(app.asgi_http_class):  # type: ignore[misc, name-defined]
        async def handle_request(self, request: t.Any, send: t.Any) -> None:
            seen.append("own")
            await super().handle_request(request, send)

    app.asgi_http_class = Connection

    def where(what: str) -> None:
        seen.append((what, threading.current_thread() is threading.main_thread()))

    @app.teardown_request
    async def teardown(error: t.Any) -> None:
        seen.append(("teardown", repr(error)))

    @app.errorhandler(LookupError)
    async def handle(error: LookupError) -> tuple[str, int]:
        return f"handled {error.args[0]}", 418

    if kind == "def with hooks":

        @app.before_request
        def before() -> None:
            where("before")
            framework.g.name = "ada"
            framework.session["seen"] = True

        @app.after_request
        async def after(response: t.Any) -> t.Any:
            where("after")
            response.headers["X-Name"] = framework.g.name
            return response

    def view() -> t.Any:
        where("view")
        if kind == "broken def":
            raise LookupError("it")
        if kind == "streams":
            return (piece for piece in ("a", "b"))
        VAR.set("set")
        return f"{framework.request.path} {getattr(framework.g, 'name', None)}"

    async def async_view() -> str:
        where("view")
        return str(framework.request.path)

    chosen = async_view if kind == "async def" else view
    if kind == "blueprint":
        bp = framework.Blueprint("bp", __name__)
        bp.add_url_rule("/", "view", chosen)
        app.register_blueprint(bp)
    else:
        app.add_url_rule("/", "view", chosen)
    return app, seen


@pytest.mark.parametrize("kind", KINDS)
async def test_as_on_quart(kind: str) -> None:
    played = []
    for name in ("quart", "quartish.quart"):
        app, seen = make(name, kind)
        sent = await talk(app, http_scope("/"), {"type": "http.request", "body": b""})
        status = sent[0]["status"]
        body = b"".join(message.get("body", b"") for message in sent[1:])
        names = sorted(name for name, _ in sent[0]["headers"])
        # Sync hooks of Quart's have a thread each; here they are in the view's.
        places = [told for told in seen if told[0] != "before"]
        played.append((status, body, names, places))
    assert played[0] == played[1]
    on_loop = dict(told for told in played[1][3] if told != "own")["view"]
    assert on_loop is (kind == "async def")


async def test_a_view_that_blocks_holds_up_nobody() -> None:
    app, _ = make("quartish.quart", "def")
    began, let = threading.Event(), threading.Event()

    @app.get("/block")
    def block() -> str:
        began.set()
        return str(let.wait(20))

    first = asyncio.create_task(talk(app, http_scope("/block"), {"type": "http.request"}))
    end = time.monotonic() + 10
    while not began.is_set() and time.monotonic() < end:
        await asyncio.sleep(0.005)
    second = await talk(app, http_scope("/"), {"type": "http.request"})
    assert second[0]["status"] == 200 and not first.done()
    let.set()
    assert (await first)[1]["body"] == b"True"


@pytest.mark.parametrize("name", ["quart", "quartish.quart"])
async def test_websockets(name: str) -> None:
    framework: t.Any = importlib.import_module(name)
    app = framework.Quart(__name__)
    threads: list[bool] = []

    class Connection(app.asgi_websocket_class):  # type: ignore[misc, name-defined]
        async def handle_websocket(self, websocket: t.Any, send: t.Any) -> None:
            await super().handle_websocket(websocket, send)

    app.asgi_websocket_class = Connection

    def live() -> None:
        threads.append(threading.current_thread() is threading.main_thread())

    app.add_websocket("/", "live", live)
    await talk(app, websocket_scope("/"), {"type": "websocket.connect"})
    assert threads == [False]
