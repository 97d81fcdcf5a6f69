"""Typed views beside others: who reads their document, FastAPI's schemas, dishka and svcs."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
from pathlib import Path

import httpx
import pytest

from tests._processes import serve

from ._environment import CHECKOUT
from ._environment import clean_environ
from ._environment import HERE
from ._environment import make

pytestmark = [pytest.mark.slow, pytest.mark.extensions]

REQUIREMENTS = ["typed-requirements.txt"]


@pytest.fixture
def url(tmp_path: Path) -> t.Iterator[str]:
    database = f"sqlite+aiosqlite:///{tmp_path / 'orders.db'}"
    with serve("hypercorn", "examples.orders:create_app()", ORDERS_DATABASE=database) as process:
        yield process.http


def test_schemathesis_finds_no_failure(url: str, tmp_path: Path) -> None:
    python = make("typed", REQUIREMENTS)
    done = subprocess.run(
        [
            *(python.parent / "schemathesis", "run", f"{url}/openapi.json", "--no-color"),
            *("--max-examples", "50", "--seed", "1", "--header", "Authorization: Bearer secret"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=550,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout


CLIENT = """
import sys
from orders_client import AuthenticatedClient, Client
from orders_client.api.orders import orders_create_order, orders_get_order, orders_list_orders
from orders_client.models import Line, NewOrder, ProblemDocument

url = sys.argv[1]
order = NewOrder(customer="Ada", lines=[Line(sku="A-1", quantity=2)])
client = AuthenticatedClient(base_url=url, token="secret")
made = orders_create_order.sync(client=client, body=order)
assert (made.id, made.customer, made.lines[0].quantity) == (1, "Ada", 2), made
assert orders_get_order.sync(1, client=client).placed.year > 2000
assert [one.id for one in orders_list_orders.sync(client=client, size=5)] == [1]
order.lines[0].quantity = 0
problem = orders_create_order.sync(client=client, body=order)
assert isinstance(problem, ProblemDocument), problem
assert problem.errors[0].path == ["lines", 0, "quantity"]
print("works")
"""


def test_a_generated_client_works(url: str, tmp_path: Path) -> None:
    python = make("typed", REQUIREMENTS)
    document = tmp_path / "openapi.json"
    document.write_text(httpx.get(f"{url}/openapi.json").text)
    assert json.loads(document.read_text())["info"]["title"] == "Orders"
    subprocess.run(
        [
            *(python.parent / "openapi-python-client", "generate", "--path", document),
            *("--meta", "none", "--output-path", tmp_path / "orders_client"),
        ],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        timeout=300,
    )
    done = subprocess.run(
        [python, "-c", CLIENT, url], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "works\n", done.stderr


#: What differs from FastAPI, of the types of the table, and why.
DIFFERENT: dict[str, str] = {
    "decimal": "it is written as text, so that none of its digits is lost",
    "datetime": "it may be without a time zone, which the format 'date-time' does not let it be",
    "time": "the same",
}


def test_schemas_are_fastapis() -> None:
    found = {}
    for framework, python in (
        ("quartish", sys.executable),
        ("fastapi", make("typed", REQUIREMENTS)),
    ):
        done = subprocess.run(
            [python, HERE / "schemas_of.py", framework],
            env={**clean_environ(), "PYTHONPATH": str(CHECKOUT)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        found[framework] = json.loads(done.stdout)
    ours, theirs = found["quartish"], found["fastapi"]
    assert len(ours) >= 40
    different = {name for name in ours if ours[name] != theirs[name]}
    assert different == DIFFERENT.keys(), [(ours[name], theirs[name]) for name in different]


@pytest.mark.parametrize("script", ["injecting.py", "injecting_quart.py"])
def test_dishka_and_svcs_work_beside_typed_views(script: str) -> None:
    """By `as_flask`, and dishka's for Quart by `as_quart`."""
    done = subprocess.run(
        [make("typed", REQUIREMENTS), HERE / script],
        env={**clean_environ(), "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == "works\n", done.stderr
