"""What a request is for, found before there is a request: and that nobody can tell."""

from __future__ import annotations

import asyncio
import threading
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import flask
import pytest
from werkzeug.routing import Map as WerkzeugMap
from werkzeug.routing import Rule as WerkzeugRule

import quartish
from quartish import current_app
from quartish import Quart
from quartish import request
from quartish import url_for
from quartish.ctx import AppContext
from quartish.globals import app_ctx
from quartish.routing import Map
from tests._peer import ask
from tests._scopes import http_scope
from tests._scopes import websocket_scope
from tests._scripted import Peer


@pytest.fixture
def app(colour: type[t.Any]) -> t.Any:
    app = colour(__name__)

    @app.get("/")
    async def index() -> str:
        return "index"

    @app.get("/a/<int:number>")
    async def number(number: int) -> str:
        return f"number {number}"

    @app.get("/b/<path:rest>")
    async def rest(rest: str) -> str:
        return f"rest {rest}"

    return app


def ending_with(app: t.Any, note: t.Callable[[AppContext], None]) -> None:
    """Call `note` with the context of each request of the app at its end."""

    @app.teardown_request
    async def end(error: BaseException | None) -> None:
        note(app_ctx._get_current_object())  # type: ignore[attr-defined]


# --- the request is made when it is first asked for --------------------------------------------


@pytest.mark.parametrize("path", ["/", "/a/1"])
async def test_a_request_that_nobody_asks_for_is_not_made(app: t.Any, path: str) -> None:
    kept: list[AppContext] = []

    async def view(**arguments: t.Any) -> str:
        kept.append(app_ctx._get_current_object())  # type: ignore[attr-defined]
        return ""

    app.view_functions.update(index=view, number=view)
    await ask(app, path)  # the host is looked at the first time
    assert (await ask(app, path)).status == 200
    assert kept[-1].made is None


@pytest.mark.parametrize("path", ["/late", "/late/7"])
async def test_a_late_request_knows_what_matched(app: t.Any, path: str) -> None:
    seen: list[t.Any] = []

    @app.get("/late")
    @app.get("/late/<int:number>", endpoint="numbered")
    async def late(**arguments: t.Any) -> str:
        arguments["more"] = 1  # its own
        seen.append((request.endpoint, request.view_args, request.url_rule.rule))  # type: ignore[union-attr]
        return f"{request.method} {request.full_path} {request.host} {request.headers['X-Y']}"

    numbered = path != "/late"
    for _ in range(2):
        answer = await ask(app, f"{path}?q=1", x_y="z")
        assert answer.text == f"GET {path}?q=1 localhost z"
        expected = ("numbered", {"number": 7}, "/late/<int:number>")
        assert seen.pop() == (expected if numbered else ("late", {}, "/late"))


async def test_a_request_stays_the_same_object(app: t.Any) -> None:
    seen: list[t.Any] = []

    @app.get("/twice")
    async def twice() -> str:
        seen.append(request._get_current_object())  # type: ignore[attr-defined]
        seen.append(app_ctx.request)
        seen.append(app_ctx.conn)
        return ""

    ending_with(app, lambda ctx: seen.append(ctx.conn))
    for _ in range(2):
        await ask(app, "/twice")
        assert len(seen) == 4 and all(each is seen[0] for each in seen)
        seen.clear()


async def test_it_may_be_asked_for_after_the_end(app: t.Any) -> None:
    kept: list[AppContext] = []
    ending_with(app, kept.append)
    await ask(app)
    await ask(app, "/a/3?q=x", cookie="a=b")
    conn = kept[-1].request
    assert (conn.path, conn.view_args, conn.args["q"]) == ("/a/3", {"number": 3}, "x")
    assert conn.cookies["a"] == "b" and conn.json_module is app.json


async def test_a_class_that_closes_its_requests_has_each_of_them(app: t.Any) -> None:
    closed: list[str] = []

    class Closing(app.request_class):  # type: ignore[misc, name-defined]
        def close(self) -> None:
            closed.append(self.path)

    app.request_class = Closing
    for path in ("/", "/a/1", "/"):
        await ask(app, path)
    assert closed == ["/", "/a/1", "/"]


async def test_a_class_that_makes_its_own_requests_makes_each_of_them(app: t.Any) -> None:
    made: list[str] = []

    class Own(app.request_class):  # type: ignore[misc, name-defined]
        @classmethod
        def quartish_from_scope(cls, scope: t.Any) -> t.Self:
            made.append(scope["path"])
            return super().quartish_from_scope(scope)

    app.request_class = Own
    for path in ("/", "/a/1"):
        await ask(app, path)
    assert made == ["/", "/a/1"]


async def test_a_class_of_its_own_says_what_the_path_is(app: t.Any) -> None:
    class Own(app.request_class):  # type: ignore[misc, name-defined]
        @classmethod
        def quartish_from_scope(cls, scope: t.Any) -> t.Self:
            self = super().quartish_from_scope(scope)
            self.path = self.path.removeprefix("/tenant")
            return t.cast(t.Self, self)

    for _ in range(2):
        assert (await ask(app, "/tenant/a/1")).status == 404
    app.request_class = Own
    for path in ("/tenant/a/1", "/a/1"):
        assert (await ask(app, path)).text == "number 1"


async def test_threads_that_ask_first_are_given_the_same_request(
    app: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    @app.get("/threads")
    async def threads() -> str:
        with ThreadPoolExecutor(4) as pool:
            first = request._get_current_object  # type: ignore[attr-defined]
            asked = [pool.submit(copy_context().run, first) for _ in range(4)]
        return str(len({id(each.result()) for each in asked}))

    make = app.request_class.quartish_from_scope

    def make_slowly(*args: t.Any) -> t.Any:
        time.sleep(0.05)
        return make(*args)

    assert (await ask(app, "/threads")).text == "1"
    monkeypatch.setattr(app.request_class, "quartish_from_scope", make_slowly)
    assert (await ask(app, "/threads")).text == "1"


async def test_a_context_with_an_init_of_its_own_is_given_the_request(app: t.Any) -> None:
    given: list[str] = []

    class Own(AppContext):
        def __init__(self, app: t.Any, environ: t.Any = None, request: t.Any = None) -> None:
            super().__init__(app, environ, request)
            given.append(request.path)

    app.quartish_context_class = Own
    for path in ("/", "/a/1"):
        assert (await ask(app, path)).status == 200
    assert given == ["/", "/a/1"]


async def test_a_class_of_quart_requests_with_an_init_of_its_own_makes_each_of_them() -> None:
    made: list[str] = []

    class Own(Quart.request_class):  # type: ignore[misc, valid-type]
        def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
            super().__init__(*args, **kwargs)
            made.append(self.path)

    app = Quart(__name__)
    app.request_class = Own
    app.add_url_rule("/", view_func=lambda: "")
    for path in ("/", "/other"):
        await ask(app, path)
    assert made == ["/", "/other"]


# --- who has a word in it -----------------------------------------------------------------------


async def test_an_adapter_of_the_apps_own_says_what_is_matched(app: t.Any) -> None:
    def create_url_adapter(conn: t.Any) -> t.Any:
        prefix, path = "/tenant", getattr(conn, "path", "")
        adapter = app.url_map.bind("localhost", script_name=prefix)
        adapter.default_method, adapter.path_info = "GET", path.removeprefix(prefix)
        return adapter

    @app.get("/url")
    async def url() -> str:
        return t.cast(str, url_for("number", number=2))

    assert (await ask(app, "/tenant/a/1")).status == 404
    app.create_url_adapter = create_url_adapter
    assert (await ask(app, "/tenant/a/1")).text == "number 1"
    assert (await ask(app, "/tenant/url")).text == "/tenant/a/2"
    assert (await ask(app, "/a/1")).text == "number 1"
    del app.create_url_adapter
    assert (await ask(app, "/tenant/a/1")).status == 404


async def test_a_context_of_the_apps_own_matches(app: t.Any) -> None:
    class Own(AppContext):
        def match_request(self) -> None:
            found: t.Any = self.url_adapter
            self.request.url_rule, self.request.view_args = found.match(
                f"/a{self.request.path}", return_rule=True
            )

    assert (await ask(app, "/1")).status == 404
    app.quartish_context_class = Own
    assert (await ask(app, "/1")).text == "number 1"
    assert (await ask(app, "/x")).status == 404


async def test_a_converters_fault_is_a_views(app: t.Any) -> None:
    class Ill(app.url_map.converters["default"]):  # type: ignore[misc, name-defined]
        def to_python(self, value: str) -> str:
            raise ZeroDivisionError

    app.url_map.converters["ill"] = Ill

    @app.get("/ill/<ill:value>")
    async def ill(value: str) -> str:
        return value

    @app.errorhandler(ZeroDivisionError)
    async def handle(error: ZeroDivisionError) -> tuple[str, int]:
        return current_app.name, 418

    for _ in range(2):
        assert (await ask(app, "/ill/1")).status == 418


# --- what is set late ---------------------------------------------------------------------------


async def test_a_map_that_is_replaced(app: t.Any) -> None:
    for _ in range(2):
        assert (await ask(app, "/a/1")).text == "number 1"
    old = app.url_map
    app.url_map = WerkzeugMap([WerkzeugRule("/other/<int:number>", endpoint="number")])
    assert (await ask(app, "/other/2")).text == "number 2"
    assert (await ask(app, "/a/1")).status == 404
    app.url_map = old
    assert (await ask(app, "/a/1")).text == "number 1"


async def test_rules_that_are_added(app: t.Any) -> None:
    assert (await ask(app, "/new")).status == 404
    app.url_map.add(app.url_rule_class("/new", endpoint="index", methods={"GET"}))
    for _ in range(2):
        assert (await ask(app, "/new")).text == "index"


HOSTS = ["example.org", "sub.example.org", "a.sub.example.org", "other.org", "xexample.org"]


async def test_hosts_that_begin_to_matter(app: t.Any) -> None:
    for _ in range(2):
        assert (await ask(app)).status == 200
    app.config["TRUSTED_HOSTS"] = ["example.org"]
    assert (await ask(app)).status == 400
    assert (await ask(app, host="example.org")).status == 200
    app.config["TRUSTED_HOSTS"] = None
    reference = flask.Flask("reference")
    reference.add_url_rule("/", view_func=lambda: "index")
    for each in (app, reference):
        each.url_map.host_matching = True  # no rule has a host
        each.url_map.subdomain_matching = False  # type: ignore[union-attr]  # a setting of its own in later Werkzeugs
    assert (await ask(app)).status == reference.test_client().get("/").status_code == 404
    app.url_map.host_matching = False
    app.url_map.subdomain_matching = True
    assert (await ask(app)).status == 200


async def test_subdomains_that_begin_to_matter(app: t.Any) -> None:
    app.config["SERVER_NAME"] = "example.org"
    host = "sub.example.org"
    for _ in range(2):
        # The awaitable colour always minds `SERVER_NAME`, as Quart does.
        assert (await ask(app, host=host)).status == (200 if app.plain else 404)
    app.subdomain_matching = True
    assert (await ask(app, host=host)).status == 404
    assert (await ask(app, host="example.org")).status == 200


@pytest.mark.parametrize("default", [None, "www"])
@pytest.mark.parametrize("host", [*HOSTS, "EXAMPLE.org", "example.org.", "sub.example.org:80"])
@pytest.mark.filterwarnings("ignore::UserWarning")  # whose words are Werkzeug's, or ours
async def test_subdomains_are_matched_as_flask_matches_them(host: str, default: str | None) -> None:
    answers: list[tuple[int, str]] = []
    for kind in (quartish.Flask, flask.Flask):
        app: t.Any = kind(__name__, subdomain_matching=True)
        app.url_map.default_subdomain = default or ""
        app.config["SERVER_NAME"] = "example.org"
        app.add_url_rule("/", "index", lambda: "index")
        app.add_url_rule("/", "sub", lambda: "sub", subdomain="sub")
        app.add_url_rule("/x", "any", lambda name: name, subdomain="<name>")
        for path in ("/", "/x"):
            response = app.test_client().get(path, headers={"Host": host})
            answers.append((response.status_code, response.text))
    assert answers[:2] == answers[2:]


# --- paths and headers that are not what they seem ----------------------------------------------


@pytest.mark.parametrize("host", ["localhost", "a b"])
async def test_a_host_that_came_twice(app: t.Any, host: str) -> None:
    status: list[int] = []

    async def receive() -> dict[str, t.Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, t.Any]) -> None:
        status.append(message.get("status", 0))

    await ask(app)
    scope = http_scope(headers=[(b"host", host.encode()), (b"host", b"localhost")])
    await app(scope, receive, send)
    assert status[0] == 400


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST"])
@pytest.mark.parametrize("path", ["*", "", "//", "/a/1/", "/A/1", "/a/x", "/b/c//d", "/ü"])
async def test_no_path_is_matched_otherwise(app: t.Any, path: str, method: str) -> None:
    def slow(conn: t.Any) -> t.Any:
        return type(app).create_url_adapter(app, conn)

    answers = []
    for _ in range(2):  # the host is looked at the first time
        answers.append(await ask(app, path, method))
    app.create_url_adapter = slow  # now the map's own matcher is asked
    answers.append(await ask(app, path, method))
    assert answers[0] == answers[1] == answers[2]


def test_a_map_forgets_its_table_when_a_rule_is_added() -> None:
    url_map = Map([WerkzeugRule("/a", endpoint="a")])
    table = url_map.table
    assert url_map.table is table
    url_map.add(WerkzeugRule("/b", endpoint="b"))
    assert url_map.table is not table and "/b" in url_map.table.static


@pytest.mark.parametrize("is_async", [False, True])
async def test_the_lane_of_what_a_context_of_the_apps_own_matches(is_async: bool) -> None:
    """In the awaitable colour, too, where a `def` view must not hold the loop."""
    app = Quart("app")

    def view() -> str:
        return threading.current_thread().name

    async def async_view() -> str:
        return threading.current_thread().name

    app.add_url_rule("/found", "found", t.cast(t.Any, async_view if is_async else view))

    class Own(app.quartish_context_class):  # type: ignore[misc, name-defined]
        def match_request(self) -> None:
            self.conn.url_rule = next(app.url_map.iter_rules("found"))
            self.conn.view_args = {}

    app.quartish_context_class = Own
    found = (await ask(app, "/elsewhere")).text
    assert (found == threading.current_thread().name) is is_async


# --- websockets are matched by their scope, too -------------------------------------------------

#: Headers with which a scope is not enough.
LONG_WAY = [(b"x-twice", b"1"), (b"x-twice", b"2")]


def websockets(app: t.Any) -> list[t.Any]:
    """Give an app websockets; return what their handlers find."""
    found: list[t.Any] = []

    async def note(**arguments: t.Any) -> None:
        conn = quartish.websocket
        found.append((conn.url_rule.rule, conn.view_args, conn.path, conn.routing_exception))  # type: ignore[union-attr]
        await conn.accept()

    for rule in ("/", "/w", "/w/<int:number>", "/dir/", "/<path:rest>/end", "/ä"):
        app.add_websocket(rule, rule, view_func=note)
    app.add_url_rule("/http", "http", lambda: "")
    app.add_url_rule("/w/both", "both", lambda: "")
    app.add_websocket("/w/both", "other", view_func=note)

    @app.errorhandler(404)
    @app.errorhandler(400)
    async def refuse(error: t.Any) -> tuple[str, int]:
        found.append((type(error).__name__, quartish.websocket.routing_exception is error))
        return "", error.code

    return found


@pytest.mark.parametrize("root", ["", "/r"])
@pytest.mark.parametrize(
    "path",
    [
        *("/", "/w", "/w/", "/w/7", "/w/x", "/dir", "/dir/", "/a/b/end", "/ä", "/http", "/w/both"),
        *("//w", "/w//7", "w", "", "/none", "/a\udc80/end"),
    ],
)
async def test_a_websocket_is_matched_as_by_the_long_way(app: t.Any, path: str, root: str) -> None:
    found = websockets(app)
    sent: list[t.Any] = []
    for more in ([], [], LONG_WAY):  # the host is looked at the first time
        headers = [(b"host", b"localhost"), *more]
        scope = websocket_scope(path, headers, root_path=root)
        scope["extensions"] = {"websocket.http.response": {}}
        begun: list[t.Any] = []
        messages = iter([{"type": "websocket.connect"}])

        async def receive(messages: t.Any = messages) -> t.Any:
            for message in messages:
                return message
            await asyncio.Event().wait()

        async def send(message: t.Any, begun: t.Any = begun) -> None:
            begun.append(message)

        await app(scope, receive, send)
        sent.append((begun, [*found]))
        found.clear()
    assert sent[0] == sent[1] == sent[2]
    assert sent[0][0]


@pytest.mark.parametrize("host", [b"localhost", b"elsewhere", b"bad host", b"", None])
@pytest.mark.parametrize("trusted", [None, ["localhost"]])
async def test_the_host_of_a_websocket_is_looked_at(
    app: t.Any, host: t.Any, trusted: t.Any
) -> None:
    found = websockets(app)
    app.config.update(TRUSTED_HOSTS=trusted)
    headers = [] if host is None else [(b"host", host)]
    for more in ([], [], LONG_WAY):
        async with Peer(app, websocket_scope("/w", [*headers, *more])) as peer:
            peer.put({"type": "websocket.connect"})
        good = host != b"bad host" and (trusted is None or host in (b"localhost", None))
        assert peer.types == (["accept", "close"] if good else ["close"])
        assert good or found[-1][0] == "SecurityError"


async def test_a_class_of_websockets_that_finds_its_own_path_is_asked(app: t.Any) -> None:
    found = websockets(app)

    class Moved(app.websocket_class):  # type: ignore[misc, name-defined]
        @classmethod
        def quartish_from_scope(cls, scope: t.Any, *more: t.Any) -> t.Self:
            return super().quartish_from_scope({**scope, "path": "/w/9"}, *more)

    app.websocket_class = Moved
    async with Peer(app, websocket_scope("/w")) as peer:
        peer.put({"type": "websocket.connect"})
    assert found == [("/w/<int:number>", {"number": 9}, "/w/9", None)]
