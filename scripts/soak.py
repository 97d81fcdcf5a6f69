"""Soak apps of both colours behind each server: 16 clients, of whose requests 40 % are faults.

Each request carries a mark, which its answer has to show. Nothing may be answered wrongly, no
memory, file, thread or task may be left after the first quarter, and the log may hold no traceback
but those of what the app raises itself. Prints a line for each run; the status says whether all
held.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import itertools
import os
import random
import re
import sys
import time
import typing as t
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests._processes import COMMANDS
from tests._processes import is_installed
from tests._processes import Process
from tests._processes import serve

APPS = ("plain", "awaitable", "quart", "starlette")
CLIENTS = 16
FAULTS = 0.4
MEMORY = 2048  # kB that may be added after the first quarter
#: granian's own heap grows for minutes, with an app of ten lines as well.
ALLOWED = {"granian": 10_240}
PATIENCE = 20.0  # seconds in which an answer has to come
SETTLE = 6.5  # seconds: Hypercorn keeps a connection for 5 that says nothing
COLUMNS = "{:10} {:10} {:>8} {:>7} {:>6} {:>12} {:>11} {:>11} {:>9} {:>7}"


class Wrong(Exception):
    """An answer that is not the right one."""


class Answer(t.NamedTuple):
    status: int
    mark: str
    body: str


def parse(data: bytes) -> Answer:
    """Read an answer that ended with its connection."""
    head, _, rest = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 "):
        raise Wrong(f"no answer: {data[:80]!r}")
    lines = head.decode("latin-1").lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    if headers.get("transfer-encoding") == "chunked":
        body, last = b"", -1
        while last:
            size, _, rest = rest.partition(b"\r\n")
            last = int(size or b"0", 16) if size else 0
            body, rest = body + rest[:last], rest[last + 2 :]
    else:
        body = rest
        if "content-length" in headers and len(body) != int(headers["content-length"]):
            raise Wrong(f"{len(body)} bytes of {headers['content-length']}")
    return Answer(int(lines[0].split()[1]), headers.get("x-mark", ""), body.decode())


class Client:
    """One of the clients, which sends one request after the other."""

    marks = itertools.count()

    def __init__(self, server: Process, seed: int) -> None:
        self.server = server
        self.random = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []

    async def run(self, until: float) -> None:
        while time.monotonic() < until:
            mark = f"m{next(self.marks)}"
            faulty = self.random.random() < FAULTS
            do = self.random.choice(self.FAULTY if faulty else self.RIGHT)
            self.counts["faults" if faulty else "right"] += 1
            try:
                async with asyncio.timeout(PATIENCE):
                    await do(self, mark)
            except (Wrong, TimeoutError) as error:
                self.wrong.append(f"{do.__name__} {mark}: {error!r}")
            except OSError as error:
                if not faulty:
                    self.wrong.append(f"{do.__name__} {mark}: {error!r}")

    # --- what is sent -------------------------------------------------------------------------

    def head(self, method: str, path: str, *lines: str) -> bytes:
        head = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *lines]
        return "\r\n".join([*head, "", ""]).encode()

    def upload(self, mark: str) -> tuple[bytes, bytes, str]:
        """Return the head and the body of an upload, and what its answer is."""
        data = self.random.randbytes(self.random.choice([10, 5_000, 200_000, 700_000]))
        digest = hashlib.sha256(data).hexdigest()
        if self.random.random() < 0.5:
            head = self.head("POST", f"/raw?mark={mark}", f"Content-Length: {len(data)}")
            return head, data, f"{mark} {digest}"
        body = (
            b'--b\r\nContent-Disposition: form-data; name="mark"\r\n\r\n'
            + mark.encode()
            + b'\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
            + data
            + b"\r\n--b--\r\n"
        )
        kind = "Content-Type: multipart/form-data; boundary=b"
        head = self.head("POST", f"/form?mark={mark}", kind, f"Content-Length: {len(body)}")
        return head, body, f"{mark} {digest}"

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self.server.address)

    async def talk(self, *pieces: bytes, pause: float = 0, slow: bool = False) -> Answer:
        reader, writer = await self.open()
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                if pause:
                    await asyncio.sleep(pause)
            data = b""
            while chunk := await reader.read(1000 if slow else 65536):
                data += chunk
                if slow:
                    await asyncio.sleep(0.002)
            return parse(data)
        finally:
            writer.close()

    def check(self, answer: Answer, mark: str, body: str, status: int = 200) -> None:
        if answer != (status, mark, body):
            raise Wrong(f"{answer.status} {answer.mark} {answer.body[:80]}")

    # --- what is right ------------------------------------------------------------------------

    async def echo(self, mark: str) -> None:
        path = self.random.choice(["echo", "thread", "session"])
        answer = await self.talk(self.head("GET", f"/{path}?mark={mark}"))
        self.check(answer, mark, f"{mark} {mark}")

    async def send(self, mark: str) -> None:
        head, body, expected = self.upload(mark)
        self.check(await self.talk(head, body), mark, expected)

    async def stream(self, mark: str) -> None:
        path = self.random.choice(["stream", "stream-thread"])
        answer = await self.talk(self.head("GET", f"/{path}?mark={mark}"))
        self.check(answer, mark, f"{mark}\n" * 2000)

    async def file(self, mark: str) -> None:
        answer = await self.talk(self.head("GET", f"/static/soak.py?mark={mark}"))
        self.check(answer, mark, Path(__file__).read_text())

    async def socket(self, mark: str) -> None:
        reader, writer = await self.shake_hands(mark)
        try:
            for number in range(5):
                writer.write(frame(f"{number}".encode()))
                answer = await read_frame(reader)
                if answer != f"{mark} {number}":
                    raise Wrong(answer)
            writer.write(frame(b"\x03\xe8", 8))
            await writer.drain()
        finally:
            writer.close()

    RIGHT: t.ClassVar = [echo, echo, send, stream, file, socket]

    # --- what is not --------------------------------------------------------------------------

    async def leave_in_head(self, mark: str) -> None:
        head = self.head("GET", f"/echo?mark={mark}")
        await self.leave(head[: self.random.randrange(1, len(head))])

    async def leave_in_upload(self, mark: str) -> None:
        head, body, _ = self.upload(mark)
        await self.leave(head, body[: self.random.randrange(len(body))])

    async def leave_before_answer(self, mark: str) -> None:
        path = self.random.choice(["echo", "thread", "stream", "stream-thread", "session"])
        await self.leave(self.head("GET", f"/{path}?mark={mark}"))

    async def leave_in_answer(self, mark: str) -> None:
        path = self.random.choice(["stream", "stream-thread"])
        await self.leave(self.head("GET", f"/{path}?mark={mark}"), take=2000)

    async def leave(self, *pieces: bytes, take: int = 0) -> None:
        reader, writer = await self.open()
        writer.writelines(pieces)
        if self.random.random() < 0.5:
            await writer.drain()
        if take:
            await reader.read(take)
        elif self.random.random() < 0.5:
            await asyncio.sleep(self.random.random() / 100)
        if self.random.random() < 0.5:
            writer.transport.abort()
        else:
            writer.close()

    async def malformed(self, mark: str) -> None:
        lines = [
            b"nonsense\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"\x16\x03\x01\x00\xa5",
            b"GET\r\n\r\n",
            self.head("GET", f"/echo?mark={mark}", "Content-Length: x"),
            self.head("POST", f"/raw?mark={mark}", "Transfer-Encoding: chunked") + b"zz\r\n",
            self.head(
                "POST",
                f"/form?mark={mark}",
                "Content-Type: multipart/form-data",
                "Content-Length: 3",
            )
            + b"--b",
            self.head("GET", f"/echo?mark={mark}", "X: " + "y" * 40_000),
        ]
        reader, writer = await self.open()
        writer.write(self.random.choice(lines))
        try:
            async with asyncio.timeout(0.2):
                data = await reader.read(65536)
            # A server may answer what it cannot read as it likes, and the app never with a 5xx.
            if data.startswith(b"HTTP/1.1 5") and b"x-mark" in data.lower():
                raise Wrong(f"{data[:30]!r}")
        except TimeoutError:
            pass  # it waits for more
        finally:
            writer.close()

    async def slow_writer(self, mark: str) -> None:
        head, body, expected = self.upload(mark)
        cut = len(body) // 3 + 1
        pieces = [head[:30], head[30:], *(body[at : at + cut] for at in range(0, len(body), cut))]
        self.check(await self.talk(*pieces, pause=0.01), mark, expected)

    async def slow_reader(self, mark: str) -> None:
        path = self.random.choice(["stream", "stream-thread"])
        answer = await self.talk(self.head("GET", f"/{path}?mark={mark}"), slow=True)
        self.check(answer, mark, f"{mark}\n" * 2000)

    async def fail(self, mark: str) -> None:
        answer = await self.talk(self.head("GET", f"/fail?mark={mark}"))
        if (answer.status, answer.mark) != (500, mark):
            raise Wrong(str(answer))

    async def drop_socket(self, mark: str) -> None:
        reader, writer = await self.shake_hands(mark)
        for _ in range(self.random.randrange(4)):
            writer.write(frame(b"x"))
        if self.random.random() < 0.3:
            writer.write(frame(b"x" * 100)[:20])
        if self.random.random() < 0.5:
            await writer.drain()
        writer.transport.abort()

    FAULTY: t.ClassVar = [
        *(leave_in_head, leave_in_upload, leave_before_answer, leave_in_answer, malformed),
        *(slow_writer, slow_reader, fail, drop_socket),
    ]

    # --- websockets ---------------------------------------------------------------------------

    async def shake_hands(self, mark: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await self.open()
        writer.write(
            f"GET /ws?mark={mark} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in head.partition(b"\r\n")[0]:
            raise Wrong(f"{head[:60]!r}")
        return reader, writer


def frame(data: bytes, code: int = 1) -> bytes:
    """Return a frame as clients send it (RFC 6455, section 5.2)."""
    return bytes([0x80 | code, 0x80 | len(data)]) + bytes(4) + data


async def read_frame(reader: asyncio.StreamReader) -> str:
    head = await reader.readexactly(2)
    return (await reader.readexactly(head[1] & 0x7F)).decode()


HELD = ("memory", "files", "threads", "tasks")


async def state(server: Process, seconds: float = SETTLE) -> dict[str, int]:
    """Return what the server holds when nothing goes on: the least of some seconds, as servers let
    go of connections in their own time."""
    client = Client(server, 0)
    seen: list[dict[str, int]] = []
    until = time.monotonic() + seconds
    while not seen or time.monotonic() < until:
        await asyncio.sleep(0.25)
        answer = await client.talk(client.head("GET", "/state?mark=s"))
        seen.append({key: int(n) for key, n in re.findall(r'"(\w+)": ?(\d+)', answer.body)})
    return {key: min(each[key] for each in seen) for key in HELD}


async def soak(server: Process, seconds: float, seed: int) -> tuple[list[Client], list[t.Any]]:
    clients = [Client(server, seed + number) for number in range(CLIENTS)]
    states = []
    began = time.monotonic()
    for share in (0.25, 1.0):
        until = began + seconds * share
        await asyncio.gather(*(client.run(until) for client in clients))
        states.append(await state(server))
    return clients, states


def judge(name: str, server: Process, clients: list[Client], states: list[t.Any]) -> list[str]:
    """Return what did not hold."""
    before, after = states
    found = [line for client in clients for line in client.wrong]
    if after["memory"] > before["memory"] + ALLOWED.get(name, MEMORY):
        found.append(f"memory {before['memory']} -> {after['memory']} kB")
    found += [
        f"{key} {before[key]} -> {after[key]}"
        for key in ("files", "threads", "tasks")
        if after[key] > before[key]
    ]
    for trace in server.log().split("Traceback (most recent call last)")[1:]:
        if "Deliberate: m" not in trace:
            found.append(f"a traceback that is not the app's: {trace[-600:]}")
    if server.process.poll() is not None:
        found.append("the server has ended")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    parser.add_argument("seconds", nargs="?", type=float, default=60, help="in all (60)")
    parser.add_argument("servers", nargs="*", default=[*COMMANDS], help=", ".join(COMMANDS))
    parser.add_argument("--apps", nargs="+", choices=APPS, default=APPS[:2])
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    servers = [name for name in options.servers if is_installed(name)]
    for name in set(options.servers) - set(servers):
        print(f"{name} is not installed: skipped")
    runs = [(name, colour) for name in servers for colour in options.apps]
    names = (
        "server",
        "app",
        "requests",
        "faults",
        "wrong",
        "memory kB",
        "files",
        "threads",
        "tasks",
        "holds",
    )
    print(f"seed {options.seed}\n" + COLUMNS.format(*names))
    failed = False
    for name, colour in runs:
        with serve(name, "scripts.soaked:app", APP=colour, MALLOC_ARENA_MAX="1") as server:
            seconds = options.seconds / len(runs)
            clients, states = asyncio.run(soak(server, seconds, options.seed))
            found = judge(name, server, clients, states)
        counts = sum((client.counts for client in clients), Counter[str]())
        moved = [f"{states[0][key]}>{states[1][key]}" for key in states[0]]
        wrong = sum(len(client.wrong) for client in clients)
        print(
            COLUMNS.format(
                name,
                colour,
                counts.total(),
                counts["faults"],
                wrong,
                *moved,
                "no" if found else "yes",
            ),
            flush=True,
        )
        for line in found[:10]:
            print("   ", line.replace(os.linesep, "\n    "), flush=True)
        failed = failed or bool(found)
    sys.exit(failed)


if __name__ == "__main__":
    main()
