"""Published weaknesses of websockets, each test named by the advisory."""

from __future__ import annotations

import asyncio
import random
import typing as t
import zlib

import hypercorn
import pytest
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.asyncio.lifespan import Lifespan
from hypercorn.protocol import ws_stream
from hypercorn.protocol.events import Data
from hypercorn.protocol.events import StreamClosed
from wsproto.events import BytesMessage
from wsproto.events import CloseConnection
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import CloseReason

import quartish
from quartish.asgi.inflated import bound_what_is_inflated
from tests._scripted import WebsocketPeer


def make_app(cls: type[t.Any], **config: t.Any) -> t.Any:
    app = cls("sockets")
    app.config.update(SECRET_KEY="key", **config)

    @app.websocket("/ws")
    async def echo() -> None:
        while True:
            await quartish.websocket.send(await quartish.websocket.receive())

    return app


FOREIGN = [
    *("https://evil.example", "null", "", "https://site.example.evil", "http://site.example"),
    *("https://evil.example/https://site.example", "https://site.example:8443", "site.example"),
    *("HTTPS://SITE.EXAMPLE.", "https://site.example@evil.example"),
]


@pytest.mark.parametrize(
    "advisory",
    ["CVE-2019-13611 python-engineio", "CVE-2026-59950 MCP", "CVE-2018-14732 webpack"],
)
@pytest.mark.parametrize("rejects", [True, False])
async def test_a_page_of_another_site_opens_no_websocket(
    colour: type[t.Any], advisory: str, rejects: bool
) -> None:
    """It spoke with the visitor's cookies."""
    app = make_app(colour, WEBSOCKET_ORIGINS=["https://site.example"])
    for origin in FOREIGN:
        async with WebsocketPeer(app, "/ws", rejects=rejects, origin=origin) as peer:
            await peer.until(1)
        assert "accept" not in peer.types, origin
        assert peer.sent[0].get("status", 403) == 403
    async with WebsocketPeer(app, "/ws", rejects=rejects) as peer:  # it does not say
        await peer.until(1)
    assert "accept" not in peer.types
    async with WebsocketPeer(app, "/ws", origin="https://site.example") as peer:
        peer.say("mine")
        await peer.until(2)
        peer.leave()
    assert peer.said == ["mine"]


@pytest.mark.parametrize("advisory", ["CVE-2026-42544 granian", "CVE-2021-32640 ws"])
async def test_odd_subprotocols(colour: type[t.Any], advisory: str) -> None:
    """They stopped the server, or it looked at them for minutes."""
    app = make_app(colour)
    for subprotocols in (["\xff"], [""], ["a" * 20_000], ["a,b", " "], ["\x00"] * 1000):
        peer = WebsocketPeer(
            app, "/ws", subprotocols=subprotocols, sec_websocket_protocol="\xff, a \xe9"
        )
        async with peer:
            peer.say("here")
            await peer.until(2)
            peer.leave()
        assert peer.said == ["here"] and peer.sent[0].get("subprotocol") is None


@pytest.mark.parametrize("advisory", ["CVE-2018-1000518 websockets", "CVE-2024-37890 ws"])
async def test_messages_that_nobody_reads_are_bounded(colour: type[t.Any], advisory: str) -> None:
    """What a client sent filled the memory: only so much is read ahead of the handler."""
    app = colour("deaf")
    held = asyncio.Event()

    @app.websocket("/ws")
    async def deaf() -> None:
        await quartish.websocket.accept()
        await held.wait()

    taken = 0
    sent: list[t.Any] = []
    first = True

    async def receive() -> dict[str, t.Any]:
        nonlocal taken, first
        if first:
            first = False
            return {"type": "websocket.connect"}
        taken += 1_000_000
        if taken > 60_000_000:
            raise AssertionError("without bound")
        return {"type": "websocket.receive", "bytes": bytes(1_000_000), "text": None}

    async def send(message: t.Any) -> None:
        sent.append(message)

    scope = {
        **dict(type="websocket", http_version="1.1", scheme="ws", path="/ws", query_string=b""),
        **dict(root_path="", headers=[(b"host", b"a")], client=None, server=None, subprotocols=[]),
    }
    task = asyncio.create_task(app(scope, receive, send))
    await asyncio.sleep(1)
    assert 0 < taken <= 18_000_000, taken
    held.set()
    await asyncio.wait_for(task, 5)
    assert sent[-1]["type"] == "websocket.close"


def stock(monkeypatch: pytest.MonkeyPatch) -> None:
    handle = ws_stream.WSStream.handle
    monkeypatch.setattr(ws_stream, "PerMessageDeflate", PerMessageDeflate)
    monkeypatch.setattr(ws_stream.WSStream, "handle", getattr(handle, "__wrapped__", handle))


ASKED = (b"sec-websocket-extensions", b"permessage-deflate")


def bound(most: int, monkeypatch: pytest.MonkeyPatch) -> t.Any:
    """Return what Hypercorn reads a websocket by, bound to messages of so many bytes."""
    stock(monkeypatch)
    bound_what_is_inflated(most)
    return ws_stream.Handshake([ASKED], "2").accept(None, [])[2]


def frame(data: bytes, opcode: int, fin: bool = True, packed: bool = False) -> bytes:
    begin = bytes([0x80 * fin | 0x40 * packed | opcode])
    size = len(data).to_bytes(1 if len(data) < 126 else 2 if len(data) < 65536 else 8, "big")
    short = {1: size[0], 2: 126, 8: 127}[len(size)]
    return begin + bytes([0x80 | short]) + size[len(size) == 1 :] + bytes(4) + data


def inflated(connection: t.Any, data: bytes) -> list[int]:
    """Return how many bytes are made of each 64 kB that come."""
    found = []
    for at in range(0, len(data), 65536):
        connection.receive_data(data[at : at + 65536])
        found.append(sum(len(getattr(event, "data", b"")) for event in connection.events()))
    return found


def deflated(packer: t.Any, data: bytes) -> bytes:
    packed: bytes = packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)
    return packed.removesuffix(b"\0\0\xff\xff")


def test_cve_2018_1000518_no_more_is_inflated_than_a_message_may_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor after it was too long, by whatever frames, with pings between them."""
    most = 1_000_000
    bomb = deflated(zlib.compressobj(9, zlib.DEFLATED, -15), bytes(100 * most))
    found = inflated(bound(most, monkeypatch), frame(bomb, 2, packed=True))
    assert most < found[0] < 2.1 * most
    assert not any(found[1:])
    cut = [bomb[at : at + 500] for at in range(0, len(bomb), 500)]
    frames = [
        frame(piece, 0 if number else 2, fin=False, packed=not number) + frame(b"!", 9)
        for number, piece in enumerate(cut)
    ]
    assert most < sum(inflated(bound(most, monkeypatch), b"".join(frames))) < 2.1 * most


def test_messages_that_are_inflated_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = bound(100_000, monkeypatch)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    for size in (0, 1, 99_000, 50_000, 100_000):
        text = b"ab" * (size // 2) + b"c" * (size % 2)
        packed = deflated(packer, text)
        connection.receive_data(frame(packed[:9], 1, fin=False, packed=True) + frame(b"!", 9))
        connection.receive_data(frame(packed[9:], 0))
        events = list(connection.events())
        assert "".join(e.data for e in events if hasattr(e, "data")) == text.decode()
        assert [e.payload for e in events if hasattr(e, "payload")] == [b"!"]
        connection.receive_data(frame(text, 2))
        assert b"".join(event.data for event in connection.events()) == text


@pytest.mark.parametrize("seed", range(40))
def test_messages_among_pings_and_pongs(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deflated or not, whole or in fragments, with control frames before, between and after:
    wsproto#205, libwebsockets#1470."""
    chance = random.Random(seed)
    connection = bound(1000, monkeypatch)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    said, controls, frames = [], 0, []
    for number in range(12):
        said.append(b"%d" % number * chance.choice([0, 1, 40]))
        packs = chance.random() < 0.6
        data = deflated(packer, said[-1]) if packs else said[-1]
        cuts = [0, *sorted(chance.choices(range(len(data) + 1), k=chance.choice([0, 0, 1, 2])))]
        for at, begin in enumerate(cuts):
            for payload in chance.choices([b"", b"!"], k=chance.choice([0, 0, 1, 2])):
                frames.append(frame(payload, chance.choice([9, 10])))
                controls += 1
            end = (*cuts, len(data))[at + 1]
            last = at == len(cuts) - 1
            frames.append(frame(data[begin:end], 0 if at else 2, fin=last, packed=packs and not at))
    connection.receive_data(b"".join(frames))
    found, whole = [b""], []
    for event in connection.events():
        if isinstance(event, BytesMessage):
            found[-1] += event.data
            if event.message_finished:
                whole.append(found[-1])
                found.append(b"")
        else:
            controls -= 1
    assert whole == said and found[-1] == b"" and controls == 0


def test_a_ping_that_says_to_be_deflated_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As without the bound: RFC 7692, section 6."""
    for opcode in (8, 9, 10):
        connection = bound(1000, monkeypatch)
        connection.receive_data(frame(b"", opcode, packed=True))
        [event] = connection.events()
        assert isinstance(event, CloseConnection) and event.code == CloseReason.PROTOCOL_ERROR


def hypercorns(*sends: t.Any) -> t.Any:
    """Return Hypercorn's websocket, which was accepted, of the app's queue and the client's."""
    app_put, send = (*sends, None)[:2]
    unused = t.cast(t.Any, None)
    config = hypercorn.Config()
    stream = ws_stream.WSStream(unused, config, unused, unused, False, None, None, send, 1)
    stream.app_put = app_put
    stream.handshake = ws_stream.Handshake([ASKED], "2")
    stream.connection = stream.handshake.accept(None, [])[2]
    return stream


async def test_many_messages_that_are_inflated_give_the_loop_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """64 kB may hold many messages, each of which is short enough."""
    bound(16 * 1024 * 1024, monkeypatch)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    messages = [frame(deflated(packer, bytes(15_000_000)), 2, packed=True) for _ in range(4)]
    data = b"".join(messages)
    sizes: list[int] = []
    turns = 0

    async def app_put(message: t.Any) -> None:
        sizes.append(len(message["bytes"]))

    def count() -> None:
        nonlocal turns
        turns += 1
        loop.call_soon(count)

    loop = asyncio.get_running_loop()
    stream = hypercorns(app_put)
    loop.call_soon(count)
    await stream.handle(Data(1, data))
    assert sizes == [15_000_000] * 4
    assert len(data) < 65536 and turns >= len(data) // 4096 / 2


async def test_what_is_damaged_or_comes_after_the_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is handled as Hypercorn does without the bound."""
    bound(1000, monkeypatch)
    bound_what_is_inflated(1000)  # the app started again

    async def play(data: bytes) -> list[t.Any]:
        seen: list[t.Any] = []

        async def note(event: t.Any) -> None:
            seen.append(event)
            if isinstance(event, StreamClosed):
                stream.closed = True  # Hypercorn's connection tells it so

        stream = hypercorns(note, note)
        await stream.handle(Data(1, data))
        return seen

    for data in (
        frame(b"short", 1),
        frame(b"short", 1) + frame(b"\xff" * 10_000, 2, packed=True),
        frame(b"short", 1) + frame(b"\x03\xe8", 8) + bytes(10_000),
    ):
        ours = await play(data)
        with monkeypatch.context() as patch:
            stock(patch)
            assert ours == await play(data) and ours[0]["text"] == "short"


async def test_an_app_bounds_what_any_hypercorn_inflates(
    colour: type[t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the command `hypercorn` serves it."""
    stock(monkeypatch)
    config = hypercorn.Config()
    config.websocket_max_message_size = 1000
    app = ASGIWrapper(make_app(colour))
    lifespan = Lifespan(app, config, asyncio.get_running_loop(), {})
    task = asyncio.create_task(lifespan.handle_lifespan())
    await lifespan.wait_for_startup()
    bomb = deflated(zlib.compressobj(9, zlib.DEFLATED, -15), bytes(50_000_000))
    connection = ws_stream.Handshake([ASKED], "2").accept(None, [])[2]
    assert 1000 < sum(inflated(connection, frame(bomb, 2, packed=True))) < 2_000_000
    assert hasattr(ws_stream.WSStream.handle, "__wrapped__")
    await lifespan.wait_for_shutdown()
    await task
