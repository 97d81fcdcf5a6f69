"""Reports of others, of 2024 to 2026, on what is lost or left where a client, a server or the app
ends at a bad moment: Starlette's, Quart's, Hypercorn's, uvicorn's and granian's. Each is played on
quartish, and does here what its reporter asked for."""

from __future__ import annotations

import asyncio
import errno
import gc
import signal
import typing as t
import weakref
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import quartish
from quartish._servers import is_installed
from quartish.globals import app_ctx
from quartish.wrappers.websocket import WebSocketDisconnect
from tests._scopes import http_scope
from tests._scopes import websocket_scope
from tests._scripted import HttpPeer
from tests._scripted import WebsocketPeer
from tests.cli._program import Program

App = type[t.Any]
LANES = pytest.mark.parametrize("lane", ["loop", "thread"])


def add(app: t.Any, lane: str, path: str, view: t.Any, websocket: bool = False) -> None:
    """Add an async view, in the thread lane behind a sync decorator."""
    through = view if lane == "loop" else lambda: view()
    if websocket:
        app.add_websocket(path, path, through)
    else:
        app.add_url_rule(path, path, through, methods=["GET", "POST"])


# --- pgjones/hypercorn#361: a host vanished, and its OSError was no ConnectionError ---------------

VANISHED = [
    OSError(errno.EHOSTUNREACH, "No route to host"),
    OSError(errno.ETIMEDOUT, "Connection timed out"),
    ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
]


class Vanishing:
    """The `send` of a server that fails, after so many messages, by the error of its socket."""

    def __init__(self, after: int, error: OSError) -> None:
        self.after, self.error = after, error
        self.sent: list[t.Any] = []

    async def __call__(self, message: t.Any) -> None:
        if len(self.sent) >= self.after:
            raise self.error
        self.sent.append(message)


@LANES
@pytest.mark.parametrize("error", VANISHED, ids=lambda error: errno.errorcode[error.errno])
@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize("kind", ["text", "stream", "websocket"])
async def test_a_host_that_vanished_is_a_client_that_left(
    colour: App, lane: str, error: OSError, after: int, kind: str, caplog: t.Any
) -> None:
    app = colour("app")
    log: list[str] = []

    async def pieces() -> t.AsyncIterator[str]:
        try:
            for _ in range(5):
                yield "piece"
                await asyncio.sleep(0)
        finally:
            log.append("closed")

    async def view() -> t.Any:
        return "text" if kind == "text" else app.response_class(pieces())

    async def handler() -> None:
        try:
            for _ in range(5):
                await quartish.websocket.send("piece")
                await asyncio.sleep(0)
        finally:
            log.append("closed")

    add(app, lane, "/", handler if kind == "websocket" else view, kind == "websocket")
    for teardown in (app.teardown_request, app.teardown_websocket):
        teardown(lambda exc: log.append("teardown"))
    arrived: asyncio.Queue[t.Any] = asyncio.Queue()
    first = "websocket.connect" if kind == "websocket" else "http.request"
    arrived.put_nowait({"type": first})
    send = Vanishing(after, error)
    scope = (websocket_scope if kind == "websocket" else http_scope)("/")
    before = asyncio.all_tasks()
    try:
        async with asyncio.timeout(10):
            await app(scope, arrived.get, send)
    except OSError as raised:
        assert raised is error  # which the server raised, and knows
    # A stream may not have begun when its start could not be sent.
    begun = kind == "websocket" or (kind == "stream" and after)
    assert log.count("teardown") == 1 and log.count("closed") == (1 if begun else 0), log
    assert asyncio.all_tasks() == before and not caplog.records
    assert len(send.sent) <= after


# --- lsst/daf_butler#1407: a generator that hung at its `yield` kept its place until a collection -


@LANES
@pytest.mark.parametrize("version", ["2.3", "2.4"])
async def test_a_place_is_given_back_when_the_client_leaves_a_stream(
    colour: App, lane: str, version: str
) -> None:
    """A producer fills a queue of one, from which the stream is read: neither waits for ever."""
    app = colour("app")
    app.config["DISCONNECT_GRACE"] = 5
    places: set[str] = set()
    kept: list[t.Any] = []

    @asynccontextmanager
    async def produced() -> t.AsyncIterator[asyncio.Queue[bytes | None]]:
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(1)

        async def produce() -> None:
            try:
                for _ in range(20):
                    await queue.put(b"page")
            finally:
                await asyncio.wait_for(queue.put(None), 0.05)  # nobody takes it any more

        producer = asyncio.create_task(produce())
        try:
            yield queue
        finally:
            producer.cancel()
            await asyncio.wait([producer])
            kept.append(producer.exception())

    async def pages() -> t.AsyncIterator[bytes]:
        places.add("mine")
        try:
            async with produced() as queue:
                while (page := await queue.get()) is not None:
                    yield page
        finally:
            places.clear()

    async def view() -> t.Any:
        response = app.response_class(pages())
        kept.append(response)  # no reference goes away
        return response

    add(app, lane, "/", view)
    gc.disable()
    try:
        peer = HttpPeer(app)
        peer.scope["asgi"] = {"version": "3.0", "spec_version": version}
        async with peer:
            await peer.until(2)
            peer.takes.clear()  # the next piece is on its way, the stream at its `yield`
            await asyncio.sleep(0.02)
            assert places
            peer.leave()
            peer.takes.set()
            await peer.ended()
        assert not places and isinstance(kept[-1], TimeoutError)
    finally:
        gc.enable()


# --- emmett-framework/granian#525: an awaitable of the server's that is cancelled at once ---------


class Foreign:
    """A future as granian makes them: one by its interface, and none of asyncio's. Whoever has
    cancelled it finds a CancelledError in it at once."""

    _asyncio_future_blocking = False

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._callbacks: list[t.Any] = []
        self._value: t.Any = None
        self._state = "pending"

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def done(self) -> bool:
        return self._state != "pending"

    def cancelled(self) -> bool:
        return self._state == "cancelled"

    def cancel(self, msg: t.Any = None) -> bool:
        return self._end("cancelled")

    def set_result(self, value: t.Any) -> None:
        self._value = value
        self._end("done")

    def _end(self, state: str) -> bool:
        if self.done():
            return False
        self._state = state
        for callback, context in self._callbacks:
            self._loop.call_soon(callback, self, context=context)
        return True

    def result(self) -> t.Any:
        if self.cancelled():
            raise asyncio.CancelledError("cancelled")
        return self._value

    def exception(self) -> None:
        self.result()

    def add_done_callback(self, callback: t.Any, *, context: t.Any = None) -> None:
        if self.done():
            self._loop.call_soon(callback, self, context=context)
        else:
            self._callbacks.append((callback, context))

    def remove_done_callback(self, callback: t.Any) -> int:
        before = len(self._callbacks)
        self._callbacks = [each for each in self._callbacks if each[0] != callback]
        return before - len(self._callbacks)

    def __await__(self) -> t.Generator[t.Any, None, t.Any]:
        if not self.done():
            self._asyncio_future_blocking = True
            yield self
        return self.result()


@LANES
@pytest.mark.parametrize("kind", ["text", "stream", "read", "websocket"])
async def test_a_receive_of_the_servers_own_kind_is_given_up_quietly(
    colour: App, lane: str, kind: str, caplog: t.Any
) -> None:
    """The reader that looks for the disconnect is cancelled when the answer is whole; that is not
    the view's cancellation, and the whole answer goes out."""
    app = colour("app")
    asked: list[Foreign] = []
    arrived = [{"type": "websocket.connect" if kind == "websocket" else "http.request"}]
    if kind == "read":
        arrived = [{"type": "http.request", "body": b"a", "more_body": n < 2} for n in range(3)]  # type: ignore[dict-item]
    sent: list[t.Any] = []

    async def pieces() -> t.AsyncIterator[bytes]:
        for _ in range(3):
            await asyncio.sleep(0.001)
            yield b"a"

    async def view() -> t.Any:
        await asyncio.sleep(0.002)
        if kind == "read":
            data = quartish.request.get_data()
            return data if app.plain else await data  # type: ignore[misc]
        return "aaa" if kind == "text" else app.response_class(pieces())

    async def handler() -> None:
        await quartish.websocket.send("aaa")
        await asyncio.sleep(0.002)

    def receive() -> Foreign:
        asked.append(Foreign())
        if arrived:
            asyncio.get_running_loop().call_soon(asked[-1].set_result, arrived.pop(0))
        return asked[-1]

    def send(message: t.Any) -> Foreign:
        future = Foreign()
        sent.append(message)
        asyncio.get_running_loop().call_soon(future.set_result, None)
        return future

    add(app, lane, "/", handler if kind == "websocket" else view, kind == "websocket")
    headers = [(b"host", b"localhost"), (b"transfer-encoding", b"chunked")]
    scope = (
        websocket_scope("/")
        if kind == "websocket"
        else http_scope("/", "POST", headers=headers if kind == "read" else headers[:1])
    )
    before = asyncio.all_tasks()
    async with asyncio.timeout(10):
        await app(scope, receive, send)
    if kind == "websocket":
        assert [message.get("text") for message in sent] == [None, "aaa", None]
        assert sent[-1]["code"] == 1000
    else:
        assert sent[0]["status"] == 200 and not sent[-1].get("more_body")
        assert b"".join(message["body"] for message in sent[1:]) == b"aaa"
    assert asyncio.all_tasks() == before and not caplog.records
    assert all(future.done() for future in asked), "nobody gave it up"


# --- pallets/quart#419: a message to a websocket of a server that has stopped ---------------------


class LocalProtocolError(Exception):
    """What a server raises that has closed the connection itself: none of OSError."""


@LANES
async def test_a_send_that_the_server_refuses_is_one_error(
    colour: App, lane: str, caplog: t.Any
) -> None:
    """The handler gets what the server raised, in its context; nothing fails about the failure."""
    app = colour("app")
    seen: list[t.Any] = []

    async def handler() -> None:
        await quartish.websocket.accept()
        try:
            while True:
                await quartish.websocket.send("tick")
                await asyncio.sleep(0)
        finally:
            seen.append(quartish.websocket.path)

    def refused(exc: t.Any) -> None:
        seen.append((type(exc), quartish.websocket.path))

    async def send(message: t.Any) -> None:
        if message["type"] != "websocket.accept":
            raise LocalProtocolError("cannot be sent in state ConnectionState.LOCAL_CLOSING")

    add(app, lane, "/ticks", handler, websocket=True)
    app.teardown_websocket(refused)
    arrived: asyncio.Queue[t.Any] = asyncio.Queue()
    arrived.put_nowait({"type": "websocket.connect"})
    before = asyncio.all_tasks()
    with pytest.raises(LocalProtocolError):  # by the close that is tried, or by the handler
        async with asyncio.timeout(10):
            await app(websocket_scope("/ticks"), arrived.get, send)
    assert seen == ["/ticks", (LocalProtocolError, "/ticks")]
    assert asyncio.all_tasks() == before
    assert "outside of" not in caplog.text and "Not within" not in caplog.text
    assert sum("LocalProtocolError" in str(record.exc_info) for record in caplog.records) <= 1


# --- emmett-framework/granian#922: what granian raises where its client has gone ------------------


class Granian(WebsocketPeer):
    """One whose connection is lost before anybody is told, on a server that raises then."""

    fails: Exception = RuntimeError("ASGI flow error: Transport closed")

    async def _send(self, message: t.Any) -> None:
        if self.broken:
            raise self.fails
        await super()._send(message)


@LANES
@pytest.mark.parametrize("does", ["sends", "closes", "returns"])
@pytest.mark.parametrize("fails", ["closed", "not initialized or closed", None])
async def test_a_send_to_who_has_gone_is_no_error(
    colour: App, lane: str, does: str, fails: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    app = colour("app")
    log: list[t.Any] = []

    async def view() -> None:
        try:
            await quartish.websocket.receive()
            peer.broken = True
            if does == "sends":
                await quartish.websocket.send("lost")
            elif does == "closes":
                await quartish.websocket.close()
        except BaseException as error:
            log.append(type(error))
            raise

    @app.teardown_websocket
    async def teardown(error: BaseException | None) -> None:
        log.append(error)

    add(app, lane, "/", view, websocket=True)
    async with Granian(app) as peer:
        text = f"ASGI flow error: Transport {fails}"
        peer.fails = RuntimeError(text) if fails else ConnectionResetError()
        peer.say("hello")
        await peer.ended()
    assert peer.error is None
    assert log == ([] if does == "returns" else [WebSocketDisconnect]) + [None]
    assert not caplog.records


# --- Soju06/codex-lb#2041: a server's timer kept each request for two hours ----------------------


@LANES
@pytest.mark.parametrize("kind", ["text", "waits", "websocket"])
async def test_what_the_server_keeps_of_a_request_keeps_no_more(
    colour: App, lane: str, kind: str
) -> None:
    """uvicorn's timer held the scope and both callables of each connection that was reset: that is
    the server's, and none of our contexts, requests or sessions hang on it."""
    app = colour("app")
    app.secret_key = "key"
    seen: list[weakref.ref[t.Any]] = []
    kept: list[t.Any] = []

    def note() -> None:
        conn = quartish.websocket if kind == "websocket" else quartish.request
        seen.append(weakref.ref(conn._get_current_object()))  # type: ignore[union-attr]
        seen.append(weakref.ref(app_ctx._get_current_object()))  # type: ignore[attr-defined]
        seen.append(weakref.ref(quartish.session._get_current_object()))  # type: ignore[attr-defined]
        quartish.session["a"] = 1

    async def view() -> str:
        note()
        await asyncio.sleep(0 if kind == "text" else 0.002)
        return "text"

    async def handler() -> None:
        note()
        await quartish.websocket.send("text")

    add(app, lane, "/", handler if kind == "websocket" else view, kind == "websocket")
    for _ in range(5):
        peer = (WebsocketPeer if kind == "websocket" else HttpPeer)(app)
        async with peer:
            await peer.ended()
        kept += [peer.scope, peer._receive, peer._send]
    del peer
    for _ in range(100):
        gc.collect()
        if not any(ref() for ref in seen):
            break
        await asyncio.sleep(0.01)  # a thread may be about to let go of its work
    assert len(seen) == 15 and [ref() for ref in seen] == [None] * 15
    assert len(kept) == 15


# --- Kludex/uvicorn#2751: a start that hangs could only be killed ---------------------------------

HANGS = """
import asyncio
import quartish
from quartish.serving import run

app = quartish.{name}("app")

@app.while_serving
async def serving():
    print("connecting", flush=True)
    try:
        await asyncio.sleep({seconds})
        print("connected", flush=True)
        yield
    finally:
        print("closed", flush=True)

run(app, port=0, server="{server}", debug=True)
"""

SERVERS = ["hypercorn", "uvicorn", "granian"]


def stopped_while_it_starts(
    server: str, sent: int, path: Path, **options: t.Any
) -> tuple[int, str]:
    """Return how the process ended, and what it said."""
    path.write_text(HANGS.format(server=server, **options))
    program = Program(path, cwd=path.parent)
    try:
        program.wait_for("connecting")
        return program.end(sent), program.output
    finally:
        program.process.kill()
        program.process.wait()
        t.cast(t.Any, program.process.stdout).close()


@pytest.mark.parametrize("server", [name for name in SERVERS if is_installed(name)])
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl+C", "SIGTERM"])
def test_a_start_that_hangs_is_cancelled_after_the_grace(
    server: str, sent: signal.Signals, tmp_path: Path
) -> None:
    name = "Quart" if sent == signal.SIGINT else "Flask"
    status, said = stopped_while_it_starts(
        server, sent, tmp_path / "hanging.py", name=name, seconds=5000
    )
    assert status == 0 and said.count("closed") == 1 and "connected" not in said, said
    assert "The start-up was cancelled: it went on for 1.0 seconds" in said, said
    assert "Traceback" not in said and "Task was destroyed" not in said, said


@pytest.mark.parametrize("server", [name for name in SERVERS if is_installed(name)])
def test_what_starts_in_the_grace_is_shut_down(server: str, tmp_path: Path) -> None:
    for _ in range(3):
        status, said = stopped_while_it_starts(
            server, signal.SIGTERM, tmp_path / "slow.py", name="Quart", seconds=0.4
        )
        if server != "granian" or "panicked at" not in said:
            break  # granian itself panics at times when it stops
    assert status == 0 and said.index("connected") < said.index("closed"), said
    assert "cancelled" not in said and "Traceback" not in said, said
