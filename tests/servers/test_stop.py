"""SIGTERM, to processes of their own: what is served ends as it should, in the grace and a bit."""

from __future__ import annotations

import asyncio
import importlib.util
import signal
import socket
import subprocess
import sys
import time
import typing as t
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests._processes import kill

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
GRACE = 3
SERVERS = ("hypercorn", "uvicorn", "granian")
APP = """
import asyncio, sys, time
from quartish import COLOUR, websocket

app = COLOUR("app")
begun = []

@app.get("/")
async def index():
    return str(len(begun))

@app.get("/slow")
async def slow():
    begun.append("slow")
    await asyncio.sleep(1)
    return "done"

@app.get("/sync")
def sync():
    begun.append("sync")
    time.sleep(1)
    return "done"

@app.get("/never")
async def never():
    begun.append("never")
    try:
        await asyncio.sleep(60)
    finally:
        print("cancelled never", flush=True)

@app.get("/stream")
async def stream():
    begun.append("stream")
    async def pieces():
        try:
            while True:
                yield b"tick"
                await asyncio.sleep(0.05)
        finally:
            await asyncio.sleep(0)
            print("closed stream", flush=True)
    return pieces()

@app.get("/pieces")
def pieces():
    begun.append("pieces")
    try:
        while True:
            yield b"tick"
            time.sleep(0.05)
    finally:
        print("closed pieces", flush=True)

@app.websocket("/ws")
async def ws():
    begun.append("ws")
    await websocket.accept()
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0.2)
        print("cancelled ws", flush=True)

@app.after_serving
async def after():
    print("after serving", flush=True)

if __name__ == "__main__":
    app.run(port=PORT, server=sys.argv[1])
"""
COMMANDS = {
    **{f"app.run {server}": ["stop.py", server] for server in SERVERS},
    **{
        f"quartish run {server}": [
            *("-m", "quartish", "--app", "stop", "run", "--port", "PORT", "--server", server),
        ]
        for server in SERVERS
    },
    "hypercorn": ["-m", "hypercorn", "stop:app", "-b", "127.0.0.1:PORT"],
    "uvicorn": [
        *("-m", "uvicorn", "stop:app", "--port", "PORT"),
        *("--timeout-graceful-shutdown", str(GRACE)),
    ],
    "granian": [
        *("-m", "granian", "--interface", "asgi", "stop:app", "--port", "PORT"),
        *("--workers-kill-timeout", str(GRACE)),
    ],
}


@pytest.mark.parametrize("name", COMMANDS)
async def test_what_is_served_ends(colour: type[t.Any], name: str, tmp_path: Path) -> None:
    if "granian" in name and importlib.util.find_spec("granian") is None:
        pytest.skip("granian is not installed")
    async with running(tmp_path, APP, colour.__name__, COMMANDS[name]) as (program, client):
        await stop(name, program, client)


@asynccontextmanager
async def running(
    folder: Path, app: str, colour: str, command: list[str]
) -> t.AsyncIterator[tuple[subprocess.Popen[str], httpx.AsyncClient]]:
    """Run a command on an app, and give it once it serves, with a client of it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    (folder / "stop.py").write_text(app.replace("PORT", port).replace("COLOUR", colour))
    program = subprocess.Popen(
        [sys.executable, *(part.replace("PORT", port) for part in command)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={"PYTHONPATH": f"{ROOT}:{folder}", "PATH": ""},
        start_new_session=True,
    )
    try:
        async with httpx.AsyncClient(timeout=20, base_url=f"http://127.0.0.1:{port}") as client:
            async with asyncio.timeout(30):
                while True:
                    try:
                        await client.get("/")
                        break
                    except httpx.HTTPError:
                        await asyncio.sleep(0.1)
            yield program, client
    finally:
        kill(program)
        t.cast(t.Any, program.stdout).close()


async def stop(name: str, program: subprocess.Popen[str], client: httpx.AsyncClient) -> None:
    async def get(path: str) -> t.Any:
        try:
            response = await client.get(path)
        except httpx.RemoteProtocolError:
            return "cut off"
        return response.status_code, response.text

    async def talk() -> int | None:
        async with connect(f"ws://{client.base_url.netloc.decode()}/ws") as socket:
            try:
                await socket.recv()
            except ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else None
        return None

    asked = [get(path) for path in ("/slow", "/sync", "/never", "/stream", "/pieces")]
    tasks = [asyncio.create_task(each) for each in (*asked, talk())]
    async with asyncio.timeout(20):
        while (await client.get("/")).text != "6":
            await asyncio.sleep(0.05)
    began = time.monotonic()
    program.send_signal(signal.SIGTERM)
    status = await asyncio.to_thread(program.wait, 30)
    seconds = time.monotonic() - began
    slow, sync, never, stream, pieces, code = await asyncio.gather(*tasks)
    output = t.cast(t.Any, program.stdout).read()
    assert slow == sync == (200, "done"), output
    assert (never == "cut off" or never[0] == 500) and stream == "cut off", output  # type: ignore[index]
    assert pieces == "cut off", output
    assert seconds < GRACE + 2, output  # one of them for a machine that does something else
    if name == "granian":  # the command kills its worker after the grace, and closes no websocket
        return
    # The command raises the signal again when all is done.
    assert status == (-signal.SIGTERM if name == "uvicorn" else 0), output
    assert code == 1012, output
    told = ("cancelled ws", "cancelled never", "closed stream", "closed pieces", "after serving")
    for each in told:
        assert output.count(each) == 1, output
    line = "The response of view 'stream' [GET /stream] was cut off: the server cancelled it"
    assert output.count(line) == 1, output
    assert output.index("closed pieces") < output.index("after serving"), output


async def test_granian_has_left_python_before_that_ends(tmp_path: Path) -> None:
    """A thread that came back while the interpreter ended aborted the process: granian#693."""
    pytest.importorskip("granian")
    late = """
import asyncio, time
usual = asyncio.BaseEventLoop.call_soon_threadsafe

def late(self, callback, *args, **more):
    usual(self, callback, *args, **more)
    if callback.__name__ == "_inner":  # granian's word that it has ended
        time.sleep(0.05)

asyncio.BaseEventLoop.call_soon_threadsafe = late
"""
    async with running(tmp_path, late + APP, "Flask", ["stop.py", "granian"]) as (program, _):
        program.send_signal(signal.SIGTERM)
        output, _ = await asyncio.to_thread(program.communicate, timeout=30)
    assert program.returncode == 0 and "panicked" not in output, output
