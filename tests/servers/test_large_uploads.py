"""Uploads of gigabytes, over real servers: handed on part by part, without memory or disk."""

from __future__ import annotations

import hashlib
import http.client
import json
import typing as t
from contextlib import closing

import pytest

from tests._processes import is_installed
from tests._processes import serve

PIECE = bytes(range(256)) * 1024  # 256 kB
GIGABYTE = 4096  # pieces
#: Kilobytes by which a process may grow; granian has buffers of its own, as a thread has.
GROWS = {"hypercorn": 4 * 1024, "uvicorn": 4 * 1024, "granian": 16 * 1024}


def form(pieces: int) -> t.Iterator[bytes]:
    for name in ("small", "large"):
        yield b'--x\r\nContent-Disposition: form-data; name="%s"; filename="f"\r\n\r\n' % (
            name.encode()
        )
        for _ in range(pieces if name == "large" else 1):
            yield PIECE
        yield b"\r\n"
    yield b"--x--\r\n"


def upload(address: tuple[str, int], path: str, pieces: int) -> t.Any:
    connection = http.client.HTTPConnection(*address, timeout=300)
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    with closing(connection):
        connection.request("POST", path, form(pieces), kind, encode_chunked=True)
        return json.loads(connection.getresponse().read())


def digest(pieces: int) -> str:
    found = hashlib.sha1(usedforsecurity=False)
    for _ in range(pieces):
        found.update(PIECE)
    return found.hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize("server", ["hypercorn", "uvicorn", "granian"])
@pytest.mark.parametrize("way", ["plain /loop", "plain /thread", "awaitable /loop"])
def test_a_gigabyte(server: str, way: str) -> None:
    if not is_installed(server):
        pytest.skip(f"{server} is not installed")
    name, path = way.split()
    with serve(server, f"tests.servers._uploads:{name}") as process:
        upload(process.address, path, 40)  # what is made once
        told = upload(process.address, path, GIGABYTE)
    assert told["parts"]["small"] == [len(PIECE), digest(1)]
    assert told["parts"]["large"] == [len(PIECE) * GIGABYTE, digest(GIGABYTE)]
    assert told["grew"] <= (16 * 1024 if path == "/thread" else GROWS[server]), told["grew"]
