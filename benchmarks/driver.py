"""What stands in for a server and a client: calls an app, in this process, by hand.

    python -m benchmarks.driver quartish.Quart 0.3 hello json

prints, as JSON, seconds per request for each workload, or why there is no such figure.
"""

from __future__ import annotations

import asyncio
import collections.abc as cabc
import cProfile
import gc
import io
import json
import logging
import os
import pstats
import sys
import time
import typing as t
from contextlib import AsyncExitStack

from .apps import Framework
from .apps import FRAMEWORKS
from .apps.content import prepare
from .workloads import MESSAGES
from .workloads import Workload
from .workloads import WORKLOADS

HEADERS = [
    (b"host", b"127.0.0.1:8000"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64) benchmarks/1.0"),
    (b"accept", b"text/html,application/json;q=0.9,*/*;q=0.8"),
    (b"accept-language", b"en-US,en;q=0.5"),
    (b"accept-encoding", b"gzip, deflate, br"),
    (b"connection", b"keep-alive"),
    (b"cookie", b"theme=dark; lang=en"),
]
IN_MEMORY = 10**6
"""Bytes of an answer past which only its length is kept."""
BLOCK = 0.004
"""Seconds of requests between two looks at the clock, about."""
PATIENCE = 60
"""Seconds after which a workload is given up."""

Call = t.Callable[[], t.Awaitable[tuple[int, bytes | int]]]


class Wrong(Exception):
    """An answer is not what it has to be."""


def scope_of(workload: Workload) -> dict[str, t.Any]:
    """Return the ASGI scope of a workload's request."""
    headers = list(HEADERS)
    path, _, query = workload.path.partition("?")
    if workload.method == "POST":
        headers.append((b"content-type", workload.content_type.encode()))
        headers.append((b"content-length", b"%d" % workload.length))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": workload.method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        "extensions": {name: {} for name in workload.extensions},
        "state": {},
    }
    if workload.method == "WS":
        del scope["method"]
        scope |= {"type": "websocket", "scheme": "ws", "subprotocols": []}
    return scope


def asgi_call(app: t.Any, workload: Workload) -> Call:
    """Return what makes one request of an ASGI app, and gives status and body."""
    scope = scope_of(workload)
    keeps = not isinstance(workload.expect, int)

    async def call() -> tuple[int, bytes | int]:
        status = size = 0
        received: list[bytes] = []
        pieces = workload.pieces()
        piece: bytes | None = next(pieces)
        waiting: asyncio.Future[None] | None = None

        async def receive() -> dict[str, t.Any]:
            nonlocal piece, waiting
            if piece is None:  # nothing more comes before the answer has ended
                waiting = asyncio.get_running_loop().create_future()
                await waiting
                return {"type": "http.disconnect"}
            body, piece = piece, next(pieces, None)
            return {"type": "http.request", "body": body, "more_body": piece is not None}

        async def send(message: dict[str, t.Any]) -> None:
            nonlocal status, size
            kind = message["type"]
            if kind == "http.response.body":
                if keeps:
                    received.append(message.get("body", b""))
                else:
                    size += len(message.get("body", b""))
                if waiting is not None and not message.get("more_body") and not waiting.done():
                    waiting.set_result(None)
            elif kind == "http.response.start":
                status = message["status"]
            elif kind == "http.response.pathsend":
                size += os.path.getsize(message["path"])

        await app({**scope, "state": {}}, receive, send)
        return status, b"".join(received) if keeps else size

    return call


def wsgi_call(app: t.Any, workload: Workload) -> Call:
    """Return what makes one request of a WSGI app, and gives status and body."""
    environ = {
        "REQUEST_METHOD": workload.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": workload.path,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **{"HTTP_" + k.decode().upper().replace("-", "_"): v.decode() for k, v in HEADERS},
    }
    if workload.method == "POST":
        environ["CONTENT_TYPE"] = workload.content_type
        environ["CONTENT_LENGTH"] = str(workload.length)
    keeps = not isinstance(workload.expect, int)

    async def call() -> tuple[int, bytes | int]:
        status = size = 0

        def start_response(line: str, headers: t.Any, exc_info: t.Any = None) -> None:
            nonlocal status
            status = int(line[:3])

        stream = Pieces(workload) if workload.upload else io.BytesIO(workload.body)
        body = app({**environ, "wsgi.input": stream}, start_response)
        try:
            if keeps:
                return status, b"".join(body)
            for chunk in body:
                size += len(chunk)
            return status, size
        finally:
            getattr(body, "close", int)()

    return call


class Pieces(io.RawIOBase):
    """A request's body as the file that WSGI reads it from."""

    def __init__(self, workload: Workload) -> None:
        self._pieces = workload.pieces()
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def websocket_call(app: t.Any, workload: Workload) -> Call:
    """Return what echoes `MESSAGES` messages over one websocket, each after the last came
    back."""
    scope = scope_of(workload)

    async def call() -> tuple[int, bytes | int]:
        asked = echoed = 0
        back: asyncio.Future[None] | None = None

        async def receive() -> dict[str, t.Any]:
            nonlocal asked, back
            asked += 1
            if asked == 1:
                return {"type": "websocket.connect"}
            if echoed < asked - 2:
                back = asyncio.get_running_loop().create_future()
                await back
            if asked > MESSAGES + 1:
                return {"type": "websocket.disconnect", "code": 1000}
            return {"type": "websocket.receive", "text": "hello", "bytes": None}

        async def send(message: dict[str, t.Any]) -> None:
            nonlocal echoed
            if message["type"] == "websocket.send":
                echoed += message["text"] == "hello"
                if back is not None and not back.done():
                    back.set_result(None)

        try:
            await app({**scope, "state": {}}, receive, send)
        except Exception:
            if echoed != MESSAGES:  # most raise their own disconnect at the end
                raise
        return 200 if echoed == MESSAGES else 0, b""

    return call


class Lifespan:
    """Starts an ASGI app up and shuts it down: `async with`."""

    def __init__(self, app: t.Any) -> None:
        self.app = app
        self.inward: asyncio.Queue[dict[str, t.Any]] = asyncio.Queue()
        self.outward: asyncio.Queue[dict[str, t.Any]] = asyncio.Queue()

    async def __aenter__(self) -> None:
        self.task = asyncio.create_task(self._run())
        await self._step("lifespan.startup")

    async def __aexit__(self, *exc_info: object) -> None:
        if not self.task.done():
            await self._step("lifespan.shutdown")
        self.task.cancel()
        await asyncio.wait([self.task])

    async def _step(self, kind: str) -> None:
        await self.inward.put({"type": kind})
        await self.outward.get()

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        try:
            await self.app(scope, self.inward.get, self.outward.put)
        finally:
            await self.outward.put({"type": "ended"})


async def seconds_per_unit(call: Call, units: int, budget: float) -> float:
    """Return the least seconds for one unit that a block of calls took, in `budget` seconds."""
    clock = time.perf_counter
    begin = clock()
    await call()
    block = max(1, int(BLOCK / (clock() - begin)))
    for _ in range(min(block, 50)):
        await call()
    gc.collect()
    best = float("inf")
    end = clock() + budget
    while True:
        begin = clock()
        for _ in range(block):
            await call()
        now = clock()
        best = min(best, (now - begin) / (block * units))
        if now > end:
            return best


async def checked(framework: Framework, workload: Workload, app: t.Any) -> Call:
    """Return the call of a workload, after its answer was found to be right."""
    if workload.method == "WS":
        if framework.wsgi:
            raise LookupError("WSGI has no websockets")
        call = websocket_call(app, workload)
    else:
        call = (wsgi_call if framework.wsgi else asgi_call)(app, workload)
    status, body = await call()
    if framework.builder == "raw" and status == 200:
        return call
    good = status in (workload.status, *workload.or_status)
    good = good or (status == 201 and workload.method == "POST")
    if not good and status in (404, 405):
        raise LookupError(f"{framework.name} has no {workload.path}")
    if not good or not workload.accepts(body):
        raise Wrong(f"{workload.path}: status {status}, {str(body)[:60]}")
    return call


async def measure(
    framework: Framework, workloads: cabc.Iterable[Workload], budget: float
) -> dict[str, float | str | None]:
    """Return seconds per unit by workload; None for what the framework does not ship, text
    for what went wrong."""
    found: dict[str, float | str | None] = {}
    apps: dict[str, t.Any] = {}
    async with AsyncExitStack() as stack:
        for workload in workloads:
            try:
                if workload.app not in apps:
                    app = apps[workload.app] = framework.build(workload.app)
                    if not framework.wsgi:
                        await stack.enter_async_context(Lifespan(app))
                async with asyncio.timeout(budget + PATIENCE):
                    call = await checked(framework, workload, apps[workload.app])
                    units = MESSAGES if workload.method == "WS" else 1
                    found[workload.name] = await seconds_per_unit(call, units, budget)
            except LookupError:
                found[workload.name] = None
            except Exception as error:
                found[workload.name] = f"{type(error).__name__}: {error}"[:120]
    return found


async def profile(framework: Framework, workload: Workload, budget: float) -> dict[str, float]:
    """Return the share of each module in the calls of a workload, as the profiler sees it."""
    async with Lifespan(app := framework.build(workload.app)):
        call = await checked(framework, workload, app)
        await seconds_per_unit(call, 1, budget / 4)
        end = time.perf_counter() + budget
        with cProfile.Profile() as profiler:
            while time.perf_counter() < end:
                await call()
    shares: dict[str, float] = {}
    stats: t.Any = pstats.Stats(profiler)
    for (file, _, name), (_, _, own, _, _) in stats.stats.items():
        room = _room(file, name)
        shares[room] = shares.get(room, 0.0) + own
    total = sum(shares.values())
    return {room: own / total for room, own in shares.items()}


def _room(file: str, name: str) -> str:
    parts = file.replace("\\", "/").removesuffix(".py").split("/")
    if "benchmarks" in parts:
        return "driver and view"
    if "site-packages" in parts:
        parts = parts[parts.index("site-packages") + 1 :]
        return ".".join(parts) if parts[0] == "quartish" else parts[0]
    if "quartish" in parts:
        return ".".join(parts[len(parts) - parts[::-1].index("quartish") - 1 :])
    return "built-in functions" if file == "~" else "standard library"


def stay_on_one_core() -> None:
    """Keep this process where it is, as a server of many processes is kept: a thread that is
    woken on another core comes late, by more than most requests take."""
    if hasattr(os, "sched_setaffinity"):  # Linux
        os.sched_setaffinity(0, [max(os.sched_getaffinity(0))])


def main(name: str, budget: str, *names: str) -> None:
    logging.disable(logging.CRITICAL)
    stay_on_one_core()
    prepare(download=not {"download", "pathsend"}.isdisjoint(names))
    framework = FRAMEWORKS[name]
    workloads = [WORKLOADS[workload] for workload in names if not workload.startswith("-")]
    if "--profile" in names:
        result: t.Any = asyncio.run(profile(framework, workloads[0], float(budget)))
    else:
        result = asyncio.run(measure(framework, workloads, float(budget)))
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
