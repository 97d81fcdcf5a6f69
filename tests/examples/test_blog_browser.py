"""The blog as a person meets it, in headless Chromium."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from ._browser import Browser
from .conftest import EXAMPLES
from .conftest import Server

pytestmark = pytest.mark.browser


def test_a_persons_visit(browser: Browser, served: Server, tmp_path: Path) -> None:
    name = "b" + uuid4().hex[:8]
    browser.open(served.http)
    browser.expect("header .name", "Marginalia")
    assert browser.run("document.querySelector('.banner').naturalWidth") == 1200
    assert browser.run("getComputedStyle(document.querySelector('header')).display") == "flex"

    browser.click("a[href='/auth/register']")
    browser.fill("#name", name)
    browser.fill("#password", "secret")
    browser.click("main button")
    browser.expect(".flash", f"Welcome, {name}. You can log in now.")
    browser.fill("#name", name)
    browser.fill("#password", "secret")
    browser.click("main button")
    browser.expect(".flash", f"Hello, {name}.")

    browser.click("a[href='/write']")
    browser.fill("#title", "From a browser")
    browser.fill("#body", "One line.\nAnother line.")
    browser.fill("#picture", str(EXAMPLES / "blog/static/hills.png"))
    browser.click("main button")
    browser.expect("h1", "From a browser")
    assert browser.run("document.querySelector('.picture').naturalWidth") == 1200
    shot = browser.picture()
    (tmp_path / "post.png").write_bytes(shot)
    assert shot.startswith(b"\x89PNG") and len(shot) > 20_000

    browser.click("button.danger")
    browser.expect(".flash", "is gone")
    browser.click("nav button")
    browser.expect(".flash", "Until next time.")
