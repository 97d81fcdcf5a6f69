"""A client, a server and time, in any order: what they do is made up, and what the app does about
it has to keep the law of ASGI.

The machine moves a scripted server step by step: the client sends pieces, stops, leaves; the
server's `send` is slow, fails (as since ASGI 2.4), or ignores what it is given after a disconnect
(as before); it cancels the app call; time passes, without anybody waiting for it. At the end of
each run: one start at most, one end of the body at most and nothing after it, all of it where
nobody left; teardown once; every generator closed; no task, timer, context or busy thread, no
coroutine that nobody awaited.

Source: ASGI specification, versions 2.3 and 2.4, "HTTP" and "WebSocket".
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
import typing as t
import weakref
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize
from hypothesis.stateful import invariant
from hypothesis.stateful import precondition
from hypothesis.stateful import rule
from hypothesis.stateful import RuleBasedStateMachine
from hypothesis.stateful import run_state_machine_as_test

import quartish
from quartish._concurrency import giving_up
from quartish._current import find_context
from quartish._http import body as _body
from quartish._http import inbox as _inbox
from quartish.asgi import exchange as _exchange
from quartish.asgi import send as _send
from quartish.asgi import unread as _unread
from quartish.ctx import AppContext
from quartish.views import survives_disconnect
from tests._scopes import http_scope
from tests._scopes import websocket_scope
from tests.fuzz.test_fuzz import EXAMPLES

Message = dict[str, t.Any]
#: Rooms that read the clock. One that read the real one would wait while time passes for the rest.
TIMED: list[t.Any] = [_body, _exchange, _inbox, _send, _unread]
PATIENCE = 5.0  # seconds, real ones, in which all has to be over


class Clock(asyncio.SelectorEventLoop):
    """A loop whose time passes as told, beside the real one."""

    skew = 0.0

    def time(self) -> float:
        return super().time() + self.skew


class Life:
    """What views and hooks note of one connection."""

    def __init__(self) -> None:
        self.entered = self.teardowns = 0
        self.opened = self.closed = 0
        self.busy = 0
        self.contexts: list[weakref.ref[AppContext]] = []


@contextmanager
def noted(life: Life) -> t.Iterator[None]:
    """Note that user code is in a view or a generator, and that it comes out of it."""
    life.busy += 1
    try:
        yield
    finally:
        life.busy -= 1


def make_app(cls: type[t.Any], life: Life) -> t.Any:
    app = cls("machine")
    app.config.update(SECRET_KEY="key", DISCONNECT_GRACE=8, BODY_TIMEOUT=5, RESPONSE_TIMEOUT=5)
    app.config["MAX_CONTENT_LENGTH"] = 5000
    plain = app.plain

    @app.before_request
    def before() -> None:
        life.entered += 1
        life.contexts.append(weakref.ref(quartish.globals.app_ctx._get_current_object()))  # type: ignore[attr-defined]

    app.before_websocket(before)

    @app.teardown_request
    def teardown(error: t.Any) -> None:
        life.teardowns += 1

    @app.teardown_websocket
    async def teardown_async(error: t.Any) -> None:
        await asyncio.sleep(0)
        life.teardowns += 1

    async def value(of: t.Any) -> t.Any:
        return of if plain else await of

    # --- http

    async def answer() -> str:
        return "ok"

    async def sleep() -> str:
        with noted(life):
            await asyncio.sleep(3)
        return "slept"

    @survives_disconnect
    async def survive() -> str:
        with noted(life):
            await asyncio.sleep(3)
        return "survived"

    async def clean_up() -> str:
        with noted(life):
            try:
                await asyncio.sleep(3)
            finally:
                await asyncio.sleep(0.5)
        return "slept"

    async def read() -> str:
        with noted(life):
            return str(len(await value(quartish.request.get_data())))

    async def form() -> str:
        with noted(life):
            return str(len(await value(quartish.request.form)))

    async def fail() -> str:
        await asyncio.sleep(0.1)
        raise LookupError

    async def session() -> str:
        quartish.session["a"] = 1
        await asyncio.sleep(0.1)
        return "set"

    async def pieces(count: int = 3, error: bool = False) -> t.AsyncIterator[str]:
        life.opened += 1
        try:
            with noted(life):
                for number in range(count):
                    yield str(number)
                    await asyncio.sleep(0.5)
                if error:
                    raise LookupError
        finally:
            life.closed += 1

    async def stream() -> t.Any:
        return app.response_class(pieces())

    async def broken() -> t.Any:
        return app.response_class(pieces(2, True))

    def pieces_in_thread(count: int = 3) -> t.Iterator[str]:
        life.opened += 1
        try:
            with noted(life):
                for number in range(count):
                    yield str(number)
                    time.sleep(0.002)
        finally:
            life.closed += 1

    def stream_in_thread() -> t.Any:
        return app.response_class(pieces_in_thread())

    async def stream_of_thread() -> t.Any:
        return app.response_class(pieces_in_thread())

    def in_thread() -> str:
        with noted(life):
            time.sleep(0.003)
        return "ok"

    def fail_in_thread() -> str:
        with noted(life):
            raise LookupError

    def read_in_thread() -> str:
        with noted(life):
            return str(len(quartish.request.get_data())) if plain else "unread"

    def wait_in_thread() -> str:
        with noted(life):
            app.ensure_sync(asyncio.sleep)(1) if plain else time.sleep(0.002)
        return "ok"

    # --- websockets

    async def echo() -> None:
        with noted(life):
            while True:
                await quartish.websocket.send(await quartish.websocket.receive())

    async def deaf() -> None:
        await quartish.websocket.accept()
        with noted(life):
            await asyncio.sleep(3)

    async def talk() -> None:
        with noted(life):
            for number in range(5):
                await quartish.websocket.send(str(number))
                await asyncio.sleep(0.3)

    async def reject() -> t.Any:
        return "no", 403

    async def close() -> None:
        await quartish.websocket.accept()
        await quartish.websocket.close(4000)

    async def fail_socket() -> None:
        await quartish.websocket.accept()
        await asyncio.sleep(0.1)
        raise LookupError

    async def both() -> None:
        """Read in one task and write in another, as Quart's documentation shows."""

        async def reading() -> None:
            while True:
                await quartish.websocket.receive()

        async def writing() -> None:
            while True:
                await quartish.websocket.send("tick")
                await asyncio.sleep(0.5)

        with noted(life):
            await asyncio.gather(reading(), writing())

    for view in (
        *(answer, sleep, survive, clean_up, read, form, fail, session, stream, broken),
        *(stream_in_thread, stream_of_thread, in_thread, fail_in_thread, read_in_thread),
        wait_in_thread,
    ):
        app.add_url_rule(f"/{view.__name__}", view_func=view, methods=["GET", "POST"])
    for view in (echo, deaf, talk, reject, close, fail_socket, both):
        app.add_websocket(f"/{view.__name__}", view_func=view)
    return app


HTTP = [
    *("answer", "sleep", "survive", "clean_up", "read", "form", "fail", "session", "stream"),
    *("broken", "stream_in_thread", "stream_of_thread", "in_thread", "fail_in_thread"),
    *("read_in_thread", "wait_in_thread", "nowhere"),
]
WEBSOCKET = ["echo", "deaf", "talk", "reject", "close", "fail_socket", "both", "nowhere"]


class Machine(RuleBasedStateMachine):
    """One connection to an app of one colour."""

    cls: t.ClassVar[type[t.Any]]

    @initialize(
        kind=st.sampled_from(["http", "websocket"]),
        number=st.integers(0, 100),
        version=st.sampled_from(["2.3", "2.4"]),
        framed=st.sampled_from(["none", "length", "chunked"]),
        multipart=st.booleans(),
        rejects=st.booleans(),
        hooks=st.booleans(),
    )
    def connect(
        self,
        kind: str,
        number: int,
        version: str,
        framed: str,
        multipart: bool,
        rejects: bool,
        hooks: bool,
    ) -> None:
        self.kind, self.version = kind, version
        self.life = Life()
        self.app = make_app(self.cls, self.life)
        self.app.config["SYNC_HOOKS_IN_THREAD"] = hooks
        self.app.logger.disabled = True
        self.runner = asyncio.Runner(loop_factory=Clock)
        self.kept = len(giving_up._kept)  # by other tests
        self.loop = t.cast(Clock, self.runner.get_loop())
        self.noise: list[t.Any] = []
        self.loop.set_exception_handler(lambda loop, context: self.noise.append(context))
        self.hook, sys.unraisablehook = sys.unraisablehook, self.noise.append
        for room in TIMED:
            room.monotonic = self.loop.time
        names = HTTP if kind == "http" else WEBSOCKET
        self.view = names[number % len(names)]
        self.sent: list[Message] = []
        self.left = self.broken = self.timed_out = False
        self.cancels = 0
        self.error: BaseException | None = None
        self.body_open = kind == "http" and framed != "none"
        self.accepted = False
        headers = [(b"host", b"localhost")]
        if framed == "length":
            headers.append((b"content-length", b"30"))
        elif framed == "chunked":
            headers.append((b"transfer-encoding", b"chunked"))
        if multipart:
            headers.append((b"content-type", b"multipart/form-data; boundary=x"))
        make = http_scope if kind == "http" else websocket_scope
        self.scope = make(
            f"/{self.view}",
            headers=headers,
            **({"method": "POST"} if kind == "http" else {}),
            asgi={"version": "3.0", "spec_version": version},
            extensions={"websocket.http.response": {}} if rejects else {},
        )
        self.runner.run(self.start())

    async def start(self) -> None:
        self.to_app: asyncio.Queue[Message] = asyncio.Queue()
        self.takes = asyncio.Event()
        self.takes.set()
        self.before = asyncio.all_tasks()
        self.task = asyncio.create_task(self.call())
        if self.kind == "websocket":
            self.to_app.put_nowait({"type": "websocket.connect"})
        elif not self.body_open:
            self.to_app.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        await self.turns()

    async def call(self) -> None:
        try:
            await self.app(self.scope, self.receive, self.send)
        except BaseException as error:
            self.error = error

    async def receive(self) -> Message:
        return await self.to_app.get()

    async def send(self, message: t.Any) -> None:
        await self.takes.wait()
        if self.broken:
            if self.version == "2.4":
                raise OSError("the client left")
            return
        self.sent.append(dict(message))

    async def turns(self, count: int = 30) -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    def put(self, message: Message) -> None:
        self.to_app.put_nowait(message)
        self.runner.run(self.turns())

    # --- what may happen ----------------------------------------------------------------------

    @precondition(lambda self: self.kind == "http" and self.body_open and not self.left)
    @rule(data=st.sampled_from([b"", b"--x\r\n", b"a=b&", b"x" * 600, b"x" * 6000]))
    def say(self, data: bytes) -> None:
        self.put({"type": "http.request", "body": data, "more_body": True})

    @precondition(lambda self: self.kind == "http" and self.body_open and not self.left)
    @rule(data=st.sampled_from([b"", b"--x--", b"c=d"]))
    def say_all(self, data: bytes) -> None:
        self.body_open = False
        self.put({"type": "http.request", "body": data, "more_body": False})

    @precondition(lambda self: self.kind == "websocket" and not self.left)
    @rule(data=st.sampled_from(["a", b"b", "x" * 5000]))
    def say_message(self, data: str | bytes) -> None:
        if any(message["type"] == "websocket.accept" for message in self.sent):
            key = "text" if isinstance(data, str) else "bytes"
            self.put({"type": "websocket.receive", key: data})

    @precondition(lambda self: not self.left)
    @rule(breaks=st.booleans())
    def leave(self, breaks: bool) -> None:
        self.left = True
        self.broken = self.broken or breaks
        self.put(self.disconnect())

    @rule()
    def break_(self) -> None:
        """The connection is gone, which nobody has heard of yet."""
        self.broken = True

    @rule()
    def stop_taking(self) -> None:
        self.takes.clear()

    @rule()
    def take_again(self) -> None:
        self.takes.set()
        self.runner.run(self.turns())

    @rule()
    def cancel(self) -> None:
        """The server gives the app call up; once more, where it does not end."""
        if self.cancels < 2 and not self.task.done():
            self.cancels += 1
            self.task.cancel()
            self.runner.run(self.turns())

    @rule(seconds=st.sampled_from([0.05, 0.2, 0.6, 1.2, 4, 6]))
    def pass_time(self, seconds: float) -> None:
        if seconds > 1:  # threads, for which time does not pass, have done their work by then
            self.runner.run(asyncio.sleep(0.05))
        self.loop.skew += seconds
        self.timed_out = self.timed_out or seconds > 5
        self.runner.run(self.turns())

    @rule()
    def let_threads_run(self) -> None:
        self.runner.run(asyncio.sleep(0.005))

    # --- the law ------------------------------------------------------------------------------

    def disconnect(self) -> Message:
        return {"type": f"{self.kind}.disconnect", "code": 1001}

    @invariant()
    def messages_are_in_order(self) -> None:
        if not hasattr(self, "sent"):
            return
        types = [message["type"] for message in self.sent]
        if self.kind == "http":
            assert types.count("http.response.start") <= 1
            assert not types or types[0] == "http.response.start", types
            assert set(types[1:]) <= {"http.response.body"}, types
            more = [message.get("more_body", False) for message in self.sent[1:]]
            assert not any(not flag for flag in more[:-1]), "something follows the end"
            return
        assert types.count("websocket.accept") <= 1
        if types and types[0] == "websocket.accept":
            assert set(types[1:-1]) <= {"websocket.send"}, types
            assert types[-1] in ("websocket.accept", "websocket.send", "websocket.close"), types
        elif types:
            kinds = {"websocket.http.response.start", "websocket.http.response.body"}
            assert types == ["websocket.close"] or set(types) <= kinds, types

    @property
    def is_whole(self) -> bool:
        """Whether the answer has its end."""
        last = self.sent[-1] if self.sent else {"type": "nothing"}
        return last["type"].endswith("close") or (
            last["type"].endswith("response.body") and not last.get("more_body", False)
        )

    def teardown(self) -> None:
        if not hasattr(self, "runner"):
            return
        try:
            self.finish()
        finally:
            self.runner.close()
            for room in TIMED:
                room.monotonic = time.monotonic
            sys.unraisablehook = self.hook

    def finish(self) -> None:
        undisturbed = not (self.left or self.broken or self.cancels or self.timed_out)
        self.takes.set()
        if undisturbed and self.kind == "http" and self.body_open:
            self.to_app.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        # A thread that is late on a slow machine has not been idle for so long.
        self.runner.run(self.pass_until_done(20 if undisturbed else 0, 0.02))
        if not self.task.done():
            self.to_app.put_nowait(self.disconnect())
        self.runner.run(self.pass_until_done(200))
        assert self.task.done(), f"the app did not end: {self.task.get_stack()}"
        self.messages_are_in_order()
        told = self.error is None or isinstance(self.error, asyncio.CancelledError | OSError)
        assert told or isinstance(self.error, LookupError), repr(self.error)
        if undisturbed and self.view not in ("broken", "echo", "both"):
            assert self.is_whole, self.sent
        # A stream that broke stays unfinished.
        assert self.view != "broken" or not self.is_whole or len(self.sent) < 3, self.sent
        life = self.life
        assert life.teardowns <= 1 and life.teardowns >= life.entered, "teardown once"
        assert life.opened == life.closed, "every generator is closed"
        assert life.busy == 0, "user code still runs"
        left = self.runner.run(self.tasks_left())
        assert not left, f"outlived the connection: {left}"
        assert find_context() is None
        assert len(giving_up._kept) == self.kept, "something was given up"
        self.task = self.app = t.cast(t.Any, None)
        self.error = None
        # A thread may be about to let go of its work, and tell the loop so. Not by the clock: in a
        # process that has run thousands of tests one collection may take half a minute.
        for _ in range(400):
            gc.collect()
            if all(ref() is None for ref in life.contexts):
                break
            self.runner.run(asyncio.sleep(0.05))
        else:
            raise AssertionError("a context is left")
        assert not self.noise, self.noise

    async def pass_until_done(self, steps: int, really: float = 0.003) -> None:
        until = time.monotonic() + PATIENCE
        for _ in range(steps):
            if self.task.done() or time.monotonic() > until:
                return
            self.loop.skew += 0.25
            await asyncio.sleep(really)

    async def tasks_left(self) -> list[t.Any]:
        await self.turns()
        return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


@pytest.mark.filterwarnings("error")
def test_machine(colour: type[t.Any]) -> None:
    machine = type(f"Machine{colour.__name__}", (Machine,), {"cls": colour})
    threads = threading.active_count()
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=max(EXAMPLES // 4, 1),
            stateful_step_count=14,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    gc.collect()
    until = time.monotonic() + PATIENCE
    while threading.active_count() > threads and time.monotonic() < until:
        time.sleep(0.05)
    assert threading.active_count() <= threads, threading.enumerate()
