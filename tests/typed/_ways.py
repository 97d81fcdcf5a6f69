"""The ways to a typed view: colour, `def` or `async def`, and door."""

from __future__ import annotations

import asyncio
import functools
import json
import typing as t
from urllib.parse import urlencode

import pytest

import quartish
from tests._doors import Ask
from tests._doors import Reply
from tests._doors import through_asgi
from tests._doors import through_wsgi

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


class Way(t.NamedTuple):
    cls: type[t.Any]
    kind: str
    door: str

    def app(self, **config: t.Any) -> t.Any:
        app = self.cls(__name__)
        app.config.update(config)
        return app

    def add(self, app: t.Any, rule: str, view: t.Any, *methods: str, **options: t.Any) -> None:
        """Route to a `def` view, or to the same as an `async def`."""
        app.add_url_rule(rule, view_func=self.view(view), methods=methods or ["GET"], **options)

    def view(self, view: t.Any) -> t.Any:
        if self.kind == "def":
            return view

        @functools.wraps(view)
        async def as_async(**values: t.Any) -> t.Any:
            return view(**values)

        return as_async

    def send(self, app: t.Any, ask: Ask) -> Reply:
        if self.door == "wsgi":
            return through_wsgi(app, ask)
        return asyncio.run(through_asgi(app, ask))

    def get(self, app: t.Any, path: str, query: str = "", **headers: str) -> Reply:
        return self.send(app, Ask(path, query=query.encode(), headers=lines(headers)))

    def post(
        self, app: t.Any, path: str, body: t.Any = b"", kind: str = JSON, query: str = ""
    ) -> Reply:
        """Post bytes, or what is made JSON or a form of."""
        if not isinstance(body, bytes):
            text = urlencode(body, doseq=True) if kind == FORM else json.dumps(body)
            body = text.encode()
        headers = lines({"content-type": kind} if kind else {})
        return self.send(app, Ask(path, "POST", query.encode(), headers, [body]))


def lines(headers: t.Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]


WAYS = [
    Way(cls, kind, door)
    for cls in (quartish.Flask, quartish.Quart)
    for kind in ("async", "def")
    for door in (("asgi", "wsgi") if cls is quartish.Flask else ("asgi",))
]

each_way = pytest.mark.parametrize(
    "way", WAYS, ids=[f"{way.cls.__name__} {way.kind} {way.door}" for way in WAYS]
)


def said(reply: Reply) -> t.Any:
    """Return the JSON of an answer."""
    return json.loads(reply.body)


def faults(reply: Reply) -> list[tuple[str, list[t.Any], str]]:
    """Return the faults that an answer tells of."""
    assert reply.status == 422, reply
    assert reply.headers["Content-Type"] == "application/problem+json"
    problem = said(reply)
    assert problem["status"] == 422
    assert problem["title"]
    return [(fault["where"], fault["path"], fault["expected"]) for fault in problem["errors"]]
