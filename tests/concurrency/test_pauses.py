"""Async code of a request to a `def` view does not wait for an upload: where its synchronous
calls ask for the body, they wait themselves, and the loop goes on (with `greenlet` installed)."""

from __future__ import annotations

import asyncio
import contextlib
import io
import typing as t
from contextvars import ContextVar

import greenlet
import pytest
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.exceptions import HTTPException

import quartish
from quartish import request
from quartish._concurrency import greenlets as _pauses
from quartish.sessions import SecureCookieSession
from quartish.sessions import SecureCookieSessionInterface
from tests._scripted import HttpPeer

FORM = {"content_type": "application/x-www-form-urlencoded"}
var: ContextVar[str] = ContextVar("var", default="unset")


def make(**config: t.Any) -> quartish.Flask:
    app = quartish.Flask("app")
    app.secret_key = "key"
    app.config.update(config)

    @app.post("/")
    def index() -> t.Any:
        return f"view: {sorted(request.form.items())} {request.data.decode()}"

    @app.post("/unasked")
    def unasked() -> str:
        return "ok"

    return app


@contextlib.asynccontextmanager
async def uploading(app: t.Any, path: str = "/", **headers: str) -> t.AsyncIterator[HttpPeer]:
    """Give a client that has sent `a=1` of its form, and has more to send."""
    async with HttpPeer(app, path, "POST", body=None, **(headers or FORM)) as peer:
        peer.say(b"a=1")
        yield peer


async def at_rest(peer: HttpPeer, *events: asyncio.Event) -> None:
    """Let the app get as far as it gets."""
    for event in events:
        await asyncio.wait_for(event.wait(), 5)
    await asyncio.sleep(0.05)
    assert not peer.sent


# --- nobody asks for the body ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status"), [("/unasked", 200), ("/unasked?refuse", 401), ("/nowhere", 404)]
)
@pytest.mark.parametrize("through_wsgi", [False, True])
async def test_an_async_hook_does_not_wait(path: str, status: int, through_wsgi: bool) -> None:
    app = make()
    if through_wsgi:
        inner = app.wsgi_app
        app.wsgi_app = lambda environ, start: inner(environ, start)  # type: ignore[assignment, method-assign]

    @app.before_request
    async def check() -> t.Any:
        await asyncio.sleep(0.01)
        return ("no", 401) if "refuse" in request.args else None

    @app.after_request
    async def after(response: t.Any) -> t.Any:
        await asyncio.sleep(0)
        return response

    @app.errorhandler(404)
    async def missing(error: t.Any) -> t.Any:
        await asyncio.sleep(0)
        return "missing", 404

    async with uploading(app, path) as peer:
        await peer.until(1)
        assert peer.status == status


async def test_without_greenlet_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pauses, "_greenlets", None)
    app = make()

    @app.before_request
    async def check() -> t.Any:
        return str(sorted(request.form)), 401

    async with uploading(app) as peer:
        await at_rest(peer)
        peer.say(b"&b=2", more=False)
        await peer.until(2)
        assert (peer.status, peer.body) == (401, b"['a', 'b']")


# --- somebody does ---------------------------------------------------------------------------


READS: dict[str, t.Callable[[], t.Any]] = {
    "form": lambda: request.form.to_dict(),
    "values": lambda: request.values.to_dict(),
    "data": lambda: request.get_data(),
    "stream": lambda: request.stream.read(),
    "file": lambda: request.environ["wsgi.input"].read(),
}


@pytest.mark.parametrize("kind", READS)
@pytest.mark.parametrize("aborts", [False, True])
async def test_an_async_hook_waits_where_it_asks(kind: str, aborts: bool) -> None:
    app, asks = make(), asyncio.Event()

    @app.before_request
    async def read() -> t.Any:
        await asyncio.sleep(0)
        asks.set()
        task = asyncio.current_task()
        found = READS[kind]()
        assert asyncio.current_task() is task
        await asyncio.sleep(0)
        if aborts:
            quartish.abort(403, str(found))
        return str(found)

    async with uploading(app) as peer:
        await at_rest(peer, asks)
        peer.say(b"&b=")
        await at_rest(peer)
        peer.say(b"2", more=False)
        await peer.until(2)
        fields = kind in ("form", "values")
        expected = "{'a': '1', 'b': '2'}" if fields else "b'a=1&b=2'"
        assert peer.status == (403 if aborts else 200)
        body = peer.body.decode().replace("&#39;", "'").replace("&amp;", "&")
        assert (expected in body) if aborts else (expected == body)


async def test_the_loop_goes_on_and_the_view_finds_what_was_read() -> None:
    app, asks = make(), asyncio.Event()

    @app.before_request
    async def read() -> None:
        if request.path == "/":
            asks.set()
            assert request.form["b"] == "2"

    async with uploading(app) as peer:
        await at_rest(peer, asks)
        async with HttpPeer(app, "/unasked", "POST") as other:
            await other.until(2)
            assert other.status == 200
        peer.say(b"&b=2", more=False)
        await peer.until(2)
        assert peer.body == b"view: [('a', '1'), ('b', '2')] "


async def test_a_large_upload_of_many_pieces() -> None:
    app, sizes = make(), []

    @app.before_request
    async def read() -> None:
        while piece := request.stream.read(70_000):
            sizes.append(len(piece))
            await asyncio.sleep(0)

    async with HttpPeer(app, "/unasked", "POST", body=None) as peer:
        for number in range(20):
            peer.say(bytes(100_000), more=number < 19)
            await asyncio.sleep(0)
        await peer.until(2)
        assert peer.status == 200
    assert sum(sizes) == 2_000_000


class Sessions(SecureCookieSessionInterface):
    """Sessions whose identifier is a field of the form."""

    async def open_session(self, app: t.Any, request: t.Any) -> t.Any:  # type: ignore[override]
        await asyncio.sleep(0)
        if request.path == "/":
            return SecureCookieSession({"b": request.form["b"]})
        return SecureCookieSession()

    async def save_session(  # type: ignore[override]
        self, app: t.Any, session: t.Any, response: t.Any
    ) -> None:
        await asyncio.sleep(0)
        if "b" in session:
            response.headers["X-Saved"] = session["b"]


async def test_an_async_session_interface() -> None:
    app = make()
    app.session_interface = Sessions()
    async with uploading(app, "/unasked") as peer:
        await peer.until(1)
        assert peer.status == 200
    async with uploading(app) as peer:
        await at_rest(peer)
        peer.say(b"&b=2", more=False)
        await peer.until(2)
        assert (b"x-saved", b"2") in [(k.lower(), v) for k, v in peer.sent[0]["headers"]]


# --- what goes wrong comes out of the call ---------------------------------------------------


@contextlib.contextmanager
def noting(found: list[t.Any]) -> t.Iterator[None]:
    try:
        yield
    except BaseException as error:
        found.append(type(error).__name__)
        raise


@pytest.mark.parametrize("catches", [False, True])
@pytest.mark.parametrize(("what", "status"), [("large", 413), ("slow", 408)])
async def test_limits_and_timeouts(what: str, status: int, catches: bool) -> None:
    app = make(MAX_CONTENT_LENGTH=6, BODY_TIMEOUT=5 if what == "large" else 0.1)

    @app.before_request
    async def read() -> t.Any:
        try:
            return str(request.form)
        except HTTPException as error:
            if catches:
                return "caught", error.code
            raise

    async with uploading(app) as peer:
        if what == "large":
            await at_rest(peer)
            peer.say(b"&b=2345")
        await peer.until(2)
        assert peer.status == status
        assert (peer.body == b"caught") is catches


async def test_a_higher_limit_set_by_the_hook() -> None:
    app = make(MAX_CONTENT_LENGTH=6)

    @app.before_request
    async def read() -> t.Any:
        request.max_content_length = 100
        return str(request.form.to_dict())

    async with uploading(app) as peer:
        await at_rest(peer)
        peer.say(b"&b=2345", more=False)
        await peer.until(2)
        assert peer.body == b"{'a': '1', 'b': '2345'}"


async def test_the_client_leaves(caplog: pytest.LogCaptureFixture) -> None:
    app, asks = make(), asyncio.Event()
    found: list[t.Any] = []

    @app.before_request
    async def read() -> None:
        asks.set()
        with noting(found):
            request.get_data()

    @app.teardown_request
    async def teardown(error: t.Any) -> None:
        await asyncio.sleep(0)
        found.append("teardown")

    async with uploading(app) as peer:
        await at_rest(peer, asks)
        peer.leave()
    assert found in (["CancelledError", "teardown"], ["ClientDisconnected", "teardown"])
    assert not peer.error
    assert not caplog.records


async def test_the_server_cancels() -> None:
    app, asks = make(), asyncio.Event()
    found: list[t.Any] = []

    @app.before_request
    async def read() -> None:
        asks.set()
        with noting(found):
            request.get_data()

    @app.teardown_request
    def teardown(error: t.Any) -> None:
        found.append("teardown")

    async with uploading(app) as peer:
        await at_rest(peer, asks)
        peer.task.cancel()
    assert found == ["CancelledError", "teardown"]


async def test_a_timeout_of_the_hooks_own() -> None:
    app = make()

    @app.before_request
    async def read() -> t.Any:
        try:
            async with asyncio.timeout(0.05):
                request.get_data()
        except TimeoutError:
            return "late", 504
        return None

    async with uploading(app) as peer:
        await peer.until(2)
        assert (peer.status, peer.body) == (504, b"late")


# --- Contexts, tasks, threads, other greenlets -----------------------------------------------


async def test_context_variables_and_tokens() -> None:
    app = make()
    found: list[t.Any] = []

    @app.before_request
    async def read() -> None:
        quartish.g.token = var.set("before")
        assert request.form
        found.append(var.get())
        var.set("after")

    @app.after_request
    def after(response: t.Any) -> t.Any:
        found.append(var.get())
        return response

    @app.teardown_request
    async def teardown(error: t.Any) -> None:
        var.reset(quartish.g.token)
        found.append(var.get())

    async with uploading(app) as peer:
        await at_rest(peer)
        var.set("another's")
        peer.say(b"", more=False)
    assert found == ["before", "after", "unset"]


async def test_sides_of_two_requests_do_not_mix() -> None:
    app = make()

    @app.before_request
    async def read() -> str:
        mine = var.set(request.args["n"])
        first = request.stream.read(3), var.get(), request.args["n"]
        await asyncio.sleep(0)
        second = request.stream.read(), var.get(), request.args["n"]
        var.reset(mine)
        return f"{first} {second}"

    async with uploading(app, "/?n=1") as one, uploading(app, "/?n=2") as two:
        await at_rest(one)
        await at_rest(two)
        two.say(b"2", more=False)
        one.say(b"1", more=False)
        await one.until(2)
        await two.until(2)
        assert one.body == b"(b'a=1', '1', '1') (b'1', '1', '1')"
        assert two.body == b"(b'a=1', '2', '2') (b'2', '2', '2')"


async def test_a_greenlet_between() -> None:
    """As SQLAlchemy's `run_sync` makes one."""
    app = make()

    @app.before_request
    async def read() -> str:
        between = greenlet.greenlet(lambda: request.form["b"])
        between.gr_context = greenlet.getcurrent().gr_context
        value = between.switch()
        assert between.dead
        await asyncio.sleep(0)
        return t.cast(str, value)

    async with uploading(app) as peer:
        await at_rest(peer)
        peer.say(b"&b=2", more=False)
        await peer.until(2)
        assert peer.body == b"2"


@pytest.mark.parametrize("kind", ["hook", "view"])
async def test_a_thread_that_the_users_code_began(kind: str) -> None:
    app = make()

    if kind == "hook":

        @app.before_request
        async def hook() -> str:
            return await asyncio.to_thread(lambda: request.form["b"])

    async def view() -> str:
        return await asyncio.to_thread(lambda: request.form["b"])

    def decorated() -> t.Any:
        return app.ensure_sync(view)()

    app.view_functions["index"] = decorated
    async with uploading(app) as peer:
        await at_rest(peer)
        peer.say(b"&b=2", more=False)
        await peer.until(2)
        assert peer.body == b"2"


async def test_a_task_of_its_own_is_told() -> None:
    app = make()
    app.testing = True

    async def ask() -> t.Any:
        return request.form

    @app.before_request
    async def read() -> None:
        await asyncio.gather(ask())

    async with uploading(app) as peer:
        peer.say(b"&b=2")
    assert isinstance(peer.error, RuntimeError)
    assert "in a task that an async function began" in str(peer.error)


async def test_a_body_that_has_come_costs_no_greenlet(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: t.Any) -> t.NoReturn:
        raise AssertionError("a greenlet was made")

    monkeypatch.setattr(_pauses._greenlets, "greenlet", fail)
    app = make()

    async def ask() -> ImmutableMultiDict[str, str]:
        return request.form

    @app.before_request
    async def read() -> str:
        return str((await asyncio.gather(ask()))[0].to_dict())

    async with HttpPeer(app, "/", "POST", body=b"a=1&b=2", **FORM) as peer:
        await peer.until(2)
    assert peer.body == b"{'a': '1', 'b': '2'}"


def test_the_wsgi_door() -> None:
    app = make()
    asked: list[t.Any] = []

    class Upload(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            asked.append(size)
            return b""

    @app.before_request
    async def check() -> t.Any:
        return "no", 401

    client = app.test_client()
    answer = client.post("/", input_stream=Upload(), content_length=1000)
    assert (answer.status_code, asked) == (401, [])
