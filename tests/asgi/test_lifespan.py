"""Start-up and shutdown: what runs, in which order, and what a failure undoes."""

from __future__ import annotations

import asyncio
import threading
import typing as t

import pytest

from quartish import current_app
from quartish import Flask
from quartish import websocket
from quartish.signals import appcontext_pushed
from quartish.signals import got_serving_exception
from quartish.testing.app import LifespanError
from tests._peer import settled
from tests._scripted import HttpPeer
from tests._scripted import Peer
from tests._scripted import WebsocketPeer

App = type[t.Any]


def noting(colour: App, log: list[str], fails: str = "") -> t.Any:
    """Make an app whose serving hooks, `def` and `async def`, say when they run."""
    app = colour("app")

    def note(name: str) -> None:
        log.append(f"{name} {current_app.name}")
        if name == fails:
            raise LookupError(f"{name} is broken")

    @app.before_serving
    async def before() -> None:
        await asyncio.sleep(0)
        note("before")

    @app.before_serving
    def before_sync() -> None:
        note("before sync")

    @app.while_serving
    async def first() -> t.AsyncIterator[None]:
        note("first up")
        yield
        note("first down")

    @app.while_serving
    def second() -> t.Iterator[None]:
        note("second up")
        yield
        note("second down")

    @app.while_serving
    async def third() -> t.AsyncIterator[None]:
        note("third up")
        yield
        note("third down")

    @app.after_serving
    async def after() -> None:
        note("after")

    @app.after_serving
    def after_sync() -> None:
        note("after sync")

    return app


UP = ["before", "before sync", "first up", "second up", "third up"]
DOWN = ["third down", "second down", "first down", "after", "after sync"]


def names(log: list[str]) -> list[str]:
    assert all(entry.endswith(" app") for entry in log), "without an app context"
    return [entry.removesuffix(" app") for entry in log]


async def test_everything_runs_in_order(colour: App) -> None:
    log: list[str] = []
    app = noting(colour, log)
    async with app.test_app():
        assert names(log) == UP
        log.clear()
    assert names(log) == DOWN


async def test_the_messages_to_the_server(colour: App) -> None:
    app = noting(colour, [])
    async with Peer(app, {"type": "lifespan"}) as peer:
        peer.put({"type": "lifespan.startup"})
        await peer.until(1)
        peer.put({"type": "lifespan.shutdown"})
        await peer.until(2)
    assert [message["type"] for message in peer.sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


@pytest.mark.parametrize("fails", UP)
async def test_a_failed_start_is_undone_in_reverse(
    colour: App, fails: str, caplog: pytest.LogCaptureFixture
) -> None:
    log: list[str] = []
    app = noting(colour, log, fails)
    seen: list[BaseException] = []

    def receiver(sender: t.Any, exception: BaseException, **_: t.Any) -> None:
        seen.append(exception)

    with got_serving_exception.connected_to(receiver, app):
        async with Peer(app, {"type": "lifespan"}) as peer:
            peer.put({"type": "lifespan.startup"})
            failed = await peer.until(1)
    assert failed == {"type": "lifespan.startup.failed", "message": f"{fails} is broken"}
    begun = UP[: UP.index(fails) + 1]
    started = [name.removesuffix(" up") for name in begun if name.endswith(" up")]
    undone = [f"{name} down" for name in reversed(started) if f"{name} up" != fails]
    assert names(log) == begun + undone
    assert len(seen) == 1 and "LookupError" in caplog.text
    assert app.quartish_serving_loop is None


@pytest.mark.parametrize("fails", DOWN)
async def test_a_failure_at_the_end_stops_nothing(
    colour: App, fails: str, caplog: pytest.LogCaptureFixture
) -> None:
    log: list[str] = []
    app = noting(colour, log, fails)
    test_app = app.test_app()
    await test_app.startup()
    log.clear()
    with pytest.raises(LifespanError, match=f"Error during shutdown: {fails} is broken"):
        await test_app.shutdown()
    assert names(log) == DOWN and len(caplog.records) == 1


async def test_a_start_that_is_cancelled_is_undone(colour: App) -> None:
    log: list[str] = []
    app = noting(colour, log)

    @app.while_serving
    async def endless() -> t.AsyncIterator[None]:
        await asyncio.sleep(60)
        yield

    async with Peer(app, {"type": "lifespan"}) as peer:
        peer.put({"type": "lifespan.startup"})
        await asyncio.sleep(0.05)
        peer.task.cancel()
    assert names(log) == UP + DOWN[:3]


@pytest.mark.parametrize("yields", [0, 2])
async def test_a_generator_that_does_not_yield_once(
    colour: App, yields: int, caplog: pytest.LogCaptureFixture
) -> None:
    app = colour("app")

    @app.while_serving
    async def odd() -> t.AsyncIterator[None]:
        for _ in range(yields):
            yield

    with pytest.raises(LifespanError, match="odd.* (ended before it yielded|exactly one 'yield')"):
        async with app.test_app():
            assert yields
    assert caplog.records


async def test_start_and_end_may_come_again(colour: App) -> None:
    log: list[str] = []
    app = noting(colour, log)
    for _ in range(2):
        async with app.test_app():
            pass
    assert names(log) == (UP + DOWN) * 2


async def test_a_stream_may_wait_for_the_shutdown_event(colour: App) -> None:
    app = colour("app")
    waited = asyncio.Event()

    @app.route("/")
    async def view() -> str:
        waited.set()
        await app.shutdown_event.wait()
        return "bye"

    async with app.test_app() as test_app:
        answer = asyncio.create_task(test_app.test_client().get("/"))
        await waited.wait()
        assert not app.shutdown_event.is_set()
    assert (await answer).status_code == 200


async def test_websockets_have_ended_before_the_rest_is_taken_down(colour: App) -> None:
    log: list[str] = []
    app = noting(colour, log)

    @app.teardown_websocket
    async def teardown(exc: t.Any) -> None:
        await asyncio.sleep(0.02)
        log.append("teardown app")

    @app.websocket("/")
    async def view() -> None:
        await websocket.receive()

    test_app = app.test_app()
    await test_app.startup()
    log.clear()
    async with WebsocketPeer(app) as peer:
        await peer.until(1)
        await test_app.shutdown()
    assert names(log) == ["teardown", *DOWN] and peer.code == 1012


@pytest.mark.parametrize("path", ["/view", "/sync", "/stream", "/pieces", "/def"])
async def test_requests_that_the_server_cancels_have_ended_before_it_goes_on(
    colour: App, path: str
) -> None:
    """uvicorn ends its process as soon as the shutdown has ended."""
    app = colour("app")
    log: list[str] = []
    begun, go_on = threading.Event(), threading.Event()

    async def clean_up() -> None:
        for _ in range(50):
            await asyncio.sleep(0)
        log.append("closed")

    def pieces() -> t.Iterator[bytes]:
        try:
            yield b"begun"
            begun.set()
            while True:
                go_on.wait(5)
                yield b"more"
        finally:
            log.append("closed")

    @app.get("/view")
    async def view() -> None:
        try:
            begun.set()
            await asyncio.sleep(60)
        finally:
            await clean_up()

    @app.get("/sync")
    def sync() -> str:
        begun.set()
        go_on.wait(5)
        log.append("closed")
        return "done"

    @app.get("/stream")
    async def stream() -> t.Any:
        async def generate() -> t.AsyncIterator[bytes]:
            try:
                yield b"begun"
                begun.set()
                await asyncio.sleep(60)
            finally:
                await clean_up()

        return generate()

    @app.get("/pieces")
    async def of_async() -> t.Any:
        return pieces()

    @app.get("/def")
    def of_def() -> t.Any:
        return pieces()

    @app.after_serving
    async def after() -> None:
        log.append("after")

    await app.startup()
    async with HttpPeer(app, path) as peer:
        await asyncio.to_thread(begun.wait, 5)
        peer.task.cancel()
        asyncio.get_running_loop().call_later(0.01, go_on.set)
        await app.shutdown()
        assert log == ["closed", "after"]
    assert isinstance(peer.error, asyncio.CancelledError)
    assert not app.quartish_exchanges


async def test_a_request_that_goes_on_is_not_waited_for_without_end(colour: App) -> None:
    """Neither one that was cancelled, longer than `DISCONNECT_GRACE`, nor one that was not."""
    app = colour("app")
    app.config["DISCONNECT_GRACE"] = 0.01
    begun, go_on = threading.Event(), threading.Event()

    @app.get("/")
    def view() -> str:
        begun.set()
        go_on.wait(5)
        return "done"

    async with HttpPeer(app) as first, HttpPeer(app) as second:
        await asyncio.to_thread(begun.wait, 5)
        await app.shutdown()
        first.task.cancel()
        await app.shutdown()
        assert not first.task.done() and not second.task.done()
        go_on.set()
    assert isinstance(first.error, asyncio.CancelledError) and second.body == b"done"


async def test_the_test_app_gives_a_client(colour: App) -> None:
    app = colour("app")
    app.add_url_rule("/", view_func=lambda: "hello")
    async with app.test_app() as test_app:
        response = await test_app.test_client().get("/")
        assert await settled(response.get_data(as_text=True)) == "hello"


@pytest.mark.parametrize("hooks", [True, False])
async def test_contexts_are_made_for_hooks_only_in_the_plain_colour(hooks: bool) -> None:
    app = Flask("app")
    made: list[object] = []
    if hooks:
        app.before_serving(lambda: None)
        app.after_serving(lambda: None)

    def note(sender: object) -> None:
        made.append(sender)

    with appcontext_pushed.connected_to(note, app):
        async with app.test_app():
            pass
    assert made == [app] * (2 if hooks else 0)


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_a_failure_while_a_failed_start_is_undone_is_told_too(
    colour: App, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    app, told = colour("app"), list[str]()

    def note(sender: t.Any, exception: Exception) -> None:
        told.append(str(exception))

    async def note_later(sender: t.Any, exception: Exception) -> None:
        await asyncio.sleep(0)
        told.append(str(exception))

    @app.while_serving
    async def up() -> t.AsyncIterator[None]:
        yield
        raise LookupError("on the way down")

    @app.while_serving
    async def fails() -> t.AsyncIterator[None]:
        raise LookupError("on the way up")
        yield

    receiver = note if kind == "def" else note_later
    with got_serving_exception.connected_to(receiver, app):
        with pytest.raises((LookupError, LifespanError), match="on the way up"):
            async with app.test_app():
                pass
    assert sorted(told) == ["on the way down", "on the way up"]
    assert "on the way down" in caplog.text and "on the way up" in caplog.text


async def test_events_that_are_none_of_the_two_are_passed_over(colour: App) -> None:
    events = iter(["lifespan.other", "lifespan.startup", "lifespan.shutdown"])
    sent: list[str] = []

    async def receive() -> t.Any:
        return {"type": next(events)}

    async def send(message: t.Any) -> None:
        sent.append(message["type"])

    await colour("app")({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
