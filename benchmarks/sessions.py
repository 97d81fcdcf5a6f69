"""What a session costs, in the cookie and on the server: `python -m benchmarks sessions`.

    python -m benchmarks.sessions "quartish.Flask, Redis" redis://localhost:6379 0.3

prints, as JSON, seconds per request that reads, and that changes, a session which is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import logging
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from contextlib import AsyncExitStack
from http.cookies import SimpleCookie
from pathlib import Path

from .driver import HEADERS
from .driver import Lifespan
from .driver import seconds_per_unit
from .driver import stay_on_one_core
from .environment import child
from .environment import say
from .environment import Unable
from .report import Table

Headers = list[tuple[str, str]]
#: Asks an app for a path with a cookie; returns the headers of the answer, and its body.
Ask = t.Callable[[str, str], t.Awaitable[tuple[Headers, bytes]]]


def _views(lib: t.Any, cls: str, is_async: bool) -> t.Any:
    app = getattr(lib, cls)("sessions")
    app.secret_key = "not secret"
    session = lib.session

    def read() -> str:
        return str(session.get("n", 0))

    def change() -> str:
        session["n"] = session.get("n", 0) + 1
        return "changed"

    for view in (read, change):

        async def in_loop(view: t.Any = view) -> t.Any:
            return view()

        app.add_url_rule(f"/{view.__name__}", view.__name__, in_loop if is_async else view)
    return app


def _cookie(module: str, cls: str, is_async: bool = True) -> t.Callable[[str], t.Any]:
    return lambda url: _views(importlib.import_module(module), cls, is_async)


def _ours(cls: str, store: str, is_async: bool = True) -> t.Callable[[str], t.Any]:
    def build(url: str) -> t.Any:
        app = _views(importlib.import_module("quartish"), cls, is_async)
        sessions = importlib.import_module("quartish.sessions")
        if store == "redis":
            app.session_interface = sessions.RedisSessionInterface(url)
        else:
            cache = importlib.import_module("cachelib").SimpleCache()
            app.session_interface = sessions.CacheSessionInterface(cache, in_thread=False)
        return app

    return build


def _flask_session(url: str, as_flask: bool = False) -> t.Any:
    if as_flask:
        importlib.import_module("quartish.as_flask")
    redis = importlib.import_module("redis").Redis.from_url(url)
    app = _views(importlib.import_module("flask"), "Flask", False)
    app.config.update(SESSION_TYPE="redis", SESSION_REDIS=redis)
    importlib.import_module("flask_session").Session(app)
    return app


def _quart_session(url: str) -> t.Any:
    app = _views(importlib.import_module("quart"), "Quart", True)
    app.config.update(SESSION_TYPE="redis", SESSION_URI=url)
    importlib.import_module("quart_session").Session(app)
    return app


#: Row -> what builds its app, given the address of a Redis; and whether it is called as WSGI.
ROWS: dict[str, tuple[t.Callable[[str], t.Any], bool]] = {
    "quartish.Flask, cookie": (_cookie("quartish", "Flask"), False),
    "quartish.Flask, Redis": (_ours("Flask", "redis"), False),
    "quartish.Quart, Redis": (_ours("Quart", "redis"), False),
    "quartish.Flask, Redis, def": (_ours("Flask", "redis", False), False),
    "quartish.Flask, SimpleCache": (_ours("Flask", "cache"), False),
    "quartish.Flask, Flask-Session, Redis, def": (lambda url: _flask_session(url, True), False),
    "Flask, cookie": (_cookie("flask", "Flask", False), True),
    "Flask, Flask-Session, Redis": (_flask_session, True),
    "Quart, cookie": (_cookie("quart", "Quart"), False),
    "Quart, Quart-Session, Redis": (_quart_session, False),
}


def asgi_ask(app: t.Any, more: t.Mapping[str, str] = {}) -> Ask:
    """Return what asks an ASGI app, with `more` headers."""
    extra = [(k.encode(), v.encode()) for k, v in more.items()]
    usual = [pair for pair in HEADERS[:-1] if pair[0].decode() not in more]

    async def ask(path: str, cookie: str) -> tuple[Headers, bytes]:
        headers = [*usual, *extra, (b"cookie", cookie.encode())]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8000),
            "extensions": {},
            "state": {},
        }
        told: Headers = []
        body: list[bytes] = []
        asked = False

        async def receive() -> dict[str, t.Any]:
            nonlocal asked
            if asked:
                await asyncio.get_running_loop().create_future()
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, t.Any]) -> None:
            if message["type"] == "http.response.start":
                told.extend((k.decode().lower(), v.decode()) for k, v in message["headers"])
            else:
                body.append(message.get("body", b""))

        await app(scope, receive, send)
        return told, b"".join(body)

    return ask


def wsgi_ask(app: t.Any, more: t.Mapping[str, str] = {}) -> Ask:
    """Return what asks a WSGI app, with `more` headers."""
    create_environ = importlib.import_module("werkzeug.test").create_environ

    async def ask(path: str, cookie: str) -> tuple[Headers, bytes]:
        environ = {**base, "PATH_INFO": path, "HTTP_COOKIE": cookie}
        told: Headers = []

        def start(status: str, headers: t.Any, exc_info: t.Any = None) -> None:
            told.extend((k.lower(), v) for k, v in headers)

        body = app(environ, start)
        try:
            return told, b"".join(body)
        finally:
            getattr(body, "close", int)()

    base = create_environ(headers=dict(more))
    return ask


async def _figures(name: str, url: str, budget: float) -> dict[str, float]:
    build, wsgi = ROWS[name]
    app = build(url)
    async with AsyncExitStack() as stack:
        if not wsgi:
            await stack.enter_async_context(Lifespan(app))
        ask = (wsgi_ask if wsgi else asgi_ask)(app)
        jar: SimpleCookie = SimpleCookie()

        def keep(headers: Headers) -> str:
            for key, value in headers:
                if key == "set-cookie":
                    jar.load(value)
            return "theme=dark; " + "; ".join(f"{k}={m.value}" for k, m in jar.items())

        cookie = keep((await ask("/change", "theme=dark"))[0])
        for seen in (b"1", b"2"):  # it is kept, and changed
            headers, body = await ask("/read", cookie)
            if body != seen:
                raise Unable(f"{name} does not keep its session: {body!r}")
            cookie = keep((await ask("/change", cookie))[0])
        found = {}
        for path in ("read", "change"):

            async def call(path: str = path) -> tuple[int, bytes]:
                return 200, (await ask(f"/{path}", cookie))[1]

            found[path] = await seconds_per_unit(call, 1, budget)
    return found


@contextlib.contextmanager
def _redis() -> t.Iterator[str]:
    path = shutil.which("redis-server")
    if path is None:
        raise Unable("there is no redis-server")
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = [path, "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            for _ in range(200):
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                time.sleep(0.05)
            yield f"redis://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def measure(python: Path, count: int = 5, seconds: float = 0.3) -> list[Table]:
    """Return microseconds of requests that read, and that change, a session which is there."""
    found: dict[str, dict[str, list[float]]] = {}
    skipped: set[str] = set()
    with _redis() as url:
        for number in range(count):
            for name in ROWS:
                if name in skipped:
                    continue
                say(f"round {number + 1} of {count}: {name}")
                try:
                    figures = child(python, "sessions", name, url, str(seconds), timeout=60)
                except Unable as reason:
                    say(f"SKIPPED: {name}: {reason}")
                    skipped.add(name)
                    continue
                for kind, figure in figures.items():
                    found.setdefault(name, {}).setdefault(kind, []).append(figure)
    medians = {
        name: {kind: statistics.median(all) * 1e6 for kind, all in by.items()}
        for name, by in found.items()
    }
    rows: list[tuple[str, list[t.Any]]] = [
        (name, [by["read"], by["change"]]) for name, by in medians.items()
    ]
    notes = [
        "One after the other, each waits for Redis on loopback. A server has other requests"
        " meanwhile.",
        *(
            f"{ours} takes {medians[ours]['read'] / medians[theirs]['read']:.2f} of what {theirs}"
            f" takes to read, {medians[ours]['change'] / medians[theirs]['change']:.2f} to change."
            for ours, theirs in (
                ("quartish.Flask, Redis", "Flask, Flask-Session, Redis"),
                ("quartish.Quart, Redis", "Quart, Quart-Session, Redis"),
                ("quartish.Flask, Redis", "quartish.Flask, cookie"),
            )
            if {ours, theirs} <= medians.keys()
        ),
    ]
    title = "Microseconds for a request with a session"
    return [Table(title, "microseconds, less is better", ["read", "change"], rows, notes)]


def main(name: str, url: str, budget: str) -> None:
    logging.disable(logging.CRITICAL)
    stay_on_one_core()
    print(json.dumps(asyncio.run(_figures(name, url, float(budget)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
