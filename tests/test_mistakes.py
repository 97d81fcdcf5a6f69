"""Notes of mistakes that `docs/mistakes.md` does not show, and errors that get none."""

from __future__ import annotations

import asyncio
import re
import threading
import time
import typing as t

import pytest

import quartish
from quartish._mistakes.awaits import refuse_coroutine
from quartish._mistakes.explain import explain
from quartish._mistakes.names import nearest
from quartish._mistakes.places import place_of
from quartish.testing.client import AsyncFlaskClient
from tests._doors import Ask
from tests._doors import through_asgi


async def number() -> int:
    return 1


def plain() -> int:
    return 1


def note_of(call: t.Callable[[], t.Any], app: t.Any = None) -> str | None:
    """Return what is said beside the error that a call raises."""
    ctx = None if app is None else app.app_context()
    try:
        rv = call()
        if hasattr(rv, "__await__"):
            asyncio.run(rv)
    except Exception as error:
        explain(error, ctx)
        explain(error, ctx)  # says it once
        notes = getattr(error, "__notes__", [])
        assert len(notes) < 2
        return notes[0] if notes else None
    raise AssertionError("nothing was raised")


async def awaits(value: t.Any) -> t.Any:
    return await value


async def awaits_several() -> t.Any:
    return await asyncio.gather(plain())  # type: ignore[call-overload]


async def with_plain() -> None:
    async with threading.Lock():  # type: ignore[attr-defined]
        pass


async def with_as() -> None:
    with asyncio.timeout(1) as scope:  # type: ignore[attr-defined]
        assert scope


async def async_for() -> None:
    async for each in [1]:  # type: ignore[attr-defined]
        assert each


def plain_for() -> list[int]:
    async def numbers() -> t.AsyncIterator[int]:
        yield 1

    return [each for each in numbers() if each]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: awaits(1), "`value` is no awaitable: write it without `await`; function `awaits`"),
        (lambda: awaits(plain), "`value` was not called: write `await value()`; function"),
        (with_plain, "`threading.Lock()` is entered by `with`; function `with_plain`"),
        (with_as, "`asyncio.timeout(1)` is entered by `async with`; function `with_as`"),
        (async_for, "`[1]` is plain: write `for`, without `async`; function `async_for`"),
        (plain_for, "`numbers()` is iterated by `async for`, not by `for`; function `plain_for`"),
    ],
)
def test_notes(call: t.Callable[[], t.Any], said: str) -> None:
    note = note_of(call)
    assert note is not None and note.startswith(said), note
    assert re.search(r"test_mistakes\.py:\d+$", note)


@pytest.mark.parametrize(
    "error", [TypeError("no"), AttributeError("no"), RuntimeError("no"), KeyError("no")]
)
def test_other_errors_get_none(error: Exception) -> None:
    def call() -> t.NoReturn:
        raise error

    assert note_of(call) is None


def test_what_a_library_does_is_not_the_users() -> None:
    """`gather` awaits what it was given: the line that called it is told of nothing."""
    assert note_of(awaits_several) is None


def test_an_error_that_was_never_raised() -> None:
    error = TypeError("object int can't be used in 'await' expression")
    explain(error)
    assert not hasattr(error, "__notes__")


def test_the_message_of_python_3_14_is_known() -> None:
    async def call() -> None:
        value = 1
        if value:
            raise TypeError("'int' object can't be awaited")

    note = note_of(call)
    assert note is not None and "is no awaitable" in note


def test_places() -> None:
    class Callable:
        def __call__(self) -> None: ...

    line = plain.__code__.co_firstlineno
    assert place_of(plain, "view ") == f"view `plain`, test_mistakes.py:{line}"
    assert place_of(Callable()).endswith("Callable`")


def test_what_a_template_shows() -> None:
    assert refuse_coroutine("text") == "text"
    coro = number()
    with pytest.raises(TypeError, match=r"the coroutine of `number` \(test_mistakes.py:\d+\)"):
        refuse_coroutine(coro)
    coro.close()


def test_a_list_of_templates() -> None:
    app = quartish.Flask("app", root_path="/nowhere")
    blueprint = quartish.Blueprint("pages", "pages", root_path="/pages", template_folder="mine")
    app.register_blueprint(blueprint)
    with app.app_context():
        note = note_of(lambda: quartish.render_template(["a.html", "b.html"]), app)
    assert note is not None
    assert "/nowhere/templates (of the app, which does not exist)" in note
    assert "/pages/mine (of blueprint 'pages', which does not exist)" in note


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("/user/7", "/users/<int:number>"),
        ("/abuot", "/about"),
        ("/About", "/about"),
        ("/shop/item/9/edit", "/shop/items/<number>/edit"),
        ("/talk", "/talks"),
        ("/nothing/like/it", None),
    ],
)
def test_nearest_routes(path: str, rule: str | None) -> None:
    app = quartish.Flask("app", static_folder=None)
    for each in ("/users/<int:number>", "/about", "/shop/items/<number>/edit"):
        app.add_url_rule(each, each.replace("/", "_"), lambda **values: "")
    app.websocket("/talks")(number)
    said = nearest(app, path)
    if rule is None:
        assert said is None
    else:
        assert said is not None and said.startswith(f"The nearest routes are {rule} (")
        assert ("websocket" in said) is (rule == "/talks")


async def test_nothing_is_said_of_routes_without_debug_mode(colour: type[t.Any]) -> None:
    for debug in (True, False):
        app = colour("app")
        app.debug = debug
        app.add_url_rule("/about", view_func=plain)
        body = (await through_asgi(app, Ask("/abuot"))).body
        assert (b"/about" in body) is debug
        body = (await through_asgi(app, Ask("/about", "POST"))).body
        assert (b"It takes GET" in body) is debug


# --- what blocks --------------------------------------------------------------------------------


def blocks_in_a_library() -> None:
    import queue

    try:
        queue.Queue[int]().get(timeout=0.2)
    except queue.Empty:
        pass


def blocks_in_a_program() -> None:
    import subprocess

    subprocess.run(["sleep", "0.2"], check=True)


def blocks_in_a_database() -> None:
    import sqlite3

    connection = sqlite3.connect(":memory:")
    until = time.monotonic() + 0.2
    connection.create_function("busy", 0, lambda: time.monotonic() < until)
    connection.execute(
        "WITH RECURSIVE c(x) AS (SELECT busy() UNION ALL SELECT busy() FROM c WHERE x)"
        " SELECT count(*) FROM c"
    ).fetchall()
    connection.close()


def blocks_by_itself() -> None:
    until = time.monotonic() + 0.2
    while time.monotonic() < until:
        pass


@pytest.mark.parametrize(
    ("blocks", "line", "cure"),
    [
        (blocks_in_a_library, "queue.Queue[int]().get(timeout=0.2)", "`asyncio.Queue`"),
        (blocks_in_a_program, "subprocess.run(", "`await asyncio.create_subprocess_exec(...)`"),
        (blocks_in_a_database, "connection.execute(", "aiosqlite"),
        (blocks_by_itself, "while time.monotonic() < until:", None),
    ],
)
async def test_the_line_that_blocks_is_named(
    blocks: t.Callable[[], None], line: str, cure: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    app = quartish.Flask("app")
    app.debug = True

    async def view() -> str:
        blocks()
        return "done"

    app.add_url_rule("/", view_func=view)
    assert (await AsyncFlaskClient(app).get("/")).text == "done"
    [record] = caplog.records
    said = record.getMessage()
    assert "blocked the event loop" in said and f"It was in `{line}" in said, said
    assert re.search(r"`, test_mistakes\.py:\d+", said)
    assert cure is None or f"in place of that there is {cure}" in said, said


# --- websockets ---------------------------------------------------------------------------------


async def test_calls_of_a_websocket_stay_what_they_are(
    colour: type[t.Any], caplog: pytest.LogCaptureFixture
) -> None:
    """In debug mode they are coroutines as well: of tasks, groups and handlers in threads."""
    app = colour("app")
    app.debug = True

    @app.websocket("/loop")
    async def loop() -> None:
        websocket = quartish.websocket
        coro = websocket.receive()
        assert asyncio.iscoroutine(coro)
        said = await asyncio.create_task(coro)
        await asyncio.gather(websocket.send(said), websocket.send_json([said]))

    @app.websocket("/thread")
    def thread() -> None:
        websocket = t.cast(t.Any, quartish.websocket)
        said = websocket.receive()
        websocket.send(said)
        websocket.send_json([said])

    for path in ("/loop", "/thread"):
        async with app.async_test_client().websocket(path) as connection:
            await connection.send("hello")
            assert await connection.receive() == "hello"
            assert await connection.receive_json() == ["hello"]
    assert not caplog.records
