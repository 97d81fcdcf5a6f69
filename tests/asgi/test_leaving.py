"""A client leaves a websocket, or a request: the handler is cancelled wherever it waits, whoever
of its tasks receives, whatever it catches; nobody else has to wait, and nothing stays.

The handlers are put together of parts, and played with scripted peers. Those that end by
themselves are played on real Quart too: the same parts of them run there.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import sys
import time
import tracemalloc
import typing as t
import weakref
from functools import partial

import pytest
import quart

import quartish
from quartish import websocket
from quartish._concurrency.coroutines import from_thread
from quartish._concurrency.giving_up import keep
from quartish._concurrency.watch import SERVER_STOPS
from quartish.quart.utils import run_sync
from quartish.wrappers.websocket import WebSocketDisconnect
from tests._scripted import HttpPeer
from tests._scripted import WebsocketPeer

App = type[t.Any]


async def never() -> None:
    await asyncio.Event().wait()


# --- where the handler waits --------------------------------------------------------------------
# Each is given the module whose `websocket` it talks over, and a log.


async def in_receive(module: t.Any, log: list[str]) -> None:
    while True:
        await module.websocket.receive()


async def in_sleep(module: t.Any, log: list[str]) -> None:
    await never()


async def between_sends(module: t.Any, log: list[str]) -> None:
    while True:
        await module.websocket.send("tick")
        await asyncio.sleep(0.01)


async def on_a_queue_that_a_task_fills(module: t.Any, log: list[str]) -> None:
    queue: asyncio.Queue[t.Any] = asyncio.Queue()

    async def read() -> None:
        while True:
            queue.put_nowait(await module.websocket.receive())

    task = asyncio.ensure_future(read())
    try:
        while True:
            await queue.get()
    finally:
        log.append("queue")
        task.cancel()
        await asyncio.wait([task])


async def in_gather(module: t.Any, log: list[str]) -> None:
    async def produce() -> None:
        try:
            while True:
                await asyncio.sleep(0.01)
                await module.websocket.send("tick")
        finally:
            log.append("producer")

    async def consume() -> None:
        while True:
            await module.websocket.receive()

    await asyncio.gather(produce(), consume())


async def in_a_group(module: t.Any, log: list[str]) -> None:
    async def produce() -> None:
        try:
            await never()
        finally:
            log.append("producer")

    async def consume() -> None:
        while True:
            await module.websocket.receive()

    async with asyncio.TaskGroup() as group:
        group.create_task(produce())
        group.create_task(consume())


async def in_a_timeout(module: t.Any, log: list[str]) -> None:
    async with asyncio.timeout(60):
        while True:
            await module.websocket.receive()


WAITS = [in_receive, in_sleep, between_sends, on_a_queue_that_a_task_fills]
WAITS += [in_gather, in_a_group, in_a_timeout]


# --- what it does about it ------------------------------------------------------------------------


async def with_finally(wait: t.Any, module: t.Any, log: list[str]) -> None:
    try:
        await wait(module, log)
    finally:
        log.append("finally")


async def with_clean_up(wait: t.Any, module: t.Any, log: list[str]) -> None:
    try:
        await wait(module, log)
    except asyncio.CancelledError:
        await asyncio.sleep(0.01)
        log.append("cleaned up")
        raise


async def with_except_exception(wait: t.Any, module: t.Any, log: list[str]) -> None:
    try:
        await wait(module, log)
    except Exception as error:
        log.append(f"caught {error!r}")


async def swallowing(wait: t.Any, module: t.Any, log: list[str]) -> None:
    try:
        await wait(module, log)
    except asyncio.CancelledError:
        log.append("swallowed")


CATCHES = [with_finally, with_clean_up, with_except_exception, swallowing]
BEFORE = [(), ("a", "b")]


def app_of(app: t.Any, module: t.Any, log: list[str], wait: t.Any, catch: t.Any) -> t.Any:
    @app.websocket("/")
    async def view() -> None:
        await module.websocket.accept()
        await catch(wait, module, log)

    async def teardown(exc: t.Any) -> None:
        log.append("teardown")

    app.teardown_websocket(teardown)
    return app


async def play(app: t.Any, before: tuple[str, ...], rejects: bool = True) -> float:
    """Connect, say something, leave; return how long the app took to end."""
    async with WebsocketPeer(app, rejects=rejects) as peer:
        await peer.until(1)
        peer.say(*before)
        await asyncio.sleep(0.005)
        peer.leave(1001)
        began = time.monotonic()
        await peer.ended()
        assert peer.error is None
        return time.monotonic() - began


@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("catch", CATCHES)
async def test_the_handler_ends_at_once_as_in_quart(
    colour: App, wait: t.Any, catch: t.Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def log_of(app: t.Any, module: t.Any, before: tuple[str, ...]) -> list[str]:
        log: list[str] = []
        assert await play(app_of(app, module, log, wait, catch), before) < 2
        return log

    for before in BEFORE:
        expected = await log_of(quart.Quart("app"), quart, before)
        assert await log_of(colour("app"), quartish, before) == expected
    assert not caplog.records


# --- nothing that is caught keeps the loop --------------------------------------------------------

STUBBORN = [Exception, BaseException, asyncio.CancelledError, WebSocketDisconnect]
CALLS = ["receive", "send"]


@pytest.mark.slow  # `test_stubborn` has less of it, every day
@pytest.mark.parametrize("caught", STUBBORN)
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("in_task", [False, True])
async def test_nothing_that_is_caught_in_a_loop_keeps_the_loop(
    colour: App, caught: t.Any, call: str, in_task: bool
) -> None:
    app = colour("app")
    app.config["DISCONNECT_GRACE"] = 0.1
    rounds = 0
    stop = False

    @app.websocket("/")
    async def view() -> None:
        async def loop() -> None:
            nonlocal rounds
            while not stop and rounds < 100_000:  # who keeps the loop is told by nobody to stop
                try:
                    if call == "receive":
                        await websocket.receive()
                    else:
                        await websocket.send("x")
                        await asyncio.sleep(0)
                except caught:
                    rounds += 1

        await websocket.accept()
        await (asyncio.ensure_future(loop()) if in_task else loop())

    async with WebsocketPeer(app) as peer:
        await peer.until(1)
        peer.leave()
        await asyncio.sleep(0.25)
        stop = True
        await peer.ended()
    assert rounds < 100


# --- messages that nobody reads -------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 100, 40_000, 300_000])
@pytest.mark.parametrize("kind", [str, bytes])
@pytest.mark.parametrize("lane", ["loop", "thread", "task"])
async def test_messages_that_nobody_reads_hide_no_disconnect(
    colour: App, size: int, kind: t.Any, lane: str
) -> None:
    app = colour("app")
    log: list[str] = []

    async def wait() -> None:
        try:
            await never()
        finally:
            log.append("ended")

    if lane == "thread":

        @app.websocket("/")
        def sync_view() -> None:
            websocket.accept()
            from_thread(wait())

    else:

        @app.websocket("/")
        async def view() -> None:
            await websocket.accept()
            await (asyncio.ensure_future(wait()) if lane == "task" else wait())

    async with WebsocketPeer(app) as peer:
        await peer.until(1)
        for n in range(20):
            peer.say("é" * size if kind is str else bytes([n]) * size)
        await asyncio.sleep(0.01)
        peer.leave()
        await peer.ended()
    assert log == ["ended"]


async def test_messages_that_were_read_ahead_are_received_in_order(colour: App) -> None:
    """Some from memory, some from disk; and a receiver that is cancelled loses none of them."""
    app = colour("app")
    messages = ["a", b"b" * 400_000, "é\ud800" * 100_000, b"", "", *map(str, range(1000))] * 3
    got: list[t.Any] = []

    @app.websocket("/")
    async def view() -> None:
        await websocket.accept()
        await asyncio.sleep(0.5)
        while len(got) < len(messages):
            receiving = asyncio.ensure_future(websocket.receive())
            await asyncio.sleep(0)
            receiving.cancel()
            await asyncio.wait([receiving])
            got.append(await websocket.receive() if receiving.cancelled() else receiving.result())
            if len(got) == 2000:
                await asyncio.sleep(0.5)

    async with WebsocketPeer(app) as peer:
        peer.say(*messages[:-7])  # type: ignore[arg-type]
        await asyncio.sleep(0.6)
        peer.say(*messages[-7:])  # type: ignore[arg-type]
        await peer.ended()
    assert got == messages


@pytest.mark.slow
async def test_memory_for_messages_is_bounded(colour: App) -> None:
    """What nobody reads is kept within bounds of bytes, in memory and on disk."""
    app = colour("app")
    sockets: list[t.Any] = []

    @app.websocket("/")
    async def view() -> None:
        await websocket.accept()
        sockets.append(websocket._get_current_object())  # type: ignore[attr-defined]
        await never()

    for data in ("x" * 100_000, ""):
        async with WebsocketPeer(app) as peer:
            peer.say(*[data] * 60_000)
            await peer.until(1)
            await asyncio.sleep(0.1)
            assert peer.received * (len(data) + 500) < 1_500_000
            while (received := peer.received) < 60_000:
                await asyncio.sleep(0.3)
                if peer.received == received:
                    break
            assert peer.received * (len(data) + 500) < 20_000_000
            peer.task.cancel()


async def test_a_full_disk_loses_no_message(colour: App, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: t.Any) -> None:
        raise OSError("No space left on device")

    app = colour("app")
    messages = [bytes([n]) * 100_000 for n in range(30)]
    got: list[t.Any] = []

    @app.websocket("/")
    async def view() -> None:
        await websocket.accept()
        await asyncio.sleep(0.5)
        while len(got) < len(messages):
            got.append(await websocket.receive())

    monkeypatch.setattr("quartish._http.spool._write_all", refuse)
    async with WebsocketPeer(app) as peer:
        peer.say(*messages)
        await peer.ended()
    assert got == messages


# --- the server cancels too -----------------------------------------------------------------------


def pass_through(view: t.Any) -> t.Any:
    """Decorate as a sync decorator does: to the thread lane."""
    return lambda: view()


CONNECTIONS = [HttpPeer, WebsocketPeer]
LANES = [lambda view: view, pass_through]


def cleaning(colour: App, clean_up: t.Any, lane: t.Any, log: list[str], **config: t.Any) -> t.Any:
    """Make an app whose view and handler wait, and then clean up; the teardown cleans up too."""
    app = colour("app")
    app.config.update(config)

    async def view() -> str:
        if quartish.has_websocket_context():
            await websocket.accept()
        log.append("in")
        try:
            await never()
        finally:
            await clean_up()
            log.append("view")
        return ""

    async def teardown(exc: t.Any) -> None:
        await asyncio.sleep(0.05)
        log.append("teardown")

    app.add_url_rule("/", view_func=lane(view), endpoint="view")
    app.add_websocket("/", view_func=lane(view), endpoint="handler")
    app.teardown_request(teardown)
    app.teardown_websocket(teardown)
    return app


async def leave_and_cancel(peer: t.Any, log: list[str]) -> None:
    while log != ["in"]:
        await asyncio.sleep(0.001)
    peer.leave()
    for _ in range(3):
        await asyncio.sleep(0.02)
        peer.task.cancel()
    await peer.ended()


@pytest.mark.parametrize("connection", CONNECTIONS)
@pytest.mark.parametrize("lane", LANES, ids=["loop", "thread"])
@pytest.mark.parametrize("own_timeout", [False, True])
async def test_a_clean_up_is_spared_by_the_server(
    colour: App, connection: t.Any, lane: t.Any, own_timeout: bool
) -> None:
    log: list[str] = []

    async def clean_up() -> None:
        if own_timeout:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.3):
                    await never()
        else:
            await asyncio.sleep(0.3)

    async with connection(cleaning(colour, clean_up, lane, log)) as peer:
        await leave_and_cancel(peer, log)
    assert log == ["in", "view", "teardown"]
    assert isinstance(peer.error, asyncio.CancelledError)


@pytest.mark.parametrize("connection", CONNECTIONS)
@pytest.mark.parametrize("lane", LANES, ids=["loop", "thread"])
async def test_a_clean_up_is_spared_for_a_time(colour: App, connection: t.Any, lane: t.Any) -> None:
    log: list[str] = []
    async with connection(cleaning(colour, never, lane, log, DISCONNECT_GRACE=0.2)) as peer:
        await leave_and_cancel(peer, log)
    assert log == ["in", "teardown"]
    assert isinstance(peer.error, asyncio.CancelledError)


# --- sync handlers --------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["client", "server"])
async def test_a_def_handler_that_catches_everything_is_given_up(
    colour: App, by: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = colour("app")
    app.config.update(DISCONNECT_GRACE=0.3, VIEW_THREADS=1)
    stop = False

    @app.websocket("/")
    def view() -> None:
        websocket.accept()
        while not stop:
            try:
                websocket.receive()
            except BaseException:
                pass

    @app.route("/")
    def other() -> str:
        return "other"

    async with WebsocketPeer(app) as peer:
        await peer.until(1)
        if by == "client":
            peer.leave()
        else:
            peer.task.cancel()
        await peer.ended()
    assert "handler" in caplog.text or "view" in caplog.text
    assert "was given up" in caplog.text
    async with HttpPeer(app) as other_peer:  # there is a thread for it
        await other_peer.until(2)
    stop = True


async def catching(wait: t.Callable[[], t.Awaitable[t.Any]]) -> None:
    while True:
        try:
            await wait()
        except BaseException:
            pass


async def _gathers() -> None:
    await asyncio.gather(catching(never), catching(never))


async def _groups() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(catching(never))
        await catching(never)


async def _awaits_a_task() -> None:
    await asyncio.ensure_future(catching(never))


CATCHING: dict[str, t.Callable[[], t.Awaitable[t.Any]]] = {
    "waiting": lambda: catching(never),
    "turning": lambda: catching(lambda: asyncio.sleep(0)),
    "gathering": _gathers,
    "grouping": _groups,
    "awaiting a task": _awaits_a_task,
}


@contextlib.contextmanager
def leaving_tasks() -> t.Iterator[None]:
    """End the tasks of the handler's own, which nobody else can."""
    before = asyncio.all_tasks()
    try:
        yield
    finally:
        for task in asyncio.all_tasks() - before:
            asyncio.tasks._unregister_task(task)
            keep([task])


@pytest.mark.parametrize("how", CATCHING)
@pytest.mark.parametrize("by", ["client", "server", "shutdown", "server, then shutdown"])
@pytest.mark.parametrize("kind", ["request", "websocket"])
async def test_an_async_handler_that_catches_everything_is_given_up(
    colour: App,
    by: str,
    kind: str,
    how: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("quartish.asgi.exchange.LAST_CALL", 0.05)
    app = colour("app")
    app.config["DISCONNECT_GRACE"] = 0.1
    running = asyncio.Event()

    async def handler() -> None:
        running.set()
        await CATCHING[how]()

    async def teardown(exc: BaseException | None) -> None:
        await asyncio.sleep(0.01)
        ended.set()

    ended = asyncio.Event()
    app.add_url_rule("/", "handler", handler)
    app.add_websocket("/", "handler", handler)
    app.teardown_appcontext(teardown)
    with leaving_tasks():
        peer = HttpPeer(app) if kind == "request" else WebsocketPeer(app)
        peer.task = asyncio.create_task(peer._run())
        await running.wait()
        await asyncio.sleep(0.01)
        if by == "client":
            peer.leave()
        elif by == "server":
            peer.task.cancel(SERVER_STOPS)
        elif by == "server, then shutdown":
            peer.task.cancel()
        if "shutdown" in by:
            await app.shutdown()
            if kind == "request" and by == "shutdown":
                peer.task.cancel()
        while not caplog.records:
            await asyncio.sleep(0.005)
        app.config["DISCONNECT_GRACE"] = 5  # its end is no part of this
        await peer.ended()
    if "server" in by or (kind == "request" and by == "shutdown"):
        assert isinstance(peer.error, asyncio.CancelledError)
    else:
        assert peer.error is None
    assert ended.is_set()
    first, last, *_ = (record.getMessage() for record in caplog.records)
    assert "was cancelled: it went on for 0.1 seconds" in first and "'handler'" in first
    assert "was given up: it catches every cancellation" in last and "'handler'" in last


async def test_who_was_cancelled_by_code_of_its_own_goes_on(
    colour: App, caplog: pytest.LogCaptureFixture
) -> None:
    """No server stops: a handler need not take back what woke it."""
    app = colour("app")
    app.config["DISCONNECT_GRACE"] = 0.05
    said = asyncio.Event()

    @app.websocket("/")
    async def view() -> None:
        await websocket.accept()
        asyncio.current_task().cancel()  # type: ignore[union-attr]
        for wait in (never, said.wait):
            with contextlib.suppress(asyncio.CancelledError):
                await wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await never()
        await websocket.send("went on")

    async with WebsocketPeer(app) as peer:
        await peer.until(1)
        await asyncio.sleep(0.3)
        said.set()
        await peer.until(2)
    assert peer.said == ["went on"] and not caplog.records


async def test_a_thread_that_an_async_handler_waits_for_is_waited_for(
    colour: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quartish.asgi.exchange.LAST_CALL", 0.05)
    app = colour("app")
    app.config["DISCONNECT_GRACE"] = 0.05
    log: list[str] = []

    @app.route("/")
    async def view() -> str:
        def work() -> None:
            log.append("begins")
            time.sleep(0.5)
            log.append("ends")

        await run_sync(work)()
        return ""

    app.teardown_request(lambda exc: log.append("teardown"))
    async with HttpPeer(app) as peer:
        while not log:
            await asyncio.sleep(0.01)
        peer.leave()
    assert log == ["begins", "ends", "teardown"]


STUBBORN_SERVER = r"""
import asyncio, os, signal, sys
import quartish

app = quartish.{app}("app")
app.config.update(DISCONNECT_GRACE=0.2, BACKGROUND_TASK_SHUTDOWN_TIMEOUT=0.2)
tasks = []

async def catching():
    while True:
        try:
            await asyncio.sleep(60)
        except BaseException:
            pass

@app.route("/")
async def view():
    app.add_background_task(catching)
    tasks.append(asyncio.create_task(catching()))
    asyncio.get_running_loop().call_later(0.2, os.kill, os.getpid(), signal.SIGTERM)
    await asyncio.gather(catching(), catching())

@app.before_serving
async def begin():
    async def ask():
        reader, writer = await asyncio.open_connection("127.0.0.1", app.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.read()
    tasks.append(asyncio.create_task(ask()))

import socket
with socket.create_server(("127.0.0.1", 0)) as taken:
    app.port = taken.getsockname()[1]
app.run(port=app.port, debug=False)
print("end")
"""


@pytest.mark.parametrize("name", ["Flask", "Quart"])
async def test_a_handler_that_catches_everything_keeps_no_server(name: str) -> None:
    """Nor does a background task, nor a task of the handler's own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STUBBORN_SERVER.format(app=name), stdout=-1, stderr=-1
    )
    out, err = await asyncio.wait_for(process.communicate(), 20)
    said = err.decode()
    assert process.returncode == 0 and out.endswith(b"end\n"), said
    assert "Background task catching was cancelled" in said
    assert said.count("given up: it catches every cancellation") >= 4


STUBBORN_PROCESS = """
import asyncio, sys
import quartish
from tests._scripted import WebsocketPeer

app = quartish.Flask("app")
app.config["DISCONNECT_GRACE"] = 0.2

@app.websocket("/")
def view():
    quartish.websocket.accept()
    while True:
        try:
            quartish.websocket.receive()
        except BaseException:
            pass

async def main():
    async with WebsocketPeer(app) as peer:
        await peer.until(1)
        peer.leave()

asyncio.run(main())
print("end")
"""


async def test_a_def_handler_that_catches_everything_keeps_no_process() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STUBBORN_PROCESS, stdout=-1, stderr=-1
    )
    try:
        async with asyncio.timeout(20):
            out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert (process.returncode, out) == (0, b"end\n")


# --- requests -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 60_000, 300_000, 2_000_000])
@pytest.mark.parametrize("chunk", [30_000, 300_000])
async def test_a_view_that_does_not_read_is_cancelled(
    colour: App, size: int, chunk: int, caplog: pytest.LogCaptureFixture
) -> None:
    app = colour("app")
    app.config["MAX_CONTENT_LENGTH"] = None
    log: list[str] = []

    @app.post("/", stream_body=True)
    async def view() -> str:
        try:
            await never()
        finally:
            log.append("ended")
        return ""

    async with HttpPeer(app, method="POST", body=None) as peer:
        for start in range(0, size, chunk):
            peer.say(b"x" * min(chunk, size - start))
        await asyncio.sleep(0.02)
        peer.leave()
        await peer.ended()
    assert log == ["ended"] and not caplog.records


async def test_what_was_read_ahead_is_read_in_order(colour: App) -> None:
    app = colour("app")
    app.config["MAX_CONTENT_LENGTH"] = None
    pieces = [bytes([n]) * size for n, size in enumerate([10, 400_000, 200_000, 7, 300_000] * 5)]

    @app.post("/", stream_body=True)
    async def view() -> t.Any:
        request = quartish.request
        stream = request.stream if app.plain else request.body  # type: ignore[attr-defined]
        got = b""
        await asyncio.sleep(0.5)  # all of it is read ahead, most of it to disk
        for _ in range(3):
            got += await anext(aiter(stream))  # type: ignore[arg-type]
        await asyncio.sleep(0.5)
        async for piece in stream:  # type: ignore[union-attr]
            got += piece
        return str(got == b"".join(pieces))

    async with HttpPeer(app, method="POST", body=None) as peer:
        for piece in pieces[:-1]:
            peer.say(piece)
        await asyncio.sleep(0.7)
        peer.say(pieces[-1], more=False)
        await peer.until(2)
    assert peer.body == b"True"


async def test_a_view_that_reads_keeps_the_client_waiting(colour: App) -> None:
    """Only memory is filled while the view goes on reading: what is sent faster has to wait."""
    app = colour("app")
    app.config["MAX_CONTENT_LENGTH"] = None

    @app.post("/", stream_body=True)
    async def view() -> str:
        stream = quartish.request.stream if app.plain else quartish.request.body  # type: ignore[attr-defined]
        async for _ in stream:  # type: ignore[union-attr]
            await asyncio.sleep(0.02)
        return "done"

    async with HttpPeer(app, method="POST", body=None) as peer:
        for _ in range(60):
            peer.say(b"x" * 100_000)
        await asyncio.sleep(0.5)
        assert peer.received < 40
        peer.say(b"", more=False)
        await peer.until(2)
    assert peer.body == b"done"


# What no server does, and many a test: it says the same again and again.

LAST = {"type": "http.request", "body": b"end", "more_body": False}


class Repeating:
    """A server that has always one more message at hand, and a clock that goes on by a millisecond
    with each: so all depends on what the app does, and nothing on the machine."""

    def __init__(self, message: t.Any) -> None:
        self.message = message
        self.sent: list[t.Any] = []
        #: How often it was asked; since others had their turn; and at most between two of them.
        self.calls = self.since = self.most = 0

    def monotonic(self) -> float:
        return self.calls / 1000

    async def call(self, app: t.Any, scope: t.Any) -> None:
        async with asyncio.timeout(20):
            await app(scope, partial(self.receive, "subprotocols" in scope), self.send)

    async def receive(self, is_websocket: bool) -> t.Any:
        if not self.since:
            asyncio.get_running_loop().call_soon(self.turn)
        self.calls += 1
        self.since += 1
        self.most = max(self.most, self.since)
        assert self.calls < 100_000, "it is read for ever"
        return {"type": "websocket.connect"} if is_websocket and self.calls == 1 else self.message

    def turn(self) -> None:
        self.since = 0

    async def send(self, message: t.Any) -> None:
        self.sent.append(message)


def through_middleware(app: t.Any) -> None:
    inner = app.wsgi_app
    app.wsgi_app = lambda environ, start: inner(environ, start)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("lane", ["loop", "thread", "wsgi"])
@pytest.mark.parametrize("kind", ["waits", "reads", "streams"])
async def test_a_server_that_repeats_the_end_is_not_read_for_ever(
    colour: App, method: str, lane: str, kind: str
) -> None:
    app = colour("app")
    if lane == "wsgi" and not app.plain:
        return

    async def view() -> t.Any:
        if kind == "reads":
            data = quartish.request.get_data()
            return str(len(data if app.plain else await data))  # type: ignore[misc]
        await asyncio.sleep(0.05)
        if kind == "waits":
            return "ok"

        async def pieces() -> t.AsyncIterator[bytes]:
            for _ in range(3):
                yield b"a"
                await asyncio.sleep(0.02)

        return app.response_class(pieces())

    app.add_url_rule(
        "/", "view", view if lane == "loop" else lambda: from_thread(view()), methods=[method]
    )
    if lane == "wsgi":
        through_middleware(app)
    headers = {"transfer_encoding": "chunked"} if method == "POST" else {}
    scope = HttpPeer(app, method=method, **headers).scope  # type: ignore[arg-type]
    server = Repeating(LAST)
    await server.call(app, scope)
    sent = server.sent
    assert sent[0]["status"] == 200 and not sent[-1].get("more_body")
    assert (
        b"".join(message.get("body", b"") for message in sent[1:])
        == ({"waits": b"ok", "streams": b"aaa", "reads": b"3" if method == "POST" else b"0"}[kind])
    )
    assert server.calls <= 3


@pytest.mark.parametrize("lane", LANES, ids=["loop", "thread"])
@pytest.mark.parametrize("kind", ["waits", "reads", "echoes"])
async def test_a_server_that_repeats_a_message_keeps_nobody_waiting(
    colour: App, lane: t.Any, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handler that waits has what comes read ahead, to a bound; one that reads gives way."""
    app = colour("app")
    text = "x" * 10_000
    server = Repeating({"type": "websocket.receive", "text": text, "bytes": None})
    for module in ("_concurrency.loops", "wrappers.websocket"):
        monkeypatch.setattr(f"quartish.{module}.monotonic", server.monotonic)

    async def handler() -> None:
        await websocket.accept()
        for _ in range(6 if kind == "waits" else 500):
            if kind == "waits":
                await asyncio.sleep(0.05)
                continue
            assert await websocket.receive() == text
            if kind == "echoes":
                await websocket.send("x")

    app.add_websocket("/", "handler", lane(handler))
    await server.call(app, WebsocketPeer(app).scope)
    # It is looked after each 16 messages whether 5 ms have passed; the first look begins to count.
    assert server.most <= 33
    if kind == "waits":
        assert server.calls * len(text) < 18_000_000
    else:
        assert server.calls > 500 and server.sent[-1]["code"] == 1000


# --- nothing stays --------------------------------------------------------------------------------


async def test_nothing_of_a_websocket_stays(colour: App) -> None:
    app = colour("app")
    seen: list[weakref.ref[t.Any]] = []

    @app.websocket("/")
    async def view() -> None:
        seen.append(weakref.ref(websocket._get_current_object()))  # type: ignore[attr-defined]
        while True:
            await websocket.send(await websocket.receive())

    for _ in itertools.repeat(None, 20):
        async with WebsocketPeer(app) as peer:
            peer.say("a")
            await peer.until(2)
            peer.leave()
        del peer
    gc.collect()
    assert [ref() for ref in seen] == [None] * 20


async def echoing() -> None:
    async for message in websocket:
        await websocket.send(message)


async def only_waiting() -> None:
    await websocket.accept()
    await never()


async def gathering() -> None:
    await asyncio.gather(echoing(), never())


async def failing() -> None:
    await websocket.send(await websocket.receive())
    raise LookupError


async def rejecting() -> None:
    quartish.abort(403)


@pytest.mark.slow
@pytest.mark.parametrize("handler", [echoing, only_waiting, gathering, failing, rejecting])
@pytest.mark.parametrize("lane", LANES, ids=["loop", "thread"])
async def test_memory_of_closed_websockets_is_given_back(
    colour: App, handler: t.Any, lane: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After 2000 of them, and a collection, nothing is left of any; but the loop has up to some
    hundred timers that were cancelled, of the peers' own."""
    app = colour("app")
    app.secret_key = "key"
    monkeypatch.setattr(app.logger, "disabled", True)
    app.add_websocket("/<number>", "handler", lane(handler))
    app.teardown_websocket(lambda exc: None)

    async def play(count: int) -> None:
        for number in range(count):
            peer = WebsocketPeer(app, f"/{number}?{number}", x_number=str(number))
            peer.task = asyncio.create_task(peer._run())
            if handler is failing:
                peer.say("a")
            await peer.until(1)
            if handler is echoing:
                peer.say("a", b"b")
                await peer.until(3)
            peer.leave(1000 + number % 2)
            await peer.ended()
        del peer
        for _ in range(3):
            gc.collect()

    if lane is pass_through:
        app.view_functions["handler"] = lambda number: from_thread(handler())
    else:

        async def view(number: str) -> None:
            await handler()

        app.view_functions["handler"] = view
    await play(300)
    tracemalloc.start()
    try:
        await play(100)
        before, objects = tracemalloc.get_traced_memory()[0], len(gc.get_objects())
        await play(2000)
        after, more = tracemalloc.get_traced_memory()[0], len(gc.get_objects())
    finally:
        tracemalloc.stop()
    assert after - before < 2000 * 25 and more - objects < 100
