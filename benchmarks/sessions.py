"""What a session costs, in the cookie and on the server: `python -m benchmarks sessions`.

    python -m benchmarks.sessions "quartish.Flask, Redis" redis://localhost:6379 0.3

prints, as JSON, seconds per request that reads, and that changes, a session which is there.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import statistics
import sys
import typing as t
from contextlib import AsyncExitStack
from http.cookies import SimpleCookie
from pathlib import Path

from .ask import asgi_ask
from .ask import Headers
from .ask import wsgi_ask
from .driver import Lifespan
from .driver import seconds_per_unit
from .driver import stay_on_one_core
from .environment import child
from .environment import Unable
from .report import Table
from .rounds import in_turn
from .servers import redis_server


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


def measure(python: Path, count: int = 5, seconds: float = 0.3) -> list[Table]:
    """Return microseconds of requests that read, and that change, a session which is there."""
    with redis_server() as url:
        found = in_turn(
            ROWS, count, lambda name: child(python, "sessions", name, url, str(seconds), timeout=60)
        )
    medians = {
        name: {kind: statistics.median(each[kind] for each in all) * 1e6 for kind in all[0]}
        for name, all in found.items()
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
