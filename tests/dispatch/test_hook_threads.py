"""`SYNC_HOOKS_IN_THREAD`: the synchronous hooks of an `async def` view share one thread."""

from __future__ import annotations

import asyncio
import threading
import typing as t
from functools import partial

import pytest

import quartish
from quartish._concurrency.coroutines import from_thread
from quartish._quart.utils import run_sync
from tests._peer import ask

HOOKS = ["before", "view", "after", "this_request", "teardown", "teardown_app"]


def make(app: t.Any, seen: dict[str, list[int]], view: t.Any = None) -> t.Any:
    """Return an app, each hook of which notes the thread it runs in, by the request's path."""

    def note(name: str, rv: t.Any = None) -> t.Any:
        seen.setdefault(f"{quartish.request.path} {name}", []).append(threading.get_ident())
        return rv

    app.url_value_preprocessor(lambda endpoint, values: note("preprocessor"))
    app.before_request(lambda: note("before"))
    app.after_request(lambda response: note("after", response))
    app.teardown_request(lambda error: note("teardown"))
    app.register_error_handler(LookupError, lambda error: note("handler", "handled"))

    async def ask_me(name: str) -> str:
        await asyncio.sleep(0)
        note("view")
        if view is not None:
            await view(name)
        return name

    app.add_url_rule("/<name>", "ask_me", ask_me)
    return app


@pytest.fixture
def app(colour: type[t.Any]) -> t.Any:
    return colour("app")


async def test_one_thread_a_request_and_another_for_each_other(app: t.Any) -> None:
    app.config["SYNC_HOOKS_IN_THREAD"] = True
    met = asyncio.Barrier(20)

    async def meet(name: str) -> None:
        async with asyncio.timeout(10), met:
            raise LookupError

    seen: dict[str, list[int]] = {}
    make(app, seen, meet)
    answers = await asyncio.gather(*(ask(app, path=f"/{n}") for n in range(20)))
    assert [answer.body for answer in answers] == [b"handled"] * 20
    threads = set()
    for n in range(20):
        here = {
            name: seen[f"/{n} {name}"] for name in ("preprocessor", "before", "after", "handler")
        }
        assert len(set(map(tuple, here.values()))) == 1, here
        assert seen[f"/{n} teardown"] == here["before"]
        assert seen[f"/{n} view"] == [threading.get_ident()]
        threads.update(here["before"])
    assert len(threads) == 20 and threading.get_ident() not in threads


async def test_off_unless_it_is_asked_for(app: t.Any) -> None:
    seen: dict[str, list[int]] = {}
    await ask(make(app, seen), path="/x")
    assert set(map(tuple, seen.values())) == {(threading.get_ident(),)}


async def test_for_a_blueprint(app: t.Any) -> None:
    app.config["SYNC_HOOKS_IN_THREAD"] = ["db"]
    seen: dict[str, list[int]] = {}
    make(app, seen)
    blueprint = quartish.Blueprint("db", __name__)

    @blueprint.route("/in/blueprint")
    async def there() -> str:
        return "there"

    app.register_blueprint(blueprint)
    await ask(app, path="/x")
    await ask(app, path="/in/blueprint")
    assert seen["/x before"] == [threading.get_ident()]
    assert seen["/in/blueprint before"] != [threading.get_ident()]
    assert seen["/in/blueprint before"] == seen["/in/blueprint teardown"]


@pytest.mark.parametrize("wrap", [lambda func: func, partial])
async def test_for_a_module_or_package(app: t.Any, wrap: t.Any) -> None:
    def chosen() -> None:
        seen.append(("chosen", threading.get_ident()))

    def other() -> None:
        seen.append(("other", threading.get_ident()))

    seen: list[t.Any] = []
    chosen.__module__, other.__module__ = "playhouse.flask_utils", "playhouse_of_mine"
    app.config["SYNC_HOOKS_IN_THREAD"] = ["playhouse"]
    app.before_request(wrap(chosen))
    app.before_request(wrap(other))
    await ask(make(app, {}), path="/x")
    (_, first), (_, second) = seen
    assert first != threading.get_ident() == second


async def test_run_sync_is_in_the_thread_of_the_hooks(app: t.Any) -> None:
    app.config["SYNC_HOOKS_IN_THREAD"] = True
    seen: dict[str, list[int]] = {}
    found: list[int] = []

    async def view(name: str) -> None:
        found.append(await run_sync(threading.get_ident)())

    await ask(make(app, seen, view), path="/x")
    assert found == seen["/x before"]


async def test_run_sync_in_a_hook_that_holds_the_thread_has_another(app: t.Any) -> None:
    app.config["SYNC_HOOKS_IN_THREAD"] = True
    found: list[int] = []

    async def elsewhere() -> int:
        return await run_sync(threading.get_ident)()

    make(app, {})

    @app.before_request
    def hold() -> None:
        found.append(threading.get_ident())
        found.append(from_thread(elsewhere()))

    async with asyncio.timeout(10):
        await ask(app, path="/x")
    assert len(set(found)) == 2


async def test_a_decorator_that_returns_a_coroutine_is_awaited(app: t.Any) -> None:
    app.config["SYNC_HOOKS_IN_THREAD"] = True
    seen: list[t.Any] = []

    async def hook() -> None:
        seen.append(asyncio.get_running_loop())

    app.before_request(lambda: hook())
    await ask(make(app, {}), path="/x")
    assert seen == [asyncio.get_running_loop()]


async def test_more_requests_than_threads_wait_their_turn(app: t.Any) -> None:
    app.config.update(SYNC_HOOKS_IN_THREAD=True, VIEW_THREADS=2)

    async def view(name: str) -> None:
        await run_sync(threading.get_ident)()

    make(app, {}, view)
    async with asyncio.timeout(20):
        answers = await asyncio.gather(*(ask(app, path=f"/{n}") for n in range(20)))
    assert [answer.status for answer in answers] == [200] * 20
