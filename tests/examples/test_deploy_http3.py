"""examples/deploy/hypercorn.toml with all that it has in comments: TLS, HTTP/2 and HTTP/3, asked by
real clients, which know the certificate's authority."""

from __future__ import annotations

import asyncio
import importlib.util
import re
import ssl
import sys
import typing as t
from pathlib import Path

import httpx
import pytest
import trustme

from tests._processes import free_port
from tests.examples.test_deploy import folder as folder
from tests.examples.test_deploy import listens
from tests.examples.test_deploy import PATIENCE
from tests.examples.test_deploy import running

if importlib.util.find_spec("aioquic") is None:
    pytest.skip("aioquic is not installed", allow_module_level=True)

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import QuicEvent

pytestmark = pytest.mark.slow

ECHO = """

@app.post("/echo")
async def take_back() -> bytes:
    return request.get_data()


@app.post("/length")
def length() -> str:
    protocol = request.environ["SERVER_PROTOCOL"]
    return f"{request.scheme} {request.host} {protocol} {len(request.data)}"
"""


class Http3(QuicConnectionProtocol):
    """A client of HTTP/3: each request has a future with its status, headers and pieces."""

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self._http = H3Connection(self._quic)
        self._answers: dict[int, tuple[dict[bytes, bytes], list[bytes], asyncio.Event]] = {}

    async def ask(
        self, method: str, authority: str, path: str, body: bytes = b""
    ) -> tuple[int, dict[bytes, bytes], list[bytes]]:
        stream = self._quic.get_next_available_stream_id()
        headers, pieces, ended = self._answers[stream] = {}, [], asyncio.Event()
        head = {":method": method, ":scheme": "https", ":authority": authority, ":path": path}
        lines = [(name.encode(), value.encode()) for name, value in head.items()]
        self._http.send_headers(stream, lines, end_stream=not body)
        if body:
            self._http.send_data(stream, body, end_stream=True)
        self.transmit()
        await asyncio.wait_for(ended.wait(), PATIENCE)
        return int(headers.pop(b":status")), headers, pieces

    def quic_event_received(self, event: QuicEvent) -> None:
        for each in self._http.handle_event(event):
            if isinstance(each, (HeadersReceived, DataReceived)):
                headers, pieces, ended = self._answers[each.stream_id]
                if isinstance(each, HeadersReceived):
                    headers.update(each.headers)
                elif each.data:
                    pieces.append(each.data)
                if each.stream_ended:
                    ended.set()


def configure(folder: Path, tcp: int, quic: int) -> trustme.CA:
    """Take the comment marks from the settings, and make what they name."""
    path = folder / "hypercorn.toml"
    text = re.sub(r"(?m)^#   (?=\w+ = )", "", path.read_text())
    assert 'certfile = "cert.pem"' in text.splitlines() and "0.0.0.0:4433" in text
    text = text.replace("127.0.0.1:8000", f"127.0.0.1:{tcp}")
    path.write_text(text.replace("0.0.0.0:4433", f"127.0.0.1:{quic}"))
    authority = trustme.CA()
    made = authority.issue_cert("localhost", "127.0.0.1")
    made.private_key_pem.write_to_path(folder / "key.pem")
    for blob in made.cert_chain_pems:
        blob.write_to_path(folder / "cert.pem", append=True)
    authority.cert_pem.write_to_path(folder / "authority.pem")
    with (folder / "app.py").open("a") as app:
        app.write(ECHO)
    return authority


def test_http2_and_http3(folder: Path) -> None:
    tcp, quic = free_port(), free_port()
    authority = configure(folder, tcp, quic)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    command = [sys.executable, "-m", "hypercorn", "--config", "hypercorn.toml", "app:app"]
    with running(folder, *command, until=listens(tcp)):
        with httpx.Client(http2=True, verify=context, timeout=PATIENCE) as client:
            answer = client.get(f"https://localhost:{tcp}/")
            assert answer.http_version == "HTTP/2"
            assert answer.json()["url"] == f"https://localhost:{tcp}/"
            # By which browsers find HTTP/3.
            assert f'h3=":{quic}"' in answer.headers["alt-svc"]
        asyncio.run(ask_all(folder, quic))


async def ask_all(folder: Path, port: int) -> None:
    configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN)
    configuration.load_verify_locations(str(folder / "authority.pem"))
    host = f"localhost:{port}"
    async with connect(
        "127.0.0.1",
        port,
        configuration=configuration,
        create_protocol=Http3,
    ) as opened:
        client = t.cast(Http3, opened)
        status, headers, pieces = await client.ask("GET", host, "/")
        assert status == 200 and headers[b"content-type"] == b"application/json"
        assert f"https://{host}/".encode() in b"".join(pieces)
        body = bytes(range(256)) * 400
        asked = [
            client.ask("GET", host, "/stream"),
            client.ask("POST", host, "/echo", body),
            client.ask("POST", host, "/length", body),
            client.ask("GET", host, "/slow"),
            client.ask("GET", host, "/missing"),
            client.ask("HEAD", host, "/stream"),
        ]
        stream, echo, length, slow, missing, head = await asyncio.gather(*asked)
        assert stream[0] == 200 and stream[2] == [b"0\n", b"1\n", b"2\n"]
        assert echo[0] == 200 and b"".join(echo[2]) == body
        assert length[2] == [f"https {host} HTTP/3 {len(body)}".encode()]
        assert slow[2] == [b"done"] and missing[0] == 404
        assert head[0] == 200 and head[2] == []


async def test_an_unknown_authority_is_not_believed(folder: Path) -> None:
    """The certificate is looked at: the client above would not take any."""
    tcp, quic = free_port(), free_port()
    configure(folder, tcp, quic)
    command = [sys.executable, "-m", "hypercorn", "--config", "hypercorn.toml", "app:app"]
    configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN)
    with running(folder, *command, until=listens(tcp)):
        with pytest.raises(ConnectionError):
            async with connect("127.0.0.1", quic, configuration=configuration):
                pass
