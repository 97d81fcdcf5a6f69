"""The shop: its own process, Hypercorn on loopback, unedited Flask extensions, real clients."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sqlite3
import subprocess
import sys
import typing as t
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier
from uuid import uuid4

import httpx
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect

from tests._redis import redis_server

from ._browser import Browser
from .conftest import address
from .conftest import EXAMPLES
from .conftest import listener

MORNING_FERRY, PAPER_LANTERN, RAIN_ON_TIN, MOSS_GARDEN, NIGHT_TRAIN, LAST_EMBER = range(1, 7)


class Shop:
    """A shop of its own, in `data`: its command line, and where it is served."""

    def __init__(self, data: Path, **environment: str) -> None:
        own = {"SHOP_DATA": str(data), "PYTHONUNBUFFERED": "1"}
        self.environment = {**os.environ, **own, **environment}
        self.log = data / "log.txt"
        self.url = ""

    def start(self, *arguments: str, **options: t.Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", *arguments]
        folder = EXAMPLES.parent
        return subprocess.Popen(command, cwd=folder, env=self.environment, text=True, **options)

    def command(self, *arguments: str) -> str:
        output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        with self.start("quartish", "--app", "examples.shop", *arguments, **output) as process:
            said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, said
        return str(said)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Shop]:
    with opened(Shop(tmp_path_factory.mktemp("shop"))) as shop:
        yield shop


@contextmanager
def opened(shop: Shop) -> t.Iterator[Shop]:
    """Serve a shop that has its teas."""
    shop.command("db", "upgrade")
    assert "6 teas are on the shelf." in shop.command("seed")
    with listener() as sock, shop.log.open("w") as log:
        shop.url = address("http", sock)
        serve = ["hypercorn", "--bind", f"fd://{sock.fileno()}", "examples.shop:create_app()"]
        with shop.start(*serve, pass_fds=[sock.fileno()], stdout=log, stderr=log) as process:
            yield shop
            process.terminate()
            try:
                assert process.wait(10) == 0
            finally:
                process.kill()
    assert "Traceback" not in shop.log.read_text(), shop.log.read_text()


class Visitor(httpx.Client):
    """Somebody with cookies, who sends the token of the form that a page shows."""

    def send_form(self, page: str, to: str | None = None, **data: t.Any) -> httpx.Response:
        return self.post(to or page, data={"csrf_token": self.token(page), **data})

    def token(self, page: str) -> str:
        token = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', self.get(page).text)
        assert token, f"{page} has no form"
        return token[1]

    def enter(self, name: str = "", password: str = "secret") -> None:
        page = "/login" if name else "/register"
        answer = self.send_form(page, name=name or uuid4().hex, password=password)
        assert (answer.status_code, answer.headers["location"]) == (302, "/")


@pytest.fixture
def visitor(shop: Shop) -> t.Iterator[Visitor]:
    with Visitor(base_url=shop.url, timeout=20) as visitor:
        yield visitor


@pytest.fixture
def staff(shop: Shop) -> t.Iterator[Visitor]:
    with Visitor(base_url=shop.url, timeout=20) as visitor:
        visitor.enter("admin", "camellia")
        yield visitor


def stock(visitor: Visitor, product: int, page: str | None = None) -> int:
    shown = visitor.get(page or f"/tea/{product}").text
    left = re.search(rf'data-stock="{product}" data-left="(\d+)"', shown)
    assert left, shown
    return int(left[1])


def test_the_migrations_make_what_the_models_say(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.command("db", "upgrade")
    assert "No new upgrade operations detected." in shop.command("db", "check")
    shop.command("db", "downgrade", "base")
    with closing(sqlite3.connect(tmp_path / "shop.sqlite")) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    assert tables == [("alembic_version",)]


def test_an_order(visitor: Visitor) -> None:
    before = stock(visitor, MORNING_FERRY, "/")
    answer = visitor.send_form(f"/tea/{MORNING_FERRY}", quantity=2)
    assert answer.headers["location"] == "/cart"
    assert "2 × Morning Ferry in your cart." in visitor.get("/cart").text

    visitor.enter()  # with the cart kept
    page = visitor.get("/cart").text
    assert "€17.80" in page and "Place the order" in page
    answer = visitor.send_form("/cart")
    assert (answer.status_code, answer.headers["location"]) == (302, "/orders")
    orders = visitor.get("/orders").text
    assert "Thank you!" in orders and "2 × Morning Ferry" in orders and "€17.80" in orders
    # The catalogue was in the cache, and the order took it out.
    assert stock(visitor, MORNING_FERRY, "/") == stock(visitor, MORNING_FERRY) == before - 2
    assert "Nothing here yet." in visitor.get("/cart").text


def test_a_cart_is_changed(visitor: Visitor) -> None:
    visitor.send_form(f"/tea/{PAPER_LANTERN}", quantity=1)
    visitor.send_form(f"/tea/{RAIN_ON_TIN}", quantity=98)
    visitor.send_form(f"/tea/{RAIN_ON_TIN}", quantity=2)
    page = visitor.get("/cart").text
    assert re.findall(r"<td>(\d+) ×", page) == ["1", "99"]
    visitor.send_form("/cart", to=f"/cart/{PAPER_LANTERN}/remove")
    visitor.enter()
    before = stock(visitor, RAIN_ON_TIN)
    visitor.send_form("/cart")
    page = visitor.get("/cart").text  # the cart is still there
    assert "there is not enough left" in page and "Rain on Tin" in page
    assert "Paper Lantern" not in page
    assert stock(visitor, RAIN_ON_TIN) == before
    assert "None so far." in visitor.get("/orders").text


def test_the_last_tins_are_sold_once(shop: Shop, visitor: Visitor) -> None:
    def buy(number: int) -> str:
        with Visitor(base_url=shop.url, timeout=30) as customer:
            customer.enter()
            customer.send_form(f"/tea/{MOSS_GARDEN}", quantity=1)
            customer.send_form(f"/tea/{LAST_EMBER}", quantity=1)
            token = customer.token("/cart")
            together.wait(20)
            return customer.post("/cart", data={"csrf_token": token}).headers["location"]

    moss, ember = stock(visitor, MOSS_GARDEN), stock(visitor, LAST_EMBER)
    together = Barrier(ember + 5)
    with ThreadPoolExecutor(ember + 5) as pool:
        sold = Counter(pool.map(buy, range(ember + 5)))
    assert sold == {"/orders": ember, "/cart": 5}
    assert (stock(visitor, LAST_EMBER), stock(visitor, MOSS_GARDEN)) == (0, moss - ember)


@pytest.mark.parametrize("page", ["/login", f"/tea/{PAPER_LANTERN}", "/cart", "/logout"])
def test_no_form_without_its_token(visitor: Visitor, page: str) -> None:
    answer = visitor.post(page, data={"name": "admin", "password": "camellia", "quantity": 1})
    assert answer.status_code == 400 and "The CSRF token is missing." in answer.text


def test_forms_say_what_is_wrong(visitor: Visitor) -> None:
    for quantity in (0, 100, "some"):
        answer = visitor.send_form(f"/tea/{PAPER_LANTERN}", quantity=quantity)
        assert answer.status_code == 400 and 'class="wrong"' in answer.text
    answer = visitor.send_form("/login", name="admin", password="camomile")
    assert answer.status_code == 400 and "No such name, or not its password." in answer.text
    answer = visitor.send_form("/register", name="admin", password="camomile")
    assert answer.status_code == 400 and "The name admin is taken." in answer.text
    assert visitor.get("/tea/99").status_code == 404
    assert visitor.get("/logout").status_code == 405


def test_who_may_go_where(visitor: Visitor) -> None:
    for page in "/orders", "/admin/":
        answer = visitor.get(page, follow_redirects=True)
        assert answer.url.path == "/login" and "Log in first, please." in answer.text
    answer = visitor.send_form("/login?next=//elsewhere.test", name="admin", password="camellia")
    assert answer.headers["location"] == "/"
    assert visitor.get("/admin/").status_code == 200
    visitor.send_form("/cart", to="/logout")
    visitor.enter()
    answer = visitor.get("/admin/")
    assert answer.status_code == 403 and "This door is for staff." in answer.text


async def level(socket: ClientConnection, product: int) -> int:
    return int(json.loads(await asyncio.wait_for(socket.recv(), 10))[str(product)])


@pytest.mark.slow
@pytest.mark.redis
def test_sessions_in_redis(tmp_path: Path) -> None:
    with (
        redis_server(tmp_path) as redis,
        opened(Shop(tmp_path, SHOP_REDIS=redis.url)) as shop,
        Visitor(base_url=shop.url, timeout=20) as laptop,
        Visitor(base_url=shop.url, timeout=20) as phone,
        Visitor(base_url=shop.url, timeout=20) as planted,
    ):
        laptop.send_form(f"/tea/{MOSS_GARDEN}", quantity=3)
        planted.cookies = httpx.Cookies(laptop.cookies)  # somebody knows it from before
        assert "<td>3 ×</td>" in planted.get("/cart").text
        before = laptop.cookies["session"]
        for visitor in (laptop, phone):
            visitor.enter("admin", "camellia")
        assert laptop.cookies["session"] not in (before, phone.cookies["session"])
        assert "<td>3 ×</td>" in laptop.get("/cart").text
        assert "<td>3 ×</td>" not in planted.get("/cart").text
        assert planted.get("/orders").status_code == 302

        assert phone.get("/orders").status_code == 200
        laptop.send_form("/orders", "/logout-others")
        assert "Logged out elsewhere: 1." in laptop.get("/orders").text
        answer = phone.get("/orders")
        assert (answer.status_code, answer.headers["location"]) == (302, "/login?next=%2Forders")
        phone.enter("admin", "camellia")
        assert phone.get("/orders").status_code == 200


def test_sessions_in_a_cookie_cannot_be_ended(staff: Visitor) -> None:
    assert "everywhere else" not in staff.get("/orders").text
    assert staff.send_form("/orders", "/logout-others").status_code == 404


async def test_live_stock(shop: Shop, staff: Visitor) -> None:
    def restock() -> httpx.Response:
        return staff.send_form("/admin/", product_id=NIGHT_TRAIN, quantity=7)

    async with (
        connect(shop.url.replace("http", "ws") + "/live") as one,
        connect(shop.url.replace("http", "ws") + "/live") as two,
    ):
        before = await level(one, NIGHT_TRAIN)
        assert await level(two, NIGHT_TRAIN) == before == stock(staff, NIGHT_TRAIN)
        await two.close()
        assert (await asyncio.to_thread(restock)).status_code == 302
        assert await level(one, NIGHT_TRAIN) == before + 7


async def test_many_listeners_use_up_no_connections(shop: Shop, staff: Visitor) -> None:
    """The pool has 15 connections; a socket that kept one would leave the shop without."""
    async with asyncio.timeout(30):
        sockets = [await connect(shop.url.replace("http", "ws") + "/live") for _ in range(25)]
        levels = [await level(socket, MORNING_FERRY) for socket in sockets]
        assert set(levels) == {await asyncio.to_thread(stock, staff, MORNING_FERRY)}
        await asyncio.gather(*(socket.close() for socket in sockets))


@pytest.mark.browser
def test_two_tabs(browser: Browser, shop: Shop, tmp_path: Path) -> None:
    browser.open(shop.url)
    browser.expect("header .name", "Slow Leaf")
    assert browser.run("document.querySelectorAll('.shelf li').length") == 6
    (tmp_path / "index.png").write_bytes(browser.picture())

    browser.click("a[href='/login']")
    browser.fill("#name", "admin")
    browser.fill("#password", "camellia")
    browser.click("main button")
    browser.expect(".flash", "Hello, admin.")

    watching = browser.tab()
    browser.open(f"{shop.url}/tea/{PAPER_LANTERN}")
    browser.find(".live .stock")
    browser.expect(".stock", "12")

    buying = browser.open_tab()
    browser.open(f"{shop.url}/tea/{PAPER_LANTERN}")
    browser.run("document.querySelector('#quantity').value = 2")
    browser.click("main button")
    browser.expect("header .cart b", "2")
    browser.click("button.place")
    browser.expect(".flash", "Thank you!")
    browser.expect(".order", "2 × Paper Lantern")

    browser.switch(watching)
    browser.expect(".stock", "10")  # nobody touched this tab
    browser.switch(buying)
    browser.open(f"{shop.url}/admin/")
    browser.click(f"#restock-{PAPER_LANTERN} button")
    browser.expect(".flash", "Paper Lantern: 20 on the shelf.")

    browser.switch(watching)
    browser.expect(".stock", "20")
    shot = browser.picture()
    (tmp_path / "tea.png").write_bytes(shot)
    assert shot.startswith(b"\x89PNG") and len(shot) > 20_000
