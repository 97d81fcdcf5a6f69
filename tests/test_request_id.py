"""The id of a request: in its answer, in the records of all its threads, and in the access log."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import subprocess
import sys
import typing as t
import urllib.request
from pathlib import Path

import pytest

import quartish
from quartish.logging import default_handler
from quartish.logging import JSONFormatter
from quartish.logging import request_id
from quartish.middleware import RequestID
from tests._peer import ask
from tests._processes import free_port
from tests._scripted import WebsocketPeer


@pytest.fixture
def records() -> t.Iterator[list[logging.LogRecord]]:
    """What is logged by anybody, under the process's own factory afterwards."""
    seen: list[logging.LogRecord] = []
    factory = logging.getLogRecordFactory()
    handler = logging.Handler()
    handler.emit = seen.append  # type: ignore[assignment, method-assign]
    logger = logging.getLogger("tests.request_id")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield seen
    logger.removeHandler(handler)
    logging.setLogRecordFactory(factory)


def make_app(colour: type[t.Any], **options: t.Any) -> t.Any:
    app = colour("app")
    log = logging.getLogger("tests.request_id")

    @app.get("/")
    async def index() -> str:
        log.info("in the view")
        await asyncio.to_thread(log.info, "in a thread of it")
        return request_id() or "none"

    @app.get("/thread")
    def thread() -> str:
        log.info("in the view")
        return request_id() or "none"

    @app.websocket("/ws")
    async def ws() -> None:
        log.info("in the websocket")
        await quartish.websocket.send(request_id() or "none")

    app.asgi_app = RequestID(app.asgi_app, **options)
    return app


@pytest.mark.parametrize("path", ["/", "/thread"])
async def test_each_request_has_one(
    colour: type[t.Any], path: str, records: list[logging.LogRecord]
) -> None:
    app = make_app(colour)
    answers = await asyncio.gather(*(ask(app, path) for _ in range(5)))
    ids = [answer.headers["X-Request-ID"] for answer in answers]
    assert [answer.text for answer in answers] == ids
    assert len({*ids}) == 5 and all(re.fullmatch(r"[0-9a-f]{32}", one) for one in ids)
    assert {record.request_id for record in records} == {*ids}  # type: ignore[attr-defined]
    assert request_id() is None


async def test_one_that_comes_in_is_kept(colour: type[t.Any]) -> None:
    app = make_app(colour)
    answer = await ask(app, x_request_id="a.b-c_1:2+3/4=")
    assert (answer.text, answer.headers["X-Request-ID"]) == ("a.b-c_1:2+3/4=",) * 2


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "a\tb", "é", '"', "{}"])
async def test_one_that_is_no_id_is_not(colour: type[t.Any], given: str) -> None:
    answer = await ask(make_app(colour), x_request_id=given)
    assert re.fullmatch(r"[0-9a-f]{32}", answer.text)


async def test_none_is_believed_without_trust(colour: type[t.Any]) -> None:
    app = make_app(colour, trust=False, header="X-Trace", make=lambda: "ours")
    answer = await ask(app, x_trace="theirs")
    assert (answer.text, answer.headers.getlist("X-Trace")) == ("ours", ["ours"])


async def test_an_answer_has_it_once_and_errors_too(colour: type[t.Any]) -> None:
    app = make_app(colour)

    @app.get("/own")
    async def own() -> t.Any:
        return "x", {"X-Request-ID": "another"}

    answer = await ask(app, "/own", x_request_id="one")
    assert answer.headers.getlist("X-Request-ID") == ["one"]
    assert (await ask(app, "/missing", x_request_id="two")).headers["X-Request-ID"] == "two"


async def test_websockets(colour: type[t.Any], records: list[logging.LogRecord]) -> None:
    async with WebsocketPeer(make_app(colour), "/ws", x_request_id="one") as peer:
        await peer.until(2)
    assert peer.said == ["one"]
    assert (b"x-request-id", b"one") in [*peer.sent[0]["headers"]]
    assert [record.request_id for record in records] == ["one"]  # type: ignore[attr-defined]


async def test_our_handler_shows_it(colour: type[t.Any], records: list[logging.LogRecord]) -> None:
    await ask(make_app(colour), x_request_id="one")
    assert default_handler.format(records[0]).endswith("in the view [one]")


def record(message: str, *args: object, **options: t.Any) -> dict[str, t.Any]:
    logger = logging.getLogger("tests.json")
    made = logger.makeRecord("tests.json", 20, __file__, 1, message, args, **options)
    told: dict[str, t.Any] = json.loads(JSONFormatter().format(made))
    return told


def test_json() -> None:
    told = record("%s\n%s", "a", "ü", exc_info=None)
    assert told.keys() == {"time", "level", "logger", "message"}
    assert (told["level"], told["logger"], told["message"]) == ("INFO", "tests.json", "a\nü")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", told["time"])
    extra = {"user": 7, "when": Path("/x"), "endpoint": "index"}
    told = record("x", exc_info=None, extra=extra)
    assert (told["user"], told["when"], told["endpoint"]) == (7, "/x", "index")


def test_json_of_an_error() -> None:
    try:
        raise LookupError("name\nwith a line")
    except LookupError:
        told = record("x", exc_info=sys.exc_info())
    assert told["exception"].startswith("Traceback") and "LookupError: name" in told["exception"]


SERVED = """
from quartish import Flask
from quartish.middleware import RequestID

app = Flask(__name__)
app.asgi_app = RequestID(app.asgi_app)

@app.get("/")
async def index():
    app.logger.warning("in the view")
    return "x"
"""


@pytest.mark.parametrize("switch", ["1", "0"])
def test_the_access_log(tmp_path: Path, switch: str) -> None:
    (tmp_path / "app.py").write_text(SERVED)
    port = free_port()
    env = {
        **os.environ,
        "QUARTISH_LOG": "json",
        "QUARTISH_ACCESS_LOG": switch,
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-m", "quartish", "run", "--port", str(port)]
    with subprocess.Popen(
        command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        assert server.stdout is not None
        try:
            lines: list[str] = []
            while not lines or "Running on" not in lines[-1]:
                lines.append(server.stdout.readline())
                assert lines[-1], lines
            asked = urllib.request.Request(
                f"http://127.0.0.1:{port}/?a=1", headers={"X-Request-ID": "one"}
            )
            with urllib.request.urlopen(asked, timeout=10) as answer:
                assert answer.headers["X-Request-ID"] == "one"
        finally:
            server.terminate()
            rest = server.stdout.read()
    told = [json.loads(line) for line in rest.splitlines() if line.startswith("{")]
    assert {line["request_id"] for line in told if "view" in line["message"]} == {"one"}
    access = [line for line in told if '"GET /?a=1' in line["message"]]
    assert [line["request_id"] for line in access] == ["one"] * (switch == "1")
