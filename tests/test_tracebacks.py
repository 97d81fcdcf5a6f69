"""Tracebacks in the terminal: the user's lines, of requests, websockets and background tasks."""

from __future__ import annotations

import asyncio
import io
import logging
import re
import traceback
import typing as t

import pytest

import quartish
from quartish._tracebacks import fold
from quartish._tracebacks import text_of
from quartish.logging import default_handler
from tests._doors import Ask
from tests._doors import through_asgi

FOLDED = re.compile(r"  \[\d+ frames of quartish and what it uses folded away; '--tracebacks full'")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("QUARTISH_TRACEBACKS", "FLASK_TRACEBACKS", "QUART_TRACEBACKS"):
        monkeypatch.delenv(name, raising=False)
    # On a machine that does something else, any view may seem to block the loop.
    monkeypatch.setattr("quartish.asgi.watchdog._Watch.warn", lambda *args: None)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[io.StringIO]:
    """What the handler writes that an app has when nobody configured logging."""
    written = io.StringIO()
    logger = logging.getLogger("terminal")
    monkeypatch.setattr(default_handler, "stream", written)
    logger.addHandler(default_handler)
    yield written
    logger.removeHandler(default_handler)


def make_app(colour: type[t.Any], **config: t.Any) -> t.Any:
    app = colour("terminal")
    app.config.update({"DEBUG": True, **config})

    def raises() -> t.NoReturn:
        raise LookupError("nothing there")

    async def loop() -> t.NoReturn:
        raises()

    def thread() -> t.NoReturn:
        raises()

    async def template() -> t.Any:
        made = quartish.render_template("none.html")
        return made if isinstance(made, str) else await made

    async def task() -> None:
        raises()

    async def background() -> str:
        await asyncio.wait([app.add_background_task(task)])
        return "done"

    @app.websocket("/ws")
    async def ws() -> None:
        await quartish.websocket.accept()
        raises()

    @app.websocket("/ws-thread")
    def ws_thread() -> None:
        t.cast(t.Any, quartish.websocket).send("hello")
        raises()

    for view in (loop, thread, template, background):
        app.add_url_rule(f"/{view.__name__}", view_func=view)
    return app


def lines_of(text: str) -> list[str]:
    """Return the functions that a traceback shows."""
    return re.findall(r'File ".*", line \d+, in (\w+)', text)


@pytest.mark.parametrize("path", ["/loop", "/thread"])
async def test_of_a_request(colour: type[t.Any], path: str, terminal: io.StringIO) -> None:
    await through_asgi(make_app(colour), Ask(path))
    written = terminal.getvalue()
    head, _, rest = written.partition("\n")
    assert head.endswith(f"] ERROR in app: Exception on {path} [GET] in view '{path[1:]}'")
    assert lines_of(written) == [path[1:], "raises"]
    assert FOLDED.search(rest) and written.count("Traceback") == 1
    assert rest.rstrip().endswith("LookupError: nothing there")


@pytest.mark.parametrize("path", ["/ws", "/ws-thread"])
async def test_of_a_websocket(colour: type[t.Any], path: str, terminal: io.StringIO) -> None:
    """It is logged as those of requests are, and the server, which would print all of its own
    frames, hears nothing of it; the client is told by the close."""
    sent: list[t.Any] = []

    async def receive() -> t.Any:
        if sent and sent[-1]["type"] == "websocket.close":
            return {"type": "websocket.disconnect", "code": 1006}
        return {"type": "websocket.connect"}

    async def send(message: t.Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": path, "headers": [], "query_string": b""}
    scope |= {"scheme": "ws", "http_version": "1.1", "root_path": "", "subprotocols": []}
    await make_app(colour)(scope, receive, send)
    assert sent[-1] == {"type": "websocket.close", "code": 1011, "reason": ""}
    written = terminal.getvalue()
    endpoint = path[1:].replace("-", "_")
    assert f"ERROR in app: Exception on {path} [GET] in view '{endpoint}'" in written
    assert lines_of(written) == [endpoint, "raises"]
    assert FOLDED.search(written)


async def test_of_a_background_task(colour: type[t.Any], terminal: io.StringIO) -> None:
    assert (await through_asgi(make_app(colour), Ask("/background"))).body == b"done"
    written = terminal.getvalue()
    assert "Exception in background task " in written
    assert lines_of(written) == ["task", "raises"]
    assert FOLDED.search(written)


async def test_of_a_missing_template(colour: type[t.Any], terminal: io.StringIO) -> None:
    """Once 40 lines, of which two were the user's."""
    await through_asgi(make_app(colour), Ask("/template"))
    written = terminal.getvalue()
    assert lines_of(written) == ["template"]
    assert len(written.splitlines()) < 12


@pytest.mark.parametrize(
    ("config", "variable", "full"),
    [
        ({}, "", False),
        ({"TRACEBACKS": "full"}, "", True),
        ({"TRACEBACKS": "short"}, "full", True),
        ({"TRACEBACKS": "full"}, "short", False),
        ({"DEBUG": False}, "", True),
        ({"DEBUG": False, "TRACEBACKS": "short"}, "", False),
    ],
)
async def test_all_of_it(
    colour: type[t.Any],
    config: dict[str, t.Any],
    variable: str,
    full: bool,
    terminal: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if variable:
        monkeypatch.setenv("QUARTISH_TRACEBACKS", variable)
    app = make_app(colour, **config)
    reply = await through_asgi(app, Ask("/loop"))
    texts = [terminal.getvalue()]
    if app.debug:
        texts.append(reply.body.decode())
    for text in texts:
        assert (len(lines_of(text)) > 5) is full
        assert bool(FOLDED.search(text)) is not full


async def test_other_handlers_get_all_of_it(
    colour: type[t.Any], terminal: io.StringIO, caplog: pytest.LogCaptureFixture
) -> None:
    await through_asgi(make_app(colour), Ask("/loop"))
    assert FOLDED.search(terminal.getvalue())
    [record] = caplog.records
    assert record.exc_text is None or not FOLDED.search(record.exc_text)
    assert (record.module, record.funcName) == ("app", "log_exception")  # as Flask's
    assert len(lines_of(logging.Formatter().format(record))) > 5


def test_what_a_users_own_call_of_a_library_raises_is_shown() -> None:
    import jinja2

    def view() -> None:
        jinja2.Environment().from_string("{{ 1 +")

    try:
        view()
    except jinja2.TemplateSyntaxError as error:
        text = text_of(error)
    assert "from_string" in lines_of(text) and "folded" not in text


def test_an_error_of_ours_alone_is_shown_whole() -> None:
    error = LookupError()
    error.__traceback__ = None
    assert fold(traceback.TracebackException.from_exception(error)) == 0


def test_causes_and_groups_are_folded_too() -> None:
    app = quartish.Flask("folded")

    def inner() -> None:
        with app.app_context():
            quartish.url_for("nowhere")

    def outer() -> None:
        try:
            inner()
        except Exception as error:
            raise ExceptionGroup("several", [error, ValueError("another")]) from error

    try:
        outer()
    except ExceptionGroup as group:
        full, text = text_of(group, full=True), text_of(group)
    assert "url_for" in lines_of(full) and "url_for" not in lines_of(text)
    assert text.count("in inner") == full.count("in inner") > 0
    assert text.count("folded away") == 1
