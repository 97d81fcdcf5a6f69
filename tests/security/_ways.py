"""The ways to an app: colour, lane and door; and what an attack is measured by."""

from __future__ import annotations

import asyncio
import functools
import sys
import time
import typing as t
from contextlib import contextmanager
from pathlib import Path

import quartish
from quartish._concurrency.coroutines import drive
from tests._doors import Ask
from tests._doors import Reply
from tests._doors import through_asgi
from tests._doors import through_wsgi

AT_ONCE = 5.0
"""Seconds of processor time in which an attack has to be over. The inputs are as large as take a
fraction of that, where each byte is looked at a few times, and minutes, where each is looked at
for each other one: on a slow machine, too."""

View = t.Callable[..., t.Awaitable[t.Any]]


class Way:
    """One way to an app. Views are written once, `async def`, and take values by `take`."""

    def __init__(self, cls: type[t.Any], lane: str, door: str) -> None:
        self.cls, self.lane, self.door = cls, lane, door
        self.name = f"{cls.__name__} {lane} {door}"

    def app(self, folder: Path | None = None, /, **config: t.Any) -> t.Any:
        """Make an app, whose static files are in `folder`."""
        app = self.cls(__name__, static_folder=folder)
        app.config.update(SECRET_KEY="key", **config)
        return app

    def route(self, app: t.Any, rule: str, view: View, **options: t.Any) -> None:
        """Add a view, on the loop or in a thread."""

        @functools.wraps(view)
        def in_thread(**values: t.Any) -> t.Any:
            if app.plain:
                return drive(t.cast(t.Any, view(**values)))
            return app.ensure_sync(view)(**values)

        methods = options.pop("methods", ["GET", "POST"])
        func = in_thread if self.lane == "thread" else view
        app.add_url_rule(rule, view_func=func, methods=methods, **options)

    async def take(self, value: t.Any) -> t.Any:
        """Return a value of either colour."""
        return value if self.cls is quartish.Flask else await value

    def send(self, app: t.Any, ask: Ask) -> Reply:
        """Send a request and return the answer."""
        if self.door == "wsgi":
            return through_wsgi(app, ask)
        return asyncio.run(through_asgi(app, ask))


WAYS = [
    Way(cls, lane, door)
    for cls in (quartish.Flask, quartish.Quart)
    for lane in ("loop", "thread")
    for door in (("asgi", "wsgi") if cls is quartish.Flask else ("asgi",))
]


@contextmanager
def at_once(seconds: float = AT_ONCE) -> t.Iterator[None]:
    """Demand that no more than so much processor time is taken; three times that where the lines
    that are run are counted."""
    if sys.gettrace() is not None:
        seconds *= 3
    began = time.process_time()
    yield
    took = time.process_time() - began
    assert took < seconds, f"took {took:.1f} s"


def posted(kind: bytes, *body: bytes, path: str = "/form", **headers: str) -> Ask:
    """Return a POST; names of headers are in snake case."""
    lines = [(name.replace("_", "-").encode(), headers[name].encode()) for name in headers]
    return Ask(path, "POST", headers=[(b"content-type", kind), *lines], body=list(body))
