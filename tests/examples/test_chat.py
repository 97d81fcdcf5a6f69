"""The chat: over real sockets, in two tabs of a browser, and across two processes.

What is asserted of the page is what a person would see. The redis-server and the
processes are this test's own, and end with it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import typing as t
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.exceptions import InvalidStatus

from examples.chat import BEHIND
from examples.chat import create_app
from quartish.groups.messages import order
from tests._redis import free_port
from tests._redis import Redis
from tests._redis import redis_server
from tests._redis import running
from tests._redis import wait_for

from ._browser import Browser
from .conftest import EXAMPLES
from .conftest import hypercorn


class Chat(t.NamedTuple):
    app: t.Any
    url: str

    def live(self, name: str = "ada", room: str = "lobby", after: str = "") -> t.Any:
        return talk(self.url, name, room, after)


def talk(url: str, name: str = "ada", room: str = "lobby", after: str = "") -> t.Any:
    """Connect to a room, as the page does."""
    return connect(f"{url.replace('http', 'ws')}/rooms/{room}/live?name={name}&after={after}")


@pytest.fixture
def chat(tmp_path: Path) -> t.Iterator[Chat]:
    app = create_app()
    with hypercorn(app, tmp_path) as server:
        yield Chat(app, server.http)


async def hear(socket: t.Any) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", json.loads(await asyncio.wait_for(socket.recv(), 10)))


async def catch_up(socket: t.Any) -> list[dict[str, t.Any]]:
    """Return the history, and leave what follows."""
    said = []
    while "caught_up" not in (message := await hear(socket)):
        said.append(message)
    return said


async def say(socket: t.Any, *texts: str) -> None:
    for text in texts:
        await socket.send(json.dumps({"text": text, "key": f"key of {text}"}))


# --- rooms ----------------------------------------------------------------------------------------


async def test_everybody_in_the_room_hears_it(chat: Chat) -> None:
    async with (
        chat.live("ada") as ada,
        chat.live("grace") as grace,
        chat.live("eve", "kitchen") as eve,
    ):
        for socket in (ada, grace, eve):
            assert await catch_up(socket) == []
        await say(ada, "hello", "é\n<b>")
        heard = [await hear(grace), await hear(grace)]
        assert [(m["name"], m["text"], m["key"]) for m in heard] == [
            ("ada", "hello", "key of hello"),
            ("ada", "é\n<b>", "key of é\n<b>"),
        ]
        assert [await hear(ada), await hear(ada)] == heard
        assert order(heard[0]["id"]) < order(heard[1]["id"])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(eve.recv(), 0.1)


async def test_who_comes_later_reads_the_history(chat: Chat) -> None:
    async with chat.live("ada") as ada:
        await catch_up(ada)
        await say(ada, "one", "two", "three")
        ids = [(await hear(ada))["id"] for _ in range(3)]
    async with chat.live("grace") as grace:
        assert [m["text"] for m in await catch_up(grace)] == ["one", "two", "three"]
    async with chat.live("grace", after=ids[1]) as grace:
        assert [m["text"] for m in await catch_up(grace)] == ["three"]


@pytest.mark.parametrize(
    ("path", "status"),
    [("/rooms/lobby/live", 400), ("/rooms/no%20room/live?name=a", 404), ("/nowhere", 404)],
)
async def test_who_is_refused(chat: Chat, path: str, status: int) -> None:
    with pytest.raises(InvalidStatus) as caught:
        async with connect(chat.url.replace("http", "ws") + path):
            pass
    assert caught.value.response.status_code == status


@pytest.mark.parametrize("line", ["{", "[]", '{"key": 1}', b"\xff"])
async def test_what_is_no_message_closes(chat: Chat, line: str | bytes) -> None:
    async with chat.live() as socket:
        await catch_up(socket)
        await socket.send(line)
        with pytest.raises(ConnectionClosed) as caught:
            await hear(socket)
    assert caught.value.rcvd is not None and caught.value.rcvd.code == 1007
    for _ in range(100):
        if not chat.app.extensions["groups"]._queues:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the room still listens for who has gone")


async def test_a_client_that_is_too_far_behind_comes_again(chat: Chat) -> None:
    """It takes nothing: it is closed, and nobody else waits for it."""
    long, queues = "ü" * 1990, chat.app.extensions["groups"]._queues
    url = f"{chat.url.replace('http', 'ws')}/rooms/lobby/live?name=eve"
    async with connect(url, compression=None) as eve, chat.live("ada") as ada:
        await catch_up(eve)
        await catch_up(ada)
        eve.transport.pause_reading()
        for n in range(40 * BEHIND):
            await say(ada, f"{n} {long}")
            assert (await hear(ada))["text"].startswith(f"{n} ")
            if any(queue.overflowed.is_set() for queue in queues["lobby"]):
                break
        else:
            raise AssertionError("the room still waits for who takes nothing")
        eve.transport.resume_reading()
        with pytest.raises(ConnectionClosed) as caught:
            while True:
                await hear(eve)
    assert caught.value.rcvd is not None and caught.value.rcvd.code == 1013


def test_the_pages(chat: Chat) -> None:
    with httpx.Client(base_url=chat.url) as client:
        door = client.get("/")
        assert door.status_code == 200 and 'value="kitchen"' in door.text
        answer = client.get("/", params={"name": "a&b", "room": "kitchen"})
        assert answer.headers["location"] == "/rooms/kitchen?name=a%26b"
        page = client.get("/rooms/kitchen", params={"name": "<ada>"})
        assert "&lt;ada&gt;" in page.text and "<ada>" not in page.text
        assert client.get("/rooms/kitchen").headers["location"] == "/"
        assert client.get("/rooms/no room", params={"name": "a"}).status_code == 404


# --- in a browser ---------------------------------------------------------------------------------


def enter(browser: Browser, url: str, name: str, room: str = "lobby") -> None:
    """Come in by the door, as a person does."""
    browser.open(url)
    browser.fill("#name", name)
    browser.run(f"document.querySelector('[value={room}]').click()")
    browser.click(".door button")
    browser.expect("#status", "online")


def write(browser: Browser, text: str) -> None:
    browser.fill("#text", text)
    browser.click("#say button")


def shown(browser: Browser) -> list[str]:
    return t.cast(
        "list[str]",
        browser.run("[...document.querySelectorAll('#messages li p')].map(p => p.textContent)"),
    )


def expect_shown(browser: Browser, *texts: str) -> None:
    """Wait until these messages, and no others, are shown and have been heard back."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        if shown(browser) == [*texts] and not browser.run(
            "document.querySelectorAll('#messages .unheard').length"
        ):
            return
        time.sleep(0.05)
    assert shown(browser) == [*texts]


@pytest.mark.browser
def test_two_tabs(chat: Chat, browser: Browser, tmp_path: Path) -> None:
    enter(browser, chat.url, "Ada")
    ada = browser.tab()
    grace = browser.open_tab()
    enter(browser, chat.url, "Grace")
    write(browser, "Good evening, Ada.")
    expect_shown(browser, "Good evening, Ada.")

    browser.switch(ada)
    expect_shown(browser, "Good evening, Ada.")
    write(browser, "<script>alert(1)</script> to you too!")
    said = ["Good evening, Ada.", "<script>alert(1)</script> to you too!"]
    expect_shown(browser, *said)
    assert browser.run("document.querySelectorAll('#messages .mine').length") == 1
    browser.switch(grace)
    expect_shown(browser, *said)
    assert browser.run("document.querySelector('#messages .mine p').textContent") == said[0]
    shot = browser.picture()
    (tmp_path / "chat.png").write_bytes(shot)
    assert shot.startswith(b"\x89PNG") and len(shot) > 10_000

    # Another room has another history.
    browser.click("nav a[href*=kitchen]")
    browser.expect("#status", "online")
    expect_shown(browser)
    browser.click("nav a[href*=lobby]")
    expect_shown(browser, *said)


@pytest.mark.browser
def test_a_tab_comes_again_by_itself_and_catches_up(chat: Chat, browser: Browser) -> None:
    enter(browser, chat.url, "Ada")
    write(browser, "one")
    expect_shown(browser, "one")
    # From now on its attempts to connect are refused.
    browser.run(
        "(window.Real = WebSocket, window.WebSocket = class extends Real {"
        " constructor() { super('ws://127.0.0.1:1/') } })"
    )
    loop = chat.app.quartish_serving_loop
    for websocket in list(chat.app.websockets):
        loop.call_soon_threadsafe(websocket.shut_down)
    browser.expect("#status", "offline")
    asyncio.run(speak(chat, "two", "three"))
    write(browser, "while offline")
    assert shown(browser)[-1] == "while offline"
    assert browser.run("document.querySelectorAll('#messages .unheard').length") == 1
    browser.run("(window.WebSocket = Real, 0)")
    browser.expect("#status", "online")
    expect_shown(browser, "one", "two", "three", "while offline")


async def speak(chat: Chat, *texts: str) -> None:
    async with chat.live("grace") as socket:
        await catch_up(socket)
        await say(socket, *texts)
        for _ in texts:
            await hear(socket)


# --- across processes -----------------------------------------------------------------------------


@pytest.fixture
def redis(tmp_path: Path) -> t.Iterator[Redis]:
    with redis_server(tmp_path) as server:
        yield server


@contextmanager
def process_of(redis: Redis, port: int) -> t.Iterator[str]:
    """Serve the chat by a Hypercorn process; return its URL."""
    command = [sys.executable, "-m", "hypercorn", "--bind", f"127.0.0.1:{port}"]
    command += ["--graceful-timeout", "1", "examples.chat:create_app()"]
    url = f"http://127.0.0.1:{port}"
    environ = {"CHAT_REDIS": redis.url, "PYTHONPATH": str(EXAMPLES.parent), "PATH": "/usr/bin"}
    with running(*command, cwd=EXAMPLES.parent, env=environ) as process:
        wait_for(lambda: httpx.get(url), httpx.TransportError, process)
        yield url


@pytest.mark.redis
async def test_two_processes_are_one_chat(redis: Redis) -> None:
    with process_of(redis, free_port()) as one, process_of(redis, free_port()) as two:
        async with talk(one, "ada") as ada, talk(two, "grace") as grace:
            await catch_up(ada)
            await catch_up(grace)
            for n in range(20):
                await say(ada, f"a{n}")
                await say(grace, f"g{n}")
            heard = [[await hear(socket) for _ in range(40)] for socket in (ada, grace)]
        assert heard[0] == heard[1], "in the same order for all"
        assert [m["text"] for m in heard[0] if m["name"] == "ada"] == [f"a{n}" for n in range(20)]
        async with talk(two, "eve", after=heard[0][29]["id"]) as eve:
            assert await catch_up(eve) == heard[0][30:]


@pytest.mark.redis
async def test_redis_goes_and_comes_again(redis: Redis) -> None:
    """Nobody is cut off: what is said meanwhile waits for it."""
    with process_of(redis, free_port()) as url:
        async with talk(url) as ada:
            await catch_up(ada)
            await say(ada, "before")
            assert (await hear(ada))["text"] == "before"
            await asyncio.to_thread(redis.stop)
            await say(ada, "meanwhile")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ada.recv(), 0.3)
            await asyncio.to_thread(redis.start)
            await say(ada, "after")
            assert [(await hear(ada))["text"] for _ in range(2)] == ["meanwhile", "after"]


@pytest.mark.redis
@pytest.mark.browser
def test_two_tabs_at_two_processes_of_which_one_dies(redis: Redis, browser: Browser) -> None:
    first, second = free_port(), free_port()
    with process_of(redis, second) as other:
        with process_of(redis, first) as url:
            enter(browser, url, "Ada")
            ada = browser.tab()
            grace = browser.open_tab()
            enter(browser, other, "Grace")
            write(browser, "one")
            browser.switch(ada)
            expect_shown(browser, "one")
            write(browser, "two")
            expect_shown(browser, "one", "two")
        browser.expect("#status", "offline")
        write(browser, "mine, meanwhile")
        browser.switch(grace)
        expect_shown(browser, "one", "two")
        write(browser, "three")
        browser.switch(ada)
        with process_of(redis, first):
            browser.expect("#status", "online")
            expect_shown(browser, "one", "two", "three", "mine, meanwhile")
            browser.switch(grace)
            expect_shown(browser, "one", "two", "three", "mine, meanwhile")
