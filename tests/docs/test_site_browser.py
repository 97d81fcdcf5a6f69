"""The site in a browser: one finds what one looks for, on a phone and in the dark too."""

from __future__ import annotations

import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from tests._processes import free_port
from tests.examples._browser import Browser
from tests.examples._browser import open_browser

#: Pages that are wide, or drawn.
LOOKED_AT = ("index", "start/quickstart", "understand/lanes", "benchmarks", "reference/app")

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="module")
def address(site: Path) -> t.Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(site)]
    with subprocess.Popen([*command, str(port)], stderr=subprocess.DEVNULL) as server:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("browser")) as session:
        yield session


def problems(browser: Browser) -> list[str]:
    """Return what the console was told since it was asked last."""
    told = browser.ask("POST", "/se/log", type="browser")
    return [entry["message"] for entry in told if entry["level"] == "SEVERE"]


def resize(browser: Browser, width: int, height: int) -> None:
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    command = {"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics}
    browser.ask("POST", "/goog/cdp/execute", **command)


def test_navigation(browser: Browser, address: str) -> None:
    resize(browser, 1400, 900)
    browser.open(f"{address}/index.html")
    browser.expect("h1", "quartish")
    browser.click("article a[href='start/quickstart.html']")
    browser.expect("h1", "Quickstart")
    browser.click(".sidebar-tree a[href='../move/flask.html']")
    browser.expect("h1", "From Flask")
    browser.click(".toc-tree a[href='#what-differs']")
    assert browser.run("location.hash") == "#what-differs"
    assert problems(browser) == []


def test_search(browser: Browser, address: str) -> None:
    browser.open(f"{address}/search.html?q=stream_with_context")
    browser.expect("#search-results", "quartish.stream_with_context")
    browser.expect("#search-results", "Stream a response")
    assert problems(browser) == []


@pytest.mark.parametrize("name", LOOKED_AT)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_on_a_phone(browser: Browser, address: str, name: str, theme: str, tmp_path: Path) -> None:
    resize(browser, 390, 844)
    browser.open(f"{address}/{name}.html")
    browser.run(f"(localStorage.setItem('theme', '{theme}'), 1)")
    browser.open(f"{address}/{name}.html")
    assert browser.run("document.body.dataset.theme") == theme
    assert browser.run("document.documentElement.scrollWidth") <= 390
    light = browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert light == (theme == "light")
    assert len(browser.picture()) > 1000
    assert problems(browser) == []


def test_nothing_foreign_is_asked_for(browser: Browser, address: str) -> None:
    browser.open(f"{address}/index.html")
    asked = browser.run("performance.getEntriesByType('resource').map((each) => each.name)")
    assert asked and all(url.startswith(address) for url in asked)
