"""The order book: its API, its page in a browser, its document as other programs read it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import typing as t
from pathlib import Path

import openapi_spec_validator
import pytest

from examples.orders import create_app
from quartish.typed.openapi import openapi_of
from tests._processes import ROOT
from tests._processes import serve
from tests.examples._browser import open_browser

ADA = {"customer": "Ada", "lines": [{"sku": "A-1", "quantity": 2}]}
TOKEN = {"Authorization": "Bearer secret"}


@contextlib.asynccontextmanager
async def client_of(folder: Path) -> t.AsyncIterator[t.Any]:
    app = create_app({"DATABASE": f"sqlite+aiosqlite:///{folder / 'orders.db'}"})
    async with app.test_app() as running:
        yield running.test_client()


async def test_orders_are_kept(tmp_path: Path) -> None:
    async with client_of(tmp_path) as client:
        response = await client.post("/api/orders", json=ADA, headers=TOKEN)
        order = await response.get_json()
        assert response.status_code == 201
        assert order == {**ADA, "id": 1, "status": "open", "placed": order["placed"]}
        response = await client.patch("/api/orders/1", json={"status": "shipped"}, headers=TOKEN)
        assert (await response.get_json())["status"] == "shipped"
    async with client_of(tmp_path) as client:
        assert len(await (await client.get("/api/orders?status=shipped")).get_json()) == 1
        assert await (await client.get("/api/orders?status=open")).get_json() == []
        assert (await client.delete("/api/orders/1", headers=TOKEN)).status_code == 204
        assert (await client.get("/api/orders/1")).status_code == 404


async def test_what_is_wrong_changes_nothing(tmp_path: Path) -> None:
    async with client_of(tmp_path) as client:
        assert (await client.post("/api/orders", json=ADA)).status_code == 401
        bad = {"customer": "", "lines": [{"sku": "a", "quantity": 0}], "more": 1}
        response = await client.post("/api/orders", json=bad, headers=TOKEN)
        assert response.status_code == 422
        problem = await response.get_json()
        assert [fault["path"] for fault in problem["errors"]] == [
            *(["customer"], ["lines", 0, "sku"], ["lines", 0, "quantity"]),
        ]
        assert (await client.get("/api/orders?size=0&page=x")).status_code == 422
        assert await (await client.get("/api/orders")).get_json() == []


def test_its_document_is_valid() -> None:
    app = create_app()
    document = openapi_of(app).document(app)
    openapi_spec_validator.validate(document)
    assert document["paths"]["/api/orders"]["post"]["security"] == [{"token": []}]
    assert "security" not in document["paths"]["/api/orders"]["get"]


@pytest.fixture
def url(tmp_path: Path) -> t.Iterator[str]:
    database = f"sqlite+aiosqlite:///{tmp_path / 'orders.db'}"
    with serve("hypercorn", "examples.orders:create_app()", ORDERS_DATABASE=database) as process:
        yield process.http


@pytest.mark.slow
@pytest.mark.browser
def test_the_page_and_the_documents_page(url: str, tmp_path: Path) -> None:
    with open_browser(tmp_path / "profile") as browser:
        browser.open(url)
        browser.fill("[name=token]", "secret")
        browser.fill("[name=customer]", "Ada")
        browser.fill("[name=sku]", "A-1")
        browser.fill("[name=quantity]", "0")
        browser.click("button")
        browser.expect("#faults", "lines.0.quantity: Expected `int` >= 1.")
        browser.fill("[name=quantity]", "2")  # 02
        browser.click("button")
        browser.expect("#orders", "1: Ada, 2 × A-1")
        browser.open(f"{url}/docs")
        browser.expect(".swagger-ui", "Place an order")
        browser.expect(".swagger-ui", "/api/orders/{id}")
        asked = browser.run("performance.getEntriesByType('resource').map(one => one.name)")
        assert len(asked) >= 4
        assert [name for name in asked if not name.startswith((url, "data:"))] == []


@pytest.mark.slow
def test_the_command_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "openapi.json"
    command = [sys.executable, "-m", "quartish", "--app", "examples.orders", "openapi", str(path)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=60)
    subprocess.run([*command, "--check"], cwd=ROOT, check=True, timeout=60)
