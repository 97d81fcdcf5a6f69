"""Jobs that outlive the process: numbers are added by workers of taskiq's, with Redis in between,
and the page shows how far they have come.

A worker that is killed in the middle of a job takes nothing with it: another begins the job anew.

    redis-server &
    taskiq worker examples.jobs.worker:broker &
    quartish --app examples.jobs run
"""

from __future__ import annotations

import asyncio
import json
import os
import typing as t
from uuid import uuid4

from taskiq_redis import RedisAsyncResultBackend
from taskiq_redis import RedisStreamBroker

from quartish import abort
from quartish import current_app
from quartish import Flask
from quartish import redirect
from quartish import render_template
from quartish import request
from quartish import url_for
from quartish.groups import Groups
from quartish.streaming import Event
from quartish.streaming import last_event_id
from quartish.streaming import sse
from quartish.tasks.taskiq import taskiq_init_app
from quartish.typing import ResponseReturnValue

MOST = 1000  # numbers of a job


def create_app(config: t.Mapping[str, t.Any] | None = None) -> Flask:
    """Make the application; `config` wins over `JOBS_*` environment variables."""
    app = Flask(__name__)
    # Seconds that each number takes, and after which a job that nobody has finished is another
    # worker's: more than the longest job takes.
    app.config.from_mapping(REDIS="redis://localhost", PAUSE=0.1, RECLAIM=300)
    app.config.from_prefixed_env("JOBS")
    app.config.from_mapping(config)

    url: str = app.config["REDIS"]
    broker = RedisStreamBroker(
        url,
        queue_name="jobs",
        consumer_id="0",  # what was begun before the first worker came counts too
        idle_timeout=int(app.config["RECLAIM"] * 1000),
        unacknowledged_lock_timeout=10,
        xread_count=1,
        xread_block=500,
    ).with_result_backend(RedisAsyncResultBackend(url, result_ex_time=3600))
    taskiq_init_app(app, broker)
    groups = Groups(app, url, prefix="jobs:progress", history=MOST + 1)

    @broker.task(task_name="add_up")
    async def add_up(job: str, numbers: list[int]) -> int:
        """Add numbers, and tell how far it is."""
        total = 0
        for done, number in enumerate(numbers, 1):
            await asyncio.sleep(current_app.config["PAUSE"])
            total += number
            told = {"done": done, "of": len(numbers), "worker": os.getpid()}
            await groups.send(job, told)
        await groups.send(job, {"total": total})
        return total

    @broker.task(task_name="look")
    async def look() -> None:
        """Do nothing: workers look for jobs of those that died when another one comes."""

    @app.every(seconds=max(app.config["RECLAIM"] / 4, 1))
    async def wake() -> None:
        await look.kiq()

    @app.get("/")
    async def page() -> str:
        return render_template("begin.html")

    @app.post("/")
    async def begin() -> ResponseReturnValue:
        try:
            numbers = [int(word) for word in request.form.get("numbers", "").split()]
        except ValueError:
            abort(422, "Numbers, please.")
        if not 0 < len(numbers) <= MOST:
            abort(422, f"1 to {MOST} numbers, please.")
        job = uuid4().hex
        await add_up.kicker().with_task_id(job).kiq(job, numbers)
        return redirect(url_for("show", job=job), 303)

    @app.get("/jobs/<job>")
    async def show(job: str) -> str:
        return render_template("job.html", job=job)

    @app.get("/jobs/<job>/events")
    @sse(retry=300)
    async def events(job: str) -> t.AsyncIterator[Event]:
        # From the beginning, or from what the page has seen last: a page that comes late, or comes
        # back, misses nothing.
        async with groups.subscribe(job, after=last_event_id() or "") as messages:
            async for message in messages:
                yield Event(json.dumps(message.data), id=message.id)
                if "total" in message.data:
                    return

    @app.get("/jobs/<job>/result")
    async def result(job: str) -> ResponseReturnValue:
        if not await broker.result_backend.is_result_ready(job):
            return {"ready": False}, 404
        found = await broker.result_backend.get_result(job)
        return {"ready": True, "total": found.return_value}

    return app
