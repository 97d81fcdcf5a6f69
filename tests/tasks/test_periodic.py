"""Tasks that run every so often: when, one at a time, in one process of many, until shutdown."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
import time
import typing as t
from datetime import datetime
from datetime import UTC
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

import quartish
from quartish import current_app
from quartish import g
from quartish.signals import got_background_exception
from quartish.tasks import current_task
from quartish.tasks import lock as locks
from quartish.tasks import Periodic
from quartish.tasks import periodic
from tests._redis import Redis
from tests._redis import redis_server
from tests._waiting import until

App = type[t.Any]


@pytest.mark.parametrize("sync", [False, True], ids=["async def", "def"])
async def test_it_runs_while_the_app_serves(colour: App, sync: bool) -> None:
    app, seen = colour("app"), list[t.Any]()

    def note() -> None:
        task = current_task()
        assert task is not None and not hasattr(g, "ran")
        g.ran = True  # each run has its own
        threads = threading.current_thread() is threading.main_thread()
        seen.append((current_app.name, task.get_name(), threads))

    async def clean() -> None:
        note()

    register = app.every(seconds=0.01, jitter=0.005)
    func = note if sync else clean
    assert register(func) is func
    [each] = app.tasks.periodic
    assert each.name == func.__name__ and each.next is None
    await asyncio.sleep(0.03)
    assert seen == []  # not yet
    async with app.test_app():
        assert seen == []
        await until(lambda: len(seen) > 2)
        await until(lambda: each.next is not None)
        assert each.next is not None
        assert abs((each.next - datetime.now(UTC)).total_seconds()) < 60
    count = len(seen)
    await asyncio.sleep(0.03)
    assert len(seen) == count == each.runs and each.next is None
    assert set(seen) == {("app", func.__name__, not sync)}
    # And again, as an app in tests does.
    async with app.test_app():
        await until(lambda: len(seen) > count)


async def test_the_start_waits_for_none(colour: App) -> None:
    """fastapi-utils #307: what repeats kept the app from starting."""
    app, begun = colour("app"), list[str]()

    @app.every(60, at_start=True)
    async def long() -> None:
        begun.append("long")
        await asyncio.sleep(60)

    app.config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"] = 0.01
    async with asyncio.timeout(10), app.test_app():
        await until(lambda: begun)
        assert [task.get_name() for task in app.tasks] == ["long"]


async def test_a_start_that_fails_begins_none(colour: App) -> None:
    app, ran = colour("app"), list[int]()
    app.every(0.001, at_start=True)(lambda: ran.append(1))

    @app.before_serving
    async def fails() -> None:
        raise LookupError("no database")

    with pytest.raises(LookupError):
        await app.startup()
    await asyncio.sleep(0.01)
    assert ran == []


async def test_a_failure_is_logged_each_time_and_stops_nothing(
    colour: App, caplog: pytest.LogCaptureFixture
) -> None:
    """fastapi-utils #68: it was silent, and the last."""
    app, seen = colour("app"), list[t.Any]()

    def receiver(sender: t.Any, exception: BaseException, **_: t.Any) -> None:
        seen.append((current_task().get_name(), str(exception)))  # type: ignore[union-attr]

    @app.every(0.005, name="mail")
    async def fails() -> None:
        raise LookupError("no")

    with got_background_exception.connected_to(receiver, app):
        async with app.test_app():
            await until(lambda: len(seen) > 2)
    assert set(seen) == {("mail", "no")}
    logged = [r for r in caplog.records if r.getMessage() == "Exception in background task mail"]
    assert len(logged) == len(seen) and all(r.exc_info for r in logged)


async def test_one_run_at_a_time(colour: App, caplog: pytest.LogCaptureFixture) -> None:
    """What takes longer than its interval had a second copy beside it."""
    app = colour("app")
    running, most, ran = 0, 0, 0

    @app.every(0.005)
    async def slow() -> None:
        nonlocal running, most, ran
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        ran += 1

    async with app.test_app():
        await until(lambda: ran > 3)
    assert most == 1
    said = [r.getMessage() for r in caplog.records]
    assert said == [
        "Periodic task slow took longer than the time between two of its runs, of which some are"
        " left out (this is said once)"
    ]


async def test_seconds_are_from_start_to_start(colour: App, monkeypatch: t.Any) -> None:
    """fastapi-utils #341: they were from the end of one run to the start of the next."""
    app, planned = colour("app"), list[float]()
    real = periodic._until

    async def noted(each: t.Any, due: float, clock: t.Any) -> None:
        planned.append(due)
        await real(each, due, clock)

    monkeypatch.setattr(periodic, "_until", noted)

    @app.every(0.05)
    async def work() -> None:
        await asyncio.sleep(0.01)

    async with app.test_app():
        await until(lambda: len(planned) > 4)
    steps = [(b - a) / 0.05 for a, b in itertools.pairwise(planned)]
    assert all(abs(step - round(step)) < 1e-4 and step > 0.9 for step in steps)


async def test_the_clock_on_the_wall_may_be_set(colour: App, monkeypatch: t.Any) -> None:
    """agronholm/apscheduler#339: where it was set back, runs were left out for as long."""
    app, ran = colour("app"), list[float]()
    set_by = [0.0]
    clock = SimpleNamespace(time=lambda: time.time() + set_by[0], monotonic=time.monotonic)
    monkeypatch.setattr(periodic, "time", clock)

    @app.every(0.02)
    async def work() -> None:
        ran.append(time.monotonic())

    async with app.test_app():
        for seconds in (0.0, -3600.0, 7200.0):
            set_by[0] = seconds
            ran.clear()
            await until(lambda: len(ran) > 2)


async def test_shutdown_waits_for_a_run_as_for_any_task(
    colour: App, caplog: pytest.LogCaptureFixture
) -> None:
    app, log = colour("app"), list[str]()

    @app.every(0.001)
    async def work() -> None:
        log.append("begun")
        await asyncio.sleep(0.1)
        log.append("done")

    @app.after_serving
    async def after() -> None:
        log.append("after")

    async with app.test_app():
        await until(lambda: log)
    assert log == ["begun", "done", "after"]
    app.config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"] = 0.01
    log.clear()
    async with app.test_app():
        await until(lambda: log)
    assert log == ["begun", "after"]
    assert "Background task work was cancelled" in caplog.text


async def test_to_cancel_a_run_ends_that_run_alone(colour: App) -> None:
    app, begun = colour("app"), list[int]()

    @app.every(0.01)
    async def work() -> None:
        begun.append(len(begun))
        await asyncio.sleep(60)

    async with app.test_app():
        for count in (1, 2, 3):
            await until(lambda: len(begun) == count)  # noqa: B023
            assert app.tasks.cancel("work") == 1


async def test_a_server_that_was_not_told_to_stop(colour: App) -> None:
    """Its loop has gone; another one starts the app again."""
    app, seen = colour("app"), list[t.Any]()
    app.every(0.005)(lambda: seen.append(1))

    def serve_and_go() -> None:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(app.startup())
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    await asyncio.to_thread(serve_and_go)
    assert seen == []
    async with app.test_app():
        await until(lambda: seen)


# --- what is registered -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({}, TypeError, "say seconds=60, or cron="),
        ({"seconds": 1, "cron": "* * * * *"}, TypeError, "or by cron"),
        ({"seconds": 0}, ValueError, "seconds=0"),
        ({"seconds": float("inf")}, ValueError, "seconds=inf"),
        ({"seconds": float("nan")}, ValueError, "seconds=nan"),
        ({"seconds": -1}, ValueError, "more than 0"),
        ({"seconds": 1, "jitter": -1}, ValueError, "jitter=-1 of 'work'"),
        ({"seconds": 1, "jitter": 1}, ValueError, "less than from run to run"),
        ({"cron": "often"}, ValueError, "'often' of 'work' is no cron expression"),
        ({"cron": "0 0 30 2 *"}, ValueError, "(is at no date|no cron expression)"),
        ({"cron": "* * * * *", "timezone": "Atlantis"}, ValueError, "timezone='Atlantis'"),
        ({"cron": "* * * * *", "timezone": "../x"}, ValueError, "is not known here"),
    ],
    ids=str,
)
def test_what_cannot_be(colour: App, arguments: t.Any, error: t.Any, says: str) -> None:
    if "cron" in arguments:
        pytest.importorskip("croniter")
    app = colour("app")

    def work() -> None: ...

    with pytest.raises(error, match=says):
        app.every(**arguments)(work)
    assert app.tasks.periodic == []


def test_two_of_one_name(colour: App) -> None:
    app = colour("app")

    def work() -> None: ...

    app.every(1)(work)
    with pytest.raises(ValueError, match="Two periodic tasks are named 'work'"):
        app.every(2)(work)
    app.every(2, name="other")(work)
    assert [each.name for each in app.tasks.periodic] == ["work", "other"]
    assert repr(app.tasks.periodic[0]) == "<Periodic 'work' next=None>"


def test_too_late() -> None:
    app = quartish.Flask("app")
    app.test_client().get("/")
    with pytest.raises(AssertionError, match="'every'"):
        app.every(1)


def test_without_croniter(colour: App, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> t.Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("importlib.import_module", refuse)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'quartish\[cron\]'") as error:
        colour("app").every(cron="* * * * *")(print)
    assert error.value.name == "croniter"


def periodic_of(cron: str | None, zone: str, seconds: float | None = None) -> Periodic:
    return Periodic(
        print,
        "work",
        seconds=seconds,
        cron=cron,
        timezone=zone,
        jitter=0,
        at_start=False,
        lock=False,
    )


def due(cron: str, moment: str, zone: str = "UTC") -> str:
    each = periodic_of(cron, zone)
    begin = datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(zone)).timestamp()
    return datetime.fromtimestamp(each.after(begin), ZoneInfo(zone)).strftime("%m-%d %H:%M %Z")


def test_when_cron_is_due() -> None:
    pytest.importorskip("croniter")
    assert due("*/5 * * * *", "2025-01-01T10:02") == "01-01 10:05 UTC"
    assert due("*/5 * * * *", "2025-01-01T10:05") == "01-01 10:10 UTC"
    assert due("30 4 * * mon-fri", "2025-01-03T05:00") == "01-06 04:30 UTC"
    # By the clock there, in summer and in winter.
    assert due("0 9 * * *", "2025-03-29T10:00", "Europe/Berlin") == "03-30 09:00 CEST"
    assert due("0 9 * * *", "2025-10-25T10:00", "Europe/Berlin") == "10-26 09:00 CET"


def test_when_cron_is_due_where_the_clock_is_set() -> None:
    """What is at hours of the day comes once, as in Debian's cron: not twice when an hour comes
    again, and later when it does not come (agronholm/apscheduler#115 and #116)."""
    pytest.importorskip("croniter")
    berlin, spring, autumn = "Europe/Berlin", "2026-03-28T12:00", "2026-10-25T01:30"
    for cron, zone, moment, times in (
        ("30 2 * * *", berlin, autumn, ["10-25 02:30 CEST", "10-26 02:30 CET"]),
        ("30 2 * * *", berlin, spring, ["03-29 03:00 CEST", "03-30 02:30 CEST"]),
        ("0 1-3 * * *", berlin, autumn, ["10-25 02:00 CEST", "10-25 03:00 CET"]),
        ("@daily", "America/Havana", "2024-11-02T12:00", ["11-03 00:00 CDT", "11-04 00:00 CST"]),
        ("0 * * * *", berlin, autumn, ["10-25 02:00 CEST", "10-25 02:00 CET"]),
        ("@hourly", berlin, autumn, ["10-25 02:00 CEST", "10-25 02:00 CET"]),
        ("30 */2 * * *", berlin, autumn, ["10-25 02:30 CEST"]),
    ):
        each = periodic_of(cron, zone)
        last = datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(zone)).timestamp()
        found = []
        for _ in times:
            due = each.after(last + periodic.INSTANT)
            assert last < due and each.slot(due) == each.slot(due + 60) == due
            found.append(datetime.fromtimestamp(due, ZoneInfo(zone)).strftime("%m-%d %H:%M %Z"))
            last = due
        assert found == times, (cron, zone)


@pytest.mark.parametrize(
    ("cron", "now", "slot"),
    [
        # From Monday to Tuesday is a day, and a day before Saturday noon is Friday noon: the next
        # time after that is Monday's, which was taken away from Monday.
        ("30 4 * * mon-fri", "2026-12-05T12:00", "12-04 04:30 UTC"),
        ("0 0 1 * *", "2026-03-15T12:00", "03-01 00:00 UTC"),
        ("0 0 29 2 *", "2026-03-15T12:00", "02-29 00:00 UTC"),
        ("*/5 * * * *", "2026-03-15T12:03", "03-15 12:00 UTC"),
        ("*/5 * * * *", "2026-03-15T12:05", "03-15 12:05 UTC"),
        (None, "2026-03-15T12:03", "03-15 12:00 UTC"),
    ],
)
def test_for_which_time_it_runs_at_the_start(cron: str | None, now: str, slot: str) -> None:
    pytest.importorskip("croniter")
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC).timestamp()
    found = periodic_of(cron, "UTC", seconds=None if cron else 300).slot(moment)
    assert datetime.fromtimestamp(found, UTC).strftime("%m-%d %H:%M %Z") == slot
    assert found <= moment


async def test_cron_runs(colour: App) -> None:
    pytest.importorskip("croniter")
    app, seen = colour("app"), list[float]()

    @app.every(cron="* * * * * *")  # croniter's sixth field: seconds
    async def work() -> None:
        seen.append(time.time())

    async with app.test_app():
        await until(lambda: seen)


# --- one process of many ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Redis]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


def several(
    colour: App, redis: Redis, name: str, count: int, work: t.Any, **options: t.Any
) -> t.Any:
    """Return apps as so many processes have them: nothing in common but Redis."""
    apps = []
    for number in range(count):
        app = colour(name)
        app.config["BACKGROUND_TASK_LOCK_URL"] = redis.url

        async def run(number: int = number) -> None:
            await work(number)

        app.every(name="work", **options)(run)
        apps.append(app)
    return apps


@pytest.mark.redis
async def test_one_of_all_processes_runs_it(colour: App, redis: Redis) -> None:
    """fastapi-utils #257, Flask-APScheduler #23: each worker ran it."""
    seen: list[tuple[int, float]] = []
    running = most = 0

    async def work(number: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        seen.append((number, time.time()))
        await asyncio.sleep(0.05)
        running -= 1

    apps = several(colour, redis, f"one {colour.__name__}", 3, work, seconds=0.25)
    async with apps[0].test_app(), apps[1].test_app(), apps[2].test_app():
        await until(lambda: len(seen) > 4)
    assert most == 1
    assert sum(app.tasks.periodic[0].runs for app in apps) == len(seen)
    # Each of the times that were due was run once.
    slots = [int(moment / 0.25) for _, moment in seen]
    assert len(set(slots)) == len(slots)


@pytest.mark.redis
async def test_a_long_run_is_alone(colour: App, redis: Redis) -> None:
    most = running = ran = 0

    async def work(number: int) -> None:
        nonlocal running, most, ran
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.3)
        running -= 1
        ran += 1

    apps = several(colour, redis, f"long {colour.__name__}", 2, work, seconds=0.1)
    async with apps[0].test_app(), apps[1].test_app():
        await until(lambda: ran > 2)
    assert most == 1


@pytest.mark.redis
async def test_at_the_start_of_all_it_runs_once(colour: App, redis: Redis) -> None:
    ran: list[int] = []

    async def work(number: int) -> None:
        ran.append(number)

    name = f"start {colour.__name__}"
    apps = several(colour, redis, name, 2, work, seconds=3600, at_start=True)
    async with apps[0].test_app(), apps[1].test_app():
        await until(lambda: ran)
        await asyncio.sleep(0.05)
    assert len(ran) == 1


@pytest.mark.redis
async def test_each_process_may_run_its_own(colour: App, redis: Redis) -> None:
    ran: set[int] = set()

    async def work(number: int) -> None:
        ran.add(number)

    apps = several(colour, redis, f"own {colour.__name__}", 2, work, seconds=0.01, lock=False)
    async with apps[0].test_app(), apps[1].test_app():
        await until(lambda: ran == {0, 1})


@pytest.mark.redis
async def test_a_process_that_died_holds_nobody_up(
    colour: App, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "LIFE", 0.3)
    ran: list[int] = []

    async def work(number: int) -> None:
        ran.append(number)

    name = f"died {colour.__name__}"
    [app] = several(colour, redis, name, 1, work, seconds=0.05, lock=redis.url)
    from redis.asyncio import Redis as Client

    async with Client.from_url(redis.url) as client:
        assert await client.lock(f"quartish:every:{name}:work", timeout=0.3).acquire()
        async with app.test_app():
            await until(lambda: ran)


@pytest.mark.redis
async def test_the_lock_is_renewed_while_the_run_lasts(
    colour: App, redis: Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(locks, "LIFE", 0.2)
    most = running = ran = 0

    async def work(number: int) -> None:
        nonlocal running, most, ran
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.8)
        running -= 1
        ran += 1

    apps = several(colour, redis, f"renewed {colour.__name__}", 2, work, seconds=0.1)
    async with apps[0].test_app(), apps[1].test_app():
        await until(lambda: ran > 1)
    assert most == 1
    assert not [r for r in caplog.records if "is not renewed" in r.getMessage()]


@pytest.mark.redis
async def test_a_lock_that_was_lost_is_taken_again(
    colour: App, redis: Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A Redis that came back without its memory let another process run it at the same time, for
    as long as the run lasted; each renewal logged that."""
    monkeypatch.setattr(locks, "LIFE", 0.3)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def work(number: int) -> None:
        begun.set()
        await go_on.wait()

    name = f"lost {colour.__name__}"
    [app] = several(colour, redis, name, 1, work, seconds=3600, at_start=True)
    from redis.asyncio import Redis as Client

    async with Client.from_url(redis.url) as client:
        key = f"quartish:every:{name}:work"
        async with app.test_app():
            await begun.wait()
            for _ in range(2):
                assert await client.delete(key) == 1
                async with asyncio.timeout(30):
                    while not await client.exists(key):
                        await asyncio.sleep(0.01)
            # Another has it: told once, and left to that one.
            await client.set(key, "another")
            await until(lambda: caplog.text.count("is not renewed") == 3)
            await asyncio.sleep(0.5)
            assert caplog.text.count("is not renewed") == 3
            go_on.set()
            await app.tasks.wait()
        assert await client.get(key) == b"another"
        await client.delete(key)


@pytest.mark.redis
async def test_redis_goes_and_comes(
    colour: App, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing runs without the lock, which is said once; afterwards it goes on."""
    ran: list[int] = []

    async def work(number: int) -> None:
        ran.append(number)

    with redis_server(tmp_path) as server, caplog.at_level(logging.WARNING):
        [app] = several(colour, server, "app", 1, work, seconds=0.1)
        async with app.test_app():
            await until(lambda: ran)
            await asyncio.to_thread(server.stop)
            await until(lambda: "Redis is not there" in caplog.text)
            await asyncio.sleep(0.3)
            count = len(ran)
            await asyncio.sleep(0.3)
            assert len(ran) == count
            await asyncio.to_thread(server.start)
            await until(lambda: len(ran) > count)
    said = [r for r in caplog.records if "Redis is not there" in r.getMessage()]
    assert len(said) == 1


async def test_a_lock_that_is_nowhere(colour: App) -> None:
    app = colour("app")
    app.every(1, lock="memcached://x")(print)
    with pytest.raises(ValueError, match="'redis://...', not 'memcached://x'"):
        await app.startup()
