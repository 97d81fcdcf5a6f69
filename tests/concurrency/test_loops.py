"""Loops and processes in other numbers than one: loops that end, several of them, uvloop, threads
that have one, and processes that were forked."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import pytest

import quartish
from tests._doors import Ask
from tests._doors import through_asgi
from tests._doors import through_wsgi
from tests._processes import run_pytest
from tests._scripted import HttpPeer
from tests._scripted import WebsocketPeer

ROOT = Path(__file__).parents[2]


def make_app(cls: type[t.Any], name: str = "app") -> t.Any:
    app = cls(name, static_folder=str(ROOT / "tests"), static_url_path="/static")
    app.config.update(SECRET_KEY="key")
    app.torn = 0

    @app.teardown_request
    def teardown(error: t.Any) -> None:
        app.torn += 1

    app.teardown_websocket(teardown)

    async def loop() -> str:
        quartish.session["a"] = 1
        await asyncio.sleep(0)
        return f"{name} {quartish.request.args['q']}"

    def thread() -> str:
        return f"{name} {quartish.request.args['q']}"

    async def sleep() -> None:
        await asyncio.sleep(60)

    def sleep_in_thread() -> None:
        app.ensure_sync(sleep)() if app.plain else time.sleep(0.01)

    app.started = threading.Event()

    async def task() -> None:
        app.started.set()

    def start() -> str:
        app.add_background_task(task)
        return "started"

    for view in (loop, thread, sleep, sleep_in_thread, start):
        app.add_url_rule(f"/{view.__name__}", view_func=view)

    @app.websocket("/ws")
    async def echo() -> None:
        while True:
            await quartish.websocket.send(await quartish.websocket.receive())

    return app


def works(app: t.Any) -> None:
    """Check that the app answers, by each lane and door, and runs background tasks."""
    run = asyncio.run
    for path in ("/loop", "/thread"):
        ask = Ask(path, query=b"q=1")
        assert run(through_asgi(app, ask)).body == f"{app.name} 1".encode()
        if app.plain:
            assert through_wsgi(app, ask).body == f"{app.name} 1".encode()
    assert run(through_asgi(app, Ask("/static/conftest.py"))).status == 200
    if app.plain:
        through_wsgi(app, Ask("/start"))
        assert app.started.wait(10), "the background task did not run"
        app.started.clear()


# --- a loop ends ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/sleep", "/sleep_in_thread", "/ws"])
def test_a_loop_that_ends_cancels_what_runs(colour: type[t.Any], path: str) -> None:
    """As `asyncio.run` does: when the loop does not run any more."""
    app = make_app(colour)

    async def begin() -> None:
        peer = WebsocketPeer(app, "/ws") if path == "/ws" else HttpPeer(app, path)
        peer._before = asyncio.all_tasks()
        peer.task = asyncio.create_task(peer._run())
        await asyncio.sleep(0.05)

    for _ in range(2):
        asyncio.run(begin())
    assert app.torn == 2
    works(app)


# --- several --------------------------------------------------------------------------------


def test_two_apps_and_two_loops_at_once(colour: type[t.Any]) -> None:
    """Each app is called from both loops, which run in threads of their own."""
    apps = [make_app(colour, "one"), make_app(quartish.Flask, "two")]
    failed: list[BaseException] = []

    async def visit() -> None:
        for number in range(20):
            asks = [Ask(path, query=b"q=%d" % number) for path in ("/loop", "/thread")]
            calls = [(app, through_asgi(app, ask)) for app in apps for ask in asks]
            replies = await asyncio.gather(*(call for _, call in calls))
            for (app, _), reply in zip(calls, replies, strict=True):
                assert reply.body == f"{app.name} {number}".encode()

    def in_thread() -> None:
        try:
            asyncio.run(visit())
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=in_thread) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failed and not any(thread.is_alive() for thread in threads)


async def test_an_app_called_by_wsgi_where_a_loop_runs() -> None:
    """As a notebook or an async test calls one: the thread's own loop is left alone."""
    app = make_app(quartish.Flask)
    running = asyncio.get_running_loop()
    for path in ("/loop", "/thread"):
        reply = through_wsgi(app, Ask(path, query=b"q=1"))
        assert reply.body == b"app 1"
    assert asyncio.get_running_loop() is running
    assert (await through_asgi(app, Ask("/loop", query=b"q=2"))).body == b"app 2"


# --- processes ------------------------------------------------------------------------------

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


def in_child(func: t.Callable[[], None]) -> None:
    """Run `func` in a forked process, which has to end well and soon."""
    process = multiprocessing.get_context("fork").Process(target=func)
    process.start()
    process.join(30)
    if process.is_alive():
        process.kill()
        process.join()
        raise AssertionError("the forked process hangs")
    assert process.exitcode == 0


@needs_fork
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("served", [False, True])
def test_a_forked_process_serves(colour: type[t.Any], served: bool) -> None:
    """After the import, and after the first requests, whose threads a child has not."""
    app = make_app(colour)
    if served:
        works(app)
    for _ in range(2):
        in_child(lambda: works(app))
    works(app)


GUNICORN = """
import os, sys, threading
from tests.concurrency.test_loops import make_app, works
import quartish
app = make_app(quartish.Flask)
works(app)  # gunicorn --preload: the master has imported the app, and used it
children = []
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        works(app)
        os._exit(0)
    children.append(pid)
sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children))
"""


@needs_fork
def test_workers_of_a_preloaded_app() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", GUNICORN],
        cwd=ROOT,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


# --- uvloop ---------------------------------------------------------------------------------

CORE = [
    *("tests/asgi/test_disconnect.py", "tests/asgi/test_websockets.py"),
    *(
        "tests/tasks/test_background.py",
        "tests/asgi/test_lifespan.py",
        "tests/asgi/test_leaving.py",
    ),
    *("tests/dispatch/test_thread_lane.py", "tests/dispatch/test_one_context.py"),
    *("tests/wrappers/test_awaitable_request.py", "tests/wrappers/test_awaitable_response.py"),
    *("tests/wrappers/test_send_file.py", "tests/http/test_bad_input.py"),
]


@pytest.mark.slow
def test_uvloop() -> None:
    """The core's tests, on another loop."""
    assert all((ROOT / path).exists() for path in CORE)
    pytest.importorskip("uvloop")
    done = run_pytest("-p", "tests._uvloop", "-m", "not slow", *CORE, timeout=400)
    assert done.returncode == 0, done.stdout[-5000:]
