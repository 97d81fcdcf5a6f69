"""Load the same app in quartish, Quart and Starlette, behind one server; print a table.

Parts: idle (websockets that say nothing), marked (requests side by side, each with a mark), blocked
(a static file beside blocked views), slow (the same beside clients that read and write slowly, and
the memory that these take), raw and form (an upload; how much memory it takes), reset (a static
file beside HTTP/2 streams that are reset as soon as they are opened; behind Hypercorn).
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import socket
import sys
import time
import typing as t
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from h2.config import H2Configuration
from h2.connection import H2Connection

from scripts.soak import APPS
from scripts.soak import Client
from scripts.soak import frame
from scripts.soak import read_frame
from scripts.soak import state
from tests._processes import Process
from tests._processes import serve

PIECE = bytes(1 << 16)
LONG = 300.0


def memory(server: Process) -> int:
    """Return the most memory, in kB, that the server has had."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


async def idle(server: Process, count: int) -> str:
    """Hold websockets open: the memory of each, and whether one in a hundred still answers."""
    client = Client(server, 1)
    before = await state(server, 1)
    opened: list[t.Any] = []
    began = time.monotonic()
    for start in range(0, count, 200):
        size = min(200, count - start)
        opened += await asyncio.gather(*(client.shake_hands("x") for _ in range(size)))
    took = time.monotonic() - began
    held = (await state(server, 1))["memory"] - before["memory"]
    wrong = 0
    for number, (reader, writer) in enumerate(opened[::100]):
        writer.write(frame(str(number).encode()))
        wrong += not (await read_frame(reader)).endswith(str(number))
    for _, writer in opened:
        writer.transport.abort()
    await asyncio.sleep(2)
    after = await state(server, 2)
    left = after["tasks"] - before["tasks"]
    return f"{held / count:.1f} kB each, {took:.0f} s to open, {wrong} wrong, {left} tasks left"


async def marked(server: Process, count: int) -> str:
    """Send requests side by side: how many were answered wrongly, and how long all took."""
    client = Client(server, 1)

    async def one(number: int) -> bool:
        try:
            answer = await client.talk(client.head("GET", f"/mark?mark=m{number}"))
            return (answer.status, answer.body) == (200, f"m{number}")
        except Exception:
            return False

    began = time.monotonic()
    right = await asyncio.gather(*(one(number) for number in range(count)))
    return f"{right.count(False)} wrong, {time.monotonic() - began:.1f} s"


async def longest_fetch(client: Client, seconds: float) -> float:
    """Fetch a file again and again; return the longest that one fetch took."""
    get = client.head("GET", "/static/soak.py")
    longest, until = 0.0, time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.monotonic()
        await client.talk(get)
        longest = max(longest, time.monotonic() - began)
        await asyncio.sleep(0.02)
    return longest


async def slow(server: Process, count: int) -> str:
    """Fetch a file beside clients half of which read 16 MB slowly, and half write slowly."""
    client = Client(server, 1)
    await longest_fetch(client, 0.1)
    before = await state(server, 1)

    async def read() -> None:
        reader, writer = await client.open()
        writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        writer.write(client.head("GET", "/pieces"))
        while await reader.read(1024):
            await asyncio.sleep(0.25)

    async def write() -> None:
        _, writer = await client.open()
        writer.write(client.head("POST", "/raw", "Content-Type: a/b", "Content-Length: 1000000"))
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.25)

    clients = [asyncio.create_task(read() if n % 2 else write()) for n in range(count)]
    await asyncio.sleep(3)
    longest = await longest_fetch(client, 3)
    held = (await state(server, 1))["memory"] - before["memory"]
    for each in clients:
        each.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    return f"{longest * 1000:.0f} ms, {held / count:.0f} kB each"


async def blocked(server: Process, count: int) -> str:
    """Fetch a file beside blocked views: the longest that one fetch took."""
    client = Client(server, 1)
    await longest_fetch(client, 0.1)
    views = [
        asyncio.create_task(client.talk(client.head("GET", f"/block?mark=m{number}")))
        for number in range(count)
    ]
    await asyncio.sleep(0.6)
    longest = await longest_fetch(client, 0.6)
    for view in views:
        view.cancel()
    await asyncio.gather(*views, return_exceptions=True)
    return f"{longest * 1000:.0f} ms"


async def reset(server: Process, count: int) -> str:
    """Fetch a file while streams are opened and reset at once, 90 of a connection; what is left.

    *Source:* CVE-2023-44487, "HTTP/2 Rapid Reset".
    """
    client = Client(server, 1)
    await longest_fetch(client, 0.1)
    before = await state(server, 1)

    async def attack(streams: int) -> None:
        connection = H2Connection(H2Configuration(header_encoding="utf-8"))
        connection.initiate_connection()
        for number in range(streams):
            stream = connection.get_next_available_stream_id()
            path = ("/pieces", "/block?mark=m", "/mark?mark=m")[number % 3]
            head = [(":method", "GET"), (":scheme", "http"), (":path", path)]
            connection.send_headers(stream, [*head, (":authority", "a")], end_stream=True)
            connection.reset_stream(stream)
        _, writer = await client.open()
        writer.write(connection.data_to_send())
        await writer.drain()
        await asyncio.sleep(0.5)
        writer.transport.abort()

    fetching = asyncio.create_task(longest_fetch(client, 5))
    for start in range(0, count, 90):
        await attack(min(90, count - start))
    longest = await fetching
    for _ in range(4):  # Hypercorn keeps a connection for 5 s; a view that blocks is waited for
        after = await state(server, 8)
        if after["tasks"] <= before["tasks"]:
            break
    left = {key: after[key] - before[key] for key in ("tasks", "files", "memory")}
    return (
        f"{longest * 1000:.0f} ms, {left['tasks']} tasks and {left['files']} files left,"
        f" {left['memory'] / 1024:+.1f} MB"
    )


async def upload(server: Process, size: int, *, form: bool) -> str:
    client = Client(server, 1)
    head, end = b"", b""
    if form:
        head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
        end = b"\r\n--b--\r\n"
    length = len(head) + size + len(end)

    async def send(pieces: int) -> str:
        length = len(head) + pieces * len(PIECE) + len(end)
        reader, writer = await client.open()
        path, kind = ("/form", "multipart/form-data; boundary=b") if form else ("/raw", "a/b")
        lines = [f"Content-Type: {kind}", f"Content-Length: {length}"]
        writer.write(client.head("POST", path, *lines) + head)
        for _ in range(pieces):
            writer.write(PIECE)
            await writer.drain()
        writer.write(end)
        answer = (await reader.read()).decode()
        writer.close()
        return answer

    await send(100)  # what is needed once is there
    before, began = memory(server), time.monotonic()
    answer = await send(size // len(PIECE))
    took, more = time.monotonic() - began, memory(server) - before
    right = f"{size // len(PIECE) * len(PIECE)}" in answer
    return f"{'' if right else 'WRONG, '}+{more / 1024:.1f} MB, {length / took / 1e6:.0f} MB/s"


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/load", description=__doc__)
    parser.add_argument("--server", default="uvicorn")
    parser.add_argument("--apps", nargs="+", choices=APPS, default=APPS)
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--marked", type=int, default=6_000)
    parser.add_argument("--blocked", type=int, nargs="+", default=[60, 400])
    parser.add_argument("--slow", type=int, default=400)
    parser.add_argument("--reset", type=int, default=900)
    parser.add_argument("--upload", type=int, default=1_000, help="MB")
    parser.add_argument(
        "parts", nargs="*", default=["marked", "blocked", "slow", "raw", "form", "idle"]
    )
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    size = options.upload * 1_000_000
    work: dict[str, tuple[str, t.Callable[[Process], t.Awaitable[str]]]] = {}
    for part in options.parts:
        if part == "blocked":
            for count in options.blocked:
                work[f"file beside {count} blocked views"] = (
                    part,
                    lambda server, count=count: blocked(server, count),
                )
        elif part == "marked":
            work[f"{options.marked} marked at once"] = (
                part,
                lambda server: marked(server, options.marked),
            )
        elif part == "slow":
            work[f"file beside {options.slow} slow clients"] = (
                part,
                lambda server: slow(server, options.slow),
            )
        elif part == "reset":
            work[f"file beside {options.reset} streams that are reset"] = (
                part,
                lambda server: reset(server, options.reset),
            )
        elif part == "idle":
            work[f"{options.idle} idle websockets"] = (
                part,
                lambda server: idle(server, options.idle),
            )
        else:
            work[f"{options.upload} MB {part}"] = (
                part,
                lambda server, form=part == "form": upload(server, size, form=form),
            )
    print(f"| behind {options.server} | " + " | ".join(options.apps) + " |")
    print("|---" * (len(options.apps) + 1) + "|")
    for name, (_, func) in work.items():
        found = []
        for app in options.apps:
            with serve(
                options.server, "scripts.loaded:app", APP=app, MALLOC_ARENA_MAX="1"
            ) as server:
                try:
                    found.append(asyncio.run(asyncio.wait_for(func(server), LONG)))
                except Exception as error:
                    found.append(f"failed: {error!r}"[:60])
        print(f"| {name} | " + " | ".join(found) + " |", flush=True)


if __name__ == "__main__":
    main()
