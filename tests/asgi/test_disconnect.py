"""The client leaves, dawdles or says too much: what becomes of its request.

The peers are scripts, message by message; each of them fails the test when the app leaves
a task behind or does not end.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
import time
import typing as t

import pytest

import quartish
from quartish import after_this_request
from quartish import g
from quartish import request
from quartish import stream_with_context
from quartish.views import survives_disconnect
from tests._scripted import HttpPeer

App = type[t.Any]


def make(colour: App, log: list[t.Any] | None = None, **config: t.Any) -> t.Any:
    """Make an app that notes its teardowns: what went wrong, by its type's name."""
    app = colour("app")
    app.config.update(config)
    if log is not None:

        @app.teardown_request
        async def teardown(exc: BaseException | None) -> None:
            await asyncio.sleep(0.01)
            log.append(f"teardown {type(exc).__name__}")

    return app


async def within(seconds: float, awaitable: t.Awaitable[t.Any]) -> t.Any:
    async with asyncio.timeout(seconds):
        return await awaitable


def pass_through(view: t.Any) -> t.Any:
    """Decorate as a sync decorator does: the request goes to the thread lane."""

    def call(*args: t.Any, **kwargs: t.Any) -> t.Any:
        return view(*args, **kwargs)

    call.__name__ = view.__name__
    return call


LANES = [lambda view: view, pass_through]


# --- views ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("decorate", LANES, ids=["loop", "thread"])
async def test_an_async_view_is_cancelled(
    colour: App, decorate: t.Any, caplog: pytest.LogCaptureFixture
) -> None:
    log: list[t.Any] = []
    app = make(colour, log)
    entered = asyncio.Event()

    @app.route("/")
    @decorate
    async def view() -> str:
        entered.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            log.append("cancelled")
            raise
        return "never"

    async with HttpPeer(app) as peer:
        await within(5, entered.wait())
        peer.leave()
        await within(2, peer.ended())
    assert log == ["cancelled", "teardown CancelledError"]
    assert peer.error is None and peer.sent == [] and not caplog.records


@pytest.mark.parametrize("decorate", LANES, ids=["loop", "thread"])
async def test_a_view_may_ask_to_finish(colour: App, decorate: t.Any) -> None:
    log: list[t.Any] = []
    app = make(colour, log)
    entered = asyncio.Event()

    @app.route("/")
    @survives_disconnect
    @decorate
    async def pay() -> str:
        entered.set()
        await asyncio.sleep(0.1)
        log.append("paid")
        return "paid"

    async with HttpPeer(app) as peer:
        await within(5, entered.wait())
        peer.leave()
        await within(2, peer.ended())
    assert log == ["paid", "teardown NoneType"] and peer.error is None and peer.sent == []


@pytest.mark.parametrize("decorate", LANES, ids=["loop", "thread"])
async def test_teardown_is_not_cancelled(colour: App, decorate: t.Any) -> None:
    log: list[t.Any] = []
    app = make(colour, log)
    ending = asyncio.Event()

    @app.teardown_request
    async def slow(exc: t.Any) -> None:
        ending.set()
        await asyncio.sleep(0.05)
        log.append("slow")

    @app.route("/")
    @decorate
    async def view() -> str:
        await asyncio.sleep(0.01)
        return "ok"

    async with HttpPeer(app) as peer:
        await within(5, ending.wait())
        peer.leave()
        await within(2, peer.ended())
    assert log == ["slow", "teardown NoneType"] and peer.error is None


@pytest.mark.parametrize("decorate", LANES, ids=["loop", "thread"])
async def test_the_end_has_a_bound(
    colour: App, decorate: t.Any, caplog: pytest.LogCaptureFixture
) -> None:
    app = make(colour, DISCONNECT_GRACE=0.1)
    entered = asyncio.Event()

    @app.teardown_request
    async def hangs(exc: t.Any) -> None:
        await asyncio.sleep(60)

    @app.route("/slow")
    @decorate
    async def view() -> str:
        entered.set()
        await asyncio.sleep(60)
        return "never"

    async with HttpPeer(app, "/slow") as peer:
        await within(5, entered.wait())
        peer.leave()
        await within(2, peer.ended())
    assert peer.error is None
    assert [r.getMessage() for r in caplog.records] == [
        "view 'view' [GET /slow] was cancelled: it went on for 0.1 seconds after its client"
        " had disconnected (DISCONNECT_GRACE)"
    ]


async def test_a_sync_view_is_waited_for(colour: App, caplog: pytest.LogCaptureFixture) -> None:
    log: list[t.Any] = []
    app = make(colour, log, DISCONNECT_GRACE=0.5)
    entered, go = threading.Event(), threading.Event()

    @app.route("/")
    def view() -> str:
        entered.set()
        assert go.wait(5)
        log.append("view")
        return "ok"

    async with HttpPeer(app) as peer:
        await asyncio.to_thread(entered.wait, 5)
        peer.leave()
        await asyncio.sleep(0.05)
        assert log == [] and not peer.task.done()
        go.set()
        await within(2, peer.ended())
    assert log == ["view", "teardown NoneType"] and not caplog.records


async def test_a_swallowed_cancellation_leaves_no_trace(colour: App) -> None:
    app = make(colour)
    entered = asyncio.Event()
    counts: list[int] = []

    @app.route("/")
    async def stubborn() -> str:
        entered.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        return "so what"

    async def call(*asgi: t.Any) -> None:
        await app(*asgi)
        task = asyncio.current_task()
        assert task is not None
        counts.append(task.cancelling())

    async with HttpPeer(call) as peer:
        await within(5, entered.wait())
        peer.leave()
    assert counts == [0]


@pytest.mark.parametrize("decorate", LANES, ids=["loop", "thread"])
async def test_the_server_cancels(colour: App, decorate: t.Any) -> None:
    """Children of the view are cancelled and awaited, and the cancellation goes on."""
    log: list[t.Any] = []
    app = make(colour, log)
    entered = asyncio.Event()

    async def child() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            log.append("child")

    @app.route("/")
    @decorate
    async def view() -> str:
        entered.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(child())
        return "never"

    async with HttpPeer(app) as peer:
        await within(5, entered.wait())
        await asyncio.sleep(0.01)
        peer.task.cancel()
        await within(2, peer.ended())
    assert isinstance(peer.error, asyncio.CancelledError)
    assert log[0] == "child" and log[1].startswith("teardown")


async def test_a_timeout_around_the_app_is_no_disconnect(colour: App) -> None:
    app = make(colour)

    @app.route("/")
    async def view() -> str:
        await asyncio.sleep(60)
        return "never"

    async def call(*asgi: t.Any) -> None:
        async with asyncio.timeout(0.05):
            await app(*asgi)

    async with HttpPeer(call) as peer:
        await peer.ended()
    assert isinstance(peer.error, TimeoutError)


# --- streams --------------------------------------------------------------------------------------


@pytest.mark.parametrize("decorate", LANES, ids=["loop", "thread"])
@pytest.mark.parametrize("silent", [False, True], ids=["talking", "silent"])
async def test_an_async_generator_is_closed(
    colour: App, decorate: t.Any, silent: bool, caplog: pytest.LogCaptureFixture
) -> None:
    log: list[t.Any] = []
    app = make(colour, log)

    @app.route("/")
    @decorate
    async def view() -> t.Any:
        @stream_with_context
        async def chunks() -> t.AsyncIterator[bytes]:
            try:
                while True:
                    yield b"tick"
                    await asyncio.sleep(60 if silent else 0.01)
            finally:
                await asyncio.sleep(0.01)
                log.append(f"closed {request.path}")

        return chunks()

    async with HttpPeer(app) as peer:
        await peer.until(2)
        peer.leave()
        await within(2, peer.ended())
    assert log == ["closed /", "teardown CancelledError"]
    assert peer.error is None and not caplog.records


async def test_a_sync_generator_is_closed(colour: App, caplog: pytest.LogCaptureFixture) -> None:
    log: list[t.Any] = []
    app = make(colour, log)

    @app.route("/")
    def view() -> t.Any:
        @stream_with_context
        def chunks() -> t.Iterator[bytes]:
            try:
                while True:
                    yield b"tick"
                    time.sleep(0.01)
            finally:
                log.append(f"closed {request.path} {threading.current_thread().name[:8]}")

        return chunks()

    async with HttpPeer(app) as peer:
        await peer.until(2)
        peer.leave()
        await within(2, peer.ended())
    assert log == ["closed / app-view", "teardown NoneType"] and peer.error is None
    assert not caplog.records


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_a_client_that_stops_reading_stops_the_stream(
    colour: App, asynchronous: bool
) -> None:
    app = make(colour)
    made: list[int] = []
    closed: list[str] = []

    if asynchronous:

        @app.route("/")
        async def view() -> t.Any:
            async def chunks() -> t.AsyncIterator[bytes]:
                try:
                    for n in range(1000):
                        made.append(n)
                        yield b"x"
                        await asyncio.sleep(0.001)
                finally:
                    closed.append("yes")

            return chunks()

    else:

        @app.route("/")
        def sync_view() -> t.Any:
            def chunks() -> t.Iterator[bytes]:
                try:
                    for n in range(1000):
                        made.append(n)
                        yield b"x"
                finally:
                    closed.append("yes")

            return chunks()

    async with HttpPeer(app) as peer:
        peer.takes.clear()
        await asyncio.sleep(0.1)
        assert len(made) <= 1
        peer.takes.set()
        await peer.until(3)
        peer.takes.clear()
        await asyncio.sleep(0.05)
        count = len(made)
        await asyncio.sleep(0.05)
        assert len(made) == count < 1000
        peer.leave()
        await within(2, peer.ended())
    assert closed == ["yes"] and peer.error is None


async def test_what_runs_after_the_response_is_not_cancelled(colour: App) -> None:
    """A server says http.disconnect to whoever still receives when the response is complete."""
    log: list[t.Any] = []
    app = make(colour, log)

    @app.route("/")
    async def view() -> t.Any:
        @stream_with_context
        async def chunks() -> t.AsyncIterator[bytes]:
            await asyncio.sleep(0)
            yield b"all"

        return chunks()

    async with HttpPeer(app) as peer:
        await peer.until(3)
        peer.leave()
        await within(2, peer.ended())
    assert log == ["teardown NoneType"] and peer.types == ["start", "body", "body"]


@pytest.mark.parametrize("sync", [False, True])
async def test_leaving_as_a_stream_ends_does_not_cancel_its_teardown(
    colour: App, sync: bool
) -> None:
    log: list[t.Any] = []
    app = make(colour)
    ending = asyncio.Event()

    @app.teardown_request
    async def teardown(exc: t.Any) -> None:
        ending.set()
        await asyncio.sleep(0.05)
        log.append("teardown")

    @app.route("/")
    async def view() -> t.Any:
        @stream_with_context
        async def chunks() -> t.AsyncIterator[bytes]:
            yield b"all"

        return chunks()

    @app.route("/sync")
    def sync_view() -> t.Any:
        return stream_with_context(chunk for chunk in [b"all"])

    async with HttpPeer(app, "/sync" if sync else "/") as peer:
        await within(5, ending.wait())
        peer.leave()
        await within(2, peer.ended())
    assert log == ["teardown"] and peer.error is None


async def test_both_ways_at_once(colour: App) -> None:
    app = make(colour)

    @app.route("/", methods=["POST"], **({"stream_body": True} if app.plain else {}))
    async def upper() -> t.Any:
        body = request.stream if app.plain else request.body  # type: ignore[attr-defined]

        @stream_with_context
        async def chunks() -> t.AsyncIterator[bytes]:
            async for chunk in t.cast(t.Any, body):
                yield chunk.upper()

        return chunks()

    async with HttpPeer(app, method="POST", body=None) as peer:
        for n, word in enumerate([b"one", b"two", b"three"]):
            peer.say(word)
            assert (await peer.until(n + 2))["body"] == word.upper()
        peer.say(b"", more=False)
        await peer.ended()
    assert peer.body == b"ONETWOTHREE"


# --- bodies ---------------------------------------------------------------------------------------


def reading(colour: App, log: list[t.Any] | None = None, **config: t.Any) -> t.Any:
    app = make(colour, log, **config)

    @app.post("/async")
    async def read() -> str:
        data = request.get_data()
        return str(len(data if app.plain else await t.cast(t.Any, data)))

    @app.post("/sync")
    def read_sync() -> str:
        if app.plain:
            return str(len(request.get_data()))
        return str(len(app.async_to_sync(request.get_data)()))

    return app


@pytest.mark.parametrize("path", ["/async", "/sync"])
async def test_a_body_over_the_limit_is_refused_while_it_arrives(colour: App, path: str) -> None:
    log: list[t.Any] = []
    app = reading(colour, log, MAX_CONTENT_LENGTH=10)
    async with HttpPeer(app, path, "POST", body=None) as peer:
        peer.say(b"x" * 8)
        peer.say(b"x" * 8)
        await peer.until(2)
    assert peer.status == 413 and log[0].startswith("teardown")


@pytest.mark.parametrize("path", ["/async", "/sync"])
async def test_a_slow_body(colour: App, path: str) -> None:
    app = reading(colour, BODY_TIMEOUT=0.5)
    async with HttpPeer(app, path, "POST", body=None) as peer:
        for _ in range(10):
            peer.say(b"x")
            await asyncio.sleep(0.06)
        peer.say(b"", more=False)
        await peer.until(2)
    assert (peer.status, peer.body) == (200, b"10")


@pytest.mark.parametrize("path", ["/async", "/sync"])
async def test_a_body_that_never_comes(colour: App, path: str) -> None:
    log: list[t.Any] = []
    app = reading(colour, log, BODY_TIMEOUT=0.1)
    async with HttpPeer(app, path, "POST", body=None) as peer:
        peer.say(b"x")
        await peer.until(2)
    assert peer.status == 408 and log[0].startswith("teardown")


@pytest.mark.parametrize("path", ["/async", "/sync"])
async def test_leaving_amid_the_body(
    colour: App, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    log: list[t.Any] = []
    app = reading(colour, log)
    async with HttpPeer(app, path, "POST", body=None) as peer:
        peer.say(b"x")
        await asyncio.sleep(0.03)
        peer.leave()
        await within(2, peer.ended())
    assert len(log) == 1 and not caplog.records and peer.error is None


# --- contexts -------------------------------------------------------------------------------------

tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="nobody")


@pytest.mark.parametrize("decorate", LANES, ids=["loop", "thread"])
async def test_two_requests_in_one_task_share_no_context(colour: App, decorate: t.Any) -> None:
    app = make(colour)

    @app.route("/<name>")
    @decorate
    async def view(name: str) -> str:
        before = f"{tenant.get()} {g.get('name')}"
        tenant.set(name)
        g.name = name
        await asyncio.sleep(0)
        return f"{before} {tenant.get()}"

    bodies: list[bytes] = []

    async def twice() -> None:
        for name in "ab":
            peer = HttpPeer(app, f"/{name}")
            await app(peer.scope, peer._receive, peer._send)
            bodies.append(peer.body)
        assert tenant.get() == "nobody"

    await within(5, asyncio.create_task(twice()))
    assert bodies == [b"nobody None a", b"nobody None b"]


async def test_a_task_that_the_view_starts_keeps_its_context(colour: App) -> None:
    app = make(colour)
    seen: list[str] = []
    tasks: list[asyncio.Task[None]] = []

    async def later() -> None:
        await asyncio.sleep(0.02)
        seen.append(f"{request.path} {tenant.get()}")

    @app.route("/")
    async def view() -> str:
        tenant.set("ada")
        tasks.append(asyncio.create_task(later()))
        after_this_request(lambda response: response)
        return "ok"

    peer = HttpPeer(app)
    await app(peer.scope, peer._receive, peer._send)
    await tasks[0]
    assert seen == ["/ ada"]


# --- idle responses -------------------------------------------------------------------------------


def ticking(colour: App, **config: t.Any) -> t.Any:
    app = make(colour, **config)

    def wait_of() -> float:
        return float(request.args.get("wait", 0))

    @app.route("/async")
    async def tick() -> t.Any:
        async def chunks(wait: float) -> t.AsyncIterator[bytes]:
            for _ in range(5):
                yield b"."
                await asyncio.sleep(wait)

        response = app.make_response((chunks(wait_of()), 200))
        if not app.plain:
            response = await response
        if "own" in request.args:
            response.timeout = float(request.args["own"]) or None
        return response

    @app.route("/sync")
    def tick_sync() -> t.Any:
        def chunks(wait: float) -> t.Iterator[bytes]:
            for _ in range(5):
                yield b"."
                time.sleep(wait)

        return chunks(wait_of())

    @app.route("/large")
    async def large() -> bytes:
        return b"x" * 1_000_000

    return app


@pytest.mark.parametrize("path", ["/async", "/sync"])
async def test_a_response_that_stalls_is_given_up(
    colour: App, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = ticking(colour, RESPONSE_TIMEOUT=0.1)
    async with HttpPeer(app, f"{path}?wait=0.4") as peer:
        await within(2, peer.ended())
    assert peer.types == ["start", "body"] and peer.sent[-1]["more_body"] and peer.error is None
    name = "tick" if path == "/async" else "tick_sync"
    assert [record.getMessage() for record in caplog.records] == [
        f"The response of view '{name}' [GET {path}] was given up: nothing of it was sent for"
        " 0.1 seconds (RESPONSE_TIMEOUT, response.timeout)"
    ]


@pytest.mark.parametrize("path", ["/async", "/sync", "/large"])
async def test_a_client_that_stops_reading_is_given_up(
    colour: App, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = ticking(colour, RESPONSE_TIMEOUT=0.1)
    async with HttpPeer(app, path) as peer:
        peer.takes.clear()
        await within(2, peer.ended())
    assert peer.error is None and "was given up" in caplog.text


@pytest.mark.parametrize("path", ["/async", "/sync"])
async def test_a_slow_response_is_no_idle_one(
    colour: App, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = ticking(colour, RESPONSE_TIMEOUT=0.2)
    async with HttpPeer(app, f"{path}?wait=0.08") as peer:
        await within(5, peer.ended())
    assert peer.body == b"....." and not caplog.records


@pytest.mark.parametrize(("own", "body"), [("0", b"....."), ("0.05", b".")])
async def test_a_response_has_a_timeout_of_its_own(colour: App, own: str, body: bytes) -> None:
    app = ticking(colour, RESPONSE_TIMEOUT=0.1)
    async with HttpPeer(app, f"/async?wait=0.15&own={own}") as peer:
        await within(5, peer.ended())
    assert peer.body == body


async def test_one_timer_serves_any_number_of_chunks(
    colour: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make(colour)
    timers: list[float] = []
    loop = asyncio.get_running_loop()
    call_later = loop.call_later

    def counted(when: float, *args: t.Any, **kwargs: t.Any) -> t.Any:
        timers.append(when)
        return call_later(when, *args, **kwargs)

    @app.route("/")
    async def view() -> t.Any:
        async def chunks() -> t.AsyncIterator[bytes]:
            for _ in range(100):
                await asyncio.sleep(0)
                yield b"."

        return chunks()

    peer = HttpPeer(app)
    monkeypatch.setattr(loop, "call_later", counted)
    await app(peer.scope, peer._receive, peer._send)
    assert peer.body == b"." * 100 and len(timers) == 1


# --- through a WSGI middleware --------------------------------------------------------------------


def behind_wsgi(log: list[t.Any] | None = None, **config: t.Any) -> t.Any:
    app = make(quartish.Flask, log, **config)
    inner = app.wsgi_app
    app.wsgi_app = lambda environ, start_response: inner(environ, start_response)
    return app


async def test_behind_wsgi_middleware_an_async_view_is_cancelled_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log: list[t.Any] = []
    app = behind_wsgi(log)
    entered = asyncio.Event()

    @app.route("/")
    async def view() -> str:
        entered.set()
        await asyncio.sleep(60)
        return "never"

    async with HttpPeer(app) as peer:
        await within(5, entered.wait())
        peer.leave()
        await within(2, peer.ended())
    assert log == ["teardown CancelledError"] and peer.error is None and not caplog.records


async def test_behind_wsgi_middleware_a_stream_ends_with_its_client(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log: list[t.Any] = []
    app = behind_wsgi(log)

    @app.route("/")
    def view() -> t.Any:
        @stream_with_context
        def chunks() -> t.Iterator[bytes]:
            try:
                while True:
                    yield b"tick"
                    time.sleep(0.01)
            finally:
                log.append("closed")

        return chunks()

    async with HttpPeer(app) as peer:
        await peer.until(2)
        peer.leave()
        await within(2, peer.ended())
    assert log == ["closed", "teardown NoneType"] and peer.error is None and not caplog.records


async def test_behind_wsgi_middleware_a_stalled_response_is_given_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = behind_wsgi(RESPONSE_TIMEOUT=0.1)

    @app.route("/")
    def view() -> t.Any:
        return (b"." for _ in range(5))

    async with HttpPeer(app) as peer:
        peer.takes.clear()
        await within(2, peer.ended())
    assert peer.error is None
    assert [record.getMessage() for record in caplog.records] == [
        "The response to [GET /] was given up: nothing of it was sent for 0.1 seconds"
        " (RESPONSE_TIMEOUT)"
    ]
