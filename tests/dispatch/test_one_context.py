"""A request has one Context, from the first hook to the last teardown function: what is set in
one piece of it is there in each later one, and may be taken back there.

Played by the WSGI door and the plain test client, on Flask too; and by the ASGI door.
"""

from __future__ import annotations

import itertools
import typing as t
from contextvars import ContextVar
from contextvars import copy_context

import flask
import pytest

import quartish
from tests._peer import ask

PIECES = ["preprocessor", "before", "view", "after", "finished", "teardown", "teardown_app"]
var: ContextVar[str] = ContextVar("var", default="unset")


def make(module: t.Any, first: str, later: str, view_is_async: bool, log: list[t.Any]) -> t.Any:
    """Return an app that sets a ContextVar in the `first` piece, and takes it back `later`."""
    app = module.Flask("app")
    tokens: list[t.Any] = []

    def piece(name: str) -> None:
        if name == first:
            tokens.append(var.set(name))
        if name == later:
            log.append(var.get())
            try:
                var.reset(tokens.pop())
            except ValueError as error:
                log.append(str(error))

    def after(response: t.Any) -> t.Any:
        piece("after")
        return response

    def finished(sender: t.Any, response: t.Any, **extra: t.Any) -> None:
        piece("finished")

    def view() -> str:
        piece("view")
        return "ok"

    async def async_view() -> str:
        piece("view")
        return "ok"

    app.url_value_preprocessor(lambda endpoint, values: piece("preprocessor"))
    app.before_request(lambda: piece("before"))
    app.after_request(after)
    module.request_finished.connect(finished, app, weak=False)
    app.teardown_request(lambda exc: piece("teardown"))
    app.teardown_appcontext(lambda exc: piece("teardown_app"))
    app.add_url_rule("/", "view", async_view if view_is_async else view)
    return app


def by_client(app: t.Any) -> t.Any:
    return app.test_client().get("/").get_data()


@pytest.mark.parametrize("view_is_async", [False, True])
def test_set_here_and_taken_back_there(view_is_async: bool) -> None:
    for first, later in itertools.combinations(PIECES, 2):
        logs: list[list[t.Any]] = []
        for module, is_async in ((flask, False), (quartish, view_is_async)):
            log: list[t.Any] = []
            copy_context().run(by_client, make(module, first, later, is_async, log))
            logs.append(log)
        assert logs[1] == logs[0] == [first], (first, later)


@pytest.mark.parametrize("view_is_async", [False, True])
async def test_by_the_asgi_door(view_is_async: bool) -> None:
    for first, later in itertools.combinations(PIECES, 2):
        log: list[t.Any] = []
        assert (await ask(make(quartish, first, later, view_is_async, log))).status == 200
        assert log == [first], (first, later)
        assert var.get() == "unset"


@pytest.mark.parametrize("view_is_async", [False, True])
@pytest.mark.parametrize("piece", PIECES)
def test_the_caller_sees_what_was_set(piece: str, view_is_async: bool) -> None:
    def play(module: t.Any, is_async: bool) -> str:
        by_client(make(module, piece, "", is_async, []))
        return var.get()

    expected = copy_context().run(play, flask, False)
    assert copy_context().run(play, quartish, view_is_async) == expected == piece


async def test_a_caller_on_a_loop_sees_it_too() -> None:
    by_client(make(quartish, "view", "", True, []))
    assert var.get() == "view"


@pytest.fixture(autouse=True)
def no_receivers_stay() -> t.Iterator[None]:
    yield
    for module in (flask, quartish):
        module.request_finished._clear_state()


ERRORS = [StopIteration, StopAsyncIteration, GeneratorExit, KeyError]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("where", ["before", "view", "after"])
@pytest.mark.parametrize("handled", [False, True])
async def test_what_sync_code_raises_is_what_is_handled(
    error: type[BaseException], where: str, handled: bool
) -> None:
    handled = handled and issubclass(error, Exception)  # no other can be

    def app_of(module: t.Any, seen: list[str]) -> t.Any:
        app = module.Flask("app")

        def fail(*args: t.Any) -> t.Any:
            raise error

        app.add_url_rule("/", "view", fail if where == "view" else lambda: "ok")
        if where != "view":
            getattr(app, f"{where}_request")(fail)
        if handled:
            app.register_error_handler(error, lambda e: (type(e).__name__, 418))
        app.teardown_request(lambda exc: seen.append(type(exc).__name__))
        return app

    def play(module: t.Any) -> t.Any:
        seen: list[str] = []
        app = app_of(module, seen)
        try:
            response = app.test_client().get("/")
        except BaseException as raised:
            return type(raised).__name__, seen
        return response.status_code, response.data, seen

    assert play(quartish) == play(flask)
    if error is not GeneratorExit:
        seen: list[str] = []
        answer = await ask(app_of(quartish, seen))
        assert (answer.status, answer.body, seen) == play(flask)


class Scoped:
    """A WSGI middleware that opens a scope around the app, and leaves it before the body is read:
    as the middleware of an agent does."""

    def __init__(self, wsgi_app: t.Any, log: list[t.Any]) -> None:
        self.wsgi_app = wsgi_app
        self.log = log

    def __call__(self, environ: t.Any, start_response: t.Any) -> t.Iterator[bytes]:
        token = var.set("middleware")
        body = iter(self.wsgi_app(environ, start_response))
        self.log.append(("app returned", var.get()))
        var.set("app")
        chunks = []
        for chunk in body:
            self.log.append((chunk, var.get()))
            chunks.append(chunk)
        var.reset(token)
        getattr(body, "close", lambda: None)()
        self.log.append(("closed", var.get()))
        return iter(chunks)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("view_is_async", [False, True])
def test_a_middleware_and_the_body_see_what_the_other_set(
    stream: bool, view_is_async: bool
) -> None:
    def play(module: t.Any, is_async: bool) -> list[t.Any]:
        app = module.Flask("app")
        log: list[t.Any] = []

        def chunks() -> t.Iterator[str]:
            log.append(("first", var.get()))
            var.set("body")
            yield "a"
            log.append(("second", var.get()))
            yield "b"

        def view() -> t.Any:
            log.append(("view", var.get()))
            if not is_async:  # Flask runs an async view in a Context of its own
                var.set("view")
            return app.response_class(chunks() if stream else "whole")

        async def async_view() -> t.Any:
            return view()

        app.add_url_rule("/", "view", async_view if is_async else view)
        app.wsgi_app = Scoped(app.wsgi_app, log)
        log.append(by_client(app))
        log.append(("afterwards", var.get()))
        return log

    assert copy_context().run(play, quartish, view_is_async) == copy_context().run(
        play, flask, view_is_async
    )
