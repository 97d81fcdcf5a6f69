"""A Flask app and its port: after each view that is moved, visitors get what they got before."""

from __future__ import annotations

import typing as t
from pathlib import Path

import httpx
import pytest

from examples.moving import create_app
from examples.moving import legacy
from examples.moving import port

from ._browser import Browser
from .conftest import hypercorn
from .conftest import werkzeug

Told = tuple[str, int, str | None, str]
#: Which view answers what `visit` asks.
ASKED = [
    *("index", "add", "login", "login", "index", "add", "note", "index", "note"),
    *("note", "add", "add", "none"),
]


def visit(url: str) -> tuple[list[Told], list[str]]:
    """Go through the whole app; return what came, and who answered."""
    told: list[Told] = []
    by: list[str] = []
    with httpx.Client(base_url=url, timeout=20) as visitor:

        def ask(method: str, path: str, **form: str) -> None:
            answer = visitor.request(method, path, data=form or None)
            told.append((path, answer.status_code, answer.headers.get("Location"), answer.text))
            by.append(answer.headers.get("X-Answered-By", "nobody"))

        ask("GET", "/")
        ask("POST", "/notes", text="too early")
        ask("GET", "/login")
        ask("POST", "/login", name="<Ada>")
        ask("GET", "/")
        ask("POST", "/notes", text="first & last")
        ask("GET", "/notes/1")
        ask("GET", "/")
        ask("GET", "/notes/1")
        ask("GET", "/notes/2")
        ask("POST", "/notes", text=" ")
        ask("POST", "/notes", other="field")
        ask("GET", "/nowhere")
    return told, by


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> list[Told]:
    """What the old app says by itself, on Werkzeug's server."""
    folder = tmp_path_factory.mktemp("old")
    with werkzeug(legacy.create_app(str(folder), "dev"), folder) as server:
        told, by = visit(server.http)
    assert set(by) == {"legacy"}
    statuses = [status for _, status, _, _ in told]
    assert statuses == [200, 302, 200, 302, 200, 302, 200, 200, 200, 404, 422, 400, 404]
    assert "Hello, &lt;Ada&gt;." in told[4][3] and "It is written." in told[6][3]
    assert "It is written." not in told[8][3] and "first &amp; last" in told[8][3]
    return told


@pytest.mark.parametrize("moved", range(len(port.VIEWS) + 1))
def test_each_step(moved: int, before: list[Told], tmp_path: Path) -> None:
    app = create_app({"DATA": str(tmp_path), "MOVED": moved})
    with hypercorn(app, tmp_path) as server:
        told, by = visit(server.http)
    assert told == before
    names: set[t.Any] = {view.__name__ for _, view, _ in port.VIEWS[:moved]}
    assert by == ["port" if view in names else "legacy" for view in ASKED]


@pytest.mark.browser
def test_in_a_browser(tmp_path: Path, browser: Browser) -> None:
    app = create_app({"DATA": str(tmp_path), "MOVED": 2})  # half of it
    with hypercorn(app, tmp_path) as server:
        browser.open(server.http + "/login")
        browser.fill("input", "Ada\n")
        browser.expect(".flash", "Hello, Ada.")
        browser.fill("input", "planted\n")
        browser.expect(".flash", "It is written.")
        browser.open(server.http)
        browser.expect("li", "planted")
