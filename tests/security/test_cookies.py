"""Published weaknesses of cookies and sessions, each test named by the advisory."""

from __future__ import annotations

import typing as t

import pytest
from itsdangerous import BadSignature

import quartish
from quartish.sessions import SecureCookieSessionInterface
from tests._doors import Ask
from tests._doors import Reply
from tests.security._ways import at_once
from tests.security._ways import Way


def signer(app: t.Any) -> t.Any:
    return SecureCookieSessionInterface().get_signing_serializer(app)


def visit(way: Way, use: t.Callable[[t.Any], t.Any], **config: t.Any) -> Reply:
    """Visit, with a session that has items in it, a view that does something with it."""
    app = way.app(**config)

    async def view() -> str:
        return str(use(quartish.session))

    way.route(app, "/", view)
    cookie = signer(app).dumps({"a": 1, "_permanent": True})
    return way.send(app, Ask("/", headers=[(b"cookie", b"session=" + cookie.encode())]))


def varies(reply: Reply) -> bool:
    return "cookie" in reply.headers.get("Vary", "").lower()


def test_cve_2023_30861_a_refreshed_session_varies_by_cookie(way: Way) -> None:
    """Flask: what sets a permanent session's cookie anew, unread, was cached for all."""
    reply = visit(way, lambda session: "untouched")
    assert "session=" in reply.headers["Set-Cookie"] and varies(reply)


USES: dict[str, t.Callable[[t.Any], t.Any]] = {
    "in": lambda session: "a" in session,
    "len": len,
    "bool": bool,
    "iter": list,
    "keys": lambda session: session.keys(),
    "get": lambda session: session.get("b"),
    "eq": lambda session: session == {},
    "repr": repr,
    "copy": lambda session: session.copy(),
    "or": lambda session: session | {},
}


@pytest.mark.parametrize("use", USES)
def test_cve_2026_27205_any_look_at_the_session_varies_by_cookie(way: Way, use: str) -> None:
    """Flask: `in` and other looks at keys alone were not noted."""
    reply = visit(way, USES[use], SESSION_REFRESH_EACH_REQUEST=False)
    assert "Set-Cookie" not in reply.headers and varies(reply)


def test_cve_2026_35192_a_page_for_all_sets_no_cookie(way: Way) -> None:
    """Django: a session saved with each request was fixed in a public page that was cached."""
    app = way.app()

    async def view() -> str:
        return "for all"

    way.route(app, "/", view)
    reply = way.send(app, Ask("/"))
    assert "Set-Cookie" not in reply.headers and not varies(reply)
    assert varies(visit(way, lambda session: "refreshed"))


def test_cve_2025_47278_the_current_key_signs(way: Way) -> None:
    """Flask: after a rotation, the last of the old keys went on signing."""
    app = way.app(SECRET_KEY_FALLBACKS=["older", "oldest"])

    async def view() -> str:
        quartish.session["a"] = 1
        return ""

    way.route(app, "/", view)
    set_cookie = way.send(app, Ask("/")).headers["Set-Cookie"]
    cookie = set_cookie.partition("=")[2].partition(";")[0]
    assert signer(way.app()).loads(cookie) == {"a": 1}
    for old in ("older", "oldest"):
        other = way.app()
        other.secret_key = old
        with pytest.raises(BadSignature):
            signer(other).loads(cookie)
        # What an old key signed is still read.
        assert signer(app).loads(signer(other).dumps({"b": 2})) == {"b": 2}


COOKIES = {
    # A cookie without a name, which a neighbouring host may set, is no cookie with one.
    "CVE-2023-23934 Werkzeug": (b"=session=evil", b"==session=evil", b"=__Host-session=evil"),
    # What others take for the end of a value is a part of it.
    "CVE-2016-7401 Django": (b"a=b]session=evil", b"a=b,session=evil", b'a="b session=evil"'),
    "CVE-2016-7401 Django, quoted": (b'a="b;session=evil"', b'a="\\";session=evil"'),
    "CVE-2020-8184 Rack": (b"%73ession=evil", b"s%65ssion=evil"),
}


@pytest.mark.parametrize(
    ("advisory", "cookie"), [(name, cookie) for name in COOKIES for cookie in COOKIES[name]]
)
def test_a_cookie_that_others_smuggled_in(way: Way, advisory: str, cookie: bytes) -> None:
    app = way.app()

    async def view() -> t.Any:
        cookies = quartish.request.cookies
        return [cookies.get("session"), cookies.get("__Host-session")]

    way.route(app, "/", view)
    reply = way.send(app, Ask("/", headers=[(b"cookie", cookie)]))
    # A quoted semicolon ends the cookie all the same (RFC 6265): what follows is a cookie of the
    # same sender, whose name has a quote in its value's end.
    assert b"evil" not in reply.body or b'evil\\"' in reply.body, reply.body


def test_cve_2025_69230_bad_cookies_fill_no_log(way: Way, caplog: pytest.LogCaptureFixture) -> None:
    """aiohttp: each malformed cookie of a request wrote a warning."""
    app = way.app()

    async def view() -> str:
        return str(len(quartish.request.cookies))

    way.route(app, "/", view)
    lines = b";".join(b'a%d="\x80\\' % number for number in range(2000))
    with at_once():
        assert way.send(app, Ask("/", headers=[(b"cookie", lines)])).status == 200
    assert not caplog.records


def test_cve_2026_34993_a_session_is_data_and_not_code(way: Way) -> None:
    """aiohttp: a jar of cookies was unpickled. Here what was not signed is not looked at, and what
    was is JSON."""
    import pickle

    app = way.app()

    async def view() -> t.Any:
        return dict(quartish.session)

    way.route(app, "/", view)
    value = pickle.dumps(print).hex()
    for cookie in (value, signer(app).make_signer("cookie-session").sign(value).decode()):
        ask = Ask("/", headers=[(b"cookie", b"session=" + cookie.encode())])
        reply = way.send(app, ask)
        assert (reply.status, reply.body.strip()) == (200, b"{}")
