"""What extensions and tools do to an app: methods redefined, registries edited late."""

from __future__ import annotations

import asyncio
import functools
import typing as t

import pytest

from quartish import Flask
from quartish import make_response
from quartish import request

from ._peer import ask


async def test_a_sync_decorator_that_knows_nothing_of_async_views() -> None:
    app = Flask("app")

    def tagged(view: t.Any) -> t.Any:
        @functools.wraps(view)
        def inner(**kwargs: t.Any) -> t.Any:
            response = make_response(view(**kwargs), 201)
            response.headers["X-Tag"] = "tagged"
            return response

        return inner

    @app.get("/<name>")
    @tagged
    async def greet(name: str) -> t.Any:
        return {"hello": name}

    for answer in (app.test_client().get("/ada"), await ask(app, "/ada")):
        assert answer.headers["X-Tag"] == "tagged"
        assert "ada" in answer.text
    assert answer.status == 201


@pytest.fixture
def traced() -> tuple[Flask, list[str]]:
    """An app, and what is seen of it by a tool that puts itself around the class, as tracers do."""
    seen: list[str] = []

    class Traced(Flask):
        pass

    call, dispatch = Traced.__call__, Traced.dispatch_request

    def traced_call(self: t.Any, environ: t.Any, start_response: t.Any) -> t.Any:
        seen.append(environ["PATH_INFO"])
        return call(self, environ, start_response)

    @functools.wraps(dispatch)
    def traced_dispatch(self: t.Any) -> t.Any:
        seen.append("dispatch")
        return dispatch(self)

    app = Traced("app")

    @app.post("/<name>")
    async def greet(name: str) -> t.Any:
        return f"Hello {name}"

    app.test_client().post("/before")  # the patches come late
    Traced.__call__ = traced_call  # type: ignore[method-assign]
    Traced.dispatch_request = traced_dispatch  # type: ignore[method-assign]
    return app, seen


async def test_patching_the_class_for_wsgi_leaves_the_asgi_door_open(traced: t.Any) -> None:
    app, seen = traced
    assert app.test_client().post("/ada").text == "Hello ada"
    assert seen == ["/ada", "dispatch"]
    answer = await ask(app, "/bob", "POST")
    assert (answer.status, answer.text) == (200, "Hello bob")
    assert seen[2:] == ["/bob", "dispatch"]
    async with app.test_app():  # lifespan
        pass


async def test_a_subclass_may_define_call_for_wsgi_or_for_asgi() -> None:
    class Wsgi(Flask):
        def __call__(self, environ: t.Any, start_response: t.Any) -> t.Any:
            environ["HTTP_X_FROM"] = "subclass"
            return super().__call__(environ, start_response)

    class Asgi(Flask):
        async def __call__(self, scope: t.Any, receive: t.Any, send: t.Any) -> None:
            scope["headers"].append((b"x-from", b"subclass"))
            await super().__call__(scope, receive, send)

    for cls in (Wsgi, Asgi):
        app = cls("app")
        app.add_url_rule("/", "view", lambda: request.headers["X-From"])
        assert (await ask(app)).text == "subclass"


FORM = {"content_type": "application/x-www-form-urlencoded", "transfer_encoding": "chunked"}


@pytest.mark.parametrize("way", ["decorator", "hook", "middleware"])
@pytest.mark.parametrize("touched", ["first in the thread", "first on the loop"])
async def test_async_code_reads_the_body_in_the_thread_lane(way: str, touched: str) -> None:
    app = Flask("app")
    app.config["MAX_CONTENT_LENGTH"] = 1_000_000

    def decorated(view: t.Any) -> t.Any:
        @functools.wraps(view)
        def inner() -> t.Any:
            if touched == "first in the thread":
                assert request.form["name"] == "ada"
            return app.ensure_sync(view)()

        return inner

    async def read() -> t.Any:
        await asyncio.sleep(0)
        return [request.form["name"], len(request.form["more"])]

    if way == "hook":
        app.before_request(read)
        app.add_url_rule("/", "view", lambda: "not reached", methods=["POST"])
    else:
        app.add_url_rule("/", "view", decorated(read), methods=["POST"])
    if way == "middleware":
        inner = app.wsgi_app
        app.wsgi_app = lambda *args: inner(*args)  # type: ignore[method-assign]
    app.config["MAX_FORM_MEMORY_SIZE"] = None
    for size in (10, 600_000):
        half = b"x" * (size // 2)
        answer = await ask(app, "/", "POST", body=[b"name=ada&more=", half, half], **FORM)
        assert (answer.status, answer.text.replace(" ", "").strip()) == (200, f'["ada",{size}]')
    big = b"x" * 900_000
    answer = await ask(app, "/", "POST", body=[b"name=ada&more=", big, big], **FORM)
    assert answer.status == 413
