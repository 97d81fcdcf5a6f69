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

import quartish.quart
from quartish.wrappers.websocket import WebSocketDisconnect

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
                seen.append((path, await websocket.receive()))
        except Exception as error:
            seen.append((path, error.response.status_code))  # type: ignore[attr-defined]
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
