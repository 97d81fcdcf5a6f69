"""The uploads: tus by the protocol, a client that is killed, over a real server, and a browser."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import time
import typing as t
from pathlib import Path

import httpx
import pytest

from examples.uploads import create_app
from examples.uploads import KIND

from ._browser import Browser
from .conftest import hypercorn

TUS = {"Tus-Resumable": "1.0.0"}
DATA = os.urandom(3_000_000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kept"


@pytest.fixture
def client(folder: Path) -> t.Any:
    return create_app(folder, most=5_000_000).test_client()


def begin(client: t.Any, length: int = 10, **headers: str) -> str:
    name = base64.b64encode("ä.bin".encode()).decode()
    said = {**TUS, "Upload-Length": str(length), "Upload-Metadata": f"filename {name}"}
    answer = client.post("/files", headers={**said, **headers})
    assert answer.status_code == 201, answer.text
    assert answer.headers["Tus-Resumable"] == "1.0.0"
    return str(answer.headers["Location"])


def add(client: t.Any, url: str, offset: int, data: bytes, **headers: str) -> t.Any:
    said = {**TUS, "Upload-Offset": str(offset), "Content-Type": KIND, **headers}
    how = {"content" if isinstance(client, httpx.Client) else "data": data}
    return client.patch(url, headers=said, **how)


def offset(client: t.Any, url: str) -> int:
    answer = client.head(url, headers=TUS)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    return int(answer.headers["Upload-Offset"])


def get(client: t.Any, url: str, **options: t.Any) -> t.Any:
    return client.get(url, buffered=True, **options)


def test_an_upload_in_pieces(client: t.Any) -> None:
    url = begin(client)
    assert offset(client, url) == 0
    answer = add(client, url, 0, b"01234")
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, "5")
    assert offset(client, url) == 5
    assert get(client, url).status_code == 404  # not before it is all there
    assert add(client, url, 5, b"56789").headers["Upload-Offset"] == "10"
    answer = get(client, url)
    assert (answer.status_code, answer.data) == (200, b"0123456789")
    assert "filename*=UTF-8''%C3%A4.bin" in answer.headers["Content-Disposition"]


def test_what_it_offers(client: t.Any) -> None:
    answer = client.options("/files")
    assert answer.status_code == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert answer.headers["Tus-Extension"] == "creation,termination"
    assert answer.headers["Tus-Max-Size"] == "5000000"


def test_what_it_refuses(client: t.Any) -> None:
    url = begin(client)
    assert add(client, url, 3, b"x").status_code == 409
    assert add(client, url, 0, b"x", **{"Content-Type": "text/plain"}).status_code == 415
    assert add(client, url, 0, b"x", **{"Upload-Offset": "-1"}).status_code == 400
    assert add(client, url, 0, b"x" * 11).status_code == 413
    for version in ("0.2.2", ""):
        answer = add(client, url, 0, b"x", **{"Tus-Resumable": version})
        assert (answer.status_code, answer.headers["Tus-Version"]) == (412, "1.0.0")
    assert offset(client, url) == 0
    for length in ("5000001", "x", ""):
        headers = {**TUS, "Upload-Length": length}
        assert client.post("/files", headers=headers).status_code in (400, 413)
    # YQ0KYjogYw== is "a", a line break, "b: c": the download of that name was a 500.
    for told in ("***", "YQ0KYjogYw==", "YQBi", "/w=="):
        headers = {**TUS, "Upload-Length": "1", "Upload-Metadata": f"filename {told}"}
        assert client.post("/files", headers=headers).status_code == 400, told
    for name in ("0" * 32, "..%2F..%2Fetc%2Fpasswd", "x.json"):
        assert client.head(f"/files/{name}", headers=TUS).status_code == 404


def test_it_is_taken_back(client: t.Any, folder: Path) -> None:
    url = begin(client)
    add(client, url, 0, b"01234")
    assert client.delete(url, headers=TUS).status_code == 204
    assert client.head(url, headers=TUS).status_code == 404
    assert add(client, url, 5, b"5").status_code == 404
    assert list(folder.iterdir()) == []


def test_a_download_goes_on(client: t.Any) -> None:
    url = begin(client)
    add(client, url, 0, b"0123456789")
    first = get(client, url, headers={"Range": "bytes=0-3"})
    assert (first.status_code, first.data) == (206, b"0123")
    etag = first.headers["ETag"]
    rest = get(client, url, headers={"Range": "bytes=4-", "If-Range": etag})
    assert (rest.status_code, rest.data) == (206, b"456789")
    assert rest.headers["Content-Range"] == "bytes 4-9/10"
    other = get(client, url, headers={"Range": "bytes=4-", "If-Range": '"another"'})
    assert (other.status_code, other.data) == (200, b"0123456789")
    assert get(client, url, headers={"Range": "bytes=20-"}).status_code == 416
    assert get(client, url, headers={"If-None-Match": etag}).status_code == 304


def test_a_client_that_is_killed_goes_on(folder: Path, tmp_path: Path) -> None:
    """Half an upload is sent, and the connection reset; what came is kept, the rest follows."""
    with hypercorn(create_app(folder), tmp_path) as server, httpx.Client() as http:
        address = server.http.removeprefix("http://")
        url = begin(Based(http, server.http), len(DATA))
        path = url.removeprefix(server.http)
        head = (
            f"PATCH {path} HTTP/1.1\r\nHost: {address}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0"
            f"\r\nContent-Type: {KIND}\r\nContent-Length: {len(DATA)}\r\n\r\n"
        )
        host, port = address.split(":")
        with socket.create_connection((host, int(port))) as wire:
            wire.sendall(head.encode() + DATA[:1_500_000])
            deadline = time.monotonic() + 20
            while not (came := offset(http, url)):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            # While it seems to go on, nobody else may write.
            assert add(http, url, came, b"x").status_code in (409, 423)
        while True:
            came = offset(http, url)
            answer = add(http, url, came, DATA[came:])
            if answer.status_code == 204:
                break
            assert answer.status_code in (409, 423) and time.monotonic() < deadline
            time.sleep(0.02)
        assert 0 < came <= 1_500_000
        got = http.get(url)
        assert hashlib.sha256(got.content).digest() == hashlib.sha256(DATA).digest()


class Based:
    """A client of one server."""

    def __init__(self, http: httpx.Client, base: str) -> None:
        self.http = http
        self.base = base

    def post(self, path: str, **options: t.Any) -> httpx.Response:
        return self.http.post(self.base + path, **options)


@pytest.mark.slow
@pytest.mark.browser
def test_in_a_browser(folder: Path, tmp_path: Path, browser: Browser) -> None:
    """It goes on after a pause, after the page was closed and after the server was away."""
    file = tmp_path / "film.bin"
    file.write_bytes(DATA)
    app = create_app(folder)
    with hypercorn(app, tmp_path) as server:
        browser.open(f"{server.http}/?piece=100000")
        browser.fill("#file", str(file))
        browser.click("#pause")
        browser.expect("#state", "paused")
        (name,) = [path.name for path in folder.glob("*.json")]
        before = (folder / name.removesuffix(".json")).stat().st_size
        assert before < len(DATA)
        browser.open(f"{server.http}/?piece=700000")  # the page is closed, and opened again
        browser.fill("#file", str(file))
        browser.expect("#state", "all there")
        browser.expect("#done a", "film.bin")
        assert [path.name for path in folder.glob("*.json")] == [name]
        url = browser.run("document.querySelector('#done a').href")
        assert httpx.get(url).content == DATA
