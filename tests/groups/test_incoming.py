"""What a member's client says: of a type, within limits; and whether it is still there."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import json
import typing as t

import pytest

import quartish
from quartish.groups import Groups
from quartish.groups.messages import pack
from quartish.groups.messages import unpack
from quartish.testing.connections import WebsocketDisconnectError
from tests._scopes import websocket_scope

App = type[t.Any]


@dataclasses.dataclass
class Said:
    text: str
    at: list[int] = dataclasses.field(default_factory=list)


def make(colour: App, kind: t.Any = None, limit: int | None = None, **options: t.Any) -> t.Any:
    app = colour("app")
    groups = Groups(app, **options)
    app.heard = []

    @app.websocket("/")
    async def live() -> None:
        async with groups.join("a") as me:
            await quartish.websocket.send("joined")
            try:
                async for said in me.messages(kind, limit=limit):
                    app.heard.append(said)
                    await groups.send("a", said)
            finally:
                app.heard.append("ended")

    return app, groups


def client(app: t.Any) -> t.Any:
    return app.async_test_client() if app.plain else app.test_client()


async def closed_with(connection: t.Any) -> tuple[int, str]:
    with pytest.raises(WebsocketDisconnectError) as told:
        await asyncio.wait_for(connection.receive(), 10)
    return told.value.args[0], str(getattr(told.value, "reason", ""))


async def test_what_comes_as_it_is(colour: App) -> None:
    app, _ = make(colour)
    async with client(app).websocket("/") as connection:
        assert await connection.receive() == "joined"
        for data in ("text", b"bytes", "pong", "last"):
            await connection.send(data)
        heard = [await connection.receive() for _ in range(3)]
        assert heard == ["text", b"bytes", "last"]  # the answer to a ping is no message


async def test_messages_of_a_type(colour: App) -> None:
    pytest.importorskip("msgspec")
    app, _ = make(colour, Said)
    async with client(app).websocket("/") as connection:
        assert await connection.receive() == "joined"
        await connection.send('{"text": "ü", "at": [1, 2]}')
        assert await connection.receive_json() == {"text": "ü", "at": [1, 2]}
        assert app.heard == [Said("ü", [1, 2])]


@pytest.mark.parametrize("data", ["{", "[]", '{"text": 5}', b"\xff", "null"])
async def test_what_is_of_another_type(colour: App, data: t.Any) -> None:
    pytest.importorskip("msgspec")
    app, groups = make(colour, Said)
    async with client(app).websocket("/") as connection:
        assert await connection.receive() == "joined"
        await connection.send(data)
        assert (await closed_with(connection))[0] == 1007
    assert app.heard == ["ended"] and await groups.members("a") == []


def test_a_type_needs_msgspec(colour: App, monkeypatch: pytest.MonkeyPatch) -> None:
    from quartish.groups.incoming import decoder

    def refuse(name: str) -> t.Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(importlib, "import_module", refuse)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'quartish\[typed\]'"):
        decoder(Said)
    assert decoder(None) is None


@pytest.mark.parametrize("data", ["x" * 11, "ü" * 6, b"x" * 11], ids=["text", "utf-8", "bytes"])
async def test_one_that_is_too_long(colour: App, data: t.Any) -> None:
    app, _ = make(colour, limit=10)
    async with client(app).websocket("/") as connection:
        assert await connection.receive() == "joined"
        await connection.send(data[:5])
        assert await connection.receive() == data[:5]
        await connection.send(data)
        assert (await closed_with(connection))[0] == 1009
    assert app.heard == [data[:5], "ended"]


async def test_the_groups_have_a_limit_both_ways(colour: App) -> None:
    app = colour("app")
    groups = Groups(app, limit=10)

    @app.websocket("/")
    async def live() -> None:
        async with groups.join("a") as me:
            await quartish.websocket.send("joined")
            async for _ in me.messages():
                pass

    async with client(app).websocket("/") as connection:
        assert await connection.receive() == "joined"
        for data in ("x" * 11, "ü" * 6, b"x" * 11, ["x" * 10]):
            with pytest.raises(ValueError, match=r"A message to 'a' has 1\d bytes: .* limit=10"):
                await groups.send("a", data)
        await groups.send("a", "x" * 10)
        assert await connection.receive() == "x" * 10
        await connection.send("x" * 11)
        assert (await closed_with(connection))[0] == 1009


class Shelf(t.NamedTuple):
    books: int


def values_with_fields() -> list[tuple[t.Any, t.Any]]:
    found: list[tuple[t.Any, t.Any]] = [(Said("x", [1]), {"text": "x", "at": [1]})]
    found.append(([Said("x")], [{"text": "x", "at": []}]))
    found.append((Shelf(3), [3]))
    msgspec = pytest.importorskip("msgspec")
    pydantic = pytest.importorskip("pydantic")
    struct = msgspec.defstruct("Book", [("title", str), ("said", Said)])
    found.append((struct("x", Said("y")), {"title": "x", "said": {"text": "y", "at": []}}))
    model = pydantic.create_model("Book", title=(str, ...))
    found.append((model(title="x"), {"title": "x"}))
    return found


def test_what_has_fields_is_sent_as_json() -> None:
    for value, plain in values_with_fields():
        assert unpack(pack(value)) == plain
        assert json.loads(pack(value)[1:]) == plain
    with pytest.raises(TypeError, match="Object of type type is not JSON serializable"):
        pack(Said)


async def test_what_comes_between_old_and_new(colour: App) -> None:
    app = colour("app")
    groups = Groups(app)

    @app.websocket("/")
    async def live() -> None:
        after = quartish.websocket.args.get("after")
        async with groups.join("a", after=after, caught_up="--"):
            await quartish.websocket.receive()

    await groups.send("a", "1")
    await groups.send("a", "2")
    for query, missed in (("?after=", ["1", "2"]), ("", [])):
        async with client(app).websocket(f"/{query}") as connection:
            for text in [*missed, "--"]:
                assert await connection.receive() == text
            await groups.send("a", "new")
            assert await connection.receive() == "new"
            await connection.send("end")
        groups._broker._kept["a"][1].pop()  # type: ignore[attr-defined]


# --- the heartbeat ------------------------------------------------------------------------------


async def test_who_answers_stays(colour: App) -> None:
    app, groups = make(colour, heartbeat=0.05)
    async with client(app).websocket("/") as connection:
        assert await connection.receive() == "joined"
        for answer in ("pong", "anything", "pong", "pong"):
            assert await connection.receive() == "ping"
            await connection.send(answer)
            if answer == "anything":
                assert await connection.receive() == "anything"
        assert app.heard == ["anything"] and len(await groups.members("a")) == 1


async def test_who_speaks_is_not_asked(colour: App) -> None:
    app, _ = make(colour, heartbeat=0.2)
    async with client(app).websocket("/") as connection:
        assert await connection.receive() == "joined"
        for number in range(10):
            await asyncio.sleep(0.05)
            await connection.send(str(number))
            assert await connection.receive() == str(number)


async def test_who_answers_nothing_is_gone(colour: App) -> None:
    app, groups = make(colour, heartbeat=0.05)
    async with client(app).websocket("/") as connection:
        assert await connection.receive() == "joined"
        assert await connection.receive() == "ping"
        assert (await closed_with(connection))[0] == 1011
    assert app.heard == ["ended"] and await groups.members("a") == []


async def test_a_handler_that_only_sends(colour: App) -> None:
    """It never receives: what was read ahead says that the client is there, or is not."""
    app, ended = colour("app"), list[str]()
    groups = Groups(app, heartbeat=0.05)

    @app.websocket("/")
    async def live() -> None:
        async with groups.join("a"):
            await quartish.websocket.send("joined")
            try:
                await asyncio.sleep(60)
            finally:
                ended.append("ended")

    async with client(app).websocket("/") as connection:
        assert await connection.receive() == "joined"
        assert await connection.receive() == "ping"
        await connection.send("pong")
        await asyncio.sleep(0.3)
        assert ended == []
    ended.clear()
    async with client(app).websocket("/") as connection:
        assert await connection.receive() == "joined"
        assert await connection.receive() == "ping"
        assert (await closed_with(connection))[0] == 1011
    assert ended == ["ended"]


async def join_and_take_nothing(app: t.Any) -> asyncio.Task[None]:
    """Begin the call of a client that joins, and then neither says nor takes anything."""
    joined, forever = asyncio.Event(), asyncio.Event()
    messages = [{"type": "websocket.connect"}]

    async def receive() -> t.Any:
        if messages:
            return messages.pop()
        await forever.wait()

    async def send(message: t.Any) -> None:
        if message.get("text") == "joined":
            joined.set()
        elif joined.is_set():
            await forever.wait()

    call = asyncio.create_task(app(websocket_scope("/"), receive, send))
    await joined.wait()
    return call


async def test_a_client_that_takes_nothing_is_gone(colour: App) -> None:
    """Its cable was pulled: the server's `send` blocks, and no disconnect comes."""
    app, groups = make(colour, heartbeat=0.05)
    call = await join_and_take_nothing(app)
    await asyncio.wait([call], timeout=10)
    assert call.done() and app.heard == ["ended"] and await groups.members("a") == []


async def test_a_slow_member_that_takes_no_close_frame_is_gone(
    colour: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stayed a member for as long as its connection did."""
    monkeypatch.setattr("quartish.groups.incoming.PARTING", 0.05)
    app, groups = make(colour, queue=2)
    call = await join_and_take_nothing(app)
    for number in range(5):
        await groups.send("a", str(number))
        await asyncio.sleep(0)
    await asyncio.wait([call], timeout=10)
    assert call.done() and app.heard == ["ended"] and await groups.members("a") == []
