"""Two Hypercorn processes with a thousand sockets each, and a Redis that goes and comes: each is
sent each message once, in order."""

from __future__ import annotations

import asyncio
import itertools
import os
import resource
import sys
import time
import typing as t
from contextlib import AsyncExitStack
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from tests._redis import free_port
from tests._redis import Redis
from tests._redis import redis_server
from tests._redis import running
from tests._redis import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.redis]

ROOT = Path(__file__).parents[2]
MESSAGES = 20
OPEN_FILES = 4096


@pytest.fixture
def sockets_each() -> t.Iterator[int]:
    """A thousand for each process, or fewer where the hard limit of open files is low; until then
    this process, and those that it starts, may have as many open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    yield min(1000, (most - 200) // 2)  # the clients' ends of both are here
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def process_of(redis: Redis) -> t.Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "hypercorn", "--bind", f"127.0.0.1:{port}"]
    command += ["--graceful-timeout", "1", "tests.groups.served:create_app()"]
    environ = {"GROUPS_URL": redis.url, "PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    with running(*command, cwd=ROOT, env=environ) as process:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: httpx.get(f"{url}/members"), httpx.TransportError, process)
        yield url


async def test_everybody_is_sent_everything_once(tmp_path: Path, sockets_each: int) -> None:
    with redis_server(tmp_path) as redis, process_of(redis) as one, process_of(redis) as two:
        async with AsyncExitStack() as stack, httpx.AsyncClient(timeout=30) as http:
            sockets = []
            for url in (one, two):
                for _ in range(sockets_each):
                    socket = await stack.enter_async_context(
                        connect(url.replace("http", "ws"), open_timeout=60, ping_interval=None)
                    )
                    assert await socket.recv() == "joined"
                    sockets.append(socket)
            told = (await http.get(f"{one}/members")).json()
            assert told == {"members": 2 * sockets_each, "processes": 2}

            said = [str(number) for number in range(MESSAGES)]
            half = MESSAGES // 2
            await say(http, (one, two), said[:half])
            await asyncio.to_thread(redis.stop)
            later = asyncio.create_task(start_after(0.5, redis))
            await say(http, (one, two), said[half:])
            await later
            for socket in sockets:
                async with asyncio.timeout(60):
                    assert [await socket.recv() for _ in said] == said
            # And to all but the one who says it.
            await sockets[0].send("from one of them")
            for socket in sockets[1:]:
                assert await asyncio.wait_for(socket.recv(), 60) == "from one of them"
        end = time.monotonic() + 30
        while httpx.get(f"{two}/members").json()["members"]:
            assert time.monotonic() < end
            await asyncio.sleep(0.1)


async def say(http: httpx.AsyncClient, urls: t.Sequence[str], said: t.Sequence[str]) -> None:
    """Say it to the processes in turn."""
    for url, text in zip(itertools.cycle(urls), said, strict=False):
        assert (await http.post(f"{url}/say/{text}")).status_code == 200


async def start_after(seconds: float, redis: Redis) -> None:
    await asyncio.sleep(seconds)
    await asyncio.to_thread(redis.start)
