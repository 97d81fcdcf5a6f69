"""HTTP/2 as Hypercorn has it, by a client of `h2`: 103s, trailers, and websockets (RFC 8441)."""

from __future__ import annotations

import hashlib
import socket
import typing as t
from contextlib import contextmanager

import h2.config
import h2.connection
import h2.events
import h2.settings
import httpx
import pytest
from wsproto.connection import Connection
from wsproto.connection import ConnectionType
from wsproto.events import CloseConnection
from wsproto.events import TextMessage

from tests._processes import is_installed
from tests._processes import serve

pytestmark = pytest.mark.slow

Head = list[tuple[bytes, bytes]]


class Client:
    """One connection with prior knowledge of HTTP/2, and all that came by it."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=20)
        self.http = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
        self.http.initiate_connection()
        self.flush()
        self.seen: list[t.Any] = []

    def flush(self) -> None:
        self.socket.sendall(self.http.data_to_send())

    def until(self, kind: type[t.Any], stream: int | None = None) -> t.Any:
        """Wait for an event, and keep those before it."""
        while True:
            for each in self.seen:
                if isinstance(each, kind) and stream in (None, getattr(each, "stream_id", None)):
                    self.seen.remove(each)
                    return each
            data = self.socket.recv(65536)
            assert data, f"closed: {self.seen}"
            for event in self.http.receive_data(data):
                if isinstance(event, h2.events.DataReceived):
                    self.http.acknowledge_received_data(
                        event.flow_controlled_length, event.stream_id
                    )
                self.seen.append(event)
            self.flush()

    def ask(self, method: str, path: str, *lines: tuple[str, str], end: bool = True) -> int:
        stream = self.http.get_next_available_stream_id()
        head = [(":method", method), (":scheme", "http"), (":authority", "localhost")]
        self.http.send_headers(stream, [*head, (":path", path), *lines], end_stream=end)
        self.flush()
        return stream

    def answer(self, stream: int) -> list[t.Any]:
        self.until(h2.events.StreamEnded, stream)
        found = [each for each in self.seen if getattr(each, "stream_id", None) == stream]
        self.seen = [each for each in self.seen if each not in found]
        return found


@contextmanager
def client(colour: str) -> t.Iterator[Client]:
    with serve("hypercorn", f"tests.servers._http2_app:{colour}") as process:
        found = Client(process.address)
        try:
            yield found
        finally:
            found.socket.close()


@pytest.mark.parametrize("colour", ["plain", "awaitable"])
def test_early_hints(colour: str) -> None:
    with client(colour) as http:
        events = http.answer(http.ask("GET", "/hints"))
        hints, head = events[0], events[1]
        assert isinstance(hints, h2.events.InformationalResponseReceived)
        assert [line for line in hints.headers if line[0] in (b":status", b"link")] == [
            (b":status", b"103"),
            (b"link", b"</style.css>; rel=preload; as=style"),
            (b"link", b"</a.js>; rel=x"),
        ]
        assert isinstance(head, h2.events.ResponseReceived)
        body = b"".join(e.data for e in events if isinstance(e, h2.events.DataReceived))
        assert b'"early_hints":true' in body.replace(b" ", b"")
        if colour == "plain":
            events = http.answer(http.ask("GET", "/blocking"))
            assert isinstance(events[0], h2.events.InformationalResponseReceived)


@pytest.mark.parametrize("colour", ["plain", "awaitable"])
def test_trailers(colour: str) -> None:
    with client(colour) as http:
        events = http.answer(http.ask("GET", "/trailers", ("te", "trailers")))
        assert (b"trailer", b"digest") in events[0].headers
        body = b"".join(e.data for e in events if isinstance(e, h2.events.DataReceived))
        assert body == b"0" * 1000 + b"1" * 1000 + b"2" * 1000
        (trailers,) = [e for e in events if isinstance(e, h2.events.TrailersReceived)]
        assert trailers.headers == [(b"digest", hashlib.sha256(body).hexdigest().encode())]
        events = http.answer(http.ask("GET", "/trailers"))
        assert not [e for e in events if isinstance(e, h2.events.TrailersReceived)]


@pytest.mark.parametrize("colour", ["plain", "awaitable"])
def test_websockets_in_streams_of_one_connection(colour: str) -> None:
    with client(colour) as http:
        http.until(h2.events.RemoteSettingsChanged)
        assert http.http.remote_settings[h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL] == 1
        streams = {}
        for name in ("one", "two"):
            lines = (":protocol", "websocket"), ("sec-websocket-version", "13")
            stream = http.ask("CONNECT", f"/echo/{name}", *lines, end=False)
            opened = http.until(h2.events.ResponseReceived, stream)
            assert (b":status", b"200") in opened.headers
            streams[name] = stream, Connection(ConnectionType.CLIENT)
        page = http.ask("GET", "/hints")  # beside them
        for said in ("first", "second"):
            for name, (stream, frames) in streams.items():
                http.http.send_data(stream, frames.send(TextMessage(said)))
                http.flush()
                frames.receive_data(http.until(h2.events.DataReceived, stream).data)
                (message,) = frames.events()
                assert isinstance(message, TextMessage) and message.data == f"{name} 2: {said}"
        assert isinstance(http.answer(page)[1], h2.events.ResponseReceived)
        stream, frames = streams["one"]
        http.http.send_data(stream, frames.send(CloseConnection(1000)))
        http.flush()
        frames.receive_data(http.until(h2.events.DataReceived, stream).data)
        assert [type(event) for event in frames.events()] == [CloseConnection]
        stream, frames = streams["two"]  # goes on
        http.http.send_data(stream, frames.send(TextMessage("still")))
        http.flush()
        frames.receive_data(http.until(h2.events.DataReceived, stream).data)
        found: t.Any = list(frames.events())
        assert [event.data for event in found] == ["two 2: still"]


@pytest.mark.parametrize("server", ["uvicorn", "granian"])
@pytest.mark.parametrize("colour", ["plain", "awaitable"])
def test_a_server_without_them(server: str, colour: str) -> None:
    """Over HTTP/1.1: they are left out, and the app can ask."""
    if not is_installed(server):
        pytest.skip(f"{server} is not installed")
    with serve(server, f"tests.servers._http2_app:{colour}") as process:
        answer = httpx.get(f"{process.http}/hints")
        assert answer.json() == {"early_hints": False, "trailers": False, "push": False}
        assert httpx.get(f"{process.http}/trailers", headers={"TE": "trailers"}).status_code == 200
