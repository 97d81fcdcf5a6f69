"""Subclasses of Quart's connections do what they do in Quart: the same steps, played on both."""

from __future__ import annotations

import asyncio
import importlib
import typing as t
import warnings

import pytest
import quart
import werkzeug.wrappers

import quartish.quart
from tests._scopes import http_scope
from tests._scopes import websocket_scope

Messages = list[dict[str, t.Any]]
HOST = [(b"host", b"example.com")]
UNDER_ROOT = {"path": "/root/up", "root_path": "/root"}


def scope_of(kind: str, **more: t.Any) -> dict[str, t.Any]:
    given = {
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "client": ("192.0.2.1", 1234),
        "server": ("example.com", 80),
    }
    make = http_scope if kind == "http" else websocket_scope
    return make(**{"headers": HOST, **given, **more})


async def talk(app: t.Any, scope: dict[str, t.Any], *messages: dict[str, t.Any]) -> Messages:
    """Return what the app sends when these messages come; the client stays after them."""
    coming, sent = list(messages), []

    async def receive() -> dict[str, t.Any]:
        if not coming:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        return coming.pop(0)

    async def send(message: t.Any) -> None:
        message = dict(message)
        if "headers" in message:
            message["headers"] = sorted(message["headers"])
        sent.append(message)

    await asyncio.wait_for(app(scope, receive, send), 10)
    return sent


def steps_of(base: t.Any, *names: str) -> tuple[t.Any, list[str]]:
    """Return a subclass that overrides these steps, and notes that they were taken."""
    taken: list[str] = []

    def step(name: str) -> t.Any:
        def take(self: t.Any, *args: t.Any) -> t.Any:
            taken.append(name)
            return getattr(base, name)(self, *args)

        return take

    return type("Own", (base,), {name: step(name) for name in names}), taken


def http_app(module: t.Any) -> tuple[t.Any, list[str]]:
    app = module.Quart("app")
    app.asgi_http_class, taken = steps_of(
        app.asgi_http_class,
        *("_create_request_from_scope", "handle_messages", "handle_request"),
        *("_send_response", "_send_push_promise"),
    )
    return app, taken


def websocket_app(module: t.Any) -> tuple[t.Any, list[str]]:
    app = module.Quart("app")
    app.asgi_websocket_class, taken = steps_of(
        app.asgi_websocket_class,
        *("_create_websocket_from_scope", "handle_messages", "handle_websocket"),
        *("send_data", "accept_connection", "close_connection"),
    )
    return app, taken


async def on_both(play: t.Callable[[t.Any], t.Awaitable[t.Any]]) -> t.Any:
    ours = await play(quartish.quart)
    assert ours == await play(quart)
    return ours


# --- requests -----------------------------------------------------------------------------------


def body_of(messages: Messages) -> bytes:
    return b"".join(message.get("body", b"") for message in messages)


async def test_each_step_of_a_request() -> None:
    async def play(module: t.Any) -> t.Any:
        app, taken = http_app(module)

        @app.post("/up")
        async def view() -> t.Any:
            request = module.request
            body = await request.get_data()
            seen = [request.path, request.root_path, request.remote_addr, request.args["q"]]
            return {"body": body.decode(), "seen": seen}

        sent = await talk(
            app,
            scope_of("http", method="POST", **UNDER_ROOT, query_string=b"q=1"),
            {"type": "http.request", "body": b"on", "more_body": True},
            {"type": "http.request", "more_body": True},
            {"type": "http.request", "body": b"e"},
        )
        return taken, sent

    taken, sent = await on_both(play)
    assert taken == [
        *("_create_request_from_scope", "handle_messages", "handle_request", "_send_response")
    ]
    assert b'"one"' in body_of(sent) and b"192.0.2.1" in body_of(sent)
    assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


@pytest.mark.parametrize("path", ["/root", "/elsewhere/up", "/root/up", "http://a.example/root/up"])
@pytest.mark.parametrize("own", [False, True])
async def test_paths_of_requests(path: str, own: bool) -> None:
    async def play(module: t.Any) -> t.Any:
        app = http_app(module)[0] if own else module.Quart("app")
        app.add_url_rule("/up", "up", lambda: module.request.path)
        app.add_url_rule("/", "index", lambda: "index")
        request = {"type": "http.request"}
        sent = await talk(app, scope_of("http", path=path, root_path="/root"), request)
        return sent[0]["status"], body_of(sent)

    # *Quart:* the root itself is 404 even where the app's own door serves it.
    if path == "/root" and not own:
        assert (await play(quartish.quart))[0] == 308
    else:
        status, body = await on_both(play)
        assert (status, body) == (200, b"/up") if path.endswith("/root/up") else status == 404


async def test_an_absolute_path_without_a_root() -> None:
    async def play(module: t.Any) -> t.Any:
        app, _ = http_app(module)
        app.add_url_rule("/up", view_func=lambda: module.request.path)
        return body_of(await talk(app, scope_of("http", path="http://a.example/up")))

    assert await on_both(play) == b"/up"


async def test_a_request_of_http_1_0_without_host() -> None:
    async def play(module: t.Any) -> t.Any:
        app, _ = http_app(module)
        app.config["SERVER_NAME"] = "named.example"
        app.add_url_rule("/", view_func=lambda: [module.request.host, module.request.remote_addr])
        scope = scope_of("http", http_version="1.0", headers=[], client=None)
        return body_of(await talk(app, scope))

    sent = await on_both(play)
    assert b"named.example" in sent and b"<local>" in sent


async def test_streams_are_sent_piece_by_piece() -> None:
    async def play(module: t.Any) -> t.Any:
        app, _ = http_app(module)

        @app.route("/")
        async def view() -> t.Any:
            async def stream() -> t.AsyncIterator[str | bytes]:
                yield "ä"
                yield b"b"

            return stream()

        return await talk(app, scope_of("http"))

    sent = await on_both(play)
    assert [message["body"] for message in sent[1:]] == ["ä".encode(), b"b", b""]


@pytest.mark.parametrize("pieces", [["ä", "b"], [b"a", b"b"]])
async def test_a_response_of_werkzeugs_own(pieces: list[t.Any]) -> None:
    async def play(module: t.Any) -> t.Any:
        app, _ = http_app(module)

        async def answer(request: t.Any) -> t.Any:
            return werkzeug.wrappers.Response(pieces, status=202)

        app.handle_request = answer
        return await talk(app, scope_of("http"))

    sent = await on_both(play)
    assert sent[0]["status"] == 202 and len(sent) == 4


@pytest.mark.parametrize("mode", ["debug", "plain"])
async def test_errors_of_requests(mode: str) -> None:
    async def play(module: t.Any) -> t.Any:
        app, _ = http_app(module)
        app.debug = mode == "debug"

        async def fail(request: t.Any) -> t.Any:
            raise KeyError("which was not there")

        app.handle_request = fail
        try:
            sent = await talk(app, scope_of("http"))
        except Exception as error:
            return type(error)
        return sent[0]["status"], b"which was not there" in body_of(sent)

    assert await on_both(play) == ((500, True) if mode == "debug" else KeyError)


@pytest.mark.parametrize("extensions", [None, {}, {"http.response.push": {}}])
async def test_pushes(extensions: t.Any) -> None:
    async def play(module: t.Any) -> t.Any:
        app, taken = http_app(module)

        @app.route("/")
        async def view() -> str:
            await module.request.send_push_promise("/style.css")
            return "page"

        headers = [*HOST, (b"accept", b"text/css"), (b"x-not", b"pushed")]
        sent = await talk(app, scope_of("http", headers=headers, extensions=extensions))
        assert "_send_push_promise" in taken
        return [message for message in sent if message["type"] == "http.response.push"]

    push = {"type": "http.response.push", "path": "/style.css"}
    promised = {**push, "headers": [(b"accept", b"text/css")]}
    assert await on_both(play) == ([promised] if extensions else [])


@pytest.mark.parametrize("of", ["response", "config"])
async def test_a_response_that_takes_too_long_is_cut_off(of: str) -> None:
    async def play(module: t.Any) -> t.Any:
        app, _ = http_app(module)
        if of == "config":
            app.config["RESPONSE_TIMEOUT"] = 0.02
        closed: list[str] = []

        @app.route("/")
        async def view() -> t.Any:
            async def stream() -> t.AsyncIterator[bytes]:
                try:
                    yield b"a"
                    await asyncio.sleep(60)
                finally:
                    closed.append("stream")

            response = await module.make_response(stream())
            if of == "response":
                response.timeout = 0.02
            return response

        sent = await talk(app, scope_of("http"))
        return [message.get("body") for message in sent], closed

    assert await on_both(play) == ([None, b"a"], ["stream"])


async def test_a_client_that_leaves_ends_the_view() -> None:
    async def play(module: t.Any) -> t.Any:
        app, _ = http_app(module)
        ended: list[str] = []

        @app.route("/")
        async def view() -> str:
            try:
                await asyncio.sleep(60)
            finally:
                ended.append("view")
            return ""

        sent = await talk(app, scope_of("http"), {"type": "http.disconnect"})
        return sent, ended

    assert await on_both(play) == ([], ["view"])


async def test_an_error_is_answered_in_a_test() -> None:
    async def play(module: t.Any) -> t.Any:
        app, _ = http_app(module)
        app.testing = True
        app.add_url_rule("/", view_func=lambda: {}["missing"])  # type: ignore[index]
        sent = await talk(app, scope_of("http"))
        return sent[0]["status"], b"KeyError" in body_of(sent)

    assert await on_both(play) == (500, True)


# --- websockets ---------------------------------------------------------------------------------


CONNECT = {"type": "websocket.connect"}


async def test_each_step_of_a_websocket() -> None:
    async def play(module: t.Any) -> t.Any:
        app, taken = websocket_app(module)

        @app.websocket("/up")
        async def ws() -> None:
            websocket = module.websocket
            await websocket.accept({"x-own": "1"}, "chat")
            await websocket.accept()  # is done once
            for _ in range(2):
                await websocket.send(await websocket.receive())
            await websocket.send(",".join(websocket.requested_subprotocols))
            await websocket.close(4000, "enough")

        sent = await talk(
            app,
            scope_of("websocket", **UNDER_ROOT, subprotocols=["chat", "x"]),
            CONNECT,
            {"type": "websocket.receive", "text": "one"},
            {"type": "websocket.receive", "bytes": b"two"},
        )
        return taken, sent

    taken, sent = await on_both(play)
    assert taken == [
        *("_create_websocket_from_scope", "handle_messages", "handle_websocket"),
        *["accept_connection"] * 3,  # once by hand, once in vain, and before each message
        *["accept_connection", "send_data", "accept_connection"] * 2,
        *("send_data", "close_connection"),
    ]
    assert sent[0]["headers"] == [(b"x-own", b"1")] and sent[0]["subprotocol"] == "chat"
    assert [message.get("text") or message.get("bytes") for message in sent[1:4]] == [
        *("one", b"two", "chat,x")
    ]
    assert sent[4:] == [{"type": "websocket.close", "code": 4000, "reason": "enough"}]


async def test_a_websocket_that_just_returns_is_closed() -> None:
    async def play(module: t.Any) -> t.Any:
        app, _ = websocket_app(module)

        @app.websocket("/")
        async def ws() -> None:
            await module.websocket.accept()

        return await talk(app, scope_of("websocket"), CONNECT)

    assert (await on_both(play))[1:] == [{"type": "websocket.close", "code": 1000}]


async def test_a_server_that_sends_no_headers_or_reasons() -> None:
    async def play(module: t.Any) -> t.Any:
        app, _ = websocket_app(module)

        @app.websocket("/")
        async def ws() -> None:
            await module.websocket.accept({"x-own": "1"})
            await module.websocket.close(4000, "enough")

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            sent = await talk(app, scope_of("websocket", asgi={"spec_version": "2.0"}), CONNECT)
        return sent, [w.category for w in caught if "headers" in str(w.message)]

    sent, warned = await on_both(play)
    assert warned == [UserWarning]
    assert sent[0]["headers"] == [] and sent[1] == {"type": "websocket.close", "code": 4000}


async def test_a_websocket_is_closed_once() -> None:
    async def play(module: t.Any) -> t.Any:
        app, _ = websocket_app(module)

        @app.websocket("/")
        async def ws() -> None:
            await module.websocket.accept()
            await module.websocket.close(1000)
            with pytest.raises(RuntimeError):
                await module.websocket.close(1000)

        return await talk(app, scope_of("websocket"), CONNECT)

    sent = await on_both(play)
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]


async def test_the_steps_taken_by_hand() -> None:
    """A websocket is accepted once, and closed once; other messages are passed over."""

    async def play(module: t.Any) -> t.Any:
        app, _ = websocket_app(module)
        sent: Messages = []

        async def send(message: t.Any) -> None:
            sent.append(message)

        scope = scope_of("websocket", asgi={"spec_version": "2.0"})
        connection = app.asgi_websocket_class(app, scope)
        for _ in range(2):
            await connection.accept_connection(send, {}, None)
        await connection.close_connection(send, 1001, "unsaid")
        with pytest.raises(RuntimeError):
            await connection.close_connection(send, 1001, "unsaid")
        messages = [{"type": "http.other"}, {"type": "http.disconnect"}]

        async def receive() -> t.Any:
            return messages.pop(0)

        http = http_app(module)[0]
        await http.asgi_http_class(http, scope_of("http")).handle_messages(None, receive)
        return sent, messages

    sent, left = await on_both(play)
    assert sent[1:] == [{"type": "websocket.close", "code": 1001}] and not left


@pytest.mark.parametrize("extensions", [None, {"websocket.http.response": {}}])
@pytest.mark.parametrize("response", ["own", "stream", "werkzeug", "none"])
async def test_a_websocket_that_is_rejected(extensions: t.Any, response: str) -> None:
    async def play(module: t.Any) -> t.Any:
        app, _ = websocket_app(module)

        @app.websocket("/")
        async def ws() -> t.Any:
            async def stream() -> t.AsyncIterator[bytes]:
                yield b"n"
                yield b"o"

            return {"own": ("no", 403), "stream": (stream(), 403), "none": None}.get(response)

        async def answer(websocket: t.Any) -> t.Any:
            return werkzeug.wrappers.Response([b"no"], status=403)

        if response == "werkzeug":
            app.handle_websocket = answer
        return await talk(app, scope_of("websocket", extensions=extensions), CONNECT)

    sent = await on_both(play)
    if response == "none":
        assert sent == []
    elif extensions is None:
        assert sent == [{"type": "websocket.close", "code": 1000}]
    else:
        assert sent[0]["type"] == "websocket.http.response.start" and sent[0]["status"] == 403
        assert body_of(sent) == b"no"


@pytest.mark.parametrize("mode", ["debug", "plain"])
async def test_errors_of_websockets(mode: str) -> None:
    async def play(module: t.Any) -> t.Any:
        app, _ = websocket_app(module)
        app.debug = mode == "debug"

        async def fail(websocket: t.Any) -> t.Any:
            raise KeyError("which was not there")

        app.handle_websocket = fail
        extensions = {"websocket.http.response": {}}  # type: ignore[var-annotated]
        try:
            sent = await talk(app, scope_of("websocket", extensions=extensions), CONNECT)
        except Exception as error:
            return type(error)
        return sent[0]["status"], b"which was not there" in body_of(sent)

    assert await on_both(play) == ((500, True) if mode == "debug" else KeyError)


async def test_a_client_that_leaves_ends_the_websocket() -> None:
    async def play(module: t.Any) -> t.Any:
        app, _ = websocket_app(module)
        got: list[t.Any] = []

        @app.websocket("/")
        async def ws() -> None:
            try:
                while True:
                    got.append(await module.websocket.receive())
            finally:
                got.append("ended")

        gone = {"type": "websocket.disconnect", "code": 1001}
        message = {"type": "websocket.receive", "bytes": None, "text": "one"}
        sent = await talk(app, scope_of("websocket"), CONNECT, message, gone)
        return got[-1], [message["type"] for message in sent]

    assert await on_both(play) == ("ended", ["websocket.accept"])


async def test_the_class_itself_serves_by_the_apps_own_door() -> None:
    connections = importlib.import_module("quartish.asgi.connections")
    app = quartish.quart.Quart("app")
    app.add_url_rule("/", view_func=lambda: "plain")

    @app.websocket("/")
    async def ws() -> None:
        await quartish.quart.websocket.send("hello")

    async def talk_to(cls: t.Any, scope: t.Any, *messages: t.Any) -> Messages:
        return await talk(lambda scope, *args: cls(app, scope)(*args), scope, *messages)

    sent = await talk_to(
        connections.ASGIHTTPConnection, scope_of("http"), {"type": "http.request", "body": b""}
    )
    assert body_of(sent) == b"plain"
    sent = await talk_to(connections.ASGIWebsocketConnection, scope_of("websocket"), CONNECT)
    assert sent[1]["text"] == "hello" and sent[2]["type"] == "websocket.close"
