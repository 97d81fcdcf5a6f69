"""Whether an app lives and is ready, as those see it who watch it, in both colours."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import time
import typing as t

import pytest

import quartish
from quartish.health import Health
from tests._peer import ask
from tests._waiting import until


def make(colour: type[t.Any], **options: t.Any) -> tuple[t.Any, Health]:
    app = colour("healthy")
    return app, Health(app, **options)


async def ready(app: t.Any) -> tuple[int, t.Any]:
    answer = await ask(app, "/readyz")
    assert answer.headers["cache-control"] == "no-store"
    return answer.status, quartish.json.loads(answer.text)


async def test_one_line_switches_it_on(colour: type[t.Any]) -> None:
    app, _ = make(colour)
    answer = await ask(app, "/healthz")
    assert (answer.status, answer.text) == (200, "ok\n")
    assert await ready(app) == (200, {"status": "ready", "checks": {}})
    if app.plain:  # by WSGI, too
        client = app.test_client()
        assert client.get("/healthz").text == "ok\n"
        assert client.get("/readyz").json == {"status": "ready", "checks": {}}


async def test_paths_may_be_others_or_none(colour: type[t.Any]) -> None:
    app = colour("healthy")
    Health(live=None, ready="/up").init_app(app)
    assert (await ask(app, "/healthz")).status == 404
    assert (await ask(app, "/up")).status == 200
    assert isinstance(app.extensions["health"], Health)


async def test_it_follows_the_lifespan(colour: type[t.Any]) -> None:
    app, _ = make(colour)
    seen = {}

    @app.before_serving
    async def begin() -> None:
        seen["starting"] = await ready(app)

    @app.after_serving
    async def end() -> None:
        seen["stopping"] = await ready(app)
        assert (await ask(app, "/healthz")).status == 200

    for _ in range(2):  # an app may be started again
        seen.clear()
        await app.startup()
        seen["started"] = await ready(app)
        await app.shutdown()
        assert {name: status for name, (status, _) in seen.items()} == {
            "starting": 503,
            "started": 200,
            "stopping": 503,
        }
        assert [found["status"] for _, found in seen.values()] == ["starting", "ready", "stopping"]
    assert (await ready(app))[0] == 503


async def test_it_is_not_ready_after_a_start_up_that_failed(colour: type[t.Any]) -> None:
    app, _ = make(colour)

    @app.before_serving
    async def begin() -> None:
        raise ValueError("no database")

    with pytest.raises(ValueError):
        await app.startup()
    assert await ready(app) == (503, {"status": "stopping", "checks": {}})


async def test_checks(colour: type[t.Any], caplog: pytest.LogCaptureFixture) -> None:
    app, health = make(colour, keep=0)
    state: dict[str, t.Any] = {"database": None, "disk": None, "slow": 0}

    @health.check
    async def database() -> None:
        assert quartish.current_app.name == "healthy"
        if state["database"]:
            raise state["database"]

    @health.check(name="a disk")
    def disk() -> t.Any:
        return state["disk"]

    @health.check(timeout=0.05)
    async def slow() -> None:
        await asyncio.sleep(state["slow"])

    fine = {"database": "ok", "a disk": "ok", "slow": "ok"}
    assert await ready(app) == (200, {"status": "ready", "checks": fine})
    state.update(database=OSError("password=secret"), disk=False, slow=10)
    failing = {"database": "failed", "a disk": "failed", "slow": "timed out"}
    with caplog.at_level(logging.INFO, "quartish.health"):
        for _ in range(3):
            answer = await ask(app, "/readyz")
            assert answer.status == 503 and "secret" not in answer.text
            assert quartish.json.loads(answer.text) == {"status": "failing", "checks": failing}
        assert [record.levelname for record in caplog.records] == ["WARNING"] * 3  # told once
        assert "password=secret" in caplog.text
        state.update(database=None, disk=None, slow=0)
        assert (await ready(app))[0] == 200
    assert [record.levelname for record in caplog.records[3:]] == ["INFO"] * 3
    assert (await ask(app, "/healthz")).status == 200  # a failing check restarts nobody


async def test_a_check_that_blocks_holds_up_nobody(colour: type[t.Any]) -> None:
    app, health = make(colour, timeout=0.1)
    loop = asyncio.get_running_loop()
    turns: list[str] = []

    @health.check
    def blocks() -> None:
        loop.call_soon_threadsafe(turns.append, "turn")
        time.sleep(0.3)

    assert await ready(app) == (503, {"status": "failing", "checks": {"blocks": "timed out"}})
    assert turns == ["turn"]


async def test_checks_do_not_run_at_each_probe(colour: type[t.Any]) -> None:
    app, health = make(colour, keep=60)
    ran: list[str] = []
    health.check(name="counted")(lambda: ran.append("ran"))
    for _ in range(5):
        assert (await ready(app))[0] == 200
    assert ran == ["ran"]


async def test_probes_at_the_same_time_run_the_checks_once(colour: type[t.Any]) -> None:
    """The page is open to anybody: each who asked had the database asked."""
    app, health = make(colour, keep=0)
    begun: list[str] = []
    go_on = asyncio.Event()

    @health.check
    async def database() -> None:
        begun.append(quartish.current_app.name)
        await go_on.wait()
        assert quartish.current_app.name == begun[0]

    asked = [asyncio.create_task(ready(app)) for _ in range(50)]
    await until(lambda: begun)
    await asyncio.sleep(0.05)
    asked.pop(0).cancel()  # who began it leaves
    await asyncio.sleep(0)
    go_on.set()
    assert {(await each)[0] for each in asked} == {200}
    assert len(begun) == 1
    assert (await ready(app))[0] == 200
    assert len(begun) == 2


async def test_a_check_that_hangs_has_one_thread(colour: type[t.Any]) -> None:
    """Each probe left one behind, until no thread was left for anybody."""
    app, health = make(colour, timeout=0.02, keep=0)
    begun: list[str] = []
    go_on = threading.Event()

    @health.check
    def hangs() -> None:
        begun.append("begun")
        go_on.wait(60)

    for _ in range(5):
        assert await ready(app) == (503, {"status": "failing", "checks": {"hangs": "timed out"}})
    assert begun == ["begun"]
    go_on.set()
    async with asyncio.timeout(60):
        while (await ready(app))[0] != 200:
            pass
    assert (await ready(app))[0] == 200
    assert len(begun) > 1


async def test_what_a_check_raises_too_late(
    colour: type[t.Any], caplog: pytest.LogCaptureFixture
) -> None:
    app, health = make(colour, timeout=0.02, keep=0)
    go_on = threading.Event()

    @health.check
    def hangs() -> None:
        go_on.wait(60)
        raise LookupError("too late")

    assert (await ready(app))[0] == 503
    go_on.set()
    await until(lambda: all(call.done() for call in health._calls.values()))
    health._calls.clear()
    gc.collect()
    assert "never retrieved" not in caplog.text


async def test_a_task_that_has_to_run(colour: type[t.Any]) -> None:
    app, health = make(colour, keep=0)
    health.needs_task("consumer")
    ends = asyncio.Event()
    assert (await ready(app))[1]["checks"] == {"consumer": "failed"}
    await app.startup()
    app.add_background_task(ends.wait, name="consumer")
    assert await ready(app) == (200, {"status": "ready", "checks": {"consumer": "ok"}})
    ends.set()
    await asyncio.sleep(0.01)
    assert (await ready(app))[0] == 503
    await app.shutdown()


async def test_draining(colour: type[t.Any]) -> None:
    app, health = make(colour)
    app.add_url_rule("/", "page", lambda: "page")
    await app.startup()
    health.drain()
    assert await ready(app) == (503, {"status": "draining", "checks": {}})
    assert (await ask(app, "/")).text == "page"  # it goes on to answer
    await app.shutdown()


async def test_it_answers_while_views_are_stuck(colour: type[t.Any]) -> None:
    """All threads for views may be taken: the pages need none."""
    app, _ = make(colour)
    app.config["VIEW_THREADS"] = 1
    app.add_url_rule("/stuck", "stuck", lambda: time.sleep(0.5) or "done")
    stuck = [asyncio.create_task(ask(app, "/stuck")) for _ in range(3)]
    await asyncio.sleep(0.05)
    assert (await ask(app, "/healthz")).status == 200
    assert (await ready(app))[0] == 200
    assert not any(task.done() for task in stuck)
    await asyncio.gather(*stuck)


async def test_nothing_of_the_apps_is_in_the_way_of_a_probe(colour: type[t.Any]) -> None:
    """kubelets ask by the address of a pod, without TLS and without a session: public reports of
    edx/commerce-coordinator (27), kubeflow/mcp-server (94) and busy-beaver (235)."""
    app, _ = make(colour)
    app.config["TRUSTED_HOSTS"] = ["example.org"]
    app.add_url_rule("/", "page", lambda: "page")

    @app.before_request
    def to_https() -> t.Any:
        return quartish.redirect("https://example.org/")

    for path in ("/healthz", "/readyz"):
        assert (await ask(app, path, host="10.1.2.3:8000")).status == 200
    assert (await ask(app, "/", host="example.org")).status == 302
    app.before_request_funcs.clear()
    assert (await ask(app, "/", host="10.1.2.3:8000")).status == 400


async def test_what_a_probe_may_ask(colour: type[t.Any]) -> None:
    app, _ = make(colour)
    answer = await ask(app, "/healthz", "HEAD")
    assert (answer.status, answer.text, answer.headers["content-length"]) == (200, "", "3")
    assert (await ask(app, "/healthz", "POST")).status == 405
    assert (await ask(app, "/healthz/")).status == 404
    above = colour("above")
    above.mount("/below", app)
    assert (await ask(above, "/below/healthz")).text == "ok\n"
    assert (await ask(above, "/healthz")).status == 404
