"""The thread lane: async pieces met by the sync code of a request that runs in a worker."""

from __future__ import annotations

import asyncio
import functools
import gc
import subprocess
import sys
import threading
import time
import typing as t
import weakref
from concurrent.futures import Executor
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest

import quartish
from quartish import request
from quartish._concurrency.coroutines import drive
from quartish._concurrency.coroutines import from_thread
from quartish._concurrency.coroutines import this_thread
from quartish._concurrency.coroutines import unwrapped
from quartish._concurrency.loops import close_own_loop
from quartish._concurrency.loops import own_loop
from quartish._concurrency.threads import to_thread
from quartish._concurrency.workers import Stay
from quartish._concurrency.workers import Workers
from quartish.wrappers.response_bodies import FileBody
from tests._scopes import http_scope


def through_ensure_sync(app: t.Any, view: t.Any) -> t.Any:
    """Wrap an async view as `login_required` and its like do."""

    @functools.wraps(view)
    def inner(*args: t.Any, **kwargs: t.Any) -> t.Any:
        return app.ensure_sync(view)(*args, **kwargs)

    return inner


async def post(app: t.Any, path: str, *parts: bytes) -> tuple[int, bytes]:
    """Send a body in parts, as an ASGI server does; return status and answer."""
    left = list(parts)
    sent: list[dict[str, t.Any]] = []

    async def receive() -> dict[str, t.Any]:
        if left:
            return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}
        return await asyncio.Future()

    async def send(message: dict[str, t.Any]) -> None:
        sent.append(message)

    headers = [
        (b"host", b"localhost"),
        (b"content-length", str(sum(map(len, parts))).encode()),
        (b"content-type", b"application/x-www-form-urlencoded"),
    ]
    scope = http_scope(path, "POST", headers)
    async with asyncio.timeout(10):
        await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


@pytest.mark.parametrize("size", [1, 700_000])
async def test_an_async_view_behind_a_sync_decorator_reads_the_body(size: int) -> None:
    app = quartish.Flask(__name__)
    app.config["MAX_FORM_MEMORY_SIZE"] = None

    async def view() -> str:
        await asyncio.sleep(0)
        return f"{len(request.form['a'])} {request.form['b']}"

    app.add_url_rule("/", "view", through_ensure_sync(app, view), methods=["POST"])
    assert await post(app, "/", b"a=" + b"x" * size, b"&b=", b"2") == (200, b"%d 2" % size)


async def test_an_async_hook_reads_the_body_before_a_sync_view() -> None:
    app = quartish.Flask(__name__)

    @app.before_request
    async def load() -> None:
        quartish.g.name = request.form["name"]

    @app.post("/")
    def index() -> str:
        return f"{quartish.g.name} {request.form['name']}"

    assert await post(app, "/", b"name=", b"Ada") == (200, b"Ada Ada")


async def test_a_body_too_large_is_told_the_async_view() -> None:
    app = quartish.Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 10

    async def view() -> str:
        return request.form["a"]

    app.add_url_rule("/", "view", through_ensure_sync(app, view), methods=["POST"])
    status, _ = await post(app, "/", b"a=", b"x" * 20)
    assert status == 413


async def get(
    app: t.Any, extensions: dict[str, t.Any] | None = None, path: str = "/"
) -> list[dict[str, t.Any]]:
    """Get `path` as an ASGI server does; return the messages sent."""
    sent: list[dict[str, t.Any]] = []

    async def receive() -> dict[str, t.Any]:
        return await asyncio.Future()

    async def send(message: dict[str, t.Any]) -> None:
        sent.append(message)

    scope = http_scope(path, extensions=extensions or {})
    async with asyncio.timeout(10):
        await app(scope, receive, send)
    return sent


async def test_a_stream_is_iterated_in_the_thread_of_its_view(colour: type[t.Any]) -> None:
    app = colour(__name__)
    threads: set[str] = set()

    @app.get("/")
    def stream() -> t.Any:
        threads.add(threading.current_thread().name)

        def pieces() -> t.Iterator[str]:
            try:
                for number in range(3):
                    threads.add(threading.current_thread().name)
                    yield str(number)
            finally:
                threads.add(threading.current_thread().name)

        return pieces()

    sent = await get(app)
    assert [message["body"] for message in sent[1:]] == [b"0", b"1", b"2", b""]
    assert len(threads) == 1 and "view" in threads.pop()


async def test_a_server_that_can_sends_the_file_itself(
    colour: type[t.Any], tmp_path: t.Any
) -> None:
    file = tmp_path / "large.bin"
    file.write_bytes(b"x" * 300_000)
    app = colour(__name__)

    @app.get("/")
    async def download() -> t.Any:
        rv = quartish.send_file(str(file))
        return await rv if app.plain is False else rv  # type: ignore[misc]

    async def by_hand() -> t.Any:
        return app.response_class(FileBody(file), headers={"Content-Length": "300000"})

    if not app.plain:
        app.add_url_rule("/by-hand", "by_hand", by_hand)
        sent = await get(app, {"http.response.pathsend": {}}, "/by-hand")
        assert sent[1] == {"type": "http.response.pathsend", "path": str(file)}
    sent = await get(app, {"http.response.pathsend": {}})
    assert sent[1] == {"type": "http.response.pathsend", "path": str(file)}
    assert dict(sent[0]["headers"])[b"content-length"] == b"300000"
    sent = await get(app)
    assert sum(len(message["body"]) for message in sent[1:]) == 300_000


# --- the worker threads ---------------------------------------------------------------------------


async def test_a_pool_is_an_executor_too(colour: type[t.Any]) -> None:
    app = colour(__name__)
    pool = app.view_pool
    assert isinstance(pool, Executor)
    assert await asyncio.get_running_loop().run_in_executor(pool, sum, [1, 2]) == 3
    assert pool.submit(sum, [1, 2]).result(5) == 3
    assert list(pool.map(abs, [-1, -2])) == [1, 2]
    assert await to_thread(pool, copy_context(), sum, [1, 2]) == 3
    app.view_pool = ThreadPoolExecutor(1, "other")
    assert await to_thread(app.view_pool, copy_context(), _thread_name) == "other_0"
    app.view_pool.shutdown()


def _thread_name() -> str:
    return threading.current_thread().name


async def test_no_more_threads_than_were_asked_for() -> None:
    pool = Workers(3, "few")
    most = running = 0

    def work() -> None:
        nonlocal most, running
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.001)
        with lock:
            running -= 1

    lock = threading.Lock()
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(to_thread(pool, copy_context(), work))
    assert most <= 3
    pool.shutdown()
    assert not [each for each in threading.enumerate() if each.name.startswith("few")]


async def test_work_of_several_loops_lands_where_it_came_from() -> None:
    pool = Workers(2)

    async def here() -> int:
        for _ in range(20):
            await to_thread(pool, copy_context(), int)
        return threading.get_ident()

    elsewhere = [asyncio.to_thread(lambda: asyncio.run(here())) for _ in range(3)]
    threads = await asyncio.gather(here(), *elsewhere)
    assert threads[0] == threading.get_ident() and len(set(threads)) > 1
    pool.shutdown()


@pytest.mark.parametrize("cancel_futures", [True, False])
async def test_a_pool_that_is_shut_down_leaves_nobody_waiting(cancel_futures: bool) -> None:
    pool = Workers(1)
    go = threading.Event()
    first = asyncio.create_task(to_thread(pool, copy_context(), go.wait))
    second = asyncio.create_task(to_thread(pool, copy_context(), int))
    await asyncio.sleep(0)
    pool.shutdown(wait=False, cancel_futures=cancel_futures)
    go.set()
    async with asyncio.timeout(5):
        assert await first is True
        if cancel_futures:
            with pytest.raises(RuntimeError, match="shut down"):
                await second
        else:
            assert await second == 0
        with pytest.raises(RuntimeError, match="shut down"):
            await to_thread(pool, copy_context(), int)


async def test_a_worker_outlives_a_loop_that_was_closed() -> None:
    pool = Workers(1)
    go = threading.Event()

    def leave() -> None:
        loop = asyncio.new_event_loop()
        waiting = loop.create_task(to_thread(pool, copy_context(), go.wait))
        loop.run_until_complete(asyncio.sleep(0))
        waiting._log_destroy_pending = False  # type: ignore[attr-defined]
        loop.close()

    await asyncio.to_thread(leave)
    go.set()
    assert await to_thread(pool, copy_context(), int) == 0
    pool.shutdown()


async def test_what_a_worker_raised_keeps_nothing() -> None:
    pool = Workers(1)

    class Thing:
        pass

    def fail() -> None:
        thing = Thing()
        seen.append(weakref.ref(thing))
        raise LookupError

    async def ask() -> None:
        thing = Thing()
        seen.append(weakref.ref(thing))
        raise LookupError

    seen: list[weakref.ref[Thing]] = []
    gc.disable()
    try:
        for func in (fail, lambda: from_thread(ask())):
            with pytest.raises(LookupError):
                await to_thread(pool, copy_context(), func)
        await to_thread(pool, copy_context(), int)  # the worker is done with the last one
        assert [each() for each in seen] == [None, None]
    finally:
        gc.enable()
    pool.shutdown()


def test_a_pool_takes_what_is_submitted_to_any_executor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the standard library puts into its queue: from 3.14 on `_WorkItem.run` takes an
    argument."""
    monkeypatch.setattr("concurrent.futures.thread._WorkItem.run", lambda self, context: None)
    pool = Workers(1)
    assert pool.submit(lambda a, *, b: a + b, 1, b=2).result(5) == 3
    assert list(pool.map(str, range(3), timeout=5)) == ["0", "1", "2"]
    with pytest.raises(ZeroDivisionError):
        pool.submit(lambda: 1 / 0).result(5)
    begun, go = threading.Event(), threading.Event()
    running, waiting = pool.submit(lambda: begun.set() or go.wait()), pool.submit(int)
    assert begun.wait(5)
    pool.shutdown(wait=False, cancel_futures=True)
    go.set()
    assert waiting.cancelled() and running.result(5)
    with pytest.raises(RuntimeError, match="shut down"):
        pool.submit(int)


def test_threads_end_with_their_pool() -> None:
    pool = Workers(1, "brief")
    asyncio.run(to_thread(pool, copy_context(), int))
    (thread,) = [each for each in threading.enumerate() if each.name.startswith("brief")]
    del pool
    gc.collect()
    thread.join(5)
    assert not thread.is_alive()


def test_the_process_ends_when_the_work_is_done() -> None:
    code = (
        "import asyncio, sys, time; from contextvars import copy_context\n"
        "from quartish._concurrency.threads import to_thread\n"
        "from quartish._concurrency.workers import Workers\n"
        "pool = Workers(2)\n"
        "def work(): time.sleep(0.1); print('done', flush=True)\n"
        "async def main():\n"
        "    asyncio.ensure_future(to_thread(pool, copy_context(), int))\n"
        "    loop.create_task(to_thread(pool, copy_context(), work))\n"
        "    await asyncio.sleep(0.01)\n"
        "loop = asyncio.new_event_loop()\n"
        "loop.run_until_complete(main())\n"
        "loop.set_exception_handler(lambda *args: None)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert done.stdout == "done\n" and done.returncode == 0, done.stderr


def test_what_workers_take_from_inside_the_executor() -> None:
    """`Workers.start` puts its work where `ThreadPoolExecutor.submit` puts its own."""
    put: list[t.Any] = []

    class Seen(Workers):
        def _adjust_thread_count(self) -> None:
            assert self._shutdown_lock.locked()
            put.append(self._work_queue.get_nowait())

    pool = Seen(1)
    pool.submit(int)
    item = put.pop()
    assert callable(item.run) and callable(item.future.cancel)
    pool.start(item)
    assert put == [item] and pool._shutdown is False
    pool.shutdown()
    assert pool._shutdown is True


async def test_what_is_cancelled_before_its_turn_is_not_done() -> None:
    pool, done = Workers(1), list[int]()
    begun, go = threading.Event(), threading.Event()
    pool.submit(lambda: begun.set() or go.wait())
    waiting, after = pool.submit(done.append, 1), pool.submit(done.append, 2)
    assert begun.wait(5) and waiting.cancel()
    go.set()
    assert after.result(5) is None and done == [2]
    pool.shutdown()


async def test_a_thread_that_was_given_back_takes_no_more() -> None:
    pool = Workers(1)
    stay = Stay(pool)
    first = await to_thread(stay, copy_context(), threading.get_ident)
    assert await to_thread(stay, copy_context(), threading.get_ident) == first and stay.is_free
    stay.shutdown()
    with pytest.raises(RuntimeError, match="given back"):
        await to_thread(stay, copy_context(), int)
    assert not stay.is_free and await to_thread(pool, copy_context(), int) == 0
    pool.shutdown()
    pool.give_up(threading.current_thread())  # and none takes its place any more
    assert len(pool._threads) <= 1


# --- the loop that belongs to a thread ----------------------------------------------------------


def in_a_thread(func: t.Callable[[], t.Any]) -> t.Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(func).result(10)


@pytest.mark.parametrize("where", ["in its thread", "where another runs"])
def test_the_loop_of_a_thread_ends_with_what_goes_on_in_it(where: str) -> None:
    ended: list[str] = []
    tasks: list[t.Any] = []

    async def goes_on() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            ended.append("task")

    async def stream() -> t.AsyncIterator[int]:
        try:
            yield 1
        finally:
            ended.append("stream")

    async def begin() -> None:
        tasks.append(asyncio.ensure_future(goes_on()))
        tasks.append(steps := stream())
        await anext(steps)

    def serve() -> t.Any:
        own_loop().run(begin(), copy_context())
        if where == "in its thread":
            close_own_loop()
            assert this_thread.own is None
            close_own_loop()  # again, where there is none
            return None
        own, this_thread.own = own_loop(), None
        return own

    own = in_a_thread(serve)
    if own is not None:

        async def collect() -> None:
            own.close()

        asyncio.run(collect())
    assert ended == ["task", "stream"] and tasks[0].cancelled()


def test_a_keyboard_interrupt_leaves_no_task_behind() -> None:
    seen: list[t.Any] = []

    def interrupt() -> t.NoReturn:
        raise KeyboardInterrupt

    async def wait() -> None:
        asyncio.get_running_loop().call_soon(interrupt)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    def serve() -> None:
        with pytest.raises(KeyboardInterrupt):
            own_loop().run(wait(), copy_context())
        close_own_loop()

    in_a_thread(serve)
    assert seen == ["cancelled"]


def test_a_stop_iteration_is_found_below_what_coroutines_make_of_it() -> None:
    async def fails() -> None:
        raise StopIteration("ours")

    with pytest.raises(RuntimeError) as caught:
        drive(fails())
    assert repr(unwrapped(caught.value)) == "StopIteration('ours')"
    another = RuntimeError("the user's own words")
    another.__cause__ = StopIteration("below")
    assert unwrapped(another) is another
    plain = LookupError()
    assert unwrapped(plain) is plain
