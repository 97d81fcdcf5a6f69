"""Jobs of taskiq: the app's context in each, and the lives of broker, worker and app."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import typing as t
from pathlib import Path

import pytest

from quartish import current_app
from quartish import g
from tests._redis import Redis
from tests._redis import redis_server

pytest.importorskip("taskiq", reason="NOT TESTED: there is no taskiq")

from taskiq import InMemoryBroker

from quartish.tasks.taskiq import taskiq_init_app

App = type[t.Any]


@pytest.mark.parametrize("sync", [False, True], ids=["async def", "def"])
async def test_a_job_has_the_apps_context(colour: App, sync: bool) -> None:
    app = colour("app")
    broker = taskiq_init_app(app, InMemoryBroker())
    assert app.extensions["taskiq"] is broker
    seen: list[t.Any] = []

    @app.teardown_appcontext
    def close(error: BaseException | None) -> None:
        database = g.pop("database", None)
        if database is not None:
            database.close()  # sqlite's own check: in the thread that opened it
            seen.append(("closed", threading.get_ident()))

    def query(number: int) -> int:
        assert "database" not in g
        g.database = sqlite3.connect(":memory:")
        seen.append((current_app.name, threading.get_ident()))
        return int(g.database.execute("select ? + 1", [number]).fetchone()[0])

    if sync:

        @broker.task
        def job(number: int) -> int:
            return query(number)
    else:

        @broker.task
        async def job(number: int) -> int:
            return query(number)

    async with app.test_app():
        for number in range(2):
            result = await (await job.kiq(number)).wait_result(timeout=10)
            assert not result.is_err and result.return_value == number + 1
    assert [what for what, _ in seen] == ["app", "closed"] * 2
    assert seen[0][1] == seen[1][1]
    assert (seen[0][1] == threading.get_ident()) is not sync


async def test_a_job_that_fails(colour: App, caplog: pytest.LogCaptureFixture) -> None:
    app, seen = colour("app"), list[t.Any]()
    broker = taskiq_init_app(app, InMemoryBroker())
    app.teardown_appcontext(lambda error: seen.append(type(error)) if "job" in g else None)

    @broker.task
    async def job() -> None:
        g.job = True
        raise LookupError(current_app.name)

    async with app.test_app():
        result = await (await job.kiq()).wait_result(timeout=10)
    assert result.is_err and str(result.error) == "app" and seen == [LookupError]
    assert len([record for record in caplog.records if record.exc_info]) == 1


async def test_the_broker_lives_with_the_app(colour: App) -> None:
    log: list[str] = []

    class Broker(InMemoryBroker):
        async def startup(self) -> None:
            log.append("started")
            await super().startup()

        async def shutdown(self) -> None:
            log.append("stopped")
            await super().shutdown()

    app = colour("app")
    taskiq_init_app(app, Broker())
    async with app.test_app():
        assert log == ["started"]
    assert log == ["started", "stopped"]


# --- a worker -----------------------------------------------------------------------------------


@pytest.fixture
def redis(tmp_path: Path) -> t.Iterator[Redis]:
    pytest.importorskip("taskiq_redis", reason="NOT TESTED: there is no taskiq-redis")
    with redis_server(tmp_path) as server:
        yield server


@pytest.mark.redis
async def test_a_worker_starts_and_stops_the_app(
    colour: App, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """As `taskiq worker` does it, whose processes tests/examples/test_jobs.py kills."""
    from taskiq.receiver import Receiver
    from taskiq_redis import RedisAsyncResultBackend
    from taskiq_redis import RedisStreamBroker

    def make(log: list[str]) -> t.Any:
        app = colour("app")
        results: t.Any = RedisAsyncResultBackend(redis.url)
        broker = RedisStreamBroker(redis.url, consumer_id="0").with_result_backend(results)
        taskiq_init_app(app, broker)

        @app.while_serving
        async def serve() -> t.AsyncIterator[None]:
            log.append("begun")
            app.extensions["pool"] = log
            yield
            log.append("ended")

        @app.every(0.01)
        def tick() -> None:
            log.append("tick")

        @broker.task(task_name="job")
        async def job(name: str) -> str:
            current_app.extensions["pool"].append(name)
            return f"{name} {current_app.name}"

        return app

    served, worked = list[str](), list[str]()
    app, other = make(served), make(worked).extensions["taskiq"]
    other.is_worker_process = True
    async with app.test_app():
        kicked = await app.extensions["taskiq"].find_task("job").kiq("ada")
        receiver = Receiver(other, max_async_tasks=1)
        listening = asyncio.create_task(receiver.listen(asyncio.Event()))
        result = await kicked.wait_result(timeout=60)
        assert result.return_value == "ada app"
        listening.cancel()
        await asyncio.wait([listening])
        await other.shutdown()
    # What is periodic is the server's.
    assert worked == ["begun", "ada", "ended"]
    assert {*served} == {"begun", "tick", "ended"}
