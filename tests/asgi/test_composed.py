"""`app.mount` and `app.add_middleware`: apps of every kind below an app, and around it."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import typing as t

import asgi_correlation_id
import asgi_csrf
import flask
import prometheus_client
import pytest
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount as StarletteMount
from starlette.routing import Route
from starlette.routing import WebSocketRoute
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.routing import BuildError

import quartish
from quartish.middleware import FromWSGI
from quartish.streaming import sse
from tests._peer import Answer
from tests._peer import ask

App = t.Any


def wsgi_asked(app: App, path: str, method: str = "GET") -> tuple[int, str]:
    response = app.test_client().open(path, method=method)
    return response.status_code, response.text


# --- what is mounted ------------------------------------------------------------------------


def described(url: str) -> str:
    return f"below: {url}"


def flask_below() -> App:
    app = flask.Flask("below")
    app.add_url_rule("/x", "x", lambda: described(flask.request.url))
    app.add_url_rule("/x", "post", lambda: "posted", methods=["POST"])
    return app


def quartish_below(colour: type[t.Any]) -> App:
    app = colour("below")

    async def x() -> str:
        return described(quartish.request.url)

    async def echo() -> None:
        await quartish.websocket.send(quartish.websocket.path)

    app.add_url_rule("/x", "x", x)
    app.add_url_rule("/x", "post", lambda: "posted", methods=["POST"])
    app.add_websocket("/echo", "echo", echo)
    return app


def starlette_below() -> App:
    async def x(request: t.Any) -> t.Any:
        if request.method == "POST":
            return PlainTextResponse("posted")
        return PlainTextResponse(described(str(request.url)))

    async def echo(websocket: t.Any) -> None:
        await websocket.accept()
        await websocket.send_text(websocket.scope["path"].removeprefix("/below"))
        await websocket.close()

    return Starlette(
        routes=[Route("/x", x, methods=["GET", "POST"]), WebSocketRoute("/echo", echo)]
    )


def wsgi_below() -> App:
    def below(environ: t.Any, start_response: t.Any) -> t.Iterable[bytes]:
        if environ["PATH_INFO"] != "/x":
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"not here"]
        start_response("200 OK", [("Content-Type", "text/plain")])
        url = f"http://{environ['HTTP_HOST']}{environ['SCRIPT_NAME']}{environ['PATH_INFO']}"
        return [b"posted" if environ["REQUEST_METHOD"] == "POST" else described(url).encode()]

    return below


BELOW: dict[str, t.Callable[[], App]] = {
    "Flask": flask_below,
    "FromWSGI": lambda: FromWSGI(flask_below()),
    "plain": lambda: quartish_below(quartish.Flask),
    "awaitable": lambda: quartish_below(quartish.Quart),
    "Starlette": starlette_below,
    "WSGI": wsgi_below,
}


@pytest.fixture(params=BELOW)
def below(request: pytest.FixtureRequest) -> App:
    return BELOW[request.param]()


def make_above(colour: type[t.Any], **mounts: App) -> App:
    app = colour("above")

    @app.get("/x")
    async def own() -> str:
        return "above"

    @app.get("/dir/")
    async def directory() -> str:
        return "directory"

    @app.before_request
    def before() -> None:
        quartish.g.seen = True

    return app


@pytest.mark.parametrize("prefix", ["/below", "/"])
async def test_what_goes_where(colour: type[t.Any], below: App, prefix: str) -> None:
    app = make_above(colour)
    app.mount(prefix, below)
    answers = {
        "/x": "above",
        "/dir/": "directory",
        "/belowx": None,
        "/below": None,
        "/below/none": None,
    }
    if prefix == "/below":
        answers["/below/x"] = "below: http://localhost/below/x"
    for path, text in answers.items():
        answer = await ask(app, path)
        assert (answer.status, answer.text) == (200, text) if text else answer.status == 404, path
    answer = await ask(app, "/dir")
    assert answer.status == 308
    # What the app has by another method is looked for below.
    answer = await ask(app, "/x", "POST")
    assert answer.status == 405 if prefix == "/below" else answer.text == "posted"


async def test_websockets(colour: type[t.Any]) -> None:
    for kind in ("plain", "awaitable", "Starlette"):
        for prefix in ("/below", "/"):
            app = make_above(colour)
            app.mount(prefix, BELOW[kind]())
            client = app.async_test_client() if app.plain else app.test_client()
            async with client.websocket(f"{prefix.rstrip('/')}/echo") as connection:
                assert await connection.receive() == "/echo"


def test_by_wsgi(below: App) -> None:
    for prefix in ("/below", "/"):
        app = make_above(quartish.Flask)
        app.mount(prefix, below)
        assert wsgi_asked(app, "/x") == (200, "above")
        path = prefix.rstrip("/") + "/x"
        if isinstance(below, quartish.Quart | Starlette):
            with pytest.raises(TypeError, match=rf"mounted at '{prefix}', is an ASGI app"):
                wsgi_asked(app, path, "POST")
        else:
            assert wsgi_asked(app, path, "POST") == (200, "posted")
            assert wsgi_asked(app, "/dir")[0] == 308
            assert wsgi_asked(app, "/none")[0] == 404


def test_the_environ_is_the_callers() -> None:
    app = make_above(quartish.Flask)
    app.mount("/grün", BELOW["Flask"]())
    assert wsgi_asked(app, "/grün/x") == (200, "below: http://localhost/grün/x")
    environ = {"SCRIPT_NAME": "", "PATH_INFO": "/grün/x".encode().decode("latin-1")}
    given = quartish.Flask("other").test_request_context("/").request.environ | environ
    assert b"".join(app(dict(given), lambda *args: None))
    assert given["PATH_INFO"] == environ["PATH_INFO"]


@pytest.mark.parametrize("prefix", ["", "x", "/x/", "//"])
def test_what_is_no_prefix(colour: type[t.Any], prefix: str) -> None:
    app = colour("app")
    with pytest.raises(ValueError, match="A mount's prefix begins with '/'"):
        app.mount(prefix, flask_below())
    assert app.mounted == []


def test_twice_the_same(colour: type[t.Any]) -> None:
    app = colour("app")
    app.mount("/a", flask_below())
    with pytest.raises(ValueError, match="<Flask 'below'> is mounted at '/a' as 'a'"):
        app.mount("/a", flask_below(), name="b")
    with pytest.raises(ValueError, match="is mounted at '/a' as 'a'"):
        app.mount("/b", flask_below(), name="a")


async def test_all_live_and_share_the_state(colour: type[t.Any]) -> None:
    told: list[str] = []
    app, below, rest = colour("above"), colour("below"), colour("rest")
    for each in (app, below, rest):

        @each.while_serving
        async def live(name: str = each.import_name) -> t.AsyncIterator[None]:
            told.append(f"{name} up")
            yield
            told.append(f"{name} down")

    app.mount("/below", below)
    app.mount("/", rest)
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[str] = []

    async def receive() -> t.Any:
        return messages.pop(0)

    async def send(message: t.Any) -> None:
        sent.append(message["type"])

    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert told == [f"{name} up" for name in ("above", "below", "rest")] + [
        f"{name} down" for name in ("rest", "below", "above")
    ]


async def test_nothing_goes_on_after_the_last_answer(colour: type[t.Any]) -> None:
    """Hypercorn cancels it then, and ends by an error where something does."""
    app = colour("above")
    app.mount("/below", starlette_below())
    app.mount("/flask", flask_below())
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    over = asyncio.Event()

    async def receive() -> t.Any:
        return messages.pop(0)

    async def send(message: t.Any) -> None:
        if message["type"] == "lifespan.shutdown.complete":
            over.set()

    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    task = asyncio.create_task(app(scope, receive, send))
    await over.wait()
    task.cancel()
    await task
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def live_of(app: App) -> tuple[list[t.Any], dict[str, t.Any]]:
    """Return what an app says to its start and its end, and the state that it leaves."""
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[t.Any] = []
    state: dict[str, t.Any] = {}

    async def receive() -> t.Any:
        return messages.pop(0)

    async def send(message: t.Any) -> None:
        sent.append(message)

    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": state}, receive, send)
    return sent, state


async def test_one_that_is_mounted_twice_starts_once(colour: type[t.Any]) -> None:
    told: list[str] = []
    app, below = colour("above"), colour("below")

    @below.while_serving
    async def live() -> t.AsyncIterator[None]:
        told.append("up")
        yield
        told.append("down")

    app.mount("/v1", below)
    app.mount("/v2", below)
    app.mount("/", below)
    sent, _ = await live_of(app)
    assert [message["type"] for message in sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert told == ["up", "down"]


async def test_one_that_breaks_after_its_start(colour: type[t.Any]) -> None:
    """Nobody was told of what it raised."""
    told: list[str] = []

    async def breaks(scope: t.Any, receive: t.Any, send: t.Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        raise LookupError("no such pool")

    async def knows_no_lifespan(scope: t.Any, receive: t.Any, send: t.Any) -> None:
        assert scope["type"] == "http"

    app = colour("above")

    @app.after_serving
    def after() -> None:
        told.append("down")

    app.mount("/none", knows_no_lifespan)
    app.mount("/breaks", breaks)
    sent, _ = await live_of(app)
    assert sent == [
        {"type": "lifespan.startup.complete"},
        {"type": "lifespan.shutdown.failed", "message": "LookupError: no such pool"},
    ]
    assert told == ["down"]


async def test_states_of_lifespans_reach_their_requests(colour: type[t.Any]) -> None:
    """Starlette issue 649, FastAPI issues 811 and 1480: those of mounted apps did not run."""

    @contextlib.asynccontextmanager
    async def lifespan(app: t.Any) -> t.AsyncIterator[dict[str, t.Any]]:
        yield {"pool": "open"}

    async def show(request: t.Any) -> t.Any:
        return PlainTextResponse(request.state.pool)

    app = colour("above")
    app.mount("/below", Starlette(routes=[Route("/x", show)], lifespan=lifespan))
    sent, state = await live_of(app)
    assert len(sent) == 2 and state == {"pool": "open"}

    async def server(scope: t.Any, receive: t.Any, send: t.Any) -> None:
        await app({**scope, "state": dict(state)}, receive, send)

    assert (await ask(server, "/below/x")).text == "open"


# --- what others were found to do wrong -----------------------------------------------------


def shows(colour: type[t.Any]) -> App:
    app = colour("shows")

    @app.get("/")
    @app.get("/dir/")
    @app.get("/<path:path>")
    async def show(path: str = "") -> dict[str, str]:
        request = quartish.request
        return {"path": request.path, "root": request.root_path, "url": request.base_url}

    return app


async def at_root(app: App, root: str, path: str) -> Answer:
    async def server(scope: t.Any, receive: t.Any, send: t.Any) -> None:
        await app({**scope, "root_path": root}, receive, send)

    return await ask(server, path)


async def test_a_root_is_whole_segments(colour: type[t.Any]) -> None:
    """Starlette issue 2599: `/product` was taken off `/products`."""
    app = colour("above")
    app.mount("/below", shows(colour))
    for root, path, seen in (
        ("/product", "/below/products", "/products"),
        ("/below", "/below/below/x", "/x"),
        ("/bel", "/below/x", "/x"),
    ):
        answer = await at_root(app, root, path)
        assert json.loads(answer.body)["path"] == seen, (root, path)
        assert json.loads(answer.body)["root"] == f"{root}/below"


@pytest.mark.parametrize("given", ["with root", "without"])
async def test_a_redirect_has_the_root_once(colour: type[t.Any], given: str) -> None:
    """Starlette issues 383, 1130 and 3293: it came twice, or not at all."""
    app = colour("above")
    app.mount("/below", shows(colour))
    below = "/api/v1/below" if given == "with root" else "/below"
    answer = await at_root(app, "/api/v1", f"{below}/dir")
    assert (answer.status, answer.headers["location"]) in (
        (308, "http://localhost/api/v1/below/dir/"),
        (308, "/api/v1/below/dir/"),
    )
    answer = await at_root(app, "/api/v1", below)
    assert answer.status == 308
    assert answer.headers["location"].removeprefix("http://localhost") == "/api/v1/below/"


@pytest.mark.parametrize("kind", ["plain", "awaitable", "Flask", "WSGI"])
async def test_paths_that_climb(colour: type[t.Any], kind: str) -> None:
    """Nobody resolves them: they lead to no other app than they begin with."""
    app = make_above(colour)
    app.mount("/below", BELOW[kind]())
    for path in ("/below/../x", "/below/./x", "/below/%2e%2e/x", "/./below/x", "/x/../below/x"):
        assert (await ask(app, path)).status == 404, path


async def test_a_bare_prefix_reaches_an_asgi_app(colour: type[t.Any]) -> None:
    """Starlette issues 823 and 869."""

    async def below(scope: t.Any, receive: t.Any, send: t.Any) -> None:
        await PlainTextResponse(f"{scope['root_path']} {scope['path']}")(scope, receive, send)

    app = colour("above")
    app.mount("/below", below)
    assert (await ask(app, "/below")).text == "/below /below"
    assert (await ask(app, "/below/")).text == "/below /below/"
    assert (await ask(app, "/below//x")).text == "/below /below//x"


async def test_nested_mounts(colour: type[t.Any]) -> None:
    inner, middle, app = shows(colour), colour("middle"), colour("above")
    middle.mount("/inner", inner)
    middle.mount("/inner/most", shows(colour))
    app.mount("/middle", middle)
    answer = await ask(app, "/middle/inner/x")
    assert json.loads(answer.body) == {
        "path": "/x",
        "root": "/middle/inner",
        "url": "http://localhost/middle/inner/x",
    }
    answer = await ask(app, "/middle/inner/most/x")
    assert json.loads(answer.body)["root"] == "/middle/inner/most"
    assert (await ask(app, "/middle/inners/x")).status == 404


# --- URLs across ----------------------------------------------------------------------------


async def test_urls_across_nested_mounts(colour: type[t.Any]) -> None:
    asked = ["up", "between", "deep", "beside", "middle:between", "middle:inner:deep", "inner:deep"]

    def urls() -> str:
        return " ".join(quartish.url_for(endpoint) for endpoint in asked)

    app, middle, inner, side = (colour(name) for name in ("above", "middle", "inner", "side"))
    for each, endpoint in ((app, "up"), (middle, "between"), (inner, "deep"), (side, "beside")):
        each.add_url_rule(f"/{endpoint}", endpoint, lambda: "")
        each.add_url_rule("/urls", f"{endpoint}_urls", urls)
    middle.mount("/inner", inner)
    app.mount("/middle", middle)
    app.mount("/side", side)
    for root in ("", "/root"):
        expected = [
            f"{root}/up",
            f"{root}/middle/between",
            f"{root}/middle/inner/deep",
            f"{root}/side/beside",
            f"{root}/middle/between",
            *[f"{root}/middle/inner/deep"] * 2,
        ]
        for path in ("/urls", "/middle/urls", "/middle/inner/urls", "/side/urls"):
            assert (await ask_below(app, root, path)).text.split() == expected, path


@pytest.mark.parametrize("prefix", ["/reports", "/"])
async def test_urls_of_starlettes_routes(colour: type[t.Any], prefix: str) -> None:
    async def page(request: t.Any) -> t.Any:
        return PlainTextResponse("page")

    reports = Starlette(
        routes=[
            Route("/daily", page, name="daily"),
            Route("/of/{name}/{number:int}", page, name="one"),
            Route("/files/{path:path}", page, name="file"),
            StarletteMount("/sub", routes=[Route("/x", page, name="x")], name="sub"),
        ]
    )
    app = colour("above")
    app.mount(prefix, reports, name="reports")
    at = prefix.rstrip("/")

    @app.get("/urls")
    async def urls() -> list[t.Any]:
        url_for = quartish.url_for
        failed = []
        for endpoint, values in (
            ("none", {}),
            ("daily", {"more": 1}),
            ("one", {"name": "a/b", "number": 1}),
            ("sub:x", {}),
        ):
            try:
                failed.append(url_for(endpoint, **values))
            except BuildError:
                failed.append("-")
        return [
            *failed,
            url_for("daily"),
            url_for("reports:daily", _external=True, _scheme="https", _anchor="a b"),
            url_for("one", name="a ?#%ü", number=3),
            url_for("file", path="//evil.example/x"),
            url_for("reports:sub:x"),
        ]

    answer = await ask(app, "/urls")
    assert json.loads(answer.body) == [
        *["-"] * 4,
        f"{at}/daily",
        f"https://localhost{at}/daily#a%20b",
        f"{at}/of/a%20%3F%23%25%C3%BC/3",
        f"{at}/files///evil.example/x",
        f"{at}/sub/x",
    ]


@pytest.mark.parametrize("kind", ["Flask", "plain", "awaitable"])
@pytest.mark.parametrize("prefix", ["/below", "/"])
@pytest.mark.parametrize("root", ["", "/root"])
async def test_urls_across(colour: type[t.Any], kind: str, prefix: str, root: str) -> None:
    asked: list[tuple[str, dict[str, t.Any]]] = [
        ("index", {}),
        ("page", {"number": 1, "q": "ü"}),
        ("page", {"number": 1, "_anchor": "a b"}),
        ("page", {"number": 1, "_external": True}),
        ("page", {"number": 1, "_external": True, "_scheme": "https"}),
        ("below:page", {"number": 2}),
        ("own", {}),
        ("side", {}),
        ("side:side", {"_external": True}),
        ("static", {"filename": "x.css"}),
    ]

    def build(url_for: t.Callable[..., str]) -> list[str]:
        return [url_for(endpoint, **values) for endpoint, values in asked]

    is_flask = kind == "Flask"
    classes = {"Flask": flask.Flask, "plain": quartish.Flask, "awaitable": quartish.Quart}
    below: App = classes[kind]("below")
    below.add_url_rule("/", "index", lambda: "index")
    below.add_url_rule("/page/<int:number>", "page", lambda number: "page")
    below.add_url_rule(
        "/urls", "below_urls", lambda: "\n".join(build((flask if is_flask else quartish).url_for))
    )
    side = flask.Flask("side")
    side.add_url_rule("/", "side", lambda: "side")
    app: App = colour("above")
    app.add_url_rule("/own", "own", lambda: "own")
    app.add_url_rule("/own-urls", "own_urls", lambda: "\n".join(build(quartish.url_for)))
    app.mount(prefix, below, name="below")
    app.mount("/side", side)

    at = root + prefix.rstrip("/")
    expected = [
        f"{at}/",
        f"{at}/page/1?q=%C3%BC",
        f"{at}/page/1#a%20b",
        f"http://localhost{at}/page/1",
        f"https://localhost{at}/page/1",
        f"{at}/page/2",
        f"{root}/own",
        f"{root}/side/",
        f"http://localhost{root}/side/",
    ]
    above = await ask_below(app, root, "/own-urls")
    assert above.text.splitlines() == [*expected, f"{root}/static/x.css"]
    there = await ask_below(app, root, f"{prefix.rstrip('/')}/urls")
    assert there.text.splitlines() == [*expected, f"{at}/static/x.css"]


async def ask_below(app: App, root: str, path: str) -> Answer:
    """Ask an app that is itself below a prefix."""

    async def server(scope: t.Any, receive: t.Any, send: t.Any) -> None:
        await app({**scope, "root_path": root, "path": root + scope["path"]}, receive, send)

    answer = await ask(server, path)
    assert answer.status == 200, answer.text
    return answer


def test_urls_that_nobody_has(colour: type[t.Any]) -> None:
    app, below = colour("above"), flask.Flask("below")
    app.config["SERVER_NAME"] = "localhost"
    app.mount("/below", below)
    with pytest.raises(Exception, match=r"Could not build url for endpoint 'none'"):
        app.url_for("none")
    with pytest.raises(Exception, match=r"Could not build url for endpoint 'other:static'"):
        app.url_for("other:static", filename="x")
    with below.test_request_context("/"), pytest.raises(Exception, match="'none'"):
        flask.url_for("none")  # served by itself
    with below.test_request_context("/"):
        assert flask.url_for("static", filename="x") == "/static/x"


# --- the other way round --------------------------------------------------------------------


async def test_in_starlette(colour: type[t.Any]) -> None:
    app = make_above(colour)
    app.mount("/below", flask_below())
    outer = Starlette(routes=[StarletteMount("/app", app=app)])
    assert (await ask(outer, "/app/x")).text == "above"
    assert (await ask(outer, "/app/below/x")).text == "below: http://localhost/app/below/x"


def test_in_werkzeugs_dispatcher() -> None:
    app = make_above(quartish.Flask)
    app.mount("/below", flask_below())
    outer = flask.Flask("outer")
    outer.wsgi_app = DispatcherMiddleware(outer.wsgi_app, {"/app": app})  # type: ignore[method-assign]
    assert wsgi_asked(outer, "/app/x") == (200, "above")
    assert wsgi_asked(outer, "/app/below/x") == (200, "below: http://localhost/app/below/x")


# --- middleware -----------------------------------------------------------------------------


async def test_starlettes_middleware(colour: type[t.Any]) -> None:
    app = colour("app")
    app.mount("/below", flask_below())

    @app.get("/long")
    async def long() -> str:
        return "x" * 2000

    @app.get("/events")
    @sse
    async def events() -> t.AsyncIterator[str]:
        yield "x" * 2000

    @app.get("/count")
    async def count() -> str:
        session = quartish.request.scope["session"]
        session["count"] = session.get("count", 0) + 1
        return str(session["count"])

    app.add_middleware(GZipMiddleware, minimum_size=500)
    app.add_middleware(CORSMiddleware, allow_origins=["https://page.test"])
    app.add_middleware(SessionMiddleware, secret_key="x")
    answer = await ask(app, "/long", accept_encoding="gzip", origin="https://page.test")
    assert gzip.decompress(answer.body) == b"x" * 2000
    assert answer.headers["access-control-allow-origin"] == "https://page.test"
    answer = await ask(app, "/below/x", origin="https://page.test")
    assert answer.headers["access-control-allow-origin"] == "https://page.test"
    answer = await ask(app, "/events", accept_encoding="gzip")
    assert b"data: " + b"x" * 2000 in answer.body, "events are left alone"
    first = await ask(app, "/count")
    cookie = first.headers["set-cookie"].partition(";")[0]
    assert (first.text, (await ask(app, "/count", cookie=cookie)).text) == ("1", "2")


async def test_other_middleware(colour: type[t.Any]) -> None:
    app = colour("app")

    @app.post("/")
    async def post() -> str:
        return str(asgi_correlation_id.correlation_id.get())

    app.mount("/metrics", prometheus_client.make_asgi_app())
    app.add_middleware(
        asgi_correlation_id.CorrelationIdMiddleware, validator=None, header_name="X-Request-ID"
    )
    app.add_middleware(asgi_csrf.asgi_csrf, signing_secret="x", skip_if_scope=of_metrics)
    refused = await ask(app, "/", "POST", cookie="session=1")
    assert refused.status == 403
    token = "x"
    answer = await ask(app, "/", "POST", x_request_id="seven", authorization=f"Bearer {token}")
    assert (answer.status, answer.text) == (200, "seven")
    assert answer.headers["x-request-id"] == "seven"
    metrics = await ask(app, "/metrics")
    assert metrics.status == 200 and "python_info" in metrics.text


def of_metrics(scope: t.Any) -> bool:
    return bool(scope["path"] == "/metrics")


async def test_each_stands_around_what_was_there(colour: type[t.Any]) -> None:
    log: list[str] = []

    class Named:
        def __init__(self, app: t.Any, name: str) -> None:
            self.app, self.name = app, name

        async def __call__(self, *args: t.Any) -> None:
            log.append(self.name)
            await self.app(*args)

    app = make_above(colour)
    app.add_middleware(Named, "inner")
    app.mount("/below", flask_below())
    app.add_middleware(Named, name="outer")
    await ask(app, "/x")
    await ask(app, "/below/x")
    assert log == ["outer", "inner", "outer"]
    if app.plain:  # Quart's are set up later, too
        with pytest.raises(AssertionError, match="add_middleware"):
            app.add_middleware(Named, "late")
