"""Sessions that the server keeps, in a real Redis and in caches of cachelib's: the same in both
colours and lanes and by both doors."""

from __future__ import annotations

import asyncio
import contextlib
import typing as t
from datetime import datetime
from datetime import timedelta
from datetime import UTC
from http.cookies import SimpleCookie
from pathlib import Path
from uuid import UUID

import pytest
import redis as redis_py
from cachelib import FileSystemCache
from cachelib import SimpleCache
from markupsafe import Markup

import quartish
from quartish.sessions import CacheSessionInterface
from quartish.sessions import RedisSessionInterface
from quartish.sessions import SecureCookieSession
from quartish.sessions import ServerSideSessionInterface
from quartish.sessions import SessionMixin
from quartish.sessions import SessionUnavailable
from quartish.sessions.redis import _clients
from quartish.sessions.stored import hash_of
from quartish.sessions.stored import UnreachableSession
from tests._redis import free_port
from tests._redis import Redis
from tests._redis import redis_server

STORES = ["redis", "memory", "files"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Redis]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def keys(server: Redis) -> t.Iterator[t.Any]:
    """A plain client, to look into the server with; the server begins empty."""
    with redis_py.Redis.from_url(server.url, decode_responses=True) as client:
        client.flushall()
        yield client


@pytest.fixture(params=STORES)
def interface(request: pytest.FixtureRequest, tmp_path: Path) -> ServerSideSessionInterface:
    if request.param == "redis":
        request.getfixturevalue("keys")
        return RedisSessionInterface(request.getfixturevalue("server").url)
    if request.param == "memory":
        return CacheSessionInterface(SimpleCache(), in_thread=False)
    return CacheSessionInterface(FileSystemCache(str(tmp_path / "sessions"), threshold=0))


@pytest.fixture
def keys_of(interface: ServerSideSessionInterface, request: pytest.FixtureRequest) -> t.Any:
    """What says how many sessions are stored."""

    def count() -> int:
        if isinstance(interface, CacheSessionInterface):
            cache: t.Any = interface.cache
            if isinstance(cache, SimpleCache):
                return sum(":of:" not in key for key in cache._cache)
            return len([*cache._list_dir()])
        return len(request.getfixturevalue("keys").keys("session:[0-9a-f]*"))

    return count


def make_app(cls: t.Any, interface: t.Any, lane: str = "async def", **config: t.Any) -> t.Any:
    app = cls(__name__)
    app.session_interface = interface
    app.config.update(PROPAGATE_EXCEPTIONS=False, **config)
    session: t.Any = quartish.session

    def put() -> t.Any:
        for name, value in quartish.request.args.items():
            session[name] = value
        return "put"

    def show() -> t.Any:
        return {key: value for key, value in session.items() if not key.startswith("_")}

    def drop() -> t.Any:
        for name in quartish.request.args:
            session.pop(name, None)
        return ""

    def clear() -> t.Any:
        session.clear()
        return ""

    def permanent() -> t.Any:
        session.permanent = "off" not in quartish.request.args
        return ""

    def login() -> t.Any:
        session.regenerate()
        session["_user_id"] = quartish.request.args["user"]
        return ""

    def touch() -> t.Any:
        session.modified = True
        return ""

    def nothing() -> t.Any:
        return "nothing"

    for view in (put, show, drop, clear, permanent, login, touch, nothing):

        async def in_loop(view: t.Any = view) -> t.Any:
            return view()

        func: t.Any = in_loop if lane == "async def" else view
        app.add_url_rule(f"/{view.__name__}", view.__name__, func)
    return app


@pytest.fixture(params=["async def", "def"])
def app(request: pytest.FixtureRequest, colour: t.Any, interface: t.Any) -> t.Any:
    return make_app(colour, interface, request.param)


def client_of(app: t.Any) -> t.Any:
    return app.async_test_client() if app.plain else app.test_client()


async def json_of(response: t.Any) -> t.Any:
    found = response.get_json()
    return await found if asyncio.iscoroutine(found) else found


async def shown(client: t.Any) -> t.Any:
    return await json_of(await client.get("/show"))


def cookie_of(response: t.Any, name: str = "session") -> str | None:
    found: SimpleCookie = SimpleCookie()
    for line in response.headers.getlist("Set-Cookie"):
        found.load(line)
    return found[name].value if name in found else None


async def ask(app: t.Any, path: str, sid: str | None = None) -> t.Any:
    """Ask as somebody who sends just this cookie, and keeps none."""
    client = app.async_test_client(False) if app.plain else app.test_client(False)
    return await client.get(path, headers={} if sid is None else {"Cookie": f"session={sid}"})


# --- what is kept -------------------------------------------------------------------------------


async def test_what_is_put_in_comes_out(app: t.Any) -> None:
    client = client_of(app)
    assert await shown(client) == {}
    response = await client.get("/put?a=1&b=2")
    assert response.headers["Vary"] == "Cookie"
    assert len(cookie_of(response) or "") == 43
    assert await shown(client) == {"a": "1", "b": "2"}
    await client.get("/drop?a")
    await client.get("/put?c=3")
    assert await shown(client) == {"b": "2", "c": "3"}
    response = await client.get("/clear")
    assert cookie_of(response) == "" and "Max-Age=0" in response.headers["Set-Cookie"]
    assert await shown(client) == {}


async def test_an_untouched_session_is_not_stored(app: t.Any, server: Redis, keys: t.Any) -> None:
    """pallets-eco/flask-session#19, #181: a session for each visit of each robot."""
    for path in ("/nothing", "/show"):
        response = await ask(app, path)
        assert "Set-Cookie" not in response.headers
        assert ("Vary" in response.headers) == (path == "/show")
    response = await ask(app, "/clear")
    assert "Max-Age=0" in response.headers["Set-Cookie"], "as Flask does"
    assert not keys.keys()
    client = client_of(app)
    await client.get("/put?a=1")
    response = await client.get("/nothing")  # pallets-eco/flask-session#70: it may be cached
    assert "Set-Cookie" not in response.headers and "Vary" not in response.headers


async def test_an_id_of_a_clients_is_never_adopted(app: t.Any) -> None:
    """pallets-eco/flask-session#162, #173: an id that an attacker has planted."""
    planted = "A" * 43
    response = await ask(app, "/put?a=1", planted)
    assert cookie_of(response) not in (planted, None)
    assert await json_of(await ask(app, "/show", planted)) == {}
    for odd in ("x", "A" * 44, "Ä" * 43, "../../etc/passwd", "%00", '"' + "A" * 43 + '"'):
        client = app.async_test_client(False) if app.plain else app.test_client(False)
        cookie = f"session={odd}".encode().decode("latin-1")
        response = await client.get("/show", headers={"Cookie": cookie})
        assert (response.status_code, await json_of(response)) == (200, {})


async def test_a_login_takes_a_new_id_and_keeps_the_items(app: t.Any) -> None:
    """pallets-eco/flask-session#27, pallets/flask#1600."""
    client = client_of(app)
    before = cookie_of(await client.get("/put?cart=tea"))
    after = cookie_of(await client.get("/login?user=ada"))
    assert before and after and before != after
    assert await shown(client) == {"cart": "tea"}
    assert await json_of(await ask(app, "/show", before)) == {}, "the old one is worth nothing"
    [stored] = await app.session_interface.list_sessions("ada")
    assert stored.items == {"cart": "tea", "_user_id": "ada"}
    assert stored.id == hash_of(after) and after not in repr(stored)


async def test_the_first_visit_may_be_a_login(app: t.Any) -> None:
    client = client_of(app)
    assert cookie_of(await client.get("/login?user=ada"))
    assert [s.items for s in await app.session_interface.list_sessions("ada")] == [
        {"_user_id": "ada"}
    ]


async def test_a_users_sessions_are_listed_and_ended(app: t.Any) -> None:
    interface = app.session_interface
    laptop, phone, other = client_of(app), client_of(app), client_of(app)
    sid = cookie_of(await laptop.get("/login?user=ada"))
    await phone.get("/login?user=ada")
    await phone.get("/put?on=phone")
    await other.get("/login?user=bob")
    listed = await interface.list_sessions("ada")
    assert sorted(s.items.get("on", "laptop") for s in listed) == ["laptop", "phone"]
    lifetime = timedelta(days=31)
    for stored in listed:
        assert abs(stored.expires - datetime.now(UTC) - lifetime) < timedelta(minutes=1)

    [gone] = [stored for stored in listed if stored.items.get("on") == "phone"]
    assert await interface.end_session(gone.id) is True
    assert await interface.end_session(gone.id) is False
    assert await shown(phone) == {}
    assert [s.id for s in await interface.list_sessions("ada")] == [hash_of(sid or "")]

    assert await interface.end_sessions("ada") == 1
    assert await interface.list_sessions("ada") == []
    assert await interface.end_sessions("ada") == 0
    assert len(await interface.list_sessions("bob")) == 1


async def test_all_others_are_ended(colour: t.Any, interface: t.Any) -> None:
    app = make_app(colour, interface)
    counts = []

    @app.get("/elsewhere")
    async def elsewhere() -> t.Any:
        session: t.Any = quartish.session
        if "anew" in quartish.request.args:
            session.regenerate()
        counts.append(await interface.end_sessions(session["_user_id"], but=session))
        return ""

    here, there = client_of(app), client_of(app)
    for path in ("/elsewhere", "/elsewhere?anew"):
        for client in (here, there):
            await client.get("/login?user=ada")
            await client.get("/put?a=1")
        await here.get(path)
        assert await shown(here) == {"a": "1"} and await shown(there) == {}
    assert counts == [1, 1]


async def test_whose_it_is_may_change(app: t.Any) -> None:
    interface = app.session_interface
    client = client_of(app)
    await client.get("/login?user=ada")
    await client.get("/put?_user_id=bob")
    assert await interface.list_sessions("ada") == []
    assert len(await interface.list_sessions("bob")) == 1
    await client.get("/drop?_user_id")
    assert await interface.list_sessions("bob") == []
    await client.get("/login?user=eve")
    await client.get("/clear")
    assert await interface.list_sessions("eve") == []


async def test_what_flasks_cookie_can_hold(colour: t.Any, interface: t.Any) -> None:
    values = {
        "tuple": (1, (2,)),
        "bytes": b"\xff",
        "markup": Markup("<b>"),
        "uuid": UUID(int=1),
        "date": datetime(2024, 2, 29, 12, tzinfo=UTC),
        "none": None,
        "nested": {" t": [1.5, False]},
        "text": "ü\N{SNOWMAN}\ud800",
        "\ud800 key": "",
        "": "empty",
    }
    app = make_app(colour, interface)
    found = []

    @app.get("/values")
    async def all_values() -> t.Any:
        quartish.session.update(values)
        t.cast(t.Any, quartish.session)[7] = "a key as JSON has it"
        return ""

    @app.get("/found")
    async def see() -> t.Any:
        found.append(dict(quartish.session))
        return ""

    client = client_of(app)
    await client.get("/values")
    await client.get("/found")
    assert found == [{**values, "7": "a key as JSON has it"}]
    assert type(found[0]["markup"]) is Markup


async def test_what_json_cannot_say_is_an_error_and_stores_nothing(
    colour: t.Any, interface: t.Any
) -> None:
    app = make_app(colour, interface)

    @app.get("/object")
    async def put_object() -> t.Any:
        quartish.session["object"] = object()
        return ""

    client = client_of(app)
    assert (await client.get("/object")).status_code == 500
    assert await shown(client) == {}


@pytest.mark.parametrize("refresh", [True, False])
async def test_a_change_inside_of_an_item_is_seen(
    refresh: bool, colour: t.Any, interface: t.Any
) -> None:
    """pallets-eco/flask-session#73."""
    app = make_app(colour, interface, SESSION_REFRESH_EACH_REQUEST=refresh)

    @app.get("/append")
    async def append() -> t.Any:
        quartish.session.setdefault("list", []).append("x")
        return ""

    @app.websocket("/ws")
    async def ws() -> None:
        quartish.session["list"].append("by websocket")

    client = client_of(app)
    await client.get("/append")
    response = await client.get("/append")
    assert "Set-Cookie" not in response.headers and response.headers["Vary"] == "Cookie"
    assert await shown(client) == {"list": ["x", "x"]}
    async with client.websocket("/ws") as connection:
        with contextlib.suppress(Exception):
            await connection.receive()
    assert await shown(client) == {"list": ["x", "x", "by websocket"]}


# --- its life -----------------------------------------------------------------------------------


async def test_a_permanent_session_is_renewed_by_any_view(app: t.Any) -> None:
    client = client_of(app)
    response = await client.get("/permanent")
    assert "Expires=" in response.headers["Set-Cookie"]
    response = await client.get("/nothing")
    assert "Expires=" in response.headers["Set-Cookie"] and response.headers["Vary"] == "Cookie"
    app.config["SESSION_REFRESH_EACH_REQUEST"] = False
    response = await client.get("/nothing")
    assert "Set-Cookie" not in response.headers and "Vary" not in response.headers
    await client.get("/permanent?off")
    response = await client.get("/put?a=1")
    assert "Expires=" not in response.headers["Set-Cookie"]


@pytest.mark.parametrize("refresh", [True, False])
async def test_each_request_makes_it_live_longer(
    refresh: bool, colour: t.Any, interface: t.Any
) -> None:
    app = make_app(colour, interface, PERMANENT_SESSION_LIFETIME=3600)
    app.config["SESSION_REFRESH_EACH_REQUEST"] = refresh
    sid = cookie_of(await ask(app, "/put?a=1&_permanent=1"))
    app.config["PERMANENT_SESSION_LIFETIME"] = 7200
    response = await ask(app, "/nothing", sid)
    assert cookie_of(response) == (sid if refresh else None)
    left = await interface.end_of(hash_of(sid or "")) - datetime.now(UTC)
    assert (left > timedelta(seconds=5400)) == refresh


async def test_it_expires(colour: t.Any, interface: t.Any) -> None:
    app = make_app(colour, interface, PERMANENT_SESSION_LIFETIME=timedelta(seconds=0.1))
    sid = cookie_of(await ask(app, "/put?a=1&_user_id=ada"))
    await asyncio.sleep(0.3)
    assert await json_of(await ask(app, "/show", sid)) == {}
    assert await interface.end_of(hash_of(sid or "")) is None
    assert await interface.list_sessions("ada") == []


async def test_a_lifetime_of_nothing_stores_nothing(colour: t.Any, server: Redis) -> None:
    interface = RedisSessionInterface(server.url)
    app = make_app(colour, interface, PERMANENT_SESSION_LIFETIME=0)
    client = client_of(app)
    assert (await client.get("/put?a=1")).status_code == 200
    assert await shown(client) == {}


async def test_the_cookie_is_as_configured(colour: t.Any, interface: t.Any) -> None:
    app = make_app(
        colour,
        interface,
        SESSION_COOKIE_NAME="sid",
        SESSION_COOKIE_SECURE=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_PATH="/x",
        SESSION_COOKIE_DOMAIN="example.org",
        SESSION_COOKIE_PARTITIONED=True,
    )
    line = (await ask(app, "/put?a=1")).headers["Set-Cookie"]
    value, *options = line.split("; ")
    assert value.startswith("sid=")
    assert set(options) == {
        *("Domain=example.org", "Path=/x", "Secure", "HttpOnly", "SameSite=Lax", "Partitioned")
    }


# --- requests side by side ----------------------------------------------------------------------


def pausing(app: t.Any) -> tuple[asyncio.Event, asyncio.Event]:
    """Add a view that has its session, and waits before it changes it."""
    inside, go = asyncio.Event(), asyncio.Event()

    @app.get("/slow")
    async def slow() -> t.Any:
        inside.set()
        await go.wait()
        for name, value in quartish.request.args.items():
            quartish.session[name] = value
        return ""

    return inside, go


async def test_each_of_two_requests_keeps_what_it_changed(colour: t.Any, interface: t.Any) -> None:
    """pallets-eco/flask-session#71, #149: the later one put back what the other had changed."""
    app = make_app(colour, interface)
    inside, go = pausing(app)
    client = client_of(app)
    sid = cookie_of(await client.get("/put?a=1&b=1&c=1"))
    slow = asyncio.create_task(ask(app, "/slow?b=2&both=slow", sid))
    await inside.wait()
    await ask(app, "/put?a=2&both=fast", sid)
    await ask(app, "/drop?c", sid)
    go.set()
    await slow
    assert await shown(client) == {"a": "2", "b": "2", "both": "slow"}


@pytest.mark.parametrize("end", ["/clear", "/login?user=ada"])
async def test_a_session_that_was_ended_does_not_come_back(
    end: str, colour: t.Any, interface: t.Any, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(colour, interface)
    inside, go = pausing(app)
    sid = cookie_of(await ask(app, "/put?a=1"))
    slow = asyncio.create_task(ask(app, "/slow?b=2", sid))
    await inside.wait()
    await ask(app, end, sid)
    go.set()
    assert "Set-Cookie" not in (await slow).headers
    assert await json_of(await ask(app, "/show", sid)) == {}
    assert "has ended while a request that changed it was handled" in caplog.text
    assert "the change of b is lost" in caplog.text


async def test_what_is_added_meanwhile_does_not_survive_a_clear(
    colour: t.Any, interface: t.Any
) -> None:
    app = make_app(colour, interface)
    inside, go = asyncio.Event(), asyncio.Event()

    @app.get("/logout")
    async def logout() -> t.Any:
        inside.set()
        await go.wait()
        quartish.session.clear()
        quartish.session["said"] = "goodbye"
        return ""

    client = client_of(app)
    sid = cookie_of(await client.get("/put?a=1"))
    slow = asyncio.create_task(ask(app, "/logout", sid))
    await inside.wait()
    await ask(app, "/put?b=1", sid)
    go.set()
    await slow
    assert await shown(client) == {"said": "goodbye"}


async def test_many_at_once(colour: t.Any, interface: t.Any) -> None:
    app = make_app(colour, interface)
    sid = cookie_of(await ask(app, "/put?first=1"))
    await asyncio.gather(*[ask(app, f"/put?n{number}=1", sid) for number in range(120)])
    assert len(await json_of(await ask(app, "/show", sid))) == 121


# --- websockets ---------------------------------------------------------------------------------


async def test_a_websocket_changes_its_session(
    colour: t.Any, interface: t.Any, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(colour, interface)

    @app.websocket("/ws")
    async def ws() -> None:
        session: t.Any = quartish.session
        await quartish.websocket.send(session.get("a", "nothing"))
        do = quartish.websocket.args["do"]
        if do == "put":
            session["b"] = "2"
        elif do == "login":
            session.regenerate()
            session["c"] = "3"
        elif do == "clear":
            session.clear()

    async def talk(client: t.Any, do: str) -> t.Any:
        async with client.websocket(f"/ws?do={do}") as connection:
            with contextlib.suppress(Exception):
                return await connection.receive()

    client = client_of(app)
    assert await talk(client, "put") == "nothing"
    assert "The session was new while a websocket was handled." in caplog.text
    await client.get("/put?a=1")
    assert await talk(client, "read") == "1"
    await talk(client, "put")
    assert await shown(client) == {"a": "1", "b": "2"}
    await talk(client, "login")
    assert "The session was given a new id while" in caplog.text
    assert await shown(client) == {"a": "1", "b": "2", "c": "3"}
    await talk(client, "clear")
    assert await shown(client) == {}


# --- a store that is gone -----------------------------------------------------------------------


async def test_a_redis_that_is_gone(colour: t.Any, caplog: pytest.LogCaptureFixture) -> None:
    """pallets-eco/flask-session#82: requests that do not touch their session are answered, the
    others by the app's error handlers, and no context is left."""
    app = make_app(colour, RedisSessionInterface(f"redis://127.0.0.1:{free_port()}"))

    @app.errorhandler(SessionUnavailable)
    def later(error: SessionUnavailable) -> t.Any:
        assert isinstance(error.__cause__, redis_py.RedisError)
        return "come again", 503

    @app.errorhandler(500)
    def broken(error: t.Any) -> t.Any:
        assert isinstance(error.original_exception, SessionUnavailable)
        return "not kept", 500

    for path in ("/show", "/put?a=1", "/clear", "/permanent", "/login?user=1"):
        assert (await ask(app, path, "A" * 43)).status_code == 503, path
    assert "The session could not be read: ConnectionError" in caplog.text
    response = await ask(app, "/nothing", "A" * 43)
    assert response.status_code == 200 and "Set-Cookie" not in response.headers
    response = await ask(app, "/put?a=1")  # it was not read, and cannot be written
    assert response.status_code == 500 and "Set-Cookie" not in response.headers
    interface = app.session_interface
    for asked in (
        interface.list_sessions("a"),
        interface.end_session("a"),
        interface.end_sessions("a"),
    ):
        with pytest.raises(SessionUnavailable):
            await asked


def test_every_method_of_a_session_tells_of_it() -> None:
    session: t.Any = UnreachableSession(OSError("gone"))
    for use in (
        *(lambda: session["a"], lambda: len(session), lambda: session.get("a")),
        *(lambda: session.regenerate(), lambda: session.permanent, lambda: dict(session)),
        *(lambda: session | {}, lambda: session.update(a=1), lambda: "a" in session),
        *(lambda: setattr(session, "permanent", True), lambda: session.setdefault("a", 1)),
    ):
        with pytest.raises(SessionUnavailable) as raised:
            use()
        assert raised.value.code == 503 and str(raised.value.__cause__) == "gone"


async def test_a_redis_that_comes_back(tmp_path: Path, colour: t.Any) -> None:
    with redis_server(tmp_path) as server:
        app = make_app(colour, RedisSessionInterface(server.url))
        client = client_of(app)
        await client.get("/put?a=1")
        server.stop()
        assert (await client.get("/put?a=2")).status_code == 503
        server.start()
        assert await shown(client) == {"a": "1"}
        assert (await client.get("/put?a=3")).status_code == 200
        assert await shown(client) == {"a": "3"}


async def test_a_cache_that_does_not_write(colour: t.Any) -> None:
    class Full(SimpleCache):
        def set(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
            return False

    app = make_app(colour, CacheSessionInterface(Full(), in_thread=False))
    assert (await ask(app, "/put?a=1")).status_code == 500


async def test_what_cannot_be_read_is_a_new_session(
    colour: t.Any, server: Redis, keys: t.Any, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(colour, RedisSessionInterface(server.url))
    sid = cookie_of(await ask(app, "/put?a=1"))
    [key] = keys.keys()
    keys.hset(key, "a", "{no JSON")
    assert await json_of(await ask(app, "/show", sid)) == {}
    assert "What is stored of a session cannot be read" in caplog.text


async def test_one_that_cannot_be_read_is_listed_and_ended(
    colour: t.Any, server: Redis, keys: t.Any
) -> None:
    """Nobody could see, or end from a page, any of his sessions."""
    app = make_app(colour, RedisSessionInterface(server.url))
    await ask(app, "/login?user=ada")
    [key] = keys.keys("session:[0-9a-f]*")
    keys.hset(key, "a", "{no JSON")
    await ask(app, "/login?user=ada")
    listed = await app.session_interface.list_sessions("ada")
    assert sorted(len(each.items) for each in listed) == [0, 1]
    assert [await app.session_interface.end_session(each.id) for each in listed] == [True, True]


async def test_all_others_while_the_store_is_gone() -> None:
    interface = RedisSessionInterface(f"redis://127.0.0.1:{free_port()}")
    for but in (UnreachableSession(OSError("gone")), None):
        with pytest.raises(SessionUnavailable):
            await interface.end_sessions("ada", but=but)


class LikeMemcached(SimpleCache):
    """Takes no other keys than Memcached does."""

    def _look(self, key: str) -> None:
        if not 0 < len(key.encode()) <= 250 or any(ord(letter) < 33 for letter in key):
            raise ValueError(f"a key cannot be {key!r}")

    def get(self, key: str) -> t.Any:
        self._look(key)
        return super().get(key)

    def set(self, key: str, *args: t.Any, **kwargs: t.Any) -> t.Any:
        self._look(key)
        return super().set(key, *args, **kwargs)

    def delete(self, key: str) -> bool:
        self._look(key)
        return super().delete(key)


@pytest.mark.parametrize("user", ["Ada Lovelace", "a" * 300, "\r\nflush_all\r\n", "", "ü/../x"])
async def test_whatever_a_user_is_called(colour: t.Any, user: str, tmp_path: Path) -> None:
    """Memcached takes no name with a space, and no long one: nobody so called could log in."""
    for cache in (LikeMemcached(), FileSystemCache(str(tmp_path / "sessions"))):
        app = make_app(colour, CacheSessionInterface(cache))
        client = client_of(app)
        assert (await client.get("/login", query_string={"user": user})).status_code == 200
        listed = await app.session_interface.list_sessions(user)
        assert [each.items["_user_id"] for each in listed] == [user] if user else listed == []
        await app.session_interface.end_sessions(user)
        assert (await shown(client) == {}) or not user


# --- what others were found to do wrong ---------------------------------------------------------


async def test_health_checks_and_robots_store_nothing(app: t.Any, keys_of: t.Any) -> None:
    """Flask-Session issues 19 and 181: each request without a cookie stored a session."""
    for path in ("/nothing", "/show", "/clear", "/drop?a=1", "/touch") * 5:
        response = await ask(app, path)
        assert cookie_of(response) in (None, ""), path
    assert keys_of() == 0


async def test_a_permanent_session_is_cleared(app: t.Any, keys_of: t.Any) -> None:
    """Flask-Session issue 27: what says that it is permanent was left, and so was the session."""
    client = client_of(app)
    await client.get("/permanent")
    await client.get("/put?a=1")
    assert keys_of() == 1
    response = await client.get("/clear")
    assert cookie_of(response) == ""
    assert keys_of() == 0


async def test_after_a_logout_there_is_another_id(app: t.Any) -> None:
    """sjacorg/bayanat 181: the next login went on with the session of the last one. And a client
    that keeps its cookie though it was told to drop it gets nothing by it."""
    first = cookie_of(await ask(app, "/login?user=ada"))
    await ask(app, "/clear", first)
    second = cookie_of(await ask(app, "/put?b=2", first))
    assert second not in (None, "", first)
    assert await json_of(await ask(app, "/show", first)) == {}
    assert await app.session_interface.list_sessions("ada") == []


async def test_one_that_is_not_permanent_is_stored(app: t.Any, keys_of: t.Any) -> None:
    """flask-session2 issue 39: it was not, in Redis."""
    response = await ask(app, "/put?a=1")
    assert "Expires" not in response.headers["Set-Cookie"]
    assert keys_of() == 1
    assert await json_of(await ask(app, "/show", cookie_of(response))) == {"a": "1"}


@pytest.mark.parametrize(
    "sid",
    ["../../../etc/passwd", "é" * 43, "*" * 43, "A" * 44, "A" * 42, "session:x", '"A"', "A b"],
)
async def test_ids_that_cannot_be(app: t.Any, sid: str, keys_of: t.Any) -> None:
    response = await ask(app, "/put?a=1", sid)
    assert response.status_code == 200
    assert cookie_of(response) != sid and keys_of() == 1


# --- Redis itself -------------------------------------------------------------------------------


async def test_what_redis_is_told(colour: t.Any, server: Redis, keys: t.Any) -> None:
    app = make_app(colour, RedisSessionInterface(server.url, prefix="s:"))
    client = client_of(app)
    sid = cookie_of(await client.get("/login?user=ada"))
    assert sid
    assert set(keys.keys()) == {"s:" + hash_of(sid), "s:of:ada"}
    assert keys.hgetall("s:" + hash_of(sid)) == {"_user_id": '"ada"'}
    month = 31 * 24 * 3600
    for key in keys.scan_iter():
        assert month - 60 < keys.ttl(key) <= month
    seen = keys.monitor()
    with seen as told:
        await client.get("/nothing")
        await client.get("/show")
        await client.get("/put?a=1")
        keys.ping()
        commands = []
        while "PING" not in (command := told.next_command()["command"]):
            commands.append(command)
    assert not [command for command in commands if sid in command], "it never knows the id"
    await client.get("/clear")
    assert keys.exists("s:" + hash_of(sid)) == 0


def test_connections_end_with_their_loop(server: Redis, keys: t.Any) -> None:
    """Each loop has its own; none is left (a ResourceWarning is an error here)."""
    interface = RedisSessionInterface(server.url)
    app = make_app(quartish.Flask, interface)
    known, before = set(_clients), len(keys.client_list())

    async def go() -> None:
        await ask(app, "/put?a=1")
        await RedisSessionInterface(server.url).ids_of("ada")
        assert len(_clients) == len(known) + 1
        assert len(keys.client_list()) == before + 1

    for _ in range(3):
        asyncio.run(go())
        assert set(_clients) == known
    assert len(keys.client_list()) == before
    loop = asyncio.new_event_loop()  # of somebody who ends no async generators
    loop.run_until_complete(interface.ids_of("ada"))
    [(client, held)] = [_clients[key] for key in set(_clients) - known]
    loop.run_until_complete(client.aclose())
    loop.close()
    asyncio.run(go())
    assert set(_clients) == known


@pytest.mark.parametrize("text", [True, False])
async def test_a_client_of_ones_own(text: bool, colour: t.Any, server: Redis) -> None:
    from redis.asyncio import Redis as Client

    async with Client.from_url(server.url, decode_responses=text) as client:
        app = make_app(colour, RedisSessionInterface(client))
        visitor = client_of(app)
        await visitor.get("/put?a=1")
        await visitor.get("/login?user=own")
        assert await shown(visitor) == {"a": "1"}
        [stored] = await app.session_interface.list_sessions("own")
        assert stored.items == {"a": "1", "_user_id": "own"}
        await app.session_interface.end_sessions("own")


def test_what_is_no_redis_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="Sessions are kept at 'redis://...', not 'http://x'"):
        RedisSessionInterface("http://x")
    with pytest.raises(ValueError, match=r"need a redis\.asyncio\.Redis"):
        RedisSessionInterface(redis_py.Redis())
    import sys

    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'quartish\[redis\]'"):
        RedisSessionInterface("redis://localhost")


# --- by WSGI, and the plain client --------------------------------------------------------------


@pytest.mark.parametrize("lane", ["async def", "def"])
def test_by_wsgi(lane: str, interface: t.Any) -> None:
    app = make_app(quartish.Flask, interface, lane)

    @app.get("/ended")
    def ended() -> t.Any:
        return str(app.ensure_sync(interface.end_sessions)("ada"))

    client = app.test_client()
    client.get("/put?a=1")
    assert client.get("/show").json == {"a": "1"}
    with client.session_transaction() as session:
        assert session == {"a": "1"}
        session["b"] = "2"
    assert client.get("/show").json == {"a": "1", "b": "2"}
    client.get("/login?user=ada")
    assert client.get("/show").json == {"a": "1", "b": "2"}

    assert client.get("/ended").text == "1"
    assert client.get("/show").json == {}
    with app.test_client().session_transaction() as session:
        pass


async def test_the_async_clients_share_their_session(colour: t.Any, interface: t.Any) -> None:
    client = client_of(make_app(colour, interface))
    async with client.session_transaction() as session:
        session["a"] = "1"
    assert await shown(client) == {"a": "1"}


# --- the kinds of sessions ----------------------------------------------------------------------


def test_a_session_in_the_cookie_has_no_id_to_change() -> None:
    session = SecureCookieSession({"a": 1})
    session.regenerate()
    assert (session.modified, session.accessed) == (False, False)


def test_another_kind_says_that_it_cannot() -> None:
    class Other(dict[str, t.Any], SessionMixin):
        pass

    with pytest.raises(NotImplementedError, match="Other has no way to get another id"):
        Other().regenerate()


async def test_a_subclass_says_where(colour: t.Any) -> None:
    for name, args in {
        "read": ("",),
        "write": (None,),
        "delete": ("",),
        "ids_of": ("",),
        "end_of": ("",),
    }.items():
        with pytest.raises(NotImplementedError):
            await getattr(ServerSideSessionInterface(), name)(*args)


async def test_flask_sessions_name_of_it(colour: t.Any, interface: t.Any) -> None:
    app = make_app(colour, interface)

    @app.get("/anew")
    async def anew() -> t.Any:
        app.session_interface.regenerate(quartish.session)
        return ""

    client = client_of(app)
    before = cookie_of(await client.get("/put?a=1"))
    assert cookie_of(await client.get("/anew")) not in (before, None)
    assert await shown(client) == {"a": "1"}
