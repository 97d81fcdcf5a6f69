"""Where `run` listens, and what it says where it cannot; several processes at one address."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
import typing as t
from pathlib import Path

import httpx
import pytest

from quartish import serving
from quartish._serving import listen as room
from quartish._serving.listen import addresses
from quartish._serving.listen import holder_of
from quartish._serving.listen import listen
from tests._processes import free_port
from tests.cli._program import get
from tests.cli._program import PATIENCE
from tests.cli._program import Program

LINUX = pytest.mark.skipif(not os.path.exists("/proc/net/tcp"), reason="no /proc")


@pytest.mark.parametrize(
    ("host", "bind", "expected"),
    [
        ("127.0.0.1", [], ["127.0.0.1:5000"]),
        ("::1", [], ["[::1]:5000"]),
        ("[::1]", [], ["[::1]:5000"]),
        ("unix:/run/app.sock", [], ["unix:/run/app.sock"]),
        ("unix:///run/app.sock", [], ["unix:/run/app.sock"]),
        ("ignored", ["localhost:1", ":2", "[::1]:3"], ["localhost:1", "127.0.0.1:2", "[::1]:3"]),
        ("ignored", ["localhost", "::1", "[::1]"], ["localhost:5000", "[::1]:5000", "[::1]:5000"]),
        ("ignored", ["fd://3", "unix:a", "x:0"], ["fd://3", "unix:a", "x:0"]),
    ],
)
def test_addresses(host: str, bind: list[str], expected: list[str]) -> None:
    assert addresses(host, 5000, bind) == expected


def test_several_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "app.sock")
    with socket.socket(socket.AF_UNIX) as left:  # of a server that ended
        left.bind(path)
    with socket.create_server(("127.0.0.1", 0)) as given:
        number = os.dup(given.fileno())
        wanted = addresses("x", 0, ["127.0.0.1:0", f"unix:{path}", f"fd://{number}"])
        sockets = listen(wanted, 10)
        try:
            assert [sock.getsockname() for sock in sockets[1:]] == [path, given.getsockname()]
            port = sockets[0].getsockname()[1]
            for sock in sockets:
                with socket.socket(sock.family) as client:
                    client.connect(sock.getsockname())
        finally:
            for sock in sockets:
                sock.close()
    said = capsys.readouterr().out
    for url in (f"http://127.0.0.1:{port}", f"unix:{path}"):
        assert f" * Running on {url}\n" in said
    assert said.count("Press CTRL+C") == 1


def refusal(wanted: list[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        listen(wanted, 10)
    return str(caught.value)


@LINUX
def test_a_port_in_use_names_who_has_it_and_the_next() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refusal([f"127.0.0.1:{port}"])
        assert said.startswith(f"Cannot listen on 127.0.0.1:{port}: Address already in use.\n")
        command = Path("/proc/self/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        assert f"\nIt is held by process {os.getpid()}: {command}.\n" in said
        free = int(said.rpartition("--port ")[2].split(")")[0])
        assert free > port
    assert holder_of(port) is None  # it has been closed


def test_where_nothing_tells_who_has_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "holder_of", lambda port: None)
    monkeypatch.setattr(room, "_next_free", lambda host, port: None)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = refusal([f"127.0.0.1:{taken.getsockname()[1]}"])
    assert "It is held" not in said
    assert said.endswith("or choose another host or port.")


def test_the_last_port_has_no_next() -> None:
    assert room._next_free("127.0.0.1", 65535) is None


def test_a_unix_socket_that_is_served(tmp_path: Path) -> None:
    path = str(tmp_path / "app.sock")
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(path)
        taken.listen()
        assert "Address already in use" in refusal([f"unix:{path}"])
    assert "Cannot listen on fd://987654" in refusal(["fd://987654"])
    assert "Cannot listen on 192.0.2.1:1" in refusal(["192.0.2.1:1"])


def test_the_first_is_closed_where_the_second_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = free_port()
        refusal([f"127.0.0.1:{port}", f"127.0.0.1:{taken.getsockname()[1]}"])
        with socket.create_server(("127.0.0.1", port)):
            pass


# --- Several processes ------------------------------------------------------------------------

APP = """
import asyncio, os, signal
from quartish import Flask, request

app = Flask(__name__)

@app.get("/")
async def index():
    return f"{os.getpid()} {request.script_root}"

@app.get("/slow")
async def slow():
    print("slow", flush=True)
    await asyncio.sleep(1)
    return "done"

@app.get("/end")
def end():
    os.kill(os.getpid(), signal.SIGKILL)
"""


def start(folder: Path, *options: str, text: str = APP) -> tuple[Program, str]:
    (folder / "shelf.py").write_text(text)
    port = free_port()
    command = ("-m", "quartish", "--app", "shelf", "run", "--port", str(port))
    return Program(*command, *options, cwd=folder), f"http://127.0.0.1:{port}"


def pids(url: str, count: int) -> set[str]:
    """Ask, by a connection each, until so many processes have answered."""
    found: set[str] = set()
    until = time.monotonic() + PATIENCE
    while len(found) < count:
        assert time.monotonic() < until, found
        found.add(get(url).text.split()[0])
    return found


def test_workers(tmp_path: Path) -> None:
    program, url = start(tmp_path, "--workers", "2")
    try:
        program.wait_for("Running on ")
        first = pids(url, 2)
        assert str(program.process.pid) not in first
        with pytest.raises(httpx.HTTPError):
            get(f"{url}/end")
        program.wait_for("ended: another begins.")
        assert len(pids(url, 2) - first) == 1
        answers: list[str] = []
        request = threading.Thread(target=lambda: answers.append(get(f"{url}/slow").text))
        request.start()
        program.wait_for("slow\n")
        assert program.end() == 0, program.output
        request.join()
        assert answers == ["done"]
        assert program.output.count("Running on") == 1
        assert program.output.count("Serving quartish app") == 1
    finally:
        if program.process.poll() is None:
            program.end()
        t.cast(t.Any, program.process.stdout).close()


def test_workers_of_an_app_that_does_not_load(tmp_path: Path) -> None:
    program, _ = start(tmp_path, "--workers", "2", text="1 / 0")
    assert program.wait() == 1
    assert "ZeroDivisionError" in program.output
    t.cast(t.Any, program.process.stdout).close()


@pytest.mark.slow
@pytest.mark.parametrize("server", ["hypercorn", "uvicorn", "granian"])
def test_below_a_path(tmp_path: Path, server: str) -> None:
    pytest.importorskip(server)
    program, url = start(tmp_path, "--root-path", "/shop", "--server", server)
    try:
        program.wait_for("Running on ")
        assert get(url).text.endswith(" /shop")
        assert program.end(signal.SIGINT) == 0, program.output
    finally:
        if program.process.poll() is None:
            program.end()
        t.cast(t.Any, program.process.stdout).close()


def test_workers_are_not_reloaded() -> None:
    async def app(scope: t.Any, receive: t.Any, send: t.Any) -> None: ...

    with pytest.raises(ValueError, match="not reloaded"):
        serving.run(app, use_reloader=True, workers=2)
    if serving.is_installed("granian"):
        with pytest.raises(ValueError, match="one address"):
            serving.run(app, server="granian", bind=["127.0.0.1:0", "127.0.0.1:0"])
