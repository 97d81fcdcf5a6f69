"""Requests in which nobody takes part but the view: the loop lane calls it itself. They end as
all others do, and whoever joins in later is heard."""

from __future__ import annotations

import asyncio
import inspect
import sys
import typing as t

import pytest
from blinker import Signal
from werkzeug.exceptions import Gone
from werkzeug.exceptions import HTTPException

from quartish import got_request_exception
from quartish import request
from quartish import request_finished
from quartish import request_started
from quartish import request_tearing_down
from quartish import signals
from quartish.ctx import AppContext
from tests._peer import ask


@pytest.fixture
def app(colour: type[t.Any]) -> t.Any:
    app = colour(__name__)
    app.logger.disabled = True

    @app.get("/")
    async def index() -> str:
        return "text"

    return app


def set_view(app: t.Any, view: t.Callable[..., t.Any]) -> None:
    app.view_functions["index"] = view


# --- how they end ---------------------------------------------------------------------------


async def test_an_error_without_a_handler(app: t.Any) -> None:
    seen: list[Exception] = []
    error = LookupError("no")

    async def view() -> str:
        raise error

    set_view(app, view)
    with got_request_exception.connected_to(lambda _, exception: seen.append(exception), app):
        assert (await ask(app)).status == 500
    assert seen == [error]


async def test_an_error_is_raised_where_the_app_says_so(app: t.Any) -> None:
    async def view() -> str:
        raise LookupError("no")

    set_view(app, view)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(LookupError, match="no"):
        await ask(app)


@pytest.mark.parametrize("colour_of_handler", ["def", "async"])
async def test_an_error_with_a_handler(app: t.Any, colour_of_handler: str) -> None:
    async def view() -> str:
        raise LookupError("no")

    def handle(error: Exception) -> tuple[str, int]:
        return f"{error} at {request.path}", 418

    async def handle_later(error: Exception) -> tuple[str, int]:
        await asyncio.sleep(0)
        return handle(error)

    set_view(app, view)
    app.register_error_handler(LookupError, handle if colour_of_handler == "def" else handle_later)
    answer = await ask(app)
    assert (answer.status, answer.body) == (418, b"no at /")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"


async def test_an_error_of_a_handler(app: t.Any) -> None:
    async def view() -> str:
        raise LookupError("first")

    def handle(error: Exception) -> str:
        raise ValueError("second") from error

    ended: list[BaseException | None] = []
    set_view(app, view)
    app.register_error_handler(LookupError, handle)
    app.register_error_handler(500, lambda error: (str(error.original_exception), 500))
    app.teardown_request(ended.append)
    answer = await ask(app)
    assert (answer.status, answer.body) == (500, b"second")
    assert str(ended) == "[ValueError('second')]"


@pytest.mark.parametrize("handled", [False, True])
async def test_an_http_error(app: t.Any, handled: bool) -> None:
    async def view() -> str:
        raise Gone("It was here.")

    def handle(error: HTTPException) -> tuple[str, int]:
        return "handled", 410

    set_view(app, view)
    if handled:
        app.register_error_handler(410, handle)
    answer = await ask(app)
    assert answer.status == 410 and (answer.body == b"handled") is handled


async def test_what_no_response_can_be_made_of(app: t.Any) -> None:
    async def view() -> None:
        return None

    set_view(app, view)
    app.register_error_handler(500, lambda error: (str(error.original_exception), 500))
    answer = await ask(app)
    assert answer.status == 500 and b"The view function for 'index' did not return" in answer.body


@pytest.mark.parametrize("rv", ["\ud800", ("text", {"X-Text": "\ud800"}), {"a": object()}])
async def test_what_cannot_be_sent_is_an_error_of_the_app(app: t.Any, rv: t.Any) -> None:
    async def view() -> t.Any:
        return rv

    set_view(app, view)
    seen: list[Exception] = []
    with got_request_exception.connected_to(lambda _, exception: seen.append(exception), app):
        try:
            status = (await ask(app)).status
        except UnicodeEncodeError:  # of a header: it is found when the response is sent
            assert type(rv) is tuple
        else:
            assert status == 500 and len(seen) == 1


async def test_a_stream(app: t.Any) -> None:
    async def view() -> t.AsyncIterator[str]:
        async def chunks() -> t.AsyncIterator[str]:
            yield "a"
            yield request.path

        return chunks()

    set_view(app, view)
    assert (await ask(app)).body == b"a/"


async def test_a_view_that_waits(app: t.Any) -> None:
    async def view() -> str:
        await asyncio.sleep(0)
        return request.path

    set_view(app, view)
    assert (await ask(app)).body == b"/"


@pytest.mark.parametrize("at", ["http.response.start", "http.response.body"])
async def test_a_client_that_has_left(app: t.Any, at: str) -> None:
    # Since ASGI 2.4 `send` says so by an OSError.
    sent: list[str] = []

    async def receive() -> dict[str, t.Any]:
        return await asyncio.Future()

    async def send(message: dict[str, t.Any]) -> None:
        sent.append(message["type"])
        if message["type"] == at:
            raise OSError

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"localhost")]}
    await app(scope, receive, send)
    assert sent[-1] == at and len(sent) == 1 + (at == "http.response.body")


async def test_arguments_and_head(app: t.Any) -> None:
    @app.get("/<int:number>")
    async def number(number: int) -> str:
        return str(number + 1)

    assert (await ask(app, "/41")).body == b"42"
    answer = await ask(app, "/41", "HEAD")
    assert (answer.status, answer.headers["Content-Length"], answer.body) == (200, "2", b"")


async def test_options(app: t.Any) -> None:
    answer = await ask(app, method="OPTIONS")
    assert (answer.status, answer.body) == (200, b"")
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


async def test_awaitables_that_are_no_coroutines(app: t.Any) -> None:
    class View:
        async def __call__(self) -> str:
            return "object"

    set_view(app, View())
    assert (await ask(app)).body == b"object"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="nothing can be marked before 3.12")
@pytest.mark.parametrize("waits", [False, True])
async def test_a_function_that_is_marked(app: t.Any, waits: bool) -> None:
    def view() -> t.Any:
        if not waits:
            return "at once"
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        future.get_loop().call_soon(future.set_result, "later")
        return future

    set_view(app, inspect.markcoroutinefunction(view))  # type: ignore[attr-defined, unused-ignore]
    assert (await ask(app)).body == (b"later" if waits else b"at once")


async def test_nothing_is_set_up_after_the_first(app: t.Any) -> None:
    await ask(app)
    if app.plain:
        with pytest.raises(AssertionError, match="setup method"):
            app.get("/late")(lambda: "late")
    else:  # as in Quart
        app.get("/late")(lambda: "late")
        assert (await ask(app, "/late")).body == b"late"


# --- who joins in later -----------------------------------------------------------------------


async def test_a_receiver_that_is_connected_by_the_view(app: t.Any) -> None:
    heard: list[str] = []

    def finished(sender: t.Any, response: t.Any, **extra: t.Any) -> None:
        heard.append("finished")
        response.status_code = 202

    def tearing_down(sender: t.Any, **extra: t.Any) -> None:
        heard.append("tearing down")

    async def view() -> str:
        request_finished.connect(finished, app)
        request_tearing_down.connect(tearing_down, app)
        return "text"

    assert (await ask(app)).status == 200
    set_view(app, view)
    try:
        assert (await ask(app)).status == 202
    finally:
        request_finished.disconnect(finished, app)
        request_tearing_down.disconnect(tearing_down, app)
    assert heard == ["finished", "tearing down"]
    app.view_functions["index"] = lambda: "def"
    answer = await ask(app)
    assert (answer.status, answer.body) == (200, b"def")


async def test_a_receiver_that_is_connected_between_two_requests(app: t.Any) -> None:
    heard: list[str] = []

    def started(sender: t.Any, **extra: t.Any) -> None:
        heard.append(request.path)

    await ask(app)
    with request_started.connected_to(started, app):
        await ask(app)
    await ask(app)
    assert heard == ["/"]


HOOKS: dict[str, t.Callable[..., t.Any]] = {
    "before_request_funcs": lambda: None,
    "after_request_funcs": lambda response: response,
    "teardown_request_funcs": lambda error: None,
    "url_value_preprocessors": lambda endpoint, values: None,
    "teardown_appcontext_funcs": lambda error: None,
}


@pytest.mark.parametrize("replaced", [False, True])
@pytest.mark.parametrize("name", HOOKS)
async def test_registries(app: t.Any, name: str, replaced: bool) -> None:
    called: list[str] = []

    def hook(*args: t.Any) -> t.Any:
        called.append(name)
        return HOOKS[name](*args)

    await ask(app)
    registry: t.Any = getattr(app, name)
    if replaced:
        setattr(app, name, [hook] if type(registry) is list else {None: [hook]})
    elif type(registry) is list:
        registry.append(hook)
    else:
        registry.setdefault(None, []).append(hook)
    assert (await ask(app)).body == b"text"
    assert called == [name]


async def test_classes(app: t.Any) -> None:
    async def view() -> str:
        return f"{type(request._get_current_object()).__name__} {request.path}"  # type: ignore[attr-defined]

    class Own(app.request_class):  # type: ignore[misc, name-defined]
        pass

    made: list[AppContext] = []

    class OwnContext(AppContext):
        def match_request(self) -> None:
            made.append(self)
            super().match_request()

    set_view(app, view)
    assert (await ask(app)).body == b"Request /"
    app.request_class = Own
    app.quartish_context_class = OwnContext
    assert (await ask(app)).body == b"Own /"
    assert [ctx.conn.path for ctx in made] == ["/"]


async def test_a_view_that_is_replaced_by_one_of_the_other_colour(app: t.Any) -> None:
    async def on_loop() -> str:
        return "async"

    for _ in range(2):
        set_view(app, lambda: "def")
        assert (await ask(app)).body == b"def"
        set_view(app, on_loop)
        assert (await ask(app)).body == b"async"


# --- what this rests on -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "signal", [each for each in vars(signals).values() if isinstance(each, Signal)]
)
def test_a_signal_keeps_its_receivers_in_one_place(signal: Signal) -> None:
    # The flow looks into it for each request; blinker does not say that it never makes another.
    receivers = signal.receivers
    fresh = Signal()
    own = fresh.receivers
    for each, place in ((signal, receivers), (fresh, own)):
        before = len(place)

        def receiver(sender: t.Any) -> None: ...

        with each.connected_to(receiver):
            assert each.receivers is place and len(place) == before + 1
            with each.muted():
                assert each.receivers is place
        assert each.receivers is place and len(place) == before
    fresh._clear_state()
    assert fresh.receivers is own


# --- a teardown function that raises ----------------------------------------------------------


@pytest.mark.parametrize("teardown", ["teardown_request", "teardown_appcontext"])
@pytest.mark.parametrize("is_async", [False, True])
async def test_a_teardown_that_raises_costs_nobody_the_response(
    app: t.Any, teardown: str, is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(exc: t.Any) -> None:
        raise LookupError("teardown")

    async def async_fail(exc: t.Any) -> None:
        raise LookupError("teardown")

    app.logger.disabled = False
    getattr(app, teardown)(async_fail if is_async else fail)
    app.add_url_rule("/made", "made", lambda: "made")
    answers = [(await ask(app, "/made")).body]
    if app.plain:
        answers.append((await asyncio.to_thread(app.test_client().get, "/made")).data)
    assert answers == [b"made"] * len(answers)
    messages = [record.getMessage() for record in caplog.records]
    assert messages == ["Exception in the end of view 'made' [GET /made]"] * len(answers)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(LookupError, match="teardown"):
        await ask(app, "/made")
