"""Contexts with a life of their own: what their `push`, `pop` and `match_request` find and are told
is what Flask's and Quart's find; see `test_overridden_parts` for how often they are called."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import typing as t

import flask
import pytest
import quart

import quartish
import quartish.ctx
import quartish.quart
from quartish._quart import contexts as _quart_contexts
from tests._peer import ask
from tests._scripted import WebsocketPeer
from tests.test_public_reports import by_asgi
from tests.test_public_reports import by_wsgi

Get = t.Callable[..., t.Any]


@pytest.fixture(autouse=True)
def quiet() -> t.Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def make(module: t.Any, is_async: bool, seen: list[t.Any]) -> t.Any:
    """Return an app both of whose contexts note what they see."""

    def look(where: str, error: t.Any = None) -> None:
        path = module.request.path if module.has_request_context() else None
        mark = module.g.get("mark") if module.has_app_context() else None
        seen.append((where, path, mark, type(error).__name__))

    class Request(module.ctx.RequestContext):  # type: ignore[misc, name-defined]
        def push(self) -> None:
            look("push")
            super().push()
            module.g.mark = self.request.args.get("mark", "none")
            look("pushed")

        def pop(self, exc: t.Any = None) -> None:
            look("pop", exc)
            super().pop(exc)
            look("popped")

        def match_request(self) -> None:
            super().match_request()
            look(f"matched {self.request.endpoint}")

    class App(module.Flask):  # type: ignore[misc, name-defined]
        def request_context(self, environ: t.Any) -> t.Any:
            return Request(self, environ)

    app = App("own", root_path=".", static_folder=None)
    app.secret_key = "key"
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.before_request(lambda: look("before"))
    app.after_request(lambda response: look("after") or response)
    app.teardown_request(lambda error: look("teardown", error))
    app.teardown_appcontext(lambda error: look("teardown app", error))
    _add_views(app, module, is_async)
    return app


def _add_views(app: t.Any, module: t.Any, is_async: bool) -> None:
    def view(kind: str) -> t.Any:
        if kind == "fail":
            raise ZeroDivisionError
        if kind == "session":
            module.session["n"] = module.session.get("n", 0) + 1
            return str(module.session["n"])
        if kind == "stream":
            return module.Response(iter([module.request.path, module.g.mark]))
        if kind == "nested":
            with app.app_context():
                return f"{module.request.path} {module.g.get('mark')}"
        return f"{module.request.path} {module.g.mark}"

    async def async_view(kind: str) -> t.Any:
        await asyncio.sleep(0)
        return view(kind)

    app.add_url_rule("/<kind>", "view", async_view if is_async else view, methods=["GET", "POST"])


PATHS = ["/plain", "/plain?mark=m", "/fail", "/session", "/stream", "/nested", "/a/b", "/plain"]


def played(module: t.Any, is_async: bool, get: Get) -> t.Any:
    seen: list[t.Any] = []
    app = make(module, is_async, seen)
    told = [get(app, path)[:2] for path in PATHS] + [get(app, "/plain", "POST")[:2]]
    seen_before, seen[:] = seen.copy(), []
    with app.test_client() as client:
        told += [client.get("/session").text, client.get("/session").text]
        told.append(module.request.path)
    # What the client keeps is one context here, two there, which come and go one by one.
    told.append([row for row in seen if row[0] not in ("push", "popped", "teardown app")])
    seen[:] = seen_before
    with app.test_request_context("/plain"):
        told.append(module.url_for("view", kind="x"))
    return told, seen, module.has_request_context(), module.has_app_context()


@pytest.mark.parametrize("door", [by_wsgi, by_asgi])
@pytest.mark.parametrize("is_async", [False, True])
def test_what_they_find_is_what_flasks_find(is_async: bool, door: Get) -> None:
    expected = contextvars.Context().run(played, flask, False, by_wsgi)
    assert contextvars.Context().run(played, quartish, is_async, door) == expected


def app_contexts(module: t.Any, get: Get) -> t.Any:
    seen: list[t.Any] = []

    class Own(module.ctx.AppContext):  # type: ignore[misc, name-defined]
        def push(self) -> None:
            seen.append(("push", module.has_request_context()))
            super().push()
            self.g.mark = "own"

        def pop(self, exc: t.Any = None) -> None:
            seen.append(("pop", module.has_request_context(), type(exc).__name__))
            super().pop(exc)

    class App(module.Flask):  # type: ignore[misc, name-defined]
        def app_context(self) -> t.Any:
            return Own(self)

    app = App("own", root_path=".", static_folder=None)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.teardown_appcontext(lambda error: seen.append(("teardown", module.g.mark)))
    _add_views(app, module, False)
    told = [get(app, path)[:2] for path in ("/plain", "/fail", "/stream")]
    with app.app_context():
        told.append(module.g.mark)
        told.append(get(app, "/plain")[:2])
    return told, seen


@pytest.mark.parametrize("door", [by_wsgi, by_asgi])
def test_application_contexts_of_the_apps_own(door: Get) -> None:
    told, seen = contextvars.Context().run(app_contexts, quartish, door)
    expected = contextvars.Context().run(app_contexts, flask, by_wsgi)
    if door is by_asgi:  # a request by a server is in no context of the caller's thread
        assert told == expected[0]
        seen, expected = seen[:9], (expected[0], expected[1][:9])
    assert (told, seen) == expected


@pytest.mark.parametrize("door", [by_wsgi, by_asgi])
@pytest.mark.parametrize("pushed", [False, True])
def test_a_push_that_fails_is_a_500(door: Get, pushed: bool) -> None:
    ended: list[t.Any] = []

    class Own(quartish.ctx.RequestContext):
        def push(self) -> None:
            if pushed:
                super().push()
            raise ZeroDivisionError

    app = quartish.Flask("own")
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.request_context = lambda environ: Own(app, environ)  # type: ignore[method-assign]
    app.teardown_request(ended.append)
    app.add_url_rule("/", "index", lambda: "never")
    assert door(app, "/")[0] == 500
    assert len(ended) == pushed
    assert not quartish.has_request_context()


async def quarts(module: t.Any, kind: t.Any, is_async: bool) -> t.Any:
    seen: list[t.Any] = []

    class Own(kind):  # type: ignore[misc, valid-type]
        async def push(self) -> None:
            await asyncio.sleep(0)
            await super().push()
            seen.append(("pushed", module.has_request_context(), module.has_websocket_context()))
            module.g.mark = "own"

        async def pop(self, exc: t.Any = None) -> None:
            # Quart tells them nothing of an error that was answered by a 500; here as in Flask.
            seen.append(("pop", module.g.mark))
            await super().pop(exc)

    app = module.Quart("own", root_path=".", static_folder=None)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    name = "websocket_context" if "Websocket" in kind.__name__ else "request_context"
    setattr(app, name, lambda conn: Own(app, conn))

    def view(kind: str) -> t.Any:
        if kind == "fail":
            raise ZeroDivisionError
        return f"{module.request.path} {module.g.get('mark')}"

    async def async_view(kind: str) -> t.Any:
        return view(kind)

    app.add_url_rule("/<kind>", "view", async_view if is_async else view)

    @app.websocket("/ws")
    async def ws() -> None:
        await module.websocket.send(f"{module.websocket.path} {module.g.get('mark')}")

    told = [(answer.status, answer.text) for answer in [await ask(app, p) for p in PATHS[:3]]]
    async with WebsocketPeer(app, "/ws") as peer:
        await peer.ended()
    return told, peer.said, seen


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["RequestContext", "WebsocketContext"])
@pytest.mark.parametrize("is_async", [False, True])
async def test_what_they_find_is_what_quarts_find(name: str, is_async: bool) -> None:
    expected = await quarts(quart, getattr(quart.ctx, name), True)
    got = await quarts(quartish.quart, getattr(_quart_contexts, name), is_async)
    assert got == expected
