"""Servers that are to stop while code blocks the event loop: no handler on the loop can tell.

Kludex/uvicorn#2751 has it for a start-up that waits; who waits by sync code could only be killed.
"""

from __future__ import annotations

import signal
import subprocess
import time
import typing as t
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests._processes import is_installed
from tests.cli._program import Program

SCRIPT = """
import asyncio
import socket
import threading
import time

import quartish
from quartish.serving import run

app = quartish.{name}("app")

@app.while_serving
async def around():
    print("opened", flush=True)
    yield
    print("shut", flush=True)

{blocking}

run(app, port=0, server="{server}", debug={debug}, loop={loop})
"""

BLOCKING = {
    "a hook": """
@app.before_serving
def start():
    print("blocking", flush=True)
    time.sleep(1000)
""",
    "an async hook": """
@app.before_serving
async def start():
    print("blocking", flush=True)
    try:
        pair = socket.socketpair()
        with pair[0], pair[1]:
            pair[0].recv(1)
    finally:
        print("closed", flush=True)
""",
    "a generator": """
@app.while_serving
def start():
    print("blocking", flush=True)
    try:
        while True:
            sum(range(1000))
    finally:
        print("closed", flush=True)
    yield
""",
    "a lock": """
@app.while_serving
async def start():
    print("blocking", flush=True)
    try:
        threading.Event().wait()
    finally:
        print("closed", flush=True)
    yield
""",
    "a task": """
@app.before_serving
async def start():
    async def work():
        print("blocking", flush=True)
        try:
            time.sleep(1000)
        finally:
            print("closed", flush=True)

    app.add_background_task(work)
""",
    "a view": """
@app.get("/")
async def view():
    print("blocking", flush=True)
    try:
        time.sleep(1000)
    finally:
        print("closed", flush=True)
""",
    "an import": """
print("blocking", flush=True)
time.sleep(1000)
""",
}


@contextmanager
def blocked(folder: Path, kind: str, name: str = "Quart", **options: t.Any) -> t.Iterator[Program]:
    path = folder / "blocked.py"
    given = {"server": "hypercorn", "debug": True, "loop": None, **options}
    path.write_text(SCRIPT.format(name=name, blocking=BLOCKING[kind], **given))
    program = Program(path, cwd=folder)
    try:
        if kind == "a view":
            with subprocess.Popen(["curl", "-s", program.url()]) as client:
                program.wait_for("blocking")
                yield program
                client.wait(20)
        else:
            program.wait_for("blocking")
            yield program
    finally:
        program.process.kill()
        program.process.wait()
        t.cast(t.Any, program.process.stdout).close()


@pytest.mark.parametrize("kind", [kind for kind in BLOCKING if kind != "an import"])
@pytest.mark.parametrize("name", ["Flask", "Quart"])
def test_it_is_interrupted_after_the_grace(name: str, kind: str, tmp_path: Path) -> None:
    sent = signal.SIGINT if name == "Flask" else signal.SIGTERM
    with blocked(tmp_path, kind, name) as program:
        status = program.end(sent)
    said = program.output
    assert status == 0 and "Traceback" not in said, said
    assert "was interrupted: it blocked the event loop for 1.0 seconds after" in said, said
    assert said.count("closed") == (kind != "a hook"), said
    assert said.count("shut") == said.count("opened"), said


@pytest.mark.parametrize("server", [s for s in ("uvicorn", "granian") if is_installed(s)])
@pytest.mark.parametrize("kind", ["a hook", "a view"])
def test_other_servers(server: str, kind: str, tmp_path: Path) -> None:
    with blocked(tmp_path, kind, server=server) as program:
        status = program.end(signal.SIGTERM)
    assert status == 0 and "was interrupted" in program.output, program.output
    assert program.output.count("shut") == program.output.count("opened"), program.output


@pytest.mark.skipif(not is_installed("uvloop"), reason="uvloop is not installed")
def test_uvloop(tmp_path: Path) -> None:
    loop = "__import__('uvloop').new_event_loop()"
    with blocked(tmp_path, "a hook", loop=loop) as program:
        status = program.end(signal.SIGTERM)
    assert status == 0 and "was interrupted" in program.output, program.output


@pytest.mark.parametrize("kind", ["a hook", "a view"])
def test_a_second_ctrl_c_ends_it_at_once(kind: str, tmp_path: Path) -> None:
    with blocked(tmp_path, kind, debug=False) as program:
        program.process.send_signal(signal.SIGINT)
        time.sleep(1.2)  # sooner it may be the first one, which came twice
        program.end(signal.SIGINT)
    assert "graceful_timeout" not in program.output, program.output


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_import_ends_at_once(sent: signal.Signals, tmp_path: Path) -> None:
    with blocked(tmp_path, "an import") as program:
        assert program.end(sent) == -sent


def test_the_reloader_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "blocked.py"
    source = SCRIPT.replace("debug=", "use_reloader=True, debug=")
    given = {"name": "Quart", "server": "hypercorn", "debug": True, "loop": None}
    path.write_text(source.format(blocking=BLOCKING["a hook"], **given))
    program = Program(path, cwd=tmp_path)
    try:
        program.wait_for("blocking")
        assert program.end(signal.SIGTERM) == 0
    finally:
        program.process.kill()
        t.cast(t.Any, program.process.stdout).close()
