"""The sockets of a room, and how soon all of them are told what one says.

    python -m benchmarks.rooms.listen ws://127.0.0.1:8000/ plain 100 3

prints, as JSON, messages delivered in a second, and milliseconds until all have one.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
import typing as t

from websockets.asyncio.client import connect

UNDER_WAY = 16
"""Messages that were said and not heard by all: fewer than any library lets a socket be behind."""
SINGLE = 100
"""Messages that are said one by one for the milliseconds."""


class Plain:
    """A socket whose messages are the texts themselves."""

    path = ""

    def __init__(self, socket: t.Any) -> None:
        self.socket = socket

    async def begin(self) -> None:
        assert await self.hear() == "joined"

    async def say(self, text: str) -> None:
        await self.socket.send(text)

    async def hear(self) -> str:
        return str(await self.socket.recv())


class SocketIO(Plain):
    """One of Socket.IO's. *Source:* Socket.IO protocol, revision 5; Engine.IO, revision 4."""

    path = "socket.io/?EIO=4&transport=websocket"

    async def begin(self) -> None:
        assert str(await self.socket.recv()).startswith("0")
        await self.socket.send("40")
        wanted = {"40", "42"}  # that it is connected, and what it is told: in any order
        while wanted:
            wanted.discard(str(await self.socket.recv())[:2])

    async def say(self, text: str) -> None:
        await self.socket.send("42" + json.dumps(["say", text]))

    async def hear(self) -> str:
        while True:
            data = str(await self.socket.recv())
            if data == "2":
                await self.socket.send("3")
            elif data.startswith("42"):
                return str(json.loads(data[2:])[1])


async def measure(url: str, kind: type[Plain], count: int, seconds: float) -> dict[str, float]:
    sockets = []
    for _ in range(count):
        opened = await connect(
            url + kind.path, compression=None, ping_interval=None, max_queue=None
        )
        socket = kind(opened)
        await socket.begin()
        sockets.append(socket)
    heard: dict[str, int] = {}
    done = asyncio.Event()

    async def listen(socket: Plain) -> None:
        while True:
            text = await socket.hear()
            heard[text] = heard.get(text, 0) + 1
            if heard[text] == count:
                done.set()

    tasks = [asyncio.create_task(listen(socket)) for socket in sockets]
    try:
        async with asyncio.timeout(60 + 2 * seconds):
            return await _say(sockets[0], heard, done, count, seconds)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _say(
    one: Plain, heard: dict[str, int], done: asyncio.Event, count: int, seconds: float
) -> dict[str, float]:
    times = []
    for number in range(SINGLE):
        begin = time.perf_counter()
        await one.say(f"single {number}")
        while heard.get(f"single {number}") != count:
            done.clear()
            await done.wait()
        times.append(time.perf_counter() - begin)
    said = told = 0
    begin = time.perf_counter()
    while (now := time.perf_counter()) < begin + seconds or told < said:
        if said - told < UNDER_WAY and now < begin + seconds:
            await one.say(f"many {said}")
            said += 1
            continue
        while heard.get(f"many {told}") == count:
            told += 1
        if said - told >= UNDER_WAY or (told < said and now >= begin + seconds):
            done.clear()
            await done.wait()
    taken = time.perf_counter() - begin
    return {"a second": said * count / taken, "ms": statistics.median(times) * 1000}


def main(url: str, kind: str, count: str, seconds: str) -> None:
    kinds = {"plain": Plain, "socketio": SocketIO}
    print(json.dumps(asyncio.run(measure(url, kinds[kind], int(count), float(seconds)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
