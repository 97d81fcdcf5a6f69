"""The blog over HTTP: a real Hypercorn on loopback, real clients, both frameworks."""

from __future__ import annotations

import re
import socket
import ssl
import typing as t
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest

from .conftest import EXAMPLES
from .conftest import LIMIT
from .conftest import Server

HILLS = (EXAMPLES / "blog/static/hills.png").read_bytes()
SIZE = len(HILLS)


@pytest.fixture
def client(served: Server) -> t.Iterator[httpx.Client]:
    with httpx.Client(base_url=served.http, timeout=20) as client:
        yield client


def log_in(client: httpx.Client, name: str) -> None:
    account = {"name": name, "password": "s"}
    assert client.post("/auth/register", data=account).headers["location"] == "/auth/login"
    answer = client.post("/auth/login", data=account)
    assert (answer.status_code, answer.headers["location"]) == (302, "/")


def test_a_visit(client: httpx.Client) -> None:
    name = uuid4().hex
    answer = client.get("/write", follow_redirects=True)
    assert answer.url.path == "/auth/login" and answer.url.query == b"next=/write"
    assert "Log in first, please." in answer.text  # the flash came along in the cookie

    log_in(client, name)
    assert f"Hello, {name}." in client.get("/").text
    picture = {"picture": ("hills.png", HILLS, "image/png")}
    answer = client.post(
        "/write", data={"title": "Höhen", "body": "☼"}, files=picture, follow_redirects=True
    )
    assert answer.status_code == 200 and "<h1>Höhen</h1>" in answer.text and "☼" in answer.text
    [source] = re.findall(r'class="picture" src="([^"]+)"', answer.text)
    assert client.get(source).content == HILLS

    answer = client.post(f"{answer.url.path}/delete", follow_redirects=True)
    assert "“Höhen” is gone." in answer.text
    assert client.post("/auth/logout").status_code == 302
    assert client.get("/write").status_code == 302


def test_errors_are_pages(client: httpx.Client) -> None:
    assert client.get("/post/123456").status_code == 404
    assert client.get("/auth/logout").status_code == 405
    answer = client.get("/broken")
    assert answer.status_code == 500 and "Marginalia" in answer.text


def test_an_upload_past_the_limit(client: httpx.Client) -> None:
    log_in(client, uuid4().hex)
    answer = client.post("/write", data={"title": "t", "body": ""}, files={"picture": bytes(LIMIT)})
    assert answer.status_code == 413 and "Marginalia" in answer.text
    # The rest was never read, so that connection is over; its session is not.
    assert httpx.get(client.base_url.join("/write"), cookies=client.cookies).status_code == 200


def test_head_and_options(client: httpx.Client) -> None:
    answer = client.head("/static/hills.png")
    assert answer.headers["content-length"] == str(SIZE) and answer.content == b""
    answer = client.options("/write")
    assert {m.strip() for m in answer.headers["allow"].split(",")} == {
        "GET", "HEAD", "OPTIONS", "POST",
    }  # fmt: skip


def test_conditional_get(client: httpx.Client) -> None:
    fresh = client.get("/static/hills.png")
    assert fresh.status_code == 200 and fresh.content == HILLS
    assert fresh.headers["content-type"] == "image/png"
    assert fresh.headers["cache-control"] == "no-cache"
    etag, modified = fresh.headers["etag"], fresh.headers["last-modified"]
    for known in ({"If-None-Match": etag}, {"If-Modified-Since": modified}):
        answer = client.get("/static/hills.png", headers=known)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == etag
    for stale in (
        {"If-None-Match": '"other"'},
        {"If-None-Match": '"other"', "If-Modified-Since": modified},  # the tag decides
        {"If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"},
    ):
        assert client.get("/static/hills.png", headers=stale).status_code == 200


@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [
        ("bytes=0-99", 0, 100),
        ("bytes=1000-1000", 1000, 1001),
        ("bytes=-100", SIZE - 100, SIZE),
        (f"bytes={SIZE - 5}-", SIZE - 5, SIZE),
        (f"bytes=100000-{SIZE * 2}", 100000, SIZE),
        ("bytes=0-", 0, SIZE),
    ],
)
def test_a_range(client: httpx.Client, wanted: str, start: int, stop: int) -> None:
    answer = client.get("/static/hills.png", headers={"Range": wanted})
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{SIZE}"
    assert answer.headers["content-length"] == str(stop - start)
    assert answer.content == HILLS[start:stop]


def test_a_range_that_is_not_there(client: httpx.Client) -> None:
    answer = client.get("/static/hills.png", headers={"Range": f"bytes={SIZE}-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{SIZE}"


def test_a_range_of_what_has_changed(client: httpx.Client) -> None:
    headers = {"Range": "bytes=0-9", "If-Range": '"another"'}
    answer = client.get("/static/hills.png", headers=headers)
    assert (answer.status_code, answer.content) == (200, HILLS)
    headers["If-Range"] = answer.headers["etag"]
    answer = client.get("/static/hills.png", headers=headers)
    assert (answer.status_code, answer.content) == (206, HILLS[:10])


def test_one_connection_carries_many_requests(served: Server) -> None:
    if served.https is None:
        pytest.skip("Flask's server closes each connection")
    url = httpx.URL(served.http)
    address = url.host, t.cast(int, url.port)
    with socket.create_connection(address, timeout=10) as sock, sock.makefile("rb") as stream:
        bodies = []
        for path in ("/static/hills.png", "/", "/nowhere", "/static/hills.png"):
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            status = stream.readline().split()[1]
            headers = {}
            while line := stream.readline().strip():
                name, _, value = line.partition(b": ")
                headers[name.lower()] = value
            bodies.append((status, stream.read(int(headers[b"content-length"]))))
        assert [status for status, _ in bodies] == [b"200", b"200", b"404", b"200"]
        assert bodies[0][1] == bodies[3][1] == HILLS


def test_http2(served: Server) -> None:
    if served.https is None:
        pytest.skip("Flask's server speaks no HTTP/2")
    context = ssl.create_default_context()
    served.authority.configure_trust(context)
    with httpx.Client(base_url=served.https, http2=True, verify=context, timeout=20) as client:
        log_in(client, uuid4().hex)
        page = client.get("/")
        assert page.http_version == "HTTP/2" and "Log out" in page.text
        answer = client.get("/static/hills.png", headers={"Range": "bytes=-7"})
        assert (answer.status_code, answer.content) == (206, HILLS[-7:])
        picture = {"picture": ("hills.png", HILLS, "image/png")}
        answer = client.post("/write", data={"title": "Two", "body": ""}, files=picture)
        assert answer.status_code == 302
        with ThreadPoolExecutor(8) as pool:  # streams side by side on one connection
            for answer in pool.map(client.get, ["/static/hills.png", "/"] * 8):
                assert answer.status_code == 200 and answer.http_version == "HTTP/2"


def test_twenty_people_at_once(served: Server) -> None:
    def visit(number: int) -> str:
        name = f"guest-{number}-{uuid4().hex}"
        with httpx.Client(base_url=served.http, timeout=60) as client:
            log_in(client, name)
            answer = client.post("/write", data={"title": name, "body": f"by {name}"})
            page = client.get(answer.headers["location"])
            assert f"<h1>{name}</h1>" in page.text and f"<span>{name}</span>" in page.text
            assert len(set(re.findall(r"guest-\d+-\w+", page.text))) == 1  # nobody else's
            assert "Delete" in page.text
            return answer.headers["location"]

    with ThreadPoolExecutor(20) as pool:
        places = list(pool.map(visit, range(20)))
    assert len(set(places)) == 20
