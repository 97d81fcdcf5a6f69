"""Bodies in turns that are rare: read by two tasks, left half-way, parsed by others' parsers."""

from __future__ import annotations

import asyncio
import io
import typing as t

import flask
import pytest
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser as WerkzeugFormDataParser
from werkzeug.test import create_environ

import quartish
import quartish.quart
from quartish import request
from quartish._concurrency import greenlets
from quartish._http.body import Body as IncomingBody
from quartish._http.inbox import Inbox
from quartish.sessions import SecureCookieSession
from quartish.sessions import SessionInterface
from quartish.wrappers.awaitable_request import Body
from quartish.wrappers.request_body import fill
from tests._peer import ask
from tests._scripted import HttpPeer

FORM = "application/x-www-form-urlencoded"


# --- two who wait ---------------------------------------------------------------------------------


def inbox_of(*messages: str) -> tuple[Inbox, asyncio.Queue[t.Any]]:
    queue: asyncio.Queue[t.Any] = asyncio.Queue()
    for each in messages:
        queue.put_nowait({"type": "websocket.receive", "text": each})
    return Inbox(queue.get), queue


async def test_who_waits_for_a_message_goes_on_after_who_was_before() -> None:
    inbox, queue = inbox_of()
    asked = [asyncio.create_task(inbox.get()) for _ in range(3)]
    await asyncio.sleep(0)
    for text in "abc":
        queue.put_nowait({"type": "websocket.receive", "text": text})
    async with asyncio.timeout(5):
        found = await asyncio.gather(*asked)
    assert [message["text"] for message in found] == ["a", "b", "c"]


async def test_who_asks_during_a_pause_waits_for_its_end() -> None:
    inbox, _ = inbox_of("a")
    asking: list[asyncio.Task[t.Any]] = []
    # Both begin in one turn of the loop.
    pausing = asyncio.create_task(inbox.pause())
    asking.append(asyncio.create_task(inbox.get()))
    async with asyncio.timeout(5):
        assert (await asking[0])["text"] == "a"
    await pausing


# --- left half-way --------------------------------------------------------------------------------


class AwaitedSessions(SessionInterface):
    """Sessions that are opened by async code of ours, while the body has not come."""

    opened = 0

    async def open_session(self, app: t.Any, request: t.Any) -> t.Any:
        await asyncio.sleep(0)
        self.opened += 1
        return SecureCookieSession()

    async def save_session(self, app: t.Any, session: t.Any, response: t.Any) -> None:
        pass


def reading_app(hooks: int) -> t.Any:
    app = quartish.Flask("app")

    async def hook() -> None:
        await asyncio.sleep(0.005)  # what comes is read ahead

    for _ in range(hooks):
        app.before_request(hook)

    @app.post("/")
    def view() -> t.Any:
        return dict(request.form)

    return app


@pytest.mark.parametrize("with_greenlet", [True, False])
async def test_opening_a_session_waits_for_no_body(
    monkeypatch: pytest.MonkeyPatch, with_greenlet: bool
) -> None:
    if not with_greenlet:
        monkeypatch.setattr(greenlets, "_greenlets", None)
    app = reading_app(0)
    sessions = app.session_interface = AwaitedSessions()
    async with HttpPeer(app, "/", "POST", body=None, content_type=FORM) as peer:
        async with asyncio.timeout(5):
            while not sessions.opened:
                await asyncio.sleep(0.001)
        peer.say(b"a=1", more=False)
        await peer.until(2)
    assert (peer.status, peer.body) == (200, b'{"a":"1"}\n')


@pytest.mark.parametrize("with_greenlet", [True, False])
@pytest.mark.parametrize("begun", [True, False])
async def test_a_client_that_leaves_before_an_async_hook_begins(
    monkeypatch: pytest.MonkeyPatch, with_greenlet: bool, begun: bool
) -> None:
    """The hook has not begun, as the body has to come first: it is not run at all."""
    if not with_greenlet:
        monkeypatch.setattr(greenlets, "_greenlets", None)
    app, ended = reading_app(1), []  # type: ignore[var-annotated]
    app.teardown_request(ended.append)
    async with HttpPeer(app, "/", "POST", body=None, content_type=FORM) as peer:
        if begun:
            peer.say(b"a=1")
            await asyncio.sleep(0.01)
        peer.leave()
        await peer.ended()
    assert not peer.sent and peer.error is None and len(ended) == 1


async def test_a_body_that_is_too_large_for_each_hook_is_refused_where_it_is_read() -> None:
    app = reading_app(2)
    app.config["MAX_CONTENT_LENGTH"] = 3
    async with HttpPeer(app, "/", "POST", body=None, content_type=FORM) as peer:
        peer.say(b"a=1&b")
        peer.say(b"=2", more=False)
        await peer.until(2)
    assert peer.status == 413


async def test_an_async_hook_after_one_that_read_the_beginning() -> None:
    app = quartish.Flask("app")

    @app.before_request
    def begin() -> None:
        request.environ["began"] = request.stream.read(1)

    @app.before_request
    async def go_on() -> None:
        await asyncio.sleep(0)

    @app.post("/")
    def view() -> bytes:
        return t.cast(bytes, request.environ["began"] + b"|" + request.stream.read())

    async with HttpPeer(app, "/", "POST", body=None) as peer:
        peer.say(b"abc")
        peer.say(b"def", more=False)
        await peer.until(2)
    assert peer.body == b"a|bcdef"


async def test_a_form_that_comes_later_for_a_view_on_the_loop() -> None:
    app = quartish.Flask("app")

    @app.post("/")
    async def view() -> t.Any:
        return dict(request.form)

    async with HttpPeer(app, "/", "POST", body=None, content_type=FORM) as peer:
        await asyncio.sleep(0.01)
        peer.say(b"a=1", more=False)
        await peer.until(2)
    assert peer.body == b'{"a":"1"}\n'


async def test_a_client_that_leaves_while_a_body_of_the_users_class_is_filled() -> None:
    class OwnBody(Body):
        pass

    class Request(quartish.Quart.request_class):  # type: ignore[misc, name-defined, valid-type]
        body_class = OwnBody

    app, told = quartish.Quart("app"), asyncio.Event()
    app.request_class = Request

    @app.post("/")
    async def view() -> str:
        try:
            return str(await request.form)  # type: ignore[misc]
        except asyncio.CancelledError:
            told.set()
            raise

    async with HttpPeer(app, "/", "POST", body=None, content_type=FORM) as peer:
        peer.say(b"a=1")
        await asyncio.sleep(0.01)
        peer.leave()
        await peer.ended()
    assert told.is_set() and not peer.sent


# --- limits ---------------------------------------------------------------------------------------


async def test_what_was_iterated_counts_for_a_form_that_is_read_then() -> None:
    app = quartish.Quart("app")
    app.config["MAX_FORM_MEMORY_SIZE"] = 3

    @app.post("/")
    async def view() -> str:
        async for _ in request.body:  # type: ignore[attr-defined]
            break
        with pytest.raises(RequestEntityTooLarge):
            await request.form  # type: ignore[misc]
        return "refused"

    async with HttpPeer(app, "/", "POST", body=None, content_type=FORM) as peer:
        peer.say(b"a=1&b")
        peer.say(b"=2", more=False)
        await peer.until(2)
    assert peer.body == b"refused"


def test_a_form_that_another_parser_refuses_is_a_400() -> None:
    class Request(quartish.Request):
        def make_form_data_parser(self) -> t.Any:
            return WerkzeugFormDataParser(silent=False)

    app = quartish.Flask("app")
    app.request_class = Request
    app.add_url_rule("/", "view", lambda: dict(request.form), methods=["POST"])
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    response = app.test_client().post("/", data=b"--x\r\nbroken", headers=headers)
    assert response.status_code == 400


async def test_forms_by_an_old_name_of_their_type() -> None:
    """They are ones for Quart, and for Werkzeug no more."""
    headers = {"Content-Type": "application/x-url-encoded"}
    app: t.Any = quartish.Quart("app")
    app.config["MAX_FORM_MEMORY_SIZE"] = 7

    async def fields() -> t.Any:
        return dict(await quartish.quart.request.form)

    app.add_url_rule("/", "view", fields, methods=["POST"])
    response = await app.test_client().post("/", data=b"a=1&b=2", headers=headers)
    assert await response.get_json() == {"a": "1", "b": "2"}
    response = await app.test_client().post("/", data=b"a=1&b=22", headers=headers)
    assert response.status_code == 413

    def whole(module: t.Any) -> t.Any:
        app = module.Flask("app")

        def view() -> t.Any:
            data = module.request.get_data(parse_form_data=True)
            return [data.decode(), dict(module.request.form), dict(module.request.files)]

        app.add_url_rule("/", "view", view, methods=["POST"])
        return app.test_client().post("/", data=b"a=1&b=2", headers=headers).json

    assert whole(quartish) == whole(flask) == ["a=1&b=2", {}, {}]


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("read", ["read", "readline", "iterate", "async"])
def test_a_streamed_body_by_wsgi_is_a_file_and_can_be_iterated(read: str) -> None:
    app = quartish.Flask("app")

    @app.post("/", stream_body=True)
    async def view() -> bytes:
        stream: t.Any = request.stream
        match read:
            case "read":
                return stream.read()  # type: ignore[no-any-return]
            case "readline":
                return stream.readline() + stream.readline()  # type: ignore[no-any-return]
            case "iterate":
                return b"".join(stream)
            case _:
                return b"".join([chunk async for chunk in stream])

    body = b"one\ntwo\n"
    environ = create_environ(method="POST", input_stream=io.BytesIO(body), content_length=len(body))
    answer = b"".join(app.wsgi_app(environ, lambda *args: lambda data: None))
    assert answer == body


async def test_a_response_of_an_iterator_that_cannot_be_closed() -> None:
    class Pieces:
        left = 2

        def __aiter__(self) -> Pieces:
            return self

        async def __anext__(self) -> bytes:
            self.left -= 1
            if self.left < 0:
                raise StopAsyncIteration
            return b"x"

    app = quartish.Quart("app")

    @app.get("/")
    async def view() -> t.Any:
        return app.response_class(Pieces())

    assert (await ask(app)).body == b"xx"
    body = app.response_class(Pieces()).response
    async with body as opened:
        assert [piece async for piece in opened] == [b"x", b"x"]


async def test_a_body_that_is_filled_ends_with_its_client() -> None:
    messages: asyncio.Queue[t.Any] = asyncio.Queue()
    messages.put_nowait({"type": "http.request", "body": b"a", "more_body": True})
    messages.put_nowait({"type": "http.disconnect"})
    body = Body()
    await fill(body, IncomingBody(Inbox(messages.get)))
    assert await body.get() == b"a"  # and no end: more may still be put into it


# --- bodies of requests that have none as a rule --------------------------------------------------


@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE"])
async def test_a_body_in_chunks_comes_with_any_method(
    colour: type[t.Any], method: str, is_async: bool
) -> None:
    """That of a GET was lost: only a Content-Length told that there is one."""
    app = colour("app")
    seen = []

    async def read() -> str:
        data: t.Any = request.get_data()
        seen.append(data if app.plain else await data)
        return "read"

    def read_here() -> t.Any:
        if not app.plain:
            return read()
        seen.append(request.get_data())
        return "read"

    app.add_url_rule("/", None, read if is_async else read_here, methods=[method])
    async with HttpPeer(app, method=method, body=None) as peer:
        peer.say(b"in ")
        peer.say(b"pieces", more=False)
        await peer.ended()
    assert seen == [b"in pieces"] and peer.status == 200
