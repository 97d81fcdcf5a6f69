"""What views call, in both colours: responses, flashed messages, streams with a context."""

from __future__ import annotations

import asyncio
import gc
import inspect
import threading
import typing as t
import warnings

import pytest
from jinja2 import DictLoader
from werkzeug.exceptions import Aborter
from werkzeug.exceptions import NotFound

import quartish
from quartish import helpers
from quartish._concurrency.coroutines import is_awaitable
from quartish._current import _cv_app
from quartish._current import find_context

from ._peer import ask

PREFIXES = ("QUARTISH", "FLASK", "QUART")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for prefix in PREFIXES:
        monkeypatch.delenv(f"{prefix}_DEBUG", raising=False)
        monkeypatch.delenv(f"{prefix}_SKIP_DOTENV", raising=False)


@pytest.fixture
def app(colour: t.Any) -> t.Any:
    """An app of each colour in turn."""
    return make_app(colour)


@pytest.fixture
def flask() -> t.Any:
    return make_app(quartish.Flask)


@pytest.fixture
def quart() -> t.Any:
    return make_app(quartish.Quart)


def make_app(colour: t.Any) -> t.Any:
    app = colour(__name__)
    app.secret_key = "key"
    app.testing = True
    return app


async def plain(value: t.Any) -> t.Any:
    """Return what a call gives, awaited where it has to be."""
    return await value if is_awaitable(value) else value


# --- The environment --------------------------------------------------------------------


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    ("value", "on"),
    [("", False), ("0", False), ("False", False), ("NO", False), ("1", True), ("yes", True)],
)
def test_debug_flag(monkeypatch: pytest.MonkeyPatch, prefix: str, value: str, on: bool) -> None:
    monkeypatch.setenv(f"{prefix}_DEBUG", value)
    assert helpers.get_debug_flag() is on


def test_our_own_variable_is_asked_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_DEBUG", "1")
    monkeypatch.setenv("QUARTISH_DEBUG", "0")
    assert not helpers.get_debug_flag()


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("default", [True, False])
@pytest.mark.parametrize(("value", "load"), [("", None), ("1", False), ("no", True), ("0", True)])
def test_skip_dotenv(
    monkeypatch: pytest.MonkeyPatch, prefix: str, value: str, load: bool | None, default: bool
) -> None:
    monkeypatch.setenv(f"{prefix}_SKIP_DOTENV", value)
    assert helpers.get_load_dotenv(default) is (default if load is None else load)


# --- Responses --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "status", "body"),
    [((), 200, ""), (("hi",), 200, "hi"), (("gone", 410), 410, "gone"), (({"a": 1},), 200, None)],
)
async def test_make_response(app: t.Any, args: tuple[t.Any, ...], status: int, body: str) -> None:
    made: list[t.Any] = []

    @app.get("/")
    async def index() -> t.Any:
        response = await plain(quartish.make_response(*args))
        response.headers["X-Made"] = "yes"
        made.append(response)
        return response

    answer = await ask(app)
    assert (answer.status, answer.headers["x-made"]) == (status, "yes")
    assert answer.text == body or (body is None and '"a"' in answer.text)
    assert isinstance(made[0], app.response_class)


async def test_make_response_is_awaited_in_the_awaitable_colour(quart: t.Any) -> None:
    async with quart.app_context():
        coro: t.Any = quartish.make_response("x", 201)
        assert inspect.iscoroutine(coro)
        assert (await coro).status_code == 201


def test_the_app_decides(app: t.Any) -> None:
    calls: list[t.Any] = []

    class Other(type(app)):  # type: ignore[misc]
        def redirect(self, location: str, code: int = 302) -> t.Any:
            calls.append((location, code))

        def url_for(self, /, endpoint: str, **values: t.Any) -> str:
            return f"{endpoint} {sorted(key for key in values if values[key] is not None)}"

    token = _cv_app.set(Other(__name__).app_context())
    try:
        quartish.redirect("/there", 307)
        assert calls == [("/there", 307)]
        assert quartish.url_for("x", _anchor="a", self="s") == "x ['_anchor', 'self']"
    finally:
        _cv_app.reset(token)


def test_redirect_and_abort_without_an_app() -> None:
    class Mine(quartish.Response):
        pass

    response = quartish.redirect("https://example.org/", 308, Mine)
    assert (response.status_code, type(response)) == (308, Mine)
    assert response.location == "https://example.org/"
    with pytest.raises(NotFound, match="no such thing"):
        quartish.abort(404, "no such thing")
    with pytest.raises(LookupError):
        quartish.abort(900)


def test_abort_asks_the_apps_aborter(flask: t.Any) -> None:
    class Teapot(NotFound):
        code = 418

    flask.aborter = Aborter(extra={900: Teapot})
    with flask.app_context(), pytest.raises(Teapot):
        quartish.abort(900)


def test_without_an_app_the_cure_is_told() -> None:
    for call in (
        lambda: quartish.url_for("x"),
        lambda: quartish.make_response("x"),
        lambda: quartish.get_template_attribute("x", "y"),
        lambda: quartish.flash("x"),
        lambda: quartish.get_flashed_messages(),
        lambda: quartish.send_file("x"),
        lambda: quartish.send_from_directory("x", "y"),
    ):
        with pytest.raises(RuntimeError, match="Working outside of"):
            call()


def test_a_macro_is_a_plain_function(app: t.Any) -> None:
    app.jinja_env.loader = DictLoader(
        {"m.html": "{% set n = 3 %}{% macro hello(name) %}Hello {{ name }}!{% endmacro %}"}
    )
    token = _cv_app.set(app.app_context())
    try:
        assert quartish.get_template_attribute("m.html", "hello")("<you>") == "Hello &lt;you&gt;!"
        assert quartish.get_template_attribute("m.html", "n") == 3
    finally:
        _cv_app.reset(token)


# --- Flashed messages -------------------------------------------------------------------


def flashes(app: t.Any, view: t.Callable[[], t.Any]) -> None:
    """Let `/` call `view`, and `/read` show what was flashed, twice."""

    @app.get("/")
    async def index() -> str:
        await view()
        return "flashed"

    @app.get("/read")
    async def read() -> t.Any:
        first = quartish.get_flashed_messages(with_categories=True)
        assert quartish.get_flashed_messages(with_categories=True) == first
        return [
            first,
            quartish.get_flashed_messages(),
            quartish.get_flashed_messages(category_filter=["error"]),
        ]


@pytest.mark.parametrize("awaiting", [True, False])
async def test_flash_acts_at_once(app: t.Any, awaiting: bool) -> None:
    async def view() -> None:
        for args in ("one",), ("two", "error"):
            done = quartish.flash(*args)
            if awaiting:
                assert await done is None
        assert quartish.session["_flashes"] == [("message", "one"), ("error", "two")]

    flashes(app, view)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cookie = (await ask(app)).headers["set-cookie"].partition(";")[0]
        gc.collect()
    answer = await ask(app, "/read", cookie=cookie)
    assert quartish.json.loads(answer.text) == [
        [["message", "one"], ["error", "two"]],
        ["one", "two"],
        ["two"],
    ]
    assert answer.headers["set-cookie"].startswith("session=;")  # taken out, nothing is left


async def test_reading_no_messages_changes_no_session(app: t.Any) -> None:
    async def view() -> None:
        assert quartish.get_flashed_messages() == []
        assert not quartish.session.modified

    flashes(app, view)
    answer = await ask(app)
    assert answer.text == "flashed"
    assert "set-cookie" not in answer.headers


async def test_async_receivers_of_message_flashed(app: t.Any) -> None:
    heard: list[t.Any] = []

    async def receive(sender: t.Any, message: str, category: str) -> None:
        await asyncio.sleep(0)
        heard.append((sender, message, category))

    def receive_sync(sender: t.Any, message: str, category: str) -> None:
        heard.append(message)

    @app.get("/")
    def index() -> str:  # its thread waits for the receiver, in both colours
        quartish.flash("one", "info")
        return "flashed"

    @app.get("/async")
    async def index_async() -> str:
        await quartish.flash("two")
        return "flashed"

    with (
        quartish.message_flashed.connected_to(receive, app),
        quartish.message_flashed.connected_to(receive_sync, app),
    ):
        assert (await ask(app)).text == "flashed"
        assert sorted(map(str, heard)) == sorted(["one", str((app, "one", "info"))])
        heard.clear()
        if app.plain:
            # Nothing can wait for it there, and the error says so.
            with pytest.raises(RuntimeError, match="announce met an async function"):
                await ask(app, "/async")
        else:
            assert (await ask(app, "/async")).text == "flashed"
            assert sorted(map(str, heard)) == sorted(["two", str((app, "two", "message"))])


# --- Streams ----------------------------------------------------------------------------


class Watched:
    """An app whose teardown functions are recorded, and contexts of its requests."""

    def __init__(self, app: t.Any) -> None:
        self.app = app
        self.ends: list[t.Any] = []

        @app.teardown_request
        def teardown(exc: BaseException | None) -> None:
            # The context still works here.
            self.ends.append((quartish.request.args["name"], quartish.g.get("step"), exc))

    def context(self, name: str) -> t.Any:
        return self.app.request_context(
            {
                "REQUEST_METHOD": "GET",
                "SCRIPT_NAME": "",
                "PATH_INFO": "/",
                "QUERY_STRING": f"name={name}",
                "SERVER_NAME": "localhost",
                "SERVER_PORT": "80",
                "wsgi.url_scheme": "http",
            }
        )


@pytest.fixture
def watched(flask: t.Any) -> Watched:
    return Watched(flask)


def steps(count: int = 2) -> t.Iterator[str]:
    for step in range(count):
        quartish.g.step = step
        yield f"{quartish.request.args['name']} {step}"


async def async_steps(count: int = 2) -> t.AsyncIterator[str]:
    for step in range(count):
        await asyncio.sleep(0)
        quartish.g.step = step
        yield f"{quartish.request.args['name']} {step}"


def test_the_context_is_kept_until_the_stream_ends(watched: Watched) -> None:
    with watched.context("a"):
        stream: t.Any = quartish.stream_with_context(steps())
    assert watched.ends == []
    assert next(stream) == "a 0"
    assert find_context() is None
    assert list(stream) == ["a 1"]
    assert watched.ends == [("a", 1, None)]
    stream.close()
    assert len(watched.ends) == 1


async def test_the_context_is_kept_until_the_async_stream_ends(watched: Watched) -> None:
    with watched.context("a"):
        stream: t.Any = quartish.stream_with_context(async_steps())
    assert watched.ends == []
    assert await anext(stream) == "a 0"
    assert find_context() is None
    assert [piece async for piece in stream] == ["a 1"]
    assert watched.ends == [("a", 1, None)]


def test_a_stream_may_be_read_to_its_end_within_the_request(watched: Watched) -> None:
    with watched.context("a"):
        assert list(quartish.stream_with_context(steps())) == ["a 0", "a 1"]
        assert watched.ends == []
        assert quartish.g.step == 1
    assert watched.ends == [("a", 1, None)]


def test_streams_of_two_requests_do_not_mix(watched: Watched) -> None:
    with watched.context("a"):
        one: t.Any = quartish.stream_with_context(steps())
    with watched.context("b"):
        two: t.Any = quartish.stream_with_context(steps())
        assert next(one) == "a 0"
        assert quartish.request.args["name"] == "b"
    assert [*two, *one] == ["b 0", "b 1", "a 1"]
    assert watched.ends == [("b", 1, None), ("a", 1, None)]


def test_any_thread_may_iterate(watched: Watched) -> None:
    with watched.context("a"):
        stream: t.Any = quartish.stream_with_context(steps(3))
    pieces: list[str] = []
    for _ in range(3):
        thread = threading.Thread(target=lambda: pieces.append(next(stream)))
        thread.start()
        thread.join()
    assert pieces == ["a 0", "a 1", "a 2"]
    assert list(stream) == []
    assert watched.ends == [("a", 2, None)]


async def test_any_task_may_iterate(watched: Watched) -> None:
    with watched.context("a"):
        stream: t.Any = quartish.stream_with_context(async_steps())
    pieces = [await asyncio.wait_for(anext(stream), 5) for _ in range(2)]
    assert pieces == ["a 0", "a 1"]
    await asyncio.create_task(stream.aclose())
    assert watched.ends == [("a", 1, None)]


@pytest.mark.parametrize("begun", [True, False])
def test_a_closed_stream_ends(watched: Watched, begun: bool) -> None:
    closed: list[str] = []

    def generate() -> t.Iterator[str]:
        try:
            yield "x"
            yield "y"
        finally:
            closed.append(quartish.request.args["name"])

    with watched.context("a"):
        stream: t.Any = quartish.stream_with_context(generate())
    if begun:
        next(stream)
    stream.close()
    assert closed == (["a"] if begun else [])
    assert watched.ends == [("a", None, None)]


@pytest.mark.parametrize("begun", [True, False])
async def test_a_closed_async_stream_ends(watched: Watched, begun: bool) -> None:
    closed: list[str] = []

    async def generate() -> t.AsyncIterator[str]:
        try:
            yield "x"
            yield "y"
        finally:
            await asyncio.sleep(0)
            closed.append(quartish.request.args["name"])

    with watched.context("a"):
        stream: t.Any = quartish.stream_with_context(generate())
    if begun:
        await anext(stream)
    await stream.aclose()
    assert closed == (["a"] if begun else [])
    assert watched.ends == [("a", None, None)]


def test_a_forgotten_stream_ends(watched: Watched) -> None:
    with watched.context("a"):
        stream: t.Any = quartish.stream_with_context(steps())
    assert watched.ends == []
    del stream
    gc.collect()
    assert watched.ends == [("a", None, None)]


async def test_a_forgotten_async_stream_ends(watched: Watched) -> None:
    with watched.context("a"):
        stream: t.Any = quartish.stream_with_context(async_steps())
    await anext(stream)
    del stream
    gc.collect()
    await asyncio.sleep(0.01)
    assert watched.ends == [("a", 0, None)]


def test_teardown_is_told_what_went_wrong(watched: Watched) -> None:
    def generate() -> t.Iterator[str]:
        yield "x"
        raise ValueError("broken")

    with watched.context("a"):
        stream: t.Any = quartish.stream_with_context(generate())
    with pytest.raises(ValueError, match="broken") as raised:
        list(stream)
    assert watched.ends == [("a", None, raised.value)]


async def test_teardown_is_told_what_went_wrong_async(watched: Watched) -> None:
    async def generate() -> t.AsyncIterator[str]:
        yield "x"
        await asyncio.sleep(60)

    with watched.context("a"):
        stream: t.Any = quartish.stream_with_context(generate())
    task = asyncio.create_task(anext(stream))
    assert await task == "x"
    task = asyncio.create_task(anext(stream))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    [(name, _, exc)] = watched.ends
    assert (name, type(exc)) == ("a", asyncio.CancelledError)


def test_as_a_decorator(watched: Watched) -> None:
    @quartish.stream_with_context
    def generate(greeting: str, *, end: str) -> t.Iterator[str]:
        """Say hello."""
        yield f"{greeting} {quartish.request.args['name']}{end}"

    assert (generate.__name__, generate.__doc__) == ("generate", "Say hello.")
    with watched.context("a"):
        stream = generate("Hello", end="!")
    with watched.context("b"):
        assert list(generate("Hi", end=".")) == ["Hi b."]
    assert list(stream) == ["Hello a!"]
    assert [name for name, _, _ in watched.ends] == ["b", "a"]


async def test_as_a_decorator_async(watched: Watched) -> None:
    @quartish.stream_with_context
    async def generate(greeting: str) -> t.AsyncIterator[str]:
        yield f"{greeting} {quartish.request.args['name']}"

    with watched.context("a"):
        stream = generate("Hello")
    assert [piece async for piece in stream] == ["Hello a"]
    assert [name for name, _, _ in watched.ends] == ["a"]


def test_outside_of_a_request(flask: t.Any) -> None:
    with pytest.raises(RuntimeError, match="request context is active"):
        quartish.stream_with_context(steps())
    with flask.app_context(), pytest.raises(RuntimeError, match="request context is active"):
        quartish.stream_with_context(steps())


def test_any_iterable_and_its_close(watched: Watched) -> None:
    class Pieces:
        closed = 0

        def __init__(self) -> None:
            self.source = steps()

        def __iter__(self) -> t.Any:
            return self

        def __next__(self) -> str:
            return next(self.source)

        def close(self) -> None:
            self.closed += 1

    pieces = Pieces()
    with watched.context("a"):
        stream: t.Any = quartish.stream_with_context(pieces)
        assert list(quartish.stream_with_context(["x", "y"])) == ["x", "y"]
    assert list(stream) == ["a 0", "a 1"]
    assert pieces.closed == 1


@pytest.mark.parametrize("view_kind", ["def", "async def"])
@pytest.mark.parametrize("stream_kind", ["def", "async def"])
async def test_streams_of_views(app: t.Any, view_kind: str, stream_kind: str) -> None:
    log: list[t.Any] = []

    @app.teardown_request
    def teardown(exc: BaseException | None) -> None:
        log.append(("teardown", exc))

    def make() -> t.Any:
        quartish.session["key"] = "value"
        source: t.Any = generate() if stream_kind == "def" else generate_async()
        return quartish.stream_with_context(source)

    def generate() -> t.Iterator[str]:
        yield quartish.request.args["name"]
        yield quartish.session["key"]
        log.append("end")

    async def generate_async() -> t.AsyncIterator[str]:
        for piece in generate():
            await asyncio.sleep(0)
            yield piece

    if view_kind == "def":
        app.add_url_rule("/", "index", make)
    else:

        @app.get("/")
        async def index() -> t.Any:
            return make()

    answer = await ask(app, "/?name=World")
    assert answer.messages == [b"World", b"value"]
    assert log == ["end", ("teardown", None)]
    log.clear()
    answer = await ask(app, "/?name=World", "HEAD")  # closed, never begun
    assert (answer.status, answer.body, log) == (200, b"", [("teardown", None)])
