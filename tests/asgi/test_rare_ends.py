"""Ends of requests and websockets that are rare: what cannot be sent, goes on when it should not,
or is stopped by who runs."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import os
import threading
import time
import typing as t

import pytest
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.protocol.h2 import H2Protocol
from werkzeug.exceptions import ClientDisconnected

import quartish
from quartish._concurrency.coroutines import mark_async
from quartish.asgi.connections import ASGIHTTPConnection
from quartish.asgi.stopping import when_it_stops
from quartish.asgi.unfinished import reset
from quartish.globals import app_ctx
from quartish.tasks.background import _end_loop
from quartish.views import survives_disconnect
from tests._peer import ask
from tests._scopes import http_scope
from tests._scripted import HttpPeer
from tests._scripted import WebsocketPeer

App = type[t.Any]

# --- responses that cannot be sent -----


def stream_of(app: t.Any, kind: str) -> t.Any:
    """Return a response whose head cannot be sent any more when the request ends."""

    def pieces() -> t.Iterator[bytes]:
        yield b"x"

    async def pieces_async() -> t.AsyncIterator[bytes]:
        yield b"x"

    body = {"sync": pieces, "async": pieces_async, "bytes": lambda: b"x"}[kind]()
    response = app.response_class(body)
    if kind == "bytes":
        response.call_on_close(lambda: None)  # so it takes its time
    quartish.g.response = response
    return response


def break_it(error: t.Any) -> None:
    """A teardown function that does what no setter lets pass, after all was looked at."""
    quartish.g.response.headers._list.append(("X Broken", "a"))


@pytest.mark.parametrize("kind", ["sync", "async", "bytes"])
@pytest.mark.parametrize("lane", ["loop", "thread"])
@pytest.mark.parametrize("propagates", [True, False])
async def test_a_response_that_becomes_broken_late(
    colour: App, kind: str, lane: str, propagates: bool, caplog: pytest.LogCaptureFixture
) -> None:
    app = colour("app")
    app.config["PROPAGATE_EXCEPTIONS"] = propagates

    async def on_loop() -> t.Any:
        return stream_of(app, kind)

    app.add_url_rule("/", "view", on_loop if lane == "loop" else lambda: stream_of(app, kind))
    app.teardown_request(break_it)
    async with HttpPeer(app, "/") as peer:
        await peer.ended()
    if propagates:
        assert not peer.sent and isinstance(peer.error, ValueError)
    else:
        assert peer.status == 500 and peer.error is None and "Unsendable" in caplog.text


async def test_a_response_class_that_has_a_word_in_headers_and_streams() -> None:
    class Own(quartish.Flask.response_class):  # type: ignore[misc, name-defined, valid-type]
        def get_wsgi_headers(self, environ: t.Any) -> t.Any:
            headers = super().get_wsgi_headers(environ)
            headers["X-Path"] = environ["PATH_INFO"]
            return headers

    app = quartish.Flask("app")
    app.response_class = Own

    @app.get("/")
    async def view() -> t.Any:
        async def pieces() -> t.AsyncIterator[bytes]:
            yield b"x"

        return pieces()

    answer = await ask(app)
    assert answer.headers["X-Path"] == "/" and answer.body == b"x"


# --- a server that sends files itself -----


@pytest.mark.parametrize("of", ["memory", "range", "file", "iterator"])
async def test_only_whole_files_are_left_to_the_server(colour: App, of: str) -> None:
    app = colour("app")

    @app.get("/")
    async def view() -> t.Any:
        if of == "iterator":
            return app.response_class(iter([b"pie", b"ces"]))
        sent = quartish.send_file(
            io.BytesIO(b"pieces") if of == "memory" else __file__, mimetype="text/plain"
        )
        return sent if app.plain else await t.cast(t.Any, sent)

    headers = [(b"host", b"localhost"), *([(b"range", b"bytes=1-2")] if of == "range" else [])]
    peer = HttpPeer(app, "/")
    peer.scope = http_scope(headers=headers, extensions={"http.response.pathsend": {}})
    async with peer:
        await peer.ended()
    sent = [message for message in peer.sent if "path" in message]
    assert sent == ([{"type": "http.response.pathsend", "path": __file__}] if of == "file" else [])
    if of in ("memory", "iterator"):
        assert peer.body == b"pieces"


# --- streams that go on -----


async def test_a_stream_that_goes_on_after_it_was_given_up(
    colour: App, caplog: pytest.LogCaptureFixture
) -> None:
    """Or after its client left: what it still yields is sent to nobody."""
    app = colour("app")
    yielded: list[str] = []

    @app.get("/<float:timeout>")
    async def view(timeout: float) -> t.Any:
        async def pieces() -> t.AsyncIterator[bytes]:
            yield b"first"
            try:
                await asyncio.sleep(5)
            except asyncio.CancelledError:
                yielded.append("second")
            yield b"second"

        made = app.make_response(pieces())
        response = made if app.plain else await made
        response.timeout = timeout
        return response

    for path, leaves in (("/0.05", False), ("/5.0", True)):
        async with HttpPeer(app, path) as peer:
            await peer.until(2)
            if leaves:
                peer.leave()
            await peer.ended()
        assert peer.body == b"first" and peer.sent[-1]["more_body"]
    assert yielded == ["second"] * 2 and "was given up" in caplog.text


@pytest.mark.parametrize("waits", [True, False])
async def test_a_server_that_cancels_while_it_takes_the_answer(colour: App, waits: bool) -> None:
    app = colour("app")

    @app.get("/")
    async def view() -> str:
        if waits:
            await asyncio.sleep(0)
        return "answer"

    async with HttpPeer(app, "/") as peer:
        peer.takes.clear()
        await asyncio.sleep(0.01)
        peer.task.cancel()
        await peer.ended()
        peer.takes.set()
    assert isinstance(peer.error, asyncio.CancelledError) and not peer.sent


async def test_a_stream_through_wsgi_may_be_silent_without_a_timeout() -> None:
    app = quartish.Flask("app")
    app.config["RESPONSE_TIMEOUT"] = None
    inner = app.wsgi_app
    app.wsgi_app = lambda environ, start: inner(environ, start)  # type: ignore[assignment, method-assign]

    @app.get("/")
    def view() -> t.Iterator[str]:
        yield "a"
        yield "b"

    assert (await ask(app)).body == b"ab"


async def test_a_handler_that_does_not_even_end_when_it_is_given_up(
    colour: App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor does who awaits it: each is ended in its turn, and told of once."""
    monkeypatch.setattr("quartish.asgi.exchange.LAST_CALL", 0.05)
    app = colour("app")
    app.config["DISCONNECT_GRACE"] = 0.05

    async def forever(call: t.Callable[[], t.Awaitable[None]]) -> None:
        while True:
            try:
                await call()
            except BaseException:
                pass

    async def forever_once(awaitable: t.Awaitable[None]) -> None:
        with contextlib.suppress(BaseException):
            await awaitable

    @app.get("/")
    async def view() -> str:
        await forever(lambda: forever(lambda: forever(lambda: asyncio.sleep(9))))
        return "never"

    @app.teardown_request
    async def teardown(error: t.Any) -> None:
        await forever_once(asyncio.sleep(0.2))

    async with HttpPeer(app, "/") as peer:
        await asyncio.sleep(0.01)
        peer.leave()
        await peer.ended()
    assert caplog.text.count("was given up: it catches every cancellation") == 1


async def test_a_thread_that_reads_is_told_when_its_client_left() -> None:
    """It is not cancelled, and has a moment to end by itself."""
    app, seen = quartish.Flask("app"), []

    @app.post("/")
    @survives_disconnect
    def view() -> str:
        try:
            return str(len(quartish.request.stream.read()))
        except ClientDisconnected as error:
            seen.append(error)
            raise

    app.teardown_request(seen.append)  # type: ignore[type-var]
    async with HttpPeer(app, "/", "POST", body=None) as peer:
        peer.say(b"x" * 100)
        await asyncio.sleep(0.02)
        peer.leave()
        await peer.ended()
    assert len(seen) == 2 and not peer.sent


async def test_an_http2_stream_that_hypercorn_closed_meanwhile() -> None:
    class Stream:
        stream_id = 1

        def __init__(self) -> None:
            self.protocol = object.__new__(H2Protocol)
            self.protocol.stream_buffers = {}
            self.send = self.protocol.stream_send

        async def app_send(self, message: t.Any) -> None:
            raise AssertionError

    await reset(Stream().app_send)


@pytest.mark.parametrize("begun", [True, False])
async def test_a_server_that_refuses_to_send_since_its_client_left(
    colour: App, begun: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """ASGI 2.4: by an OSError, before anybody was told of a disconnect."""
    app, closed = colour("app"), []

    @app.get("/")
    async def view() -> t.Any:
        async def pieces() -> t.AsyncIterator[bytes]:
            try:
                while True:
                    yield b"x"
            finally:
                closed.append("stream")

        return pieces()

    async with HttpPeer(app, "/") as peer:
        if begun:
            await peer.until(2)
        peer.broken = True
        await peer.ended()
    assert peer.error is None and closed == (["stream"] if begun else [])
    assert not caplog.records


async def test_an_oserror_of_the_streams_own_is_none_of_the_servers(colour: App) -> None:
    app = colour("app")

    @app.get("/")
    async def view() -> t.Any:
        async def pieces() -> t.AsyncIterator[bytes]:
            yield b"x"
            raise OSError("its own")

        return pieces()

    async with HttpPeer(app, "/") as peer:
        await peer.ended()
    assert isinstance(peer.error, OSError) and peer.body == b"x"


async def test_a_view_that_survives_its_client_streams_to_nobody(colour: App) -> None:
    app, made = colour("app"), []

    @app.get("/")
    @survives_disconnect
    async def view() -> t.Any:
        await asyncio.sleep(0.02)

        async def pieces() -> t.AsyncIterator[bytes]:
            made.append("piece")
            yield b"x"

        return pieces()

    async with HttpPeer(app, "/") as peer:
        await asyncio.sleep(0.005)
        peer.leave()
        await peer.ended()
    assert not made and not peer.sent


async def test_a_server_with_a_context_that_is_not_hypercorns() -> None:
    class Server:
        context = object()

    when_it_stops(t.cast(t.Any, None), Server.context, t.cast(t.Any, None))
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("kind", ["async", "sync", "silent"])
async def test_hypercorn_stops_while_it_waits_for_a_request(
    colour: App, kind: str, debug: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """From Python 3.12 on it waits for connections without end: what goes on after its grace is
    cancelled here, and stays unfinished on the wire."""
    app, closed = colour("app"), []
    app.debug = debug

    class Hypercorn(HttpPeer):
        context = WorkerContext(None)
        config = Config.from_mapping(graceful_timeout=0.05)

    async def pieces() -> t.AsyncIterator[bytes]:
        try:
            while True:
                yield b"x"
                await asyncio.sleep(0.01)
        finally:
            closed.append(True)

    def pieces_in_thread() -> t.Iterator[bytes]:
        try:
            while True:
                yield b"x"
                time.sleep(0.01)
        finally:
            closed.append(True)

    @app.get("/")
    async def view() -> t.Any:
        if kind == "silent":
            try:
                await asyncio.sleep(60)
            finally:
                closed.append(True)
        return pieces() if kind == "async" else pieces_in_thread()

    async with Hypercorn(app, "/") as peer:
        await asyncio.sleep(0.03)
        assert not closed and not peer.task.done()
        await Hypercorn.context.terminated.set()
        await peer.ended()
    assert closed == [True]
    bodies = [message for message in peer.sent if message["type"] == "http.response.body"]
    assert all(message["more_body"] for message in bodies) and bool(bodies) is (kind != "silent")
    said = [record.getMessage() for record in caplog.records]
    cut = "The response of view 'view' [GET /] was cut off: the server cancelled it"
    assert [text for text in said if "cut off" in text] == [cut] * (kind != "silent")


@pytest.mark.parametrize("kind", ["request", "websocket", "client"])
async def test_a_server_cancels_while_a_gather_ends_by_a_cancellation(
    colour: App, kind: str
) -> None:
    """Of whatever: of code of the user's, or of a client that leaves. asyncio logged as an error
    what nobody asks for any more, where the two came within three turns of the loop."""
    noise: list[t.Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, told: noise.append(told))
    for turns in range(8):
        app, go = colour("app"), asyncio.Event()
        app.logger.disabled = True

        async def piece(go: asyncio.Event = go) -> None:
            if kind == "client":
                await quartish.websocket.receive()
            await go.wait()
            raise asyncio.CancelledError

        async def view(piece: t.Any = piece) -> str:
            if kind != "request":
                await quartish.websocket.accept()
            await asyncio.gather(piece(), piece())
            return ""

        peer: HttpPeer | WebsocketPeer
        if kind == "request":
            app.add_url_rule("/", view_func=view)
            peer = HttpPeer(app, "/")
        else:
            app.add_websocket("/", view_func=view)
            peer = WebsocketPeer(app, "/")
        async with peer:
            await asyncio.sleep(0.005)
            if isinstance(peer, WebsocketPeer) and kind == "client":
                peer.leave()
            go.set()
            for _ in range(turns):
                await asyncio.sleep(0)
            peer.task.cancel()
            await peer.ended()
        del peer, app, view, piece
    gc.collect()
    assert not noise


# --- the doors' own turns -----


async def test_a_view_that_gives_an_awaitable_which_is_no_coroutine(colour: App) -> None:
    app = colour("app")

    @mark_async
    def view() -> t.Any:
        found: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        found.set_result("found")
        return found

    app.add_url_rule("/", "view", view)
    assert (await ask(app)).body == b"found"


@pytest.mark.parametrize("streams", [True, False])
async def test_a_connection_that_answers_by_itself(streams: bool) -> None:
    app = quartish.Quart("app")

    @app.get("/")
    async def view() -> t.Any:
        async def pieces() -> t.AsyncIterator[bytes]:
            yield b"x"

        return pieces() if streams else "x"

    peer = HttpPeer(app, "/")
    peer.app = lambda scope, receive, send: ASGIHTTPConnection(app, scope)(receive, send)
    async with peer:
        await peer.ended()
    assert (peer.status, peer.body) == (200, b"x")


def test_the_loop_of_background_tasks_ends_in_its_own_process_and_thread() -> None:
    """Where the garbage collector runs may be a forked process, or that loop itself."""
    config = {"BACKGROUND_TASK_SHUTDOWN_TIMEOUT": 1}
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    _end_loop(loop, {}, config, os.getpid() + 1)
    assert loop.is_running() and thread.is_alive()
    loop.call_soon_threadsafe(_end_loop, loop, {}, config, os.getpid())
    thread.join(5)
    assert not thread.is_alive()
    loop.close()


# --- websockets that end twice -----


async def test_a_handler_that_shuts_the_app_down(colour: App) -> None:
    app, ended = colour("app"), []

    @app.websocket("/")
    async def view() -> None:
        await quartish.websocket.accept()
        try:
            await app.shutdown()
            await asyncio.sleep(5)
        finally:
            ended.append("view")

    async with app.test_app(), WebsocketPeer(app) as peer:
        await peer.ended()
    assert ended == ["view"] and peer.code == 1012


async def test_an_app_that_shuts_down_while_a_websocket_ends(colour: App) -> None:
    """Its teardown functions are let run."""
    app = colour("app")
    at_end, go_on, ended = asyncio.Event(), asyncio.Event(), []

    @app.websocket("/")
    async def view() -> None:
        await quartish.websocket.accept()

    @app.after_websocket
    async def after(response: t.Any) -> t.Any:
        at_end.set()
        await go_on.wait()
        ended.append("after")
        return response

    async with WebsocketPeer(app) as peer:
        await at_end.wait()
        stopping = asyncio.create_task(app.shutdown())
        await asyncio.sleep(0.01)
        assert not stopping.done()
        go_on.set()
        await peer.ended()
        await stopping
    assert ended == ["after"] and peer.code == 1012


async def test_a_handler_that_reads_slowly_after_its_client_left(colour: App) -> None:
    """It may go on as long as it reads something in each moment."""
    app = colour("app")
    got: list[t.Any] = []

    @app.websocket("/")
    async def view() -> None:
        while True:
            got.append(await quartish.websocket.receive())
            await asyncio.sleep(0.02)

    async with WebsocketPeer(app) as peer:
        peer.say(*"abcdefghijklm")
        await asyncio.sleep(0.01)
        peer.leave()
        await peer.ended()
    assert got and got == [*"abcdefghijklm"][: len(got)]


async def test_a_task_that_is_told_after_the_handler_was_cancelled(colour: App) -> None:
    app = colour("app")
    told: list[str] = []

    @app.websocket("/")
    async def view() -> None:
        await quartish.websocket.accept()

        async def listen() -> None:
            await asyncio.sleep(0.05)
            try:
                await quartish.websocket.receive()
            except asyncio.CancelledError:
                told.append("task")
                raise

        task = asyncio.create_task(listen())
        try:
            await asyncio.sleep(5)
        finally:
            told.append("handler")
            await asyncio.wait([task])

    async with WebsocketPeer(app) as peer:
        await peer.until(1)
        peer.leave()
        await peer.ended()
    assert told == ["handler", "task"]


async def test_a_request_of_a_server_with_another_context(colour: App) -> None:
    """It is no reason to look when the server stops."""
    app = colour("app")

    @app.get("/")
    async def view() -> str:
        await asyncio.sleep(0)
        return "answered"

    class Stream:
        context = object()

        def __init__(self) -> None:
            self.sent: list[t.Any] = []

        async def send(self, message: t.Any) -> None:
            self.sent.append(message)

    stream, arrived = Stream(), asyncio.Queue[t.Any]()
    await app(http_scope("/"), arrived.get, stream.send)
    assert stream.sent[1]["body"] == b"answered" and len(asyncio.all_tasks()) == 1


async def test_the_functions_after_a_request_are_one_list(colour: App) -> None:
    """Extensions of Flask's append to it where `after_this_request` would do."""
    app = colour("app")

    @app.get("/")
    async def view() -> str:
        functions = app_ctx._after_request_functions
        assert app_ctx._after_request_functions is functions
        functions.append(lambda response: response.headers.add("X-After", "1") or response)
        return "text"

    async with HttpPeer(app) as peer:
        await peer.until(2)
    assert (b"x-after", b"1") in [(k.lower(), v) for k, v in peer.sent[0]["headers"]]
