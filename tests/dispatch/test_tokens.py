"""A token of `ContextVar.set` made in one piece of a request is good in each later one, whatever
colour the pieces have: by the lane of a thread and that of the loop, by every door.

*Flask:* runs each async piece in a Context of its own, where the token of another is refused.
"""

from __future__ import annotations

import asyncio
import itertools
import typing as t
from contextvars import ContextVar
from contextvars import copy_context

import flask
import pytest
from werkzeug.test import create_environ
from werkzeug.test import run_wsgi_app

import quartish
from tests._peer import ask

#: In their order. A stream goes on when the teardown functions have run.
PIECES = [
    "started",
    "preprocessor",
    "before",
    "view",
    "this_request",
    "after",
    "finished",
    "teardown",
    "teardown_app",
    "first",
    "second",
    "on_close",
]
var: ContextVar[str] = ContextVar("var", default="unset")


def make(
    first: str, later: str, view_is_async: bool, hooks_are_async: bool, stream: str, log: t.Any
) -> t.Any:
    """Return an app that sets a ContextVar in the `first` piece, and takes it back `later`."""
    app = quartish.Flask("app")
    tokens: list[t.Any] = []

    def piece(name: str) -> None:
        if name == first:
            tokens.append(var.set(name))
        if name == later:
            log.append(var.get())
            var.reset(tokens.pop())
            log.append(var.get())

    def hook(name: str, sync: bool = False) -> t.Any:
        def call(*args: t.Any, **kwargs: t.Any) -> t.Any:
            piece(name)
            return args[0] if name in ("after", "this_request") else None

        async def async_call(*args: t.Any, **kwargs: t.Any) -> t.Any:
            return call(*args, **kwargs)

        return async_call if hooks_are_async and not sync else call

    def chunks() -> t.Iterator[str]:
        piece("first")
        yield "a"
        piece("second")
        yield "b"

    async def async_chunks() -> t.AsyncIterator[str]:
        for chunk in chunks():
            yield chunk

    def view() -> t.Any:
        piece("view")
        quartish.after_this_request(hook("this_request"))
        body: t.Any = {"sync": chunks, "async": async_chunks, "": lambda: "ab"}[stream]()
        response = app.response_class(body)
        response.call_on_close(lambda: piece("on_close"))
        return response

    async def async_view() -> t.Any:
        return view()

    app.url_value_preprocessor(hook("preprocessor", sync=True))
    quartish.request_started.connect(hook("started"), app, weak=False)
    app.before_request(hook("before"))
    app.after_request(hook("after"))
    quartish.request_finished.connect(hook("finished"), app, weak=False)
    app.teardown_request(hook("teardown"))
    app.teardown_appcontext(hook("teardown_app"))
    app.add_url_rule("/", "view", async_view if view_is_async else view)
    return app


@pytest.fixture(autouse=True)
def no_receivers_stay() -> t.Iterator[None]:
    yield
    for signal in (quartish.request_started, quartish.request_finished):
        signal._clear_state()


def pairs(stream: str) -> t.Iterator[tuple[str, str]]:
    there = [name for name in PIECES if stream or name not in ("first", "second")]
    return itertools.combinations(there, 2)


LANES = list(itertools.product([False, True], [False, True], ["", "sync", "async"]))


@pytest.mark.parametrize(("view_is_async", "hooks_are_async", "stream"), LANES)
async def test_by_the_asgi_door(view_is_async: bool, hooks_are_async: bool, stream: str) -> None:
    for first, later in pairs(stream):
        log: list[str] = []
        app = make(first, later, view_is_async, hooks_are_async, stream, log)
        answer = await ask(app)
        assert (answer.status, answer.body) == (200, b"ab"), (first, later)
        assert log == [first, "unset"], (first, later)
        assert var.get() == "unset"


def get(app: t.Any) -> t.Any:
    with app.test_client().get("/") as response:
        return response.get_data()


@pytest.mark.parametrize(("view_is_async", "hooks_are_async", "stream"), LANES)
def test_by_the_wsgi_door(view_is_async: bool, hooks_are_async: bool, stream: str) -> None:
    for first, later in pairs(stream):
        log: list[str] = []
        app = make(first, later, view_is_async, hooks_are_async, stream, log)
        assert copy_context().run(get, app) == b"ab", (first, later)
        assert log == [first, "unset"], (first, later)


@pytest.mark.parametrize("view_is_async", [False, True])
@pytest.mark.parametrize("hooks_are_async", [False, True])
async def test_with_every_hook_in_a_thread(view_is_async: bool, hooks_are_async: bool) -> None:
    for first, later in pairs("sync"):
        log: list[str] = []
        app = make(first, later, view_is_async, hooks_are_async, "sync", log)
        app.config["SYNC_HOOKS_IN_THREAD"] = True
        answer = await ask(app)
        assert (answer.status, answer.body) == (200, b"ab"), (first, later)
        assert log == [first, "unset"], (first, later)


@pytest.mark.parametrize("door", ["wsgi", "asgi"])
@pytest.mark.parametrize("own", [False, True])
def test_below_a_step_that_a_def_overrides(door: str, own: bool) -> None:
    """What is set below it is seen; a token of what is async there is refused, as by Flask."""

    def play(module: t.Any, door: str) -> list[t.Any]:
        seen: list[t.Any] = []
        tokens: list[t.Any] = []

        class App(module.Flask):  # type: ignore[misc, name-defined]
            def full_dispatch_request(self) -> t.Any:
                token = var.set("override") if own else None
                rv = super().full_dispatch_request()
                seen.append(var.get())
                if token is not None:
                    var.reset(token)
                with pytest.raises(ValueError, match="different Context"):
                    var.reset(tokens.pop())
                return rv

        app = App("app")

        @app.get("/")
        async def view() -> str:
            seen.append(var.get())
            tokens.append(var.set("view"))
            return "ok"

        app.teardown_request(lambda error: seen.append(var.get()))
        if door == "wsgi":
            run_wsgi_app(app, create_environ("/"))
        else:
            asyncio.run(ask(app))
        return seen

    ours = copy_context().run(play, quartish, door)
    assert ours == copy_context().run(play, flask, "wsgi")
    assert ours == ["override" if own else "unset", "view", "unset" if own else "view"]
