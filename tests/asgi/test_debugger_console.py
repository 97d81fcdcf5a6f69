"""The console of debug mode: who may use it, as Werkzeug guards it, and where its code runs."""

from __future__ import annotations

import asyncio
import html
import logging
import re
import typing as t
from contextvars import ContextVar
from urllib.parse import urlencode

import pytest
from werkzeug.datastructures import Headers
from werkzeug.debug import DebuggedApplication
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import Client

import quartish
from quartish.debugger import KEPT
from tests._doors import Ask
from tests._doors import Reply
from tests._doors import through_asgi
from tests._scripted import HttpPeer

PIN = "123-456-789"
HTML = (b"accept", b"text/html,*/*")
number: ContextVar[int] = ContextVar("number", default=0)


@pytest.fixture(autouse=True)
def pin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WERKZEUG_DEBUG_PIN", PIN)
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # a wrong PIN takes a while


def make_app(colour: type[t.Any], **config: t.Any) -> t.Any:
    app = colour("debugged")
    app.config.update(DEBUG=True, SECRET_KEY="unspeakable", **config)
    request, g = quartish.request, quartish.g

    @app.before_request
    def before() -> None:
        g.user = "Ada"
        number.set(7)

    async def loop() -> t.NoReturn:
        here = "on the loop"
        raise LookupError(here)

    def thread() -> t.NoReturn:
        here = "in a thread"
        raise LookupError(here)

    async def stream() -> t.Any:
        async def lines() -> t.AsyncIterator[str]:
            here = "in a stream"
            raise LookupError(here)
            yield ""

        return app.response_class(quartish.stream_with_context(lines)())

    def stream_in_thread() -> t.Any:
        def lines() -> t.Iterator[str]:
            here = "in a stream"
            raise LookupError(here)
            yield ""

        return app.response_class(quartish.stream_with_context(lines()))

    async def template() -> t.Any:
        made = quartish.render_template_string("{% set here = x.y.z %}")
        return made if isinstance(made, str) else await made

    for view in (loop, thread, stream, stream_in_thread, template):
        app.add_url_rule(f"/{view.__name__}", view_func=view)
    assert request is not None
    return app


class Page:
    """An error's page, and what its script may ask."""

    def __init__(self, app: t.Any, path: str, reply: Reply, host: bytes) -> None:
        self.app, self.path, self.host = app, path, host
        assert reply.status == 500
        assert reply.headers["content-type"] == "text/html; charset=utf-8"
        self.text = reply.body.decode()
        self.secret = found(r'SECRET = "(\w+)"', self.text)
        self.evalex = found(r"EVALEX = (\w+)", self.text) == "true"
        self.trusted = found(r"EVALEX_TRUSTED = (\w+)", self.text) == "true"
        self.frames = re.findall(r'id="frame-(\d+)"', self.text)
        self.cookie = b""

    @classmethod
    async def open(cls, app: t.Any, path: str, host: bytes = b"localhost") -> Page:
        return cls(app, path, await through_asgi(app, Ask(path, headers=[HTML], host=host)), host)

    async def ask(self, **values: t.Any) -> Reply:
        query = urlencode({"__debugger__": "yes", "s": self.secret, **values}).encode()
        cookies = [(b"cookie", self.cookie)] if self.cookie else []
        ask = Ask(self.path, query=query, headers=[HTML, *cookies], host=self.host)
        return await through_asgi(self.app, ask)

    async def unlock(self, pin: str = PIN) -> Reply:
        reply = await self.ask(cmd="pinauth", pin=pin)
        if "set-cookie" in reply.headers:
            self.cookie = reply.headers["set-cookie"].partition(";")[0].encode()
        return reply

    async def run(self, code: str, frame: int = -1) -> str:
        reply = await self.ask(cmd=code, frm=self.frames[frame])
        assert reply.status == 200, reply
        shown = html.unescape(re.sub(r"<[^>]+>", "", reply.body.decode()))
        assert shown[:4] in (">>> ", "... ")
        return shown[4:].removeprefix(code).strip()


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match is not None, pattern
    return match[1]


PATHS = ["/loop", "/thread", "/stream", "/stream_in_thread"]


@pytest.mark.parametrize("path", PATHS)
async def test_it_runs_in_the_frame_and_context_of_the_request(
    colour: type[t.Any], path: str
) -> None:
    page = await Page.open(make_app(colour), path)
    assert page.evalex and not page.trusted and "unspeakable" not in page.text
    assert (await page.unlock()).status == 200
    assert await page.run("here") in ("'on the loop'", "'in a thread'", "'in a stream'")
    assert (
        await page.run("import asyncio, quartish, tests.asgi.test_debugger_console as here") == ""
    )
    assert await page.run("quartish.request.path, quartish.g.user") == f"('{path}', 'Ada')"
    assert await page.run("quartish.url_for('loop')") == "'/loop'"
    assert await page.run("here.number.get()") == "7"
    assert await page.run("_ = here.number.set(8)") == ""
    assert await page.run("here.number.get()") == "8"
    assert await page.run("print('<b>')") == "<b>"


@pytest.mark.parametrize("path", PATHS)
async def test_await_works_on_the_loop_of_the_request(colour: type[t.Any], path: str) -> None:
    app = make_app(colour)
    app.loop = asyncio.get_running_loop()
    page = await Page.open(app, path)
    await page.unlock()
    await page.run("import asyncio, quartish")
    assert await page.run("await asyncio.sleep(0.001, 'slept')") == "'slept'"
    assert await page.run("value = await asyncio.sleep(0, 3)") == ""
    assert await page.run("value + 1") == "4"
    await page.run("async def loop(): return asyncio.get_running_loop()")
    await page.run("")
    assert await page.run("await loop() is quartish.current_app.loop") == "True"
    assert "RuntimeError: no" in await page.run("raise RuntimeError('no')")
    assert "RuntimeError: no" in await page.run("await asyncio.sleep(0); raise RuntimeError('no')")
    for code in ("exit()", "await asyncio.sleep(0); exit()"):
        assert "SystemExit" in await page.run(code)
    assert "CancelledError" in await page.run(
        "await asyncio.sleep(0); raise asyncio.CancelledError"
    )
    if path == "/loop":  # where its own objects belong: an sqlite connection, say
        assert await page.run("asyncio.get_running_loop() is quartish.current_app.loop") == "True"
        assert await page.run("import threading; threading.current_thread().name") == "'MainThread'"
    elif path == "/thread":
        assert "no running event loop" in await page.run("asyncio.get_running_loop()")


async def test_a_command_of_several_lines(colour: type[t.Any]) -> None:
    page = await Page.open(make_app(colour), "/loop")
    await page.unlock()
    assert await page.run("async def double(x):") == ""
    assert await page.run("    return 2 * x") == ""
    assert await page.run("") == ""
    assert await page.run("await double(21)") == "42"
    assert "SyntaxError" in await page.run("1 +")


async def test_the_frame_of_a_template(colour: type[t.Any]) -> None:
    page = await Page.open(make_app(colour), "/template")
    await page.unlock()
    assert "&lt;template&gt;" in page.text
    assert len(page.frames) == 2
    assert await page.run("request.path") == "'/template'"
    assert await page.run("__name__", frame=0) == f"'{__name__}'"  # of the view


async def test_a_page_that_is_closed_ends_what_it_awaits(colour: type[t.Any]) -> None:
    app = make_app(colour)
    page = await Page.open(app, "/loop")
    await page.unlock()
    await page.run("import asyncio; begun = asyncio.Event(); ended = []")
    await page.run("async def wait():")
    await page.run("    try: begun.set(); await asyncio.Event().wait()")
    await page.run("    finally: ended.append(True)")
    await page.run("")
    query = {"__debugger__": "yes", "s": page.secret, "cmd": "await wait()"}
    path = f"/loop?{urlencode({**query, 'frm': page.frames[-1]})}"
    async with HttpPeer(app, path, host="localhost", cookie=page.cookie.decode()) as peer:
        await page.run("await asyncio.wait_for(begun.wait(), 5)")
        peer.put({"type": "http.disconnect"})
    assert await page.run("ended") == "[True]"
    assert peer.error is None and peer.sent == []


async def test_a_server_that_cancels_ends_what_it_awaits(colour: type[t.Any]) -> None:
    app = make_app(colour)
    page = await Page.open(app, "/loop")
    await page.unlock()
    await page.run("import asyncio")
    task = asyncio.create_task(page.run("await asyncio.Event().wait()"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await page.run("1 + 1") == "2"


# --- the guard, as Werkzeug's -------------------------------------------------------------------


async def test_a_wrong_pin_opens_nothing(colour: type[t.Any]) -> None:
    page = await Page.open(make_app(colour), "/loop")
    refused = await page.unlock("000-000-000")
    assert refused.body == b'{"auth": false, "exhausted": false}' and not page.cookie
    # What is no command for the debugger goes to the app, which raises once more.
    assert b"LookupError" in (await page.ask(cmd="1+1", frm=page.frames[0])).body
    for _ in range(11):  # releases of Werkzeug differ by one
        refused = await page.unlock("000-000-000")
        if b'"exhausted": true' in refused.body:
            break
    assert refused.body == b'{"auth": false, "exhausted": true}'
    assert (await page.unlock()).body == b'{"auth": false, "exhausted": true}'  # the right one


@pytest.mark.parametrize("host", [b"evil.example", b"192.0.2.7:5000", b"localhost.evil.example"])
async def test_a_foreign_host_opens_nothing(colour: type[t.Any], host: bytes) -> None:
    app = make_app(colour)
    page = await Page.open(app, "/loop", host)
    assert not page.evalex
    assert (await page.unlock()).status == 400
    assert (await page.ask(cmd="printpin")).status == 400
    trusted = await Page.open(app, "/loop")
    await trusted.unlock()
    page.cookie = trusted.cookie
    assert (await page.ask(cmd="1+1", frm=page.frames[0])).status == 400


async def test_hosts_of_ones_own_are_trusted(colour: type[t.Any]) -> None:
    app = make_app(colour, DEBUGGER_TRUSTED_HOSTS=["dev.example"])
    assert (await Page.open(app, "/loop", b"dev.example")).evalex
    assert not (await Page.open(app, "/loop")).evalex


async def test_without_the_secret_nothing_is_run(colour: type[t.Any]) -> None:
    page = await Page.open(make_app(colour), "/loop")
    await page.unlock()
    for secret in ("", "x" * 20):
        for values in ({"cmd": "1+1", "frm": page.frames[0]}, {"cmd": "pinauth", "pin": PIN}):
            reply = await page.ask(**values, s=secret)
            assert reply.status == 500 and b"LookupError" in reply.body  # the app's


async def test_a_forged_cookie_opens_nothing(colour: type[t.Any]) -> None:
    page = await Page.open(make_app(colour), "/loop")
    await page.unlock()
    page.cookie = page.cookie.partition(b"=")[0] + b"=99999999999|000000000000"
    assert b"LookupError" in (await page.ask(cmd="1+1", frm=page.frames[0])).body


async def test_nothing_listens_without_debug(colour: type[t.Any]) -> None:
    app = make_app(colour)
    page = await Page.open(app, "/loop")
    await page.unlock()
    app.debug = False
    for values in ({"cmd": "1+1", "frm": page.frames[0]}, {"cmd": "resource", "f": "style.css"}):
        reply = await page.ask(**values)
        assert reply.status == 500 and b"Internal Server Error" in reply.body
        assert b"LookupError" not in reply.body
    assert (await through_asgi(app, Ask("/console"))).status == 404


async def test_a_request_is_answered_as_werkzeugs_debugger_does(colour: type[t.Any]) -> None:
    """Status, body and headers of each of its answers, beside the WSGI debugger itself."""

    def broken(environ: t.Any, start_response: t.Any) -> t.NoReturn:
        raise LookupError

    theirs = DebuggedApplication(broken, evalex=True)
    page = await Page.open(make_app(colour), "/loop")
    ours = page.app._debugger.middleware
    ours.secret = page.secret = theirs.secret
    asked: list[dict[str, t.Any]] = [
        {"cmd": "resource", "f": "style.css"},
        {"cmd": "resource", "f": "debugger.js"},
        {"cmd": "resource", "f": "../tbtools.py"},
        {"cmd": "pinauth", "pin": "1"},
        {"cmd": "printpin"},
        {"cmd": "pinauth", "pin": PIN},
    ]
    for host in ("localhost", "evil.example"):
        page.host = host.encode()
        for values in asked:
            reply = await page.ask(**values)
            query = {"__debugger__": "yes", "s": theirs.secret, **values}
            response = Client(theirs).get("/loop", base_url=f"http://{host}", query_string=query)
            expected = (response.status_code, response.data, names(response.headers))
            assert (reply.status, reply.body, names(reply.headers)) == expected, values


def names(headers: Headers) -> set[str]:
    return {name.lower() for name, _ in headers} - {"date"}


# --- and the rest -------------------------------------------------------------------------------


async def test_assets_come_from_werkzeug(colour: type[t.Any]) -> None:
    page = await Page.open(make_app(colour), "/loop")
    for asset in ("debugger.js", "style.css", "console.png"):
        assert f"cmd=resource&amp;f={asset}" in page.text
        assert (await page.ask(cmd="resource", f=asset)).status == 200


async def test_the_console_by_itself(colour: type[t.Any]) -> None:
    app = make_app(colour)
    reply = await through_asgi(app, Ask("/console"))
    assert reply.status == 200 and b"Interactive Console" in reply.body
    page = await Page.open(app, "/loop")
    await page.unlock()
    page.frames = ["0"]
    await page.run("import asyncio, quartish")
    assert await page.run("app == quartish.current_app, await asyncio.sleep(0, 1)") == "(True, 1)"


async def test_an_apps_own_console_goes_before(colour: type[t.Any]) -> None:
    app = make_app(colour)
    app.add_url_rule("/<name>", "named", lambda name: f"the app's {name}")
    assert (await through_asgi(app, Ask("/console"))).body == b"the app's console"


@pytest.mark.parametrize("path", ["/loop", "/thread"])
async def test_behind_wsgi_middleware(path: str) -> None:
    app = make_app(quartish.Flask)
    app.wsgi_app = ProxyFix(app.wsgi_app)
    page = await Page.open(app, path)
    assert (await page.unlock()).status == 200
    await page.run("import asyncio, quartish")
    assert await page.run("quartish.request.path, quartish.g.user") == f"('{path}', 'Ada')"
    assert await page.run("await asyncio.sleep(0, 1)") == "1"


@pytest.mark.parametrize("path", ["/loop", "/thread"])
async def test_with_a_connection_class_of_its_own(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its errors have the same page, console and log as those of an app without one; what the
    page asks does not reach it."""
    app = make_app(quartish.Quart)
    asked: list[t.Any] = []

    base: t.Any = app.asgi_http_class

    class Own(base):
        async def handle_request(self, request: t.Any, send: t.Any) -> None:
            asked.append(request.path)
            await super().handle_request(request, send)

    app.asgi_http_class = Own
    app.loop = asyncio.get_running_loop()
    page = await Page.open(app, path)
    assert asked == [path]
    assert [record.getMessage() for record in caplog.records] == [f"Exception on {path} [GET]"]
    assert page.evalex and not page.trusted and "unspeakable" not in page.text
    assert b"LookupError" in (await page.ask(cmd="1+1", frm=page.frames[-1])).body  # locked
    assert (await page.unlock()).status == 200
    assert (await page.ask(cmd="resource", f="style.css")).headers["content-type"][:8] == "text/css"
    assert await page.run("here") in ("'on the loop'", "'in a thread'")
    await page.run("import asyncio, quartish, tests.asgi.test_debugger_console as here")
    assert await page.run("quartish.request.path, quartish.g.user") == f"('{path}', 'Ada')"
    assert await page.run("here.number.get()") == "7"
    assert await page.run("asyncio.get_running_loop() is quartish.current_app.loop") == "True"
    assert asked == [path, path]  # the one that was locked
    reply = await through_asgi(app, Ask(path, headers=[(b"accept", b"application/json")]))
    assert reply.headers["content-type"] == "application/problem+json"
    app.debug = False
    reply = await through_asgi(app, Ask(path, headers=[HTML]))
    assert reply.status == 500 and b"LookupError" not in reply.body


async def test_a_websocket_class_of_its_own_logs_its_errors(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = make_app(quartish.Quart)
    app.asgi_websocket_class = type("Own", (app.asgi_websocket_class,), {})

    @app.websocket("/talk")
    async def talk() -> t.NoReturn:
        await quartish.websocket.accept()
        raise LookupError("in a websocket")

    async with app.test_client().websocket("/talk"):
        await asyncio.sleep(0)
    (error,) = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert str(error) == "in a websocket"


async def test_old_pages_are_forgotten(colour: type[t.Any]) -> None:
    app = make_app(colour)
    first = await Page.open(app, "/loop")
    await first.unlock()
    assert await first.run("1") == "1"
    for _ in range(KEPT):
        await Page.open(app, "/loop")
    assert b"LookupError" in (await first.ask(cmd="1", frm=first.frames[0])).body
    assert len(app._debugger.middleware.frames) == KEPT


async def test_the_pin_is_said_when_the_server_starts(
    colour: type[t.Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """By Werkzeug, which says it where a reloader started the process."""
    monkeypatch.setenv("WERKZEUG_RUN_MAIN", "true")
    caplog.set_level(logging.INFO, "werkzeug")
    for debug in (True, False):
        caplog.clear()
        events = iter(["lifespan.startup", "lifespan.shutdown"])

        async def receive(events: t.Iterator[str] = events) -> t.Any:
            return {"type": next(events)}

        async def send(message: t.Any) -> None: ...

        app = make_app(colour)
        app.debug = debug
        await app({"type": "lifespan"}, receive, send)
        assert (f"Debugger PIN: {PIN}" in caplog.text) is debug


# --- others than this machine -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("client", "headers", "loud"),
    [
        (("127.0.0.1", 1), [], False),
        (("::1", 1), [], False),
        (None, [], False),  # a unix socket
        (("192.0.2.7", 1), [], True),
        (("127.0.0.1", 1), [(b"x-forwarded-for", b"192.0.2.7")], True),
    ],
)
async def test_it_says_so_loudly(
    colour: type[t.Any],
    client: t.Any,
    headers: list[tuple[bytes, bytes]],
    loud: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = make_app(colour)

    async def from_elsewhere(scope: t.Any, receive: t.Any, send: t.Any) -> None:
        await app({**scope, "client": client}, receive, send)

    for _ in range(2):
        await through_asgi(from_elsewhere, Ask("/loop", headers=headers))
    records = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert len(records) == loud
    if loud:
        said = records[0].getMessage()
        assert "DEBUG MODE IS ON" in said and "--debug" in said and "PIN" in said


async def test_a_head_is_not_kept_back_for_long(colour: type[t.Any]) -> None:
    """A client of an event stream may wait for the head before it does what makes an event."""
    app = make_app(colour)
    go = asyncio.Event()
    sent: list[str] = []

    async def events() -> t.Any:
        async def lines() -> t.AsyncIterator[str]:
            await go.wait()
            yield "late"

        return app.response_class(lines())

    async def watch(scope: t.Any, receive: t.Any, send: t.Any) -> None:
        async def noted(message: t.Any) -> None:
            sent.append(message["type"])
            go.set()  # the head has come
            await send(message)

        await app(scope, receive, noted)

    app.add_url_rule("/events", view_func=events)
    assert (await through_asgi(watch, Ask("/events"))).body == b"late"
    assert sent[0] == "http.response.start"
