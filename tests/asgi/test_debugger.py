"""Debug mode: tracebacks in the browser, and views that block the loop by name."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
import typing as t

import pytest
from werkzeug.middleware.proxy_fix import ProxyFix

import quartish
from quartish.asgi import watchdog
from quartish.asgi.debug import _outgoing
from quartish.debugger import render_traceback
from quartish.testing.client import QuartClient
from quartish.views import View
from tests._doors import Ask
from tests._doors import through_asgi
from tests._doors import through_wsgi
from tests._scripted import HttpPeer

CONFIG = {"DEBUG": True, "SECRET_KEY": "unspeakable"}
HTML = [(b"accept", b"text/html,*/*")]


def make_app(colour: type[t.Any], **config: t.Any) -> t.Any:
    app = colour("debugged")
    app.config.update({**CONFIG, **config})

    async def broken() -> t.NoReturn:
        raise LookupError("the <shelf> is empty")

    def broken_in_thread() -> t.NoReturn:
        raise LookupError("the <shelf> is empty")

    async def torn() -> t.Any:
        async def lines() -> t.AsyncIterator[str]:
            yield "first"
            raise LookupError("too late")

        return app.response_class(lines())

    app.add_url_rule("/loop", view_func=broken)
    app.add_url_rule("/thread", view_func=broken_in_thread)
    app.add_url_rule("/torn", view_func=torn)
    return app


@pytest.mark.parametrize("path", ["/loop", "/thread"])
async def test_traceback_page(
    colour: type[t.Any], path: str, caplog: pytest.LogCaptureFixture
) -> None:
    reply = await through_asgi(make_app(colour), Ask(path, headers=HTML))
    page = reply.body.decode()
    assert (reply.status, reply.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert "<h1>LookupError</h1>" in page
    assert "the &lt;shelf&gt; is empty" in page
    assert "<shelf>" not in page
    assert 'in <code class="function">broken' in page
    assert "unspeakable" not in page
    [record] = caplog.records
    assert record.getMessage() == f"Exception on {path} [GET]"
    assert record.exc_info is not None and record.exc_info[0] is LookupError


@pytest.mark.parametrize("path", ["/loop", "/thread"])
async def test_traceback_text(colour: type[t.Any], path: str) -> None:
    """To curl and to `fetch` that asks for nothing. *Quart:* has a page for all."""
    for headers in ([], [(b"accept", b"*/*")], [(b"accept", b"text/plain, text/html;q=0.5")]):
        reply = await through_asgi(make_app(colour), Ask(path, headers=headers))
        text = reply.body.decode()
        assert (reply.status, reply.headers["content-type"]) == (500, "text/plain; charset=utf-8")
        assert text.startswith("Traceback (most recent call last)")
        assert text.rstrip().endswith("LookupError: the <shelf> is empty")
        assert text.count("File ") == 1  # the user's


@pytest.mark.parametrize("path", ["/loop", "/thread"])
@pytest.mark.parametrize("accept", [b"application/json", b"application/problem+json, text/plain"])
async def test_traceback_json(colour: type[t.Any], path: str, accept: bytes) -> None:
    """RFC 9457."""
    ask = Ask(path, headers=[(b"accept", accept)])
    reply = await through_asgi(make_app(colour), ask)
    assert (reply.status, reply.headers["content-type"]) == (500, "application/problem+json")
    problem = json.loads(reply.body)
    lines = problem.pop("traceback")
    assert lines[0] == "Traceback (most recent call last):" and __file__ in lines[2]
    assert problem == {
        "title": "Internal Server Error",
        "status": 500,
        "detail": "LookupError: the <shelf> is empty",
        "exception": "builtins.LookupError",
    }


async def test_page_without_console_asks_for_nothing_and_runs_nothing(
    colour: type[t.Any],
) -> None:
    app = make_app(colour, DEBUGGER=False)
    page = (await through_asgi(app, Ask("/loop", headers=HTML))).body.decode()
    for unwanted in ("<script", "<link", "__debugger__", "EVALEX", "SECRET", "url(", "PIN"):
        assert unwanted not in page, unwanted
    assert "<style>" in page and "div.debugger" in page
    assert page.rstrip().endswith("</html>")
    asked = await through_asgi(app, Ask("/", query=b"__debugger__=yes&cmd=resource&f=style.css"))
    assert asked.status == 404
    assert (await through_asgi(app, Ask("/console"))).status == 404


@pytest.mark.parametrize("path", ["/loop", "/thread"])
async def test_traceback_behind_wsgi_middleware(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(quartish.Flask)
    app.wsgi_app = ProxyFix(app.wsgi_app)
    reply = await through_asgi(app, Ask(path, headers=HTML))
    assert reply.status == 500
    assert b"<h1>LookupError</h1>" in reply.body
    assert len(caplog.records) == 1
    app.testing = True
    with pytest.raises(LookupError):
        await through_asgi(app, Ask(path))


async def test_head_has_no_body(colour: type[t.Any]) -> None:
    reply = await through_asgi(make_app(colour), Ask("/loop", "HEAD"))
    assert (reply.status, reply.body) == (500, b"")


@pytest.mark.parametrize("config", [{"TESTING": True}, {"PROPAGATE_EXCEPTIONS": True}])
@pytest.mark.parametrize("path", ["/loop", "/thread"])
async def test_tests_and_outer_debuggers_get_the_exception(
    colour: type[t.Any], config: dict[str, t.Any], path: str
) -> None:
    if colour is quartish.Quart:  # as in Quart
        assert (await through_asgi(make_app(colour, **config), Ask(path))).status == 500
        return
    with pytest.raises(LookupError, match="shelf"):
        await through_asgi(make_app(colour, **config), Ask(path))


async def test_no_traceback_without_debug(colour: type[t.Any]) -> None:
    reply = await through_asgi(make_app(colour, DEBUG=False), Ask("/loop", headers=HTML))
    assert reply.status == 500
    assert b"shelf" not in reply.body


async def test_no_traceback_where_a_handler_answers(colour: type[t.Any]) -> None:
    app = make_app(colour)
    app.register_error_handler(LookupError, lambda error: ("handled", 418))
    reply = await through_asgi(app, Ask("/loop"))
    assert (reply.status, reply.body) == (418, b"handled")
    assert (await through_asgi(app, Ask("/none"))).status == 404


async def test_no_traceback_after_the_response_began(colour: type[t.Any]) -> None:
    """The server learns of it, and cuts the response off."""
    with pytest.raises(LookupError, match="too late"):
        await through_asgi(make_app(colour), Ask("/torn"))


async def test_teardown_has_run_before_the_page(colour: type[t.Any]) -> None:
    app = make_app(colour)
    seen: list[t.Any] = []
    app.teardown_request(seen.append)
    assert (await through_asgi(app, Ask("/loop"))).status == 500
    assert isinstance(seen[0], LookupError)


def test_the_wsgi_door_raises_as_flask_does() -> None:
    with pytest.raises(LookupError, match="shelf"):
        through_wsgi(make_app(quartish.Flask), Ask("/loop"))


def test_causes_and_odd_text_are_shown() -> None:
    try:
        try:
            raise KeyError("cause")
        except KeyError as cause:
            raise ValueError("\ud800 </title><script>alert()</script>") from cause
    except ValueError as error:
        page, text = (render_traceback(error, html=html) for html in (True, False))
    assert "KeyError" in page and "KeyError" in text
    assert "<script" not in page
    page.encode("utf-8", "backslashreplace")


# --- what blocks the loop -------------------------------------------------------------------


class Slow(View):
    async def dispatch_request(self) -> str:
        time.sleep(0.15)
        return "slow"


def make_slow_app(colour: type[t.Any], **config: t.Any) -> t.Any:
    app = colour("slow")
    app.config.update(config)

    async def blocking() -> str:
        await asyncio.sleep(0)
        time.sleep(0.15)
        return "done"

    async def patient() -> str:
        await asyncio.sleep(0.15)
        return "done"

    def threaded() -> str:
        time.sleep(0.15)
        return "done"

    async def talk() -> None:
        time.sleep(0.15)
        await quartish.websocket.send("done")

    for view in (blocking, patient, threaded):
        app.add_url_rule(f"/{view.__name__}", view_func=view)
    app.add_url_rule("/class", view_func=Slow.as_view("slow"))
    app.websocket("/ws")(talk)
    return app


def line_of(name: str) -> int:
    with open(__file__) as file:
        return next(at for at, line in enumerate(file, 1) if name in line)


@pytest.mark.parametrize(
    ("path", "endpoint", "written"),
    [("/blocking", "blocking", "def blocking"), ("/class", "slow", "class Slow")],
)
async def test_a_blocking_view_is_named(
    colour: type[t.Any], path: str, endpoint: str, written: str, caplog: pytest.LogCaptureFixture
) -> None:
    reply = await through_asgi(make_slow_app(colour, DEBUG=True), Ask(path))
    assert reply.status == 200
    [record] = caplog.records
    message = record.getMessage()
    assert record.levelno == logging.WARNING
    assert message.startswith(f"view '{endpoint}' [GET {path}] ({__file__}:{line_of(written)})")
    assert re.search(r"blocked the event loop for \d{3,} ms", message)
    assert "'def'" in message and "await" in message


@pytest.mark.parametrize("path", ["/patient", "/threaded"])
async def test_a_view_that_lets_others_run_is_not(
    colour: type[t.Any], path: str, caplog: pytest.LogCaptureFixture
) -> None:
    await through_asgi(make_slow_app(colour, DEBUG=True), Ask(path))
    assert not caplog.records


async def test_nothing_is_timed_without_debug(
    colour: type[t.Any], caplog: pytest.LogCaptureFixture
) -> None:
    await through_asgi(make_slow_app(colour, DEBUG=False), Ask("/blocking"))
    assert not caplog.records


async def test_a_blocking_websocket_is_named(
    colour: type[t.Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with QuartClient(make_slow_app(colour, DEBUG=True)).websocket("/ws") as connection:
        assert await connection.receive() == "done"
    assert "view 'talk' [GET /ws]" in caplog.text


async def test_an_async_log_exception_is_awaited() -> None:
    logged: list[t.Any] = []

    class App(quartish.Quart):
        async def log_exception(self, exception_info: t.Any) -> None:  # type: ignore[override]
            await asyncio.sleep(0)
            logged.append(exception_info[0])

    for testing in (False, True):
        app = make_app(App, DEBUG=not testing, PROPAGATE_EXCEPTIONS=False if testing else None)
        reply = await through_asgi(app, Ask("/loop", headers=HTML))
        assert reply.status == 500 and logged.pop() is LookupError and not logged


async def test_a_client_that_left_gets_no_page(
    colour: type[t.Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with HttpPeer(make_app(colour), "/loop") as peer:
        peer.broken = True
        await peer.ended()
    assert peer.error is None and peer.sent == []
    assert "the <shelf> is empty" in caplog.text


async def test_a_blocking_view_of_which_nobody_knows_the_source(
    colour: type[t.Any], caplog: pytest.LogCaptureFixture
) -> None:
    class Blocks:
        async def __call__(self) -> str:
            time.sleep(0.15)
            return "done"

    app = make_app(colour)
    app.add_url_rule("/blocks", "blocks", Blocks())
    assert (await through_asgi(app, Ask("/blocks"))).body == b"done"
    [record] = caplog.records
    assert record.getMessage().startswith("view 'blocks' [GET /blocks] blocked the event loop")


async def test_testing_raises_what_comes_after_the_head() -> None:
    app = make_app(quartish.Quart, DEBUG=False, TESTING=True)
    async with HttpPeer(app, "/torn") as peer:
        await peer.ended()
    assert isinstance(peer.error, LookupError)
    assert [message.get("more_body") for message in peer.sent] == [None, True]


async def test_behind_wsgi_middleware_what_goes_well_is_sent() -> None:
    app = make_app(quartish.Flask)

    def middleware(environ: t.Any, start_response: t.Any) -> list[bytes]:
        start_response("204 NO CONTENT", [("X-From", "middleware")])
        return []  # so that nothing but the end of the call sends the head

    app.wsgi_app = middleware
    reply = await through_asgi(app, Ask("/loop"))
    assert (reply.status, reply.headers["x-from"], reply.body) == (204, "middleware", b"")


async def test_behind_wsgi_middleware_the_debugger_is_asked_first() -> None:
    app = make_app(quartish.Flask)
    app.wsgi_app = ProxyFix(app.wsgi_app)
    ask = Ask("/loop", query=b"__debugger__=yes&cmd=resource&f=style.css")
    reply = await through_asgi(app, ask)
    assert (reply.status, reply.headers["content-type"]) == (200, "text/css; charset=utf-8")


def test_an_answer_of_the_debuggers_has_a_length() -> None:
    for headers in ([], [("Content-Length", "4")]):
        answer = _outgoing((200, headers, b"text"))
        assert (answer.status, answer.headers) == (200, [(b"content-length", b"4")])
        assert answer.body == b"text"


def test_the_watchdog_looks_on_when_a_step_begins_between_its_looks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Steps(dict[t.Any, t.Any]):
        asked = 0

        def __bool__(self) -> bool:  # empty, and not any more, and then that is enough
            self.asked += 1
            if self.asked == 3:
                raise InterruptedError
            return self.asked == 2

    looker = watchdog._Looker()
    looker.steps = Steps()
    looker.busy.set()
    with pytest.raises(InterruptedError):
        looker.run()
    assert looker.busy.is_set()


def test_what_waits_inside_of_quartish_is_not_the_users() -> None:
    found: dict[str, t.Any] = {"__name__": "quartish.somewhere"}
    exec(compile("import sys; frame = sys._getframe()", quartish.__file__, "exec"), found)
    assert watchdog._look(found["frame"]) == ""
    assert watchdog._look(None) == ""  # a thread that has ended meanwhile
