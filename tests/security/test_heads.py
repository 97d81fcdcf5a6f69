"""Published weaknesses of what reads the head of a request, each test named by the advisory."""

from __future__ import annotations

import asyncio
import gc
import logging
import tracemalloc
import typing as t

import pytest
from werkzeug.middleware.proxy_fix import ProxyFix as WSGIProxyFix

import quartish
from quartish.middleware import Mount
from quartish.middleware import ProxyFix
from quartish.middleware import TrustedHosts
from tests._doors import Ask
from tests._doors import ATTRIBUTES
from tests._doors import make_app
from tests._doors import Reply
from tests._doors import through_asgi
from tests.security._ways import at_once
from tests.security._ways import Way


def seen(way: Way, app: t.Any, *names: str) -> None:
    """Let the app tell attributes of each of its requests."""

    async def view(**values: str) -> t.Any:
        return {name: str(getattr(quartish.request, name)) for name in names}

    way.route(app, "/", view, endpoint="root")
    way.route(app, "/<path:path>", view, endpoint="path")


def ask(*headers: tuple[bytes, bytes], path: str = "/", **options: t.Any) -> Ask:
    return Ask(path, headers=list(headers), **options)


HOSTS = {
    "CVE-2026-48710 Starlette": [
        *(b"example.com/?", b"a/admin?x=", b"a#", b"a?", b"a/", b"a/?x=", b"a\\b", b"a%2fb"),
    ],
    "CVE-2012-4520 Django": [b"user@evil.example", b"a:b@evil.example", b"evil.example:80@a"],
    "CVE-2022-33124 aiohttp": [b"[::1", b"[", b"[::z]", b"[::1]a", b"::1]", b"[[::1]]"],
    "CVE-2011-4139 Django": [b"a:80:80", b"a b", b"a, evil.example", b"a:http://evil.example"],
}


@pytest.mark.parametrize(
    ("advisory", "host"), [(name, host) for name in HOSTS for host in HOSTS[name]]
)
def test_a_host_that_is_none(way: Way, advisory: str, host: bytes) -> None:
    """It changed the path, the port or the host of `request.url`, by which apps decide."""
    app = way.app()
    seen(way, app, "url", "path")
    reply = way.send(app, ask(path="/private", host=host))
    assert reply.status == 400, reply


@pytest.mark.parametrize("advisory", ["CVE-2026-34525 aiohttp", "CVE-2026-71554 h2"])
def test_two_hosts(way: Way, advisory: str) -> None:
    """A proxy believed the one, and the app the other."""
    app = way.app()
    seen(way, app, "host")
    for other in (b"evil.example", b"localhost"):
        reply = way.send(app, ask((b"host", other)))
        assert reply.status == 400 or (other == b"localhost" and b"evil" not in reply.body), reply


TRUSTED = {
    "CVE-2026-25479 Litestar": (b"exampleXcom", b"evilexample.com", b"example.com.evil"),
    "PYSEC-2026-2603 Litestar": (None, b""),
    "CVE-2012-4520 Django": (b"example.com@evil", b"evil?example.com", b"evil#.example.com"),
}


@pytest.mark.parametrize("advisory", TRUSTED)
def test_a_host_that_is_not_trusted(way: Way, advisory: str) -> None:
    """It passed by a pattern, or was taken from `X-Forwarded-Host` where there was none."""
    app = way.app(TRUSTED_HOSTS=["example.com"])
    seen(way, app, "host", "url")
    for host in TRUSTED[advisory]:
        line = (b"x-forwarded-host", b"example.com")
        reply = way.send(app, Ask("/", headers=[line], host=host))
        assert reply.status == 400, (host, reply)
        if way.door == "asgi":
            around = TrustedHosts(app, ["example.com"])
            reply = asyncio.run(through_asgi(around, Ask("/", headers=[line], host=host)))
            assert reply.status == 400, (host, reply)


def test_cve_2026_3902_a_header_with_underscores_is_no_other(way: Way) -> None:
    """Django: a proxy removed the one, and the app took the other for it."""
    app = way.app()
    seen(way, app, "remote_addr", "headers", "environ" if app.plain else "headers")
    spoofed = [(b"x_forwarded_for", b"6.6.6.6"), (b"content_length", b"6"), (b"x_user", b"evil")]
    if way.door == "asgi":
        reply = asyncio.run(through_asgi(ProxyFix(app), Ask("/", headers=spoofed)))
        assert b"'6.6.6.6'" not in reply.body.partition(b"headers")[0]
        assert b"HTTP_X_USER" not in reply.body
        if app.plain:
            app.wsgi_app = WSGIProxyFix(app.wsgi_app)
            reply = way.send(app, Ask("/", headers=spoofed))
            assert reply.body.count(b"6.6.6.6") == reply.body.count(b"x_forwarded_for")


def forwarded(way: Way, *values: bytes, app: t.Any = None) -> str:
    app = app or way.app()
    if not app.view_functions.get("root"):
        seen(way, app, "remote_addr")
    lines = [(b"x-forwarded-for", value) for value in values]
    return way.send(app, Ask("/", headers=lines)).body.decode()


def test_cve_2025_59152_who_a_client_says_it_is(way: Way) -> None:
    """Litestar: a client chose its own address, and so passed limits and lists by address."""
    assert "6.6.6.6" not in forwarded(way, b"6.6.6.6")
    if way.door == "asgi":
        app = way.app()
        seen(way, app, "remote_addr")
        app.asgi_app = ProxyFix(app.asgi_app)
        for values in ([b"6.6.6.6, 1.1.1.1"], [b"6.6.6.6", b"1.1.1.1"]):
            assert "1.1.1.1" in forwarded(way, *values, app=app)


@pytest.mark.parametrize("cls", [quartish.Flask, quartish.Quart])
async def test_what_a_proxy_hands_on_is_no_500(cls: type[t.Any]) -> None:
    """Whatever the client wrote before the proxy added to it."""
    app = make_app(cls, "loop")
    around = ProxyFix(app, x_for=1, x_proto=1, x_host=1, x_port=1, x_prefix=1)
    names = ("for", "proto", "host", "port", "prefix")
    for value in (b"9" * 5000, b"a:" + b"9" * 5000, b"\xb2", b"a:\xb2", b'"', b"[::1", b",", b" "):
        for name in names:
            line = (b"x-forwarded-" + name.encode(), value)
            reply = await through_asgi(around, Ask("/attributes", headers=[line]))
            assert reply.status < 500, (line, reply)


SLOW: dict[str, list[tuple[bytes, bytes]]] = {
    "CVE-2025-14550 Django": [(b"x", b"y")] * 15_000,
    "CVE-2023-23969 Django": [(b"accept-language", b"en-" * 10_000)],
    "CVE-2022-41323 Django": [(b"accept-language", b"a-a_a*+?()," * 2_900)],
    "CVE-2020-5236 Waitress": [(b"x", b"x" * 30_000 + b"\x10")],
    "CVE-2020-7662 Faye": [(b"sec-websocket-extensions", b'a; b="\\c\\c' * 3_000)],
    "CVE-2021-32640 ws": [(b"sec-websocket-protocol", b"a" + b" " * 30_000 + b"b")],
    "CVE-2025-69224 aiohttp": [(b"content-length", "٣".encode()), (b"range", "bytes=٣-".encode())],
    "CVE-2026-22815 aiohttp": [(b"x-%d" % number, b"y") for number in range(4_000)],
}


@pytest.mark.parametrize("advisory", SLOW)
def test_a_head_that_took_long(way: Way, advisory: str) -> None:
    app = way.app()
    seen(way, app, *ATTRIBUTES)
    with at_once():
        reply = way.send(app, Ask("/", headers=SLOW[advisory]))
    assert reply.status in (200, 400, 431)


@pytest.mark.parametrize("advisory", ["CVE-2025-48432 Django", "CVE-2020-7694 uvicorn"])
def test_a_path_writes_no_line_of_a_log(
    way: Way, advisory: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Line breaks and escape sequences of a path forged lines of the log, or the terminal's
    title."""
    app = way.app(PROPAGATE_EXCEPTIONS=False)

    async def view(path: str) -> t.Any:
        raise LookupError

    way.route(app, "/<path>", view)
    path = "/a\r\nERROR forged\x1b]0;evil\x07\x9b\u2028\u202eb é \ud800"
    with caplog.at_level(logging.ERROR):
        assert way.send(app, Ask(path)).status == 500
    [record] = caplog.records
    message = record.getMessage()
    assert message.isprintable() and "é" in message
    assert "\\r\\nERROR forged\\x1b]0;evil" in message


@pytest.mark.parametrize(
    "advisory", ["CVE-2020-28724 Werkzeug", "CVE-2021-21330 aiohttp", "CVE-2018-14574 Django"]
)
def test_a_redirect_for_a_slash_leads_nowhere_else(way: Way, advisory: str) -> None:
    app = way.app()

    async def view(**values: t.Any) -> str:
        return "here"

    way.route(app, "/<path:path>/", view, endpoint="path")
    way.route(app, "/<one>/<two>/", view, endpoint="two")
    for path in (
        *("//evil.example", "//evil.example/a", "///evil.example", "/\\evil.example", "/a//b"),
        *("//evil.example/%2f..", "/\t/evil.example", "/\r\n/evil.example", "//evil.example/../a"),
        *("http://evil.example", "/http://evil.example", "//[evil", "//evil@localhost/a", "/.//e"),
    ):
        reply = way.send(app, Ask(path))
        target = reply.headers.get("Location", "/")
        host = target.partition("://")[2] if "://" in target[:8] else ""
        assert host.startswith("localhost/") or (not host and target[:2] not in ("//", "/\\")), path
        assert "\r" not in target and "\n" not in target
        if host:
            assert not host.removeprefix("localhost").startswith("//"), target


def test_cve_2021_44420_a_line_break_is_a_part_of_the_path(way: Way) -> None:
    """Django: a path that ends with a line break passed by a guard, and matched a rule."""
    app = way.app()

    async def view(**values: t.Any) -> str:
        return "in"

    way.route(app, "/admin", view, endpoint="admin")
    way.route(app, "/n/<int:x>", view, endpoint="int")
    way.route(app, "/u/<uuid:x>", view, endpoint="uuid")
    for path in ("/admin\n", "/admin\r\n", "/admin\x00", "/n/1\n", "/admin;x", "/admin "):
        assert way.send(app, Ask(path)).status == 404, path


def test_cve_2024_52303_requests_that_match_nothing_are_not_kept(way: Way) -> None:
    """aiohttp: each unknown path and method stayed in a cache without bound."""
    app = way.app()
    seen(way, app, "path")

    async def known(x: str) -> str:
        return x

    way.route(app, "/known/<x>", known)

    def visit(number: int) -> None:
        for path in (f"/{number:09}/x", f"/static/{number:09}", f"/known/{number:09}"):
            way.send(app, Ask(path, method="GET" if number % 2 else f"M{number}"))
            way.send(app, Ask(path, headers=[(b"content-type", b"a/%d" % number)]))

    for number in range(60):
        visit(number)
    tracemalloc.start()
    try:
        gc.collect()
        before = tracemalloc.take_snapshot()
        for number in range(60, 120):
            visit(number)
        gc.collect()
        after = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    ours = [diff for diff in after.compare_to(before, "filename") if "quartish" in str(diff)]
    assert sum(diff.size_diff for diff in ours) < 60_000, ours[:5]


@pytest.mark.parametrize("cls", [quartish.Flask, quartish.Quart])
async def test_cve_2020_35681_a_request_has_its_own_scope(cls: type[t.Any]) -> None:
    """Django Channels: a request got the session of another, of the same time."""
    app = cls("own")
    app.config["SECRET_KEY"] = "key"

    async def view(number: str) -> t.Any:
        quartish.g.number = quartish.session["number"] = number
        await asyncio.sleep(0.01)
        assert quartish.request.path == f"/{number}" and quartish.g.number == number
        return [number, quartish.session["number"], quartish.request.args["q"]]

    def in_thread(number: str) -> t.Any:
        import time

        quartish.g.number = quartish.session["number"] = number
        time.sleep(0.01)
        return [quartish.g.number, quartish.session["number"], quartish.request.args["q"]]

    app.add_url_rule("/<number>", view_func=view)
    app.add_url_rule("/t/<number>", view_func=in_thread)
    asks = [
        Ask(f"{at}/{number}", query=b"q=%d" % number) for number in range(50) for at in ("", "/t")
    ]
    replies: list[Reply] = await asyncio.gather(*(through_asgi(app, each) for each in asks))
    for each, reply in zip(asks, replies, strict=True):
        number = each.path.rpartition("/")[2]
        assert reply.body.strip() == f'["{number}","{number}","{number}"]'.encode()


@pytest.mark.parametrize("cls", [quartish.Flask, quartish.Quart])
async def test_a_mount_is_found_by_whole_segments(cls: type[t.Any]) -> None:
    """As prefixes of strings are not (compare CVE-2023-29159)."""
    app, admin = cls("app", static_folder=None), cls("admin", static_folder=None)

    async def view(path: str = "") -> str:
        return f"{quartish.current_app.name} {quartish.request.root_path} {quartish.request.path}"

    for each in (app, admin):
        each.add_url_rule("/", view_func=view)
        each.add_url_rule("/<path:path>", view_func=view)
    mounted = Mount(app, {"/admin": admin})
    for path, name in (
        *[("/admin/x", "admin"), ("/administrator", "app"), ("/admin/../x", "admin")],
        *[("/x/../admin/x", "app"), ("/ADMIN/x", "app"), ("/admin\n", "app")],
    ):
        reply = await through_asgi(mounted, Ask(path))
        if reply.status == 200 or name == "admin":
            assert reply.body.decode().split()[0] == name, (path, reply)
