"""Live reload: what is added to which answers, and a page that reloads itself in a browser."""

from __future__ import annotations

import time
import typing as t
from pathlib import Path

import pytest

from quartish import serving
from quartish._serving.live import Broken
from quartish._serving.live import LiveReload
from quartish._serving.reloaded import failure_for
from tests._processes import free_port
from tests._scripted import HttpPeer
from tests._scripted import WebsocketPeer
from tests.cli._program import get
from tests.cli._program import PATIENCE
from tests.cli._program import Program
from tests.examples._browser import Browser
from tests.examples._browser import open_browser

SCRIPT = b'\n<script src="/_quartish/live.js?v=one"></script>\n'
HTML = {"content-type": "text/html; charset=utf-8"}


def answering(
    *pieces: bytes, status: int = 200, seen: list[t.Any] | None = None, **headers: str
) -> t.Any:
    """Return an app that answers so; names of headers with "_" for "-"."""

    async def app(scope: t.Any, receive: t.Any, send: t.Any) -> None:
        if seen is not None:
            seen.append(dict(scope["headers"]))
        lines = [(n.replace("_", "-").encode(), v.encode()) for n, v in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": lines})
        for number, piece in enumerate(pieces, 1):
            more = number < len(pieces)
            await send({"type": "http.response.body", "body": piece, "more_body": more})

    return app


async def ask(app: t.Any, method: str = "GET", path: str = "/", **headers: str) -> HttpPeer:
    headers = {"accept": "text/html", **headers}
    async with HttpPeer(LiveReload(app, "one"), path, method, **headers) as peer:  # type: ignore[arg-type]
        pass
    if peer.error is not None:
        raise peer.error
    return peer


async def test_a_page_has_the_script_behind_it() -> None:
    app = answering(b"<p>", content_type="text/html", content_length="3", etag='"x"')
    peer = await ask(app)
    assert peer.body == b"<p>" + SCRIPT
    headers = dict(peer.sent[0]["headers"])
    assert int(headers[b"content-length"]) == len(peer.body)
    # A page that were kept would have the script of another version.
    assert headers[b"cache-control"] == b"no-store" and b"etag" not in headers


async def test_a_page_passes_as_it_comes() -> None:
    app = answering(b"<p>", b"more", b"", content_type="text/html")
    peer = await ask(app)
    assert [message.get("body") for message in peer.sent[1:]] == [b"<p>", b"more", SCRIPT]


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, {"content_type": "application/json"}),
        (200, {"content_type": "text/event-stream"}),
        (200, {}),
        (200, {"content_type": "text/html", "content_encoding": "gzip"}),
        (206, {"content_type": "text/html", "content_range": "bytes 0-2/9"}),
        (200, {"content_type": "text/html", "repr_digest": "sha-256=:x:"}),
        (304, {"content_type": "text/html", "etag": '"x"'}),
        (204, {"content_type": "text/html"}),
    ],
)
async def test_what_is_no_page_is_left_alone(status: int, headers: dict[str, str]) -> None:
    app = answering(b"<p>", status=status, **headers)  # type: ignore[arg-type]
    peer = await ask(app)
    async with HttpPeer(app) as bare:
        pass
    assert peer.sent == bare.sent


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("HEAD", {}),
        ("GET", {"range": "bytes=0-2"}),
        ("GET", {"sec-fetch-dest": "empty"}),  # by fetch(): a part of a page
        ("GET", {"sec-fetch-dest": "image"}),
        ("GET", {"accept": "*/*"}),  # curl
    ],
)
async def test_what_nobody_shows_as_a_page_is_left_alone(
    method: str, headers: dict[str, str]
) -> None:
    peer = await ask(answering(b"<p>", content_type="text/html"), method, **headers)
    assert peer.body == b"<p>"
    assert (await ask(answering(b"", content_type="text/html"), "POST")).body == SCRIPT


async def test_a_page_is_sent_whole_though_the_browser_has_it() -> None:
    seen: list[dict[bytes, bytes]] = []
    app = answering(b"<p>", content_type="text/html", seen=seen)
    await ask(app, **{"sec-fetch-dest": "document", "if-none-match": '"x"', "x": "y"})
    assert b"if-none-match" not in seen[0] and seen[0][b"x"] == b"y"


@pytest.mark.parametrize(
    ("policy", "tag"),
    [
        ("script-src 'nonce-r4nd+0m=' 'strict-dynamic'", b' nonce="r4nd+0m="></script>'),
        ("script-src 'self'", b'one"></script>'),
    ],
)
async def test_a_policy_is_kept(policy: str, tag: bytes) -> None:
    app = answering(b"<p>", content_type="text/html", content_security_policy=policy)
    peer = await ask(app)
    assert tag in peer.body
    assert dict(peer.sent[0]["headers"])[b"content-security-policy"] == policy.encode()


async def test_other_machines_have_nothing_of_it() -> None:
    app = answering(b"<p>", content_type="text/html")
    assert (await ask(app, **{"x-forwarded-for": "127.0.0.1"})).body == b"<p>"
    for path in ("/", "/_quartish/live.js"):
        peer = HttpPeer(LiveReload(app, "one"), path, accept="text/html")
        peer.scope["client"] = ("192.0.2.7", 1)
        async with peer:
            pass
        assert peer.body == b"<p>"


async def test_the_script_is_below_the_apps_root() -> None:
    app = answering(b"<p>", content_type="text/html")
    peer = HttpPeer(LiveReload(app, "one"), "/shop/", accept="text/html")
    peer.scope["root_path"] = "/shop"
    async with peer:
        pass
    assert b'"/shop/_quartish/live.js?v=one"' in peer.body
    for path in ("/shop/_quartish/live.js", "/_quartish/live.js"):  # servers differ
        peer = HttpPeer(LiveReload(app, "one"), path, accept="text/html")
        peer.scope["root_path"] = "/shop"
        async with peer:
            pass
        assert b"WebSocket" in peer.body


async def test_open_pages_are_told() -> None:
    live = LiveReload(answering(), "one")
    async with WebsocketPeer(live, "/_quartish/live") as peer:
        assert (await peer.until(2))["text"] == "one"
        live.change("two")
        assert (await peer.until(3))["text"] == "two"
        peer.leave()
    assert peer.error is None


async def test_an_app_that_does_not_run() -> None:
    failure = failure_for("no <database>")
    for accept, kind, body in (
        ("text/html", b"text/html; charset=utf-8", b"no &lt;database&gt;"),
        ("application/json", b"application/problem+json", b'"no <database>"'),
        ("*/*", b"text/plain; charset=utf-8", b"no <database>"),
    ):
        async with HttpPeer(Broken(failure), accept=accept) as peer:
            pass
        assert peer.status == 500 and body in peer.body
        assert dict(peer.sent[0]["headers"])[b"content-type"] == kind
    async with HttpPeer(Broken(failure), method="HEAD") as peer:
        pass
    assert (peer.status, peer.body) == (500, b"")


@pytest.mark.parametrize(("host", "live"), [("127.0.0.1", True), ("0.0.0.0", False)])
@pytest.mark.parametrize("debug", [True, False])
def test_who_has_it(
    host: str,
    live: bool,
    debug: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    served: list[t.Any] = []
    monkeypatch.setattr(serving, "_serve_in_loop", lambda app, *args: served.append(app))
    serving.run(answering(), host, 0, debug=debug, live_reload=True)
    assert isinstance(served[0], LiveReload) is (live and debug)
    assert ("Pages are not reloaded" in capsys.readouterr().err) is (debug and not live)


# --- In a browser ---------------------------------------------------------------------------------

APP = """
from quartish import Flask, render_template

app = Flask(__name__)

@app.get("/")
async def index():
    return render_template("page.html", number=NUMBER)

@app.get("/strict")
def strict():
    page = "<meta charset=utf-8><h1>strict NUMBER</h1>"
    return page, {"Content-Security-Policy": "default-src 'none'; script-src 'nonce-abc';"
                  " connect-src 'self'"}
"""


@pytest.mark.slow
@pytest.mark.browser
def test_a_page_follows_its_files(tmp_path: Path) -> None:
    page, style = tmp_path / "templates" / "page.html", tmp_path / "static" / "page.css"
    app = tmp_path / "shelf.py"
    for path in (page, style):
        path.parent.mkdir()
    page.write_text('<link rel=stylesheet href="/static/page.css"><h1>one {{ number }}</h1>')
    style.write_text("h1 { color: rgb(1, 0, 0) }")
    app.write_text(APP.replace("NUMBER", "1"))
    port = free_port()
    command = ("-m", "quartish", "--app", "shelf", "run", "--debug", "--live-reload")
    program = Program(*command, "--port", str(port), cwd=tmp_path)
    url = f"http://127.0.0.1:{port}"
    try:
        program.wait_for("Running on ")
        with open_browser(tmp_path) as browser:
            browser.open(url)
            browser.expect("h1", "one 1")
            page.write_text(page.read_text().replace("one", "two"))
            browser.expect("h1", "two 1")
            style.write_text("h1 { color: rgb(2, 0, 0) }")
            await_script(browser, "getComputedStyle(document.querySelector('h1')).color", "2, 0, 0")
            app.write_text(APP.replace("NUMBER", "2"))
            browser.expect("h1", "two 2")
            app.write_text("def (:\n")
            browser.expect("h1", "SyntaxError")
            app.write_text(APP.replace("NUMBER", "3"))
            browser.expect("h1", "two 3")
            # It does not go on reloading.
            browser.run("window.stays = true")
            time.sleep(1.5)
            assert browser.run("window.stays") is True
            browser.open(f"{url}/strict")
            browser.expect("h1", "strict 3")
            app.write_text(APP.replace("NUMBER", "4"))
            browser.expect("h1", "strict 4")
    finally:
        assert program.end() == 0, program.output
        t.cast(t.Any, program.process.stdout).close()


@pytest.mark.slow
@pytest.mark.browser
def test_an_error_goes_when_it_is_put_right(tmp_path: Path) -> None:
    """Also where pages are not reloaded otherwise."""
    app = tmp_path / "shelf.py"
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "page.html").write_text("<h1>page {{ number }}</h1>")
    app.write_text("import books\n")
    port = free_port()
    command = ("-m", "quartish", "--app", "shelf", "run", "--debug", "--port", str(port))
    program = Program(*command, cwd=tmp_path)
    try:
        program.wait_for("Waiting for a file to change.")
        with open_browser(tmp_path) as browser:
            browser.open(f"http://127.0.0.1:{port}/")
            browser.expect("h1", "ModuleNotFoundError")
            browser.expect(".folded", "folded away")
            app.write_text(APP.replace("NUMBER", "1"))
            browser.expect("h1", "page 1")
            assert "live.js" not in get(f"http://127.0.0.1:{port}/").text
    finally:
        assert program.end() == 0, program.output
        t.cast(t.Any, program.process.stdout).close()


def await_script(browser: Browser, script: str, shown: str) -> None:
    until = time.monotonic() + PATIENCE
    while shown not in (told := str(browser.run(script))):
        assert time.monotonic() < until, told
        time.sleep(0.05)
