"""`app.tasks`: names, lists, waiting, cancelling, progress as events, who is told of failures."""

from __future__ import annotations

import asyncio
import functools
import gc
import threading
import time
import typing as t
import weakref

import pytest
import quart
from starlette.middleware.base import BaseHTTPMiddleware
from werkzeug.exceptions import Forbidden

import quartish
from quartish.signals import got_background_exception
from quartish.streaming import Event
from quartish.streaming import sse
from quartish.tasks import current_task
from quartish.tasks import report_progress
from quartish.tasks import Task
from quartish.tasks.background import name_of
from tests._peer import ask
from tests._scopes import http_scope
from tests._waiting import until

App = type[t.Any]


# --- names --------------------------------------------------------------------------------------


def positional_only(name: str, /) -> t.Any:
    return name


def takes_anything(**kwargs: t.Any) -> t.Any:
    return kwargs


def takes_name(a: int = 0, *, name: str = "none") -> t.Any:
    return a, name


def no_name(a: int = 0) -> t.Any:
    return a


def decorated(func: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    @functools.wraps(func)
    def call(*args: t.Any, **kwargs: t.Any) -> t.Any:
        return func(*args, **kwargs)

    return call


class Callable:
    def __call__(self, name: str) -> t.Any:
        return name

    def method(self, a: int, name: str = "") -> t.Any:
        return a, name


CALLS: list[tuple[str, t.Callable[..., t.Any], tuple[t.Any, ...]]] = [
    ("keyword only", takes_name, (1,)),
    ("any keyword", takes_anything, ()),
    ("decorated", decorated(takes_name), (1,)),
    ("decorated twice", decorated(decorated(takes_name)), ()),
    ("partial", functools.partial(takes_name, 2), ()),
    ("partial that has one", functools.partial(takes_name, name="x"), ()),
    ("object", Callable(), ()),
    ("method", Callable().method, (3,)),
    ("lambda", lambda name=None: name, ()),
    # Quart's task ends with a TypeError; ours is named.
    ("none", no_name, (1,)),
    ("decorated none", decorated(no_name), (1,)),
    ("given by position", lambda name: name, ("ada",)),
    ("positional only", positional_only, ("ada",)),
    ("a builtin without signature", int, ("7",)),
]


@pytest.mark.parametrize(
    ("func", "args"), [each[1:] for each in CALLS], ids=[each[0] for each in CALLS]
)
@pytest.mark.parametrize("sync", [True, False], ids=["def", "async def"])
async def test_a_name_that_the_function_takes_is_its_own(
    func: t.Callable[..., t.Any], args: t.Any, sync: bool, colour: App
) -> None:
    """As Quart has it, wherever Quart's task would not end with a TypeError."""
    seen: list[t.Any] = []
    names: list[t.Any] = []

    def noted(call: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        @functools.wraps(call)
        def run(*args: t.Any, **kwargs: t.Any) -> t.Any:
            value = call(*args, **kwargs)
            if call is not int:
                task = current_task()
                names.append(task and task.get_name())
            seen.append(value)
            return value

        @functools.wraps(call)
        async def run_async(*args: t.Any, **kwargs: t.Any) -> t.Any:
            return run(*args, **kwargs)

        return run if sync else run_async

    work = noted(func)
    reference = quart.Quart("app")
    async with reference.app_context():
        reference.add_background_task(work, *args, name="mail")
        await asyncio.gather(*reference.background_tasks)
    theirs, seen[:], names[:] = list(seen), [], []

    app = colour("app")
    task = app.add_background_task(work, *args, name="mail")
    value = await task
    if theirs:
        assert seen == theirs and task.get_name() != "mail"
        task.set_name("mail")
        assert app.tasks.named("mail") == []
    else:  # it could not be called there
        assert task.get_name() == "mail" and value == func(*args)


async def test_two_of_one_name(colour: App) -> None:
    """Sanic #2732: of two of one name, only the younger was cancelled."""
    app = colour("app")
    go = asyncio.Event()
    first = app.add_background_task(go.wait, name="mail")
    second = app.add_background_task(go.wait, name="mail")
    other = app.add_background_task(go.wait, name="other")
    assert [task.get_name() for task in app.tasks] == ["mail", "mail", "other"]
    assert len(app.tasks) == 3 and len(app.tasks.named("mail")) == 2
    assert app.tasks["mail"] is app.tasks.named("mail")[1]
    assert app.tasks.cancel("mail") == 2 and app.tasks.cancel("nobody") == 0
    await asyncio.wait([first, second])
    assert first.cancelled() and second.cancelled() and not other.done()
    assert [task.get_name() for task in app.tasks] == ["other"]
    go.set()
    assert await other and await app.tasks["other"] is True
    assert len(app.tasks) == 0 and app.tasks


async def test_one_that_is_not_there(colour: App) -> None:
    app = colour("app")
    with pytest.raises(KeyError, match="named 'mail'; there run: none"):
        app.tasks["mail"]
    app.add_background_task(asyncio.sleep, 60, name="nap")
    with pytest.raises(KeyError, match="there run: 'nap'"):
        app.tasks["mail"]
    assert app.tasks.get("mail") is None
    app.tasks.cancel("nap")
    assert await app.tasks.wait()


async def test_a_name_that_is_given_later(colour: App) -> None:
    app = colour("app")
    task = app.add_background_task(asyncio.sleep, 60)
    assert [each.get_name() for each in app.tasks] == ["sleep"]
    task.set_name("nap")
    [handle] = app.tasks
    assert app.tasks["nap"] is handle
    handle.set_name("rest")
    assert task.get_name() == "rest" and repr(handle) == "<Task 'rest' running>"
    assert handle.cancel() and not handle.cancel()
    await app.tasks.wait()


async def test_they_are_waited_for(colour: App) -> None:
    app = colour("app")
    done: list[str] = []

    async def work(text: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        done.append(text)

    async def waits_for_all() -> bool:
        return bool(await app.tasks.wait())  # for all others: not for itself

    assert await app.tasks.wait()
    app.add_background_task(work, "a", 0.01, name="a")
    app.add_background_task(work, "b", 60, name="b")
    assert await app.tasks.wait("a") and done == ["a"]
    assert not await app.tasks.wait("b", timeout=0.01)
    assert not await app.tasks.wait(timeout=0.01)
    waiting = app.add_background_task(waits_for_all)
    await asyncio.sleep(0)
    app.tasks.cancel("b")
    assert await waiting and app.tasks.get("b").state == "cancelled"


async def test_who_is_cancelled_while_he_waits_leaves_the_task_alone(colour: App) -> None:
    """A view that awaits a task, and whose client leaves."""
    app = colour("app")
    go = asyncio.Event()
    task = app.add_background_task(go.wait, name="work")
    for wait in (app.tasks.wait(), app.tasks["work"]):
        waiting = asyncio.ensure_future(wait)
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled() and not task.done()
    go.set()
    assert await task


async def test_one_that_is_begun_before_the_app_serves(colour: App) -> None:
    """pgjones/quart-trio#18: that was an error."""
    app = colour("app")
    ran: list[str] = []
    ends = threading.Event()

    async def work() -> None:
        ran.append(quartish.current_app.name)
        await asyncio.to_thread(ends.wait, 30)

    await asyncio.to_thread(app.add_background_task, work, name="early")  # no loop runs there
    async with app.test_app():
        await until(lambda: ran == ["app"])
        assert [task.get_name() for task in app.tasks] == ["early"]
        ends.set()
        await app.tasks["early"]


async def test_the_client_leaves_at_once(colour: App) -> None:
    """Kludex/starlette#1438: with a middleware around, tasks were cancelled when the client closed
    its connection after the response."""

    class PassOn(BaseHTTPMiddleware):
        async def dispatch(self, request: t.Any, call_next: t.Any) -> t.Any:
            return await call_next(request)

    app = colour("app")
    log: list[str] = []
    go_on = asyncio.Event()

    async def work() -> None:
        await go_on.wait()
        log.append("done")

    @app.get("/")
    async def view() -> str:
        app.add_background_task(work, name="work")
        return "begun"

    app.add_middleware(PassOn)
    over = asyncio.Event()

    async def receive() -> t.Any:
        await over.wait()
        return {"type": "http.disconnect"}

    async def send(message: t.Any) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body"):
            over.set()

    async with app.test_app():
        await app(http_scope("/"), receive, send)
        assert app.tasks["work"].state == "running"
        go_on.set()
        await app.tasks["work"]
    assert log == ["done"]


async def test_error_handlers_are_for_requests(
    colour: App, caplog: pytest.LogCaptureFixture
) -> None:
    """fastapi/fastapi#2505 and #3589: what a task raised was answered by a handler, after the
    answer, and was replaced by what that led to."""
    app = colour("app")
    handled: list[object] = []

    @app.errorhandler(LookupError)
    @app.errorhandler(403)
    def handle(error: Exception) -> str:
        handled.append(error)
        return "handled"

    async def fails(error: Exception) -> None:
        raise error

    @app.post("/")
    async def view() -> str:
        for error in (LookupError("of a task"), Forbidden("of another")):
            app.add_background_task(fails, error)
        return "answered"

    async with app.test_app():
        client = app.async_test_client() if app.plain else app.test_client()
        response = await client.post("/")
        data = response.get_data(as_text=True)
        assert (data if app.plain else await data) == "answered"
        await app.tasks.wait()
    assert handled == []
    said = [str(record.exc_info[1]) for record in caplog.records if record.exc_info]
    assert said == ["'of a task'", "403 Forbidden: of another"] or len(said) == 2


async def test_who_left_hears_nothing_of_a_failure(
    colour: App, caplog: pytest.LogCaptureFixture
) -> None:
    """It was logged once more, as "Future exception was never retrieved"."""
    app = colour("app")
    fail = asyncio.Event()

    async def fails() -> None:
        await fail.wait()
        raise LookupError("late")

    async def waits() -> None:
        await app.tasks["work"]

    async with app.test_app():
        app.add_background_task(fails, name="work")
        waiting = asyncio.create_task(waits())
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait([waiting])
        fail.set()
        await app.tasks.wait()
        with pytest.raises(LookupError, match="late"):
            await app.tasks["work"]
    gc.collect()
    assert [record.name for record in caplog.records] == ["app"]


async def test_those_that_ended_are_remembered_by_their_names(colour: App) -> None:
    app = colour("app")
    app.config["BACKGROUND_TASK_HISTORY"] = 2

    async def work(number: int) -> int:
        if number == 3:
            raise LookupError("no")
        return number

    for number in range(1, 4):
        app.add_background_task(work, number, name=f"work {number}")
    app.add_background_task(work, 4)  # nobody named it, and nobody looks for it
    await app.tasks.wait()
    assert app.tasks.get("work 1") is None and list(app.tasks) == []
    assert app.tasks["work 2"].state == "done" and app.tasks["work 2"].result() == 2
    assert app.tasks["work 3"].state == "failed"
    assert str(app.tasks["work 3"].exception()) == "no"
    with pytest.raises(LookupError, match="no"):
        await app.tasks["work 3"]
    # One that runs goes before.
    app.add_background_task(asyncio.sleep, 60, name="work 3")
    assert app.tasks["work 3"].state == "running"
    app.tasks.cancel("work 3")
    await app.tasks.wait()


async def test_from_a_thread(colour: App) -> None:
    app = colour("app")

    @app.route("/")
    def view() -> str:
        task = app.add_background_task(asyncio.sleep, 60, name="nap")
        while not app.tasks.named("nap"):
            time.sleep(0.001)
        assert app.tasks["nap"] is task
        task.set_name("rest")
        return f"{app.tasks.cancel('rest')} {app.tasks.cancel('rest')}"

    assert (await ask(app)).text == "1 0"
    assert await app.tasks.wait()
    assert len(app.tasks) == 0


async def test_one_that_is_cancelled_before_it_began(colour: App) -> None:
    app, ran = colour("app"), list[str]()

    @app.route("/")
    async def view() -> str:
        def add() -> t.Any:
            return app.add_background_task(ran.append, "ran", name="early")

        def in_thread() -> t.Any:
            task = add()  # the loop is kept from beginning it
            assert task.cancel()
            return task

        app.quartish_serving_loop = asyncio.get_running_loop()
        thread, tasks = None, []
        thread = threading.Thread(target=lambda: tasks.append(in_thread()))
        thread.start()
        thread.join()
        assert tasks[0].state == "cancelled"
        await tasks[0].ended()
        return "ok"

    assert (await ask(app)).text == "ok"
    assert ran == [] and len(app.tasks) == 0


def test_under_wsgi() -> None:
    app = quartish.Flask("app")
    go = threading.Event()

    @app.route("/")
    def view() -> str:
        app.add_background_task(go.wait, 10, name="work")
        return "ok"

    @app.route("/async")
    async def async_view() -> str:
        return app.tasks["work"].state

    client = app.test_client()
    assert client.get("/").text == "ok"
    assert client.get("/async").text == "running"
    go.set()
    assert app.tasks["work"].result(5) is True
    assert client.get("/async").text == "done"


async def test_an_app_may_have_tasks_of_its_own(colour: App) -> None:
    """An attribute that apps of Flask's may have had."""
    app = colour("app")
    app.tasks = ["wash up"]
    assert await app.add_background_task(no_name, 1) == 1
    assert app.tasks == ["wash up"]


async def test_a_task_that_ended_keeps_no_request(colour: App) -> None:
    app = colour("app")
    seen: list[weakref.ref[t.Any]] = []

    @app.route("/")
    async def view() -> str:
        seen.append(weakref.ref(quartish.request._get_current_object()))  # type: ignore[attr-defined]
        app.add_background_task(asyncio.sleep, 0, name="nap")
        return "ok"

    assert (await ask(app)).text == "ok"
    await app.tasks.wait()
    gc.collect()
    assert app.tasks["nap"].state == "done" and seen[0]() is None


# --- failures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("sync", [False, True])
async def test_a_handler_knows_which_failed(
    colour: App, sync: bool, caplog: pytest.LogCaptureFixture
) -> None:
    app, seen = colour("app"), list[t.Any]()

    async def receiver(sender: t.Any, exception: BaseException, **_: t.Any) -> None:
        task = current_task()
        assert task is not None
        seen.append((sender, task.get_name(), str(exception)))

    def fails() -> None:
        raise LookupError("no")

    async def fails_async() -> None:
        raise LookupError("no")

    with got_background_exception.connected_to(receiver, app):
        app.add_background_task(fails if sync else fails_async, name="mail")
        await app.tasks.wait()
    assert seen == [(app, "mail", "no")]
    assert [r.getMessage() for r in caplog.records] == ["Exception in background task mail"]


@pytest.mark.parametrize("override", [False, True])
async def test_a_handler_that_fails_hides_nothing(
    colour: App, override: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def receiver(sender: t.Any, exception: BaseException, **_: t.Any) -> None:
        raise ZeroDivisionError

    class Own(colour):  # type: ignore[misc]
        async def handle_background_exception(self, error: Exception) -> None:
            raise ZeroDivisionError

    async def fails() -> None:
        raise LookupError("no")

    app = (Own if override else colour)("app")
    with got_background_exception.connected_to(receiver, app):
        task = app.add_background_task(fails, name="mail")
        with pytest.raises(LookupError):
            await task
    assert [(r.getMessage(), r.exc_info and r.exc_info[0]) for r in caplog.records] == [
        ("Exception in background task mail", LookupError),
        ("Exception in what was to handle that of background task mail", ZeroDivisionError),
    ]


async def test_one_that_fails_keeps_no_other_from_running(
    colour: App, caplog: pytest.LogCaptureFixture
) -> None:
    """Starlette #3195: the tasks of a request after one that failed never ran."""
    app, done = colour("app"), list[int]()

    async def work(number: int) -> None:
        if number == 1:
            raise LookupError("no")
        done.append(number)

    @app.route("/")
    async def view() -> str:
        for number in range(3):
            app.add_background_task(work, number)
        return "ok"

    assert (await ask(app)).status == 200
    await app.tasks.wait()
    assert done == [0, 2] and len(caplog.records) == 1


@pytest.mark.parametrize("code", [404, 500])
async def test_they_run_after_an_error_too(colour: App, code: int) -> None:
    """FastAPI #13116, #2604: an error response dropped them."""
    app, done = colour("app"), list[str]()

    async def work() -> None:
        done.append("work")

    @app.route("/")
    async def view() -> str:
        app.add_background_task(work)
        quartish.abort(code)

    assert (await ask(app)).status == code
    await app.tasks.wait()
    assert done == ["work"]


# --- progress -----------------------------------------------------------------------------------


def test_nobody_is_told_outside() -> None:
    assert current_task() is None
    report_progress(5)


@pytest.mark.parametrize("sync", [False, True])
async def test_progress_is_read_as_events(colour: App, sync: bool) -> None:
    app = colour("app")
    told, go = asyncio.Event(), threading.Event()

    def work(loop: asyncio.AbstractEventLoop) -> None:
        report_progress({"done": 1, "of": 2})
        loop.call_soon_threadsafe(told.set)
        go.wait(10)
        report_progress({"done": 2, "of": 2})

    async def async_work(loop: asyncio.AbstractEventLoop) -> None:
        await asyncio.to_thread(work, loop)

    @app.get("/progress/<name>")
    async def progress(name: str) -> t.Any:
        task = app.tasks.get(name)
        return sse(task.events()) if task else ("", 404)

    loop = asyncio.get_running_loop()
    client = app.async_test_client()
    app.add_background_task(work if sync else async_work, loop, name="import")
    await told.wait()
    assert app.tasks["import"].progress == {"done": 1, "of": 2}
    async with client.request("/progress/import") as connection:
        await connection.send_complete()
        assert await connection.receive() == b":\n\n"
        events = connection.events()
        first = await anext(events)
        assert (first.event, first.data, first.id) == ("progress", '{"done": 1, "of": 2}', "1")
        go.set()
        rest = [(event.event, event.data) async for event in events]
    assert rest[-2:] == [("progress", '{"done": 2, "of": 2}'), ("end", '{"state": "done"}')]
    # Who comes late is told how it was, and what became of it.
    assert [event async for event in app.tasks["import"].events()] == [
        Event({"done": 2, "of": 2}, event="progress", id="2"),
        Event({"state": "done"}, event="end"),
    ]
    assert (await client.get("/progress/nothing")).status_code == 404
    assert not app.tasks["import"]._readers


async def test_how_it_ended_is_an_event(colour: App, caplog: pytest.LogCaptureFixture) -> None:
    app = colour("app")

    async def fails() -> None:
        raise LookupError("a secret")

    async def ends(task: Task) -> list[t.Any]:
        return [(event.event, event.data) async for event in task.events()]

    app.add_background_task(fails, name="fails")
    app.add_background_task(asyncio.sleep, 60, name="nap")
    reading = [asyncio.create_task(ends(app.tasks[name])) for name in ("fails", "nap")]
    await until(lambda: app.tasks["fails"].done())
    app.tasks.cancel("nap")
    assert await asyncio.gather(*reading) == [
        [("end", {"state": "failed"})],
        [("end", {"state": "cancelled"})],
    ]


async def test_a_slow_reader_is_told_of_the_latest(colour: App) -> None:
    """Nothing heaps up for it."""
    app = colour("app")
    go = asyncio.Event()

    async def work() -> None:
        await go.wait()
        for number in range(1000):
            report_progress(number)

    app.add_background_task(work, name="work")
    events = app.tasks["work"].events()
    reading = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    go.set()
    assert (await reading).data == 999
    assert [event.event async for event in events] == ["end"]


async def test_a_reader_whose_loop_is_gone(colour: App) -> None:
    app = colour("app")
    go = asyncio.Event()

    async def work() -> None:
        await go.wait()
        report_progress(1)

    task = app.add_background_task(work, name="work")
    handle = app.tasks["work"]

    def read_and_go() -> None:
        loop = asyncio.new_event_loop()
        with handle._lock:
            handle._readers[asyncio.Event()] = loop
        loop.close()

    await asyncio.to_thread(read_and_go)
    go.set()
    await task
    assert handle.progress == 1


def test_a_task_is_named_by_what_a_partial_is_of() -> None:
    class Made:
        def __call__(self) -> None: ...

        def __repr__(self) -> str:
            return "<made>"

    assert name_of(functools.partial(functools.partial(print, 1), 2)) == "print"
    assert name_of(Made()) == "<made>"
