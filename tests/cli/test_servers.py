"""uvicorn and granian, begun by `run`: what holds for Hypercorn (`test_serving`) holds for them."""

from __future__ import annotations

import importlib.util
import os
import ssl
import threading
import time
import typing as t
from pathlib import Path

import httpx
import pytest

from quartish import _servers
from quartish import serving
from quartish._servers import Calls
from quartish._servers import SERVERS
from tests._scripted import HttpPeer
from tests._scripted import WebsocketPeer
from tests.cli._program import get
from tests.cli.test_serving import REFUSES
from tests.cli.test_serving import RELOADING
from tests.cli.test_serving import SCRIPT
from tests.cli.test_serving import Start
from tests.cli.test_serving import start as start

OTHERS = pytest.mark.parametrize(
    "server",
    [
        "uvicorn",
        pytest.param(
            "granian",
            marks=pytest.mark.skipif(
                importlib.util.find_spec("granian") is None, reason="granian is not installed"
            ),
        ),
    ],
)


@OTHERS
def test_a_server_by_tls_is_stopped_by_a_signal(start: Start, server: str) -> None:
    pytest.importorskip("cryptography")
    program = start(f"run(app, port=0, server='{server}', ssl_context='adhoc'); print('returned')")
    url = program.url()
    program.wait_for("startup ")
    answers: list[httpx.Response] = []
    request = threading.Thread(target=lambda: answers.append(get(f"{url}/slow?q=1", verify=False)))
    request.start()
    program.wait_for("slow\n")
    assert program.end() == 0, program.output
    request.join()
    assert answers[0].text == str(program.process.pid)
    assert '127.0.0.1 "GET /slow?q=1 HTTP/1.1" 200 ' in program.output
    assert program.output.index("/slow?q=1 HTTP") < program.output.index("shutdown ")
    assert "returned\n" in program.output and "Traceback" not in program.output
    assert program.output.count("GET /slow") == 1  # nobody else tells of it


@OTHERS
def test_an_app_that_refuses_to_start(start: Start, server: str) -> None:
    program = start(f"run(app, port=0, server='{server}')", REFUSES)
    assert program.wait() == 1
    assert "Error: " in program.output and "start" in program.output


@OTHERS
def test_a_unix_socket(start: Start, tmp_path: Path, server: str) -> None:
    program = start(f"run(app, 'unix:app.sock', server='{server}')")
    assert program.url() == "unix:app.sock"
    program.wait_for("startup ")
    transport = httpx.HTTPTransport(uds=str(tmp_path / "app.sock"))
    with httpx.Client(transport=transport) as client:
        assert client.get("http://x/").text == str(program.process.pid)


@pytest.mark.slow
@OTHERS
def test_the_reloader_keeps_the_address(start: Start, tmp_path: Path, server: str) -> None:
    program = start(RELOADING.replace("debug", f"server='{server}', debug"), SCRIPT)
    url, first = program.url(), program.wait_for("startup ")
    assert get(url).text == first != str(program.process.pid)
    later = time.time() + 10
    os.utime(tmp_path / "program.py", (later, later))
    program.wait_for("Restarting\n")
    assert get(url).text not in (first, str(program.process.pid))
    assert program.end() == 0, program.output


# --- what is refused ------------------------------------------------------------------------------


async def app(scope: t.Any, receive: t.Any, send: t.Any) -> None:
    await receive()


def test_a_server_that_nobody_knows() -> None:
    with pytest.raises(ValueError, match="'waitress' is no server"):
        serving.run(app, server="waitress")


def test_a_server_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(t.cast(t.Any, SERVERS), "not_installed", SERVERS["uvicorn"])
    with pytest.raises(SystemExit, match="pip install not_installed"):
        serving.run(app, server="not_installed")


@pytest.mark.skipif(not _servers.is_installed("granian"), reason="granian is not installed")
def test_granian_wants_files() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with pytest.raises(ValueError, match="a certificate's files"):
        serving.run(app, server="granian", ssl_context=context)


# --- calls ----------------------------------------------------------------------------------------


async def test_calls_are_told_of_and_cancelled() -> None:
    told: list[t.Any] = []

    async def waiting(scope: t.Any, receive: t.Any, send: t.Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 201, "headers": []})
        while True:
            await receive()

    calls = Calls(waiting, 2, lambda scope, status, seconds: told.append((scope["type"], status)))
    async with HttpPeer(calls) as http, WebsocketPeer(calls) as websocket:
        await http.until(1)
        async with HttpPeer(calls) as refused:
            await refused.until(2)
        assert refused.status == 503
        calls.cancel("websocket")
        await websocket.ended()
        assert not http.task.done()
        calls.cancel()
        await http.ended()
    assert told == [("websocket", None), ("http", 201)]
