"""Background tasks: started from a view, a thread or the WSGI door, ended with the server."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
import threading
import typing as t

import pytest

import quartish
from quartish import current_app
from quartish import g
from quartish import has_request_context
from quartish.signals import got_background_exception
from tests._peer import ask

App = type[t.Any]


async def test_a_task_is_awaited_named_and_listed(colour: App) -> None:
    app = colour("app")
    go = asyncio.Event()

    async def work(a: int, *, b: int) -> int:
        await go.wait()
        return a + b

    task = app.add_background_task(work, 1, b=2, name="sums")
    assert task.get_name() == "sums" and app.background_tasks == {task}
    go.set()
    assert await task == 3
    await asyncio.sleep(0)
    assert app.background_tasks == set()
    other = app.add_background_task(work, 1, b=2)
    assert other.get_name().endswith("work") and await other == 3


async def test_a_task_is_cancelled(colour: App, caplog: pytest.LogCaptureFixture) -> None:
    app = colour("app")
    task = app.add_background_task(asyncio.sleep, 60)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not caplog.records and app.background_tasks == set()


async def test_a_task_outlives_its_request(colour: App) -> None:
    app = colour("app")
    seen: list[t.Any] = []
    tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant")

    @app.teardown_appcontext
    async def teardown(exc: t.Any) -> None:
        seen.append(f"teardown {g.get('name')}")

    async def work() -> None:
        await asyncio.sleep(0.02)
        seen.extend([current_app.name, has_request_context(), g.get("name"), tenant.get()])
        g.name = "task"

    @app.route("/")
    async def view() -> str:
        g.name = "view"
        tenant.set("ada")
        app.add_background_task(work)
        return "ok"

    assert (await ask(app)).text == "ok"
    await asyncio.wait(app.background_tasks)
    assert seen == ["teardown view", "app", True, None, "ada", "teardown task"]


async def test_a_def_runs_in_one_thread_with_its_teardown(colour: App) -> None:
    app = colour("app")
    threads: list[int] = []
    app.teardown_appcontext(lambda exc: threads.append(threading.get_ident()))

    def work() -> str:
        threads.append(threading.get_ident())
        return current_app.name

    assert await app.add_background_task(work) == "app"
    assert len(threads) == 2 and len(set(threads)) == 1
    assert threads[0] != threading.get_ident()


async def test_a_def_that_gives_an_awaitable(colour: App) -> None:
    async def work() -> str:
        await asyncio.sleep(0)
        return "done"

    assert await colour("app").add_background_task(lambda: work()) == "done"


@pytest.mark.parametrize("sync", [False, True])
async def test_a_failure_is_logged_with_the_name_and_raised(
    colour: App, sync: bool, caplog: pytest.LogCaptureFixture
) -> None:
    app = colour("app")
    seen: list[BaseException] = []

    async def fails() -> None:
        raise LookupError("no")

    def fails_sync() -> None:
        raise LookupError("no")

    def receiver(sender: t.Any, exception: BaseException, **_: t.Any) -> None:
        seen.append(exception)

    with got_background_exception.connected_to(receiver, app):
        task = app.add_background_task(fails_sync if sync else fails, name="mail")
        with pytest.raises(LookupError, match="no"):
            await task
    assert "Exception in background task mail" in caplog.text and "LookupError" in caplog.text
    assert seen == [task.exception()]


async def test_a_failure_that_nobody_awaits_is_logged_once(
    colour: App, caplog: pytest.LogCaptureFixture
) -> None:
    app = colour("app")

    async def fails() -> None:
        raise LookupError("no")

    await asyncio.wait([app.add_background_task(fails)])
    await asyncio.sleep(0)
    assert [record.name for record in caplog.records] == ["app"]


async def test_from_a_def_view_it_runs_on_the_servers_loop(colour: App) -> None:
    app = colour("app")
    tasks: list[t.Any] = []

    async def work() -> tuple[t.Any, str]:
        await asyncio.sleep(0.01)
        return asyncio.get_running_loop(), current_app.name

    @app.route("/")
    def view() -> str:
        task = app.add_background_task(work, name="mail")
        tasks.append(task)
        return str(task.result(5)[1])

    assert (await ask(app)).text == "app"
    assert tasks[0].get_name() == "mail" and tasks[0].done() and not tasks[0].cancelled()
    assert await tasks[0] == (asyncio.get_running_loop(), "app")


async def test_from_a_thread_it_is_cancelled(colour: App) -> None:
    app = colour("app")

    @app.route("/")
    def view() -> str:
        task = app.add_background_task(asyncio.sleep, 60)
        return str(task.cancel() and task.cancelled())

    assert (await ask(app)).text == "True"
    for _ in range(10):
        await asyncio.sleep(0)
    assert app.background_tasks == set()


async def test_shutdown_waits(colour: App) -> None:
    app = colour("app")
    done: list[str] = []

    async def work() -> None:
        await asyncio.sleep(0.05)
        done.append("work")

    @app.after_serving
    async def after() -> None:
        done.append("after")

    async with app.test_app():
        app.add_background_task(work)
    assert done == ["work", "after"]


async def test_shutdown_waits_no_longer_than_it_is_told(
    colour: App, caplog: pytest.LogCaptureFixture
) -> None:
    app = colour("app")
    app.config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"] = 0.05
    async with app.test_app():
        task = app.add_background_task(asyncio.sleep, 60, name="nap")
    assert task.cancelled()
    assert [record.getMessage() for record in caplog.records] == [
        "Background task nap was cancelled: it ran on 0.05 seconds after shutdown began"
        " (BACKGROUND_TASK_SHUTDOWN_TIMEOUT)"
    ]


async def test_shutdown_does_not_wait_for_a_thread_without_end(
    colour: App, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quartish.tasks.background.LAST_CALL", 0.05)
    app = colour("app")
    app.config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"] = 0.05
    go = threading.Event()
    async with app.test_app():
        task = app.add_background_task(go.wait, 10)
    assert "still runs in its thread" in caplog.text
    go.set()
    await asyncio.wait([task], timeout=5)


async def test_a_failed_start_cancels_them(colour: App) -> None:
    app = colour("app")
    tasks: list[t.Any] = []

    @app.before_serving
    async def before() -> None:
        tasks.append(app.add_background_task(asyncio.sleep, 60))
        await asyncio.sleep(0)
        raise LookupError

    with pytest.raises(LookupError):
        await app.startup()
    assert tasks[0].cancelled()


# --- without a loop -------------------------------------------------------------------------------


def test_under_wsgi_they_run_on_a_loop_of_the_apps() -> None:
    app = quartish.Flask("app")
    tasks: list[t.Any] = []

    async def work(name: str) -> str:
        await asyncio.sleep(0.01)
        return f"{name} {current_app.name} {threading.current_thread().name}"

    @app.route("/")
    def view() -> str:
        tasks.append(app.add_background_task(work, "ada", name="mail"))
        return "ok"

    @app.route("/async")
    async def async_view() -> str:
        tasks.append(app.add_background_task(lambda: current_app.name))
        return "ok"

    client = app.test_client()
    assert client.get("/").text == "ok"
    assert tasks[0].get_name() == "mail"
    assert tasks[0].result(5) == "ada app quartish-background"


def test_its_thread_ends_with_the_app() -> None:
    import gc

    before = set(threading.enumerate())
    app = quartish.Flask("app")

    async def nothing() -> None: ...

    app.add_background_task(nothing).result(5)
    [thread] = set(threading.enumerate()) - before
    del app
    gc.collect()
    thread.join(5)
    assert not thread.is_alive()


PROGRAM = """
import asyncio, quartish
app = quartish.Flask("app")
app.config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"] = {timeout}
async def work():
    await asyncio.sleep({takes})
    print("done", flush=True)
@app.route("/")
def view():
    app.add_background_task(work)
    return "ok"
print(app.test_client().get("/").text, flush=True)
"""


@pytest.mark.parametrize(("timeout", "takes", "says"), [(5, 0.2, "ok done"), (0.1, 30, "ok")])
def test_the_end_of_the_process_waits_for_them(timeout: float, takes: float, says: str) -> None:
    source = PROGRAM.format(timeout=timeout, takes=takes)
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", source], capture_output=True, text=True, timeout=20
    )
    assert ran.stdout.split() == says.split() and ran.stderr == "" and ran.returncode == 0


async def test_a_task_that_catches_everything_is_given_up(
    colour: App, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quartish.tasks.background.LAST_CALL", 0.05)
    app = colour("app")
    app.config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"] = 0.05
    log: list[str] = []

    async def catching() -> None:
        try:
            while True:
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    log.append("caught")
        finally:
            log.append("ended")

    async def catching_all() -> None:
        while True:
            try:
                await asyncio.sleep(60)
            except BaseException:
                log.append("caught all")

    async with app.test_app():
        tasks = [app.add_background_task(catching), app.add_background_task(catching_all)]
        await asyncio.sleep(0)
    assert all(task.done() for task in tasks) and not app.background_tasks
    assert sorted(log) == ["caught", "caught all", "caught all", "ended"]
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(said) == 2
    assert all(line.endswith("and given up: it catches every cancellation") for line in said)


def test_a_failure_under_wsgi_is_there_to_be_looked_at() -> None:
    app, tasks = quartish.Flask("app"), list[t.Any]()
    seen: list[str] = []

    async def fails() -> None:
        await asyncio.sleep(0)
        raise LookupError("no")

    async def receiver(sender: t.Any, exception: BaseException, **_: t.Any) -> None:
        await asyncio.sleep(0)
        seen.append(str(exception))

    @app.route("/")
    def view() -> str:
        tasks.append(app.add_background_task(fails))
        return "ok"

    with got_background_exception.connected_to(receiver, app):
        assert app.test_client().get("/").text == "ok"
        error = tasks[0].exception(5)
    assert type(error) is LookupError and seen == ["no"]
    with pytest.raises(LookupError, match="no"):
        tasks[0].result(5)
