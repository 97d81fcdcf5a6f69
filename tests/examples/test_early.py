"""What comes before an answer and after it: by HTTP/1.1, HTTP/2 and HTTP/3 of a real Hypercorn."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import importlib.util
import sys
import typing as t
from pathlib import Path

import h2.events
import httpx
import pytest
import trustme

from examples.early import create_app
from examples.early import ROWS
from tests._processes import free_port
from tests._processes import ROOT
from tests._processes import serve
from tests.examples.test_deploy import listens
from tests.examples.test_deploy import PATIENCE
from tests.examples.test_deploy import running
from tests.servers.test_http2 import Client

pytestmark = pytest.mark.slow

LINK = "</static/early.css>; rel=preload; as=style"


def digest_of(body: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def test_without_them() -> None:
    client = create_app().test_client()
    page = client.get("/")
    assert 'href="/static/early.css"' in page.text and "<td>23<td>44" in page.text
    with client.get("/static/early.css") as style:
        assert style.status_code == 200
    assert len(client.get("/export.csv").text.splitlines()) == ROWS


def test_http1_and_http2() -> None:
    with serve("hypercorn", "examples.early:create_app()") as process:
        plain = httpx.get(f"http://127.0.0.1:{process.address[1]}/export.csv")
        assert len(plain.text.splitlines()) == ROWS and "trailer" not in plain.headers
        http = Client(process.address)
        hints, head, *_ = http.answer(http.ask("GET", "/"))
        assert isinstance(hints, h2.events.InformationalResponseReceived)
        assert (b"link", LINK.encode()) in hints.headers
        assert (b":status", b"200") in head.headers
        for te in ([("te", "trailers")], []):
            events = http.answer(http.ask("GET", "/export.csv", *te))
            body = b"".join(e.data for e in events if isinstance(e, h2.events.DataReceived))
            assert body == plain.content
            told = [e.headers for e in events if isinstance(e, h2.events.TrailersReceived)]
            expected = [[(b"content-digest", digest_of(body).encode())]]
            assert told == (expected if te else [])
        http.socket.close()


@pytest.mark.skipif(importlib.util.find_spec("aioquic") is None, reason="aioquic is not installed")
def test_http3(tmp_path: Path) -> None:
    """Hypercorn 0.18 sends data after trailers by HTTP/3, which is an error of that protocol: the
    answer never ended. There are none, therefore; 103s there are."""
    made = (authority := trustme.CA()).issue_cert("localhost", "127.0.0.1")
    made.private_key_pem.write_to_path(tmp_path / "key.pem")
    for blob in made.cert_chain_pems:
        blob.write_to_path(tmp_path / "cert.pem", append=True)
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    tcp, quic = free_port(), free_port()
    command = [sys.executable, "-m", "hypercorn", "--certfile", "cert.pem", "--keyfile", "key.pem"]
    command += ["--bind", f"127.0.0.1:{tcp}", "--quic-bind", f"127.0.0.1:{quic}"]
    command += ["examples.early:create_app()"]
    with running(tmp_path, *command, until=listens(tcp), PYTHONPATH=str(ROOT)):
        page, export, again = asyncio.run(ask_by_http3(tmp_path, quic))
    hints, head = [part for part in page if isinstance(part, dict)]
    assert (hints[b":status"], hints[b"link"]) == (b"103", LINK.encode())
    assert head[b":status"] == b"200"
    for answer in (export, again):
        (head,) = [part for part in answer if isinstance(part, dict)]
        assert head[b":status"] == b"200" and b"trailer" not in head
        body = b"".join(part for part in answer if isinstance(part, bytes))
        assert len(body.splitlines()) == ROWS


async def ask_by_http3(folder: Path, port: int) -> list[list[t.Any]]:
    """Return the heads (dicts) and pieces of the page, and of the export with and without `TE`."""
    from aioquic.asyncio.client import connect
    from aioquic.asyncio.protocol import QuicConnectionProtocol
    from aioquic.h3.connection import H3_ALPN
    from aioquic.h3.connection import H3Connection
    from aioquic.h3.events import DataReceived
    from aioquic.h3.events import HeadersReceived
    from aioquic.quic.configuration import QuicConfiguration

    class Http3(QuicConnectionProtocol):
        def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
            super().__init__(*args, **kwargs)
            self.http = H3Connection(self._quic)
            self.answers: dict[int, tuple[list[t.Any], asyncio.Event]] = {}

        async def ask(self, path: str, *lines: tuple[bytes, bytes]) -> list[t.Any]:
            stream = self._quic.get_next_available_stream_id()
            parts, ended = self.answers[stream] = [], asyncio.Event()
            head = [(b":method", b"GET"), (b":scheme", b"https")]
            head += [(b":authority", b"localhost"), (b":path", path.encode()), *lines]
            self.http.send_headers(stream, head, end_stream=True)
            self.transmit()
            await asyncio.wait_for(ended.wait(), PATIENCE)
            return parts

        def quic_event_received(self, event: t.Any) -> None:
            for each in self.http.handle_event(event):
                if isinstance(each, HeadersReceived):
                    self.answers[each.stream_id][0].append(dict(each.headers))
                elif isinstance(each, DataReceived):
                    self.answers[each.stream_id][0].append(each.data)
                if getattr(each, "stream_ended", False):
                    self.answers[t.cast(t.Any, each).stream_id][1].set()

    configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN)
    configuration.load_verify_locations(str(folder / "authority.pem"))
    async with connect(
        "127.0.0.1", port, configuration=configuration, create_protocol=Http3
    ) as opened:
        client = t.cast(Http3, opened)
        export = await client.ask("/export.csv", (b"te", b"trailers"))
        return [await client.ask("/"), export, await client.ask("/export.csv")]
