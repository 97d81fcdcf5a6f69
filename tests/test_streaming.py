"""Server-sent events and streamed JSON: what is sent, in whose task, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

import quartish
from quartish.streaming import Event
from quartish.streaming import last_event_id
from quartish.streaming import sse
from quartish.streaming import stream_json
from quartish.testing import read_events
from quartish.testing.client import AsyncClient
from quartish.testing.connections import HTTPDisconnectError
from tests._scopes import http_scope

App = t.Any
BEAT = b":\n\n"


def client(app: App) -> AsyncClient[t.Any]:
    found: AsyncClient[t.Any] = app.async_test_client() if app.plain else app.test_client()
    return found


async def get(app: App, path: str = "/", **headers: str) -> tuple[t.Any, bytes]:
    response = await client(app).get(path, headers=headers)
    data = response.get_data()
    return response, data if app.plain else await data


@pytest.fixture
def app(colour: type[t.Any]) -> App:
    return colour(__name__)


# --- one event ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "sent"),
    [
        (Event("a"), "data: a\n\n"),
        (Event(""), "data: \n\n"),
        (Event(" a"), "data:  a\n\n"),
        (Event("a\nb\r\nc\rd\n"), "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"),
        (Event("a\u2028b\x0bc\x85"), "data: a\u2028b\x0bc\x85\n\n"),
        (Event(b"\xc3\xbc\xff"), "data: ü\ufffd\n\n"),
        (Event({"a": [1, None]}), 'data: {"a": [1, null]}\n\n'),
        (Event(0), "data: 0\n\n"),
        (Event(False), "data: false\n\n"),
        (Event(id="7"), "id: 7\n\n"),
        (Event("x", id=""), "id: \ndata: x\n\n"),
        (Event("x", "go", "7", 50), "event: go\nid: 7\nretry: 50\ndata: x\n\n"),
    ],
)
def test_what_is_sent(event: Event, sent: str) -> None:
    assert event.encode(json.dumps) == sent.encode()


@pytest.mark.parametrize("name", ["event", "id"])
@pytest.mark.parametrize("value", ["a\nb", "a\r", "\r\ndata: forged", "\0"])
def test_a_field_of_two_lines(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"An event's '{name}' is one line"):
        Event("x", **t.cast(t.Any, {name: value}))


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"id": 5}, "TypeError: An event's 'id' is text: str(5)."),
        ({"event": b"x"}, "TypeError: An event's 'event' is text: str(b'x')."),
        (
            {"retry": "1\ndata: forged"},
            "TypeError: An event's 'retry' is a whole number of milliseconds, not"
            " '1\\ndata: forged'.",
        ),
        (
            {"retry": 1.5},
            "TypeError: An event's 'retry' is a whole number of milliseconds, not 1.5.",
        ),
        ({"retry": -1}, "ValueError: An event's 'retry' is 0 milliseconds or more: -1."),
    ],
)
def test_a_field_of_another_kind(fields: dict[str, t.Any], error: str) -> None:
    with pytest.raises((TypeError, ValueError)) as raised:
        Event("x", **fields)
    assert f"{raised.type.__name__}: {raised.value}" == error


line = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=4)
events = st.builds(
    Event,
    st.none() | st.text(st.sampled_from("a: \r\n\ufeffü"), max_size=6),
    st.none() | line,
    st.none() | line,
    st.none() | st.integers(0, 9999),
)


@given(st.lists(events, max_size=4), st.lists(st.integers(0, 99)))
def test_what_is_sent_is_what_is_read(sent: list[Event], cuts: list[int]) -> None:
    """Wherever the pieces are cut."""
    body = b"".join(event.encode(json.dumps) for event in sent)
    places = [0, *sorted(cut for cut in cuts if cut < len(body)), len(body)]
    pieces = [body[start:end] for start, end in itertools.pairwise(places)]
    expected: list[Event] = []
    last, retry = "", None
    for event in sent:
        last = last if event.id is None else event.id
        retry = retry if event.retry is None else event.retry
        if event.data is not None:
            data = event.data.replace("\r\n", "\n").replace("\r", "\n")
            expected.append(Event(data, event.event or "message", last, retry))
    assert list(read_events(pieces)) == expected


@pytest.mark.parametrize(
    ("body", "read"),
    [  # WHATWG HTML, 9.2.6, and what implementations were found to do wrong
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", ["YHOO\n+2\n10"]),
        (b": test\n\ndata: first\nid: 1\n\ndata:second\nid\n\ndata:  third\n", ["first", "second"]),
        (b"data\n\ndata\ndata\n\ndata:", ["", "\n"]),
        (b"data:test\n\ndata: test\n\n", ["test", "test"]),
        (b"\xef\xbb\xbfdata: a\n\n", ["a"]),
        (b"data: a\r\rdata: b\r\n\r\n", ["a", "b"]),
        (b"foo: a\nDATA: a\ndata : a\n\n", []),
        (b"event: go\n\ndata: a\n\n", ["a"]),
        (b"id: a\0b\nretry: 1.5\nretry: -1\nretry: \xd9\xa1\ndata: a\n\n", ["a"]),
    ],
)
def test_the_standards_examples(body: bytes, read: list[str]) -> None:
    for size in range(1, len(body) + 1):
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        found = list(read_events(pieces))
        assert [event.data for event in found] == read
        assert {event.retry for event in found} <= {None}


# --- views --------------------------------------------------------------------------------


def add_views(app: App) -> None:
    @app.get("/decorated")
    @sse(retry=500)
    async def decorated() -> t.AsyncIterator[t.Any]:
        yield "one"
        await asyncio.sleep(0)
        yield Event([quartish.request.path], "go", "5")

    @app.get("/plain/<name>")
    @sse(retry=500)
    def plain(name: str) -> t.Iterator[t.Any]:
        yield "one"
        yield Event([quartish.request.path], "go", "5")
        assert name == "x"

    @app.get("/returned")
    async def returned() -> t.Any:
        return sse(["one", Event([quartish.request.path], "go", "5")], retry=500)

    @app.get("/tuple")
    def in_a_tuple() -> t.Any:
        return sse(iter(["one", Event(["/tuple"], "go", "5")]), retry=500), {"X-Mine": "1"}


@pytest.mark.parametrize("path", ["/decorated", "/plain/x", "/returned", "/tuple"])
async def test_views(app: App, path: str) -> None:
    add_views(app)
    response, data = await get(app, path)
    assert response.status_code == 200
    assert response.content_type == "text/event-stream; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-cache, no-transform"
    assert response.headers["X-Accel-Buffering"] == "no"
    assert data.decode() == (f'retry: 500\n\ndata: one\n\nevent: go\nid: 5\ndata: ["{path}"]\n\n')
    assert app.view_functions["decorated"].__name__ == "decorated"


def test_the_plain_test_client_reads_events_as_they_come() -> None:
    app = quartish.Flask(__name__)
    ended = []

    @app.get("/")
    @sse
    async def ticks() -> t.AsyncIterator[t.Any]:
        try:
            number = 0
            while True:
                number += 1
                yield Event({"n": number}, id=str(number))
        finally:
            ended.append(number)

    with app.test_client().get("/") as response:
        events = read_events(response)
        assert next(events) == Event('{"n": 1}', "message", "1")
        assert next(events).id == "2"
        assert ended == []
    assert ended == [2]


@pytest.mark.parametrize("given", ["7", "ü\u2028"])
async def test_a_client_that_comes_back(app: App, given: str) -> None:
    @app.get("/")
    async def view() -> t.Any:
        return sse([last_event_id()])

    header = {"Last-Event-ID": given.encode().decode("latin-1")}
    assert (await get(app, **header))[1].decode() == f":\n\ndata: {given}\n\n"
    assert (await get(app))[1] == BEAT + BEAT  # None is a heartbeat


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: sse("text"), r"'sse' takes an iterable.*'str': pass \[\.\.\.\] or a generator"),
        (lambda: stream_json({"a": 1}), "'stream_json' takes an iterable.*'dict'"),
        (lambda: sse(t.cast(t.Any, 5)), r"'int': pass \[item\]"),
        (lambda: stream_json(b"x"), "'bytes'"),
    ],
)
def test_what_has_no_items(app: App, make: t.Callable[[], t.Any], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        make()


def test_without_a_request(app: App) -> None:
    with pytest.raises(RuntimeError, match="outside of request context"):
        sse(["x"])


# --- heartbeats, and whose task it is -----------------------------------------------------


async def test_heartbeats_while_nothing_happens(app: App) -> None:
    happened = asyncio.Event()

    @app.get("/")
    @sse(heartbeat=0.01)
    async def view() -> t.AsyncIterator[str]:
        await happened.wait()
        yield "a"

    async with client(app).request("/") as connection:
        await connection.send_complete()
        for _ in range(4):
            assert await connection.receive() == BEAT
        happened.set()
        assert [event.data async for event in connection.events()] == ["a"]


@pytest.mark.parametrize(
    ("asynchronous", "heartbeat", "limit", "expected"),
    [
        (True, 15, 60, 60),
        (True, 45, 60, 90),
        (True, None, 60, None),
        (True, 15, None, None),
        (False, 15, 60, None),
    ],
)
async def test_how_long_nothing_may_be_sent(
    app: App, asynchronous: bool, heartbeat: float | None, limit: float | None, expected: t.Any
) -> None:
    app.config["RESPONSE_TIMEOUT"] = limit
    seen = []

    async def events() -> t.AsyncIterator[str]:
        yield "a"

    @app.get("/")
    async def view() -> t.Any:
        response = sse(events() if asynchronous else ["a"], heartbeat=heartbeat)
        seen.append(response.timeout)
        return response

    assert b"data: a\n\n" in (await get(app))[1]
    assert seen == [expected]


async def test_a_client_that_takes_nothing_any_more(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    """sse-starlette issue 89: one that was suspended held its generator for ever."""
    app.config["RESPONSE_TIMEOUT"] = 1
    ended = []

    @app.get("/frozen")
    @sse(heartbeat=0.1)
    async def frozen() -> t.AsyncIterator[str]:
        try:
            yield "first"
            await asyncio.sleep(1.5)  # which is no reason to give up
            yield "second"
            while True:
                await asyncio.sleep(0.01)
                yield "more"
        finally:
            ended.append(True)

    sent: list[bytes] = []

    async def send(message: t.Any) -> None:
        sent.append(message.get("body", b""))
        if sent[-1] == b"data: more\n\n":
            await asyncio.Event().wait()

    messages = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> t.Any:
        return messages.pop() if messages else await asyncio.Event().wait()

    async with asyncio.timeout(30):
        with contextlib.suppress(Exception):  # what a server is told of a broken response
            await app(http_scope("/frozen"), receive, send)
    assert ended == [True]
    assert b"data: second\n\n" in sent
    assert "nothing of it was sent" in caplog.text


async def test_without_heartbeats(app: App) -> None:
    @app.get("/")
    @sse(heartbeat=None)
    async def view() -> t.AsyncIterator[str]:
        await asyncio.sleep(0.05)
        yield "a"

    assert (await get(app))[1] == b":\n\ndata: a\n\n"


async def test_the_generator_stays_in_one_task(app: App) -> None:
    """So what it enters it may leave; and it goes on when the next event is asked for."""
    tasks = set()

    @app.get("/")
    @sse(heartbeat=0.01)
    async def view() -> t.AsyncIterator[str]:
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            for _ in range(3):
                tasks.add(asyncio.current_task())
                await group.create_task(asyncio.sleep(0.02))
                yield "a"

    data = (await get(app))[1]
    assert data.replace(BEAT, b"") == b"data: a\n\n" * 3
    assert len(tasks) == 1


# --- how it ends --------------------------------------------------------------------------


@pytest.mark.parametrize("waits", [True, False])
async def test_the_client_leaves(app: App, waits: bool) -> None:
    log: list[str] = []

    @app.teardown_request
    def teardown(error: BaseException | None) -> None:
        log.append("teardown")

    @app.get("/")
    @sse(heartbeat=5)
    async def view() -> t.AsyncIterator[str]:
        try:
            yield "a"
            while waits:
                await asyncio.sleep(60)
            while True:
                await asyncio.sleep(0)
                yield "b"
        except asyncio.CancelledError:
            log.append("cancelled")
            raise
        finally:
            await asyncio.sleep(0)
            log.append(f"closed {quartish.request.path}")

    before = asyncio.all_tasks()
    with pytest.raises((HTTPDisconnectError, asyncio.CancelledError)):
        async with client(app).request("/") as connection:
            await connection.send_complete()
            event = await anext(connection.events())
            assert event.data == "a"
            await connection.disconnect()
            while True:
                await connection.receive()
    if waits:
        assert log == ["cancelled", "closed /", "teardown"]
    else:
        assert log[-2:] == ["closed /", "teardown"]
    assert asyncio.all_tasks() == before


async def test_a_generator_that_catches_every_cancellation(app: App) -> None:
    """sysid/sse-starlette#33 and #40: where the client had left it went on for ever, or was ended
    by GeneratorExit now and then. It is cancelled where it waits, and ended at its next event."""
    raised: list[str] = []

    @app.get("/")
    @sse
    async def view() -> t.AsyncIterator[str]:
        try:
            yield "a"
            while True:
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    raised.append("CancelledError")
                    yield "still here"
        except GeneratorExit:
            raised.append("GeneratorExit")
            raise

    before = asyncio.all_tasks()
    with pytest.raises((HTTPDisconnectError, asyncio.CancelledError)):
        async with client(app).request("/") as connection:
            await connection.send_complete()
            assert (await anext(connection.events())).data == "a"
            await connection.disconnect()
            while True:
                await connection.receive()
    assert raised == ["CancelledError", "GeneratorExit"]
    assert asyncio.all_tasks() == before


async def test_a_generator_that_never_yields(app: App) -> None:
    """pallets/quart#218: it was not closed, as nobody had begun it."""
    log: list[str] = []

    @app.get("/")
    @sse
    async def view() -> t.AsyncIterator[str]:
        try:
            await asyncio.sleep(60)
            yield "never"
        finally:
            log.append("closed")

    with pytest.raises((HTTPDisconnectError, asyncio.CancelledError)):
        async with client(app).request("/") as connection:
            await connection.send_complete()
            assert await connection.receive() == BEAT
            await connection.disconnect()
            while True:
                await connection.receive()
    assert log == ["closed"]


async def test_what_was_posted_is_read_in_the_generator(app: App) -> None:
    """As those who stream what a model says do."""

    @app.post("/")
    @sse
    async def view() -> t.AsyncIterator[t.Any]:
        asked: t.Any = quartish.request.get_json()
        asked = asked if app.plain else await asked
        for word in asked["text"].split():
            yield {"delta": word}
        yield "[DONE]"

    response = await client(app).post("/", json={"text": "how are you"})
    data: t.Any = response.get_data()
    events = [*read_events([data if app.plain else await data])]
    assert [event.data for event in events] == [
        '{"delta": "how"}',
        '{"delta": "are"}',
        '{"delta": "you"}',
        "[DONE]",
    ]


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_stream_that_breaks(app: App, is_async: bool) -> None:
    async def pieces() -> t.AsyncIterator[str]:
        yield "a"
        raise LookupError("the stream's own")

    def plain_pieces() -> t.Iterator[str]:
        yield "a"
        raise LookupError("the stream's own")

    app.add_url_rule("/", "view", sse(pieces) if is_async else sse(plain_pieces))
    received: list[bytes] = []
    with pytest.raises(LookupError, match="the stream's own"):
        async with client(app).request("/") as connection:
            await connection.send_complete()
            while True:
                received.append(await connection.receive())
    assert received == [BEAT, b"data: a\n\n"], "it looks as if it had ended"


async def test_a_stream_that_nobody_begins(app: App) -> None:
    """A HEAD has no body: what was opened for it is closed, and teardown runs once."""
    log: list[str] = []

    class Subscription:
        def __aiter__(self) -> t.Self:
            return self

        async def __anext__(self) -> str:
            raise AssertionError("nobody asks")

        async def aclose(self) -> None:
            log.append("closed")

    app.teardown_request(lambda error: log.append("teardown"))

    @app.get("/")
    async def view() -> t.Any:
        return sse(Subscription())

    response = await client(app).head("/")
    assert response.status_code == 200
    assert log == ["closed", "teardown"]


# --- JSON ---------------------------------------------------------------------------------


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("sequence", [False, True])
async def test_streamed_json(app: App, sequence: bool, indent: int | None) -> None:
    values = [{"a": "\n\r\u2028", "b": [1]}, None, "ü", 1.5]
    dumps = app.json.dumps
    app.json.dumps = lambda value, **kwargs: dumps(value, indent=indent, **kwargs)

    @app.get("/")
    @stream_json(sequence=sequence)
    async def view() -> t.AsyncIterator[t.Any]:
        for value in values:
            yield value

    @app.get("/plain")
    @stream_json(sequence=sequence)
    def plain() -> t.Iterator[t.Any]:
        yield from values

    response, data = await get(app)
    assert response.mimetype == ("application/json-seq" if sequence else "application/x-ndjson")
    lines = data.split(b"\n")
    assert lines.pop() == b""
    begin = b"\x1e" if sequence else b""
    assert all(line.startswith(begin) for line in lines)
    assert [json.loads(line.removeprefix(begin)) for line in lines] == values
    assert (await get(app, "/plain"))[1] == data
