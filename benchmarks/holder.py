"""What an app and an idle websocket hold of memory.

    python -m benchmarks.holder quartish.Quart 1000

prints, as JSON, bytes of each.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import sys
import tracemalloc
import typing as t

from .apps import FRAMEWORKS
from .apps.content import prepare
from .driver import asgi_call
from .driver import Lifespan
from .driver import scope_of
from .driver import wsgi_call
from .workloads import WORKLOADS

APPS = 5
"""Apps that are made to find what one takes, after a first."""


def held() -> int:
    """Return the bytes that Python's allocator has handed out."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


async def measure(name: str, websockets: int) -> dict[str, float | None]:
    framework = FRAMEWORKS[name]

    async def served() -> t.Any:
        app = framework.build()
        call = (wsgi_call if framework.wsgi else asgi_call)(app, WORKLOADS["hello"])
        await call()
        return app

    app = await served()  # what is made once for all is not counted
    tracemalloc.start()
    before = held()
    apps = [await served() for _ in range(APPS)]
    found: dict[str, float | None] = {"app": (held() - before) / len(apps), "websocket": None}
    del apps
    tracemalloc.stop()
    if not framework.wsgi:
        async with Lifespan(app):
            found["websocket"] = await idle(app, websockets)
    return found


async def idle(app: t.Any, count: int) -> float:
    """Return the bytes held for a websocket that was accepted, echoed a message, and waits."""
    scope = scope_of(WORKLOADS["ws"])
    leave = asyncio.Event()
    echoed = 0

    async def connect() -> None:
        step = 0

        async def receive() -> dict[str, t.Any]:
            nonlocal step
            step += 1
            if step == 1:
                return {"type": "websocket.connect"}
            if step == 2:
                return {"type": "websocket.receive", "text": "hello", "bytes": None}
            await leave.wait()
            return {"type": "websocket.disconnect", "code": 1000}

        async def send(message: dict[str, t.Any]) -> None:
            nonlocal echoed
            echoed += message["type"] == "websocket.send"

        await app({**scope, "state": {}, "headers": list(scope["headers"])}, receive, send)

    async def all_echoed(wanted: int) -> None:
        async with asyncio.timeout(60):
            while echoed < wanted:
                await asyncio.sleep(0.01)

    first = asyncio.create_task(connect())  # what is made once and kept is not counted
    await all_echoed(1)
    tracemalloc.start()
    before = held()
    tasks = [asyncio.create_task(connect()) for _ in range(count)]
    await all_echoed(count + 1)
    taken = (held() - before) / count
    tracemalloc.stop()
    leave.set()
    await asyncio.gather(first, *tasks, return_exceptions=True)  # most raise their disconnect
    return taken


def main(name: str, websockets: str) -> None:
    logging.disable(logging.CRITICAL)
    prepare()
    print(json.dumps(asyncio.run(measure(name, int(websockets)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
