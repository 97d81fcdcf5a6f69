"""Typed messages of websockets: of a view that talks as it likes, and of one that is called for
each; in both colours, `def` and `async def`, as JSON and as MessagePack."""

from __future__ import annotations

import asyncio
import functools
import json
import typing as t
from typing import Annotated

import msgspec
import pydantic
import pytest

import quartish
from quartish.quart import websocket
from quartish.testing.app import LifespanError
from quartish.typed import Body
from quartish.typed import Depends
from quartish.typed import Message
from quartish.typed import Messages
from quartish.typed import Query
from quartish.typed import typed
from quartish.typed import WrongMessage
from tests._scripted import WebsocketPeer

log: list[str] = []


@pytest.fixture(autouse=True)
def empty_log() -> None:
    log.clear()


class Order(msgspec.Struct):
    sku: str
    quantity: Annotated[int, msgspec.Meta(ge=1)] = 1


class Receipt(msgspec.Struct):
    sku: str
    total: float


class Model(pydantic.BaseModel):
    sku: str
    quantity: int = pydantic.Field(1, ge=1)


class Row:
    """What has more than is said of it."""

    sku = "row"
    total = 1.5
    secret = "secret"


class Session:
    number = 0

    def __init__(self) -> None:
        Session.number += 1
        self.number = Session.number


class Pool:
    pass


def receipt_of(order: t.Any) -> Receipt:
    return Receipt(order.sku, order.quantity * 2.0)


KINDS = ["async", "def"]
ORDER = '{"sku": "a", "quantity": 3}'
RECEIPT = {"sku": "a", "total": 6.0}


def listener(view: t.Any, kind: str) -> t.Any:
    """Return a view that is called for each message, or the same as an `async def`."""
    if kind == "def":
        return view

    @functools.wraps(view)
    async def as_async(**values: t.Any) -> t.Any:
        await asyncio.sleep(0)
        return view(**values)

    return as_async


def each(order: Annotated[Order, Message()], page: Annotated[int, Query()] = 1) -> Receipt:
    log.append(f"view {page}")
    return receipt_of(order)


async def freely(messages: Messages[Order, Receipt], page: Annotated[int, Query()] = 1) -> None:
    async for order in messages:
        log.append(f"view {page}")
        await messages.send(receipt_of(order))


def freely_in_thread(messages: Messages[Order, Receipt], page: Annotated[int, Query()] = 1) -> None:
    for order in messages:
        log.append(f"view {page}")
        messages.send(receipt_of(order))  # type: ignore[unused-coroutine]


def add(app: t.Any, style: str, kind: str) -> None:
    freely_either = freely if kind == "async" else freely_in_thread
    view = listener(each, kind) if style == "each" else freely_either
    app.add_websocket("/", "view", view)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("style", ["each", "freely"])
async def test_messages_have_types(colour: type[t.Any], style: str, kind: str) -> None:
    app = colour(__name__)
    app.testing = True
    add(app, style, kind)
    async with WebsocketPeer(app, "/?page=2") as peer:
        peer.say(ORDER)
        await peer.until(2)
        peer.say(msgspec.msgpack.encode(Order("b")))
        await peer.until(3)
        peer.say('{"sku": "c"}')
        await peer.until(4)
        peer.leave(1000)
    assert peer.error is None
    first, second, third = peer.said
    assert isinstance(first, str)
    assert json.loads(first) == RECEIPT
    assert isinstance(second, bytes)
    assert msgspec.msgpack.decode(second) == {"sku": "b", "total": 2.0}
    assert isinstance(third, str)
    assert log == ["view 2"] * 3


WRONG: list[tuple[str | bytes, int, str]] = [
    ('{"quantity": 0}', 1007, "sku: It is required."),
    ('{"sku": "a", "quantity": 0}', 1007, "quantity: Expected `int` >= 1."),
    ('{"sku": "a", "quantity": 1e999}', 1007, "The message is no JSON: Number out of range"),
    ("[]", 1007, "Expected `object`, got `array`."),
    ("{", 1007, "The message is no JSON: Input data was truncated."),
    ("", 1007, "The message is no JSON: Input data was truncated."),
    ('"\ud800"', 1007, "The message is no JSON"),
    (b"", 1007, "The message is no MessagePack: Input data was truncated."),
    (b"\xc1", 1007, "The message is no MessagePack: "),
    (b"\xc7\x01\x05a", 1007, "The message is no MessagePack: "),
    # What it says depends on how deep a Python goes.
    ("[" * 5000, 1007, "The message is no JSON: I"),
    ("[" * 200_000, 1007, "The message is no JSON: It has more than "),
    (b"\xdc\xff\xff" + b"\x90" * 65_535, 1007, "The message is no MessagePack: It has more than "),
    ('{"sku": "' + "é" * 70_000 + '", "quantity": "x"}', 1007, "quantity: Expected `int`"),
    ('{"%s": 1}' % ("é" * 500), 1007, "sku: It is required."),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("style", ["each", "freely"])
@pytest.mark.parametrize(("message", "code", "reason"), WRONG, ids=range(len(WRONG)))
async def test_a_wrong_message_closes(
    colour: type[t.Any],
    style: str,
    kind: str,
    message: str | bytes,
    code: int,
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It says what is wrong, and is no error of the server's."""
    app = colour(__name__)
    app.config["MAX_JSON_PARTS"] = 10_000
    add(app, style, kind)
    async with WebsocketPeer(app) as peer:
        peer.say(message, ORDER)
        await peer.until(2)
        peer.leave(code)
    assert peer.error is None
    assert peer.code == code
    assert peer.sent[-1]["reason"].startswith(reason)
    assert len(peer.sent[-1]["reason"].encode()) <= 123
    assert (peer.said, log, caplog.records) == ([], [], [])


async def test_text_and_bytes_as_they_come(colour: type[t.Any]) -> None:
    app = colour(__name__)

    @app.websocket("/text")
    async def text(message: Annotated[str, Message()]) -> str:
        return message.upper()

    @app.websocket("/bytes")
    async def data(message: Annotated[bytes, Message()]) -> bytes:
        return message * 2

    for path, ask, answer, other, taken in (
        ("/text", "no { json", "NO { JSON", b"x", "text"),
        ("/bytes", b"\xff", b"\xff\xff", "x", "bytes"),
    ):
        async with WebsocketPeer(app, path) as peer:
            peer.say(t.cast(t.Any, ask), t.cast(t.Any, other))
            await peer.until(3)
            peer.leave()
        assert peer.said == [answer]
        assert (peer.code, peer.sent[-1]["reason"]) == (1003, f"This takes {taken}.")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_view_may_keep_it_open(colour: type[t.Any], kind: str) -> None:
    """The client is told by the problem document that http answers with."""
    app = colour(__name__)

    def view(order: t.Any) -> t.Any:
        return receipt_of(order)

    view.__annotations__.update(
        {"order": Annotated[Order, Message(keep_open=True)], "return": Receipt}
    )
    app.add_websocket("/", "view", listener(view, kind))
    async with WebsocketPeer(app) as peer:
        peer.say('{"quantity": 0}', "{", ORDER)
        await peer.until(4)
        peer.leave()
    faulty, undecodable, receipt = map(json.loads, peer.said)
    assert [(fault["where"], fault["path"]) for fault in faulty["errors"]] == [
        ("message", ["sku"]),
        ("message", ["quantity"]),
    ]
    assert (faulty["status"], undecodable["detail"][:22]) == (422, "The message is no JSON")
    assert receipt == RECEIPT


async def test_a_view_that_talks_may_catch_it(colour: type[t.Any]) -> None:
    app = colour(__name__)

    @app.websocket("/")
    async def view(messages: Messages[Order, t.Any]) -> None:
        while True:
            try:
                order = await messages.receive()
            except WrongMessage as error:
                await messages.send({"wrong": error.errors[0].path})
            else:
                await messages.send(order.quantity)
                break

    async with WebsocketPeer(app) as peer:
        peer.say('{"sku": 3}', ORDER)
        await peer.until(4)
        peer.leave()
    assert [json.loads(said) for said in peer.said] == [{"wrong": ["sku"]}, 3]
    assert peer.code == 1000


@pytest.mark.parametrize("kind", KINDS)
async def test_the_apps_error_handlers_see_it(colour: type[t.Any], kind: str) -> None:
    app = colour(__name__)
    add(app, "each", kind)

    @app.errorhandler(WrongMessage)
    async def told(error: WrongMessage) -> str:
        await websocket.send_json({"wrong": error.errors[0].path})
        return "no answer"

    async with WebsocketPeer(app) as peer:
        peer.say("{}")
        await peer.until(3)
        peer.leave()
    assert [json.loads(said) for said in peer.said] == [{"wrong": ["sku"]}]
    assert peer.code == 1007


# --- what is sent ----------------------------------------------------------------------------


async def test_what_is_sent_is_what_its_type_says(colour: type[t.Any]) -> None:
    """No other attribute of an object leaves, and None is not sent."""
    app = colour(__name__)

    @app.websocket("/")
    async def view(order: Annotated[Model, Message()]) -> Receipt | None:
        return t.cast(Receipt, Row()) if order.quantity > 1 else None

    async with WebsocketPeer(app) as peer:
        peer.say('{"sku": "a"}', ORDER, msgspec.msgpack.encode({"sku": "a", "quantity": 2}))
        await peer.until(3)
        peer.leave()
    first, second = peer.said
    assert json.loads(first) == {"sku": "row", "total": 1.5}
    assert msgspec.msgpack.decode(t.cast(bytes, second)) == {"sku": "row", "total": 1.5}


@pytest.mark.parametrize("testing", [True, False])
async def test_a_view_of_models(colour: type[t.Any], testing: bool) -> None:
    app = colour(__name__)
    app.testing = testing

    @app.websocket("/")
    async def view(messages: Messages[Model, Model]) -> None:
        async for order in messages:
            await messages.send(order)

    async with WebsocketPeer(app) as peer:
        peer.say(ORDER, msgspec.msgpack.encode({"sku": "b"}), '{"sku": 1}')
        await peer.until(4)
        peer.leave()
    assert json.loads(peer.said[0]) == {"sku": "a", "quantity": 3}
    assert msgspec.msgpack.decode(t.cast(bytes, peer.said[1])) == {"sku": "b", "quantity": 1}
    assert (peer.code, peer.sent[-1]["reason"]) == (1007, "sku: Input should be a valid string.")


@pytest.mark.parametrize("value", [{"sku": 3}, None], ids=["wrong", "nothing"])
async def test_what_its_type_does_not_say_is_an_error_of_the_view(
    colour: type[t.Any], value: t.Any, caplog: pytest.LogCaptureFixture
) -> None:
    app = colour(__name__)
    app.testing = True

    @app.websocket("/")
    async def view(order: Annotated[Order, Message()]) -> Receipt:
        return t.cast(Receipt, value)

    async with WebsocketPeer(app) as peer:
        peer.say(ORDER)
        await peer.until(2)
        peer.leave()
    assert peer.code == 1011
    assert "`view`, test_messages.py" in f"{peer.error} {caplog.text}"


# --- components of a message's ---------------------------------------------------------------


def open_session(pool: Annotated[Pool, Depends()]) -> t.Iterator[Session]:
    session = Session()
    log.append(f"open {session.number}")
    try:
        yield session
    except Exception as error:
        log.append(f"sees {error}")
        raise
    finally:
        log.append(f"close {session.number}")


async def open_pool() -> t.AsyncIterator[Pool]:
    log.append("open pool")
    try:
        yield Pool()
    finally:
        await asyncio.sleep(0.001)  # also where the client left
        log.append("close pool")


def big(order: Annotated[Order, Message()], session: Annotated[Session, Depends()]) -> str:
    """A function named on the spot lives as long as what it asks for."""
    return f"{order.sku}{session.number}"


def in_session(session: Annotated[Session, Depends()], name: Annotated[str, Depends(big)]) -> str:
    log.append(f"view {session.number}")
    if name.startswith("fail"):
        raise ValueError("failed")
    return name


def with_sessions(colour: type[t.Any], kind: str) -> t.Any:
    app = colour(__name__)
    app.provide(Pool, open_pool)
    app.provide(Session, open_session, scope="message")
    app.add_websocket("/", "view", listener(in_session, kind))
    Session.number = 0
    return app


@pytest.mark.parametrize("kind", KINDS)
async def test_a_component_for_each_message(colour: type[t.Any], kind: str) -> None:
    app = with_sessions(colour, kind)
    async with WebsocketPeer(app) as peer:
        peer.say(ORDER, ORDER)
        await peer.until(3)
        peer.leave()
    assert peer.said == ["a1", "a2"]
    assert log == [
        *("open pool", "open 1", "view 1", "close 1", "open 2", "view 2", "close 2"),
        "close pool",
    ]


@pytest.mark.parametrize("kind", KINDS)
async def test_it_sees_the_error_of_its_message(colour: type[t.Any], kind: str) -> None:
    app = with_sessions(colour, kind)
    async with WebsocketPeer(app) as peer:
        peer.say('{"sku": "fail"}', ORDER)
        await peer.until(2)
        peer.leave()
    assert (peer.said, peer.code) == ([], 1011)
    assert log[:5] == ["open pool", "open 1", "view 1", "sees failed", "close 1"]


async def waits(session: Annotated[Session, Depends()]) -> None:
    log.append("waits")
    await asyncio.sleep(60)


def waiting(
    session: Annotated[Session, Depends()],
    order: Annotated[Order, Message()],
    slow: Annotated[None, Depends(waits)],
) -> None: ...


@pytest.mark.parametrize("kind", KINDS)
async def test_all_is_closed_when_the_client_leaves_meanwhile(
    colour: type[t.Any], kind: str
) -> None:
    app = with_sessions(colour, kind)
    app.add_websocket("/waits", "waits", listener(waiting, kind))
    async with WebsocketPeer(app, "/waits") as peer:
        peer.say(ORDER)
        async with asyncio.timeout(5):
            while "waits" not in log:
                await asyncio.sleep(0.001)
        peer.leave(1001)
    assert log == ["open pool", "open 1", "waits", "close 1", "close pool"]


async def test_it_is_overridden_in_tests(colour: type[t.Any]) -> None:
    app = with_sessions(colour, "async")
    with app.override(Session, Session):
        async with WebsocketPeer(app) as peer:
            peer.say(ORDER, ORDER)
            await peer.until(3)
            peer.leave()
    assert peer.said == ["a1", "a2"]
    assert log == ["view 1", "view 2"]


async def test_blueprints_and_typed_views(colour: type[t.Any]) -> None:
    """A type with fields is the message, as it is the body of a request."""
    app = colour(__name__)
    page = quartish.Blueprint("page", __name__, url_prefix="/page")

    @page.websocket("/<int:number>")
    @typed
    async def view(number: int, order: Order) -> list[int]:
        return [number, order.quantity]

    app.register_blueprint(page)
    async with WebsocketPeer(app, "/page/7") as peer:
        peer.say(ORDER)
        await peer.until(2)
        peer.leave()
    assert peer.said == ["[7,3]"]


# --- mistakes --------------------------------------------------------------------------------


def needs_session(session: Annotated[Session, Depends()]) -> str:
    return ""


class Lasting:
    def __init__(self, session: Annotated[Session, Depends()]) -> None: ...


async def http_component(session: Annotated[Session, Depends()]) -> str:
    return ""


async def http_message(order: Annotated[Order, Message()]) -> str:
    return ""


async def http_messages(messages: Messages[Order, Receipt]) -> str:
    return ""


async def no_types(messages: Messages) -> None:  # type: ignore[type-arg]
    pass


async def one_type(messages: Messages[Order]) -> None:  # type: ignore[type-arg]
    pass


async def twice(order: Annotated[Order, Message()], messages: Messages[Order, Receipt]) -> None:
    pass


async def body(order: Annotated[Order, Body()]) -> None:
    pass


async def lasting(order: Annotated[Order, Message()], it: Annotated[Lasting, Depends()]) -> None:
    pass


async def without(session: Annotated[Session, Depends()]) -> None:
    pass


MISTAKES: list[tuple[t.Any, bool, str]] = [
    (http_component, False, "Session is made for each message of a websocket, and this is none"),
    (http_message, False, "'order', a Message, and is no websocket's: register it with"),
    (http_messages, False, "'messages', the messages of a websocket, and is no websocket's"),
    (one_type, True, "Too few"),
    (no_types, True, r"'messages' has to say both types: Messages\[Order, Receipt\]"),
    (twice, True, "its messages twice"),
    (body, True, r"'order', a Body, and a websocket's handshake has no body.*Message\(\)"),
    (lasting, True, "Lasting lives as long as the request, and asks for Session, which does not"),
    (without, True, "asks for Session, which is made for each message, and for no message"),
]


@pytest.mark.parametrize(
    ("view", "is_websocket", "match"), MISTAKES, ids=[case[0].__name__ for case in MISTAKES]
)
async def test_mistakes_are_told_of_at_the_start(
    colour: type[t.Any], view: t.Any, is_websocket: bool, match: str
) -> None:
    app = with_sessions(colour, "async")
    app.provide(Lasting, Lasting)
    add_view = app.add_websocket if is_websocket else app.add_url_rule
    add_view("/mistake", view.__name__, view)
    with pytest.raises(LifespanError, match=f"`{view.__name__}`.*{match}"):
        async with app.test_app():
            pass


def long_lived(session: Annotated[Session, Depends()]) -> Pool:
    return Pool()


async def both(session: Annotated[Session, Depends()], pool: Annotated[Pool, Depends()]) -> str:
    return ""


async def test_one_of_the_app_asks_for_nothing_that_was_asked_for_before(
    colour: type[t.Any],
) -> None:
    app = colour(__name__)
    app.provide(Session, Session)
    app.provide(Pool, long_lived, scope="app")
    app.add_url_rule("/", view_func=both)
    with pytest.raises(LifespanError, match="lives as long as the app, and asks for Session"):
        async with app.test_app():
            pass
