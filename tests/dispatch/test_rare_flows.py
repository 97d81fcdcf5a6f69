"""What a flow and its contexts do seldom: match by another's method, fail while they fail, end in
another Context than they began in."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import typing as t

import pytest
from werkzeug.exceptions import NotFound
from werkzeug.routing import BaseConverter

import quartish
from quartish import _context
from quartish import appcontext_pushed
from quartish import copy_current_request_context
from quartish import has_app_context
from quartish._quart.contexts import RequestContext
from quartish.ctx import AppContext
from quartish.sessions import SessionInterface
from tests._peer import ask
from tests._scopes import http_scope
from tests._scopes import websocket_scope
from tests._scripted import WebsocketPeer

# --- matching -------------------------------------------------------------------------------------


class Faulty(BaseConverter):
    def to_python(self, value: str) -> t.Any:
        raise LookupError("the converter's own")


class OwnContext(AppContext):
    """Contexts that look at how they are pushed."""

    pushed = 0

    async def push(self) -> None:
        type(self).pushed += 1
        await super().push()


def own_app() -> t.Any:
    class App(quartish.Quart):
        def request_context(self, request: t.Any) -> t.Any:
            return OwnContext(self, request)

    app = App("app")
    app.url_map.converters["faulty"] = Faulty

    @app.route("/", methods=["GET", "POST"])
    @app.route("/<faulty:name>")
    async def view(name: str = "") -> str:
        return "view"

    return app


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [("/", {}, 200), ("/", {"content_length": "x"}, 400), ("/name", {}, 500), ("/a/b", {}, 404)],
)
async def test_contexts_of_the_users_whatever_is_matched(
    path: str, headers: dict[str, str], status: int
) -> None:
    app, before = own_app(), OwnContext.pushed
    method = "POST" if headers else "GET"
    logging.disable(logging.CRITICAL)
    try:
        answer = await ask(app, path, method, **headers)  # type: ignore[arg-type]
    finally:
        logging.disable(logging.NOTSET)
    assert answer.status == status and OwnContext.pushed == before + 1


async def test_an_app_whose_contexts_match_by_themselves(
    colour: type[t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    matched: list[str] = []
    match = AppContext.match_request

    def match_request(self: t.Any) -> None:
        matched.append(self.conn.path)
        match(self)

    app = colour("app")
    app.add_url_rule("/", "view", lambda: "view")
    monkeypatch.setattr(app.quartish_context_class, "match_request", match_request)
    assert (await ask(app)).body == b"view" and matched == ["/"]


# --- hooks ----------------------------------------------------------------------------------------


async def test_a_hook_that_a_task_of_the_views_calls_has_the_requests_thread() -> None:
    app = quartish.Quart("app")
    app.config["SYNC_HOOKS_IN_THREAD"] = True
    threads: list[tuple[int, str]] = []

    @app.before_request
    def before() -> None:
        threads.append((threading.get_ident(), quartish.request.path))

    @app.get("/")
    async def view() -> str:
        await asyncio.create_task(t.cast(t.Any, app.preprocess_request()))
        return "view"

    assert (await ask(app)).body == b"view"
    assert len(threads) == 2 and len({*threads}) == 1
    assert threads[0][0] != threading.get_ident()


# --- websockets that fail -------------------------------------------------------------------------


@pytest.mark.parametrize("handled", [LookupError, 500, None])
async def test_an_after_function_that_fails_after_the_view_did(
    colour: type[t.Any], handled: t.Any, caplog: pytest.LogCaptureFixture
) -> None:
    app, ended = colour("app"), []  # type: ignore[var-annotated]
    app.teardown_websocket(ended.append)

    @app.websocket("/")
    async def view() -> None:
        await quartish.websocket.accept()
        raise LookupError("the view's own")

    @app.after_websocket
    async def after(response: t.Any) -> None:
        raise ValueError("the after function's own")

    if handled is not None:
        app.register_error_handler(handled, lambda error: None)
    async with WebsocketPeer(app) as peer:
        await peer.ended()
    assert len(ended) == 1 and peer.code in (1000, 1011)
    assert "ValueError: the after function's own" in caplog.text


async def test_a_websocket_that_fails_in_a_test_of_its_function() -> None:
    """By no door: there is nobody who could have cancelled it."""
    app = quartish.Quart("app")

    @app.websocket("/")
    async def view() -> None:
        raise LookupError("the view's own")

    app.register_error_handler(LookupError, lambda error: ("handled", 400))
    websocket: t.Any = app.websocket_class.quartish_from_scope(websocket_scope(path="/"))
    async with app.websocket_context(websocket):
        response: t.Any = await app.full_dispatch_websocket()
    assert response.status_code == 400


# --- contexts -------------------------------------------------------------------------------------


def test_a_context_that_is_pushed_again_is_announced_again() -> None:
    app, seen = quartish.Flask("app"), []

    def note(sender: t.Any, **kwargs: t.Any) -> None:
        seen.append(sender)

    ctx = app.app_context()
    with appcontext_pushed.connected_to(note, app):
        ctx.push()
        ctx.push()
    assert seen == [app, app]
    ctx.pop()
    assert has_app_context()
    ctx.pop()
    assert not has_app_context()


def test_a_context_that_is_popped_in_another_context() -> None:
    """A copy of the Context in which it was pushed, as a task has it; an empty one is an error."""
    ctx = quartish.Flask("app").app_context()
    first = contextvars.Context()
    first.run(ctx.push)
    other = first.copy()
    other.run(ctx.pop)
    assert not other.run(has_app_context) and first.run(has_app_context)
    other.run(ctx.push)  # where there was one before
    other.run(ctx.pop)
    assert not other.run(has_app_context)
    first.run(ctx.push)
    with pytest.raises(AssertionError, match="Popped wrong app context"):
        contextvars.Context().run(ctx.pop)


def test_a_copy_whose_host_is_not_believed_any_more() -> None:
    class App(quartish.Flask):
        believes = True

        def create_url_adapter(self, request: t.Any) -> t.Any:
            if request is not None and not self.believes:
                raise NotFound
            return super().create_url_adapter(request)

    app = App("app")
    with app.test_request_context("/"):
        app.believes = False
        copied = copy_current_request_context(lambda: quartish.request.routing_exception)
    assert isinstance(copied(), NotFound)


def test_contexts_of_a_subclass_are_known_by_it() -> None:
    class Own(RequestContext):
        pass

    app = quartish.Quart("app")
    request = app.request_class.quartish_from_scope(http_scope())
    stock, own = RequestContext(app, request), Own(app, request)
    kind: t.Any = RequestContext
    assert isinstance(stock, kind) and isinstance(own, kind) and isinstance(own, Own)
    assert not isinstance(stock, Own)


async def test_two_threads_that_ask_for_a_request_get_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = quartish.Flask("app")
    found: list[t.Any] = []
    made: list[t.Any] = []
    both = threading.Barrier(2, timeout=5)
    hand_down = _context.hand_down

    def wait_for_other(app: t.Any, request: t.Any, *args: t.Any) -> None:
        hand_down(app, request, *args)
        made.append(request)
        both.wait()

    monkeypatch.setattr(_context, "hand_down", wait_for_other)

    @app.get("/")
    async def view() -> str:
        ctx: t.Any = quartish.globals.request_ctx._get_current_object()  # type: ignore[attr-defined]
        asking = [threading.Thread(target=lambda: found.append(ctx.conn)) for _ in range(2)]
        for thread in asking:
            thread.start()
        for thread in asking:
            await asyncio.to_thread(thread.join)
        return "view"

    await ask(app)
    assert len(made) == 2 and made[0] is not made[1]  # both had made one
    assert len(found) == 2 and found[0] is found[1]


# --- a push that fails ----------------------------------------------------------------------------


class Refusing(SessionInterface):
    def open_session(self, app: t.Any, request: t.Any) -> t.Any:
        raise LookupError("no session")


@pytest.mark.parametrize("colour", [quartish.Flask, quartish.Quart])
@pytest.mark.parametrize("by", ["the session", "the host"])
async def test_a_block_that_cannot_begin_leaves_no_context(colour: t.Any, by: str) -> None:
    """*Flask:* what its own `with` leaves active is taken for the context of all that follows."""
    app, ended = colour("app"), list[t.Any]()
    app.teardown_request(ended.append)
    if by == "the session":
        app.session_interface = Refusing()
    else:
        app.config["TRUSTED_HOSTS"] = 5
    context = app.test_request_context("/")
    with pytest.raises((LookupError, TypeError)) as raised:
        if colour is quartish.Flask:
            with context:
                pass
        else:
            async with context:
                pass
    assert not has_app_context()
    assert ended == [raised.value]


async def test_a_block_whose_push_fails_has_nothing_to_end(
    colour: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = colour("app").test_request_context("/")
    ended: list[t.Any] = []

    def push(self: t.Any) -> None:
        raise LookupError

    async def push_async(self: t.Any) -> None:
        raise LookupError

    is_plain = colour is quartish.Flask
    monkeypatch.setattr(type(context), "push", push if is_plain else push_async)
    monkeypatch.setattr(type(context), "pop", lambda self, exc: ended.append(exc))
    with pytest.raises(LookupError):
        if is_plain:
            with context:
                pass
        else:
            async with context:
                pass
    assert not ended and not has_app_context()
