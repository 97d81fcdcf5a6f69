"""Headless Chromium, steered over the WebDriver protocol. Source: W3C WebDriver."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import time
import typing as t
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # WebDriver's own name for a reference


class Browser:
    """A session with chromedriver."""

    def __init__(self, driver: httpx.Client, binary: str, profile: Path) -> None:
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=900,900"]
        options = {"binary": binary, "args": [*arguments, f"--user-data-dir={profile}"]}
        self.driver = driver
        self.session = "/session"
        wanted = {"alwaysMatch": {"goog:chromeOptions": options}}
        self.session += "/" + self.ask("POST", "", capabilities=wanted)["sessionId"]
        self.ask("POST", "/timeouts", implicit=5000)  # how long to look for an element

    def ask(self, method: str, path: str, **body: t.Any) -> t.Any:
        content = body if method == "POST" else None
        answer = self.driver.request(method, self.session + path, json=content)
        value = answer.json()["value"]
        if answer.status_code != 200:
            raise LookupError(value["error"], value["message"])
        return value

    def open(self, url: str) -> None:
        self.ask("POST", "/url", url=url)

    def find(self, selector: str) -> str:
        found = self.ask("POST", "/element", using="css selector", value=selector)
        return f"/element/{found[ELEMENT]}"

    def click(self, selector: str) -> None:
        self.ask("POST", f"{self.find(selector)}/click")

    def fill(self, selector: str, text: str) -> None:
        self.ask("POST", f"{self.find(selector)}/value", text=text)

    def expect(self, selector: str, text: str) -> None:
        """Wait until the page, perhaps the one after a click, shows `text` there."""
        shown, end = "", time.monotonic() + 60
        while time.monotonic() < end:
            try:
                shown = str(self.ask("GET", f"{self.find(selector)}/text"))
            except LookupError:
                continue  # of the page that is going
            if text in shown:
                return
            time.sleep(0.1)
        raise AssertionError(f"{selector} shows {shown!r}, not {text!r}")

    def run(self, script: str) -> t.Any:
        return self.ask("POST", "/execute/sync", script=f"return {script}", args=[])

    def picture(self) -> bytes:
        return base64.b64decode(self.ask("GET", "/screenshot"))

    def tab(self) -> str:
        """Return the handle of the tab that is looked at."""
        return str(self.ask("GET", "/window"))

    def open_tab(self) -> str:
        """Open a tab, switch to it and return its handle."""
        tab = str(self.ask("POST", "/window/new", type="tab")["handle"])
        self.switch(tab)
        return tab

    def switch(self, tab: str) -> None:
        self.ask("POST", "/window", handle=tab)


@contextmanager
def open_browser(folder: Path) -> t.Iterator[Browser]:
    """Start a browser whose profile is in `folder`; skip the test where there is none."""
    binary = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not binary or not driver:
        pytest.skip("NOT TESTED in a browser: chromium and chromedriver are not installed")
    with subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = (re.search(r"started successfully on port (\d+)", line) for line in process.stdout)
        port = next(match[1] for match in said if match)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                session = Browser(client, binary, folder / "profile")
                yield session
                session.ask("DELETE", "")
        finally:
            process.terminate()
