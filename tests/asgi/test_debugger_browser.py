"""The debugger as a person meets it: in headless Chromium, over `quartish run --debug`."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import typing as t
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests._processes import end
from tests._processes import free_port
from tests._processes import ROOT
from tests.examples._browser import Browser
from tests.examples._browser import open_browser

pytestmark = pytest.mark.browser
PIN = "123-456-789"
APP = """
import asyncio
from quartish import Flask, g

app = Flask(__name__)

@app.before_request
def before():
    g.user = "Ada"

@app.get("/loop")
async def loop():
    shelf = ["empty"]
    raise LookupError("nothing there")

@app.get("/thread")
def thread():
    shelf = ["full"]
    raise LookupError("nothing there")

@app.get("/fetch")
def fetch():
    return "<p>here</p>"
"""


@contextmanager
def served(folder: Path) -> t.Iterator[tuple[str, t.Callable[[], str]]]:
    """Run the command; yield the address, and what gives all that it has written."""
    (folder / "shelf.py").write_text(APP)
    port = free_port()
    command = [sys.executable, "-m", "quartish", "--app", "shelf", "run", "--debug"]
    env = {**os.environ, "WERKZEUG_DEBUG_PIN": PIN, "PYTHONPATH": str(ROOT)}
    log = folder / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*command, "--port", str(port)], cwd=folder, env=env, stdout=file, stderr=file
        )
        try:
            until = time.monotonic() + 30
            while "Debugger PIN" not in log.read_text():  # its child has started
                assert process.poll() is None and time.monotonic() < until, log.read_text()
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}", log.read_text
        finally:
            end(process, signal.SIGINT)


@pytest.fixture
def browser(tmp_path: Path) -> t.Iterator[Browser]:
    with open_browser(tmp_path) as session:
        yield session


def wait_until(browser: Browser, script: str) -> None:
    until = time.monotonic() + 30
    while not browser.run(script):
        assert time.monotonic() < until, script
        time.sleep(0.05)


def answer_alert(browser: Browser) -> str:
    """Wait for an alert, return what it says, and close it."""
    until = time.monotonic() + 30
    while True:
        try:
            text = str(browser.ask("GET", "/alert/text"))
        except LookupError:
            assert time.monotonic() < until, "nothing was said"
            time.sleep(0.05)
        else:
            browser.ask("POST", "/alert/accept")
            return text


def evaluate(browser: Browser, code: str, shown: str) -> None:
    browser.fill("pre.console input", f"{code}\n")
    browser.expect("pre.console .output", shown)


def test_a_persons_visit(browser: Browser, tmp_path: Path) -> None:
    with served(tmp_path) as (address, log):
        assert "WARNING" not in log()
        for path, shelf in (("/loop", "empty"), ("/thread", "full")):
            browser.open(address + path)
            browser.expect("h1", "LookupError")
            browser.expect(".errormsg", "nothing there")
            browser.expect(".folded", "folded away")
            assert browser.run("document.querySelectorAll('div.frame').length") == 1
            browser.run("document.querySelector('.frame pre img, .frame img').click()")
            if path == "/loop":
                browser.fill("input[name=pin]", "000-000-000\n")
                assert answer_alert(browser) == "Error: incorrect pin"
                browser.run("document.querySelector('input[name=pin]').value = ''")
                browser.fill("input[name=pin]", f"{PIN}\n")
                wait_until(browser, "EVALEX_TRUSTED")
            evaluate(browser, "shelf", f"['{shelf}']")
            evaluate(browser, "__import__('quartish').g.user", "'Ada'")
            evaluate(browser, "await asyncio.sleep(0.01, 6 * 7)", "42")
        fetched = (
            "(async () => { const answer = await fetch('/loop', {headers: {accept:"
            " 'application/json'}}); const told = await answer.json();"
            " return answer.headers.get('content-type') + ' ' + told.detail })()"
        )
        assert browser.run(fetched) == "application/problem+json LookupError: nothing there"
        # A foreign host is shown the page, and its console is off.
        browser.open(address.replace("127.0.0.1", "[::ffff:127.0.0.1]") + "/loop")
        browser.expect("h1", "LookupError")
        assert browser.run("EVALEX") is False
        assert browser.run("document.querySelectorAll('.frame img').length") == 0
        written = log()
    assert re.search(r"ERROR in app: Exception on /loop \[GET\]", written)
    assert "folded away" in written and "quartish/" not in written.replace(str(tmp_path), "")
