"""The WSGI door: async code under a caller that knows nothing of event loops."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import typing as t

import pytest
from werkzeug.test import EnvironBuilder

import quartish
from quartish import g
from quartish import request


@pytest.fixture
def app() -> quartish.Flask:
    app = quartish.Flask(__name__)
    app.secret_key = "key"
    return app


def test_async_views_of_one_thread_share_a_loop(app: quartish.Flask) -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    @app.get("/")
    async def index() -> str:
        loops.append(asyncio.get_running_loop())
        await asyncio.sleep(0)
        return "ok"

    client = app.test_client()
    assert client.get("/").text == client.get("/").text == "ok"
    assert loops[0] is loops[1]  # so that what a driver keeps open stays usable
    assert not loops[0].is_closed()


def test_a_sync_hook_an_async_view_and_a_sync_teardown_share_a_thread(app: quartish.Flask) -> None:
    @app.before_request
    def connect() -> None:
        g.db = sqlite3.connect(":memory:")  # refuses to be used by another thread

    @app.get("/")
    async def index() -> str:
        return str(g.db.execute("select 1").fetchone()[0])

    @app.teardown_request
    def disconnect(exc: BaseException | None) -> None:
        g.pop("db").close()

    assert app.test_client().get("/").text == "1"


async def test_the_plain_client_where_a_loop_runs(app: quartish.Flask) -> None:
    """As in a pytest-asyncio test: a thread without a loop takes the call."""

    @app.post("/<kind>")
    async def view(kind: str) -> t.Any:
        quartish.session["kind"] = kind
        await asyncio.sleep(0)
        if kind == "stream":

            async def pieces() -> t.AsyncIterator[str]:
                for piece in request.form["text"]:
                    yield piece

            return quartish.stream_with_context(pieces())
        if kind == "error":
            raise LookupError(kind)
        return request.form["text"]

    @app.post("/sync")
    def sync() -> str:
        return quartish.session["kind"] + threading.current_thread().name

    client = app.test_client()
    assert client.post("/text", data={"text": "abc"}).text == "abc"
    assert client.post("/stream", data={"text": "abc"}).text == "abc"
    assert client.post("/sync").text.startswith("stream")
    app.testing = True
    with pytest.raises(LookupError, match="error"):
        client.post("/error")


async def test_both_clients_of_the_plain_app(app: quartish.Flask) -> None:
    @app.get("/")
    async def index() -> dict[str, str]:
        return {"door": "asgi" if request.scope else "wsgi"}

    assert app.test_client().get("/").json == {"door": "wsgi"}
    response = await app.async_test_client().get("/")
    assert response.json == {"door": "asgi"}


def test_the_awaitable_app_has_no_such_door() -> None:
    app = quartish.Quart(__name__)
    with pytest.raises(TypeError, match="ASGI, or use the class Flask"):
        app({}, lambda *args: None)


@pytest.mark.parametrize("path", ["/", "/json", "/stream", "/made", "/nowhere", "/error"])
@pytest.mark.parametrize("verb", ["GET", "HEAD"])
def test_the_body_is_an_iterator_that_can_be_closed(path: str, verb: str) -> None:
    """Middleware written for Flask asks it for its next piece and closes it, without looking."""
    app = quartish.Flask("app")
    app.logger.disabled = True
    app.add_url_rule("/", "index", lambda: "index")
    app.add_url_rule("/json", "json", lambda: {"a": 1})
    app.add_url_rule("/stream", "stream", lambda: iter("abc"))
    app.add_url_rule("/made", "made", lambda: app.make_response(("made", 201)))
    app.add_url_rule("/error", "error", lambda: dict[str, str]()["x"])
    for wrap in (False, True):
        if wrap:
            app.after_request_funcs.setdefault(None, [])
            app.after_request_funcs[None].append(lambda response: response)
        body: t.Any = app(
            EnvironBuilder(path, method=verb).get_environ(), lambda *args: lambda data: None
        )
        pieces = [] if verb == "HEAD" else [next(body)]
        pieces += body
        body.close()
        assert bool(b"".join(pieces)) == (verb == "GET")
