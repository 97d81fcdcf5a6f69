"""Components: made in order, once, closed when what they live in ends, replaced in tests."""

from __future__ import annotations

import asyncio
import typing as t
from typing import Annotated

import msgspec
import pytest
from werkzeug.datastructures import FileStorage

import quartish
from quartish.testing.app import LifespanError
from quartish.typed import Depends
from quartish.typed import Header
from quartish.typed import Query
from tests._scripted import HttpPeer
from tests.typed._ways import each_way
from tests.typed._ways import faults
from tests.typed._ways import Way
from tests.typed._ways import WAYS


class Database:
    def __init__(self, name: str = "real") -> None:
        self.name = name


class User:
    def __init__(self, name: str) -> None:
        self.name = name


class Orders:
    def __init__(self, database: Database, user: User) -> None:
        self.database = database
        self.user = user


log: list[str] = []


@pytest.fixture(autouse=True)
def empty_log() -> None:
    log.clear()


def open_database() -> t.Iterator[Database]:
    log.append("open database")
    try:
        yield Database()
    except Exception as error:
        log.append(f"database sees {error}")
        raise
    finally:
        log.append("close database")


async def find_user(
    database: Database, token: Annotated[str, Header()] = "nobody"
) -> t.AsyncIterator[User]:
    log.append("find user")
    await asyncio.sleep(0)
    yield User(token)
    log.append("forget user")


def provide(app: t.Any) -> None:
    app.provide(Database, open_database)
    app.provide(User, find_user)
    app.provide(Orders, Orders)


def show(orders: Annotated[Orders, Depends()], again: Annotated[Orders, Depends()]) -> str:
    assert orders is again
    log.append("view")
    return f"{orders.database.name} {orders.user.name}"


@each_way
def test_components_need_others(way: Way) -> None:
    app = way.app(TESTING=True)
    provide(app)
    way.add(app, "/", show)
    app.teardown_request(lambda error: log.append("teardown"))
    assert way.get(app, "/", token="Ada").body == b"real Ada"
    assert log == [
        *("open database", "find user", "view", "teardown", "forget user", "close database"),
    ]


@each_way
def test_an_error_reaches_them(way: Way) -> None:
    app = way.app()
    app.provide(Database, open_database)

    def fail(database: Annotated[Database, Depends()]) -> str:
        quartish.abort(409, "taken")

    way.add(app, "/", fail)
    assert way.get(app, "/").status == 409
    assert log == ["open database", "database sees 409 Conflict: taken", "close database"]


@each_way
def test_their_parameters_are_checked_before_any_is_made(way: Way) -> None:
    app = way.app()
    app.provide(Database, open_database)

    def page(size: Annotated[int, Query(ge=1)], number: int = 1) -> int:
        return size * number

    def view(
        database: Annotated[Database, Depends()],
        offset: Annotated[int, Depends(page)],
        q: Annotated[str, Query()],
    ) -> str:
        return f"{offset}{q}"

    # What a function needs is seen where its module is.
    view.__annotations__.update(offset=Annotated[int, Depends(page)])
    way.add(app, "/", view)
    assert faults(way.get(app, "/", "size=0&number=x")) == [
        ("query", ["size"], "int >= 1"),
        ("query", ["number"], "int"),
        ("query", ["q"], "a value"),
    ]
    assert log == []
    assert way.get(app, "/", "size=2&number=3&q=x").body == b"6x"


@each_way
def test_overridden_in_tests(way: Way) -> None:
    app = way.app(TESTING=True)
    provide(app)
    way.add(app, "/", show)
    assert way.get(app, "/").body == b"real nobody"
    with app.override(Database, lambda: Database("fake")):
        assert way.get(app, "/").body == b"fake nobody"
        with app.override(User, User("Eve")):
            assert way.get(app, "/").body == b"fake Eve"
    assert way.get(app, "/").body == b"real nobody"


def current() -> str:
    return "real"


def test_a_function_is_overridden_too() -> None:
    app = quartish.Flask(__name__)

    @app.get("/")
    def view(who: Annotated[str, Depends(current)]) -> str:
        return who

    client = app.test_client()
    assert client.get("/").text == "real"
    with app.override(current, lambda: "fake"):
        assert client.get("/").text == "fake"
    assert client.get("/").text == "real"


def test_without_cache_each_who_asks_has_its_own() -> None:
    app = quartish.Flask(__name__)

    @app.get("/")
    def view(
        a: Annotated[Database, Depends(Database)],
        b: Annotated[Database, Depends(Database)],
        c: Annotated[Database, Depends(Database, use_cache=False)],
    ) -> str:
        return f"{a is b} {a is c}"

    assert app.test_client().get("/").text == "True False"


@pytest.mark.parametrize("way", [way for way in WAYS if way.door == "asgi"], ids=str)
def test_async_ones_are_made_side_by_side(way: Way) -> None:
    app = way.app()
    met = []

    async def first() -> str:
        met.append("first")
        while "second" not in met:
            await asyncio.sleep(0)
        return "first"

    async def second() -> str:
        while "first" not in met:
            await asyncio.sleep(0)
        met.append("second")
        return "second"

    def view(a: t.Any, b: t.Any) -> str:
        return f"{a} {b}"

    view.__annotations__.update(a=Annotated[str, Depends(first)], b=Annotated[str, Depends(second)])
    way.add(app, "/", view)
    assert way.get(app, "/").body == b"first second"


async def test_one_that_fails_ends_the_others_beside_it() -> None:
    app = quartish.Quart(__name__)
    ended = []

    async def waits() -> str:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("waits")
        return ""

    async def fails() -> str:
        quartish.abort(401)

    async def view(a: t.Any, b: t.Any) -> str:
        return ""

    view.__annotations__.update(a=Annotated[str, Depends(waits)], b=Annotated[str, Depends(fails)])
    app.add_url_rule("/", view_func=view)
    response = await app.test_client().get("/")
    assert (response.status_code, ended) == (401, ["waits"])


class Pool:
    pass


async def open_pool() -> t.AsyncIterator[Pool]:
    log.append("open pool")
    yield Pool()
    log.append("close pool")


async def test_those_of_the_app_live_as_long_as_it_serves(colour: type[t.Any]) -> None:
    app = colour(__name__)

    def settings() -> t.Iterator[dict[str, str]]:
        log.append("open settings")
        yield {"name": "x"}
        log.append("close settings")

    app.provide(Pool, open_pool, scope="app")
    app.provide(dict, settings, scope="app")

    async def view(pool: t.Any, settings: t.Any) -> str:
        return f"{settings['name']} {id(pool)}"

    view.__annotations__.update(
        pool=Annotated[Pool, Depends()], settings=Annotated[dict[str, str], Depends(dict)]
    )
    app.add_url_rule("/", view_func=view)
    async with app.test_app() as running:
        client = running.test_client()
        answers = {await _text(await client.get("/")) for _ in range(3)}
        assert len(answers) == 1
        assert log == ["open pool", "open settings"]
    assert log[2:] == ["close pool", "close settings"]


async def _text(response: t.Any) -> str:
    data = response.get_data(as_text=True)
    return t.cast(str, await data if hasattr(data, "__await__") else data)


async def open_slowly() -> t.AsyncIterator[Pool]:
    try:
        yield Pool()
    finally:
        await asyncio.sleep(0.001)
        log.append("closed slowly")


async def waits(pool: Annotated[Pool, Depends()]) -> None:
    log.append("waits")
    await asyncio.sleep(60)


@pytest.mark.parametrize("kind", ["async", "def"])
async def test_they_are_closed_when_the_client_leaves_meanwhile(
    colour: type[t.Any], kind: str
) -> None:
    """What one awaits to clean up is not cancelled as well, in a worker thread either."""
    app = colour(__name__)
    app.provide(Pool, open_slowly)

    def view(waited: Annotated[None, Depends(waits)]) -> str:
        return ""

    async def async_view(waited: Annotated[None, Depends(waits)]) -> str:
        return ""

    app.add_url_rule("/", view_func=view if kind == "def" else async_view)
    async with HttpPeer(app) as peer:
        async with asyncio.timeout(5):
            while "waits" not in log:
                await asyncio.sleep(0.001)
        peer.leave()
    assert (peer.error, log) == (None, ["waits", "closed slowly"])


# --- mistakes --------------------------------------------------------------------------------


def plan_of(app: t.Any) -> None:
    """Do what happens when serving starts."""

    async def start() -> None:
        async with app.test_app():
            pass

    asyncio.run(start())


class First:
    pass


class Second:
    pass


def make_first(second: Annotated[Second, Depends()]) -> First:
    return First()


def make_second(first: Annotated[First, Depends()]) -> Second:
    return Second()


def test_a_circle_is_told_of_at_the_start(colour: type[t.Any]) -> None:
    app = colour(__name__)
    app.provide(First, make_first)
    app.provide(Second, make_second)

    @app.get("/")
    def view(first: Annotated[First, Depends()]) -> str:
        return ""

    with pytest.raises(LifespanError, match=r"`view`, .* First -> Second -> First"):
        plan_of(app)


def test_one_that_is_missing_is_told_of_with_who_asks(colour: type[t.Any]) -> None:
    app = colour(__name__)
    app.provide(First, make_first)

    @app.get("/")
    def view(first: Annotated[First, Depends()]) -> str:
        return ""

    with pytest.raises(LifespanError, match=r"`view`, .* -> First asks for 'second', a Second"):
        plan_of(app)


class Connection:
    def __init__(self, url: str = "default", *, timeout: Annotated[int, Query()] = 5) -> None:
        self.url = f"{url} {timeout}"


class Settings(msgspec.Struct):
    is_admin: bool = False


class Unsaid:
    def __init__(self, url: str) -> None:
        pass


def test_no_client_sets_what_is_not_marked_in_a_class() -> None:
    app = quartish.Flask(__name__)
    app.provide(Connection, Connection)

    @app.get("/")
    def view(connection: Annotated[Connection, Depends()]) -> str:
        return connection.url

    assert app.test_client().get("/?url=mine&timeout=6").text == "default 6"
    app = quartish.Flask(__name__)

    @app.get("/")
    def another(unsaid: Annotated[Unsaid, Depends(Unsaid)]) -> str:
        return ""

    with pytest.raises(LifespanError, match="`another`.* -> Unsaid asks for 'url' without saying"):
        plan_of(app)


@pytest.mark.parametrize("kind", [Settings, FileStorage, list[FileStorage]])
def test_no_client_sets_what_a_provided_factory_takes_without_a_mark(kind: t.Any) -> None:
    """What would be a body, or a file, in a view is no exception: its type was to be provided."""

    def make(value: t.Any) -> Database:
        return Database(value)

    make.__annotations__["value"] = kind
    app = quartish.Flask(__name__)
    app.provide(Database, make)

    @app.post("/")
    def view(database: Annotated[Database, Depends()]) -> str:
        return repr(database.name)

    with pytest.raises(LifespanError, match=r"Database asks for 'value' without .*app\.provide\("):
        plan_of(app)


def test_a_name_that_is_not_there() -> None:
    app = quartish.Flask(__name__)

    @app.get("/")
    def view(q: Annotated[str, Query()], x: Nothing) -> str:  # type: ignore[name-defined]  # noqa: F821
        return ""

    with pytest.raises(LifespanError, match="`view`.*'Nothing' is not defined.*TYPE_CHECKING"):
        plan_of(app)


def test_a_class_of_the_apps_that_nobody_provides() -> None:
    app = quartish.Flask(__name__)

    @app.get("/")
    def view(database: Database, q: Annotated[str, Query()] = "") -> str:
        return ""

    with pytest.raises(LifespanError, match=r"app\.provide\(Database, \.\.\.\)"):
        plan_of(app)


def of_request(q: Annotated[str, Query()] = "") -> Database:
    return Database()


def test_one_of_the_app_asks_for_nothing_of_a_request() -> None:
    app = quartish.Flask(__name__)
    app.provide(Database, of_request, scope="app")

    @app.get("/")
    def view(database: Annotated[Database, Depends()]) -> str:
        return ""

    with pytest.raises(LifespanError, match="lives as long as the app"):
        plan_of(app)


def test_two_yields() -> None:
    app = quartish.Flask(__name__)
    app.testing = True

    def twice() -> t.Iterator[int]:
        yield 1
        yield 2

    def view(x: t.Any) -> str:
        return str(x)

    view.__annotations__["x"] = Annotated[int, Depends(twice)]
    app.add_url_rule("/", view_func=view)
    with pytest.raises(RuntimeError, match="yields more than once"):
        app.test_client().get("/")


def test_what_is_no_factory(colour: type[t.Any]) -> None:
    app = colour(__name__)
    with pytest.raises(TypeError, match="lambda: it"):
        app.provide(Database, Database())
    with pytest.raises(ValueError, match="one of"):
        app.provide(Database, Database, scope="session")


def test_a_mark_as_default_is_told_of() -> None:
    app = quartish.Flask(__name__)

    @app.get("/")
    def view(a: Annotated[int, Query()] = 1, b: t.Any = Query()) -> str:  # noqa: B008
        return ""

    with pytest.raises(LifespanError, match=r"b: Annotated"):
        plan_of(app)
