"""Published weaknesses of servers, as bytes on a socket: no request is seen that nobody made.

What an app can do about most of these is to run on a server that has them fixed; these tests fail
with one that has not. Each test is named by the advisory.
"""

from __future__ import annotations

import socket
import time
import typing as t
import zlib

import httpx
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection

from tests._processes import is_installed
from tests._processes import Process
from tests._processes import serve

pytestmark = pytest.mark.slow

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
SIZE = str(len(SMUGGLED)).encode()
POST = b"POST /first HTTP/1.1\r\nHost: a\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"

SERVERS = ["hypercorn", "uvicorn", "granian"]


@pytest.fixture(
    scope="module", params=[(s, c) for s in SERVERS for c in ("plain", "awaitable")], ids="-".join
)
def server(request: pytest.FixtureRequest) -> t.Iterator[Process]:
    name, colour = request.param
    if not is_installed(name):
        pytest.skip(f"{name} is not installed")
    with serve(name, f"tests.security._seen:{colour}") as found:
        yield found


def speak(server: Process, data: bytes, patience: float = 0.5) -> bytes:
    """Send raw bytes and return what comes back until nothing more does."""
    answer = b""
    with socket.create_connection(server.address, timeout=patience) as client:
        try:
            client.sendall(data)
            while chunk := client.recv(65536):
                answer += chunk
        except OSError:
            pass
    return answer


def seen(server: Process) -> list[str]:
    found: list[str] = httpx.get(f"{server.http}/seen").json()
    return found


ATTACKS: dict[str, list[bytes]] = {
    # What frames the body: the other length would leave a request behind it.
    "CVE-2023-47641 aiohttp": [
        POST + b"Content-Length: 4\r\n" + CHUNKED + b"\r\n0\r\n\r\n" + SMUGGLED,
        POST + CHUNKED + b"Content-Length: 6\r\n\r\n0\r\n\r\n" + SMUGGLED,
    ],
    "CVE-2020-10109 Twisted": [
        POST + b"Content-Length: " + SIZE + b"\r\n" + CHUNKED + b"\r\n0\r\n\r\n" + SMUGGLED,
    ],
    "CVE-2020-10108 Twisted": [
        POST + b"Content-Length: " + SIZE + b"\r\nContent-Length: 0\r\n\r\n" + SMUGGLED,
        POST + b"Content-Length: 0\r\nContent-Length: " + SIZE + b"\r\n\r\n" + SMUGGLED,
    ],
    "CVE-2019-16792 Waitress": [
        POST + b"Content-Length: 0, " + SIZE + b"\r\n\r\n" + SMUGGLED,
    ],
    "CVE-2023-47627 aiohttp": [
        POST + b"Content-Length: +0\r\n\r\n" + SMUGGLED,
        POST + b"Content-Length: -0\r\n\r\n" + SMUGGLED,
        POST + b"Content-Length: 0_0\r\n\r\n" + SMUGGLED,
        POST + b"Content-Length : 0\r\nContent-Length: " + SIZE + b"\r\n\r\n" + SMUGGLED,
    ],
    "CVE-2023-37276 aiohttp": [
        POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        POST + b"X: a\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    ],
    "CVE-2024-1135 gunicorn": [
        POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
        POST + CHUNKED + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
    ],
    "CVE-2019-16786 Waitress": [
        POST + b"Transfer-Encoding: gzip, chunked\r\nContent-Length: 0\r\n\r\n" + SMUGGLED,
    ],
    # How chunks are written
    "CVE-2025-43859 h11": [
        POST + CHUNKED + b"\r\n5\r\nAAAAAXX2\r\n45\r\n0\r\n\r\n" + SMUGGLED,
    ],
    "CVE-2024-52304 aiohttp": [
        POST + CHUNKED + b"\r\n1;a\nb\r\nX\r\n0\r\n\r\n" + SMUGGLED,
    ],
    "CVE-2025-53643 aiohttp": [
        POST + CHUNKED + b"\r\n0\r\nX: y\r\n" + SMUGGLED[:-2] + b"\r\n",
    ],
    "CVE-2024-23829 aiohttp": [
        POST + CHUNKED + b"\r\n0x0\r\n\r\n" + SMUGGLED,
        POST + CHUNKED + b"\r\n+0\r\n\r\n" + SMUGGLED,
        POST + CHUNKED + b"\r\n0_0\r\n\r\n" + SMUGGLED,
        POST + CHUNKED + b"\r\n-0\r\n\r\n" + SMUGGLED,
    ],
    # What ends a line
    "CVE-2019-16785 Waitress": [
        POST + b"X: y\rContent-Length: 0\r\n\r\n" + SMUGGLED,
        POST + b"X: y\x00\r\nContent-Length: 0\r\n\r\n" + SMUGGLED,
    ],
    "CVE-2019-16789 Waitress": [
        POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    ],
    # What belongs to the body of a request that asks for something else
    "CVE-2022-29361 Werkzeug": [
        POST + b"Content-Length: " + SIZE + b"\r\n\r\n" + SMUGGLED,
    ],
    "CVE-2026-69243 aiohttp": [
        b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Content-Length: " + SIZE + b"\r\n\r\n" + SMUGGLED,
        b"GET /first HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Content-Length: " + SIZE + b"\r\n\r\n" + SMUGGLED,
    ],
}


@pytest.mark.parametrize("advisory", ATTACKS)
def test_no_request_is_smuggled(server: Process, advisory: str) -> None:
    for data in ATTACKS[advisory]:
        answer = speak(server, data)
        paths = seen(server)
        assert "GET /smuggled" not in paths, (data, answer)
        assert len(paths) <= 1, (data, paths)


def test_cve_2026_42544_an_odd_subprotocol_stops_no_server(server: Process) -> None:
    """granian: one byte that is no ASCII in `Sec-WebSocket-Protocol` ended the worker."""
    for value in (b"\xff", b"a,\xe9", b"\x80" * 1000, b","):
        speak(
            server,
            b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Sec-WebSocket-Protocol: " + value + b"\r\n\r\n",
            0.3,
        )
    assert isinstance(seen(server), list)


def test_cve_2018_1000518_a_compressed_message_is_no_bomb(server: Process) -> None:
    """websockets: a message of 64 kB became one of 64 MB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = packer.compress(bytes(64_000_000)) + packer.flush(zlib.Z_SYNC_FLUSH)
    packed = data.removesuffix(b"\x00\x00\xff\xff")
    frame = b"\xc2\xff" + len(packed).to_bytes(8, "big") + bytes(4) + packed
    answer = speak(
        server,
        b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" + frame,
        3,
    )
    assert b"64000000" not in answer
    assert isinstance(seen(server), list)


def read_all(client: socket.socket) -> bytes:
    """Return what has come until now."""
    data = b""
    client.settimeout(0.01)
    try:
        while chunk := client.recv(65536):
            data += chunk
    except OSError:
        pass
    client.settimeout(5)
    return data


@pytest.mark.parametrize("colour", ["plain", "awaitable"])
def test_cve_2023_44487_streams_that_are_reset_at_once(colour: str) -> None:
    """HTTP/2: each stream that was opened and reset went on costing, and others waited."""
    with serve("hypercorn", "scripts.soaked:app", APP=colour) as server:
        before = httpx.get(f"{server.http}/state").json()
        config = H2Configuration(header_encoding="utf-8")
        longest = 0.0
        for _ in range(10):
            connection = H2Connection(config)
            connection.initiate_connection()
            with socket.create_connection(server.address, timeout=5) as client:
                for number in range(90):
                    stream = connection.get_next_available_stream_id()
                    path = ("/stream?mark=m", "/thread?mark=m", "/echo?mark=m")[number % 3]
                    head = [(":method", "GET"), (":scheme", "http"), (":path", path)]
                    connection.send_headers(stream, [*head, (":authority", "a")], end_stream=True)
                    connection.reset_stream(stream)
                client.sendall(connection.data_to_send())
                began = time.monotonic()
                assert httpx.get(f"{server.http}/echo?mark=me").text == "me me"
                longest = max(longest, time.monotonic() - began)
                time.sleep(0.3)
                read_all(client)
        assert longest < 2
        time.sleep(7)  # Hypercorn keeps a connection for 5 s
        after = httpx.get(f"{server.http}/state").json()
        assert after["tasks"] <= before["tasks"] and after["files"] <= before["files"], after
        for trace in server.log().split("Traceback (most recent call last)")[1:]:
            assert "quartish" not in trace, trace
