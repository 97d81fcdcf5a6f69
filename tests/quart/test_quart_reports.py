"""What people reported of Quart and its extensions, as small programs: each is run on real Quart
and here, and tells the same.

The report, or the release of Quart whose notes tell of it, stands above each. They were looked for
by kinds: websockets, sessions, the test client, streams, configuration, background tasks, errors.
"""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import io
import json
import logging
import typing as t
from pathlib import Path

import pytest
import quart
import werkzeug.exceptions
import werkzeug.wrappers

import quartish.quart
from tests._peer import ask
from tests._scripted import HttpPeer
from tests._scripted import WebsocketPeer

pytestmark = pytest.mark.usefixtures("quiet")

Module = t.Any
PROGRAMS: list[t.Callable[..., t.Awaitable[t.Any]]] = []


def program(func: t.Any) -> t.Any:
    PROGRAMS.append(func)
    return func


def make(m: Module, **config: t.Any) -> t.Any:
    app = m.Quart("reports", root_path=str(Path(__file__).parent), static_folder=None)
    app.secret_key = "key"
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.config.update(config)
    return app


def sub(m: Module, name: str) -> t.Any:
    return importlib.import_module(f"{m.__name__}.{name}")


async def got(response: t.Any, *headers: str) -> t.Any:
    found = [response.headers.get(name) for name in headers]
    return response.status_code, await response.get_data(), *found


async def tried(awaitable: t.Awaitable[t.Any]) -> t.Any:
    try:
        return await awaitable
    except Exception as error:
        return type(error).__name__


# --- websockets ---------------------------------------------------------------------------------


@program  # pallets/quart#281
async def the_code_of_a_disconnect_by_a_connection_class(m: Module) -> t.Any:
    app, seen = make(m), []
    base: t.Any = app.asgi_websocket_class

    class Connection(base):  # type: ignore[misc]
        def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
            super().__init__(*args, **kwargs)
            self.scope["left"] = None

        async def handle_messages(self, receive: t.Any) -> None:
            async def noting() -> t.Any:
                event = await receive()
                if event["type"] == "websocket.disconnect":
                    self.scope["left"] = event
                return event

            await super().handle_messages(noting)

    app.asgi_websocket_class = Connection

    @app.websocket("/")
    async def handle() -> None:
        scope = m.websocket.scope
        try:
            while True:
                seen.append(await m.websocket.receive())
                await m.websocket.send("ok")
        finally:
            seen.append(scope["left"]["code"])

    async with WebsocketPeer(app) as peer:
        peer.say("one")
        await peer.until(2)
        peer.leave(4001)
    return seen


@program  # pallets/quart#53
async def subprotocols_before_the_handshake(m: Module) -> t.Any:
    app, seen = make(m), []

    @app.websocket("/")
    async def handle() -> t.Any:
        offered = m.websocket.requested_subprotocols
        seen.append((offered, m.websocket.headers.get("Sec-WebSocket-Protocol")))
        if "chat" not in offered:
            return "none of ours", 400
        await m.websocket.accept(subprotocol="chat", headers={"X-A": "b"})
        return None

    for offered in (["x", "chat"], ["x"], []):
        async with WebsocketPeer(app, subprotocols=offered) as peer:
            await peer.ended()
        first = peer.sent[0]
        seen.append((peer.types[0], first.get("subprotocol"), first.get("status")))  # type: ignore[arg-type]
    return seen


@program  # Quart 0.14: cookies of the jar are sent by websockets
async def a_login_is_known_to_a_websocket(m: Module) -> t.Any:
    app = make(m)

    @app.route("/login")
    async def login() -> str:
        m.session["user"] = "ada"
        return ""

    @app.websocket("/")
    async def handle() -> None:
        await m.websocket.send(m.session.get("user", "nobody"))

    client, seen = app.test_client(), []
    for _ in range(2):
        async with client.websocket("/") as websocket:
            seen.append(await websocket.receive())
        await client.get("/login")
    return seen


@program  # Quart 0.10: a session changed before the handshake is saved by it
async def a_session_changed_by_a_websocket(m: Module) -> t.Any:
    app, seen = make(m), []

    @app.websocket("/refused")
    async def refuse() -> t.Any:
        m.session["seen"] = True
        return "no", 403

    @app.websocket("/accepted")
    async def accept() -> None:
        m.session["late"] = True
        await m.websocket.send("x")

    async with WebsocketPeer(app, "/refused") as peer:
        await peer.ended()
    names = [name for name, _ in peer.sent[0]["headers"]]
    seen.append((peer.sent[0]["status"], b"set-cookie" in names))
    async with WebsocketPeer(app, "/accepted") as peer:
        await peer.ended()
    return seen, peer.said, peer.types[-1]


@program  # Quart 0.16: the before functions of websockets are called, not those of requests
async def hooks_of_websockets_and_blueprints(m: Module) -> t.Any:
    app, seen = make(m), []
    bp = m.Blueprint("bp", "bp", url_prefix="/bp")
    for owner, name in ((app, "app"), (bp, "bp")):
        for hook in ("before", "after", "teardown"):
            for kind in ("request", "websocket"):

                async def note(*args: t.Any, told: str = f"{name} {hook} {kind}") -> t.Any:
                    seen.append(told)
                    return args[0] if "after" in told and args else None

                getattr(owner, f"{hook}_{kind}")(note)

    @bp.websocket("/")
    async def handle() -> None:
        await m.websocket.send(m.url_for(".handle"))

    bp.add_url_rule("/view", "view", lambda: "")
    app.register_blueprint(bp)
    async with WebsocketPeer(app, "/bp/") as peer:
        await peer.ended()
    seen += [peer.said, (await ask(app, "/bp/view")).status]  # type: ignore[list-item]
    # *Quart:* forgets the teardown functions of a blueprint's websockets.
    return [told for told in seen if told != "bp teardown websocket"]


@program  # Quart 0.15: a reason of the close, where the server can tell it
async def closing_codes_and_reasons(m: Module) -> t.Any:
    app = make(m)

    @app.websocket("/<int:code>")
    async def handle(code: int) -> None:
        await m.websocket.accept()
        await m.websocket.close(code, "why")

    seen = []
    for version in ("2.4", "2.0"):
        async with WebsocketPeer(app, "/4001") as peer:
            peer.scope["asgi"]["spec_version"] = version
            await peer.ended()
        seen.append((peer.code, peer.sent[-1].get("reason") if version == "2.4" else None))
    return seen


@program  # Quart 0.17: `send_json` takes what `jsonify` takes
async def json_by_arguments_and_keywords(m: Module) -> t.Any:
    app = make(m)

    @app.websocket("/")
    async def handle() -> None:
        send = m.websocket.send_json
        await send(1)
        await send(1, 2)
        await send(a=1)
        await send({"a": [None]})
        await send()
        try:
            await send(1, a=2)
        except TypeError:
            await send("refused")

    async with WebsocketPeer(app) as peer:
        await peer.ended()
    return [json.loads(text) for text in peer.said]


# --- sessions -----------------------------------------------------------------------------------


@program  # kroketio/quart-session#15, #3
async def an_interface_that_asks_for_the_cookies_settings(m: Module) -> t.Any:
    app, seen = make(m, SESSION_COOKIE_SAMESITE="Strict", SESSION_COOKIE_NAME="sid"), []
    sessions = sub(m, "sessions")
    store: dict[str, t.Any] = {}

    class Session(dict, sessions.SessionMixin):  # type: ignore[type-arg, name-defined, misc]
        sid = "s1"

    class Interface(sessions.SessionInterface):  # type: ignore[name-defined, misc]
        async def open_session(self, app: t.Any, request: t.Any) -> t.Any:
            return Session(store.get(request.cookies.get(self.get_cookie_name(app)), {}))

        async def save_session(self, app: t.Any, session: t.Any, response: t.Any) -> None:
            store[session.sid] = dict(session)
            options = {
                "httponly": self.get_cookie_httponly(app),
                "secure": self.get_cookie_secure(app),
                "samesite": self.get_cookie_samesite(app),
                "domain": self.get_cookie_domain(app),
                "path": self.get_cookie_path(app),
            }
            seen.append(options)
            response.set_cookie(self.get_cookie_name(app), session.sid, **options)

    app.session_interface = Interface()

    @app.route("/")
    async def index() -> str:
        m.session["n"] = m.session.get("n", 0) + 1
        return str(m.session["n"])

    client = app.test_client()
    return [await got(await client.get("/"), "Set-Cookie") for _ in range(3)], seen


@program  # pallets/quart#207
async def domains_and_paths_of_the_cookie(m: Module) -> t.Any:
    seen = []
    for config in (
        {},
        {"SERVER_NAME": "example.com"},
        {"SERVER_NAME": "example.com:8080", "APPLICATION_ROOT": "/root"},
        {"SESSION_COOKIE_DOMAIN": "example.org"},
        {"SESSION_COOKIE_DOMAIN": ".example.org", "SESSION_COOKIE_PATH": "/p"},
        {"SESSION_COOKIE_SECURE": True, "SESSION_COOKIE_PARTITIONED": True},
    ):
        app = make(m, **config)

        @app.route("/")
        async def index() -> str:
            m.session["a"] = 1
            return ""

        host = config.get("SERVER_NAME", "localhost")
        cookie = (await ask(app, "/", host=host)).headers.get("Set-Cookie", "")  # type: ignore[arg-type]
        seen.append(sorted(part.partition(";")[0] for part in cookie.split("; ")[1:]))
    return seen


@program  # Quart 0.21: the order of keys when they are rotated
async def keys_that_are_rotated(m: Module) -> t.Any:
    def counter(**config: t.Any) -> t.Any:
        app = make(m, **config)

        @app.route("/")
        async def index() -> str:
            m.session["n"] = m.session.get("n", 0) + 1
            return str(m.session["n"])

        return app

    old, new = counter(), counter(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["other", "key"])
    other = counter(SECRET_KEY="another")
    cookie = (await ask(old)).headers["Set-Cookie"].partition(";")[0]
    seen = []
    for app in (old, new, other):
        answer = await ask(app, cookie=cookie)
        again = answer.headers["Set-Cookie"].partition(";")[0]
        told = [(await ask(reader, cookie=again)).text for reader in (old, new, other)]
        seen.append((answer.text, told))
    return seen


@program  # Quart 0.15.1: a session is there before the URL is matched
async def a_converter_that_reads_the_session(m: Module) -> t.Any:
    app = make(m)
    routing = importlib.import_module("werkzeug.routing")

    class Mine(routing.BaseConverter):  # type: ignore[name-defined, misc]
        def to_python(self, value: str) -> t.Any:
            if value not in m.session.get("own", ["first"]):
                raise routing.ValidationError
            return value

    app.url_map.converters["mine"] = Mine

    @app.route("/<mine:name>")
    async def index(name: str) -> str:
        m.session["own"] = ["second"]
        return name

    client = app.test_client()
    paths = ("/second", "/first", "/first", "/second")
    return [await got(await client.get(path)) for path in paths]


@program  # Quart 0.14: sessions of tests
async def a_session_that_a_test_sets(m: Module) -> t.Any:
    app = make(m)

    @app.route("/")
    async def index() -> t.Any:
        m.session.setdefault("seen", []).append(m.request.path)
        m.session.modified = True
        return dict(m.session)

    async with app.test_client() as client:
        async with client.session_transaction() as session:
            session["user"] = "ada"
            session.permanent = True
        told = [await (await client.get("/")).get_json()]
        async with client.session_transaction() as session:
            told.append(dict(session))
            session.clear()
        told.append(await (await client.get("/")).get_json())
        told.append(m.session.get("seen"))
    client = app.test_client(use_cookies=False)
    transaction = client.session_transaction()
    return told, await tried(transaction.__aenter__())


# --- the test client ----------------------------------------------------------------------------


@program  # Quart 0.15, 0.16: `auth`; pallets/quart#128
async def who_asks(m: Module) -> t.Any:
    app = make(m)

    @app.route("/")
    async def index() -> t.Any:
        auth = m.request.authorization
        return [] if auth is None else [auth.type, auth.username, auth.password]

    datastructures = importlib.import_module("werkzeug.datastructures")
    auth = datastructures.Authorization("basic", {"username": "ä", "password": "p:w"})
    client = app.test_client()
    return [
        await got(await client.get("/", auth=given)) for given in (None, ("user", "pass"), auth)
    ]


@program  # Quart 0.15: `files`
async def files_of_a_test(m: Module) -> t.Any:
    app = make(m)

    @app.post("/")
    async def index() -> t.Any:
        files, form = await m.request.files, await m.request.form
        found = {
            name: (file.filename, file.content_type, file.read().decode())
            for name, file in files.items(multi=True)
        }
        return {"files": found, "form": form.to_dict(flat=False), "type": m.request.mimetype}

    storage = sub(m, "datastructures").FileStorage
    client = app.test_client()
    told = []
    for options in (
        {"files": {"a": storage(io.BytesIO(b"data"), filename="a.txt")}},
        {
            "files": {"a": storage(io.BytesIO(b"{}"), "ä.json", content_type="application/json")},
            "form": {"x": "1", "y": "ü"},
        },
        {"form": {"x": "1"}},
    ):
        told.append(await got(await client.post("/", **options)))
    return told


@program  # Quart 0.15: the jar; 0.14: cookies of redirects
async def cookies_of_redirects(m: Module) -> t.Any:
    app = make(m)

    @app.route("/")
    async def index() -> t.Any:
        return dict(m.request.cookies)

    @app.route("/go/<int:n>")
    async def go(n: int) -> t.Any:
        response = await m.make_response(m.redirect(f"/go/{n - 1}" if n else "/"))
        response.set_cookie(f"c{n}", "v", max_age=10)
        if n == 0:
            response.delete_cookie("c2")
        return response

    client = app.test_client()
    first = await got(await client.get("/go/3", follow_redirects=True))
    return first, await got(await client.get("/")), await got(await client.get("/go/0"), "Location")


@program  # Quart 0.12: `json`, `data` or `form`; 0.13: an unquoted path
async def requests_made_up_for_a_test(m: Module) -> t.Any:
    app, told = make(m, SERVER_NAME="example.com"), []
    for path, options in (
        ("/a%20b/ä?q=1", {}),
        ("/", {"json": {"a": 1}, "method": "PUT"}),
        ("/", {"form": {"a": "ü"}, "method": "POST"}),
        ("/", {"data": b"raw", "headers": {"X-A": "b"}}),
        ("/", {"query_string": {"a": ["1", "2"]}, "subdomain": "api"}),
        ("/", {"root_path": "/root", "scheme": "https"}),
    ):
        async with app.test_request_context(path, **options):
            request = m.request
            told.append(
                [
                    *(request.method, request.path, request.url, request.root_path),
                    *(request.mimetype, await request.get_data(), request.query_string),
                    request.headers.get("X-A"),
                ]
            )
    told.append(await tried(_both_bodies(app)))
    return told


async def _both_bodies(app: t.Any) -> None:
    async with app.test_request_context("/", json={}, form={}):
        pass


@program  # Quart 0.15: `request` of the client, for streams
async def a_test_that_streams(m: Module) -> t.Any:
    app, seen = make(m), []

    @app.post("/")
    async def echo() -> t.Any:
        body = m.request.body

        async def generate() -> t.AsyncIterator[bytes]:
            async for data in body:
                seen.append(data)
                yield data + b"!"

        return generate(), 201, {"X-A": "b"}

    client = app.test_client()
    async with client.request("/", method="POST") as connection:
        for data in (b"one", b"two"):
            await connection.send(data)
            seen.append(await connection.receive())
        await connection.send_complete()
    response = await connection.as_response()
    return seen, response.status_code, response.headers.get("X-A")


@program  # Quart 0.15.0: `test_app`; 0.16: what start-up raises
async def an_app_that_is_started_by_a_test(m: Module) -> t.Any:
    app, seen = make(m), []

    @app.before_serving
    async def start() -> None:
        seen.append("before")

    @app.while_serving
    async def around() -> t.AsyncIterator[None]:
        seen.append("while")
        yield
        seen.append("end of while")

    @app.after_serving
    async def stop() -> None:
        seen.append("after")

    app.add_url_rule("/", "index", lambda: "ok")
    async with app.test_app() as test_app:
        seen.append(await got(await test_app.test_client().get("/")))
    app.before_serving(_fail)
    seen.append(await tried(app.test_app().__aenter__()))
    return seen


async def _fail(*args: t.Any) -> t.Any:
    raise LookupError


# --- streams ------------------------------------------------------------------------------------


@program  # Quart 0.20: async iterables; 0.15.1, 0.16: text and bytes
async def bodies_of_every_kind(m: Module) -> t.Any:
    app = make(m)

    class Pieces:
        def __aiter__(self) -> t.Any:
            return self.pieces()

        async def pieces(self) -> t.AsyncIterator[t.Any]:
            for piece in ("ä", b"b", "c"):
                yield piece

    bodies: dict[str, t.Any] = {
        "async iterable": lambda: m.Response(Pieces()),
        "async generator": lambda: Pieces().pieces(),
        "generator": lambda: (piece for piece in ("ä", b"b")),
        "list": lambda: m.Response([b"a", b"b"]),
        "status": lambda: (Pieces().pieces(), 202, {"X": "y"}),
        "werkzeug": lambda: werkzeug.wrappers.Response("w", 203),
        "none": lambda: None,
        "number": lambda: 1,
    }

    @app.route("/<kind>")
    async def view(kind: str) -> t.Any:
        return bodies[kind]()

    told = []
    for kind in bodies:
        answer = await ask(app, f"/{kind}")
        told.append((kind, answer.status, answer.body if answer.status != 500 else None))
    return told


@program  # Quart 0.14: a generator is cleaned up when the client leaves
async def a_stream_whose_client_leaves(m: Module) -> t.Any:
    app, seen = make(m), []

    @app.route("/")
    async def view() -> t.Any:
        async def numbers() -> t.AsyncIterator[bytes]:
            try:
                while True:
                    yield b"1"
                    await asyncio.sleep(0.001)
            finally:
                seen.append("closed")

        return numbers()

    async with HttpPeer(app) as peer:
        await peer.until(3)
        peer.leave()
    return seen


@program  # pallets/quart#349
async def ranges_of_a_file(m: Module) -> t.Any:
    app = make(m)

    @app.route("/<conditional>")
    async def file(conditional: str) -> t.Any:
        data = io.BytesIO(bytes(range(100)))
        return await m.send_file(data, mimetype="x/y", conditional=conditional == "yes")

    told = []
    for path in ("/yes", "/no"):
        for asked in ("bytes=0-9", "bytes=90-", "bytes=200-", "bytes=5-2", "lines=1", ""):
            answer = await ask(app, path, range=asked)
            names = ["Accept-Ranges", "Content-Length", "Content-Range"]
            names = names[: 2 if answer.status == 416 else 3]  # which Quart does not send then
            told.append((answer.status, answer.body, *map(answer.headers.get, names)))
    return told


@program  # Quart 0.19: a 304 has no body; `ContentRange` is used in the right way (0.19.6)
async def answers_on_condition(m: Module) -> t.Any:
    app = make(m)

    @app.route("/")
    async def view() -> t.Any:
        response = await m.make_response("body")
        await response.add_etag()
        response.last_modified = 1_700_000_000
        return await response.make_conditional(m.request, accept_ranges=True, complete_length=4)

    etag = (await ask(app)).headers["ETag"]
    told = []
    for headers in (
        {"if_none_match": etag},
        {"if_none_match": "*"},
        {"if_match": '"x"'},
        {"if_modified_since": "Thu, 01 Jan 2026 00:00:00 GMT"},
        {"range": "bytes=0-1"},
        {"range": "bytes=3-"},
    ):
        answer = await ask(app, "/", **headers)  # type: ignore[arg-type]
        told.append((answer.status, answer.body, answer.headers.get("Content-Range")))
    return told


@program  # Quart 0.17: templates that are streamed
async def a_template_that_is_streamed(m: Module) -> t.Any:
    app = make(m)

    @app.context_processor
    async def more() -> t.Any:
        return {"more": "of a processor"}

    @app.route("/")
    async def view() -> t.Any:
        source = "{% for n in numbers %}{{ n }} {% endfor %}{{ more }} {{ request.path }}"
        return await m.stream_template_string(source, numbers=range(3))

    answer = await ask(app)
    return answer.status, answer.text, answer.headers["Content-Type"]


# --- configuration ------------------------------------------------------------------------------


@program  # pallets/quart#312
async def settings_of_the_environment(m: Module) -> t.Any:
    with pytest.MonkeyPatch.context() as patch:
        values = {"A": "1", "B__C": "true", "B__D__E": "[1]", "F": "text", "TESTING": "true"}
        for name, value in values.items():
            patch.setenv(f"QUART_{name}", value)
            patch.setenv(f"OTHER_{name}", f'"{name}"')
        told = []
        for options in ({}, {"prefix": "OTHER"}, {"loads": str}):
            config = make(m).config
            told.append(config.from_prefixed_env(**options))
            told.append([config.get(name) for name in ("A", "B", "F", "TESTING")])
    return told


@program  # Quart 0.17, 0.19: `silent`, `mode`
async def settings_of_files(m: Module) -> t.Any:
    import tomllib

    config, told = make(m).config, []
    with pytest.MonkeyPatch.context() as patch:
        here = Path(config.root_path)
        project = here.parent.parent / "pyproject.toml"
        told.append(config.from_file(str(project), tomllib.load, text=False))
        told.append(sorted(config.get_namespace("PROJ")))
        patch.delenv("REPORTS_SETTINGS", raising=False)
        told.append(config.from_envvar("REPORTS_SETTINGS", silent=True))
        told.append(await tried(_call(config.from_envvar, "REPORTS_SETTINGS")))
        told.append(await tried(_call(config.from_file, "missing.toml", tomllib.load)))
        told.append(config.from_file("missing.toml", tomllib.load, silent=True))
    return told


async def _call(func: t.Callable[..., t.Any], *args: t.Any) -> t.Any:
    return func(*args)


@program  # Quart 0.19.5: the class of the config is the app's
async def a_config_class_of_ones_own(m: Module) -> t.Any:
    class Config(sub(m, "config").Config):  # type: ignore[misc]
        @property
        def both(self) -> t.Any:
            return self["A"], self["DEBUG"]

    App = type("App", (m.Quart,), {"config_class": Config})
    app = App("app", instance_relative_config=True, instance_path="/instance")
    app.config.from_object(type("Settings", (), {"A": 1, "a": 2, "DEBUG": True}))
    return app.config.both, app.debug, app.config.root_path, "a" in app.config


@program  # Quart 0.19.9: `PROVIDE_AUTOMATIC_OPTIONS`
async def options_that_nobody_answers(m: Module) -> t.Any:
    told = []
    for given in (True, False):
        app = make(m, PROVIDE_AUTOMATIC_OPTIONS=given)
        app.add_url_rule("/", "index", lambda: "", methods=["GET", "POST"])
        app.add_url_rule("/own", "own", lambda: "own", methods=["OPTIONS"])
        app.add_url_rule("/on", "on", lambda: "", provide_automatic_options=True)
        app.add_url_rule("/off", "off", lambda: "", provide_automatic_options=False)
        for path in ("/", "/own", "/on", "/off"):
            answer = await ask(app, path, "OPTIONS")
            allow = answer.headers.get("Allow") or ""
            told.append((path, answer.status, sorted(allow.split(", "))))
    return told


@program  # Quart 0.17: subdomains; 0.19: those of nested blueprints
async def subdomains_of_nested_blueprints(m: Module) -> t.Any:
    app = m.Quart("reports", static_folder=None, host_matching=False)
    app.config["SERVER_NAME"] = "example.com"
    parent = m.Blueprint("parent", "p", subdomain="api", url_prefix="/p")
    child = m.Blueprint("child", "c", subdomain="v1")
    inner = m.Blueprint("inner", "i")
    for blueprint in (parent, child, inner):
        name = blueprint.name
        blueprint.add_url_rule(f"/{name}", name, lambda name=name: f"{name} {m.request.host}")
    child.register_blueprint(inner, url_prefix="/i")
    parent.register_blueprint(child)
    app.register_blueprint(parent)
    rules = sorted((rule.subdomain, rule.rule) for rule in app.url_map.iter_rules())
    told = []
    for subdomain, path in rules:
        for host in (f"{subdomain}.example.com", "example.com"):
            answer = await ask(app, path, host=host)
            told.append((answer.status, answer.body if answer.status == 200 else None))
    return rules, told


# --- background tasks ---------------------------------------------------------------------------


@program  # pallets/quart#42
async def a_task_that_outlives_its_request(m: Module) -> t.Any:
    app, seen, tasks = make(m), [], []

    @app.route("/")
    async def index() -> str:
        async def work() -> None:
            await asyncio.sleep(0.01)
            seen.append(m.current_app.name)
            async with app.app_context():
                m.g.mark = 1
                seen.append(m.current_app.name)
            seen.append(m.g.get("mark"))
            seen.append(m.request.path)

        tasks.append(asyncio.create_task(work()))
        return ""

    await ask(app)
    return await tried(tasks[0]), seen


@program  # Quart 0.16, 0.17: functions of any kind, and their arguments
async def tasks_of_every_kind(m: Module) -> t.Any:
    app, seen = make(m), []

    async def work(*args: t.Any, **kwargs: t.Any) -> None:
        await asyncio.sleep(0)
        seen.append(("async", args, kwargs, m.current_app.name, m.has_request_context()))

    def sync_work(*args: t.Any, **kwargs: t.Any) -> None:
        seen.append(("sync", args, kwargs, m.current_app.name))  # type: ignore[arg-type]

    @app.route("/")
    async def index() -> str:
        app.add_background_task(work, 1, a=2)
        app.add_background_task(sync_work, 3, b=4)
        return ""

    async with app.test_app():
        await app.test_client().get("/")
        async with app.app_context():
            app.add_background_task(work, "outside")
    return sorted(seen, key=str)


@program  # Quart 0.16, 0.19: tasks are awaited at shutdown, before the functions of its end
async def the_order_of_shutdown(m: Module) -> t.Any:
    app, seen = make(m, BACKGROUND_TASK_SHUTDOWN_TIMEOUT=0.05), []

    async def work(seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
            seen.append(("done", seconds))
        except asyncio.CancelledError:
            seen.append(("cancelled", seconds))
            raise

    @app.while_serving
    async def around() -> t.AsyncIterator[None]:
        yield
        seen.append(("end of while", 0))

    @app.after_serving
    async def stop() -> None:
        seen.append(("after", 0))

    async with app.test_app():
        app.add_background_task(work, 0.01)
        app.add_background_task(work, 60)
    return seen


@program  # Quart 0.17: what a task raises is told by a signal, and ends nothing
async def a_task_that_fails(m: Module) -> t.Any:
    app, seen = make(m), []
    signal = sub(m, "signals").got_background_exception

    async def receive(sender: t.Any, exception: t.Any) -> None:
        seen.append((sender is app, type(exception).__name__))

    signal.connect(receive, app)

    @app.route("/")
    async def index() -> str:
        app.add_background_task(_fail)
        return "ok"

    async with app.test_app():
        client = app.test_client()
        answers = [await got(await client.get("/")) for _ in range(2)]
    return answers, seen


@program  # Quart 0.19.6: tasks are held by the app
async def tasks_that_the_app_holds(m: Module) -> t.Any:
    app, seen = make(m), []
    go = asyncio.Event()

    @app.route("/")
    async def index() -> str:
        app.add_background_task(go.wait)
        return str(len(app.background_tasks))

    for _ in range(2):
        seen.append((await ask(app)).text)
    go.set()
    await asyncio.sleep(0.01)
    return seen, len(app.background_tasks)


# --- errors -------------------------------------------------------------------------------------


@program  # pallets/quart#383, #385
async def errors_that_are_raised_to_the_server(m: Module) -> t.Any:
    told = []
    for propagate in (True, None, False):
        app = make(m, PROPAGATE_EXCEPTIONS=propagate)
        app.add_url_rule("/", "fail", _fail)
        app.add_url_rule("/sync", "sync", lambda: {}["missing"])  # type: ignore[index]
        for path in ("/", "/sync"):
            answer = await tried(ask(app, path))
            told.append(getattr(answer, "status", answer))
    return told


@program  # pallets/quart#5
async def handlers_of_codes_and_classes(m: Module) -> t.Any:
    app = make(m)
    bp = m.Blueprint("bp", "bp", url_prefix="/bp")

    class Base(Exception):
        pass

    class Derived(Base):
        pass

    def handler(name: str) -> t.Any:
        async def handle(error: t.Any) -> t.Any:
            return f"{name} {type(error).__name__}", getattr(error, "code", None) or 500

        return handle

    app.register_error_handler(404, handler("app 404"))
    app.register_error_handler(Base, handler("app base"))
    app.register_error_handler(werkzeug.exceptions.HTTPException, handler("app http"))
    bp.register_error_handler(404, handler("bp 404"))
    bp.register_error_handler(Derived, handler("bp derived"))
    bp.app_errorhandler(405)(handler("app 405"))
    errors: dict[str, t.Any] = {
        "base": Base,
        "derived": Derived,
        "missing": werkzeug.exceptions.NotFound,
        "gone": werkzeug.exceptions.Gone,
        "server": werkzeug.exceptions.InternalServerError,
        "key": KeyError,
    }

    async def view(name: str) -> t.Any:
        raise errors[name]

    for owner in (app, bp):
        owner.add_url_rule("/<name>", "view", view, methods=["GET"])
    app.register_blueprint(bp)
    paths = [f"{prefix}/{name}" for prefix in ("", "/bp") for name in errors]
    told = [await ask(app, path) for path in [*paths, "/bp/x/y", "/x/y"]]
    told += [await ask(app, path, "POST") for path in ("/base", "/bp/base")]
    return [(answer.status, answer.text) for answer in told]


@program  # Quart 0.15: handlers in the order of nested blueprints
async def handlers_of_nested_blueprints(m: Module) -> t.Any:
    app, seen = make(m), []
    parent, child = (m.Blueprint(name, name, url_prefix=f"/{name}") for name in ("p", "c"))
    for owner, name in ((app, "app"), (parent, "p"), (child, "c")):

        @owner.before_request
        async def before(name: str = name) -> None:
            seen.append(f"before {name}")

        @owner.after_request
        async def after(response: t.Any, name: str = name) -> t.Any:
            seen.append(f"after {name}")
            return response

    @parent.errorhandler(LookupError)
    async def handle(error: t.Any) -> t.Any:
        return "of the parent", 418

    child.add_url_rule("/", "fail", _fail)
    parent.register_blueprint(child)
    app.register_blueprint(parent)
    answer = await ask(app, "/p/c/")
    return answer.status, answer.text, seen


@program  # Quart 0.16: an invalid answer; 0.19: an invalid tuple
async def answers_that_are_none(m: Module) -> t.Any:
    app, seen = make(m), []

    @dataclasses.dataclass
    class Thing:
        a: int = 1

    values = {
        "none": None,
        "object": object(),
        "set": {1},
        "four": ("a", 1, {}, 2),
        "data": Thing(),
    }

    @app.route("/<name>")
    async def view(name: str) -> t.Any:
        return values[name]

    @app.errorhandler(500)
    async def handle(error: t.Any) -> t.Any:
        seen.append(type(error.original_exception).__name__)
        return "", 500

    statuses = [(await ask(app, f"/{name}")).status for name in values]
    return statuses, seen


@program  # Quart 0.19: errors are logged unless they are raised
async def what_is_logged(m: Module) -> t.Any:
    told = []
    for propagate in (False, True):
        app = make(m, PROPAGATE_EXCEPTIONS=propagate)
        records: list[logging.LogRecord] = []
        handler = logging.Handler()
        handler.emit = records.append  # type: ignore[assignment, method-assign]
        app.logger.addHandler(handler)
        logging.disable(logging.NOTSET)
        app.add_url_rule("/", "fail", _fail)

        app.add_websocket("/ws", "ws", _fail)

        await tried(ask(app))
        async with WebsocketPeer(app, "/ws") as peer:
            await peer.ended()
        app.logger.removeHandler(handler)
        told.append([record.levelname for record in records])
    return told


# --- both sides -----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("run", PROGRAMS, ids=lambda run: run.__name__)
async def test_the_same_as_on_quart(run: t.Any) -> None:
    async with asyncio.timeout(10):
        ours = await run(quartish.quart)
    async with asyncio.timeout(10):
        assert ours == await run(quart)
