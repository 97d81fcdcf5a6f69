"""Handlers that catch, in a loop, whatever we raise: none of them keeps the loop from the others.

Each way to read, send and close is played with each end that it can come to. All of them run side
by side for a moment; meanwhile the loop has to go round, and each loop may turn only so often.
"""

from __future__ import annotations

import asyncio
import time
import typing as t
from contextlib import AsyncExitStack
from itertools import product

import pytest

from quartish import current_app
from quartish import request
from quartish import websocket
from tests._scripted import HttpPeer
from tests._scripted import WebsocketPeer

App = type[t.Any]
Call = t.Callable[[], t.Awaitable[t.Any]]

SECONDS = 0.4
"""How long each handler goes on."""
ROUNDS = 50
"""How often each may turn meanwhile."""


class Stubborn:
    """Counts the rounds of each loop that goes on whatever it catches."""

    def __init__(self, caught: type[BaseException], in_task: bool) -> None:
        self.caught = caught
        self.in_task = in_task
        self.rounds: dict[str, int] = {}
        self.raised: dict[str, str] = {}
        #: When all end: late, where one keeps the loop from saying when.
        self.end = time.monotonic() + 20

    def note(self, name: str, error: BaseException | None) -> None:
        self.rounds[name] = self.rounds.get(name, 0) + 1
        if error is not None:
            self.raised[name] = type(error).__name__

    async def go_on(self, name: str, call: Call) -> None:
        async def loop() -> None:
            self.note(name, None)
            while time.monotonic() < self.end:
                try:
                    await call()
                except self.caught as error:
                    self.note(name, error)
                else:
                    break

        await (asyncio.ensure_future(loop()) if self.in_task else loop())

    def go_on_in_thread(self, name: str, call: t.Callable[[], t.Any]) -> None:
        self.note(name, None)
        while time.monotonic() < self.end:
            try:
                call()
            except self.caught as error:
                self.note(name, error)
            else:
                break

    async def watch(self) -> None:
        """See the loop go round, and let the handlers end."""
        began = time.monotonic()
        for _ in range(10):
            await asyncio.sleep(SECONDS / 10)
        self.end = time.monotonic()
        assert self.end - began < 10
        assert {name: n for name, n in self.rounds.items() if n > ROUNDS} == {}


CAUGHT = [Exception, BaseException]
SLOW = pytest.mark.slow


# --- requests -------------------------------------------------------------------------------------


async def _iterate() -> None:
    stream: t.Any = request.stream if current_app.plain else request.body  # type: ignore[attr-defined]
    async for _ in stream:
        pass


async def _body() -> None:
    await request.body  # type: ignore[attr-defined, misc]


READS: dict[str, t.Callable[[], t.Any]] = {
    "iterate": _iterate,
    "body": _body,
    "get_data": lambda: request.get_data(),
    "get_data uncached": lambda: request.get_data(cache=False),
    "get_data parsed": lambda: request.get_data(parse_form_data=True),
    "data": lambda: request.data,
    "form": lambda: request.form,
    "files": lambda: request.files,
    "values": lambda: request.values,
    "json": lambda: request.json,
    "get_json": lambda: request.get_json(force=True),
    "get_json uncached": lambda: request.get_json(force=True, cache=False),
}
KINDS = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"]


def leave(peer: HttpPeer) -> None:
    peer.say(b"--b\r\n")
    peer.leave()


def exceed(peer: HttpPeer) -> None:
    peer.say(b"x" * 300)
    peer.say(b"x" * 300, more=False)


def damage(peer: HttpPeer) -> None:
    peer.say(b"--b\r\nx", more=False)


def dawdle(peer: HttpPeer) -> None:
    peer.say(b"--b\r\n")


ENDS = {"leaves": leave, "too large": exceed, "damaged": damage, "too slow": dawdle}
ENDS["announced too large"] = exceed


@pytest.mark.parametrize("caught", CAUGHT)
@pytest.mark.parametrize("in_task", [False, True], ids=["handler", "task"])
async def test_reading_a_body(colour: App, caught: t.Any, in_task: bool) -> None:
    app = colour("app")
    app.config.update(MAX_CONTENT_LENGTH=400, DISCONNECT_GRACE=0.1, BODY_TIMEOUT=0.05)
    stubborn = Stubborn(caught, in_task)
    reads = {"iterate": _iterate} if app.plain else READS

    @app.post("/<read>/<end>/<int:kind>", stream_body=True)
    async def view(read: str, end: str, kind: int) -> str:
        await stubborn.go_on(f"{read} {end} {kind}", READS[read])
        return "ended"

    peers = []
    async with AsyncExitStack() as stack:
        for read, end, (kind, content_type) in product(reads, ENDS, enumerate(KINDS)):
            if kind and not app.plain and read not in ("form", "files", "values", "data"):
                continue  # it makes no difference
            headers = {"content-type": content_type}
            if end == "announced too large":
                headers["content-length"] = "600"
            peer = HttpPeer(app, f"/{read}/{end}/{kind}", "POST", body=None, **headers)
            peers.append(await stack.enter_async_context(peer))
            ENDS[end](peer)
        await stubborn.watch()
        await asyncio.gather(*[peer.ended() for peer in peers])
    assert len(stubborn.rounds) == len(peers)


@pytest.mark.parametrize("ignores", [False, True])
@pytest.mark.parametrize("own_iterator", [False, True])
async def test_a_stream_that_never_waits(colour: App, ignores: bool, own_iterator: bool) -> None:
    """The server takes all of it at once; and where it `ignores` it, also after the client left."""
    app = colour("app")
    end = time.monotonic() + 5
    pieces = 0

    async def generate() -> t.AsyncIterator[str]:
        nonlocal pieces
        while time.monotonic() < end:
            pieces += 1
            yield "x"

    class Iterator:
        def __aiter__(self) -> t.Any:
            return generate()

    @app.route("/")
    async def view() -> t.Any:
        return app.response_class(Iterator() if own_iterator else generate())

    async with HttpPeer(app) as peer:
        await peer.until(3)
        peer.leave()
        peer.broken = not ignores
        await peer.ended()
        assert time.monotonic() < end
    assert pieces < 100_000  # of millions


# --- websockets -----------------------------------------------------------------------------------


async def _iterate_messages() -> None:
    async for _ in websocket:
        pass


CALLS: dict[str, Call] = {
    "accept": lambda: websocket.accept(),
    "receive": lambda: websocket.receive(),
    "send": lambda: websocket.send("x"),
    "close": lambda: websocket.close(),
    "receive_json": lambda: websocket.receive_json(),
    "send_json": lambda: websocket.send_json("x"),
    "send what cannot be sent": lambda: websocket.send(1),  # type: ignore[arg-type]
    "iterate": _iterate_messages,
}


async def _nothing() -> None:
    pass


async def _closed() -> None:
    await websocket.accept()
    await websocket.close()


STATES: dict[str, Call] = {
    "new": _nothing,
    "accepted": lambda: websocket.accept(),
    "closed": _closed,
    "rejected": lambda: websocket.close(),
}


class Client(WebsocketPeer):
    """Its server knows the order in which ASGI wants messages, and never waits: a send raises at
    once where it does not fit, or is ignored (`ignores`) where the client has left."""

    ignores = False
    left = False

    async def _receive(self) -> dict[str, t.Any]:
        if self.left and self._to_app.empty():
            raise RuntimeError("received after the disconnect")
        return await super()._receive()

    async def _send(self, message: t.Any) -> None:
        if self.left:
            if self.ignores:
                return
            raise OSError("the client left")
        if "close" in self.types or ("accept" in self.types) == (
            message["type"] == "websocket.accept"
        ):
            if message["type"] != "websocket.close" or "close" in self.types:
                raise RuntimeError(f"unexpected: {message}")
        await super()._send(message)

    def leave(self, code: int = 1005, reason: str = "") -> None:
        self.left = True
        super().leave(code, reason)


@pytest.mark.parametrize("leaves", ["no", "ignored", pytest.param("raised", marks=SLOW)])
@pytest.mark.parametrize("caught", [CAUGHT[0], *(pytest.param(c, marks=SLOW) for c in CAUGHT[1:])])
@pytest.mark.parametrize("where", ["handler", "task", "thread"])
async def test_talking_over_a_websocket(
    colour: App, leaves: str, caught: t.Any, where: str
) -> None:
    app = colour("app")
    app.config.update(DISCONNECT_GRACE=0.1, VIEW_THREADS=40)
    stubborn = Stubborn(caught, where == "task")

    if where == "thread":

        @app.websocket("/<state>/<call>")
        def view(state: str, call: str) -> None:
            if state in ("accepted", "closed"):
                websocket.accept()
            if state in ("closed", "rejected"):
                websocket.close()
            func = CALLS[call] if call != "iterate" else lambda: list(websocket)  # type: ignore[call-overload]
            stubborn.go_on_in_thread(f"{state} {call}", func)

    else:

        @app.websocket("/<state>/<call>")
        async def view(state: str, call: str) -> None:
            await STATES[state]()
            await stubborn.go_on(f"{state} {call}", CALLS[call])

    peers = []
    async with AsyncExitStack() as stack:
        for state, call in product(STATES, CALLS):
            peer = Client(app, f"/{state}/{call}")
            peer.ignores = leaves == "ignored"
            peers.append(await stack.enter_async_context(peer))
            peer.say("{")
        await asyncio.sleep(0.05)
        if leaves != "no":
            for peer in peers:
                peer.leave()
        await stubborn.watch()
        for peer in peers:
            peer.leave()
        await asyncio.gather(*[peer.ended() for peer in peers])
    assert len(stubborn.rounds) == len(peers)
