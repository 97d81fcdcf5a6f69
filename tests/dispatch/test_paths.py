"""The path that was matched is the path that is told: by both doors, and as Flask has it.

Targets are generated, as bytes of a request line. Each is given to Flask and to the WSGI door
as a WSGI server decodes it, and to the ASGI door as an ASGI server does.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import typing as t
from urllib.parse import unquote
from urllib.parse import unquote_to_bytes

import flask
import pytest
import quart
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import create_environ
from werkzeug.test import run_wsgi_app

import quartish
from tests._scopes import http_scope

PIECES = [
    *("/", "//", "///", "admin", "x", "dir", "p", "int", "7", ".", "..", "%2F", "%2f%2f"),
    *(";a=b", "%3B", "%00", "%0A", "%20", "%C3%A9", "%FF", "%ED%A0%80", "\\", "%5C", "%3F"),
    *("@", ":", "http:", "evil.example", "%25", "%2e%2e", "static", "here.txt", "app", "+"),
]
#: Shapes of a path that the pieces are put into.
SHAPES = ["/{}", "/{}/{}", "/{}{}{}", "//{}/{}", "/admin/{}", "/p/{}{}", "/static/{}{}"]
TOLD = ["path", "full_path", "url", "base_url", "root_url", "script_root", "root_path"]
TOLD += ["endpoint", "view_args", "method"]


def targets() -> list[str]:
    """Return every filling of the short shapes, and a few thousand of the long ones."""
    found: dict[str, None] = {"": None}
    choice = random.Random(13)
    for shape in SHAPES:
        fillings = list(itertools.product(PIECES, repeat=shape.count("{}")))
        if len(fillings) > 500:
            fillings = choice.sample(fillings, 500)
        for pieces in fillings:
            found[shape.format(*pieces)] = None
    return list(found)


def make(cls: t.Any, module: t.Any, **options: t.Any) -> t.Any:
    """Return an app that tells what it was asked for, whether a rule matched or not."""
    request, g = module.request, module.g
    app = cls("paths", root_path=".", static_folder=None)
    for name, value in options.items():
        setattr(app.url_map, name, value)

    def told() -> dict[str, t.Any]:
        return {name: getattr(request, name) for name in TOLD} | {"guard": g.path}

    def view(**values: t.Any) -> t.Any:
        return told()

    async def async_view(**values: t.Any) -> t.Any:
        return told()

    def guard() -> None:
        g.path = request.path

    app.before_request(guard)
    for rule in ("/", "/admin/x", "/admin/<name>", "/dir/", "/int/<int:n>", "/p/<path:rest>"):
        app.add_url_rule(rule, rule, view if cls is flask.Flask or "<" in rule else async_view)
    app.add_url_rule("/static/<path:filename>", "static", view)

    def failed(error: t.Any) -> t.Any:
        return told(), error.code

    app.register_error_handler(HTTPException, failed)
    return app


def answer(status: int, location: str | None, body: bytes) -> t.Any:
    return status, location if location is not None else json.loads(body)


def by_wsgi(app: t.Any, target: str, prefix: str) -> t.Any:
    environ = create_environ("/", "http://localhost/")
    environ["SCRIPT_NAME"] = prefix
    environ["PATH_INFO"] = unquote_to_bytes(target).decode("latin-1")
    environ["REQUEST_URI"] = environ["RAW_URI"] = prefix + target
    body, status, headers = run_wsgi_app(app, environ, buffered=True)
    return answer(int(status[:3]), headers.get("Location"), b"".join(body))


async def by_asgi(app: t.Any, target: str, prefix: str, whole: bool = False) -> t.Any:
    raw_path = target if whole else prefix + target
    path = unquote(raw_path)
    scope = http_scope(path, raw_path=raw_path.encode(), root_path=prefix)
    sent: list[t.Any] = []

    messages = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> t.Any:
        return messages.pop() if messages else await asyncio.Event().wait()

    async def send(message: t.Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    location = dict(sent[0]["headers"]).get(b"location")
    body = b"".join([message.get("body", b"") for message in sent[1:]])
    return answer(sent[0]["status"], None if location is None else location.decode(), body)


@pytest.mark.parametrize("prefix", ["", "/app"])
@pytest.mark.parametrize(
    ("options", "step"), [({}, 1), ({"merge_slashes": False}, 5), ({"strict_slashes": False}, 5)]
)
async def test_what_is_matched_is_what_flask_tells(
    prefix: str, options: dict[str, t.Any], step: int
) -> None:
    real = make(flask.Flask, flask, **options)
    app = make(quartish.Flask, quartish, **options)
    wrapped = make(quartish.Flask, quartish, **options)
    wrapped.wsgi_app = Unchanged(wrapped.wsgi_app)
    wrong = []
    for number, target in enumerate(targets()[::step]):
        expected = by_wsgi(real, target, prefix)
        answers = [by_wsgi(app, target, prefix), await by_asgi(app, target, prefix)]
        if number % 10 == 0:  # each takes a thread
            answers.append(await by_asgi(wrapped, target, prefix))
        wrong += [(target, expected, found) for found in answers if found != expected]
    assert not wrong, f"{len(wrong)} differ, such as {wrong[:3]}"


class Unchanged:
    """A WSGI middleware that does nothing."""

    def __init__(self, app: t.Any) -> None:
        self.app = app

    def __call__(self, environ: t.Any, start_response: t.Any) -> t.Any:
        return self.app(environ, start_response)


@pytest.mark.parametrize("prefix", ["", "/app"])
async def test_what_is_matched_is_what_quart_tells(prefix: str) -> None:
    real, app = make(quart.Quart, quart), make(quartish.Quart, quartish)
    wrong = []
    for target in targets()[1::3]:
        expected = await by_asgi(real, target, prefix)
        found = await by_asgi(app, target, prefix)
        if found != expected:
            wrong.append((target, expected, found))
    assert not wrong, f"{len(wrong)} differ, such as {wrong[:3]}"


@pytest.mark.parametrize("path", ["/other", "/apple", "/"])
async def test_a_path_outside_of_the_root_path_is_not_found_as_in_quart(path: str) -> None:
    app = make(quartish.Quart, quartish)
    assert (await by_asgi(app, path, "/app", whole=True))[0] == 404
    if path != "/apple":  # which Quart takes for "/le"
        real = make(quart.Quart, quart)
        assert (await by_asgi(real, path, "/app", whole=True))[0] == 404


async def test_the_root_path_itself_is_redirected_to_its_slash(colour: t.Any) -> None:
    """As Flask below a mount; Quart has a 404."""
    app = make(colour, quartish)
    assert await by_asgi(app, "/app", "/app", whole=True) == (308, "http://localhost/app/")
    below = DispatcherMiddleware(make(quartish.Flask, quartish), {"/app": make(colour, quartish)})
    if app.plain:
        assert by_wsgi(below, "/app", "") == (308, "http://localhost/app/")


async def test_websockets_are_matched_by_the_path_that_is_told(colour: t.Any) -> None:
    app = colour("paths", static_folder=None)
    told: list[t.Any] = []

    @app.websocket("/admin/x")
    async def view() -> None:
        websocket = quartish.websocket
        told.append((websocket.path, websocket.full_path, websocket.url))
        await websocket.send("ok")

    client = app.async_test_client()
    for path in ("/admin/x", "//admin/x"):
        async with client.websocket("/admin/x", scope_base={"path": path}) as connection:
            await connection.receive()
    assert told == [("/admin/x", "/admin/x?", "ws://localhost/admin/x")] * 2
