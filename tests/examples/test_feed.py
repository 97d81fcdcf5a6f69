"""The feed: read as it comes, and by a browser that is cut off, comes back and misses nothing."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import typing as t
from pathlib import Path

import httpx
import pytest

from examples.feed import create_app
from quartish.testing import read_events

from ._browser import Browser
from .conftest import hypercorn


@pytest.fixture
def url(tmp_path: Path) -> t.Iterator[str]:
    with hypercorn(create_app(), tmp_path) as server:
        yield server.http


def post(url: str, *texts: str) -> None:
    for text in texts:
        assert httpx.post(url, data={"text": text}).status_code == 303


def read(url: str, count: int, after: str = "") -> list[tuple[str | None, str]]:
    """Read so many events, then leave."""
    headers = {"Last-Event-ID": after} if after else {}
    with httpx.stream("GET", url + "/events", headers=headers, timeout=10) as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        events = read_events(response.iter_raw())
        return [(event.id, event.data) for _, event in zip(range(count), events, strict=False)]


def test_entries_come_when_they_are_posted(url: str) -> None:
    post(url, "one")
    later = threading.Timer(0.3, post, [url, "two", "<three>"])
    later.start()
    both = [("2", '{"text": "two"}'), ("3", '{"text": "<three>"}')]
    assert read(url, 3) == [("1", '{"text": "one"}'), *both]
    later.join()
    assert read(url, 2, after="1") == both
    for nonsense in ("nonsense", "-1", "9" * 5000, "4"):
        assert read(url, 1, after=nonsense) == [("1", '{"text": "one"}')], nonsense[:9]


def test_what_may_not_be_posted(url: str) -> None:
    for text in ("", " ", "x" * 501):
        assert httpx.post(url, data={"text": text}).status_code == 422


class Wire:
    """A way to a server that can be cut: what is open breaks, and nobody gets through."""

    def __init__(self, url: str) -> None:
        self.there = ("127.0.0.1", int(url.rpartition(":")[2]))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.is_cut = False
        self.open: list[socket.socket] = []
        self.thread = threading.Thread(target=self.accept)
        self.thread.start()

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                if self.is_cut:
                    client.close()
                    continue
                server = socket.create_connection(self.there)
                self.open += [client, server]
                for here, there in ((client, server), (server, client)):
                    threading.Thread(target=self.pass_on, args=(here, there)).start()

    def pass_on(self, here: socket.socket, there: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := here.recv(65536):
                there.sendall(data)
        for sock in (here, there):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def cut(self) -> None:
        self.is_cut = True
        for sock in self.open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self.open.clear()

    def mend(self) -> None:
        self.is_cut = False

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()
        self.thread.join()


@pytest.fixture
def wire(url: str) -> t.Iterator[Wire]:
    with contextlib.closing(Wire(url)) as wire:
        yield wire


def expect_entries(browser: Browser, *texts: str) -> None:
    """Wait until these are shown, and no others."""
    script = "[...document.querySelectorAll('#entries li')].map(li => li.textContent)"
    end = time.monotonic() + 30
    while (shown := browser.run(script)) != [*texts]:
        assert time.monotonic() < end, shown
        time.sleep(0.05)


@pytest.mark.browser
def test_a_browser_that_is_cut_off_misses_nothing(
    url: str, wire: Wire, browser: Browser, tmp_path: Path
) -> None:
    post(url, "before")
    browser.open(wire.url)
    browser.expect("#state", "connected")  # the head came, though nothing else need happen
    expect_entries(browser, "before")
    browser.fill("input", "mine\n")
    expect_entries(browser, "before", "mine")
    browser.expect("#state", "connected")
    wire.cut()
    browser.expect("#state", "offline")
    post(url, "meanwhile", "<b>twice</b>")
    wire.mend()
    browser.expect("#state", "connected")
    expect_entries(browser, "before", "mine", "meanwhile", "<b>twice</b>")
    post(url, "after")
    expect_entries(browser, "before", "mine", "meanwhile", "<b>twice</b>", "after")
    (tmp_path / "feed.png").write_bytes(browser.picture())
