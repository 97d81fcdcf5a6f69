"""pgjones/hypercorn#314: over TLS, what a client sent after the response to a body that nobody had
read was an error of the server's, and the connection was gone."""

from __future__ import annotations

import http.client
import socket
import ssl
import typing as t
from pathlib import Path

import pytest

from tests.cli._program import Program

SCRIPT = """
import quartish
from quartish.serving import run

app = quartish.{name}("app")

@app.post("/def")
def unread():
    return "ok"

@app.get("/next")
async def following():
    return "next"

run(app, port=0, ssl_context="adhoc")
"""


def answer(sock: socket.socket) -> http.client.HTTPResponse:
    response = http.client.HTTPResponse(sock)
    response.begin()
    return response


@pytest.mark.parametrize("name", ["Flask", "Quart"])
def test_the_rest_comes_after_the_response(name: str, tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    (tmp_path / "unread.py").write_text(SCRIPT.format(name=name))
    program = Program(tmp_path / "unread.py", cwd=tmp_path)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        host, _, port = program.url().removeprefix("https://").rstrip("/").partition(":")
        for path, size in (("/def", 9), ("/def", 200_000), ("/missing", 200_000)):
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"
            with (
                socket.create_connection((host, int(port)), timeout=10) as plain,
                context.wrap_socket(plain) as sock,
            ):
                for _ in range(2):
                    sock.sendall(head.encode())
                    response = answer(sock)
                    assert response.status == (404 if path == "/missing" else 200)
                    response.read()
                    sock.sendall(b"x" * size)
                    sock.sendall(b"GET /next HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    assert answer(sock).read() == b"next"
            with (  # who goes on though it was told that the connection is closed
                socket.create_connection((host, int(port)), timeout=10) as plain,
                context.wrap_socket(plain) as sock,
            ):
                sock.sendall(head.replace(str(size), "9000000").encode())
                assert answer(sock).will_close
                with pytest.raises(OSError):
                    while True:
                        sock.sendall(b"x" * 65_536)
        assert program.end() == 0, program.output
        assert "Traceback" not in program.output and "Error" not in program.output, program.output
    finally:
        program.process.kill()
        program.process.wait()
        t.cast(t.Any, program.process.stdout).close()
