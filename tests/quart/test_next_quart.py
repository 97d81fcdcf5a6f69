"""Quart 0.23's forms: overrides that are given the context first and give it on, by place or by
name; and its names. On Python 3.13, where Quart 0.23 can be installed, the same is played there.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import typing as t

import pytest
import quart
from werkzeug.datastructures import Headers

import quartish.quart
from quartish.wrappers.websocket import WebSocketDisconnect
from tests._scripted import HttpPeer

NEXT = hasattr(quart.wrappers, "ClientDisconnectedError")
#: Methods that are given the context first, and their other parameters.
METHODS = {
    "dispatch_request": [],
    "dispatch_websocket": [],
    "do_teardown_appcontext": ["exc"],
    "do_teardown_request": ["exc"],
    "do_teardown_websocket": ["exc"],
    "finalize_request": ["result", "from_error_handler"],
    "finalize_websocket": ["result", "from_error_handler"],
    "full_dispatch_request": [],
    "full_dispatch_websocket": [],
    "handle_background_exception": ["error"],
    "handle_exception": ["error"],
    "handle_http_exception": ["error"],
    "handle_user_exception": ["error"],
    "handle_websocket_exception": ["error"],
    "log_exception": ["exception_info"],
    "make_default_options_response": [],
    "postprocess_websocket": ["response"],
    "preprocess_request": [],
    "preprocess_websocket": [],
    "process_response": ["response"],
    "update_template_context": ["context"],
}
MODULES = [quartish.quart, *([quart] if NEXT else [])]


def override(base: t.Any, name: str, by_name: bool, calls: list[str]) -> t.Any:
    """Return an override in the form of 0.23, that calls what it overrides in that form."""

    def hand_on(self: t.Any, ctx: t.Any, *args: t.Any, **kwargs: t.Any) -> t.Any:
        assert ctx.app is self
        calls.append(name)
        if by_name:
            kwargs |= {"ctx": ctx, **dict(zip(METHODS[name], args, strict=False))}
            return base(self, **kwargs)
        return base(self, ctx, *args, **kwargs)

    async def awaited(self: t.Any, ctx: t.Any, *args: t.Any, **kwargs: t.Any) -> t.Any:
        return await hand_on(self, ctx, *args, **kwargs)

    return awaited if inspect.iscoroutinefunction(base) else hand_on


async def play(module: t.Any, overrides: dict[str, t.Any]) -> t.Any:
    """Return what an app with overrides answers."""
    app = type("App", (module.Quart,), overrides)("app")
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.route("/")
    async def view() -> t.Any:
        return await module.render_template_string("{{ url_for('view') }}")

    @app.route("/error")
    async def fail() -> t.Any:
        raise KeyError

    @app.route("/task")
    async def start() -> t.Any:
        app.add_background_task(fail)
        return ""

    @app.websocket("/ws")
    async def handle() -> None:
        await module.websocket.send("message")

    app.add_websocket("/ws/error", "ws_error", fail)
    client, seen = app.test_client(), []
    for method, path in (
        *(("GET", "/"), ("OPTIONS", "/"), ("GET", "/error"), ("GET", "/missing"), ("GET", "/task")),
    ):
        response = await client.open(path, method=method)
        seen.append((path, response.status_code, await response.get_data()))
    for path in ("/ws", "/ws/error", "/ws/missing"):
        try:
            async with client.websocket(path) as websocket:
                seen.append((path, await websocket.receive()))  # type: ignore[arg-type]
        except Exception as error:
            seen.append((path, error.response.status_code))  # type: ignore[arg-type, attr-defined]
    await asyncio.sleep(0.01)
    return seen


@pytest.mark.parametrize("by_name", [False, True], ids=["by place", "by name"])
@pytest.mark.parametrize("name", METHODS)
async def test_an_override_is_given_the_context_first(name: str, by_name: bool) -> None:
    seen = []
    for module in MODULES:
        calls: list[str] = []
        base = getattr(module.Quart, name)
        plain = await play(module, {})
        assert await play(module, {name: override(base, name, by_name, calls)}) == plain
        assert calls
        seen.append(plain)
    assert all(answers == seen[0] for answers in seen)


@pytest.mark.skipif(not NEXT, reason="Quart 0.23 needs Python 3.13")
def test_these_are_the_methods() -> None:
    found = {}
    for name in dir(quart.Quart):
        method = getattr(quart.Quart, name)
        if inspect.isfunction(method):
            names = list(inspect.signature(method).parameters)
            if names[1:2] == ["ctx"]:
                found[name] = names[2:]
    assert found == METHODS


def test_a_client_that_left_is_named() -> None:
    from quartish.quart.wrappers import ClientDisconnectedError

    assert issubclass(WebSocketDisconnect, ClientDisconnectedError)
    with pytest.raises(ClientDisconnectedError):
        raise WebSocketDisconnect()


async def test_one_class_of_contexts_made_by_name() -> None:
    for module in MODULES:
        app = module.Quart("app")
        app.add_url_rule("/", "view", lambda: "")
        context_class = type(app.app_context())
        async with app.test_request_context("/?q=1") as context:
            assert isinstance(context, context_class)
            request = module.request._get_current_object()
        context = context_class(app, request=request)
        assert (context.has_request, context.has_websocket) == (True, False)
        async with context:
            assert module.request.args["q"] == "1"
            assert context.session is module.session._get_current_object()


async def raised(awaitable: t.Awaitable[t.Any]) -> str | None:
    try:
        async with asyncio.timeout(1):
            await awaitable
    except BaseException as error:
        names = [cls.__name__ for cls in type(error).__mro__]
        return "ClientDisconnectedError" if "ClientDisconnectedError" in names else names[0]
    return None


async def test_a_body_is_filled_and_taken_piece_by_piece() -> None:
    async def play(module: t.Any) -> t.Any:
        def make(limit: int | None = None) -> t.Any:
            return module.wrappers.request.Body(None, limit)

        seen: list[t.Any] = []
        body = make()
        await body.put(b"a")
        await body.put(b"b")
        seen.append(await body.get())
        body.set_complete()
        seen += [await body.get(), await body.get(), await body.get()]
        body = make()
        await body.put(b"a")
        body.disconnect()
        seen += [await body.get(), await raised(body.get()), await raised(body.get())]
        body = make()
        await body.put(b"a")
        await body.put(b"b")
        body.set_complete()
        seen.append(await body)
        body = make(2)
        await body.put(b"abc")
        body.set_complete()
        seen.append(await raised(_await(body)))
        return seen

    expected = [b"a", b"b", b"", b"", b"a", *["ClientDisconnectedError"] * 2, b"ab"]
    for each in MODULES:
        importlib.import_module(f"{each.__name__}.wrappers.request")
        assert await play(each) == [*expected, "RequestEntityTooLarge"]


async def _await(body: t.Any) -> bytes:
    return await body  # type: ignore[no-any-return]


async def test_a_buffer_of_messages() -> None:
    names = ["quartish.wrappers.websocket", *(["quart.wrappers.websocket"] if NEXT else [])]
    for name in names:
        buffer = importlib.import_module(name).Buffer()
        await buffer.put("a")
        await buffer.put(b"b")
        buffer.disconnect()
        assert [await buffer.get(), await buffer.get()] == ["a", b"b"]
        assert [await raised(buffer.get()) for _ in range(2)] == ["ClientDisconnectedError"] * 2
        waiting = importlib.import_module(name).Buffer()
        gets = [asyncio.ensure_future(raised(waiting.get())) for _ in range(2)]
        await asyncio.sleep(0)
        waiting.disconnect()
        assert await asyncio.gather(*gets) == ["ClientDisconnectedError"] * 2


async def test_all_messages_of_a_buffer() -> None:
    names = ["quartish.wrappers.websocket", *(["quart.wrappers.websocket"] if NEXT else [])]
    for name in names:
        buffer = importlib.import_module(name).Buffer()
        for data in ("a", b"b"):
            await buffer.put(data)
        buffer.disconnect()
        seen: list[t.Any] = []

        async def collect(buffer: t.Any = buffer, seen: t.Any = seen) -> None:
            async for data in buffer.__anext__():
                seen.append(data)

        assert await raised(collect()) == "ClientDisconnectedError"
        assert seen == ["a", b"b"]


# --- websockets -------------------------------------------------------------------------------


def pieces(module: t.Any, calls: list[t.Any]) -> dict[str, t.Any]:
    """Return what 0.23 makes a websocket of, by name."""

    async def send(data: t.Any) -> None:
        calls.append(data)

    async def accept(headers: t.Any, subprotocol: str | None) -> None:
        calls.append(subprotocol)

    async def close(code: int, reason: str) -> None:
        calls.append((code, reason))

    return {
        "path": "/p",
        "query_string": b"q=1",
        "scheme": "ws",
        "headers": Headers(),
        "root_path": "",
        "http_version": "1.1",
        "subprotocols": ["one"],
        "send": send,
        "accept": accept,
        "close": close,
        "scope": {"type": "websocket"},
    }


@pytest.mark.parametrize("by_name", [0, 1, 4, 11], ids="{} by name".format)
async def test_a_websocket_is_made_without_what_receives(by_name: int) -> None:
    for module in MODULES:
        calls: list[t.Any] = []
        given = pieces(module, calls)
        places = len(given) - by_name
        named = dict(list(given.items())[places:])
        websocket = module.wrappers.Websocket(*list(given.values())[:places], **named)
        assert (websocket.path, websocket.requested_subprotocols) == ("/p", ["one"])
        await websocket.buffer.put("in")
        assert await websocket.receive() == "in"
        await websocket.send(b"out")
        await websocket.close(1001, "over")
        assert calls == [None, None, b"out", (1001, "over")]
        websocket.buffer.disconnect()
        assert await raised(websocket.receive()) == "ClientDisconnectedError"


@pytest.mark.parametrize("by_name", [0, 1, 5, 12], ids="{} by name".format)
async def test_a_websocket_is_made_with_what_receives(by_name: int) -> None:
    """As in 0.22."""

    async def receive() -> str:
        return "in"

    given = pieces(quartish.quart, [])
    items = list(given.items())
    items.insert(7, ("receive", receive))
    places = len(items) - by_name
    websocket = quartish.quart.Websocket(
        *[value for _, value in items[:places]], **dict(items[places:])
    )
    assert await websocket.receive() == "in"
    assert (websocket.path, websocket.requested_subprotocols) == ("/p", ["one"])


@pytest.mark.parametrize("wrong", [{"send": None, "more": 1}, {"scope": ..., "receive": 1}, {}])
def test_a_websocket_is_made_of_nothing_else(wrong: dict[str, t.Any]) -> None:
    given = list(pieces(quartish.quart, []).values())[:7]
    with pytest.raises(TypeError, match="A websocket is made of"):
        quartish.quart.Websocket(*given, None, **wrong)  # type: ignore[call-overload]


def websocket_app(module: t.Any) -> t.Any:
    app = module.Quart("app")

    @app.websocket("/")
    async def echo() -> None:
        while True:
            await module.websocket.send(await module.websocket.receive())

    return app


async def echoed(app: t.Any, *messages: str) -> t.Any:
    async with app.test_client().websocket("/") as websocket:
        for message in messages:
            await websocket.send(message)
        return [await websocket.receive() for _ in messages]


async def test_a_websocket_class_whose_init_takes_no_receive() -> None:
    for module in MODULES:
        made: list[t.Any] = []

        class Own(module.wrappers.Websocket):  # type: ignore[misc, name-defined]
            def __init__(
                self,
                path: str,
                query_string: bytes,
                scheme: str,
                headers: t.Any,
                root_path: str,
                http_version: str,
                subprotocols: list[str],
                send: t.Any,
                accept: t.Any,
                close: t.Any,
                scope: t.Any,
                made: list[t.Any] = made,
            ) -> None:
                made.append(path)
                super().__init__(
                    *(path, query_string, scheme, headers, root_path, http_version),
                    *(subprotocols, send, accept, close, scope),
                )

        app = websocket_app(module)
        app.websocket_class = Own
        assert (await echoed(app, "a", "b"), made) == (["a", "b"], ["/"])


async def test_a_buffer_of_the_apps_own() -> None:
    for module in MODULES:
        taken: list[t.Any] = []

        class Own(importlib.import_module(f"{module.__name__}.wrappers.websocket").Buffer):  # type: ignore[misc]
            async def put(self, data: t.Any, seen: list[t.Any] = taken) -> None:
                seen.append(data)
                if data != "dropped":
                    await super().put(data.upper())

        app = websocket_app(module)
        app.websocket_class = type("W", (module.wrappers.Websocket,), {"buffer_class": Own})
        async with app.test_client().websocket("/") as websocket:
            for message in ("dropped", "a"):
                await websocket.send(message)
            assert await websocket.receive() == "A"
        assert taken == ["dropped", "a"]


async def test_connections_that_are_given_the_handlers_task() -> None:
    async def play(module: t.Any) -> t.Any:
        app, seen = websocket_app(module), []
        http: t.Any = app.asgi_http_class
        websocket: t.Any = app.asgi_websocket_class

        class Http(http):  # type: ignore[misc]
            async def handle_messages(self, request: t.Any, receive: t.Any, task: t.Any) -> None:
                seen.append((request.path, task.done()))
                await super().handle_messages(request, receive, task)
                await asyncio.sleep(0)
                if request.path == "/slow":  # else 0.23 waits for the client to leave
                    seen.append(task.cancelling() or task.cancelled())

        class Websocket(websocket):  # type: ignore[misc]
            async def handle_messages(self, websocket: t.Any, receive: t.Any, task: t.Any) -> None:
                seen.append((websocket.path, task.done()))
                await super().handle_messages(
                    websocket=websocket, receive=receive, websocket_task=task
                )
                await asyncio.sleep(0)
                seen.append(task.cancelling() or task.cancelled())

        app.asgi_http_class, app.asgi_websocket_class = Http, Websocket

        @app.route("/body", methods=["POST"])
        async def body() -> t.Any:
            return await module.request.get_data()

        @app.route("/slow")
        async def slow() -> str:
            try:
                await asyncio.sleep(10)
            finally:
                seen.append("slow is over")  # type: ignore[arg-type]
            return ""

        response = await app.test_client().post("/body", data=b"body")
        seen.append(await response.get_data())
        async with HttpPeer(app, "/slow") as peer:
            await asyncio.sleep(0.01)
            peer.leave()
        return seen, await echoed(app, "a", "b")

    told = [await play(module) for module in MODULES]
    for each in told:
        assert each == told[0]
    assert told[0][0][-1:] == [1] and told[0][1] == ["a", "b"]
