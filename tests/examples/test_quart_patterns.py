"""What Quart's tutorials and how-to pages teach, as apps of our own, over a real Hypercorn: each
pattern works, and leaves nothing behind when its client goes."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import threading
import typing as t
import weakref
from contextlib import ExitStack
from dataclasses import asdict
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.exceptions import InvalidStatus

from quartish import quart
from quartish.quart import abort
from quartish.quart import Blueprint
from quartish.quart import current_app
from quartish.quart import flash
from quartish.quart import g
from quartish.quart import jsonify
from quartish.quart import make_response
from quartish.quart import Quart
from quartish.quart import redirect
from quartish.quart import render_template_string
from quartish.quart import request
from quartish.quart import send_file
from quartish.quart import session
from quartish.quart import stream_with_context
from quartish.quart import url_for
from quartish.quart import websocket
from quartish.quart.json.provider import DefaultJSONProvider
from quartish.quart.utils import run_sync
from tests._waiting import until

from .conftest import hypercorn

Serve = t.Callable[[t.Any], str]


@pytest.fixture
def serve(tmp_path: Path) -> t.Iterator[Serve]:
    """Serve an app for the rest of the test; return its address."""
    with ExitStack() as stack:
        yield lambda app: stack.enter_context(hypercorn(app, tmp_path)).http


def live(url: str, path: str) -> t.Any:
    return connect(url.replace("http", "ws") + path)


# --- the chat tutorial ----------------------------------------------------------------------------


class Broker:
    def __init__(self) -> None:
        self.listeners: set[asyncio.Queue[str]] = set()

    async def publish(self, message: str) -> None:
        for listener in self.listeners:
            await listener.put(message)

    async def subscribe(self) -> t.AsyncIterator[str]:
        listener: asyncio.Queue[str] = asyncio.Queue()
        self.listeners.add(listener)
        try:
            while True:
                yield await listener.get()
        finally:
            self.listeners.remove(listener)


def chat_app() -> t.Any:
    app = Quart("chat")
    broker = app.broker = Broker()  # type: ignore[attr-defined]
    app.readers = []  # type: ignore[attr-defined]

    async def read() -> None:
        while True:
            await broker.publish(await websocket.receive())  # type: ignore[arg-type]

    @app.websocket("/ws")
    async def ws() -> None:
        reader = asyncio.ensure_future(read())
        app.readers.append(reader)  # type: ignore[attr-defined]
        try:
            async for message in broker.subscribe():
                await websocket.send(message)
        finally:
            reader.cancel()
            await reader

    return app


async def test_chat(serve: Serve) -> None:
    app = chat_app()
    url = serve(app)
    async with live(url, "/ws") as ada, live(url, "/ws") as grace:
        await until(lambda: len(app.broker.listeners) == 2)
        await ada.send("hello")
        assert [await ada.recv(), await grace.recv()] == ["hello", "hello"]
        await grace.close()
        await until(lambda: len(app.broker.listeners) == 1)  # at once, though nobody wrote
        await ada.send("who is there?")
        assert await ada.recv() == "who is there?"
    await until(lambda: not app.broker.listeners and all(task.done() for task in app.readers))


async def test_chat_by_the_test_client() -> None:
    app = chat_app()
    async with app.test_client().websocket("/ws") as connection:
        reading = asyncio.ensure_future(connection.receive())
        await connection.send("message")
        assert await reading == "message"


# --- the blog tutorial ----------------------------------------------------------------------------


def blog_app(database: Path) -> Quart:
    app = Quart("blog")
    app.config.update(DATABASE=str(database), SECRET_KEY="test")

    def db() -> sqlite3.Connection:
        if not hasattr(g, "db"):
            g.db = sqlite3.connect(current_app.config["DATABASE"])
            g.db.row_factory = sqlite3.Row
        return t.cast(sqlite3.Connection, g.db)

    @app.cli.command("init_db")
    def init_db() -> None:
        db().execute("CREATE TABLE post (id INTEGER PRIMARY KEY, title TEXT, text TEXT)")
        db().commit()

    @app.teardown_appcontext
    def close(error: BaseException | None) -> None:
        if hasattr(g, "db"):
            g.db.close()

    @app.get("/")
    async def posts() -> str:
        found = db().execute("SELECT title, text FROM post ORDER BY id DESC").fetchall()
        return await render_template_string(
            "{% for message in get_flashed_messages() %}<p>{{ message }}</p>{% endfor %}"
            "{% for post in posts %}<h2>{{ post.title }}</h2>{{ post.text }}{% endfor %}",
            posts=found,
        )

    @app.route("/create/", methods=["GET", "POST"])
    async def create() -> t.Any:
        if request.method == "POST":
            form = await request.form
            values = form["title"], form["text"]
            db().execute("INSERT INTO post (title, text) VALUES (?, ?)", values)
            db().commit()
            await flash("Posted.")
            return redirect(url_for("posts"))
        return await render_template_string("<form method=post></form>")

    return app


async def test_blog(serve: Serve, tmp_path: Path) -> None:
    app = blog_app(tmp_path / "blog.db")
    made = await asyncio.to_thread(app.test_cli_runner().invoke, args=["init_db"])
    assert made.exit_code == 0, made.output
    async with httpx.AsyncClient(base_url=serve(app), follow_redirects=True) as client:
        posted = await client.post("/create/", data={"title": "<One>", "text": "first"})
        assert posted.url.path == "/"
        assert posted.text == "<p>Posted.</p><h2>&lt;One&gt;</h2>first"
        assert (await client.get("/")).text == "<h2>&lt;One&gt;</h2>first"
        assert (await client.post("/create/", data={"title": "no text"})).status_code == 400


# --- the API tutorial -----------------------------------------------------------------------------


@dataclass
class Todo:
    task: str
    done: bool = False


class Money:
    def __init__(self, amount: Decimal, currency: str) -> None:
        self.amount = amount
        self.currency = currency


class MoneyProvider(DefaultJSONProvider):
    @staticmethod
    def default(object_: t.Any) -> t.Any:
        if isinstance(object_, Money):
            return {"amount": f"{object_.amount:.2f}", "currency": object_.currency}
        return DefaultJSONProvider.default(object_)


def api_app() -> Quart:
    class Api(Quart):
        json_provider_class = MoneyProvider

    app = Api("api")
    todos: list[Todo] = []

    @app.post("/echo")
    async def echo() -> t.Any:
        return {"input": await request.get_json(), "extra": True}

    @app.get("/example")
    async def example() -> t.Any:
        return jsonify(["a", "b"])

    @app.post("/todos/")
    async def create_todo() -> t.Any:
        data = await request.get_json()
        try:
            todos.append(Todo(**data))
        except TypeError:
            abort(400, "A todo has a task.")
        return jsonify(todos[-1]), 201

    @app.get("/todos/")
    async def list_todos() -> t.Any:
        return [asdict(todo) for todo in todos]

    @app.get("/price")
    def price() -> t.Any:
        return jsonify(price=Money(Decimal(10), "GBP"))

    @app.errorhandler(400)
    async def bad(error: t.Any) -> t.Any:
        return {"error": error.description}, 400

    return app


async def test_api(serve: Serve) -> None:
    async with httpx.AsyncClient(base_url=serve(api_app())) as client:
        echoed = await client.post("/echo", json={"a": "b"})
        assert echoed.json() == {"extra": True, "input": {"a": "b"}}
        assert (await client.get("/example")).json() == ["a", "b"]
        made = await client.post("/todos/", json={"task": "Abc"})
        assert (made.status_code, made.json()) == (201, {"task": "Abc", "done": False})
        assert (await client.get("/todos/")).json() == [{"task": "Abc", "done": False}]
        refused = await client.post("/todos/", json={"due": None})
        assert (refused.status_code, refused.json()) == (400, {"error": "A todo has a task."})
        as_json = {"Content-Type": "application/json"}
        assert (await client.post("/echo", content=b"{", headers=as_json)).status_code == 400
        price = (await client.get("/price")).json()["price"]
        assert price == {"amount": "10.00", "currency": "GBP"}


# --- the video tutorial ---------------------------------------------------------------------------


async def test_video(serve: Serve, tmp_path: Path) -> None:
    video = bytes(range(256)) * 1000
    (tmp_path / "video.mp4").write_bytes(video)
    app = Quart("video", static_folder=str(tmp_path), static_url_path="/static")

    @app.route("/video.mp4")
    async def auto_video() -> t.Any:
        return await send_file(Path(app.static_folder or "") / "video.mp4", conditional=True)

    @app.route("/pieces.mp4")
    async def pieces() -> t.Any:
        response = await send_file(tmp_path / "video.mp4")
        await response.make_conditional(request, accept_ranges=True, complete_length=len(video))
        return response

    async with httpx.AsyncClient(base_url=serve(app)) as client:
        for path in ("/video.mp4", "/pieces.mp4", "/static/video.mp4"):
            whole = await client.get(path)
            assert (whole.status_code, whole.content) == (200, video)
            part = await client.get(path, headers={"Range": "bytes=200-1000"})
            assert (part.status_code, part.content) == (206, video[200:1001])
            assert part.headers["content-range"] == f"bytes 200-1000/{len(video)}"
            tail = await client.get(path, headers={"Range": "bytes=-5"})
            assert tail.content == video[-5:]
            beyond = await client.get(path, headers={"Range": f"bytes={len(video)}-"})
            assert beyond.status_code == 416
            same = await client.get(path, headers={"If-None-Match": whole.headers["etag"]})
            assert (same.status_code, same.content) == (304, b"")


# --- how-to: websockets ---------------------------------------------------------------------------


async def test_sending_and_receiving_independently(serve: Serve) -> None:
    app = Quart("app")
    heard: list[str] = []
    tasks: list[asyncio.Task[t.Any]] = []

    async def sending() -> None:
        while True:
            await websocket.send("tick")
            await asyncio.sleep(0.01)

    async def receiving() -> None:
        while True:
            heard.append(await websocket.receive())  # type: ignore[arg-type]

    @app.websocket("/gather")
    async def gather() -> None:
        tasks[:] = [asyncio.create_task(sending()), asyncio.create_task(receiving())]
        await asyncio.gather(*tasks)

    @app.websocket("/group")
    async def group() -> None:
        async with asyncio.TaskGroup() as together:
            tasks[:] = [together.create_task(sending()), together.create_task(receiving())]

    url = serve(app)
    for path in ("/gather", "/group"):
        async with live(url, path) as connection:
            assert [await connection.recv() for _ in range(3)] == ["tick"] * 3
            await connection.send(path)
            await until(lambda path=path: heard[-1:] == [path])  # type: ignore[misc]
        await until(lambda: all(task.done() for task in tasks))


async def test_detecting_disconnection(serve: Serve) -> None:
    app = Quart("app")
    seen: list[str] = []

    @app.websocket("/ws")
    async def ws() -> None:
        try:
            while True:
                await websocket.send(await websocket.receive())
        except asyncio.CancelledError:
            seen.append("left")
            raise
        finally:
            seen.append("finally")

    async with live(serve(app), "/ws") as connection:
        await connection.send("x")
        assert await connection.recv() == "x"
    await until(lambda: seen == ["left", "finally"])


async def test_rejecting_accepting_and_closing(serve: Serve) -> None:
    app = Quart("app")

    @app.websocket("/guarded")
    async def guarded() -> t.Any:
        if websocket.authorization is None or websocket.authorization.username != "ada":
            return "Invalid password", 403
        await websocket.accept(headers={"X-Hello": "ada"})
        await websocket.send("welcome")
        return None

    @app.websocket("/closes")
    async def closes() -> None:
        await websocket.accept()
        await websocket.close(1001, "moved")

    @app.websocket("/both")
    async def both_live() -> None:
        await websocket.send("live")

    @app.route("/both")
    async def both() -> str:
        return "http"

    url = serve(app)
    with pytest.raises(InvalidStatus) as refused:
        await live(url, "/guarded")
    assert refused.value.response.status_code == 403
    assert refused.value.response.body == b"Invalid password"
    there = url.replace("http://", "ws://ada:x@") + "/guarded"
    async with connect(there) as connection:
        assert await connection.recv() == "welcome"
        assert connection.response is not None
        assert connection.response.headers["X-Hello"] == "ada"
    async with live(url, "/closes") as connection:
        with pytest.raises(ConnectionClosed) as closed:
            await connection.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, "moved")
    async with live(url, "/both") as connection, httpx.AsyncClient() as client:
        assert await connection.recv() == "live"
        assert (await client.get(f"{url}/both")).text == "http"
        assert (await client.get(f"{url}/guarded")).status_code == 400


# --- how-to: server-sent events, streams, disconnections ------------------------------------------


async def test_server_sent_events_and_their_end(serve: Serve) -> None:
    app = Quart("app")
    clients: set[asyncio.Queue[str]] = set()

    @app.get("/sse")
    async def sse() -> t.Any:
        if "text/event-stream" not in request.accept_mimetypes:
            abort(400)
        queue: asyncio.Queue[str] = asyncio.Queue()
        clients.add(queue)

        async def events() -> t.AsyncIterator[bytes]:
            try:
                while True:
                    yield f"data: {await queue.get()}\nevent: news\n\n".encode()
            finally:
                clients.discard(queue)

        response = await make_response(
            events(), {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
        )
        response.timeout = None
        return response

    @app.post("/broadcast")
    async def broadcast() -> t.Any:
        data = await request.get_json()
        for queue in clients:
            await queue.put(data["message"])
        return jsonify(True)

    url = serve(app)
    async with httpx.AsyncClient(base_url=url) as client:
        async with client.stream("GET", "/sse", headers={"Accept": "text/event-stream"}) as stream:
            lines = stream.aiter_lines()
            await client.post("/broadcast", json={"message": "hi"})
            assert [await anext(lines) for _ in range(3)] == ["data: hi", "event: news", ""]
        await until(lambda: not clients)
        assert (await client.get("/sse", headers={"Accept": "text/plain"})).status_code == 400


async def test_streams_with_context_both_ways(serve: Serve) -> None:
    app = Quart("app")

    @app.route("/count", methods=["POST"])
    async def count() -> t.Any:
        @stream_with_context
        async def sizes() -> t.AsyncIterator[bytes]:
            yield f"{request.args['name']}:".encode()
            async for data in request.body:
                yield f" {len(data)}".encode()

        return sizes(), 200, {"X-Something": "value"}

    async def upload() -> t.AsyncIterator[bytes]:
        for size in (10, 20):
            yield b"x" * size

    async with httpx.AsyncClient(base_url=serve(app)) as client:
        answer = await client.post("/count?name=ada", content=upload())
    assert answer.headers["x-something"] == "value"
    name, _, sizes = answer.text.partition(":")
    assert (name, sum(map(int, sizes.split()))) == ("ada", 30)


async def test_an_upload_that_breaks_off_is_a_cancellation(serve: Serve) -> None:
    app = Quart("app")
    seen: list[t.Any] = []

    @app.post("/upload")
    async def upload() -> str:
        try:
            async for data in request.body:
                seen.append(len(data))
        except asyncio.CancelledError:
            seen.append("left")
            raise
        return "all"

    url = httpx.URL(serve(app))
    assert url.port is not None
    _, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\npartial")
    await until(lambda: seen == [7])
    writer.close()
    await until(lambda: seen == [7, "left"])


# --- how-to: background tasks, serving, sync code, sessions, middleware ---------------------------


async def test_background_tasks_start_up_and_shutdown(tmp_path: Path) -> None:
    app = Quart("app")
    seen: list[str] = []

    @app.before_serving
    async def create_pool() -> None:
        g.something = "of start-up"
        app.pool = ["connection"]  # type: ignore[attr-defined]
        app.add_background_task(work, "start-up")

    @app.before_serving
    async def use_g() -> None:
        seen.append(g.something)

    @app.while_serving
    async def lifespan() -> t.AsyncIterator[None]:
        seen.append("startup")
        yield
        seen.append("shutdown")

    @app.after_serving
    async def close_pool() -> None:
        app.pool.clear()  # type: ignore[attr-defined]

    async def work(name: str) -> None:
        await asyncio.sleep(0.01)
        seen.append(f"{current_app.name} {name}")

    def sync_work() -> None:
        seen.append(f"in a thread: {threading.current_thread() is not serving}")

    @app.post("/jobs/")
    async def create_job() -> str:
        app.add_background_task(work, "job")
        app.add_background_task(sync_work)
        return "Success" if app.pool else "no pool"  # type: ignore[attr-defined]

    serving: t.Any = None

    @app.before_serving
    async def note() -> None:
        nonlocal serving
        serving = threading.current_thread()

    with hypercorn(app, tmp_path) as server:
        async with httpx.AsyncClient(base_url=server.http) as client:
            assert (await client.post("/jobs/")).text == "Success"
    assert not app.pool  # type: ignore[attr-defined]
    assert sorted(seen) == sorted(
        ["of start-up", "startup", "app start-up", "app job", "in a thread: True", "shutdown"]
    )


async def test_sync_code_in_threads_with_the_request(serve: Serve) -> None:
    app = Quart("app")
    loop_threads: list[int] = []

    @app.get("/sync")
    def sync() -> t.Any:
        return {"method": request.method, "thread": threading.get_ident()}

    @app.get("/within")
    async def within() -> t.Any:
        loop_threads.append(threading.get_ident())

        def work() -> tuple[str, int]:
            return request.path, threading.get_ident()

        path, thread = await run_sync(work)()
        return {"path": path, "thread": thread}

    async with httpx.AsyncClient(base_url=serve(app)) as client:
        within_answer = (await client.get("/within")).json()
        sync_answer = (await client.get("/sync")).json()
    assert within_answer["path"] == "/within" and sync_answer["method"] == "GET"
    assert within_answer["thread"] not in loop_threads
    assert sync_answer["thread"] not in loop_threads


async def test_sessions_in_requests_and_websockets(serve: Serve) -> None:
    app = Quart("app")
    app.secret_key = "secret"

    @app.before_request
    def make_session_permanent() -> None:
        session.permanent = True

    @app.post("/colour/")
    async def set_colour() -> t.Any:
        session["colour"] = (await request.form)["colour"]
        return redirect(url_for("index"))

    @app.route("/")
    async def index() -> str:
        return t.cast(str, session.get("colour", "black"))

    @app.websocket("/ws")
    async def ws() -> None:
        await websocket.send(session.get("colour", "black"))

    url = serve(app)
    async with httpx.AsyncClient(base_url=url, follow_redirects=True) as client:
        assert (await client.get("/")).text == "black"
        assert (await client.post("/colour/", data={"colour": "red"})).text == "red"
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    there = url.replace("http", "ws") + "/ws"
    async with connect(there, additional_headers={"Cookie": cookie}) as connection:
        assert await connection.recv() == "red"


async def test_middleware_and_blueprints(serve: Serve) -> None:
    class Reject:
        def __init__(self, app: t.Any) -> None:
            self.app = app

        async def __call__(self, scope: t.Any, receive: t.Any, send: t.Any) -> None:
            if "headers" not in scope or (b"x-secret", b"very-secret") in scope["headers"]:
                await self.app(scope, receive, send)
                return
            headers = [(b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    app = Quart("app")
    blueprint = Blueprint("inner", __name__, url_prefix="/inner")

    @blueprint.before_request
    async def note() -> None:
        g.noted = "noted"

    @blueprint.route("/")
    async def inner() -> str:
        return f"{g.noted} {url_for('.inner')}"

    app.register_blueprint(blueprint)
    app.asgi_app = Reject(app.asgi_app)  # type: ignore[method-assign]
    url = serve(app)
    async with httpx.AsyncClient(base_url=url) as client:
        assert (await client.get("/inner/")).status_code == 401
        answer = await client.get("/inner/", headers={"X-Secret": "very-secret"})
        assert answer.text == "noted /inner/"
    assert (await app.test_client().get("/inner/")).status_code == 401


async def test_nothing_of_a_hundred_websockets_is_kept(serve: Serve) -> None:
    app = chat_app()
    url = serve(app)

    def websockets() -> list[quart.Websocket]:
        gc.collect()
        return [found for found in gc.get_objects() if type(found) is quart.Websocket]

    others = weakref.WeakSet(websockets())  # of tests whose failures are kept, for one
    for _ in range(10):
        connections = [await live(url, "/ws") for _ in range(10)]
        await asyncio.gather(*(connection.close() for connection in connections))
    await until(lambda: not app.broker.listeners)
    del connections

    def is_clean() -> bool:
        # A handler may have begun after its client had left, and after the others had ended.
        app.readers[:] = [reader for reader in app.readers if not reader.done()]
        return all(found in others for found in websockets())

    await until(is_clean)
