"""What clients see of a server that is to stop: as reported of others, and played here.

benoitc/gunicorn#2313: the last response of a connection said nothing of its end, so that the client
lost the next request. pgjones/hypercorn#128: while shutdown functions ran, new connections were
taken, and never answered.
"""

from __future__ import annotations

import http.client
import signal
import socket
import typing as t
from contextlib import closing
from pathlib import Path

import pytest

from tests._processes import is_installed
from tests.cli._program import Program

SCRIPT = """
import asyncio
import time

import quartish
from quartish.serving import run

app = quartish.{name}("app")

@app.get("/async")
async def slow():
    print("asked", flush=True)
    await asyncio.sleep(0.5)
    return "slow"

@app.get("/def")
def sync():
    print("asked", flush=True)
    time.sleep(0.5)
    return "slow"

@app.after_serving
async def after():
    print("stopping", flush=True)
    await asyncio.sleep(1)
    print("stopped", flush=True)

run(app, port=0, server="{server}")
"""


@pytest.mark.parametrize("server", ["hypercorn", "uvicorn", "granian"])
@pytest.mark.parametrize(("name", "path"), [("Flask", "/def"), ("Quart", "/async")])
def test_the_last_response_says_so(server: str, name: str, path: str, tmp_path: Path) -> None:
    if not is_installed(server):
        pytest.skip(f"{server} is not installed")
    (tmp_path / "farewell.py").write_text(SCRIPT.format(name=name, server=server))
    program = Program(tmp_path / "farewell.py", cwd=tmp_path)
    try:
        host, _, port = program.url().removeprefix("http://").partition(":")
        address = (host, int(port.rstrip("/")))
        with closing(http.client.HTTPConnection(*address, timeout=10)) as client:
            client.request("GET", path)
            program.wait_for("asked")
            program.process.send_signal(signal.SIGTERM)
            response = client.getresponse()
            assert response.read() == b"slow"
            assert response.headers["Connection"].lower() == "close"
        program.wait_for("stopping")
        with pytest.raises(OSError), socket.create_connection(address, timeout=10) as late:
            late.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert late.recv(1) == b""
            raise ConnectionResetError
        assert program.wait() == 0
        assert "stopped" in program.output and "Traceback" not in program.output
    finally:
        program.process.kill()
        program.process.wait()
        t.cast(t.Any, program.process.stdout).close()
