"""Published weaknesses of what is answered and shown, each test named by the advisory."""

from __future__ import annotations

import asyncio
import typing as t

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection

import quartish
from tests._doors import Ask
from tests._doors import Reply
from tests._doors import through_asgi
from tests.security._ways import Way

LINE_ENDS = ["\r\n", "\r", "\n", "\x00"]


def answered(way: Way, view: t.Callable[[], t.Any]) -> Reply:
    app = way.app(PROPAGATE_EXCEPTIONS=False)

    async def respond() -> t.Any:
        return view()

    way.route(app, "/", respond)
    return way.send(app, Ask("/"))


def header(end: str) -> t.Any:
    return "body", 200, {"X-A": f"a{end}Set-Cookie: evil=1"}


def header_name(end: str) -> t.Any:
    return "body", 200, {f"X-A{end}Set-Cookie": "evil=1"}


def appended(end: str) -> t.Any:
    response = quartish.current_app.response_class("body")
    response.headers.extend([("X-A", f"a{end}Set-Cookie: evil=1")])
    return response


def content_type(end: str) -> t.Any:
    cls = quartish.current_app.response_class
    return cls("body", content_type=f"text/plain{end}Set-Cookie: evil=1")


def mimetype(end: str) -> t.Any:
    return quartish.current_app.response_class("body", mimetype=f"text/plain{end}Set-Cookie: e=1")


def reason(end: str) -> t.Any:
    return quartish.current_app.response_class("body", status=f"200 OK{end}Set-Cookie: evil=1")


def cookie(end: str) -> t.Any:
    response = quartish.current_app.response_class("body")
    response.set_cookie("a", f"b{end}Set-Cookie: evil=1", path=f"/{end}Set-Cookie: evil=1")
    return response


def location(end: str) -> t.Any:
    return quartish.redirect(f"/a{end}Set-Cookie: evil=1")


SPLITS = {
    "CVE-2020-7695 uvicorn": header,
    "CVE-2018-1000164 gunicorn": header_name,
    "CVE-2012-2374 Tornado": appended,
    "CVE-2026-34514 aiohttp": content_type,
    "CVE-2021-32052 Django": mimetype,
    "CVE-2026-34519 aiohttp": reason,
    "CVE-2016-9964 Bottle": location,
    "CVE-2019-12387 Twisted": cookie,
}


@pytest.mark.parametrize("advisory", SPLITS)
def test_a_line_break_splits_no_response(
    way: Way, advisory: str, recwarn: pytest.WarningsRecorder
) -> None:
    """It is escaped, or what cannot be sent is a 500; never is there one header more."""
    for end in LINE_ENDS:
        reply = answered(way, lambda end=end: SPLITS[advisory](end))  # type: ignore[misc]
        names = [name.lower() for name, _ in reply.headers]
        if advisory.startswith("CVE-2019"):
            assert names.count("set-cookie") <= 1
        else:
            assert "set-cookie" not in names
        for name, line in reply.headers:
            assert not set(LINE_ENDS) & set(name + line), (name, line)


def test_cve_2025_57804_a_line_break_reaches_no_http2_server(way: Way) -> None:
    """h2: it wrote what it was given into a header that a proxy would split. What it is given by
    us has none."""
    if way.door == "wsgi":
        pytest.skip("there is no HTTP/2 by WSGI")
    for end in LINE_ENDS:
        reply = answered(way, lambda end=end: header(end))  # type: ignore[misc]
        assert reply.status == 500
        connection = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        connection.initiate_connection()
        assert all(line.isprintable() for _, line in reply.headers)


def test_cve_2024_41810_a_redirect_shows_its_target_as_text(way: Way) -> None:
    """Twisted: the page of a redirect had the URL in it as HTML."""
    target = 'https://a.example/?"><script>alert(1)</script>'
    reply = answered(way, lambda: quartish.redirect(target))
    assert reply.status == 302 and b"<script" not in reply.body and b'?">' not in reply.body


@pytest.mark.parametrize("advisory", ["CVE-2016-10516 Werkzeug", "CVE-2024-27306 aiohttp"])
def test_a_page_of_an_error_shows_text(way: Way, advisory: str) -> None:
    app = way.app(DEBUG=True, PROPAGATE_EXCEPTIONS=None)

    async def view(path: str) -> t.Any:
        if path == "abort":
            quartish.abort(400, "<script>alert(1)</script>")
        raise LookupError("<script>alert(1)</script>")

    way.route(app, "/<path>", view)
    for path in ("/abort", "/<script>alert(1)", "/x/<script>alert(1)</script>", "/raise"):
        if way.door == "wsgi" and path in ("/raise", "/<script>alert(1)"):
            continue  # it is raised, for a debugger around the app
        reply = way.send(app, Ask(path, headers=[(b"accept", b"text/html")]))
        assert reply.status in (400, 404, 500)
        # An app's own text is HTML, as in Flask; what came from outside never is.
        assert path == "/abort" or b"<script>alert" not in reply.body, path


ASSET = b"__debugger__=yes&cmd=resource&f=debugger.js"
DEBUGGER = [
    b"__debugger__=yes&cmd=pinauth&pin=123-456-789&s=x",
    b"__debugger__=yes&cmd=printpin&s=x",
    b"__debugger__=yes&cmd=1%2B1&frm=0&s=x",
]


@pytest.mark.parametrize("advisory", ["CVE-2019-14806 Werkzeug", "CVE-2024-34069 Werkzeug"])
async def test_the_console_is_guarded(advisory: str, colour: type[t.Any]) -> None:
    """A PIN could be guessed, and a foreign site talk to the console. Who has no secret, which is
    on the page alone, is not heard; a foreign host gets a page whose console is off; and without
    debug mode nothing listens."""
    app = colour("debugged")
    app.config.update(DEBUG=True, SECRET_KEY="key")

    async def view(path: str = "") -> t.Any:
        if path == "raise":
            raise LookupError
        return "the view"

    app.add_url_rule("/", view_func=view)
    app.add_url_rule("/<path>", view_func=view)
    for host in (b"localhost", b"evil.example"):
        for query in DEBUGGER:
            reply = await through_asgi(app, Ask("/", query=query, host=host))
            assert (reply.status, reply.body) == (200, b"the view")
        page = await through_asgi(
            app, Ask("/raise", host=host, headers=[(b"accept", b"text/html")])
        )
        assert page.status == 500 and b"LookupError" in page.body
        assert (b"EVALEX = true" in page.body) is (host == b"localhost")
        assert b"EVALEX_TRUSTED = false" in page.body
        assert (await through_asgi(app, Ask("/console", host=host))).body == b"the view"
    app.debug = False
    for query in (ASSET, *DEBUGGER):
        reply = await through_asgi(app, Ask("/", query=query))
        assert (reply.status, reply.body) == (200, b"the view")


def test_cve_2026_48060_templates_escape(way: Way) -> None:
    """Litestar: a token out of a cookie was HTML. What came from a client is text in a page,
    whether by the session, a message or the query."""
    app = way.app()

    async def view() -> t.Any:
        quartish.session["token"] = value = quartish.request.args["value"]
        quartish.flash(value) if app.plain else await quartish.flash(value)
        source = "{{ session.token }}{{ request.args.value }}{{ get_flashed_messages() }}{{ g.x }}"
        quartish.g.x = value
        return await way.take(quartish.render_template_string(source))

    way.route(app, "/", view)
    reply = way.send(app, Ask("/", query=b"value=%22%3E%3Cscript%3E"))
    assert reply.status == 200 and b"<script>" not in reply.body
    assert reply.body.count(b"&lt;script&gt;") == 4


async def test_cve_2023_46137_answers_are_of_their_requests(colour: type[t.Any]) -> None:
    """Twisted: of requests that came together, one got another's answer."""
    app = colour("order")

    async def view(number: str) -> str:
        await asyncio.sleep(0.01 if int(number) % 2 else 0)
        return number

    def in_thread(number: str) -> str:
        return number

    app.add_url_rule("/<number>", view_func=view)
    app.add_url_rule("/t/<number>", view_func=in_thread)
    asks = [Ask(f"{at}/{number}") for number in range(100) for at in ("", "/t")]
    for ask, reply in zip(
        asks, await asyncio.gather(*(through_asgi(app, ask) for ask in asks)), strict=True
    ):
        assert reply.body.decode() == ask.path.rpartition("/")[2]
