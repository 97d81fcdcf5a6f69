"""examples/deploy with the real programs: servers by their configuration, nginx, Lambda."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import typing as t
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from tests._processes import end
from tests._processes import free_port

EXAMPLE = Path(__file__).parents[2] / "examples" / "deploy"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
PATIENCE = 30.0

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLE, tmp_path / "deploy"))


@contextmanager
def running(
    folder: Path, *command: str, until: t.Callable[[], bool], **environ: str
) -> t.Iterator[subprocess.Popen[bytes]]:
    env = {**os.environ, "PYTHONPATH": str(EXAMPLE.parents[1]), **environ}
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + PATIENCE
        while not until():
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.05)
        yield process
    finally:
        end(process, patience=PATIENCE)


def listens(port: int) -> t.Callable[[], bool]:
    def look() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            return False
        return True

    return look


def takes(path: Path) -> t.Callable[[], bool]:
    def look() -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(path)) == 0

    return look


async def talk(url: str) -> t.Any:
    async with connect(url) as websocket:
        await websocket.send("ping")
        return await websocket.recv()


def put_port(folder: Path, name: str, old: str, port: int) -> None:
    path = folder / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, f"127.0.0.1:{port}"))


SERVERS = {
    "hypercorn": ["hypercorn", "--config", "hypercorn.toml", "app:app"],
    "uvicorn": ["uvicorn", "--port", "{port}", "--workers", "2", "app:app"],
    "granian": ["granian", "--interface", "asgi", "--port", "{port}", "--workers", "2", "app:app"],
    "gunicorn": ["gunicorn", "--config", "gunicorn.conf.py", "app:app"],
}


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_by_its_configuration(folder: Path, server: str) -> None:
    """It answers, streams and talks; what runs at SIGTERM is let finish."""
    if importlib.util.find_spec(server) is None:
        pytest.skip(f"{server} is not installed")
    port = free_port()
    put_port(folder, "hypercorn.toml", "127.0.0.1:8000", port)
    put_port(folder, "gunicorn.conf.py", "127.0.0.1:8000", port)
    command = [part.format(port=port) for part in SERVERS[server]]
    base = f"http://127.0.0.1:{port}"
    with running(folder, sys.executable, "-m", *command, until=listens(port)) as process:
        answer = httpx.get(f"{base}/", timeout=PATIENCE).json()
        assert answer["url"] == f"{base}/"
        assert httpx.get(f"{base}/stream").text == "0\n1\n2\n"
        assert httpx.get(f"{base}{answer['style']}").headers["content-type"].startswith("text/css")
        assert asyncio.run(talk(f"ws://127.0.0.1:{port}/ws")) == "ping"
        with httpx.Client(base_url=base, timeout=PATIENCE) as client:
            with client.stream("GET", "/stream") as answer:
                process.send_signal(signal.SIGTERM)
                assert b"".join(answer.iter_bytes()) == b"0\n1\n2\n"
        process.wait(PATIENCE)
    with pytest.raises(httpx.TransportError):
        httpx.get(base, timeout=2)


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
def test_behind_nginx(folder: Path) -> None:
    """A prefix, a unix socket, static files by nginx itself, a stream, a websocket."""
    port = free_port()
    put_port(folder, "nginx.conf", "127.0.0.1:8080", port)
    (folder / "tmp").mkdir()
    sock = folder / "app.sock"
    text = (folder / "nginx.conf").read_text()
    # A test may run in a folder whose name is long, or not be allowed to change users.
    text = text.replace("unix:app.sock", f"unix:{sock}").replace(
        "alias static/", f"alias {folder}/static/"
    )
    (folder / "nginx.conf").write_text(f"user root;\n{text}" if os.geteuid() == 0 else text)
    server = [sys.executable, "-m", "hypercorn", "--bind", f"unix:{sock}", "app:app"]
    nginx = [str(NGINX), "-p", str(folder), "-c", "nginx.conf"]
    with (
        running(folder, *server, until=takes(sock), BEHIND_PROXY="1"),
        running(folder, *nginx, until=listens(port)),
    ):
        base = f"http://127.0.0.1:{port}/app"
        answer = httpx.get(f"{base}/", headers={"X-Forwarded-For": "203.0.113.9"})
        assert answer.status_code == 200, (folder / "log").read_text()
        # What the client says of itself is not believed.
        assert answer.json() == {
            "client": "127.0.0.1",
            "url": f"{base}/",
            "style": "/app/static/style.css",
        }
        style = httpx.get(f"{base}/static/style.css")
        assert style.headers["server"].startswith("nginx") and "max-age" in str(style.headers)
        assert httpx.get(f"{base}/stream").text == "0\n1\n2\n"
        assert asyncio.run(talk(f"ws://127.0.0.1:{port}/app/ws")) == "ping"


def test_lambda(folder: Path) -> None:
    if importlib.util.find_spec("mangum") is None:
        pytest.skip("mangum is not installed")
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/",
        "rawQueryString": "a=1",
        "headers": {"host": "example.org", "x-forwarded-proto": "https"},
        "requestContext": {
            "http": {
                "method": "GET",
                "path": "/",
                "sourceIp": "203.0.113.9",
                "protocol": "HTTP/1.1",
            },
        },
        "isBase64Encoded": False,
    }
    program = (
        "import json, sys; from serverless import handler;"
        "print(json.dumps(handler(json.load(sys.stdin), None)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}:{EXAMPLE.parents[1]}"},
        input=json.dumps(event),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["statusCode"] == 200
    told = json.loads(answer["body"])
    assert told["client"] == "203.0.113.9" and told["url"].endswith("example.org/?a=1")


def test_the_pages_snippet_and_files() -> None:
    page = (EXAMPLE.parents[1] / "docs" / "deploy.md").read_text()
    [snippet] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, t.Any] = {"__name__": "app"}
    exec(snippet, names)
    assert names["app"].asgi_app.x_prefix == 1
    files = re.findall(r"\]\(\.\./examples/deploy/([\w.]+)\)", page)
    assert len(files) == 4 and all((EXAMPLE / file).exists() for file in files)
    commands = set(re.findall(r"\| `(\w+) [^`]*` \|", page))
    assert commands == {*SERVERS}


def test_the_container_serves_what_is_there() -> None:
    """Docker is not to be had everywhere: its file names files of the folder and a real command."""
    lines = (EXAMPLE / "Dockerfile").read_text().splitlines()
    for line in lines:
        if line.startswith("COPY"):
            assert all((EXAMPLE / name).exists() for name in line.split()[1:-1]), line
    command = json.loads(next(line for line in lines if line.startswith("CMD"))[4:])
    assert command[0] == "hypercorn" and command[-1] == "app:app"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_unit(folder: Path) -> None:
    unit = folder / "quartish.service"
    text = unit.read_text().replace("/srv/app/.venv/bin/hypercorn", sys.executable)
    unit.write_text(text.replace("/srv/app", str(folder)))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
