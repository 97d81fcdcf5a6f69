"""Groups of websockets: who is sent what, in memory and through a real Redis."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import typing as t
from pathlib import Path

import pytest

import quartish
from quartish._redis import connect
from quartish.groups import Groups
from quartish.groups import Message
from quartish.groups import TooSlow
from quartish.groups.messages import order
from quartish.groups.messages import pack
from quartish.groups.messages import unpack
from quartish.streaming import Event
from quartish.streaming import last_event_id
from quartish.streaming import sse
from quartish.testing.connections import WebsocketResponseError
from tests._redis import Redis
from tests._redis import redis_server
from tests._scopes import websocket_scope
from tests._waiting import until

App = t.Any


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Redis]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def url(request: pytest.FixtureRequest) -> str | None:
    if request.param == "memory":
        return None
    server: Redis = request.getfixturevalue("redis")
    return f"{server.url}?client_name={request.node.name[:20].encode().hex()}"


#: What of one test is kept in Redis is not the next one's.
numbers = itertools.count()


def make(colour: type[t.Any], url: str | None, **options: t.Any) -> tuple[App, Groups]:
    app = colour("app")
    groups = Groups(app, url, prefix=f"test{next(numbers)}", **options)

    @app.websocket("/<room>")
    async def live(room: str) -> None:
        name = quartish.websocket.args.get("name")
        after = quartish.websocket.args.get("after")
        async with groups.join(room, info={"name": name}, after=after) as me:
            await quartish.websocket.send("joined")
            async for line in quartish.websocket:
                if line == "leave":
                    break
                await me.send({"from": name, "says": line})
        await quartish.websocket.send("left")

    @app.post("/<room>")
    async def post(room: str) -> str:
        await groups.send(room, quartish.request.args["text"])
        return "sent"

    return app, groups


def client(app: App) -> t.Any:
    return app.async_test_client() if app.plain else app.test_client()


@contextlib.asynccontextmanager
async def inside(app: App, path: str) -> t.AsyncIterator[t.Any]:
    async with client(app).websocket(path) as connection:
        assert await connection.receive() == "joined"
        yield connection
        await connection.send("leave")
        assert await connection.receive() == "left"


async def test_all_but_me(colour: type[t.Any], url: str | None) -> None:
    app, groups = make(colour, url)
    async with (
        app.test_app(),
        inside(app, "/a?name=ada") as ada,
        inside(app, "/a?name=bob") as bob,
        inside(app, "/b?name=eve") as eve,
    ):
        await ada.send("hello")
        assert await bob.receive_json() == {"from": "ada", "says": "hello"}
        assert (await client(app).post("/a?text=to+all")).status_code == 200
        assert await ada.receive() == await bob.receive() == "to all"
        await groups.send("b", b"\x00\xff")
        assert await eve.receive() == b"\x00\xff"
        await groups.send("a", ["ü", None, 1.5])
        assert await ada.receive() == '["ü",null,1.5]'
        await groups.send("nobody", "x")
        assert sorted(who["name"] for who in await groups.members("a")) == ["ada", "bob"]
        assert await groups.members("nobody") == []
        assert await bob.receive_json() == ["ü", None, 1.5]
    assert not groups._queues


async def test_who_has_left_is_sent_nothing(colour: type[t.Any], url: str | None) -> None:
    app, groups = make(colour, url)
    async with app.test_app(), inside(app, "/a?name=ada") as ada:
        async with inside(app, "/a?name=bob"):
            assert len(await groups.members("a")) == 2
        async with client(app).websocket("/a") as rude:
            assert await rude.receive() == "joined"
            await rude.disconnect()
        for _ in range(100):
            if len(await groups.members("a")) == 1:
                break
            await asyncio.sleep(0.02)
        assert await groups.members("a") == [{"name": "ada"}]
        await groups.send("a", "x")
        assert await ada.receive() == "x"


async def test_in_several_groups_at_once(colour: type[t.Any], url: str | None) -> None:
    app = colour("app")
    groups = Groups(app, url, prefix=f"test{next(numbers)}")

    @app.websocket("/")
    async def live() -> None:
        async with groups.join("a"), groups.join("b"):
            await quartish.websocket.send("joined")
            await quartish.websocket.receive()

    async with app.test_app(), client(app).websocket("/") as connection:
        assert await connection.receive() == "joined"
        await groups.send("a", "1")
        await groups.send("b", "2")
        assert {await connection.receive(), await connection.receive()} == {"1", "2"}
        await connection.send("end")


async def test_who_comes_back_is_sent_what_it_missed(colour: type[t.Any], url: str | None) -> None:
    app, groups = make(colour, url, history=3)
    async with app.test_app():
        for number, (seen, missed) in enumerate(
            [
                (3, ["4"]),
                (4, []),
                ("0-0", ["2", "3", "4"]),
                ("nonsense", ["2", "3", "4"]),
                ("", ["2", "3", "4"]),
            ]
        ):
            group = f"a{number}"
            async with groups.subscribe(group) as messages:
                for text in "01234":
                    await groups.send(group, text)
                ids = [(await anext(messages)).id for _ in range(5)]
            assert ids == sorted(ids, key=order) and len(set(ids)) == 5
            after = ids[seen] if isinstance(seen, int) else seen
            async with inside(app, f"/{group}?after={after}") as connection:
                for text in missed:
                    assert await connection.receive() == text
                await groups.send("other", "other")
                await groups.send(group, "new")
                assert await connection.receive() == "new"


async def test_events_of_a_group(colour: type[t.Any], url: str | None) -> None:
    """The same messages for pages, which come back by themselves."""
    app, groups = make(colour, url)

    @app.get("/events")
    @sse
    async def events() -> t.AsyncIterator[Event]:
        async with groups.subscribe("a", after=last_event_id()) as messages:
            async for message in messages:
                yield Event(message.data, id=message.id)

    async def read(count: int, **headers: str) -> list[t.Any]:
        async with client(app).request("/events", headers=headers) as connection:
            await connection.send_complete()
            assert await connection.receive() == b":\n\n"
            sending = asyncio.create_task(send(count))
            found = connection.events()
            events = [await anext(found) for _ in range(count)]
            await sending
            await connection.disconnect()
        return events

    async def send(count: int) -> None:
        while not groups._queues["a"]:
            await asyncio.sleep(0)
        for number in range(count):
            await groups.send("a", number)

    async with app.test_app():
        first = await read(2)
        assert [event.data for event in first] == ["0", "1"]
        again = await read(1, **{"Last-Event-ID": first[0].id})
        assert [event.data for event in again] == ["1"]


async def test_a_subscriber_that_takes_nothing(colour: type[t.Any]) -> None:
    _, groups = make(colour, None, queue=2)
    async with groups.subscribe("a") as messages:
        for number in range(3):
            await groups.send("a", number)
        with pytest.raises(TooSlow, match="A subscriber of 'a'"):
            await anext(messages)


async def test_a_slow_member_is_closed_and_nobody_waits(colour: type[t.Any]) -> None:
    """Its client takes nothing: the server's `send` blocks."""
    app, groups = make(colour, None, queue=5)
    sent: list[t.Any] = []
    joined, closed = asyncio.Event(), asyncio.Event()
    messages = [{"type": "websocket.connect"}]

    async def receive() -> t.Any:
        if messages:
            return messages.pop()
        await closed.wait()
        return {"type": "websocket.disconnect", "code": 1013}

    async def send(message: t.Any) -> None:
        if message["type"] == "websocket.send" and joined.is_set():
            await asyncio.sleep(3600)
        sent.append(message)
        if message["type"] == "websocket.send":
            joined.set()
        if message["type"] == "websocket.close":
            closed.set()

    slow = asyncio.create_task(app(websocket_scope("/a"), receive, send))
    await joined.wait()
    async with inside(app, "/a?name=ada") as ada:
        for number in range(8):
            await groups.send("a", str(number))
            assert await ada.receive() == str(number)
        await asyncio.wait_for(slow, 5)
    assert (sent[-1]["type"], sent[-1]["code"]) == ("websocket.close", 1013)
    assert sent[-1]["reason"] == "too slow"
    assert await groups.members("a") == []


async def test_what_is_sent_in_place_of_the_data(colour: type[t.Any]) -> None:
    app = colour("app")
    groups = Groups(app)

    def with_id(message: Message) -> str:
        return json.dumps({"id": message.id, "data": message.data, "group": message.group})

    @app.websocket("/")
    async def live() -> None:
        async with groups.join("a", encode=with_id):
            await quartish.websocket.receive()

    async with client(app).websocket("/") as connection:
        while not groups._queues["a"]:
            await asyncio.sleep(0)
        await groups.send("a", 5)
        told = await connection.receive_json()
        assert (told["data"], told["group"]) == (5, "a") and order(told["id"]) > (0, 0)
        await connection.send("end")


async def test_an_encoder_that_fails(colour: type[t.Any]) -> None:
    """Its error is the handler's, at once, wherever that waits."""
    app = colour("app")
    groups = Groups(app)
    seen: list[t.Any] = []

    def broken(message: Message) -> str:
        raise LookupError("the encoder's own")

    @app.errorhandler(LookupError)
    async def handle(error: LookupError) -> tuple[str, int]:
        seen.append((str(error), quartish.websocket.path))
        return "", 500

    @app.websocket("/")
    async def live() -> None:
        async with groups.join("a", encode=broken):
            await groups.send("a", "x")
            try:
                await asyncio.sleep(3600)
            finally:
                seen.append("ended")

    with pytest.raises(WebsocketResponseError) as refused:  # it was not accepted yet
        async with client(app).websocket("/") as connection:
            await connection.receive()
    assert refused.value.response.status_code == 500
    assert seen == ["ended", ("the encoder's own", "/")]
    assert await groups.members("a") == []


async def test_outside_of_a_websocket(colour: type[t.Any]) -> None:
    _, groups = make(colour, None)
    with pytest.raises(RuntimeError, match="outside of websocket context"):
        async with groups.join("a"):
            pass


@pytest.mark.parametrize("data", [{1, 2}, object()])
async def test_what_json_cannot_say(colour: type[t.Any], data: t.Any) -> None:
    _, groups = make(colour, None)
    with pytest.raises(TypeError, match="JSON serializable"):
        await groups.send("a", data)


@pytest.mark.parametrize("data", ["", "ü", b"", b"\xff", None, 0, [], {"a": "\u2028"}])
def test_packing(data: t.Any) -> None:
    assert unpack(pack(data)) == data
    assert type(unpack(pack(data))) is type(data)


def test_where_groups_are_kept() -> None:
    with pytest.raises(ValueError, match=r"at 'redis://...', not 'kafka://x'"):
        Groups(url="kafka://x")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, *args: t.Any) -> t.Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("importlib.import_module", refuse)
    with pytest.raises(ModuleNotFoundError, match=r"redis:// need the package 'redis'") as error:
        Groups(url="redis://localhost")
    assert error.value.name == "redis.asyncio"


# --- Redis ----------------------------------------------------------------------------------


@pytest.mark.redis
async def test_before_the_app_serves(colour: type[t.Any], redis: Redis) -> None:
    _, groups = make(colour, redis.url)
    with pytest.raises(RuntimeError, match=r"stay in `async with app.test_app\(\):`"):
        async with groups.subscribe("a"):
            pass


@pytest.mark.redis
async def test_two_processes_are_one(colour: type[t.Any], redis: Redis) -> None:
    """As two processes are: nothing in common but Redis."""
    app, groups = make(colour, redis.url)
    other, others = make(colour, redis.url)
    others._broker._prefix = groups._broker._prefix  # type: ignore[attr-defined]
    others._broker._all = groups._broker._all  # type: ignore[attr-defined]
    async with (
        app.test_app(),
        other.test_app(),
        inside(app, "/a?name=ada") as ada,
        inside(other, "/a?name=bob") as bob,
    ):
        await ada.send("hello")
        assert await bob.receive_json() == {"from": "ada", "says": "hello"}
        await bob.send("good evening")
        assert await ada.receive_json() == {"from": "bob", "says": "good evening"}
        for each in (groups, others):
            assert sorted(who["name"] for who in await each.members("a")) == ["ada", "bob"]


@pytest.mark.redis
async def test_members_of_a_process_that_died_go_by_themselves(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also from groups that nobody asks about, whether or not others are in them."""
    monkeypatch.setattr("quartish.groups.redis.LIFE", 0.5)
    app, groups = make(quartish.Flask, redis.url)
    other, others = make(quartish.Flask, redis.url)
    one, two = t.cast(t.Any, groups._broker), t.cast(t.Any, others._broker)
    two._prefix, two._all = one._prefix, one._all

    async def keys() -> set[str]:
        found = await one._redis.keys(f"{one._prefix}:*")
        names = {key.decode().removeprefix(f"{one._prefix}:") for key in found}
        return {name for name in names if name.startswith(("here:", "members:"))}

    async with app.test_app(), other.test_app():
        for broker, name in ((one, "ada"), (two, "bob")):
            await broker.enter("both", name, {"name": name})
            await broker.enter(name, name, {"name": name})
        assert len(await groups.members("both")) == 2
        two._tasks[1].cancel()
        left = {f"here:{group}:{one._process}" for group in ("both", "ada")}
        left |= {"members:both", "members:ada"}
        async with asyncio.timeout(20):
            while await keys() != left or await one._redis.zcard(f"{one._prefix}:members:both") > 1:
                await asyncio.sleep(0.05)
        assert await groups.members("both") == [{"name": "ada"}]
        # One that was held up for longer than its life is there again.
        await one._redis.delete(f"{one._prefix}:here:both:{one._process}")
        async with asyncio.timeout(20):
            while await groups.members("both") != [{"name": "ada"}]:
                await asyncio.sleep(0.05)
        one._tasks[1].cancel()
        async with asyncio.timeout(20):
            while await keys():
                await asyncio.sleep(0.05)


@pytest.mark.redis
async def test_a_process_that_stops_takes_its_members_along(redis: Redis) -> None:
    app, groups = make(quartish.Flask, redis.url)
    other, others = make(quartish.Flask, redis.url)
    one, two = t.cast(t.Any, groups._broker), t.cast(t.Any, others._broker)
    two._prefix, two._all = one._prefix, one._all
    async with app.test_app():
        async with other.test_app():
            await two.enter("a", "bob", {"name": "bob"})
            assert await groups.members("a") == [{"name": "bob"}]
        assert await groups.members("a") == []


@pytest.mark.redis
async def test_who_leaves_while_all_are_told_of_again_is_no_member(redis: Redis) -> None:
    app, groups = make(quartish.Flask, redis.url)
    broker: t.Any = groups._broker
    renew = broker._renew

    async def meanwhile(names: list[str], told: dict[str, bytes]) -> t.Any:
        if "two" in told:
            await broker.leave("a", "two")
        return await renew(names, told)

    async with app.test_app():
        for name in ("one", "two"):
            await broker.enter("a", name, name)
        broker._renew = meanwhile
        await broker._tell_again()
        assert await groups.members("a") == ["one"]


@pytest.mark.redis
async def test_redis_goes_and_comes(
    colour: type[t.Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody is closed and nothing is lost: what is sent meanwhile waits."""
    with redis_server(tmp_path) as server, caplog.at_level(logging.WARNING):
        app, groups = make(colour, server.url, patience=60)
        async with app.test_app(), inside(app, "/a?name=ada") as ada:
            await groups.send("a", "before")
            assert await ada.receive() == "before"
            await asyncio.to_thread(server.stop)
            sending = asyncio.create_task(groups.send("a", "meanwhile"))
            await asyncio.sleep(0.3)
            assert not sending.done()
            await asyncio.to_thread(server.start)
            await sending
            await groups.send("a", "after")
            assert [await ada.receive(), await ada.receive()] == ["meanwhile", "after"]
            assert await groups.members("a") == [{"name": "ada"}]
    assert "Redis is not there" in caplog.text and "Redis is there again" in caplog.text


@pytest.mark.redis
async def test_nothing_happens_for_longer_than_the_clients_timeout(
    redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """redis-py 8 gives up after five seconds: who had waited so long took Redis for gone."""
    app, groups = make(quartish.Flask, f"{redis.url}?socket_timeout=0.5")
    with caplog.at_level(logging.WARNING):
        async with app.test_app(), inside(app, "/a?name=ada") as ada:
            await asyncio.sleep(3)
            await groups.send("a", "x")
            assert await ada.receive() == "x"
    assert not caplog.records


async def test_a_burst_closes_nobody_who_takes_it(colour: type[t.Any], url: str | None) -> None:
    """django/channels_redis#109 and #131: a hundred messages came, and no more. Here all were
    closed as too slow, who had no turn of the loop."""
    app, groups = make(colour, url, queue=20)
    _, others = make(colour, url, queue=20)
    others._broker._prefix = groups._broker._prefix if url else ""  # type: ignore[attr-defined]
    async with app.test_app(), inside(app, "/a") as ada, inside(app, "/a") as bob:
        for number in range(300):  # from one task that waits for nothing else
            await groups.send("a", str(number))
        if url is not None:  # and all at once, from another process
            others._broker._all = groups._broker._all  # type: ignore[attr-defined]
            await asyncio.gather(*[others.send("a", str(number)) for number in range(300, 600)])
            await others.close()
        for each in (ada, bob):
            got = [await each.receive() for _ in range(300 if url is None else 600)]
            assert sorted(map(int, got)) == list(range(len(got)))
            assert got[:300] == [str(number) for number in range(300)]


async def test_who_comes_and_goes_costs_nobody_a_message(
    colour: type[t.Any], url: str | None
) -> None:
    """django/channels#1683: where others came and went, some were lost to those who stayed."""
    app, groups = make(colour, url)
    over = asyncio.Event()

    async def come_and_go(number: int) -> None:
        while not over.is_set():
            async with client(app).websocket(f"/a?name={number}") as visitor:
                await visitor.receive()

    async with app.test_app(), inside(app, "/a") as ada:
        visitors = [asyncio.create_task(come_and_go(number)) for number in range(5)]
        for number in range(200):
            await groups.send("a", str(number))
            await asyncio.sleep(0.001)
        assert [await ada.receive() for _ in range(200)] == [str(n) for n in range(200)]
        over.set()
        await asyncio.gather(*visitors)
        async with asyncio.timeout(60):
            while len(await groups.members("a")) > 1:
                await asyncio.sleep(0.01)


NAMES = [
    "é?!@",
    "a b",
    "a:members:b",
    "x" * 5000,
    "*",
    "[a-z]*",
    "\r\nFLUSHALL\r\n",
    "",
    "\0",
    "ü🌷",
]


@pytest.mark.parametrize("name", NAMES)
async def test_groups_are_called_as_anybody_likes(
    colour: type[t.Any], url: str | None, name: str
) -> None:
    """django/channels#335, #626, #958, #1229, #1688 and #1845: by a few letters alone, and by a
    hundred at most. Names come from clients, and none reaches another group."""
    app, groups = make(colour, url)
    others = [other for other in NAMES if other != name]
    async with (
        app.test_app(),
        groups.subscribe(name) as messages,
        contextlib.AsyncExitStack() as stack,
    ):
        beside = [await stack.enter_async_context(groups.subscribe(other)) for other in others]
        await groups.send(name, "for it")
        message = await anext(messages)
        assert (message.group, message.data) == (name, "for it")
        assert [kept.data for kept in await groups._broker.replay(name, "")] == ["for it"]
        await groups._broker.enter(name, "m", {"who": "me"})
        assert await groups.members(name) == [{"who": "me"}]
        for other, received in zip(others, beside, strict=True):
            assert await groups.members(other) == []
            await groups.send(other, "last")
            assert (await anext(received)).data == "last"
        await groups._broker.leave(name, "m")


async def test_what_cannot_be_sent_keeps_nothing_from_being_sent(
    colour: type[t.Any], url: str | None
) -> None:
    """miguelgrinberg/Flask-SocketIO#1808: nobody was sent anything any more."""
    app, groups = make(colour, url)
    deep: list[t.Any] = []
    for _ in range(100_000):
        deep = [deep]
    async with app.test_app(), inside(app, "/a") as ada:
        for data in (object(), {1: {2, 3}}, deep, "\udc00"):
            with pytest.raises((TypeError, ValueError, RecursionError)):
                await groups.send("a", data)
            await groups.send("a", "still")
            assert await ada.receive() == "still"


IDS = ["9" * 5000, "9" * 5000 + "-0", f"{2**63}-0", f"{2**64}-0", "\u0663-0", "-5", "5-x", "\0"]


@pytest.mark.parametrize("seen", IDS)
async def test_a_client_that_has_seen_what_cannot_be(
    colour: type[t.Any], url: str | None, seen: str
) -> None:
    """It was a 500, and through Redis after five seconds of asking again and again."""
    app, groups = make(colour, url, patience=0.1)
    async with app.test_app():
        await groups.send("a", "one")
        assert [kept.data for kept in await groups._broker.replay("a", seen)] == ["one"]
        assert await groups._broker.replay("a", f"{2**63 - 1}-{2**63 - 1}") == []


async def test_half_a_surrogate_pair(colour: type[t.Any], url: str | None) -> None:
    """A client's JSON may have one, which UTF-8 cannot say, but JSON can."""
    app, groups = make(colour, url)
    async with app.test_app(), inside(app, "/a") as ada, inside(app, "/a") as bob:
        await groups.send("a", json.loads('{"text": "\\ud83d \u00fc"}'))
        for each in (ada, bob):
            assert await each.receive() == '{"text":"\\ud83d \\u00fc"}'
        with pytest.raises(ValueError, match="surrogates not allowed"):
            await groups.send("a", "\ud83d")
        await groups.send("a", "still there")
        assert await ada.receive() == await bob.receive() == "still there"


async def test_json_is_written_once_for_all(
    colour: type[t.Any], url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, groups = make(colour, url)
    async with app.test_app(), inside(app, "/a") as ada, inside(app, "/a") as bob:
        written: list[t.Any] = []
        dumps = quartish.groups.messages._dumps
        monkeypatch.setattr(
            "quartish.groups.messages._dumps", lambda data: written.append(data) or dumps(data)
        )
        await groups.send("a", {"n": 1})
        assert await ada.receive() == await bob.receive() == '{"n":1}'
        assert written == [{"n": 1}]
    assert Message("1-0", "a", {"n": 2}).encode() == '{"n":2}'


async def test_groups_that_nobody_sends_to_are_forgotten(
    colour: type[t.Any], url: str | None
) -> None:
    """Names that clients make up were kept for ever (as in django/channels#1361)."""
    app, groups = make(colour, url, keep=0.2)
    broker: t.Any = groups._broker
    async with app.test_app():
        for number in range(30):
            await groups.send(f"room {number}", "x" * 1000)
        assert len(await broker.replay("room 29", "")) == 1
        await asyncio.sleep(0.3)
        await groups.send("last", "x")
        assert await broker.replay("room 29", "") == []
        assert len(await broker.replay("last", "")) == 1
        if url is None:
            assert list(broker._kept) == ["last"]
        else:
            assert await broker._redis.keys(f"{broker._prefix}:kept:room*") == []


async def test_without_a_history_nothing_is_kept(colour: type[t.Any], url: str | None) -> None:
    app, groups = make(colour, url, history=0)
    async with app.test_app(), inside(app, "/a") as ada:
        await groups.send("a", "x")
        assert await ada.receive() == "x"
        assert await groups._broker.replay("a", "") == []
        assert not getattr(groups._broker, "_kept", ())


@pytest.mark.redis
async def test_who_leaves_while_it_is_told_of_is_no_member(redis: Redis) -> None:
    """It stayed one for as long as its process lived."""
    app, groups = make(quartish.Flask, redis.url)
    broker: t.Any = groups._broker
    told, tell = asyncio.Event(), broker._renew

    async def slowly(*args: t.Any) -> None:
        await tell(*args)
        told.set()
        await asyncio.sleep(60)

    broker._renew = slowly
    async with app.test_app():
        async with client(app).websocket("/a"):
            await told.wait()
        await until(lambda: not broker._here)
        assert await groups.members("a") == []


@pytest.mark.redis
async def test_who_cannot_be_told_of_is_no_member(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        app, groups = make(quartish.Flask, server.url, patience=0.1)
        broker: t.Any = groups._broker
        async with app.test_app():
            await asyncio.to_thread(server.stop)
            async with client(app).websocket("/a") as connection:
                with pytest.raises(WebsocketResponseError):
                    await connection.receive()
            await until(lambda: not broker._here)
            await asyncio.to_thread(server.start)


@pytest.mark.redis
async def test_what_is_no_message_stops_nobody(
    redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """The process was told nothing any more, and its shutdown failed (as in
    miguelgrinberg/Flask-SocketIO#1250 and #1675)."""
    app, groups = make(quartish.Flask, redis.url)
    broker: t.Any = groups._broker
    async with app.test_app(), inside(app, "/a") as ada:
        await broker._redis.xadd(broker._all, {"some": "thing"})
        await broker._redis.xadd(broker._all, {"group": "a", "data": b"j{", "sender": ""})
        await groups.send("a", "x")
        assert await ada.receive() == "x"
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2 and all("is no message" in text for text in said)


def test_a_redis_is_not_waited_for_without_end() -> None:
    """redis-py has no limit by itself before its release 8."""

    def limits(url: str) -> list[float]:
        told = connect(url, "Tests").connection_pool.connection_kwargs
        return [
            told.get(name, told.get(f"orig_{name}"))
            for name in ("socket_timeout", "socket_connect_timeout")
        ]

    assert limits("redis://localhost") == [5, 5]
    assert limits("redis://localhost?socket_timeout=30") == [30, 5]


@pytest.mark.redis
async def test_many_come_and_go_at_once(redis: Redis) -> None:
    """More than redis-py has connections: who left stayed a member."""
    app, groups = make(quartish.Flask, redis.url)
    broker = groups._broker
    async with app.test_app():
        names = [str(number) for number in range(300)]
        await asyncio.gather(*[broker.enter("a", name, name) for name in names])
        assert sorted(await groups.members("a")) == sorted(names)
        await asyncio.gather(*[broker.leave("a", name) for name in names])
        assert await groups.members("a") == []


@pytest.mark.redis
async def test_who_leaves_while_redis_is_away(tmp_path: Path) -> None:
    """It stayed a member for as long as its process lived."""
    with redis_server(tmp_path) as server:
        app, groups = make(quartish.Flask, server.url, patience=60)
        async with app.test_app(), inside(app, "/a?name=ada"):
            async with inside(app, "/a?name=bob"):
                await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)
            async with asyncio.timeout(20):
                while await groups.members("a") != [{"name": "ada"}]:
                    await asyncio.sleep(0.05)
