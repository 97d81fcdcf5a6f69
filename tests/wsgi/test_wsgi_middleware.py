"""WSGI middleware around `app.wsgi_app`, under both doors: a test client and an ASGI server."""

from __future__ import annotations

import asyncio
import sys
import threading
import typing as t
from pathlib import Path

import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.middleware.shared_data import SharedDataMiddleware

from quartish import Flask
from quartish import request
from quartish import Response
from quartish import url_for
from tests._peer import Answer
from tests._peer import ask
from tests._scopes import http_scope
from tests._scripted import HttpPeer

View = t.Callable[..., t.Any]


class Prefix:
    """Serve an app under a prefix, as people write it."""

    def __init__(self, app: t.Any, prefix: str) -> None:
        self.app = app
        self.prefix = prefix

    def __call__(self, environ: dict[str, t.Any], start_response: t.Any) -> t.Any:
        if not environ["PATH_INFO"].startswith(self.prefix):
            start_response("404 NOT FOUND", [("Content-Type", "text/plain")])
            return [b"not under the prefix"]
        environ["PATH_INFO"] = environ["PATH_INFO"][len(self.prefix) :]
        environ["SCRIPT_NAME"] = self.prefix
        return self.app(environ, start_response)


def make_app() -> Flask:
    app = Flask("app")

    @app.get("/def/<name>")
    def plain(name: str) -> t.Any:
        return [url_for("plain", name=name, _external=True), request.remote_addr]

    @app.get("/async/<name>")
    async def asynchronous(name: str) -> t.Any:
        await asyncio.sleep(0)
        return [url_for("asynchronous", name=name, _external=True), request.remote_addr]

    return app


@pytest.fixture(params=["wsgi", "asgi"])
def door(request: pytest.FixtureRequest) -> t.Callable[..., t.Awaitable[Answer]]:
    """Return what asks an app for a path: by its test client, or as a server."""

    async def by_client(app: Flask, path: str, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        response = app.test_client().get(path, headers=named)
        answer = Answer(response.status_code, response.headers, [response.data])
        response.close()
        return answer

    return by_client if request.param == "wsgi" else ask


@pytest.mark.parametrize("colour", ["def", "async"])
async def test_proxy_fix(door: t.Any, colour: str) -> None:
    app = make_app()
    app.wsgi_app = ProxyFix(app.wsgi_app, x_host=1, x_prefix=1)  # type: ignore[method-assign]
    answer = await door(
        app,
        f"/{colour}/ada",
        x_forwarded_for="1.2.3.4",
        x_forwarded_proto="https",
        x_forwarded_host="example.com",
        x_forwarded_prefix="/app",
    )
    assert answer.status == 200
    assert f'"https://example.com/app/{colour}/ada"' in answer.text.replace(" ", "")
    assert "1.2.3.4" in answer.text


@pytest.mark.parametrize("colour", ["def", "async"])
async def test_a_prefix(door: t.Any, colour: str) -> None:
    app = make_app()
    app.wsgi_app = Prefix(app.wsgi_app, "/under")  # type: ignore[method-assign]
    answer = await door(app, f"/under/{colour}/ada")
    assert f"http://localhost/under/{colour}/ada" in answer.text
    assert (await door(app, f"/{colour}/ada")).status == 404
    assert (await door(app, "/under/nothing")).status == 404


async def test_apps_beside_one_another(door: t.Any) -> None:
    app, other = make_app(), make_app()
    other.wsgi_app = Prefix(other.wsgi_app, "/inner")  # type: ignore[method-assign]

    def bare(environ: t.Any, start_response: t.Any) -> t.Any:
        start_response("203 LOOK", [("X-Bare", environ["SCRIPT_NAME"])])
        return [b"bare"]

    mounts = {"/bare": bare, "/other": other}
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, mounts)  # type: ignore[arg-type, method-assign]
    assert "http://localhost/def/a" in (await door(app, "/def/a")).text
    bare_answer = await door(app, "/bare/x")
    assert (bare_answer.status, bare_answer.headers["X-Bare"]) == (203, "/bare")
    answer = await door(app, "/other/inner/async/b")
    assert "http://localhost/inner/async/b" in answer.text


async def test_files_in_front_of_the_app(door: t.Any, tmp_path: Path) -> None:
    (tmp_path / "big.txt").write_bytes(b"x" * 200_000)
    app = make_app()
    app.wsgi_app = SharedDataMiddleware(  # type: ignore[method-assign]
        app.wsgi_app, {"/files": str(tmp_path)}
    )
    answer = await door(app, "/files/big.txt")
    assert (answer.status, answer.body) == (200, b"x" * 200_000)
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert (await door(app, "/def/a")).status == 200


async def test_streams_out_one_chunk_at_a_time() -> None:
    app = Flask("app")
    made: list[int] = []
    threads: set[int] = set()
    closed: list[bool] = []

    @app.get("/")
    def numbers() -> t.Any:
        threads.add(threading.get_ident())

        def generate() -> t.Iterator[str]:
            try:
                for number in range(1000):
                    made.append(number)
                    threads.add(threading.get_ident())
                    yield f"{number}\n"
            finally:
                closed.append(True)

        return Response(generate())

    class Shout:
        def __init__(self, app: t.Any) -> None:
            self.app = app

        def __call__(self, environ: t.Any, start_response: t.Any) -> t.Iterator[bytes]:
            body = self.app(environ, start_response)
            try:
                for chunk in body:
                    yield chunk.replace(b"\n", b"!\n")
            finally:
                body.close()

    app.wsgi_app = Shout(app.wsgi_app)  # type: ignore[method-assign]
    answer = await ask(app)
    assert answer.messages[:2] == [b"0!\n", b"1!\n"]
    assert len(answer.messages) == 1000
    assert (len(threads), closed) == (1, [True])
    made.clear()
    await ask(app, leave_after=3)
    assert len(made) < 10, "the client left"
    assert closed == [True, True]


async def test_streams_in_while_it_answers() -> None:
    """The body is pulled as the app reads it; each line is answered before the next comes."""
    app = Flask("app")

    def echo(environ: t.Any, start_response: t.Any) -> t.Iterator[bytes]:
        start_response("200 OK", [])
        while line := environ["wsgi.input"].readline():
            yield line.upper()

    app.wsgi_app = echo  # type: ignore[method-assign]
    to_app: asyncio.Queue[t.Any] = asyncio.Queue()
    from_app: asyncio.Queue[t.Any] = asyncio.Queue()
    headers = [(b"host", b"localhost"), (b"transfer-encoding", b"chunked")]
    scope = http_scope("/", "POST", headers)
    running = asyncio.create_task(app(scope, to_app.get, from_app.put))
    for number in range(3):
        line = b"line %d\n" % number
        more = number < 2
        await to_app.put({"type": "http.request", "body": line, "more_body": more})
        if number == 0:
            start = await asyncio.wait_for(from_app.get(), 5)
            assert (start["type"], start["status"]) == ("http.response.start", 200)
        message = await asyncio.wait_for(from_app.get(), 5)
        assert message["body"] == line.upper()
    assert (await asyncio.wait_for(from_app.get(), 5))["more_body"] is False
    await asyncio.wait_for(running, 5)


async def test_exceptions_pass_through_the_middleware(door: t.Any) -> None:
    app = make_app()
    seen: list[str] = []

    class Watch:
        def __init__(self, app: t.Any) -> None:
            self.app = app

        def __call__(self, environ: t.Any, start_response: t.Any) -> t.Any:
            try:
                return self.app(environ, start_response)
            except ZeroDivisionError as error:
                seen.append(str(error))
                raise

    @app.get("/ill/<kind>")
    def ill(kind: str) -> t.Any:
        raise ZeroDivisionError(kind)

    app.wsgi_app = Watch(app.wsgi_app)  # type: ignore[method-assign]
    assert (await door(app, "/ill/answered")).status == 500
    assert seen == []
    app.testing = True
    with pytest.raises(ZeroDivisionError, match="passed"):
        await door(app, "/ill/passed")
    assert seen == ["passed"]


async def test_a_middleware_that_answers_by_itself_and_one_that_writes(door: t.Any) -> None:
    app = make_app()

    def writes(environ: t.Any, start_response: t.Any) -> t.Any:
        write = start_response("200 OK", [("Content-Length", "4"), ("Set-Cookie", "a=1")])
        write(b"by ")
        return [b"u"]

    app.wsgi_app = writes  # type: ignore[method-assign]
    answer = await ask(app)
    assert (answer.text, answer.headers["Set-Cookie"]) == ("by u", "a=1")


async def test_the_environ_is_one_and_mutable(door: t.Any) -> None:
    app = Flask("app")

    @app.get("/")
    def view() -> t.Any:
        environ = request.environ
        assert type(environ) is dict
        environ["left"] = "by the view"
        return {
            "set": environ["set"],
            "scheme": environ["wsgi.url_scheme"],
            "addr": environ["REMOTE_ADDR"],
            "input": environ["wsgi.input"].read().decode(),
        }

    found: list[str] = []

    class Marks:
        def __init__(self, app: t.Any) -> None:
            self.app = app

        def __call__(self, environ: t.Any, start_response: t.Any) -> t.Any:
            environ["set"] = "by the middleware"
            body = self.app(environ, start_response)
            found.append(environ["left"])
            return body

    app.wsgi_app = Marks(app.wsgi_app)  # type: ignore[method-assign]
    answer = await door(app, "/")
    assert "by the middleware" in answer.text
    assert "127.0.0.1" in answer.text
    assert found == ["by the view"]


async def test_taking_the_middleware_off_again() -> None:
    app = make_app()
    inner = app.wsgi_app
    app.wsgi_app = Prefix(inner, "/under")  # type: ignore[method-assign]
    assert (await ask(app, "/async/a")).status == 404
    del app.wsgi_app
    assert (await ask(app, "/async/a")).status == 200


# --- what WSGI apps do ------------------------------------------------------------------------


class Body(list[bytes]):
    """Chunks of which one may fail, and which say whether they were closed."""

    closed = False

    def __iter__(self) -> t.Iterator[bytes]:
        for chunk in list.__iter__(self):
            if chunk == b"fails":
                raise LookupError("in the body")
            yield chunk

    def close(self) -> None:
        self.closed = True


def app_around(wsgi: t.Callable[[t.Any], t.Any]) -> tuple[Flask, Body]:
    app, body = Flask("app"), Body()

    def wsgi_app(environ: t.Any, start_response: t.Any) -> t.Any:
        chunks = wsgi(start_response)
        body.extend(chunks)
        return body

    app.wsgi_app = wsgi_app  # type: ignore[method-assign]
    return app, body


def not_begun(start_response: t.Any) -> list[bytes]:
    return [b"body"]


def begun_twice(start_response: t.Any) -> list[bytes]:
    start_response("200 OK", [])
    start_response("200 OK", [])
    return [b"body"]


def no_status(start_response: t.Any) -> list[bytes]:
    start_response("20 Odd", [])
    return [b"body"]


def line_break(start_response: t.Any) -> list[bytes]:
    start_response("200 OK", [("X-A", "a\r\nX-B: b")])
    return [b"body"]


def begun_anew_too_late(start_response: t.Any) -> list[bytes]:
    start_response("200 OK", [])(b"written")
    try:
        raise LookupError("too late")
    except LookupError:
        start_response("500 Late", [], sys.exc_info())
    return [b"body"]


@pytest.mark.parametrize(
    ("wsgi", "error", "match"),
    [
        (not_begun, RuntimeError, "before it called start_response"),
        (begun_twice, RuntimeError, "twice without exc_info"),
        (no_status, ValueError, "20 Odd"),
        (line_break, ValueError, "X-A"),
        (begun_anew_too_late, LookupError, "too late"),
    ],
)
async def test_an_app_against_the_rules(wsgi: t.Any, error: t.Any, match: str) -> None:
    """PEP 3333: the server is told, and nothing that could not be sent is."""
    app, body = app_around(wsgi)
    async with HttpPeer(app) as peer:
        await peer.ended()
    assert isinstance(peer.error, error) and match in str(peer.error)
    begun = wsgi is begun_anew_too_late
    assert peer.types == (["start", "body"] if begun else [])
    assert body.closed == (wsgi is not_begun)
    if begun:
        assert any("[GET /]" in note for note in peer.error.__notes__)


async def test_an_app_that_begins_anew_in_time() -> None:
    def wsgi(start_response: t.Any) -> list[bytes]:
        start_response("200 OK", [("X-A", "1")])
        try:
            raise LookupError
        except LookupError:
            write = start_response("503 Later", [("X-B", "2")], sys.exc_info())
        write(b"written, ")
        return [b"re", b"turned"]

    app, body = app_around(wsgi)
    answer = await ask(app)
    assert (answer.status, answer.text) == (503, "written, returned") and body.closed
    assert "X-A" not in answer.headers and answer.headers["X-B"] == "2"


async def test_an_app_that_fails_in_its_body() -> None:
    def wsgi(start_response: t.Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"one", b"fails"]

    app, body = app_around(wsgi)
    async with HttpPeer(app) as peer:
        await peer.ended()
    assert isinstance(peer.error, LookupError) and body.closed
    assert peer.types[:2] == ["start", "body"] and peer.sent[1]["more_body"]


@pytest.mark.parametrize("way", ["leaves", "cancelled", "refused"])
async def test_an_app_whose_client_leaves(way: str) -> None:
    goes_on = threading.Event()

    class Waiting(Body):
        def __iter__(self) -> t.Iterator[bytes]:
            yield b"one"
            while True:
                goes_on.wait(0.01)
                yield b"more"

    body = Waiting()
    app = Flask("app")

    def wsgi_app(environ: t.Any, start_response: t.Any) -> t.Any:
        start_response("200 OK", [])
        return body

    app.wsgi_app = wsgi_app  # type: ignore[method-assign]
    async with HttpPeer(app) as peer:
        await peer.until(3)
        if way == "leaves":
            peer.leave()
        elif way == "refused":
            peer.broken = True
        else:
            peer.task.cancel()
        await peer.ended()
    assert body.closed
    assert isinstance(peer.error, asyncio.CancelledError if way == "cancelled" else type(None))
