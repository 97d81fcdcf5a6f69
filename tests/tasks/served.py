"""What the servers serve: periodic and background tasks of both colours, which write down what they
do."""

from __future__ import annotations

import asyncio
import os
import time

from quartish import Flask
from quartish import Quart
from quartish.tasks import report_progress


def note(text: str) -> None:
    with open(os.environ["TASKS_NOTES"], "a") as file:
        file.write(f"{text} {os.getpid()}\n")


def fill(app: Flask | Quart) -> Flask | Quart:
    @app.every(0.05, jitter=0.01)
    async def tick() -> None:
        note("tick")

    @app.every(0.05)
    def sync_tick() -> None:
        note("sync_tick")

    async def work() -> None:
        note("begun")
        report_progress(1)
        await asyncio.sleep(1)
        note("ended")

    def sync_work() -> None:
        note("sync begun")
        time.sleep(1)
        note("sync ended")

    @app.get("/begin")
    def begin() -> dict[str, list[str]]:
        app.add_background_task(work, name="work")
        app.add_background_task(sync_work, name="sync work")
        return {"tasks": sorted(task.get_name() for task in app.tasks)}

    @app.get("/beats")
    async def beats() -> dict[str, int]:
        return {each.name: each.runs for each in app.tasks.periodic}

    return app


plain = fill(Flask(__name__))
awaitable = fill(Quart(__name__))

if __name__ == "__main__":  # by `app.run()`, with its reloader
    plain.run(port=int(os.environ["PORT"]), debug=True)
