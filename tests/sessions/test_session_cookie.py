"""The session's cookie is found and written at once, where nobody has a say in it: as Werkzeug
would find and write it. Where somebody has, he is asked.

An attribute of Werkzeug's `Headers` that is not public is used; these tests are what notices
when a release of Werkzeug changes it.
"""

from __future__ import annotations

import itertools
import typing as t
import warnings
from datetime import datetime
from datetime import timedelta
from datetime import timezone
from datetime import UTC

import pytest
from werkzeug.datastructures import Headers
from werkzeug.http import dump_cookie
from werkzeug.sansio.http import parse_cookie
from werkzeug.wrappers import Response as WerkzeugResponse

import quartish
from quartish.sessions import SecureCookieSession
from quartish.sessions import SecureCookieSessionInterface
from quartish.sessions.cookie import find_cookie
from quartish.sessions.cookie import set_cookie
from quartish.wrappers import awaitable_request as awaitable
from quartish.wrappers import request as plain


def options(**given: t.Any) -> dict[str, t.Any]:
    return {
        "key": "session",
        "domain": None,
        "path": "/",
        "secure": False,
        "partitioned": False,
        "samesite": None,
        "httponly": True,
        **given,
    }


MOMENT = datetime(2031, 5, 6, 7, 8, 9, 999_999, UTC)


@pytest.mark.parametrize(
    "expires",
    [
        None,
        MOMENT,
        MOMENT.replace(tzinfo=None),
        MOMENT.astimezone(timezone(timedelta(hours=5))),
        datetime(1960, 1, 1, 0, 0, 0, 1, UTC),
        1_700_000_000,
        1_700_000_000.7,
        "some day",
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"key": "s=d"},
        {"key": "sé"},
        {"domain": ".example.com:80", "path": "/ä b;"},
        {"path": None, "httponly": False},
        {"secure": True, "samesite": "lax"},
        {"secure": 1, "httponly": 1},
        {"partitioned": True, "samesite": "None"},
    ],
    ids=str,
)
def test_it_is_written_as_werkzeug_writes_it(given: dict[str, t.Any], expires: t.Any) -> None:
    response, expected = quartish.Response("x"), WerkzeugResponse()
    arguments = options(**given)
    expected.set_cookie(value="a.b-c_", expires=expires, **arguments)
    for _ in range(2):
        set_cookie(response, "a.b-c_", expires, arguments)
    assert response.headers.getlist("set-cookie") == [expected.headers["Set-Cookie"]] * 2


@pytest.mark.parametrize("given", [{"key": "a\nb"}, {"samesite": "Wrong"}], ids=str)
def test_what_werkzeug_refuses_is_refused(given: dict[str, t.Any]) -> None:
    for _ in range(2):
        with pytest.raises(ValueError):
            set_cookie(quartish.Response("x"), "value", None, options(**given))


def test_a_cookie_that_is_too_large_warns() -> None:
    response = quartish.Response("x")
    with pytest.warns(UserWarning, match="'session' cookie is too large"):
        set_cookie(response, "x" * 5000, None, options())
    assert len(response.headers["Set-Cookie"]) > 5000

    class Careless(quartish.Response):
        max_cookie_size = 0  # type: ignore[assignment]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        set_cookie(response := Careless("x"), "x" * 5000, None, options())
    assert len(response.headers["Set-Cookie"]) > 5000


def test_a_response_that_sets_cookies_its_own_way_is_asked() -> None:
    calls: list[t.Any] = []

    class Own(quartish.Response):
        def set_cookie(self, *args: t.Any, **kwargs: t.Any) -> None:
            calls.append(kwargs)

    class OwnHeaders(Headers):
        def add(self, name: str, value: t.Any, /, **kwargs: t.Any) -> None:
            calls.append((name, value))

    class Bare:
        """Has what is needed, and inherits nothing."""

        def __init__(self) -> None:
            self.headers = Headers()
            self.set_cookie = lambda **kwargs: calls.append(kwargs)

    patched = quartish.Response("x")
    patched.set_cookie = lambda **kwargs: calls.append(kwargs)  # type: ignore[method-assign,assignment]
    expected = options(value="v", expires=None)
    for response in (Own("x"), patched, Bare()):
        set_cookie(response, "v", None, options())
        assert calls.pop() == expected
    own_headers = quartish.Response("x")
    own_headers.headers = OwnHeaders()
    session = SecureCookieSession({"a": 1})
    session.modified = True
    app = quartish.Flask(__name__)
    app.secret_key = "secret"
    app.session_interface.quartish_store(app, session, own_headers)  # type: ignore[attr-defined]
    assert [name for name, _ in calls] == ["Set-Cookie", "Vary"]


def test_a_serializer_of_ones_own_may_need_quotes(colour: t.Any) -> None:
    class Reversed:
        def dumps(self, value: t.Any) -> str:
            return 'a "b"; c'

        def loads(self, text: str, max_age: int) -> t.Any:
            return {"text": text}

    class Interface(SecureCookieSessionInterface):
        def get_signing_serializer(self, app: t.Any) -> t.Any:
            return Reversed()

    app = colour(__name__)
    session, response = SecureCookieSession({"a": 1}), app.response_class("x")
    session.modified = True
    Interface().quartish_store(app, session, response)
    cookie = dump_cookie("session", 'a "b"; c', httponly=True)
    assert response.headers["Set-Cookie"] == cookie
    assert response.headers["Vary"] == "Cookie"


def test_each_method_that_describes_the_cookie_may_be_overridden(colour: t.Any) -> None:
    class Interface(SecureCookieSessionInterface):
        get_cookie_name = lambda self, app: "other"  # noqa: E731
        get_cookie_domain = lambda self, app: "example.com"  # noqa: E731
        get_cookie_path = lambda self, app: "/p"  # noqa: E731
        get_cookie_httponly = lambda self, app: False  # noqa: E731
        get_cookie_secure = lambda self, app: True  # noqa: E731
        get_cookie_samesite = lambda self, app: "Lax"  # noqa: E731
        get_cookie_partitioned = lambda self, app: True  # noqa: E731
        get_expiration_time = lambda self, app, session: MOMENT  # noqa: E731
        should_set_cookie = lambda self, app, session: True  # noqa: E731

    app = colour(__name__)
    app.secret_key = "secret"
    interface, response = Interface(), app.response_class("x")
    interface.quartish_store(app, SecureCookieSession({"a": 1}), response)
    name, _, rest = response.headers["Set-Cookie"].partition("=")
    assert name == "other"
    assert rest.partition("; ")[2] == (
        "Domain=example.com; Expires=Tue, 06 May 2031 07:08:09 GMT; Secure; Path=/p;"
        " SameSite=Lax; Partitioned"
    )
    interface.should_set_cookie = lambda app, session: False  # type: ignore[method-assign]
    interface.quartish_store(
        app, SecureCookieSession({"a": 1}), response := app.response_class("x")
    )
    assert "Set-Cookie" not in response.headers


def test_a_vary_header_of_any_case_is_added_to() -> None:
    app = quartish.Flask(__name__)
    session, response = SecureCookieSession(), quartish.Response("x", headers={"vARY": "Accept"})
    session.get("a")
    app.session_interface.quartish_store(app, session, response)  # type: ignore[attr-defined]
    assert response.headers.getlist("Vary") == ["Accept, Cookie"]


def test_a_session_that_shows_other_items_is_saved_with_them() -> None:
    class Shown(SecureCookieSession):
        def keys(self) -> t.Any:
            return {"shown": 0}.keys()

        def __iter__(self) -> t.Iterator[str]:
            return iter(["shown"])

        def __getitem__(self, key: str) -> t.Any:
            return 7

    app = quartish.Flask(__name__)
    app.secret_key = "secret"
    session, response = Shown({"a": 1}), quartish.Response("x")
    session.modified = True
    app.session_interface.quartish_store(app, session, response)  # type: ignore[attr-defined]
    cookie = response.headers["Set-Cookie"].partition("=")[2].partition(";")[0]
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer is not None and serializer.loads(cookie) == {"shown": 7}


def test_a_callback_of_ones_own_is_called() -> None:
    session = SecureCookieSession()
    changed: list[t.Any] = []
    session.on_update = changed.append
    session["a"] = 1
    session.on_update = None
    session["b"] = 2
    assert changed == [session] and session.modified is False


# --- finding it -----------------------------------------------------------------------------

PIECES = ["session=v", "session=", "session", " session = w ", 'session="q"', "session=a b", "x=1"]
PIECES += ["xsession=1", "session =\tt", "=x", "session=v=w", "", ";", "session=\xe4", "SESSION=u"]

if parse_cookie("session=a b"):  # Werkzeug before 3.1.9, which takes a space for a part of it
    PIECES.remove("session=a b")


@pytest.mark.parametrize("kind", [plain.Request, awaitable.Request])
def test_it_is_found_as_werkzeug_finds_it(kind: t.Any) -> None:
    for pieces in itertools.product(PIECES, repeat=3):
        raw = ";".join(pieces).encode("latin-1")
        scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"cookie", raw)]}
        expected = kind.quartish_from_scope(scope).cookies.get("session")
        assert (find_cookie(kind.quartish_from_scope(scope), "session") or None) == (
            expected or None
        ), raw


def test_it_is_found_where_the_cookies_were_changed() -> None:
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"cookie", b"session=v")]}
    request = plain.Request.quartish_from_scope(scope)
    request.__dict__["cookies"] = {"session": "other"}
    assert find_cookie(request, "session") == "other"
    request = plain.Request.quartish_from_scope(scope)
    request.headers["Cookie"] = "session=third"
    assert find_cookie(request, "session") == "third"
