"""What a request may cost inside quartish: calls, messages and tasks, counted."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import typing as t
from contextlib import contextmanager
from pathlib import Path
from types import CodeType
from types import FrameType

import pytest
from werkzeug.test import EnvironBuilder

import quartish
from tests._scopes import http_scope
from tests._scopes import websocket_scope

PACKAGE = str(Path(__file__).parents[2] / "quartish")
#: Calls of quartish's functions until the view's first line, and from there to the end, in the
#: plain colour and in the awaitable one. They may go down, never up.
TRIPS = {
    "hello": ((9, 1), (9, 1)),
    "hooks": ((21, 32), (21, 33)),
    "session": ((9, 37), (9, 37)),
    "form": ((30, 21), (19, 24)),
    "thread": ((25, 18), (25, 18)),
    "websocket": ((24, 22), (24, 22)),
    "wsgi": ((26, 20), None),
}

SCOPE = http_scope(headers=[(b"host", b"localhost"), (b"accept", b"*/*")])


class Calls:
    """Counts, as a profiler of every thread, the calls of quartish's functions around a view's."""

    def __init__(self) -> None:
        self.view: CodeType | None = None
        self.begin(None)

    def begin(self, view: CodeType | None) -> None:
        """Count for this view; for none, count nothing."""
        self.view = view
        self.inward: list[str] = []
        self.outward: list[str] = []
        self.reached = False

    def __call__(self, frame: FrameType, event: str, arg: object) -> None:
        code = frame.f_code
        if event != "call" or self.view is None:
            return
        if code is self.view:
            self.reached = True
        elif code.co_filename.startswith(PACKAGE):
            (self.outward if self.reached else self.inward).append(
                f"{Path(code.co_filename).stem}.{code.co_qualname}"
            )


@pytest.fixture
def calls() -> t.Iterator[Calls]:
    """Count in this thread, and in those that begin from now on."""
    counter = Calls()
    before, before_of_threads = sys.getprofile(), threading.getprofile()
    threading.setprofile(counter)
    sys.setprofile(counter)
    try:
        yield counter
    finally:
        sys.setprofile(before)
        threading.setprofile(before_of_threads)  # type: ignore[arg-type]


async def call(
    app: t.Any, scope: t.Mapping[str, t.Any] = SCOPE, *pending: dict[str, t.Any]
) -> list[dict[str, t.Any]]:
    """Call an app as a server does, and return what it sent."""
    messages: list[dict[str, t.Any]] = []
    left = [*(pending or [{"type": "http.request", "body": b"", "more_body": False}])]

    async def receive() -> dict[str, t.Any]:
        if left:
            return left.pop(0)
        return await asyncio.Future()  # the client stays, and says nothing more

    async def send(message: dict[str, t.Any]) -> None:
        messages.append(message)

    await app(dict(scope), receive, send)
    return messages


@pytest.fixture
def app(colour: type[t.Any]) -> t.Any:
    return colour(__name__)


def view_of(app: t.Any, trip: str) -> t.Callable[..., t.Any]:
    """Give an app what the trip goes through, and return its view."""
    if trip == "hooks":

        @app.before_request
        async def before() -> None: ...

        @app.after_request
        async def after(response: t.Any) -> t.Any:
            return response

        @app.teardown_request
        async def teardown(error: BaseException | None) -> None: ...

    async def hello() -> str:
        return "Hello"

    def thread() -> str:
        return "Hello"

    async def session() -> str:
        quartish.session["name"] = "value"
        return "Hello"

    async def form() -> str:
        fields = quartish.request.form
        return str((fields if app.plain else await fields)["name"])  # type: ignore[misc]

    async def websocket() -> None:
        await quartish.websocket.send(await quartish.websocket.receive())

    view: t.Callable[..., t.Any] = {
        "thread": thread,
        "wsgi": thread,
        "session": session,
        "form": form,
        "websocket": websocket,
    }.get(trip, hello)
    app.secret_key = "secret"
    if trip == "websocket":
        app.add_websocket("/", "view", view_func=view)
    else:
        app.add_url_rule("/", "view", view, methods=["GET", "POST"])
    return view


async def travel(app: t.Any, trip: str) -> None:
    """Make a trip, and see that it arrives."""
    if trip == "wsgi":
        environ = EnvironBuilder("/").get_environ()
        answer = await asyncio.to_thread(app, environ, lambda status, headers: None)
        assert b"".join(answer) == b"Hello"
    elif trip == "websocket":
        scope = websocket_scope()
        received = {"type": "websocket.receive", "text": "x"}
        sent = await call(app, scope, {"type": "websocket.connect"}, received)
        assert [message["type"] for message in sent][:2] == ["websocket.accept", "websocket.send"]
    elif trip == "form":
        headers = [
            *SCOPE["headers"],
            (b"content-type", b"application/x-www-form-urlencoded"),
            (b"content-length", b"10"),
        ]
        body = {"type": "http.request", "body": b"name=value", "more_body": False}
        start, sent_body = await call(app, {**SCOPE, "method": "POST", "headers": headers}, body)
        assert (start["status"], sent_body["body"]) == (200, b"value")
    else:
        start, sent_body = await call(app)
        assert (start["status"], sent_body["body"]) == (200, b"Hello")


@pytest.mark.parametrize("trip", TRIPS)
async def test_calls(app: t.Any, calls: Calls, trip: str) -> None:
    budget = TRIPS[trip][0 if app.plain else 1]
    if budget is None:
        pytest.skip("this colour has no such door")
    view = view_of(app, trip)
    gc.collect()  # what other tests left has its end before
    for _ in range(2):  # the first requests settle what later ones find done
        await travel(app, trip)
    tries = []
    for _ in range(3):  # what other tests left may come to its end meanwhile: the least counts
        calls.begin(view.__code__)
        await travel(app, trip)
        calls.view = None
        assert calls.reached
        tries.append((calls.inward, calls.outward))
    inward, outward = min(tries, key=lambda counted: sum(map(len, counted)))
    if trip == "thread":  # what the loop does meanwhile is before the view or after it, by chance
        assert len(inward) + len(outward) <= sum(budget), "\n".join([*inward, *outward])
        return
    assert len(inward) <= budget[0], "\n".join(inward)
    assert len(outward) <= budget[1], "\n".join(outward)


async def test_a_body_in_memory_is_one_message(app: t.Any) -> None:
    @app.get("/")
    async def hello() -> t.Any:
        return ["x" * 100_000]

    start, body = await call(app)
    assert start["type"] == "http.response.start"
    assert body["type"] == "http.response.body" and not body.get("more_body", False)
    assert dict(start["headers"])[b"content-length"] == str(len(body["body"])).encode()


@contextmanager
def tasks_made() -> t.Iterator[list[str]]:
    """Note the tasks that are made meanwhile."""
    made: list[str] = []
    loop = asyncio.get_running_loop()

    def factory(loop: t.Any, coro: t.Any, **options: t.Any) -> asyncio.Task[t.Any]:
        made.append(repr(coro))
        return asyncio.Task(coro, loop=loop, **options)

    loop.set_task_factory(factory)
    try:
        yield made
    finally:
        loop.set_task_factory(None)


async def test_no_task_is_made_for_a_websocket_that_need_not_wait(app: t.Any) -> None:
    view_of(app, "websocket")
    with tasks_made() as made:
        await travel(app, "websocket")
    assert made == []


async def test_no_task_is_made(app: t.Any) -> None:
    seen: list[set[asyncio.Task[t.Any]]] = []

    @app.before_request
    async def hook() -> None:
        seen.append(asyncio.all_tasks())

    @app.get("/")
    async def hello() -> str:
        seen.append(asyncio.all_tasks())
        return "Hello"

    with tasks_made() as made:
        await call(app)
    only = {asyncio.current_task()}
    assert seen == [only, only]
    assert made == []
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == only
