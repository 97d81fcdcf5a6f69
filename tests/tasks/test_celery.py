"""Jobs of Celery: the app's context in each; the pattern that Flask's users have, through
`as_flask`; and a worker that is killed in the middle of a job."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
import typing as t
from contextlib import contextmanager
from pathlib import Path

import pytest

from quartish import current_app
from quartish import g
from tests._redis import Redis
from tests._redis import redis_server
from tests._waiting import wait_until

pytest.importorskip("celery", reason="NOT TESTED: there is no Celery")

from celery import shared_task

from quartish.tasks.celery import celery_init_app

App = type[t.Any]
ROOT = Path(__file__).parents[2]


def make(colour: App) -> tuple[t.Any, t.Any]:
    app = colour("app")
    app.config["CELERY"] = {"task_always_eager": True, "task_store_eager_result": False}
    return app, celery_init_app(app)


@pytest.mark.parametrize("sync", [True, False], ids=["def", "async def"])
def test_a_job_has_the_apps_context(colour: App, sync: bool) -> None:
    app, celery = make(colour)
    assert app.extensions["celery"] is celery and celery.main == "app"
    seen: list[str] = []

    @app.teardown_appcontext
    def close(error: BaseException | None) -> None:
        database = g.pop("database", None)
        if database is not None:
            database.close()
            seen.append("closed")

    def query(number: int) -> int:
        assert "database" not in g
        g.database = sqlite3.connect(":memory:")
        seen.append(current_app.name)
        return int(g.database.execute("select ? + 1", [number]).fetchone()[0])

    async def async_query(number: int) -> int:
        return query(number)

    job = celery.task(name="query", shared=False)(query if sync else async_query)
    assert [job.delay(number).get() for number in range(2)] == [1, 2]
    assert seen == ["app", "closed"] * 2


def test_a_job_that_fails(colour: App) -> None:
    app, celery = make(colour)
    seen: list[t.Any] = []
    app.teardown_appcontext(lambda error: seen.append(type(error)))

    @celery.task(name="fails", shared=False)
    def job() -> None:
        raise LookupError(current_app.name)

    result = job.delay()
    assert result.failed() and str(result.result) == "app" and seen == [LookupError]


def test_a_shared_job_and_a_bound_one(colour: App) -> None:
    app, celery = make(colour)

    @shared_task(bind=True, ignore_result=False, name=f"shared by {colour.__name__}")
    def job(self: t.Any, number: int) -> str:
        return f"{self.request.retries} {number} {current_app.name}"

    assert job.delay(5).get() == "0 5 app"


def test_without_settings(colour: App) -> None:
    app = colour("app")
    assert celery_init_app(app).conf.task_acks_late is False


# --- workers ------------------------------------------------------------------------------------

#: The pattern of Flask's documentation, written against Flask.
PROJECT = """
import os
import time

from celery import Celery, shared_task, Task
from flask import current_app, Flask


def init_celery(app):
    class ContextTask(Task):
        def __call__(self, *args, **kwargs):
            with app.app_context():
                return self.run(*args, **kwargs)

    celery = Celery(app.name, task_cls=ContextTask)
    celery.config_from_object(app.config["CELERY"])
    celery.set_default()
    app.extensions["celery"] = celery
    return celery


@shared_task(ignore_result=False)
def slow(path, seconds):
    with open(path, "a") as file:
        file.write(f"{os.getpid()}\\n")
    time.sleep(seconds)
    return f"{current_app.name} {type(current_app._get_current_object()).__module__}"


def create_app():
    app = Flask("shop")
    url = os.environ["CELERY_REDIS"]
    app.config["CELERY"] = dict(
        broker_url=url,
        result_backend=url,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
        broker_transport_options={"visibility_timeout": int(os.environ["CELERY_VISIBLE"])},
    )
    init_celery(app)

    @app.post("/slow/<float:seconds>")
    def begin(seconds):
        return slow.delay(os.environ["CELERY_NOTES"], seconds).id

    return app


flask_app = create_app()
celery = flask_app.extensions["celery"]
"""
OURS = (
    PROJECT.replace(
        "from flask import current_app, Flask", "from quartish import current_app, Flask"
    )
    .replace(
        "def create_app", "from quartish.tasks.celery import celery_init_app\n\n\ndef create_app"
    )
    .replace("    init_celery(app)\n", "    celery_init_app(app)\n")
)

CLIENT = """
import sys
from project import flask_app, celery
client = flask_app.test_client()
for seconds in sys.argv[1:]:
    print(client.post(f"/slow/{seconds}").text, flush=True)
for line in sys.stdin:
    print(celery.AsyncResult(line.strip()).get(timeout=60), flush=True)
"""


@pytest.fixture
def redis(tmp_path: Path) -> t.Iterator[Redis]:
    with redis_server(tmp_path) as server:
        yield server


@contextmanager
def worker(environ: dict[str, str], folder: Path, kind: str) -> t.Iterator[t.Any]:
    begin = "import quartish.as_flask\n" if kind == "as_flask" else ""
    code = f"{begin}import sys; from celery.__main__ import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "-A", "project:celery", "worker", "-c", "1"]
    with (folder / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, "-l", "WARNING", "--without-gossip", "--without-mingle"],
            cwd=folder,
            env=environ,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.mark.slow
@pytest.mark.redis
@pytest.mark.parametrize("kind", ["as_flask", "ours"])
@pytest.mark.parametrize("killed", ["process", "worker"])
def test_a_worker_that_is_killed_loses_nothing(
    redis: Redis, kind: str, killed: str, tmp_path: Path
) -> None:
    """A process of it, whose job it has another do; and all of it, whose jobs are given out again
    after the visibility timeout. A worker looks for such when it starts, and seldom later."""
    (tmp_path / "project.py").write_text(PROJECT if kind == "as_flask" else OURS)
    notes = tmp_path / "notes"
    environ = {**os.environ, "CELERY_REDIS": redis.url, "CELERY_NOTES": str(notes)}
    environ["PYTHONPATH"] = f"{ROOT}:{tmp_path}"
    environ["CELERY_VISIBLE"] = "3600" if killed == "process" else "1"
    client = CLIENT if kind == "ours" else "import quartish.as_flask\n" + CLIENT

    def ask(*seconds: str, results: str = "") -> list[str]:
        ran = subprocess.run(
            [sys.executable, "-c", client, *seconds],
            input=results,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environ,
            timeout=120,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.split("\n")[:-1]

    def ran() -> list[str]:
        return notes.read_text().split() if notes.exists() else []

    [job] = ask("2.0")
    with worker(environ, tmp_path, kind) as process:
        wait_until(lambda: len(ran()) == 1)
        if killed == "worker":
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            time.sleep(2)  # the visibility timeout
        else:
            os.kill(int(ran()[0]), signal.SIGKILL)  # its parent sends the job again
            assert ask(results=job) == ["shop quartish.app"]
    if killed == "worker":
        with worker(environ, tmp_path, kind):
            assert ask(results=job) == ["shop quartish.app"]
    assert len(ran()) == len(set(ran())) == 2  # each time by another process
