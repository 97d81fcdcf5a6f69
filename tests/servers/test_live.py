"""What an app may have that lives on, in one app of each colour, under each of the servers, as
clients see it."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.client
import json
import typing as t
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from quartish.testing import read_events
from tests._processes import COMMANDS
from tests._processes import is_installed
from tests._processes import Process
from tests._processes import serve
from tests._redis import Redis
from tests._redis import redis_server
from tests._waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.redis]
SERVERS = [*COMMANDS]


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Redis]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(
    scope="module", params=[f"{s} {c}" for s in SERVERS for c in ("plain", "awaitable")]
)
def live(request: pytest.FixtureRequest, redis: Redis) -> t.Iterator[tuple[str, Process]]:
    """The server's name, and the app under it."""
    server, colour = request.param.split()
    if not is_installed(server):
        pytest.skip(f"NOT TESTED under {server}, which is not installed")
    with serve(server, f"tests.servers._live_app:{colour}", REDIS_URL=redis.url) as process:
        yield server, process


@pytest.fixture
def client(live: tuple[str, Process]) -> t.Iterator[httpx.Client]:
    with httpx.Client(base_url=live[1].http, timeout=30) as client:
        yield client


@pytest.mark.parametrize(("last", "expected"), [(None, ["1", "2", "3"]), ("2", ["3"])])
def test_events(client: httpx.Client, last: str | None, expected: list[str]) -> None:
    before = len(client.get("/left").json())
    headers = {} if last is None else {"Last-Event-ID": last}
    with client.stream("GET", "/events", headers=headers) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert "Content-Encoding" not in response.headers  # of GZip's
        raw, text = response.iter_raw(), b""
        while text.count(b"id: ") < len(expected) or not text.endswith(b"\n:\n\n"):
            text += next(raw)  # a heartbeat when there is nothing more to say
        events = list(read_events([text]))
        assert [event.id for event in events] == expected
        assert [json.loads(event.data)["n"] for event in events] == [int(n) for n in expected]
        assert len(client.get("/left").json()) == before
    wait_until(lambda: len(client.get("/left").json()) == before + 1)  # the generator has ended
    assert client.get("/left").json()[-1] == 3


def test_json_one_after_the_other(client: httpx.Client) -> None:
    answer = client.get("/numbers")
    assert answer.headers["Content-Type"].startswith("application/x-ndjson")
    assert answer.headers["Content-Encoding"] == "gzip"  # of GZip's, over the stream
    assert [json.loads(line)["n"] for line in answer.text.splitlines()] == [*range(200)]


def test_what_is_mounted(client: httpx.Client) -> None:
    below = client.get("/legacy/orders/7").json()
    assert below == {"number": 7, "root": "/legacy", "links": "/links"}
    assert client.get("/links").json() == ["/legacy/orders/7", "/legacy/orders/8"]
    assert client.get("/reports/daily").text == "sunny, see /reports/daily"
    assert client.get("/legacyorders/7").status_code == client.get("/reports/x").status_code == 404


def test_a_group(live: tuple[str, Process], client: httpx.Client) -> None:
    url = f"{live[1].ws}/rooms/a?name="
    with connect(url + "ada") as ada, connect(url + "bob") as bob:
        assert ada.recv(30) == bob.recv(30) == "joined"
        assert client.get("/rooms/a").json() == ["ada", "bob"]
        ada.send("to bob")
        bob.send("to ada")
        assert (ada.recv(30), bob.recv(30)) == ("to ada", "to bob")
    wait_until(lambda: client.get("/rooms/a").json() == [])


def test_parts(client: httpx.Client) -> None:
    film = bytes(range(256)) * 4000
    told = client.post("/parts", data={"title": "a"}, files={"film": ("f.bin", film)}).json()
    digest = hashlib.sha256(b"a").hexdigest()
    assert told == {
        "title": [None, digest],
        "film": ["f.bin", hashlib.sha256(film).hexdigest()],
    }


def test_a_body_that_comes_compressed(client: httpx.Client) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    sent = gzip.compress(json.dumps([*range(100)]).encode())
    assert client.post("/decoded", content=sent, headers=headers).json() == {"sum": 4950}
    assert client.post("/decoded", content=sent[:40], headers=headers).status_code == 400


def test_what_the_server_adds(live: tuple[str, Process]) -> None:
    """Over HTTP/1.1 none has early hints or trailers: the first line is the answer's, and all is
    in its body. Where one says that it has them, they are sent."""
    server, process = live
    connection = http.client.HTTPConnection(*process.address, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", "/adds", headers={"TE": "trailers"})
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Trailer")) == (200, None)
        told = json.loads(answer.read())
    nothing = dict.fromkeys(("early_hints", "trailers", "push"), False)
    assert told == {**nothing, "path_send": server == "granian"}
    if server != "hypercorn":  # the others have no HTTP/2 by themselves
        return
    with httpx.Client(http1=False, http2=True, base_url=process.http, timeout=30) as client:
        asked, unasked = client.get("/adds", headers={"TE": "trailers"}), client.get("/adds")
    assert asked.headers["Trailer"].lower() == "digest"
    assert asked.json() == dict.fromkeys(nothing, True) | {"path_send": False}
    assert "Trailer" not in unasked.headers
    assert unasked.json() == asked.json() | {"trailers": False}


def test_a_file(live: tuple[str, Process], client: httpx.Client) -> None:
    content = Path(__file__).with_name("_live_app.py").read_bytes()
    for encoding in ("identity", "gzip"):
        answer = client.get("/file", headers={"Accept-Encoding": encoding})
        assert answer.content == content, encoding
    # What the server sends itself, GZip lets pass.
    by_server = live[0] == "granian"
    assert answer.headers.get("Content-Encoding") == (None if by_server else "gzip")
    part = client.get("/file", headers={"Range": "bytes=5-9"})
    assert (part.status_code, part.content) == (206, content[5:10])


def test_health_and_tasks(client: httpx.Client) -> None:
    """The last one: it ends the task that the app cannot be without."""
    assert (client.get("/healthz").status_code, client.get("/readyz").status_code) == (200, 200)
    assert client.get("/tasks").json() == ["consumer"]
    assert client.delete("/tasks/consumer").json() == {"cancelled": 1}
    answer = client.get("/readyz")
    assert (client.get("/healthz").status_code, answer.status_code) == (200, 503)
    assert "consumer" in answer.text
