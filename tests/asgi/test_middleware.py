"""ASGI middleware: what apps behind it see of a connection, and that Werkzeug's agrees."""

from __future__ import annotations

import asyncio
import io
import threading
import typing as t

import flask
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from werkzeug.middleware.proxy_fix import ProxyFix as WerkzeugProxyFix

import quartish
from quartish.middleware import FromWSGI
from quartish.middleware import Mount
from quartish.middleware import ProxyFix
from quartish.middleware import TrustedHosts
from quartish.testing.client import QuartClient
from tests._doors import Ask
from tests._doors import through_asgi
from tests._doors import through_wsgi
from tests._peer import ask
from tests._peer import handshake


def make_app(colour: type[t.Any]) -> t.Any:
    """Return an app that says what it sees."""
    app = colour("mounted", static_folder=None)

    async def see(path: str = "") -> t.Any:
        request = quartish.request
        return {
            "url": request.url,
            "host": request.host,
            "client": request.remote_addr,
            "root": request.root_path,
            "path": request.path,
            "server": list(request.server or ()),
            "link": quartish.url_for("see", path="x"),
            "external": quartish.url_for("see", path="x", _external=True),
        }

    app.add_url_rule("/", view_func=see)
    app.add_url_rule("/<path:path>", view_func=see)
    return app


async def talk() -> None:
    websocket = quartish.websocket
    await websocket.send(f"{websocket.scheme} {websocket.root_path} {websocket.remote_addr}")


async def seen(app: t.Any, ask: Ask) -> t.Any:
    reply = await through_asgi(app, ask)
    assert reply.status == 200, reply
    return quartish.json.loads(reply.body)


# --- ProxyFix -------------------------------------------------------------------------------

FORWARDED = [
    ({}, {}),
    ({}, {"x-forwarded-for": "1.2.3.4", "x-forwarded-proto": "https"}),
    ({}, {"x-forwarded-host": "example.com", "x-forwarded-port": "99"}),
    ({"x_host": 1}, {"x-forwarded-host": "example.com"}),
    ({"x_host": 1}, {"x-forwarded-host": "evil.example, example.com:8080"}),
    ({"x_host": 1}, {"x-forwarded-host": "[::1]"}),
    ({"x_host": 1}, {"x-forwarded-host": "[::1]:8080"}),
    ({"x_host": 2}, {"x-forwarded-host": "a.example, b.example"}),
    ({"x_host": 2}, {"x-forwarded-host": "b.example"}),
    ({"x_port": 1}, {"x-forwarded-port": "8080"}),
    ({"x_port": 1, "x_host": 1}, {"x-forwarded-host": "a.example:1", "x-forwarded-port": "2"}),
    ({"x_port": 1, "x_host": 1}, {"x-forwarded-host": "[::1]", "x-forwarded-port": "2"}),
    ({"x_prefix": 1}, {"x-forwarded-prefix": "/base"}),
    ({"x_prefix": 1}, {"x-forwarded-prefix": "/evil, /base"}),
    ({"x_for": 0, "x_proto": 0}, {"x-forwarded-for": "1.2.3.4", "x-forwarded-proto": "https"}),
    ({"x_for": 2}, {"x-forwarded-for": "1.1.1.1, 2.2.2.2, 3.3.3.3"}),
    ({"x_for": 3}, {"x-forwarded-for": "1.1.1.1, 2.2.2.2"}),
    ({}, {"x-forwarded-for": ",,", "x-forwarded-proto": ""}),
]


@pytest.mark.parametrize(("counts", "headers"), FORWARDED)
@pytest.mark.parametrize("path", ["/base/deep", "/"])
async def test_proxy_fix_agrees_with_werkzeugs(
    counts: dict[str, int], headers: dict[str, str], path: str
) -> None:
    ask = Ask(path, headers=[(n.encode(), v.encode()) for n, v in headers.items()])
    ours, theirs = make_app(quartish.Flask), make_app(quartish.Flask)
    ours.asgi_app = ProxyFix(ours.asgi_app, **counts)
    theirs.wsgi_app = WerkzeugProxyFix(theirs.wsgi_app, **counts)
    expected = quartish.json.loads((await asyncio.to_thread(through_wsgi, theirs, ask)).body)
    assert await seen(ours, ask) == expected


async def test_proxy_fix_counts_over_repeated_headers(colour: type[t.Any]) -> None:
    app = make_app(colour)
    app.asgi_app = ProxyFix(app.asgi_app, x_for=2)
    headers = [(b"x-forwarded-for", value) for value in (b"1.1.1.1", b"2.2.2.2, 3.3.3.3")]
    assert (await seen(app, Ask("/", headers=headers)))["client"] == "2.2.2.2"


async def test_proxy_fix_of_a_websocket(colour: type[t.Any]) -> None:
    app = make_app(colour)
    app.websocket("/ws")(talk)
    app.asgi_app = ProxyFix(app.asgi_app, x_prefix=1)
    headers = {
        "X-Forwarded-For": "1.2.3.4",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/base",
    }
    async with QuartClient(app).websocket("/ws", headers=headers) as connection:
        assert await connection.receive() == "wss /base 1.2.3.4"


async def test_what_proxy_fix_found_before() -> None:
    scopes: list[t.Any] = []

    async def app(scope: t.Any, receive: t.Any, send: t.Any) -> None:
        scopes.append(scope)

    given = {
        **dict(type="http", method="GET", path="/", root_path="", scheme="http"),
        **dict(client=("9.9.9.9", 1), server=("h", 80), query_string=b""),
        "headers": [(b"host", b"h"), (b"x-forwarded-for", b"1.2.3.4")],
    }
    await ProxyFix(app)(given, None, None)  # type: ignore[arg-type]
    assert scopes[0]["client"] == ("1.2.3.4", 0)
    assert scopes[0]["proxy_fix.orig"] == {
        **dict(host="h", client=("9.9.9.9", 1), scheme="http", server=("h", 80), root_path="")
    }
    assert given["client"] == ("9.9.9.9", 1)


# --- TrustedHosts ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "status"),
    {  # type: ignore[misc]
        **dict.fromkeys([b"example.com", b"example.com:8080", b"a.b.example.org"], 200),
        **dict.fromkeys([b"a.example.com", b"example.com.evil", b"evil", b"a b", b"", None], 400),
    }.items(),
)
async def test_trusted_hosts(colour: type[t.Any], host: bytes | None, status: int) -> None:
    app = make_app(colour)
    app.asgi_app = TrustedHosts(app.asgi_app, ["example.com", ".example.org"])
    assert (await through_asgi(app, Ask("/", host=host))).status == status


async def test_trusted_hosts_of_a_websocket(colour: type[t.Any]) -> None:
    app = make_app(colour)
    app.websocket("/ws")(talk)
    app.asgi_app = TrustedHosts(app.asgi_app, ["example.com"])
    sent = await handshake(app, "/ws", headers=[(b"host", b"evil")])
    assert [m["type"] for m in sent] == [
        "websocket.http.response.start",
        "websocket.http.response.body",
    ]
    assert sent[0]["status"] == 400
    sent = await handshake(app, "/ws", headers=[(b"host", b"evil")], extensions={})
    assert sent == [{"type": "websocket.close", "code": 1000, "reason": ""}]


def test_trusted_hosts_wants_a_list() -> None:
    with pytest.raises(ValueError, match="list of names"):
        TrustedHosts(make_app(quartish.Flask), "example.com")


# --- Mount ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/admin/", "/admin/a/b", "/admin/admin"])
async def test_mounted_app_knows_its_prefix(colour: type[t.Any], path: str) -> None:
    app = make_app(colour)
    app.asgi_app = Mount(app.asgi_app, {"/admin": make_app(colour)})
    found = await seen(app, Ask(path))
    assert found["root"] == "/admin"
    assert found["path"] == (path.removeprefix("/admin") or "/")
    assert found["link"] == "/admin/x"
    assert found["external"] == "http://localhost/admin/x"
    assert found["url"] == "http://localhost/admin" + found["path"]


@pytest.mark.parametrize("path", ["/", "/administrator", "/admi", "/x/admin", "//admin"])
async def test_what_is_not_below_the_prefix(path: str) -> None:
    app = make_app(quartish.Flask)
    app.url_map.merge_slashes = False
    app.asgi_app = Mount(app.asgi_app, {"/admin": make_app(quartish.Quart)})
    found = await seen(app, Ask(path))
    assert (found["root"], found["path"]) == ("", "/" + path.lstrip("/"))


async def test_the_prefix_itself_is_redirected_to_its_slash(colour: type[t.Any]) -> None:
    app = make_app(colour)
    app.asgi_app = Mount(app.asgi_app, {"/admin": make_app(colour)})
    reply = await through_asgi(app, Ask("/admin"))
    assert (reply.status, reply.headers["Location"]) == (308, "http://localhost/admin/")


async def test_the_longest_prefix_wins_and_mounts_nest() -> None:
    outer, inner, other = (make_app(quartish.Quart) for _ in range(3))
    inner.asgi_app = Mount(inner.asgi_app, {"/c": other})
    outer.asgi_app = Mount(outer.asgi_app, {"/a": make_app(quartish.Flask), "/a/b": inner})
    assert (await seen(outer, Ask("/a/x")))["root"] == "/a"
    assert (await seen(outer, Ask("/a/b/x")))["root"] == "/a/b"
    assert (await seen(outer, Ask("/a/b/c/x")))["link"] == "/a/b/c/x"


async def test_mounted_below_a_proxy_s_prefix(colour: type[t.Any]) -> None:
    app = make_app(colour)
    app.asgi_app = ProxyFix(Mount(app.asgi_app, {"/admin": make_app(colour)}), x_prefix=1)
    found = await seen(app, Ask("/admin/a", headers=[(b"x-forwarded-prefix", b"/base")]))
    assert (found["root"], found["path"], found["link"]) == ("/base/admin", "/a", "/base/admin/x")


async def test_mounted_starlette() -> None:
    async def hello(request: t.Any) -> t.Any:
        return PlainTextResponse(f"{request.url.path} {request.url_for('hello')}")

    app = make_app(quartish.Flask)
    starlette = Starlette(routes=[Route("/hello", hello)])
    app.asgi_app = Mount(app.asgi_app, {"/star": starlette})
    reply = await through_asgi(app, Ask("/star/hello"))
    assert reply.body == b"/star/hello http://localhost/star/hello"


async def test_mounted_websocket(colour: type[t.Any]) -> None:
    mounted = make_app(colour)
    mounted.websocket("/ws")(talk)
    app = make_app(colour)
    app.asgi_app = Mount(app.asgi_app, {"/live": mounted})
    async with QuartClient(app).websocket("/live/ws") as connection:
        assert (await connection.receive()).split()[:2] == ["ws", "/live"]


async def test_mounted_flask() -> None:
    """Real Flask, as WSGI, in a thread: body, query, links, errors."""
    old = flask.Flask("old")
    threads: list[str] = []

    @old.post("/echo")
    def echo() -> t.Any:
        threads.append(threading.current_thread().name)
        request = flask.request
        return f"{request.script_root} {request.path} {request.args['q']} {request.form['a']}"

    app = make_app(quartish.Quart)
    app.asgi_app = Mount(app.asgi_app, {"/old": old})
    form = [(b"content-type", b"application/x-www-form-urlencoded")]
    reply = await through_asgi(app, Ask("/old/echo", "POST", b"q=1", form, [b"a=", b"b"]))
    assert reply.body == b"/old /echo 1 b"
    assert threads[0].startswith("quartish-wsgi")
    assert (await through_asgi(app, Ask("/old/none"))).status == 404


async def test_mounted_wsgi_streams_and_is_closed() -> None:
    closed = threading.Event()

    class Body(io.BytesIO):
        def close(self) -> None:
            closed.set()
            super().close()

    def wsgi(environ: t.Any, start_response: t.Any) -> t.Any:
        start_response("200 OK", [("X-Path", environ["SCRIPT_NAME"] + environ["PATH_INFO"])])
        return Body(b"a\nb\n")

    app = make_app(quartish.Flask)
    app.asgi_app = Mount(app.asgi_app, {"/w": FromWSGI(wsgi, threads=1)})
    reply = await through_asgi(app, Ask("/w/é"))
    assert (reply.headers["x-path"], reply.body) == ("/w/Ã©", b"a\nb\n")
    assert closed.is_set()


async def test_no_websocket_in_wsgi() -> None:
    app = make_app(quartish.Flask)
    app.asgi_app = Mount(app.asgi_app, {"/old": flask.Flask("old")})
    sent: list[t.Any] = []

    async def receive() -> t.Any:
        return {"type": "websocket.connect"}

    async def send(message: t.Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/old/ws", "query_string": b"", "headers": []}
    await app(scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1000, "reason": ""}]


@pytest.mark.parametrize("prefix", ["admin", "/", "/admin/", ""])
def test_prefixes_that_mean_nothing(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix begins with '/'"):
        Mount(make_app(quartish.Flask), {prefix: make_app(quartish.Flask)})


def serving(events: list[str], name: str, fails: bool = False) -> t.Any:
    app = make_app(quartish.Flask)

    @app.before_serving
    async def start() -> None:
        if fails:
            raise LookupError(f"{name} cannot start")
        events.append(f"+{name}")

    @app.after_serving
    async def stop() -> None:
        events.append(f"-{name}")

    return app


async def test_mounted_apps_are_started_and_stopped() -> None:
    events: list[str] = []

    async def without(scope: t.Any, receive: t.Any, send: t.Any) -> None:
        assert scope["type"] != "lifespan"  # as servers take it: not supported

    app = serving(events, "outer")
    mounts = {"/a": serving(events, "a"), "/w": flask.Flask("w"), "/n": without}
    app.asgi_app = Mount(app.asgi_app, mounts)
    async with app.test_app():
        assert events == ["+outer", "+a"]
    assert events == ["+outer", "+a", "-a", "-outer"]


async def test_a_mounted_app_that_cannot_start_undoes_the_rest() -> None:
    events: list[str] = []
    app = serving(events, "outer")
    mounts = {"/aa": serving(events, "a"), "/b": serving(events, "b", fails=True)}
    app.asgi_app = Mount(app.asgi_app, mounts)
    sent: list[t.Any] = []

    async def receive() -> t.Any:
        return {"type": "lifespan.startup"}

    async def send(message: t.Any) -> None:
        sent.append(message)

    async with asyncio.timeout(5):
        await app({"type": "lifespan"}, receive, send)
    assert sent == [{"type": "lifespan.startup.failed", "message": "b cannot start"}]
    assert events == ["+outer", "+a", "-a", "-outer"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("make", [ProxyFix, lambda app: TrustedHosts(app, ["a.example"])])
async def test_what_is_no_connection_goes_through(make: t.Any) -> None:
    """The lifespan, and whatever else a server may have to say, as it came."""
    seen: list[t.Any] = []

    async def inner(scope: t.Any, receive: t.Any, send: t.Any) -> None:
        seen.append(scope)

    for kind in ("lifespan", "other"):
        await make(inner)({"type": kind}, None, None)
        await Mount(inner, {"/a": inner})({"type": "other"}, None, None)  # type: ignore[arg-type]
    kinds = [scope["type"] for scope in seen]
    assert kinds == ["lifespan", "other", "other", "other"]


async def test_a_wsgi_app_behind_both_interfaces() -> None:
    def wsgi(environ: t.Any, start_response: t.Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"%d" % len(environ["wsgi.input"].read())]

    app = FromWSGI(wsgi)
    begun: list[t.Any] = []
    body = {"wsgi.input": io.BytesIO(b"abc")}
    assert app(body, lambda *args: begun.append(args)) == [b"3"] and begun[0][0] == "200 OK"
    # So much that it goes to a file, by the threads that the app has for it.
    pieces = [b"x" * 400_000] * 4
    assert (await ask(app, "/", "POST", body=pieces, content_length="1600000")).text == "1600000"
    with pytest.raises(ValueError, match="'other'"):
        await app({"type": "other"}, None, None)  # type: ignore[call-overload]
