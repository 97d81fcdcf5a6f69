"""Websockets in an app: the handshake, the hooks around the handler, the end from each side."""

from __future__ import annotations

import asyncio
import threading
import time
import typing as t

import pytest

from quartish import abort
from quartish import Blueprint
from quartish import copy_current_websocket_context
from quartish import g
from quartish import session
from quartish import websocket
from quartish.signals import got_websocket_exception
from quartish.wrappers.websocket import WebSocketDisconnect
from tests._scripted import Peer
from tests._scripted import WebsocketPeer

App = type[t.Any]


def make(colour: App, **config: t.Any) -> t.Any:
    app = colour("app")
    app.secret_key = "k"
    app.config.update(config)
    return app


async def no_more_than(seconds: float, awaitable: t.Awaitable[t.Any]) -> t.Any:
    async with asyncio.timeout(seconds):
        return await awaitable


# --- talking --------------------------------------------------------------------------------------


async def test_text_bytes_and_json(colour: App) -> None:
    app = make(colour)

    @app.websocket("/<name>")
    async def talk(name: str) -> None:
        await websocket.send(name)
        await websocket.send(await websocket.receive())
        await websocket.send(await websocket.receive())
        await websocket.send_json(got=await websocket.receive_json())

    async with WebsocketPeer(app, "/ada") as peer:
        peer.say("é", b"\0", '{"a": [1]}')
        await peer.ended()
        assert peer.said == ["ada", "é", b"\0", '{"got": {"a": [1]}}']
    assert peer.types[0] == "accept" and peer.code == 1000


async def test_the_empty_message_is_one(colour: App) -> None:
    app = make(colour)

    @app.websocket("/")
    async def echo() -> None:
        async for message in websocket:
            await websocket.send(message)

    async with WebsocketPeer(app) as peer:
        peer.say(b"", "", "x")
        await peer.until(4)
        peer.leave()
    assert peer.said == [b"", "", "x"]


async def test_accept_with_headers_and_subprotocol(colour: App) -> None:
    app = make(colour)

    @app.websocket("/")
    async def choose() -> None:
        offered = websocket.requested_subprotocols
        await websocket.accept(headers={"X-Room": "é"}, subprotocol=offered[-1])

    async with WebsocketPeer(app, subprotocols=["v1", "v2"]) as peer:
        accepted = await peer.until(1)
    assert accepted["subprotocol"] == "v2" and accepted["headers"] == [(b"x-room", b"\xe9")]


async def test_close_with_code_and_reason(colour: App) -> None:
    app = make(colour)

    @app.websocket("/")
    async def leave() -> None:
        await websocket.accept()
        await websocket.close(4000, "enough")

    async with WebsocketPeer(app) as peer:
        await peer.until(2)
    assert peer.sent[1:] == [{"type": "websocket.close", "code": 4000, "reason": "enough"}]


async def test_two_in_one_task_share_no_context(colour: App) -> None:
    app = make(colour)

    @app.websocket("/<name>")
    async def keep(name: str) -> None:
        await websocket.send_json(session.get("a"), g.get("name"))
        g.name = name

    sent: list[t.Any] = []

    async def both() -> None:
        for name in "ab":
            peer = WebsocketPeer(app, f"/{name}")
            await app(peer.scope, peer._receive, peer._send)
            sent.extend(peer.said)

    await no_more_than(5, asyncio.create_task(both()))
    assert sent == ["[null, null]"] * 2


# --- rejecting ------------------------------------------------------------------------------------


def rejecting(colour: App) -> t.Any:
    app = make(colour)

    @app.before_websocket
    async def guard() -> t.Any:
        if websocket.path == "/guarded":
            return {"error": "not yours"}, 403, {"X-Why": "guard"}
        return None

    @app.websocket("/guarded")
    @app.websocket("/open")
    async def never() -> None:
        await websocket.accept()

    @app.websocket("/returned")
    async def returned() -> t.Any:
        return "teapot", 418

    @app.websocket("/aborted")
    async def aborted() -> None:
        abort(401)

    @app.websocket("/handled")
    async def handled() -> None:
        raise LookupError("no such room")

    @app.websocket("/closed")
    async def closed() -> None:
        await websocket.close(4403)

    @app.websocket("/streamed")
    async def streamed() -> t.Any:
        async def chunks() -> t.AsyncIterator[str]:
            yield "a"
            yield "b"

        return chunks(), 409

    @app.websocket("/listed")
    async def listed() -> t.Any:
        return (chunk for chunk in ["a", "b"]), 409

    @app.websocket("/slash/")
    async def slash() -> None: ...

    @app.route("/page")
    async def page() -> str:
        return "page"

    @app.errorhandler(LookupError)
    async def lookup(error: LookupError) -> t.Any:
        return str(error), 404

    return app


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/guarded", 403, b'"not yours"'),
        ("/returned", 418, b"teapot"),
        ("/aborted", 401, b"Unauthorized"),
        ("/handled", 404, b"no such room"),
        ("/streamed", 409, b"ab"),
        ("/listed", 409, b"ab"),
        ("/nowhere", 404, b"Not Found"),
        ("/slash", 308, b"Redirecting"),
        ("/page", 400, b"Bad Request"),
    ],
)
async def test_rejecting(colour: App, path: str, status: int, body: bytes) -> None:
    async with WebsocketPeer(rejecting(colour), path) as peer:
        start = await peer.until(1)
        await peer.until(2)
    assert start["type"] == "websocket.http.response.start" and start["status"] == status
    assert body in b"".join(message["body"] for message in peer.sent[1:])
    assert not peer.sent[-1].get("more_body", False)
    if path == "/guarded":
        assert (b"x-why", b"guard") in start["headers"]


@pytest.mark.parametrize("path", ["/guarded", "/aborted", "/nowhere", "/streamed"])
async def test_rejecting_where_the_server_cannot_send_a_response(colour: App, path: str) -> None:
    async with WebsocketPeer(rejecting(colour), path, rejects=False) as peer:
        await peer.until(1)
    assert peer.types == ["close"]


async def test_rejecting_by_close(colour: App) -> None:
    async with WebsocketPeer(rejecting(colour), "/closed") as peer:
        await peer.until(1)
    assert peer.types == ["close"] and peer.code == 4403


async def test_origins(colour: App) -> None:
    app = rejecting(colour)
    app.config["WEBSOCKET_ORIGINS"] = ["https://here.example"]
    async with WebsocketPeer(app, "/open", origin="https://here.example") as peer:
        await peer.until(1)
    assert peer.types[0] == "accept"
    for headers in ({"origin": "https://there.example"}, {}):
        async with WebsocketPeer(app, "/open", **headers) as peer:  # type: ignore[arg-type]
            await peer.until(2)
        assert peer.sent[0]["status"] == 403 and b"origin" in peer.sent[1]["body"]


# --- hooks ----------------------------------------------------------------------------------------


def hooked(colour: App, log: list[t.Any], sync: bool = False) -> t.Any:
    """Make an app whose hooks write down that they ran; each may be a `def`."""
    app = make(colour)

    def note(name: str, *args: t.Any) -> t.Callable[..., t.Any]:
        async def hook(*args: t.Any) -> None:
            await asyncio.sleep(0)
            log.append((name, *args))

        return (lambda *args: log.append((name, *args))) if sync else hook

    app.url_value_preprocessor(lambda endpoint, args: log.append((endpoint, dict(args or {}))))
    app.before_websocket(note("before"))
    app.after_websocket(note("after"))
    app.teardown_websocket(note("teardown"))
    return app


@pytest.mark.parametrize("sync", [False, True])
async def test_hooks_run_in_order(colour: App, sync: bool) -> None:
    log: list[t.Any] = []
    app = hooked(colour, log, sync)
    blueprint = Blueprint("bp", __name__, url_prefix="/bp")
    blueprint.before_websocket(lambda: log.append("bp before"))
    blueprint.after_websocket(lambda response: log.append("bp after"))
    blueprint.teardown_websocket(lambda exc: log.append("bp teardown"))

    @blueprint.websocket("/<int:n>")
    async def view(n: int) -> None:
        log.append("view")
        await websocket.accept()

    app.register_blueprint(blueprint)
    async with WebsocketPeer(app, "/bp/1") as peer:
        await peer.until(2)
    assert log == [
        ("bp.view", {"n": 1}),
        ("before",),
        "bp before",
        "view",
        "bp after",
        ("after", None),
        "bp teardown",
        ("teardown", None),
    ]


ENDINGS = ["error", "abort", "receiving", "sending", "waiting", "shutdown"]


@pytest.mark.parametrize("how", ENDINGS)
@pytest.mark.parametrize("sync", [False, True])
async def test_hooks_run_however_it_ends(
    colour: App, how: str, sync: bool, caplog: pytest.LogCaptureFixture
) -> None:
    log: list[t.Any] = []
    app = hooked(colour, log, sync)
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.websocket("/")
    async def view() -> None:
        await websocket.send("hello")
        if how == "error":
            raise LookupError
        if how == "abort":
            abort(403)
        while how == "receiving":
            await websocket.receive()
        while how == "sending":
            await websocket.send("more")
            await asyncio.sleep(0.01)
        await asyncio.sleep(60)

    async with WebsocketPeer(app) as peer:
        await peer.until(2)
        if how == "shutdown":
            await app.shutdown()
        elif how not in ("error", "abort"):
            peer.leave(1001)
    names = [entry[0] for entry in log]
    assert names == ["view", "before", "after", "teardown"]
    assert [record.levelname for record in caplog.records] == ["ERROR"] * (how == "error")
    codes = {"error": 1011, "abort": 1000, "shutdown": 1012}
    assert peer.code == codes.get(how) and peer.error is None


async def test_a_before_function_ends_it_and_the_rest_runs(colour: App) -> None:
    log: list[t.Any] = []
    app = hooked(colour, log)
    app.before_websocket(lambda: ("no", 403))

    @app.websocket("/")
    async def view() -> None:
        log.append("view")

    async with WebsocketPeer(app) as peer:
        await peer.until(2)
    assert [entry[0] for entry in log] == ["view", "before", "after", "teardown"]
    assert log[2][1].status_code == 403


# --- errors ---------------------------------------------------------------------------------------


async def test_an_error_closes_with_1011_and_is_logged(
    colour: App, caplog: pytest.LogCaptureFixture
) -> None:
    app = make(colour)
    seen: list[BaseException] = []

    @app.websocket("/")
    async def view() -> None:
        await websocket.accept()
        raise LookupError("broken")

    def receiver(sender: t.Any, exception: BaseException, **_: t.Any) -> None:
        seen.append(exception)

    with got_websocket_exception.connected_to(receiver, app):
        async with WebsocketPeer(app) as peer:
            await peer.until(2)
    assert peer.code == 1011 and peer.error is None
    assert "Exception on / [GET]" in caplog.text and "LookupError: broken" in caplog.text
    assert [repr(error) for error in seen] == ["LookupError('broken')"]


async def test_an_error_before_the_handshake_is_a_500(colour: App) -> None:
    app = make(colour)

    @app.websocket("/")
    async def view() -> None:
        raise LookupError("broken")

    async with WebsocketPeer(app) as peer:
        start = await peer.until(1)
    assert start["status"] == 500


async def test_an_error_handler_ends_it_well(colour: App, caplog: pytest.LogCaptureFixture) -> None:
    app = make(colour)

    @app.websocket("/")
    async def view() -> None:
        await websocket.accept()
        raise LookupError("broken")

    @app.errorhandler(LookupError)
    async def handle(error: LookupError) -> None:
        await websocket.send(str(error))

    async with WebsocketPeer(app) as peer:
        await peer.until(3)
    assert peer.said == ["broken"] and peer.code == 1000 and not caplog.records


async def test_an_error_in_testing_is_raised_to_the_server(
    colour: App, caplog: pytest.LogCaptureFixture
) -> None:
    """In the awaitable colour it is logged, as in debug mode."""
    app = make(colour, TESTING=True)

    @app.websocket("/")
    async def view() -> None:
        await websocket.accept()
        raise LookupError("broken")

    async with WebsocketPeer(app) as peer:
        await peer.ended()
    assert peer.code == 1011
    logged = [record.exc_info for record in caplog.records]
    error = peer.error if colour.plain else logged[0][1]  # type: ignore[index]
    assert isinstance(error, LookupError) and len(logged) == (not colour.plain)


async def test_bad_json_is_the_clients_mistake(colour: App) -> None:
    app = make(colour)

    @app.websocket("/")
    async def view() -> None:
        try:
            await websocket.receive_json()
        except ValueError:
            await websocket.close(1007, "not JSON")

    async with WebsocketPeer(app) as peer:
        peer.say("{")
        await peer.until(2)
    assert peer.code == 1007


# --- the client leaves ----------------------------------------------------------------------------


async def test_messages_are_received_though_the_process_stood_still(colour: App) -> None:
    """The handler had no turn in the moment that it has for the next one."""
    app, log = colour("still"), []

    @app.websocket("/")
    async def handler() -> None:
        while True:
            log.append(await websocket.receive())
            if log == ["0"]:
                asyncio.get_running_loop().call_later(0.005, time.sleep, 0.15)
            await asyncio.sleep(0.01)

    async with WebsocketPeer(app) as peer:
        peer.say("0", "1", "2")
        peer.leave()
        await peer.ended()
    assert log == ["0", "1", "2"]


async def test_every_message_before_the_disconnect_is_received(colour: App) -> None:
    app = make(colour)
    got: list[t.Any] = []
    ends: list[WebSocketDisconnect] = []

    @app.websocket("/")
    async def slow() -> None:
        try:
            while True:
                got.append(await websocket.receive())
                await asyncio.sleep(0.002)
        except WebSocketDisconnect as error:
            ends.append(error)
            raise

    async with WebsocketPeer(app) as peer:
        peer.say(*map(str, range(50)))
        peer.leave(4001, "home")
        await peer.ended()
    assert got == [str(n) for n in range(50)]
    assert [(end.code, end.reason) for end in ends] == [(4001, "home")]


async def test_send_tells_of_the_disconnect_after_the_messages(colour: App) -> None:
    app = make(colour)
    got: list[t.Any] = []

    @app.websocket("/")
    async def answer() -> None:
        while True:
            got.append(await websocket.receive())
            await asyncio.sleep(0.005)  # meanwhile the client leaves
            try:
                await websocket.send("ok")
            except WebSocketDisconnect as error:
                got.append(error.code)
                raise

    async with WebsocketPeer(app) as peer:
        peer.say("a", "b", "c")
        peer.leave(1001)
        await peer.ended()
    assert got == ["a", "b", "c", 1001]


async def test_who_only_sends_is_cancelled(colour: App) -> None:
    app = make(colour)
    ends: list[str] = []

    @app.websocket("/")
    async def tick() -> None:
        try:
            while True:
                await websocket.send("tick")
                await asyncio.sleep(0.02)
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    async with WebsocketPeer(app) as peer:
        await peer.until(3)
        peer.leave(1001)
        await no_more_than(0.5, peer.ended())
    assert ends == ["cancelled"] and peer.error is None


async def test_who_neither_reads_nor_sends_is_cancelled(colour: App) -> None:
    app = make(colour)
    ends: list[str] = []

    @app.websocket("/")
    async def sleep() -> None:
        await websocket.accept()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    async with WebsocketPeer(app) as peer:
        await peer.until(1)
        peer.leave()
        await no_more_than(0.5, peer.ended())
    assert ends == ["cancelled"] and peer.error is None


async def test_who_has_stopped_reading_is_cancelled_after_a_grace(colour: App) -> None:
    app = make(colour, DISCONNECT_GRACE=0.1)
    got: list[t.Any] = []

    @app.websocket("/")
    async def once() -> None:
        got.append(await websocket.receive())
        await asyncio.sleep(60)

    async with WebsocketPeer(app) as peer:
        peer.say("a", "b")
        peer.leave()
        await no_more_than(2, peer.ended())
    assert got == ["a"] and peer.error is None


async def test_a_cancellation_that_was_swallowed_leaves_no_trace(colour: App) -> None:
    app = make(colour)

    @app.websocket("/")
    async def stubborn() -> None:
        await websocket.accept()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass

    counts: list[int] = []

    async def call(*asgi: t.Any) -> None:
        await app(*asgi)
        task = asyncio.current_task()
        assert task is not None
        counts.append(task.cancelling())

    async with WebsocketPeer(call) as peer:
        await peer.until(1)
        peer.leave()
    assert counts == [0]


async def test_the_server_cancels(colour: App) -> None:
    log: list[t.Any] = []
    app = hooked(colour, log)

    @app.websocket("/")
    async def view() -> None:
        await websocket.receive()

    async with WebsocketPeer(app) as peer:
        await peer.until(1)
        peer.task.cancel()
        await peer.ended()
    assert isinstance(peer.error, asyncio.CancelledError)
    assert log[-1][0] == "teardown" and isinstance(log[-1][1], asyncio.CancelledError)


async def test_a_slow_view_bounds_what_is_read_ahead(colour: App) -> None:
    app = make(colour)
    go = asyncio.Event()
    got: list[t.Any] = []

    @app.websocket("/")
    async def slow() -> None:
        await websocket.accept()
        await go.wait()
        async for message in websocket:
            got.append(message)

    async with WebsocketPeer(app) as peer:
        messages = [str(n) * 10_000 for n in range(100)]
        peer.say(*messages)
        await peer.until(1)
        await asyncio.sleep(0.05)
        assert 16 < peer.received < 60
        go.set()
        peer.leave()
    assert got == messages


async def test_who_waits_with_the_close_is_read_on(colour: App) -> None:
    """As Hypercorn, which takes nothing more while what it has received is not asked for."""
    app = make(colour)

    @app.websocket("/<path:lane>")
    async def loop(lane: str) -> None:
        await websocket.receive()

    @app.websocket("/thread")
    def thread() -> None:
        websocket.receive()

    for path in ("/loop", "/thread"):
        async with WebsocketPeer(app, path) as peer:
            await peer.until(1)
            peer.takes.clear()
            peer.say(*"abcd")
            async with asyncio.timeout(5):
                while peer.received < 5:
                    await asyncio.sleep(0)
            peer.takes.set()
        assert peer.types == ["accept", "close"] and peer.error is None


# --- other tasks ----------------------------------------------------------------------------------


async def test_a_reader_task_and_a_writer_task(colour: App) -> None:
    app = make(colour)

    @app.websocket("/<name>")
    async def both(name: str) -> None:
        queue: asyncio.Queue[t.Any] = asyncio.Queue()

        async def read() -> None:
            async for message in websocket:
                queue.put_nowait(message)
            queue.put_nowait(None)

        async def write() -> None:
            while (message := await queue.get()) is not None:
                await websocket.send(f"{name}: {message}")

        async with asyncio.TaskGroup() as group:
            group.create_task(read())
            group.create_task(write())

    async with WebsocketPeer(app, "/ada") as peer:
        peer.say(*map(str, range(40)))
        await peer.until(41)
        peer.leave()
    assert peer.said == [f"ada: {n}" for n in range(40)]


@pytest.mark.parametrize("broken", [False, True])
async def test_tasks_of_a_group_that_are_told_of_the_disconnect(
    colour: App, broken: bool, caplog: pytest.LogCaptureFixture
) -> None:
    log: list[t.Any] = []
    app = hooked(colour, log)

    @app.websocket("/")
    async def view() -> None:
        async def read() -> None:
            while True:
                await websocket.receive()

        async def write() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                if broken:
                    raise LookupError
                await websocket.send("x")

        async with asyncio.TaskGroup() as group:
            group.create_task(read())
            group.create_task(write())

    async with WebsocketPeer(app) as peer:
        await peer.until(1)
        peer.leave()
    assert [entry[0] for entry in log] == ["view", "before", "after", "teardown"]
    assert bool(caplog.records) is broken


async def test_a_disconnect_is_seen_when_another_task_read(colour: App) -> None:
    """The handler itself waits once; nobody but a task of its reads, and it stops."""
    app = make(colour, DISCONNECT_GRACE=0.1)

    @app.websocket("/")
    async def view() -> None:
        async def read() -> None:
            for _ in range(20):
                await websocket.receive()
            await websocket.send("done")
            await asyncio.sleep(60)

        async with asyncio.TaskGroup() as group:
            group.create_task(read())

    async with WebsocketPeer(app) as peer:
        for n in range(20):
            peer.say(str(n))
            await asyncio.sleep(0)
        await peer.until(2)
        peer.leave()
        await no_more_than(3, peer.ended())


async def test_waiting_with_a_timeout_loses_no_message(colour: App) -> None:
    app = make(colour)
    got: list[t.Any] = []

    @app.websocket("/")
    async def view() -> None:
        while len(got) < 20:
            try:
                got.append(await asyncio.wait_for(websocket.receive(), 0.001))
            except TimeoutError:
                continue

    async with WebsocketPeer(app) as peer:
        for n in range(20):
            peer.say(str(n))
            await asyncio.sleep(0.0011)
        await peer.ended()
    assert got == [str(n) for n in range(20)]


async def test_copy_current_websocket_context(colour: App) -> None:
    app = make(colour)
    teardowns: list[t.Any] = []
    app.teardown_websocket(teardowns.append)

    @app.websocket("/<name>")
    async def view(name: str) -> None:
        @copy_current_websocket_context
        async def work() -> None:
            await websocket.send(f"{websocket.view_args} of {name}")

        @copy_current_websocket_context
        def path() -> str:
            return websocket.path

        await asyncio.get_running_loop().create_task(work(), context=t.cast(t.Any, _empty()))
        if app.plain:
            await websocket.send(await asyncio.to_thread(_empty().run, path))
        else:  # as in Quart
            loop, func = asyncio.get_running_loop(), t.cast(t.Any, path)
            await websocket.send(await loop.create_task(func(), context=_empty()))

    async with WebsocketPeer(app, "/ada") as peer:
        await peer.ended()
    assert peer.said == ["{'name': 'ada'} of ada", "/ada"] and peer.error is None


def _empty() -> t.Any:
    from contextvars import Context

    return Context()


def test_copy_current_websocket_context_needs_one() -> None:
    with pytest.raises(RuntimeError, match="websocket context"):
        copy_current_websocket_context(lambda: None)


# --- handlers that are no coroutines --------------------------------------------------------------


async def test_a_def_handler_runs_in_a_thread_and_waits_there(colour: App) -> None:
    app = make(colour)
    threads: list[int] = []
    app.teardown_websocket(lambda exc: threads.append(threading.get_ident()))

    @app.websocket("/")
    def echo() -> None:
        threads.append(threading.get_ident())
        websocket.accept(subprotocol="v1")
        for message in websocket:
            websocket.send(message)

    async with WebsocketPeer(app) as peer:
        peer.say("a", b"b")
        await peer.until(3)
        peer.leave()
    assert peer.said == ["a", b"b"] and peer.sent[0]["subprotocol"] == "v1"
    assert len(set(threads)) == 1 and threads[0] != threading.get_ident()


async def test_every_message_is_received_in_a_thread_too(colour: App) -> None:
    app = make(colour)
    got: list[t.Any] = []

    @app.websocket("/")
    def slow() -> None:
        try:
            while True:
                got.append(websocket.receive())
        except WebSocketDisconnect as error:
            got.append(error.code)
            raise

    async with WebsocketPeer(app) as peer:
        peer.say(*map(str, range(50)))
        peer.leave(1001)
        await peer.ended()
    assert got == [*map(str, range(50)), 1001] and peer.error is None


async def test_a_thread_that_waits_is_let_go_at_shutdown(colour: App) -> None:
    app = make(colour)
    ends: list[t.Any] = []
    app.after_websocket(lambda response: ends.append("after"))

    @app.teardown_websocket
    async def teardown(exc: t.Any) -> None:
        await asyncio.sleep(0)
        ends.append("teardown")

    @app.websocket("/")
    def wait() -> None:
        websocket.receive()

    async with WebsocketPeer(app) as peer:
        await peer.until(1)
        await app.shutdown()
        await peer.ended()
    assert peer.code == 1012 and ends == ["after", "teardown"]


async def test_an_error_in_a_thread_closes_with_1011(colour: App) -> None:
    app = make(colour)

    @app.websocket("/")
    def view() -> None:
        websocket.accept()
        raise LookupError

    async with WebsocketPeer(app) as peer:
        await peer.until(2)
    assert peer.code == 1011


async def test_a_loop_over_messages_without_async_says_so(colour: App) -> None:
    app = make(colour, PROPAGATE_EXCEPTIONS=True)

    @app.websocket("/")
    async def view() -> None:
        for _ in websocket:
            pass

    async with WebsocketPeer(app) as peer:
        await peer.ended()
    assert isinstance(peer.error, TypeError) and "async for" in str(peer.error)


# --- the end from our side ------------------------------------------------------------------------


async def test_shutdown_closes_with_1012(colour: App) -> None:
    app = make(colour)

    @app.websocket("/")
    async def view() -> None:
        async for _ in websocket:
            pass
        await websocket.send("never")

    async with app.test_app(), WebsocketPeer(app) as first, WebsocketPeer(app) as second:
        first.say("a")
        await asyncio.gather(first.until(1), second.until(1))
        closing = asyncio.create_task(app.shutdown())
        await asyncio.gather(first.ended(), second.ended())
        await closing
    assert first.code == second.code == 1012
    assert not app.websockets


async def test_a_session_is_read_and_not_written(
    colour: App, caplog: pytest.LogCaptureFixture
) -> None:
    app = make(colour)

    @app.websocket("/")
    async def view() -> None:
        await websocket.send(str(session.get("a")))
        session["a"] = 1

    async with WebsocketPeer(app) as peer:
        await peer.ended()
    assert peer.said == ["None"] and peer.code == 1000
    assert "session was modified while a websocket" in caplog.text


async def test_a_peer_fails_the_test_that_leaves_tasks() -> None:
    async def leaks(scope: t.Any, receive: t.Any, send: t.Any) -> None:
        tasks.append(asyncio.create_task(asyncio.sleep(60)))

    tasks: list[asyncio.Task[None]] = []
    with pytest.raises(AssertionError, match="outlived"):
        async with Peer(leaks, {}):
            pass
    tasks[0].cancel()


# --- ends that are several things at once --------------------------------------------------------


@pytest.mark.parametrize("beside", ["nothing", "an error", "an interrupt"])
async def test_a_group_of_what_ended_its_tasks(
    colour: App, beside: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The client that left counts for nothing; an error beside it is one."""
    app, seen = make(colour), list[t.Any]()
    app.teardown_websocket(lambda error: seen.append(type(error)))
    others: dict[str, list[BaseException]] = {
        "an error": [LookupError("beside it")],
        "an interrupt": [SystemExit("beside it")],
    }

    @app.websocket("/")
    async def handle() -> None:
        try:
            while True:
                await websocket.receive()
        except WebSocketDisconnect as error:
            raise BaseExceptionGroup("both", [error, *others.get(beside, [])]) from None

    async with WebsocketPeer(app) as peer:
        peer.say("one")
        peer.leave()
        await peer.ended()
    if beside == "an interrupt":
        assert isinstance(peer.error, BaseExceptionGroup) and seen == [BaseExceptionGroup]
    else:
        assert peer.error is None and len(seen) == 1
    assert ("beside it" in caplog.text) == (beside == "an error")


@pytest.mark.parametrize("handled", [False, True])
async def test_an_after_function_that_fails(
    colour: App, handled: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """After an error nobody takes it: the log has both."""
    app = make(colour)

    @app.websocket("/")
    async def handle() -> None:
        await websocket.accept()
        if handled:
            raise LookupError("first")

    @app.after_websocket
    def after(response: t.Any) -> t.Any:
        raise ValueError("the after function's")

    async with WebsocketPeer(app) as peer:
        await peer.ended()
    assert peer.error is None and peer.code == 1011
    assert "the after function's" in caplog.text
    assert ("LookupError: first" in caplog.text) == handled
    said = "finalizing failed with an error while handling an error"
    assert said in caplog.text
