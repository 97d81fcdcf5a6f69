"""Small probes of public behaviour, played on real Quart and on the awaitable colour.

Each probe returns what a user can see. Where the two differ on purpose, `DEPARTURES` says why.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import decimal
import importlib
import inspect
import io
import json
import typing as t
import uuid
from pathlib import Path

import pytest
import quart
import werkzeug.exceptions
import werkzeug.wrappers
from werkzeug.datastructures import FileStorage
from werkzeug.datastructures import Headers
from werkzeug.sansio.request import Request as SansioRequest

import quartish.quart

Module = t.Any
Probe = t.Callable[[Module], t.Awaitable[t.Any]]

PROBES: dict[str, Probe] = {}
TRUTHFUL = "says what is so, where Quart says nothing or what is not so"
SAFE = "refuses or repairs what Quart lets through, or breaks at"
FORMS = "a damaged form is a 400, where Quart takes it for an empty one"
LISTS = "the test client sends a list as so many fields"
BY_CLIENT = "the test client tells Content-Length, as clients do"
#: Probes whose answers differ, and why.
DEPARTURES = {
    "value bytearray": SAFE,
    "value headers as a list": "all headers of a list are sent, not the last of each name",
    "value a status line": SAFE,
    "value a location": "Location is sent as a URI",
    "value a redirect": "Location is sent as a URI",
    "value a plain iterator": SAFE,
    "request json": BY_CLIENT,
    "request form": BY_CLIENT,
    "request data": BY_CLIENT,
    "request outside of root_path": "no rule matches it",
    "body fields": LISTS,
    "body not text": SAFE,
    "body bad escapes": "what cannot be decoded stays escaped, as in Flask",
    "body a damaged form": FORMS,
    "body without a boundary": FORMS,
    "deleted (None, 'a')": "the test client finds a cookie whatever server is named",
    "deleted ('x', 'a')": "the test client finds a cookie whatever server is named",
    "file range of the end": SAFE,
    "file range beyond": TRUTHFUL,
    "file two ranges": TRUTHFUL,
    "file range of lines": TRUTHFUL,
    "file range": "what is made for one request is `no-cache`",
    **dict.fromkeys(
        ["file etag", "file other etag", "file any etag", "file match", "file later"]
        + ["file earlier"],
        "tells that ranges may be asked for",
    ),
    **dict.fromkeys(
        ["session", "template {{ session.get('z') }}", "template {{ get_flashed_messages() }}"],
        "what depends on the session says so: `Vary: Cookie`",
    ),
    "errors when testing": "what a view raises is raised in the test",
    "hooks": "teardown functions are told what was answered with a 500",
    "after functions": SAFE,
    "websocket rejections": TRUTHFUL,
    "websocket hooks": "teardown functions are told what was answered with a 500",
    "websocket closing": "the error of the test client tells the reason too",
    "websocket attributes": "the test client offers the subprotocols that it is given",
    "redirects": "a redirect to GET loses the body, as in browsers",
    "limits": "MAX_FORM_MEMORY_SIZE counts for both kinds of form",
    "override sync_to_async": "the app's own context processor is a `def`",
}


def probe(name: str) -> t.Callable[[Probe], Probe]:
    def register(play: Probe) -> Probe:
        assert name not in PROBES
        PROBES[name] = play
        return play

    return register


def probes(kind: str, cases: t.Mapping[str, t.Any]) -> t.Callable[[t.Any], t.Any]:
    """Register a probe for each case: its key is part of the name, its value an argument."""

    def register(play: t.Any) -> t.Any:
        for name, case in cases.items():

            async def run(module: Module, case: t.Any = case) -> t.Any:
                return await play(module, case)

            probe(f"{kind} {name}")(run)
        return play

    return register


def sub(module: Module, name: str) -> t.Any:
    return importlib.import_module(f"{module.__name__}.{name}")


def app_of(module: Module, **options: t.Any) -> t.Any:
    app = module.Quart("app", root_path=str(ROOT), instance_path=str(ROOT), **options)
    app.secret_key = "key"
    return app


ROOT = Path()
UNTOLD = ("date", "expires", "last-modified", "etag")


@pytest.fixture(scope="module", autouse=True)
def files(tmp_path_factory: pytest.TempPathFactory) -> None:
    global ROOT
    ROOT = tmp_path_factory.mktemp("probes")
    (ROOT / "static").mkdir()
    (ROOT / "static/a.txt").write_text("hello static")
    (ROOT / "file.txt").write_text("line one\nline two\n")
    (ROOT / "templates").mkdir()
    macro = "{% macro m(x) %}[{{ x }}]{% endmacro %}"
    (ROOT / "templates/t.html").write_text("<p>{{ name }}</p>" + macro)


async def seen(response: t.Any) -> t.Any:
    """Return what is seen of a response."""
    headers = [(k.title(), v) for k, v in response.headers if k.lower() not in UNTOLD]
    return response.status_code, sorted(headers), await response.get_data()


async def asked(app: t.Any, *paths: str, **options: t.Any) -> t.Any:
    """Return what an app answers to each path, or the class of what is raised."""
    answers = []
    for path in paths:
        try:
            answers.append(await seen(await app.test_client().open(path, **options)))
        except Exception as error:
            answers.append(type(error).__name__)
    return answers


async def attempt(call: t.Callable[[], t.Any]) -> t.Any:
    """Return what a call gives, or the class of what it raises."""
    try:
        rv = call()
        return await rv if asyncio.iscoroutine(rv) else rv
    except Exception as error:
        return type(error).__name__


# --- what views return --------------------------------------------------------------------


def pieces() -> t.Iterator[str]:
    yield "a"
    yield "b"


async def async_pieces() -> t.AsyncIterator[bytes]:
    yield b"a"
    yield b"b"


VALUES: dict[str, t.Callable[[Module], t.Any]] = {
    "str": lambda m: "text",
    "bytes": lambda m: b"x",
    "bytearray": lambda m: bytearray(b"x"),
    "dict": lambda m: {"b": 1, "a": "é"},
    "list": lambda m: [1, 2],
    "int": lambda m: 5,
    "none": lambda m: None,
    "object": lambda m: object(),
    "set": lambda m: {1},
    "bool": lambda m: True,
    "a status": lambda m: ("x", 201),
    "headers": lambda m: ("x", {"A": "b"}),
    "both": lambda m: ("x", 201, {"A": "b"}),
    "headers as a list": lambda m: ("x", 201, [("A", "b"), ("A", "c")]),
    "Headers": lambda m: ("x", Headers([("A", "b")])),
    "four": lambda m: ("x", 1, 2, 3),
    "one": lambda m: ("x",),
    "a status line": lambda m: ("x", "201 Created"),
    "no content": lambda m: ("", 204),
    "None and a status": lambda m: (None, 204),
    "a dict and a status": lambda m: ({"a": 1}, 400),
    "an odd status": lambda m: ("x", 599),
    "a content type": lambda m: ("x", 200, {"Content-Type": "text/plain"}),
    "a location": lambda m: ("x", 302, {"Location": "/é"}),
    "a generator": lambda m: pieces(),
    "an async generator": lambda m: async_pieces(),
    "a generator and a status": lambda m: (pieces(), 203),
    "a plain iterator": lambda m: iter(["a", "b"]),
    "a response": lambda m: m.Response("r", status=202),
    "a response and more": lambda m: (m.Response("r", headers={"A": "z"}), 203, {"A": "b"}),
    "a mimetype": lambda m: m.Response("x", mimetype="text/css"),
    "a whole content type": lambda m: m.Response("x", content_type="a/b; c=d"),
    "a streamed response": lambda m: m.Response(async_pieces(), mimetype="text/event-stream"),
    "a response of a list": lambda m: m.Response(["a", "b"]),
    "an empty response": lambda m: m.Response(),
    "a response of a file": lambda m: m.Response(io.BytesIO(b"io")),
    "a response of Werkzeug": lambda m: werkzeug.wrappers.Response("w", status=201),
    "an exception": lambda m: werkzeug.exceptions.NotFound(),
    "a redirect": lambda m: m.redirect("http://x.org/é?a=b c", 301),
    "jsonify": lambda m: m.jsonify(a=1, b=[1]),
    "jsonify of two": lambda m: m.jsonify(1, 2),
    "jsonify of nothing": lambda m: m.jsonify(),
    "make_response": lambda m: m.make_response("x", 201, {"A": "b"}),
    "make_response of nothing": lambda m: m.make_response(),
    "make_response of a tuple": lambda m: m.make_response(("x", 202)),
}


@probes("value", VALUES)
async def _value(m: Module, make: t.Any) -> t.Any:
    app = app_of(m)

    @app.route("/")
    async def view() -> t.Any:
        rv = make(m)
        return await rv if asyncio.iscoroutine(rv) else rv

    @app.route("/sync")
    def sync_view() -> t.Any:
        rv = make(m)
        return "" if asyncio.iscoroutine(rv) and rv.close() is None else rv

    try:
        return await asked(app, "/", "/sync")
    except BaseException as error:
        return type(error).__name__


# --- requests -----------------------------------------------------------------------------

ATTRIBUTES = (
    "method path full_path url base_url url_root host host_url scheme root_path query_string args"
    " cookies accept_mimetypes accept_encodings accept_languages mimetype mimetype_params"
    " content_type content_length content_encoding is_json is_secure remote_addr referrer"
    " user_agent authorization range if_match if_none_match if_modified_since endpoint view_args"
    " blueprint blueprints access_route http_version max_content_length script_root pragma date"
    " origin cache_control routing_exception body_timeout max_forwards server"
).split()
HEADERS = {
    "Cookie": "a=1; b=2",
    "Accept": "text/html;q=0.5, application/json",
    "Accept-Language": "de,en;q=0.2",
    "User-Agent": "agent",
    "Referer": "http://r/",
    "Range": "bytes=0-1",
    "If-None-Match": '"x"',
    "If-Modified-Since": "Sun, 06 Nov 1994 08:49:37 GMT",
    "Cache-Control": "max-age=3",
    "Origin": "http://o",
    "X-Forwarded-For": "1.2.3.4, 5.6.7.8",
}
REQUESTS: dict[str, tuple[str, dict[str, t.Any]]] = {
    "root": ("/", {}),
    "query": ("/a/b?x=1&y=2&x=3", {}),
    "headers": ("/a/b", {"headers": HEADERS}),
    "escapes": ("/a/%C3%A9?q=%20a+b", {}),
    "unicode": ("/a/ü", {}),
    "auth": ("/a/b", {"auth": ("u", "p"), "scheme": "https"}),
    "json": ("/a/b", {"method": "POST", "json": {"a": 1}}),
    "form": ("/a/b", {"method": "POST", "form": {"a": "1"}}),
    "data": ("/a/b", {"method": "PUT", "data": "raw"}),
    "root_path": ("/a/b", {"root_path": "/a"}),
    "outside of root_path": ("/a/b", {"root_path": "/z"}),
    "HTTP 2": ("/a/b", {"http_version": "2"}),
    "a host": ("/a/b", {"headers": {"Host": "example.com:8080"}}),
    "a query of a dict": ("/a/b", {"query_string": {"a": "1", "b": ["2"]}}),
    "no slash": ("a/b", {}),
    "two slashes": ("/a//b", {}),
    "two slashes at first": ("//a/b", {}),
    "an empty query": ("/a/b?", {}),
    "a fragment": ("/a/b#frag", {}),
}


@probes("request", REQUESTS)
async def _request(m: Module, case: t.Any) -> t.Any:
    app, told = app_of(m), {}

    @app.route("/", methods=["GET", "POST", "PUT"])
    @app.route("/<path:rest>", methods=["GET", "POST", "PUT"])
    async def view(rest: str | None = None) -> str:
        for name in ATTRIBUTES:
            told[name] = repr(await attempt(lambda n=name: getattr(m.request, n)))  # type: ignore[misc]
        told["headers"] = repr(sorted(m.request.headers))
        return str(rest)

    path, options = case
    return await asked(app, path, **options), told


JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}
PART = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\nv\r\n--b--\r\n'
BODIES: dict[str, dict[str, t.Any]] = {
    "json": {"json": {"a": 1}},
    "null": {"json": None},
    "fields": {"form": {"a": "1", "b": ["x", "y"]}},
    "a form": {"data": b"a=1&b=2", "headers": FORM},
    "damaged json": {"data": "{bad", "headers": JSON},
    "no type": {"data": '{"a":1}'},
    "a type like json": {"data": "{}", "headers": {"Content-Type": "application/vnd.api+json"}},
    "not text": {"data": b"\xff\xfe", "headers": JSON},
    "empty json": {"data": b"", "headers": JSON},
    "bad escapes": {"data": b"a=%FF&b=%C3%A9", "headers": FORM},
    "a damaged form": {"data": b"--b\r\nbad", "headers": MULTIPART},
    "a part": {"data": PART, "headers": MULTIPART},
    "without a boundary": {"data": b"x", "headers": {"Content-Type": "multipart/form-data"}},
    "nothing": {},
    "unicode": {"data": "ümläut"},
}
READS: dict[str, t.Callable[[t.Any], t.Any]] = {
    "form": lambda r: r.form,
    "files": lambda r: r.files,
    "values": lambda r: r.values,
    "json": lambda r: r.json,
    "data": lambda r: r.data,
    "get_data": lambda r: r.get_data(),
    "text": lambda r: r.get_data(as_text=True),
    "parsed": lambda r: r.get_data(parse_form_data=True),
    "forced": lambda r: r.get_json(force=True),
    "silent": lambda r: r.get_json(silent=True),
    "by place": lambda r: r.get_json(True, True, False),
    "body": lambda r: r.body,
}


@probes("body", BODIES)
async def _body(m: Module, body: t.Any) -> t.Any:
    app = app_of(m)

    @app.post("/<name>")
    async def view(name: str) -> str:
        return repr([await READS[part](m.request) for part in name.split("+")])

    answers = await asked(app, *(f"/{name}" for name in READS), method="POST", **body)
    answers += await asked(
        app, "/form+json", "/json+form", "/data+form+data", "/get_data+json", method="POST", **body
    )
    return answers


# --- cookies ------------------------------------------------------------------------------


@probes(
    "cookie",
    {
        "": {},
        "with a path": {"path": "/x"},
        "with an age": {"max_age": 10},
        "of another domain": {"domain": "d.org"},
        "that is secure": {"secure": True},
        "for http": {"httponly": True, "samesite": "Lax"},
        "that is over": {"expires": 0},
    },
)
async def _cookie(m: Module, options: t.Any) -> t.Any:
    app, told = app_of(m), []

    @app.route("/")
    @app.route("/x")
    async def view() -> t.Any:
        return dict(m.request.cookies)

    for server in ("localhost", "other", None):
        client = app.test_client()
        client.set_cookie(server, "a", "1", **options)
        told += [await (await client.get(path)).get_json() for path in ("/", "/x")]
        client.delete_cookie(server, "a", options.get("path", "/"))
        told += [await (await client.get(path)).get_json() for path in ("/", "/x")]
    return told


@probes("deleted", {repr(a): a for a in (("localhost", "a", "/"), ("x", "a"), (None, "a"))})
async def _deleted(m: Module, arguments: t.Any) -> t.Any:
    app = app_of(m)

    @app.route("/")
    async def view() -> t.Any:
        return dict(m.request.cookies)

    client = app.test_client()
    client.set_cookie("localhost", "a", "1")
    client.delete_cookie(*arguments)
    return await (await client.get("/")).get_json()


@probes("set cookie", {value: value for value in ("1", "é", "", "x;y", '"q"')})
async def _set_cookie(m: Module, value: str) -> t.Any:
    app = app_of(m)

    @app.route("/set")
    async def set_one() -> t.Any:
        response = await m.make_response("")
        response.set_cookie("a", value)
        return response

    @app.route("/delete")
    async def delete() -> t.Any:
        response = await m.make_response("")
        response.delete_cookie("a")
        return response

    @app.route("/")
    async def view() -> t.Any:
        return dict(m.request.cookies)

    client = app.test_client()
    return [await seen(await client.get(path)) for path in ("/set", "/", "/delete", "/")]


# --- JSON ---------------------------------------------------------------------------------


@dataclasses.dataclass
class Data:
    a: int = 1


class Html:
    def __html__(self) -> str:
        return "<h>"


@probes(
    "json",
    {
        "datetime": datetime.datetime(2020, 1, 2, 3, 4, 5),
        "date": datetime.date(2020, 1, 2),
        "time": datetime.time(1, 2),
        "decimal": decimal.Decimal("1.5"),
        "uuid": uuid.UUID(int=5),
        "dataclass": Data(),
        "html": Html(),
        "object": object(),
        "bytes": b"x",
        "nan": float("nan"),
        "tuple": (1, 2),
        "number as key": {1: 2},
        "order": {"b": 1, "a": 2},
    },
)
async def _json(m: Module, value: t.Any) -> t.Any:
    app, told = app_of(m), []
    app.add_url_rule("/", "view", lambda: m.jsonify(x=value))
    told += await asked(app, "/")
    told.append(await attempt(lambda: sub(m, "json").dumps(value)))
    async with app.app_context():
        told.append(await attempt(lambda: sub(m, "json").dumps(value)))
    return told


@probes(
    "json setting",
    {
        str(s): s
        for s in (
            *({"sort_keys": False}, {"ensure_ascii": False}, {"compact": True}),
            *({"compact": False}, {"mimetype": "application/x"}),
        )
    },
)
async def _json_setting(m: Module, settings: t.Any) -> t.Any:
    app = app_of(m)
    for name, value in settings.items():
        setattr(app.json, name, value)
    app.add_url_rule("/", "view", lambda: m.jsonify({"b": "é", "a": 1}))
    answers = await asked(app, "/")
    app.config["DEBUG"] = True
    return answers + await asked(app, "/")


@probe("json provider")
async def _provider(m: Module) -> t.Any:
    class Provider(sub(m, "json.provider").JSONProvider):  # type: ignore[misc]
        def dumps(self, obj: t.Any, **kwargs: t.Any) -> str:
            return "D" + json.dumps(obj)

        def loads(self, s: t.Any, **kwargs: t.Any) -> t.Any:
            return ["L", json.loads(s)]

    class App(m.Quart):  # type: ignore[misc]
        json_provider_class = Provider

    app = App("app")

    @app.post("/")
    async def view() -> t.Any:
        return {"got": await m.request.get_json()}

    return await asked(app, "/", method="POST", data="[1]", headers=JSON)


# --- templates ----------------------------------------------------------------------------


@probes(
    "template",
    {
        source: source
        for source in (
            *("{{ name }}", "{{ name|upper }}", "{{ '<' }}{{ name }}", "{{ url_for('index') }}"),
            *("{{ request.path }}", "{{ g.x }}", "{{ session.get('z') }}", "{{ config.DEBUG }}"),
            *("{{ missing }}", "{{ missing.x }}", "{{ given }}", "{{ 1|marked }}", "{{ 1/0 }}"),
            *("{{ 3 is three }}", "{{ everywhere() }}", "{{ {'a':'<é>'}|tojson }}", "{% bad"),
            *("{{ get_flashed_messages() }}", "{% for i in range(2) %}{{ i }}{% endfor %}"),
            *("{% include 't.html' %}", "{{ 1|awaited }}", "{{ asynchronous()|string }}"),
            "{% import 't.html' as t %}{{ t.m(1) }}",
        )
    },
)
async def _template(m: Module, source: str) -> t.Any:
    app = app_of(m)

    @app.context_processor
    async def give() -> t.Any:
        return {"given": "G", "name": "shadowed"}

    @app.template_filter()
    def marked(value: t.Any) -> str:
        return "F"

    @app.template_filter()
    async def awaited(value: t.Any) -> str:
        return f"AF{value}"

    @app.template_test()
    def three(value: t.Any) -> bool:
        return bool(value == 3)

    @app.template_global()
    def everywhere() -> str:
        return "E"

    @app.template_global()
    async def asynchronous() -> str:
        return "A"

    @app.route("/")
    async def index() -> t.Any:
        m.g.x = "gx"
        return await m.render_template_string(source, name="<n>")

    @app.route("/stream")
    async def stream() -> t.Any:
        return await m.stream_template_string(source, name="<n>")

    return await asked(app, "/", "/stream")


@probe("template signals")
async def _template_signals(m: Module) -> t.Any:
    app, told = app_of(m), []

    async def before(sender: t.Any, template: t.Any, context: t.Any, **extra: t.Any) -> None:
        told.append(("before", template.name, context.get("name")))

    def rendered(sender: t.Any, template: t.Any, context: t.Any, **extra: t.Any) -> None:
        told.append(("rendered", template.name, sender is app))

    with m.before_render_template.connected_to(before, app):
        with m.template_rendered.connected_to(rendered, app):
            async with app.app_context():
                told.append(await m.render_template("t.html", name="x"))
                told.append(await m.render_template(["no.html", "t.html"], name="x"))
                told.append(await attempt(lambda: m.render_template("no.html")))
    return told


# --- files --------------------------------------------------------------------------------


@probes(
    "file",
    {
        "": {},
        "range": {"Range": "bytes=0-1"},
        "range of the end": {"Range": "bytes=-2"},
        "range beyond": {"Range": "bytes=99-"},
        "two ranges": {"Range": "bytes=0-1,3-4"},
        "range of lines": {"Range": "lines=1-2"},
        "etag": {"If-None-Match": '"e"'},
        "other etag": {"If-None-Match": '"x"'},
        "any etag": {"If-None-Match": "*"},
        "match": {"If-Match": '"x"'},
        "later": {"If-Modified-Since": "Sun, 06 Nov 2094 08:49:37 GMT"},
        "earlier": {"If-Modified-Since": "Sun, 06 Nov 1984 08:49:37 GMT"},
    },
)
async def _file(m: Module, headers: t.Any) -> t.Any:
    app = app_of(m)

    @app.route("/")
    async def view() -> t.Any:
        response = await m.make_response(b"abcdef")
        response.set_etag("e")
        response.last_modified = datetime.datetime(2000, 1, 1)
        return await response.make_conditional(
            m.request, accept_ranges=bool(headers), complete_length=6
        )

    @app.route("/file")
    async def file() -> t.Any:
        return await m.send_file(ROOT / "file.txt", conditional=bool(headers))

    @app.route("/made")
    async def made() -> t.Any:
        if not headers:
            return ""
        return await m.send_file(io.BytesIO(b"hello"), mimetype="text/plain", conditional=True)

    paths = ["/", "/file", "/made"] + (["/static/a.txt"] if headers else [])
    return await asked(app, *paths, headers=headers)


@probes(
    "sent",
    {
        "with a type": {"mimetype": "text/x"},
        "attached": {"as_attachment": True},
        "under another name": {"as_attachment": True, "attachment_filename": "b.txt"},
        "for a time": {"cache_timeout": 5},
        "without an etag": {"add_etags": False},
        "with a date": {"last_modified": datetime.datetime(2000, 1, 1)},
    },
)
async def _sent(m: Module, options: t.Any) -> t.Any:
    app = app_of(m)

    @app.route("/<path:name>")
    async def view(name: str) -> t.Any:
        return await m.send_file(ROOT / name, **options)

    response = await app.test_client().get("/file.txt")
    names = [name for name in UNTOLD if name in response.headers]
    return await seen(response), names, await asked(app, "/missing")


# --- websockets ---------------------------------------------------------------------------


async def talk(app: t.Any, path: str = "/", count: int = 1, **options: t.Any) -> t.Any:
    """Return the messages that a websocket sends, and how it ends."""
    told: list[t.Any] = []
    try:
        async with app.test_client().websocket(path, **options) as websocket:
            for _ in range(count):
                told.append(await asyncio.wait_for(websocket.receive(), 5))
            told.append(sorted(websocket.headers or []))
    except BaseException as error:
        response = getattr(error, "response", None)
        ending = error.args if response is None else await seen(response)
        told += [type(error).__name__, ending]
    return told


@probe("websocket closing")
async def _closing(m: Module) -> t.Any:
    told = []
    for arguments in ((1000,), (4001, "why")):
        app = app_of(m)

        @app.websocket("/")
        async def handle(arguments: t.Any = arguments) -> None:
            await m.websocket.accept()
            await m.websocket.close(*arguments)

        told.append(await talk(app))
    return told


@probe("websocket rejections")
async def _rejections(m: Module) -> t.Any:
    async def returns() -> t.Any:
        return "no", 403

    async def returns_json() -> t.Any:
        return {"a": 1}, 402, {"X": "y"}

    async def aborts() -> None:
        m.abort(401)

    async def raises() -> None:
        raise ValueError

    async def does_nothing() -> None:
        pass

    async def returns_late() -> t.Any:
        await m.websocket.accept()
        return "late"

    async def aborts_late() -> None:
        await m.websocket.accept()
        m.abort(400)

    def is_sync() -> t.Any:
        return "sync", 403

    handlers = (returns, returns_json, aborts, raises, does_nothing, returns_late, aborts_late)
    app = app_of(m)
    for handler in (*handlers, is_sync):
        app.add_websocket(f"/{handler.__name__}", handler.__name__, handler)
    return [await talk(app, f"/{h.__name__}") for h in (*handlers, is_sync)] + [
        await talk(app, "/missing")
    ]


@probe("websocket hooks")
async def _websocket_hooks(m: Module) -> t.Any:
    app, told = app_of(m), []

    @app.before_websocket
    async def before() -> t.Any:
        told.append("before")
        return ("denied", 403) if m.websocket.args else None

    @app.after_websocket
    async def after(response: t.Any) -> t.Any:
        told.append(("after", response and response.status_code))  # type: ignore[arg-type]
        return response

    @app.teardown_websocket
    async def teardown(error: t.Any) -> None:
        told.append(("teardown", type(error).__name__))  # type: ignore[arg-type]

    @app.errorhandler(ValueError)
    async def handle_error(error: t.Any) -> t.Any:
        return "handled", 418

    @app.websocket("/")
    async def handle() -> None:
        await m.websocket.send("x")

    @app.websocket("/value")
    async def raise_value() -> None:
        raise ValueError

    @app.websocket("/key")
    async def raise_key() -> None:
        raise KeyError

    for path in ("/", "/?denied=1", "/value", "/key"):
        told.append(await talk(app, path))
    return told


@probe("websocket attributes")
async def _websocket_attributes(m: Module) -> t.Any:
    app, told = app_of(m), []  # type: ignore[var-annotated]
    names = (
        "path scheme url base_url host root_path query_string args cookies is_secure remote_addr"
        " endpoint view_args http_version method blueprint full_path requested_subprotocols"
    ).split()

    @app.websocket("/ws")
    async def handle() -> None:
        told.extend(repr(getattr(m.websocket, name)) for name in names)
        told.append(sorted(m.websocket.headers))
        told.append([m.url_for("handle"), m.url_for("handle", _external=True)])
        told.append([m.has_websocket_context(), m.has_request_context(), bool(m.websocket)])
        m.session["a"] = 1
        await m.websocket.accept(headers={"x": "y"}, subprotocol="b")
        await m.websocket.send("x")
        await m.websocket.send_json({"a": await m.websocket.receive_json()})

    async with app.test_client().websocket(
        "/ws",
        headers={"Cookie": "a=1", "X-A": "b"},
        query_string={"q": "1"},
        subprotocols=["a", "b"],
    ) as websocket:
        told.append(await websocket.receive())
        await websocket.send_json([1])
        told.append(await websocket.receive_json())
    return told


# --- the test client ------------------------------------------------------------------------


@probe("methods")
async def _methods(m: Module) -> t.Any:
    app = app_of(m)
    names = "GET HEAD POST PUT PATCH DELETE OPTIONS TRACE".split()

    @app.route("/", methods=names)
    async def view() -> str:
        return str(m.request.method)

    client = app.test_client()
    return [await seen(await getattr(client, name.lower())("/")) for name in names]


@probe("redirects")
async def _redirects(m: Module) -> t.Any:
    app, both = app_of(m), ["GET", "POST"]
    app.add_url_rule("/found", "found", lambda: m.redirect("/kept"), methods=both)
    app.add_url_rule("/kept", "kept", lambda: m.redirect("/end?x=1", 307), methods=both)

    @app.route("/end", methods=both)
    async def end() -> str:
        return f"{m.request.method} {m.request.args} {await m.request.get_data()}"

    client = app.test_client()
    return [
        await seen(await client.open(path, method=method, data=data, follow_redirects=True))
        for path in ("/found", "/kept", "/end")
        for method, data in (("GET", None), ("POST", b"data"))
    ]


@probe("files")
async def _files(m: Module) -> t.Any:
    app = app_of(m)

    @app.post("/")
    async def view() -> str:
        files = (await m.request.files).items(multi=True)
        told = [(k, f.filename, f.name, f.content_type, f.read()) for k, f in files]
        return repr((told, await m.request.form))

    uploads = {
        "f": FileStorage(io.BytesIO(b"data"), filename="a.txt", content_type="text/plain"),
        "g": FileStorage(io.BytesIO(b"x"), filename="é.bin"),
    }
    return await asked(app, "/", method="POST", files=uploads, form={"x": "y"})


@probe("test requests")
async def _test_requests(m: Module) -> t.Any:
    app, told = app_of(m), []
    for options in (
        {},
        {"method": "POST", "json": {"a": 1}},
        {"method": "POST", "form": {"a": "1"}},
        {"headers": {"A": "b"}},
        {"query_string": {"q": "1"}, "scheme": "https"},
        {"root_path": "/r"},
        {"auth": ("a", "b"), "subdomain": "s"},
    ):
        async with app.test_request_context("/p", **options):
            told.append((m.request.method, m.request.url, await m.request.get_data()))
            told.append((await m.request.form, await m.request.get_json(silent=True)))  # type: ignore[arg-type]
    return told


@probe("lifespan")
async def _lifespan(m: Module) -> t.Any:
    app, told = app_of(m), []

    @app.before_serving
    async def before() -> None:
        told.append(("before", m.has_app_context()))

    @app.before_serving
    def before_in_sync() -> None:
        told.append("before in sync")  # type: ignore[arg-type]

    @app.while_serving
    async def during() -> t.AsyncIterator[None]:
        told.append("begin")  # type: ignore[arg-type]
        yield
        told.append("end")  # type: ignore[arg-type]

    @app.after_serving
    async def after() -> None:
        told.append("after")  # type: ignore[arg-type]

    async with app.test_app() as test_app:
        told.append((await test_app.test_client().get("/")).status_code)
    return told


# --- blueprints, config, sessions -------------------------------------------------------------


@probe("nested blueprints")
async def _nested(m: Module) -> t.Any:
    app, told = app_of(m), []
    outer = m.Blueprint("outer", "app", url_prefix="/outer")
    inner = m.Blueprint("inner", "app", url_prefix="/inner")
    for part in (app, outer, inner):
        name = part.name

        def note(what: str, name: str = name) -> t.Any:
            async def hook(*args: t.Any) -> t.Any:
                told.append(f"{what} {name}")
                return args[0] if what == "after" else None

            return hook

        part.before_request(note("before"))
        part.after_request(note("after"))
        part.teardown_request(note("teardown"))
        part.context_processor(lambda name=name: {name: name, "who": name})

        @part.errorhandler(404)
        async def missing(error: t.Any, name: str = name) -> t.Any:
            return f"missing {name}", 404

        @part.route("/view")
        async def view() -> t.Any:
            text = await m.render_template_string("{{ who }}{{ app }}{{ outer }}{{ inner }}")
            return f"{text} {m.request.blueprints} {m.request.endpoint} {m.url_for('.view')}"

        @part.route("/abort")
        async def abort() -> None:
            m.abort(404)

    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    for prefix in ("", "/outer", "/outer/inner"):
        told += await asked(app, *(f"{prefix}/{name}" for name in ("view", "abort", "nowhere")))
    return told, sorted(app.blueprints), sorted(app.view_functions)


@probe("hooks of blueprints for the app")
async def _app_hooks(m: Module) -> t.Any:
    app, told = app_of(m), []
    blueprint = m.Blueprint("blueprint", "app")
    for name in (
        *("before_app_request", "before_app_websocket", "before_app_serving"),
        *("after_app_serving", "after_app_request", "after_app_websocket"),
        *("teardown_app_request", "teardown_app_websocket"),
    ):

        async def hook(*args: t.Any, name: str = name) -> t.Any:
            told.append(name)
            return args[0] if args and "after" in name else None

        getattr(blueprint, name)(hook)

    @blueprint.websocket("/ws")
    async def handle() -> None:
        await m.websocket.send(m.websocket.blueprint)

    app.register_blueprint(blueprint)
    async with app.test_app():
        told += await asked(app, "/missing")
        told.append(await talk(app, "/ws"))
    return told


@probe("misuse of blueprints")
async def _misuse(m: Module) -> t.Any:
    app, blueprint = app_of(m), m.Blueprint("blueprint", "app")
    app.register_blueprint(blueprint)
    return [
        await attempt(call)
        for call in (
            lambda: m.Blueprint("a.b", "app") and None,
            lambda: app.register_blueprint(blueprint),
            lambda: app.register_blueprint(blueprint, name="other"),
            lambda: m.url_for("view"),
            lambda: m.request.path,
            lambda: m.g.x,
            lambda: m.current_app.name,
            lambda: m.render_template("t.html"),
            lambda: m.make_response("x"),
            lambda: m.flash("x"),
            lambda: bool(m.request),
        )
    ]


@probe("config")
async def _config(m: Module) -> t.Any:
    config = app_of(m).config
    (ROOT / "config.py").write_text("X = 1\ny = 2\n")
    (ROOT / "config.json").write_text('{"T": 5}')
    told = [
        config.from_pyfile("config.py"),
        config.from_pyfile("missing.py", silent=True),
        config.from_file("config.json", json.load),
        config.from_mapping(A=1, b=2),
    ]
    await attempt(lambda: config.from_pyfile("missing.py"))
    return told, [config.get(name) for name in "XyTAb"], config.get_namespace("SESSION_COOKIE_P")


@probe("session")
async def _session(m: Module) -> t.Any:
    told = []
    for settings in (
        {},
        {"SESSION_COOKIE_SECURE": True, "SESSION_COOKIE_SAMESITE": "Lax"},
        {"SESSION_COOKIE_HTTPONLY": False, "SESSION_COOKIE_NAME": "n"},
        {"SESSION_REFRESH_EACH_REQUEST": False},
    ):
        app = app_of(m)
        app.config.update(settings)

        @app.route("/<action>")
        async def view(action: str) -> str:
            if action == "set":
                m.session["a"] = 1
            elif action == "permanent":
                m.session.permanent = True
            elif action == "clear":
                m.session.clear()
            elif action == "get":
                return str(sorted(m.session.items()))
            return ""

        client = app.test_client()
        for action in "get set get none permanent none clear get".split():
            response = await client.get(f"/{action}")
            cookie = response.headers.get("Set-Cookie", "")
            names = [part.partition("=")[0] for part in cookie.split("; ")]
            told.append((action, await response.get_data(), response.headers.get("Vary"), names))
    return told


@probe("flashes")
async def _flashes(m: Module) -> t.Any:
    app = app_of(m)

    @app.route("/flash")
    async def flash() -> str:
        await m.flash("a")
        await m.flash("b", "category")
        return ""

    @app.route("/")
    async def view() -> str:
        messages = m.get_flashed_messages
        return repr(
            [messages(), messages(with_categories=True), messages(category_filter=["category"])]
        )

    client = app.test_client()
    await client.get("/flash")
    return [await (await client.get("/")).get_data() for _ in range(2)]


# --- signals, errors, hooks -------------------------------------------------------------------


@probe("signals")
async def _signals(m: Module) -> t.Any:
    app, told, kept = app_of(m), [], []
    app.add_url_rule("/", "view", lambda: "")

    @app.route("/error")
    async def fail() -> None:
        raise KeyError

    @app.websocket("/ws")
    async def handle() -> None:
        await m.websocket.send("x")

    for name in (
        "appcontext_pushed appcontext_popped appcontext_tearing_down request_started"
        " request_finished request_tearing_down got_request_exception websocket_started"
        " websocket_finished websocket_tearing_down got_websocket_exception"
    ).split():

        async def receive(sender: t.Any, name: str = name, **given: t.Any) -> None:
            told.append((name, sender is app, sorted(k for k in given if k[0] != "_")))

        getattr(m, name).connect(receive, app)
        kept.append(receive)
    told += await asked(app, "/", "/error", "/missing")
    told.append(await talk(app, "/ws"))
    return told


CONFIGS: dict[str, dict[str, t.Any]] = {
    "in production": {},
    "when testing": {"TESTING": True},
    "that are raised": {"PROPAGATE_EXCEPTIONS": True},
    "that are trapped": {"TRAP_HTTP_EXCEPTIONS": True},
    "of requests that are trapped": {"TRAP_BAD_REQUEST_ERRORS": True},
    "when debugging": {"DEBUG": True, "PROPAGATE_EXCEPTIONS": False},
}


@probes("errors", CONFIGS)
async def _errors(m: Module, config: t.Any) -> t.Any:
    app = app_of(m)
    app.config.update(config)

    @app.route("/key")
    async def read_key() -> t.Any:
        return (await m.request.form)["x"]

    @app.route("/abort/<int:code>")
    async def abort(code: int) -> None:
        m.abort(code)

    @app.route("/response")
    async def respond() -> None:
        m.abort(m.Response("custom", status=409))

    @app.route("/described")
    async def describe() -> None:
        m.abort(400, "description <x>")

    @app.route("/error")
    async def fail() -> None:
        raise ValueError("boom")

    @app.route("/slash/")
    async def slash() -> str:
        return ""

    paths = ["/key", "/response", "/described", "/error", "/slash", "/missing"]
    return await asked(app, *paths, *(f"/abort/{code}" for code in (400, 404, 418, 500, 999)))


@probe("error handlers")
async def _handlers(m: Module) -> t.Any:
    app = app_of(m)

    class Base(Exception):
        pass

    class Sub(Base):
        pass

    async def handle(error: t.Any) -> t.Any:
        original = getattr(error, "original_exception", None)
        return f"{type(error).__name__} {type(original).__name__}", 500

    for kind in (Base, werkzeug.exceptions.HTTPException, 500):
        app.register_error_handler(kind, handle)
    app.register_error_handler(404, lambda error: ("sync", 404))

    @app.errorhandler(ZeroDivisionError)
    async def fail(error: t.Any) -> None:
        raise KeyError

    errors = (Base, Sub, ZeroDivisionError, KeyError, werkzeug.exceptions.Conflict)
    errors += (werkzeug.exceptions.NotFound, werkzeug.exceptions.InternalServerError)  # type: ignore[assignment]

    @app.route("/<int:number>")
    async def view(number: int) -> None:
        raise errors[number]()

    return await asked(app, *(f"/{number}" for number in range(len(errors))), "/x/y")


@probe("hooks")
async def _hooks(m: Module) -> t.Any:
    app, told = app_of(m), []
    for number in (1, 2):

        async def before(number: int = number) -> None:
            told.append(f"before {number}")

        async def after(response: t.Any, number: int = number) -> t.Any:
            told.append(f"after {number}")
            return response

        def teardown(error: t.Any, number: int = number) -> None:
            told.append((f"teardown {number}", type(error).__name__))  # type: ignore[arg-type]

        app.before_request(before)
        app.after_request(after)
        app.teardown_request(teardown)
        app.teardown_appcontext(teardown)

    @app.route("/")
    async def view() -> str:
        @m.after_this_request
        def note(response: t.Any) -> t.Any:
            told.append("after this")
            return response

        return ""

    @app.route("/error")
    async def fail() -> None:
        raise KeyError

    await asked(app, "/", "/error", "/missing")
    return told


@probes("before functions", {"text": "early", "tuple": ("x", 201), "dict": {"a": 1}})
async def _before(m: Module, value: t.Any) -> t.Any:
    app = app_of(m)
    app.add_url_rule("/", "view", lambda: "view")

    @app.before_request
    async def before() -> t.Any:
        return value

    return await asked(app, "/")


@probe("after functions")
async def _after(m: Module) -> t.Any:
    app = app_of(m)
    app.add_url_rule("/", "view", lambda: "view")
    app.after_request(lambda response: None)
    return await asked(app, "/")


@probe("URLs")
async def _urls(m: Module) -> t.Any:
    app, told = app_of(m), []
    app.add_url_rule("/i/<int:x>", "index", lambda x: "")
    cases: list[dict[str, t.Any]] = [
        *({"x": 1}, {"x": 1, "_external": True}, {"x": 1, "_anchor": "a b"}, {"x": 1, "q": "é&"}),
        *({"x": 1, "_scheme": "https", "_external": True}, {"x": 1, "_scheme": "https"}, {}),
        *({"x": 1, "q": None}, {"x": 1, "l": [1, 2]}, {"x": "a"}, {"x": 1, "_method": "POST"}),
    ]
    for server in (None, "s.org"):
        app.config["SERVER_NAME"] = server
        for context in (app.test_request_context("/"), app.app_context()):
            async with context:
                for values in cases:
                    told.append(await attempt(lambda v=values: m.url_for("index", **v)))  # type: ignore[misc]
                told.append(await attempt(lambda: m.url_for("missing")))
    return told


@probe("hosts")
async def _hosts(m: Module) -> t.Any:
    app = app_of(m)
    app.config["SERVER_NAME"] = "domain.tld"
    app.add_url_rule("/", "api", lambda: "api", subdomain="api")
    app.add_url_rule("/", "main", lambda: "main")
    app.add_url_rule("/", "user", lambda user: user, subdomain="<user>")
    told = []
    for host in ("domain.tld", "api.domain.tld", "bob.domain.tld", "other.tld"):
        told += await asked(app, "/", headers={"Host": host})
    told += await asked(app, "/", subdomain="api")
    app = app_of(m, host_matching=True, static_host="x.org")
    app.add_url_rule("/", "x", lambda: "x", host="x.org")
    app.add_url_rule("/", "other", lambda host: host, host="<host>")
    for host in ("x.org", "y.org"):
        told += await asked(app, "/", headers={"Host": host})
    return told


@probe("limits")
async def _limits(m: Module) -> t.Any:
    told = []
    settings: list[tuple[dict[str, int], dict[str, t.Any]]] = [
        ({"MAX_CONTENT_LENGTH": 5}, {"data": b"123456"}),
        ({"MAX_CONTENT_LENGTH": 5}, {"data": b"12345"}),
        ({"MAX_FORM_MEMORY_SIZE": 5}, {"form": {"a": "123456789"}}),
    ]
    for config, body in settings:
        app = app_of(m)
        app.config.update(config)

        @app.post("/")
        async def view() -> str:
            return str(len(await m.request.form)) + str(len(await m.request.get_data()))

        told += await asked(app, "/", method="POST", **body)
    return told


OVERRIDES = (
    "make_response make_default_options_response log_exception finalize_request process_response"
    " preprocess_request dispatch_request full_dispatch_request handle_exception"
    " handle_user_exception handle_http_exception do_teardown_request do_teardown_appcontext"
    " handle_request create_url_adapter update_template_context inject_url_defaults"
    " raise_routing_exception ensure_async sync_to_async request_context app_context"
).split()


@probes("override", {name: name for name in OVERRIDES})
async def _override(m: Module, name: str) -> t.Any:
    calls: list[int] = []
    base = getattr(m.Quart, name)

    async def awaited(self: t.Any, *args: t.Any, **kwargs: t.Any) -> t.Any:
        calls.append(len(args))
        return await base(self, *args, **kwargs)

    def plain(self: t.Any, *args: t.Any, **kwargs: t.Any) -> t.Any:
        calls.append(len(args))
        return base(self, *args, **kwargs)

    override = awaited if inspect.iscoroutinefunction(base) else plain
    app = type("App", (m.Quart,), {name: override})("app")

    @app.route("/")
    async def view() -> t.Any:
        return await m.render_template_string("{{ url_for('view') }}")

    @app.route("/error")
    async def fail() -> None:
        raise KeyError

    app.add_url_rule("/sync", "sync", lambda: "")
    told = []
    for path in ("/", "/sync", "/error", "/missing"):
        calls.clear()
        told.append((await asked(app, path), len(calls)))
    told.append(await asked(app, "/", method="OPTIONS"))
    return told


@probes(
    "websocket override",
    {
        name: name
        for name in (
            "finalize_websocket preprocess_websocket dispatch_websocket full_dispatch_websocket"
            " handle_websocket_exception do_teardown_websocket do_teardown_appcontext"
            " handle_websocket postprocess_websocket handle_user_exception handle_http_exception"
            " websocket_context make_response log_exception create_url_adapter ensure_async"
            " app_context"
        ).split()
    },
)
async def _websocket_override(m: Module, name: str) -> t.Any:
    calls: list[int] = []
    base = getattr(m.Quart, name)

    async def awaited(self: t.Any, *args: t.Any, **kwargs: t.Any) -> t.Any:
        calls.append(len(args))
        return await base(self, *args, **kwargs)

    def plain(self: t.Any, *args: t.Any, **kwargs: t.Any) -> t.Any:
        calls.append(len(args))
        return base(self, *args, **kwargs)

    override = awaited if inspect.iscoroutinefunction(base) else plain
    app = type("App", (m.Quart,), {name: override})("app")

    @app.websocket("/")
    async def handle() -> None:
        await m.websocket.send("x")

    @app.websocket("/error")
    async def fail() -> None:
        raise KeyError

    @app.websocket("/rejected")
    async def reject() -> t.Any:
        return "no", 403

    @app.websocket("/aborted")
    async def abort() -> None:
        m.abort(401)

    told = []
    for path in ("/", "/error", "/rejected", "/aborted", "/missing"):
        calls.clear()
        told.append((await talk(app, path), len(calls)))
    return told


@probe("an app context of the app's own")
async def _own_app_context(m: Module) -> t.Any:
    told: list[t.Any] = []
    context_class = type(app_of(m).app_context())

    class Context(context_class):  # type: ignore[misc,valid-type]
        async def push(self) -> None:
            told.append("push")
            await super().push()

        async def pop(self, *args: t.Any) -> None:
            told.append("pop")
            await super().pop(*args)

    class App(m.Quart):  # type: ignore[misc]
        def app_context(self) -> t.Any:
            context = Context(self)
            context.g.made = "here"
            return context

    app = App("app")

    @app.route("/")
    async def view() -> str:
        return str(m.g.made)

    @app.websocket("/ws")
    async def handle() -> None:
        await m.websocket.send(m.g.made)

    async def teardown(error: t.Any) -> None:
        told.append("teardown")

    app.teardown_appcontext(teardown)
    told += await asked(app, "/")
    told.append(await talk(app, "/ws"))
    async with app.app_context():
        told += await asked(app, "/")
    return told


@probe("classes of connections")
async def _classes(m: Module) -> t.Any:
    told: list[t.Any] = []

    class Request(m.Request):  # type: ignore[misc]
        def __init__(self, *args: t.Any, send_push_promise: t.Any, **kwargs: t.Any) -> None:
            told.append((len(args), sorted(kwargs)))
            super().__init__(*args, send_push_promise=send_push_promise, **kwargs)

        def on_json_loading_failed(self, error: t.Any) -> t.Any:
            return type(error).__name__

    class Websocket(m.Websocket):  # type: ignore[misc]
        def __init__(self, *args: t.Any, scope: t.Any) -> None:
            told.append(len(args))
            super().__init__(*args, scope=scope)

        async def receive(self) -> t.Any:
            return "received " + await super().receive()

    class App(m.Quart):  # type: ignore[misc]
        request_class, websocket_class = Request, Websocket

    app = App("app")

    @app.post("/")
    async def view() -> t.Any:
        await m.make_push_promise("/pushed")
        return [await m.request.get_json(force=True)]

    @app.websocket("/ws")
    async def handle() -> None:
        await m.websocket.send(await m.websocket.receive())

    client = app.test_client()
    told.append(await seen(await client.post("/", data="{x", http_version="2")))
    told.append([path for path, _ in client.push_promises])
    async with client.websocket("/ws") as websocket:
        await websocket.send("x")
        told.append(await websocket.receive())
    return told


@probe("a class of clients")
async def _client_class(m: Module) -> t.Any:
    told: list[t.Any] = []

    class Client(sub(m, "testing").QuartClient):  # type: ignore[misc]
        def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
            told.append(kwargs.pop("token"))
            super().__init__(*args, **kwargs)

        async def open(self, path: str, **kwargs: t.Any) -> t.Any:
            told.append((path, sorted(kwargs)))
            return await super().open(path, **kwargs)

        async def _make_request(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
            told.append((len(args), sorted(kwargs)))
            return await super()._make_request(*args, **kwargs)

    app = app_of(m)
    app.test_client_class = Client
    app.add_url_rule("/", "view", lambda: m.redirect("/end"))
    app.add_url_rule("/end", "end", lambda: "end")
    told.append(await seen(await app.test_client(token=1).get("/", follow_redirects=True)))
    return told


# --- played on both -----------------------------------------------------------------------


#: Probes in which Quart 0.22 makes a form: of a class that Werkzeug says is None since 3.2.
READ_FORMS = {
    *(f"body {kind}" for kind in ("json", "null", "a form", "damaged json", "no type", "nothing")),
    *("body a type like json", "body empty json", "body a part", "body unicode", "files"),
    *("test requests", "errors in production", "errors that are raised", "error handlers"),
}


@pytest.mark.filterwarnings("ignore:Current server name")
@pytest.mark.parametrize("name", PROBES)
async def test_as_quart(name: str) -> None:
    if name in READ_FORMS and SansioRequest.parameter_storage_class is None:
        pytest.skip("Quart answers no form with this Werkzeug")
    theirs, ours = repr(await PROBES[name](quart)), repr(await PROBES[name](quartish.quart))
    ours = ours.replace("quartish.", "quart.")
    assert (ours != theirs) == (name in DEPARTURES), f"\nours   {ours}\ntheirs {theirs}"
