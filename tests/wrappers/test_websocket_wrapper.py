"""The Websocket: messages in order, the handshake, the disconnect after the last message."""

from __future__ import annotations

import asyncio
import json
import threading
import typing as t

import pytest
from werkzeug.datastructures import Headers

import quartish
from quartish._http.inbox import Inbox
from quartish.json._long import LONG
from quartish.json.provider import DefaultJSONProvider
from quartish.signals import websocket_received
from quartish.signals import websocket_sent
from quartish.wrappers.websocket import SENDS_PER_TURN
from quartish.wrappers.websocket import Websocket
from quartish.wrappers.websocket import WebSocketDisconnect
from tests._scopes import websocket_scope

Sent = list[dict[str, t.Any]]


def text(data: str) -> dict[str, t.Any]:
    return {"type": "websocket.receive", "text": data, "bytes": None}


def binary(data: bytes) -> dict[str, t.Any]:
    return {"type": "websocket.receive", "text": None, "bytes": data}


LEAVES = {"type": "websocket.disconnect", "code": 4001, "reason": "enough"}


def scope_of(**changes: t.Any) -> dict[str, t.Any]:
    headers = [(b"host", b"h")]
    return websocket_scope("/ws", headers, **{"subprotocols": ["one", "two"], **changes})


def make(*messages: dict[str, t.Any], cls: t.Any = Websocket) -> tuple[t.Any, Sent]:
    """Make a websocket whose client sends these messages and then hangs."""
    script = list(messages)
    sent: Sent = []

    async def receive() -> dict[str, t.Any]:
        if not script:
            await asyncio.Event().wait()
        return script.pop(0)

    async def send(message: t.Any) -> None:
        sent.append(message)

    websocket = cls.quartish_from_scope(scope_of())
    websocket.connect(Inbox(receive), send)
    return websocket, sent


async def read_ahead(websocket: t.Any) -> None:
    """Let the reader of the inbox receive all that there is."""
    websocket.inbox.watch()
    for _ in range(5):
        await asyncio.sleep(0)


ACCEPT = {"type": "websocket.accept", "subprotocol": None, "headers": []}  # type: ignore[var-annotated]


async def test_messages_of_both_kinds() -> None:
    websocket, sent = make(text("a"), binary(b"b"), text(""), binary(b""))
    assert [await websocket.receive() for _ in range(4)] == ["a", b"b", "", b""]
    await websocket.send("é")
    await websocket.send(b"")
    await websocket.send(bytearray(b"x"))
    assert sent == [
        ACCEPT,
        {"type": "websocket.send", "text": "é"},
        {"type": "websocket.send", "bytes": b""},
        {"type": "websocket.send", "bytes": b"x"},
    ]


async def test_a_message_of_which_the_server_gives_one_key() -> None:
    websocket, _ = make({"type": "websocket.receive", "bytes": b"b"})
    assert await websocket.receive() == b"b"


async def test_json() -> None:
    websocket, sent = make(text('{"a": 1}'), binary(b"[1]"), text("{"))
    assert await websocket.receive_json() == {"a": 1}
    assert await websocket.receive_json() == [1]
    with pytest.raises(ValueError):
        await websocket.receive_json()
    await websocket.send_json({"a": 1})
    await websocket.send_json(1, 2)
    await websocket.send_json(a=1)
    assert [message["text"] for message in sent[1:]] == ['{"a": 1}', "[1, 2]", '{"a": 1}']
    with pytest.raises(TypeError, match="not both"):
        await websocket.send_json(1, a=1)


@pytest.mark.parametrize("data", [{"a": 1}, None, 1, ["a"]])
async def test_what_cannot_be_sent_says_what_to_do(data: t.Any) -> None:
    websocket, sent = make()
    with pytest.raises(TypeError, match=f"not {type(data).__name__}.*send_json"):
        await websocket.send(data)
    assert sent == [] and not websocket.accepted


# --- the handshake ------------------------------------------------------------------------------


async def test_accept_once_with_headers_and_subprotocol() -> None:
    websocket, sent = make(text("a"))
    assert websocket.requested_subprotocols == ["one", "two"] and not websocket.accepted
    await websocket.accept({"X-A": "é"}, "two")
    await websocket.accept(subprotocol="one")
    await websocket.receive()
    assert websocket.accepted
    assert sent == [
        {"type": "websocket.accept", "subprotocol": "two", "headers": [(b"x-a", b"\xe9")]}
    ]


async def test_close_before_accept_rejects() -> None:
    websocket, sent = make()
    await websocket.close(4000, "no")
    assert sent == [{"type": "websocket.close", "code": 4000, "reason": "no"}]
    assert websocket.closed and not websocket.accepted


async def test_nothing_follows_a_close() -> None:
    websocket, sent = make(LEAVES)
    await websocket.accept()
    await websocket.close()
    with pytest.raises(RuntimeError, match="closed already"):
        await websocket.close()
    with pytest.raises(RuntimeError, match="nothing can follow"):
        await websocket.send("a")
    with pytest.raises(WebSocketDisconnect):
        await websocket.receive()
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]


# --- the disconnect -----------------------------------------------------------------------------


async def test_a_disconnect_comes_after_the_messages_before_it() -> None:
    websocket, sent = make(text("a"), text("b"), LEAVES)
    await websocket.accept()
    await read_ahead(websocket)
    assert websocket.inbox.disconnect is not None
    assert await websocket.receive() == "a"
    await websocket.send("lost")  # there is more to receive
    assert await websocket.receive() == "b"
    for step in (websocket.receive, lambda: websocket.send("x"), websocket.receive):
        with pytest.raises(WebSocketDisconnect) as caught:
            await step()
        assert caught.value.code == 4001 and caught.value.reason == "enough"
        assert str(caught.value) == "the client closed the websocket: 4001 enough"
    await websocket.close()  # does no harm
    assert sent == [ACCEPT]


async def test_a_disconnect_before_the_handshake() -> None:
    websocket, _ = make({"type": "websocket.disconnect"})
    with pytest.raises(WebSocketDisconnect) as caught:
        await websocket.receive()
    assert caught.value.code == 1005 and caught.value.reason == ""


@pytest.mark.parametrize("pending", [True, False])
async def test_a_server_that_says_so_when_sending(pending: bool) -> None:
    async def send(message: t.Any) -> None:
        if message["type"] == "websocket.send":
            raise OSError("gone")

    websocket, _ = make(text("a"))
    websocket.connect(websocket.inbox, send)
    await websocket.accept()
    if pending:
        await read_ahead(websocket)
        await websocket.send("lost")
        assert await websocket.receive() == "a"
    with pytest.raises(WebSocketDisconnect) as caught:
        await websocket.send("x")
    assert caught.value.code == 1006
    await websocket.inbox.close()


@pytest.mark.parametrize("direct", [True, False])
async def test_errors_of_the_server_are_the_callers(direct: bool) -> None:
    """And whoever catches them, in a loop, keeps nobody waiting."""

    async def fail(*args: t.Any) -> t.Any:
        raise LookupError("the server's")

    websocket, _ = make(text("a"))
    await websocket.accept()
    if direct:
        websocket.connect(Inbox(fail), fail)
        websocket._direct = websocket.inbox
    else:
        websocket._direct = None
        websocket._send = websocket._receive = fail
    turns: list[int] = []

    async def other() -> None:
        turns.append(1)

    calls = [lambda: websocket.send("x"), websocket.receive, lambda: websocket.send_json(object())]
    for call in calls:
        task = asyncio.create_task(other())
        for _ in range(2000):
            with pytest.raises((LookupError, TypeError)):
                await call()
            if task.done():
                break
        assert task.done()
    assert len(turns) == len(calls)
    await websocket.inbox.close()


async def test_a_client_that_is_gone_before_the_handshake_is_accepted() -> None:
    async def send(message: t.Any) -> None:
        raise OSError("gone")

    websocket, _ = make()
    websocket.connect(websocket.inbox, send)
    with pytest.raises(WebSocketDisconnect) as caught:
        await websocket.accept()
    assert caught.value.code == 1006 and isinstance(caught.value.__cause__, OSError)
    await websocket.inbox.close()


@pytest.mark.parametrize("data", [bytearray(b"ab"), memoryview(b"ab"), b"ab"])
async def test_bytes_of_any_kind_are_sent(data: t.Any) -> None:
    websocket, sent = make()
    await websocket.send(data)
    assert type(sent[-1]["bytes"]) is bytes and sent[-1]["bytes"] == b"ab"


async def test_iteration_ends_with_the_client() -> None:
    websocket, _ = make(text("a"), binary(b""), LEAVES)
    assert [message async for message in websocket] == ["a", b""]


async def test_an_error_in_the_loop_is_no_end() -> None:
    websocket, _ = make(text("a"), LEAVES)
    with pytest.raises(LookupError):
        async for _ in websocket:
            raise LookupError


async def test_who_only_sends_gives_others_their_turn() -> None:
    websocket, _ = make()
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    for _ in range(3 * SENDS_PER_TURN):
        await websocket.send("x")
    task.cancel()
    assert turns == 3


# --- signals, and how it is made ----------------------------------------------------------------


async def test_signals() -> None:
    seen: list[t.Any] = []

    def received(message: t.Any) -> None:
        seen.append(("received", message))

    async def sent(message: t.Any) -> None:
        seen.append(("sent", message))

    websocket, _ = make(text("a"))
    with websocket_received.connected_to(received), websocket_sent.connected_to(sent):
        await websocket.receive()
        await websocket.send("b")
    await websocket.send("c")
    assert seen == [("received", "a"), ("sent", "b")]


async def test_made_as_quart_does() -> None:
    calls: list[t.Any] = []

    async def receive() -> str:
        return "in"

    async def send(data: t.Any) -> None:
        calls.append(data)

    async def accept(headers: Headers, subprotocol: str | None) -> None:
        calls.append((headers.to_wsgi_list(), subprotocol))

    async def close(code: int, reason: str) -> None:
        calls.append((code, reason))

    websocket = Websocket(
        "/p",
        b"q=1",
        "wss",
        Headers({"Host": "h"}),
        "",
        "2",
        ["one"],
        receive,
        send,
        accept,
        close,
        {"type": "websocket"},
    )
    assert websocket.url == "wss://h/p?q=1" and websocket.method == "GET"
    assert websocket.requested_subprotocols == ["one"] and websocket.http_version == "2"
    assert await websocket.receive() == "in"
    await websocket.send("out")
    await websocket.close(1001)
    assert calls == [([], None), ([], None), "out", (1001, "")]  # each message asks


async def test_a_subclass_with_an_init_of_its_own() -> None:
    class Own(Websocket):
        def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
            super().__init__(*args, **kwargs)
            self.extra = "set"

    websocket, sent = make(text("a"), cls=Own)
    assert websocket.extra == "set" and websocket.path == "/ws" and websocket.host == "h"
    assert websocket.requested_subprotocols == ["one", "two"]
    assert await websocket.receive() == "a" and sent == [ACCEPT]


async def test_two_tasks_receive_and_one_gives_up() -> None:
    arrived: asyncio.Queue[dict[str, t.Any]] = asyncio.Queue()
    websocket, _ = make()
    websocket.connect(Inbox(arrived.get), websocket.asgi_send)
    first, second, third = [asyncio.create_task(websocket.receive()) for _ in range(3)]
    await asyncio.sleep(0.001)
    second.cancel()
    for data in "ab":
        arrived.put_nowait(text(data))
    assert {await first, await third} == {"a", "b"}
    fourth, fifth = [asyncio.create_task(websocket.receive()) for _ in range(2)]
    await asyncio.sleep(0.001)
    fourth.cancel()  # the one that is in the server's `receive`
    arrived.put_nowait(text("c"))
    assert await fifth == "c"
    assert second.cancelled() and fourth.cancelled()


async def test_a_task_that_waits_for_the_reader_gives_up() -> None:
    arrived: asyncio.Queue[dict[str, t.Any]] = asyncio.Queue()
    websocket, _ = make()
    websocket.connect(Inbox(arrived.get), websocket.asgi_send)
    await websocket.accept()
    await read_ahead(websocket)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(websocket.receive(), 0.001)
    waiting = asyncio.create_task(websocket.receive())
    await asyncio.sleep(0)
    arrived.put_nowait(text("a"))
    assert await waiting == "a"
    assert websocket.inbox.pending == 0
    await websocket.inbox.close()


async def test_steps_of_a_subclass_see_every_message() -> None:
    class Shouting(Websocket):
        async def _receive(self) -> str | bytes:
            return (await super()._receive()).upper()

        async def _send(self, data: str | bytes) -> None:
            await super()._send(data + data[-1:])  # type: ignore[operator]

    websocket, sent = make(text("a"), text("b"), LEAVES, cls=Shouting)
    async for message in websocket:
        await websocket.send(message)
    assert [message.get("text") for message in sent] == [None, "AA", "BB"]


async def test_steps_put_on_it_before_the_handshake() -> None:
    websocket, sent = make(text("a"))
    seen: list[t.Any] = []

    async def _send(data: str | bytes) -> None:
        seen.append(data)

    websocket._send = _send
    await websocket.send(await websocket.receive())
    assert seen == ["a"] and sent == [ACCEPT]


async def test_a_send_that_nobody_awaits_is_reported() -> None:
    websocket, sent = make()
    with pytest.warns(RuntimeWarning, match="Websocket._sent' was never awaited"):
        websocket.send("lost")
    assert sent == []


# --- long JSON ----------------------------------------------------------------------------------

MANY = [{"a": number} for number in range(20_000)]


def with_app() -> tuple[t.Any, Sent]:
    websocket, sent = make()
    websocket.json_module = quartish.Flask("app").json
    return websocket, sent


async def test_long_json_is_written_in_a_thread_and_sent_in_its_turn() -> None:
    websocket, sent = with_app()
    threads: set[int] = set()

    class Money:
        def __html__(self) -> str:
            threads.add(threading.get_ident())
            return "1 €"

    await websocket.send("before")
    async with asyncio.TaskGroup() as group:
        for call in (
            websocket.send_json([Money(), MANY]),
            websocket.send("after"),
            websocket.send_json({"a": 1}),
            websocket.send_json(MANY[1:]),
            websocket.close(),
        ):
            group.create_task(call)
    texts = [message.get("text") for message in sent[1:]]
    long = json.dumps(["1 €", MANY])
    assert texts == ["before", long, "after", '{"a": 1}', json.dumps(MANY[1:]), None]
    assert sent[-1]["type"] == "websocket.close"
    assert threads and threading.get_ident() not in threads


async def test_long_json_that_cannot_be_written_is_an_error_and_others_go_on() -> None:
    websocket, sent = with_app()
    circle: list[t.Any] = [*MANY]
    circle.insert(0, circle)
    for value, error in (([*MANY, object()], TypeError), (circle, ValueError)):
        with pytest.raises(error):
            await websocket.send_json(value)
    await websocket.send("go on")
    assert [message.get("text") for message in sent] == [None, "go on"]


async def test_a_provider_of_the_users_writes_all_by_itself() -> None:
    class Own(DefaultJSONProvider):
        def dumps(self, obj: t.Any, **kwargs: t.Any) -> str:
            return f"{len(obj)} items"

    websocket, sent = make()
    websocket.json_module = Own(quartish.Flask("app"))
    await websocket.send_json(MANY)
    assert sent[-1]["text"] == "20000 items"


@pytest.mark.parametrize("kind", [text, binary])
async def test_json_of_too_many_parts_is_refused(kind: t.Any) -> None:
    app = quartish.Flask("app")
    app.config["MAX_JSON_PARTS"] = 20_001
    data = json.dumps(MANY), json.dumps([*MANY, {}])
    for each in data:
        assert len(each) > LONG
    websocket, _ = make(*(kind(each if kind is text else each.encode()) for each in data))
    websocket.json_module = app.json
    with app.app_context():
        assert await websocket.receive_json() == MANY
        with pytest.raises(ValueError, match="MAX_JSON_PARTS"):
            await websocket.receive_json()
    websocket, _ = make(*(text(each) for each in data))  # of no app
    assert await websocket.receive_json() and await websocket.receive_json()
