"""What a view awaits may fail, by an exception of any number of arguments: it is the view's to
catch, wherever the view runs, as it is in any other coroutine."""

from __future__ import annotations

import asyncio
import typing as t

import pytest

import quartish

App = type[t.Any]


class Left(asyncio.CancelledError):
    """Carries what `WebSocketDisconnect` does."""


ERRORS: list[t.Callable[[], BaseException]] = [
    Exception,
    lambda: KeyError("a key"),
    lambda: OSError(111, "Connect call failed"),
    lambda: OSError(2, "No such file", "name"),
    lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    lambda: TimeoutError(),
    lambda: Left(1001, "going away"),
    lambda: asyncio.CancelledError(),
]


async def fail(error: BaseException) -> None:
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_soon(future.set_exception, error)
    await future


@pytest.fixture(params=ERRORS, ids=lambda make: repr(make()))
def make(request: pytest.FixtureRequest) -> t.Any:
    return request.param


async def caught(make: t.Callable[[], BaseException]) -> str:
    error = make()
    try:
        await fail(error)
    except BaseException as raised:
        assert type(raised) is type(error) and raised.args == error.args
        await asyncio.sleep(0)
        return "caught"
    return "nothing was raised"


def add(app: t.Any, make: t.Callable[[], BaseException]) -> None:
    seen: list[str] = []

    @app.before_request
    async def before() -> None:
        seen.append(await caught(make))

    @app.get("/")
    async def view() -> str:
        return f"{await caught(make)}, {seen.pop()}"

    @app.get("/stream")
    async def stream() -> t.Any:
        async def pieces() -> t.AsyncIterator[str]:
            yield await caught(make)
            yield f", {seen.pop()}"

        return pieces()

    @app.websocket("/ws")
    async def live() -> None:
        await quartish.websocket.send(await caught(make))

    @app.get("/task")
    async def task() -> str:
        return f"{await app.add_background_task(caught, make)}, {seen.pop()}"


@pytest.mark.parametrize("path", ["/", "/stream", "/task"])
async def test_by_asgi(colour: App, make: t.Any, path: str) -> None:
    app = colour("app")
    add(app, make)
    client: t.Any = app.async_test_client() if app.plain else app.test_client()
    response = await client.get(path)
    text = response.text if app.plain else await response.get_data(as_text=True)
    assert (response.status_code, text) == (200, "caught, caught")


async def test_websockets(colour: App, make: t.Any) -> None:
    app = colour("app")
    add(app, make)
    client: t.Any = app.async_test_client() if app.plain else app.test_client()
    async with client.websocket("/ws") as connection:
        assert await connection.receive() == "caught"


def test_by_wsgi(make: t.Any) -> None:
    app = quartish.Flask("app")
    add(app, make)
    for path in ("/", "/stream"):
        assert app.test_client().get(path).text == "caught, caught"


async def test_a_connection_that_is_refused(colour: App) -> None:
    """The commonest of them."""
    app = colour("app")

    @app.get("/")
    async def view() -> str:
        try:
            await asyncio.open_connection("127.0.0.1", 1)
        except ConnectionRefusedError as error:
            return type(error).__name__
        return "connected"

    client: t.Any = app.async_test_client() if app.plain else app.test_client()
    response = await client.get("/")
    text = response.text if app.plain else await response.get_data(as_text=True)
    assert text == "ConnectionRefusedError"
