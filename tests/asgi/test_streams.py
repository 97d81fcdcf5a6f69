"""A stream that is given up: closed where it ran, logged once, and left unfinished on the wire.

Every way in which a stream can end early, played on both colours and lanes.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
import typing as t

import pytest
from werkzeug.test import create_environ

import quartish
from quartish import stream_with_context
from quartish._concurrency.coroutines import from_thread
from quartish._quart.utils import run_sync
from quartish.asgi.exchange import IdleTimer
from tests._scripted import HttpPeer

App = type[t.Any]
NAME = "view 'view' [GET /]"


class Stream:
    """What views make streams of, and what happened to these."""

    def __init__(self, app: t.Any) -> None:
        self.app = app
        self.threads: list[int] = []
        self.closed = 0
        self.go_on = threading.Event()
        self.fails = False

    def pieces(self) -> t.Iterator[bytes]:
        """A generator whose connection knows no other thread."""
        database = sqlite3.connect(":memory:")
        try:
            for number in range(1000):
                self.threads.append(threading.get_ident())
                yield database.execute(f"select 'piece {number};'").fetchone()[0].encode()
                self.go_on.wait(0.01)
                if self.fails and number == 2:
                    raise LookupError("the stream's own")
        finally:
            self.threads.append(threading.get_ident())
            database.execute("select 1")
            database.close()
            self.closed += 1

    @property
    def settled(self) -> bool:
        return self.closed == 1 and len(set(self.threads)) == 1


class Iterator:
    """An iterator that is no generator, and has to be closed."""

    def __init__(self, source: t.Iterator[bytes]) -> None:
        self.source: t.Any = source

    def __iter__(self) -> t.Self:
        return self

    def __next__(self) -> bytes:
        return t.cast(bytes, next(self.source))

    def close(self) -> None:
        self.source.close()


async def pieces_async(stream: Stream) -> t.AsyncIterator[bytes]:
    try:
        for number in range(1000):
            yield b"piece %d;" % number
            await asyncio.sleep(0.01)
            if stream.fails and number == 2:
                raise LookupError("the stream's own")
    finally:
        await asyncio.sleep(0)
        stream.closed += 1


def make(app: t.Any, lane: str, wrap: t.Callable[[t.Any], t.Any]) -> Stream:
    stream = Stream(app)

    def view() -> t.Any:
        return app.response_class(wrap(stream.pieces()))

    async def on_loop() -> t.Any:
        return view()

    app.add_url_rule("/", "view", on_loop if lane == "loop" else view)
    return stream


def itself(source: t.Any) -> t.Any:
    return source


LANES = pytest.mark.parametrize("lane", ["loop", "thread"])
WRAPS = pytest.mark.parametrize("wrap", [itself, Iterator, stream_with_context])
WAYS = pytest.mark.parametrize("way", ["leaves", "cancelled", "stalls", "breaks", "unsendable"])


async def play(peer: HttpPeer, stream: Stream, way: str) -> None:
    """Let a stream begin and end early."""
    if way == "breaks":
        stream.fails = True
    await peer.until(2)
    if way == "leaves":
        peer.leave()
    elif way == "cancelled":
        peer.task.cancel()
    elif way == "stalls":
        peer.takes.clear()
    await peer.ended()


@LANES
@WRAPS
@WAYS
async def test_a_plain_generator_is_closed_in_its_thread(
    colour: App, lane: str, wrap: t.Any, way: str
) -> None:
    app = colour("app")
    app.config["RESPONSE_TIMEOUT"] = 0.2 if way == "stalls" else 60
    chunks: t.Any = wrap
    if way == "unsendable":  # a piece that is none, after some that are

        def chunks(source: t.Any) -> t.Any:
            def with_a_number(source: t.Any) -> t.Iterator[t.Any]:
                try:
                    yield next(source)
                    yield 5
                finally:
                    source.close()

            return wrap(with_a_number(source))

    stream = make(app, lane, chunks)
    async with HttpPeer(app) as peer:
        await play(peer, stream, way)
        assert stream.settled, stream.threads
    assert peer.types[:2] == ["start", "body"]
    assert all(message["more_body"] for message in peer.sent[1:])
    # And once more: the thread was given back.
    async with HttpPeer(app) as peer:
        stream.fails = False
        await peer.until(2)
        peer.task.cancel()


@LANES
async def test_a_response_that_is_not_sent_is_closed_in_its_thread(colour: App, lane: str) -> None:
    app = colour("app")
    stream = make(app, "thread", stream_with_context)
    here: list[int] = []

    def begun(source: t.Any) -> t.Any:
        here.append(threading.get_ident())
        next(source)
        return source

    def view() -> t.Any:
        return app.response_class(begun(stream.pieces()))

    app.view_functions["view"] = view

    @app.after_request
    def after(response: t.Any) -> t.Any:
        raise LookupError("the after function's")

    async with HttpPeer(app) as peer:
        await peer.ended()
    assert peer.status == 500
    assert stream.settled and stream.threads[0] == here[0]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_run_sync_generator_is_closed(colour: App, method: str) -> None:
    app = colour("app")
    stream = Stream(app)

    @app.route("/")
    async def view() -> t.Any:
        return await run_sync(stream.pieces)()

    async with HttpPeer(app, method=method) as peer:
        if method == "GET":
            await peer.until(2)
            peer.leave()
        await peer.ended()
    assert stream.settled or (method == "HEAD" and not stream.threads)


@LANES
def test_by_wsgi_a_generator_runs_in_the_callers_thread(lane: str) -> None:
    app = quartish.Flask("app")
    stream = make(app, lane, itself)
    body = app(create_environ("/"), lambda *args: None)
    next(iter(body))
    body.close()
    assert stream.settled and stream.threads[0] == threading.get_ident()


# --- the log, and the wire ------------------------------------------------------------------------


def view_of(app: t.Any, kind: str, lane: str) -> Stream:
    stream = Stream(app)

    def made() -> t.Any:
        source = stream.pieces() if kind == "plain" else pieces_async(stream)
        return app.response_class(source)

    async def on_loop() -> t.Any:
        return made()

    app.add_url_rule("/", "view", on_loop if lane == "loop" else made)
    return stream


LOGGED = {
    "cancelled": f"The response of {NAME} was cut off: the server cancelled it",
    "stalls": f"The response of {NAME} was given up: nothing of it was sent for 0.2 seconds"
    " (RESPONSE_TIMEOUT, response.timeout)",
}


@LANES
@pytest.mark.parametrize("kind", ["plain", "async"])
@pytest.mark.parametrize("way", ["leaves", "cancelled", "stalls", "breaks"])
async def test_it_is_told_once_and_stays_unfinished(
    colour: App, lane: str, kind: str, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = colour("app")
    app.config["RESPONSE_TIMEOUT"] = 0.2 if way == "stalls" else 60
    stream = view_of(app, kind, lane)
    async with HttpPeer(app) as peer:
        await play(peer, stream, way)
    assert stream.closed == 1
    assert all(message["more_body"] for message in peer.sent[1:])
    assert [record.getMessage() for record in caplog.records] == (
        [LOGGED[way]] if way in LOGGED else []
    )
    if way == "breaks":  # what is raised is logged by the server
        assert isinstance(peer.error, LookupError)
        assert [NAME in line for line in peer.error.__notes__] == [True]
    elif way == "cancelled":
        assert isinstance(peer.error, asyncio.CancelledError)
    else:
        assert peer.error is None


@LANES
async def test_a_stream_that_cancels_itself_is_logged(
    colour: App, lane: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = colour("app")

    async def pieces() -> t.AsyncIterator[bytes]:
        yield b"a"
        raise asyncio.CancelledError()

    def view() -> t.Any:
        return app.response_class(pieces())

    async def on_loop() -> t.Any:
        return view()

    app.add_url_rule("/", "view", on_loop if lane == "loop" else view)
    async with HttpPeer(app) as peer:
        await peer.ended()
    assert [message["more_body"] for message in peer.sent[1:]] == [True]
    assert caplog.messages == [f"The response of {NAME} was cut off: its stream was cancelled"]


@LANES
async def test_a_stream_that_catches_its_timeout_is_not_finished(
    colour: App, lane: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = colour("app")
    app.config["RESPONSE_TIMEOUT"] = 0.1

    async def pieces() -> t.AsyncIterator[bytes]:
        yield b"a"
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            pass
        yield b"b"

    def view() -> t.Any:
        return app.response_class(pieces())

    async def on_loop() -> t.Any:
        return view()

    app.add_url_rule("/", "view", on_loop if lane == "loop" else view)
    began = time.monotonic()
    async with HttpPeer(app) as peer:
        await peer.ended()
    assert time.monotonic() - began < 3
    assert [message["more_body"] for message in peer.sent[1:]] == [True]
    assert peer.sent[1]["body"] == b"a" and len(caplog.records) == 1


@LANES
async def test_middleware_of_wsgi_too(lane: str) -> None:
    """A stream of which a middleware hands on the pieces."""
    app = quartish.Flask("app")
    stream = make(app, lane, itself)
    stream.fails = True
    inner = app.wsgi_app
    app.wsgi_app = lambda environ, start: inner(environ, start)  # type: ignore[assignment]
    async with HttpPeer(app) as peer:
        await peer.ended()
    assert all(message["more_body"] for message in peer.sent[1:])
    assert isinstance(peer.error, LookupError) and "[GET /]" in peer.error.__notes__[0]
    assert stream.settled


def test_threads_are_given_back(colour: App) -> None:
    """As many streams at a time as there are threads, and then as many again."""
    app = colour("app")
    app.config["VIEW_THREADS"] = 2
    stream = make(app, "loop", itself)

    async def one() -> None:
        peer = HttpPeer(app)
        peer.task = asyncio.create_task(peer._run())
        await peer.until(3)
        peer.leave()
        await peer.ended()

    async def main() -> None:
        for _ in range(3):
            await asyncio.gather(*[one() for _ in range(4)])

    asyncio.run(main())
    assert stream.closed == 12 and len(set(stream.threads)) == 2


def test_a_thread_may_wait_for_async_code_in_a_stream(colour: App) -> None:
    app = colour("app")

    def pieces() -> t.Iterator[bytes]:
        for _ in range(3):
            from_thread(asyncio.sleep(0.001))
            yield b"a"

    async def view() -> t.Any:
        return app.response_class(pieces())

    app.add_url_rule("/", "view", view)

    async def main() -> None:
        async with HttpPeer(app) as peer:
            await peer.ended()
        assert peer.body == b"aaa" and not peer.sent[-1].get("more_body")

    asyncio.run(main())


async def test_a_timer_that_is_stopped_before_its_loop_looks() -> None:
    expired: list[str] = []

    async def send(_: t.Any) -> None: ...

    timer = IdleTimer(asyncio.get_running_loop(), send, 0.0, lambda: expired.append("expired"))
    await asyncio.to_thread(timer.start)
    await asyncio.sleep(0.01)
    assert expired == ["expired"]
    timer = IdleTimer(asyncio.get_running_loop(), send, 0.0, lambda: expired.append("again"))
    timer.start()
    timer.stop()
    await asyncio.sleep(0.01)
    assert expired == ["expired"]
