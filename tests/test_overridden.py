"""Every public method of an app may be overridden, in every way, and is then called as often and
with the same outcome as on real Flask and real Quart.

The methods are found by looking at the real classes. Each is overridden in several ways by a
wrapper that counts and calls the original with what it was given, and the app is taken through
requests that go well, are aborted, fail in the view and in hooks, stream, and ask for a file.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import typing as t
from collections import Counter

import flask
import pytest
import quart
import werkzeug.exceptions
import wrapt

import quartish

from ._peer import ask

HERE = __file__.rpartition("/")[0]
SCENARIOS = ["/", "/abort", "/custom", "/error", "/stream", "/static/conftest.py", "/nowhere"]
SCENARIOS += ["/?fail=before", "/?fail=after", "/handled", "/none", "/url"]
WAYS = ["subclass", "instance", "class before", "class after", "wraps", "wrapt"]

#: Those that set an app up, serve it, or run code of their own in a request of a test.
APART = {
    *("run", "run_task", "test_client", "test_cli_runner", "test_app", "test_request_context"),
    *("startup", "shutdown", "add_background_task", "drive", "handle_background_exception"),
    *("shell_context_processor", "make_shell_context", "register_blueprint", "asgi_app"),
    *("open_instance_resource", "open_resource", "wsgi_app", "make_config", "make_aborter"),
    *("auto_find_instance_path", "create_global_jinja_loader", "create_jinja_environment"),
}
#: How often it is called differs on purpose; the reason is in docs/overrides.md.
COUNTED_APART = {
    "app_context": "the context of a request is one object, which is made without it",
    "async_to_sync": "async code runs on the loop, or on the lane's, without a function around it",
    "ensure_sync": "asked where an app overrides it, for the functions that are called",
    "create_url_adapter": "asked once a request, when something needs it",
    "url_for": "templates and redirects of ours do not ask it more than once",
    "should_ignore_error": "asked where there is an error",
    "trap_http_exception": "asked where there is an exception, once more where it is unreadable",
    "ensure_async": "signals are sent without it",
    "sync_to_async": "as ensure_async",
}


def methods_of(cls: type[t.Any]) -> list[str]:
    return [
        name
        for name, value in inspect.getmembers(cls, inspect.isfunction)
        if not name.startswith("_")
        and name not in APART
        and not hasattr(flask.Blueprint, name)  # what sets an app up
        or name in ("get_send_file_max_age", "send_static_file")
        and value
    ]


def counting(original: t.Any, calls: Counter[str], name: str, way: str) -> t.Any:
    """Return a wrapper, for a class, of the colour that the original has."""
    if way == "wrapt":

        def wrapper(wrapped: t.Any, instance: t.Any, args: t.Any, kwargs: t.Any) -> t.Any:
            calls[name] += 1
            return wrapped(*args, **kwargs)

        return wrapt.FunctionWrapper(original, wrapper)
    if inspect.iscoroutinefunction(original):

        async def method(self: t.Any, *args: t.Any, **kwargs: t.Any) -> t.Any:
            calls[name] += 1
            return await original(self, *args, **kwargs)

    else:

        def method(self: t.Any, *args: t.Any, **kwargs: t.Any) -> t.Any:
            calls[name] += 1
            return original(self, *args, **kwargs)

    return functools.wraps(original)(method) if way == "wraps" else method


def make(module: t.Any, cls: type[t.Any], name: str, way: str, calls: Counter[str]) -> t.Any:
    original = inspect.getattr_static(cls, name)
    method = counting(original, calls, name, way)
    base = type("Base", (cls,), {})
    kind = base
    if way in ("subclass", "wraps", "wrapt"):
        kind = type("App", (base,), {name: method})
    elif way == "class before":
        setattr(base, name, method)
    app = kind("app", root_path=HERE, static_folder=HERE, static_url_path="/static")
    if way == "instance":
        setattr(app, name, method.__get__(app, kind))
    add_views(module, app)
    if way == "class after":
        setattr(kind, name, method)
    return app


class OutOfStock(werkzeug.exceptions.BadRequest):
    """A class that no framework has seen."""


def add_views(module: t.Any, app: t.Any) -> None:
    app.secret_key = "key"

    @app.before_request
    def before() -> None:
        if module.request.args.get("fail") == "before":
            raise LookupError("before")

    @app.after_request
    def after(response: t.Any) -> t.Any:
        if module.request.args.get("fail") == "after":
            raise LookupError("after")
        response.headers["X-After"] = "yes"
        return response

    @app.errorhandler(KeyError)
    def handle(error: KeyError) -> t.Any:
        return "handled", 418

    def view(kind: str = "index") -> t.Any:
        if kind == "abort":
            module.abort(403)
        if kind == "custom":
            raise OutOfStock("none left")
        if kind == "error":
            raise LookupError("view")
        if kind == "handled":
            raise KeyError
        if kind == "none":
            return None
        if kind == "stream":
            return (letter for letter in "ab")
        if kind == "url":
            return module.url_for("static", filename="x")
        return "index"

    async def async_view(kind: str = "index") -> t.Any:
        return view(kind)

    is_flask = isinstance(app, flask.Flask)
    app.add_url_rule("/", "index", view if is_flask else async_view)
    app.add_url_rule("/<kind>", "kind", view)


async def answers(app: t.Any, calls: Counter[str]) -> list[t.Any]:
    """Return what each scenario gives, and how often the method was called for it."""
    found = []
    for path in SCENARIOS:
        calls.clear()
        if hasattr(app, "asgi_app"):
            answer = await ask(app, path)
            status, headers, body = answer.status, answer.headers, answer.body
        else:
            response = await asyncio.to_thread(lambda: app.test_client().get(path))  # noqa: B023
            status, headers, body = response.status_code, response.headers, response.data
            response.close()
        found.append((path, status, headers.get("X-After"), body[:80], dict(calls)))
    return found


def apart(expected: list[t.Any], got: list[t.Any], name: str) -> list[t.Any]:
    if name in COUNTED_APART:
        expected, got = ([row[:-1] for row in rows] for rows in (expected, got))
    return [pair for pair in zip(expected, got, strict=True) if pair[0] != pair[1]]


@pytest.fixture(autouse=True)
def quiet() -> t.Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", methods_of(flask.Flask))
async def test_as_flask(name: str) -> None:
    calls: Counter[str] = Counter()
    expected = await answers(make(flask, flask.Flask, name, "subclass", calls), calls)
    for way in WAYS:
        got = await answers(make(quartish, quartish.Flask, name, way, calls), calls)
        assert not apart(expected, got, name), way


@pytest.mark.filterwarnings("ignore:coroutine '_send_awaitable'")  # Quart's
@pytest.mark.parametrize("name", methods_of(quart.Quart))
async def test_as_quart(name: str) -> None:
    calls: Counter[str] = Counter()
    expected = await answers(make(quart, quart.Quart, name, "subclass", calls), calls)
    for way in WAYS:
        got = await answers(make(quartish, quartish.Quart, name, way, calls), calls)
        assert not apart(expected, got, name), way
