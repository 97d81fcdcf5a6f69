"""Sessions: what marks one as read or changed, and the cookie that carries it."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import operator
import pickle
import subprocess
import sys
import typing as t
from datetime import datetime
from datetime import timedelta
from datetime import UTC
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version
from types import SimpleNamespace
from uuid import UUID

import pytest
from itsdangerous import URLSafeTimedSerializer
from markupsafe import Markup
from werkzeug.http import parse_date
from werkzeug.test import create_environ
from werkzeug.wrappers import Request
from werkzeug.wrappers import Response

import quartish
from quartish import sessions
from quartish.globals import request_ctx
from quartish.sessions import NullSession
from quartish.sessions import SecureCookieSession
from quartish.sessions import SecureCookieSessionInterface
from quartish.sessions import session_json_serializer
from quartish.sessions import SessionInterface
from quartish.sessions import SessionMixin
from tests._peer import settled
from tests._scopes import http_scope

CONFIG = {
    "APPLICATION_ROOT": "/",
    "SECRET_KEY_FALLBACKS": None,
    "SESSION_COOKIE_NAME": "session",
    "SESSION_COOKIE_DOMAIN": None,
    "SESSION_COOKIE_PATH": None,
    "SESSION_COOKIE_HTTPONLY": True,
    "SESSION_COOKIE_SECURE": False,
    "SESSION_COOKIE_SAMESITE": None,
    "SESSION_COOKIE_PARTITIONED": False,
    "SESSION_REFRESH_EACH_REQUEST": True,
}


def make_app(secret_key: str | bytes | None = "secret", **config: t.Any) -> t.Any:
    """As much of an app as a session interface touches."""
    return SimpleNamespace(
        secret_key=secret_key,
        config={**CONFIG, **config},
        permanent_session_lifetime=timedelta(days=31),
        logger=logging.getLogger("quartish_sessions"),
    )


@pytest.fixture
def interface() -> SecureCookieSessionInterface:
    return SecureCookieSessionInterface()


def sign(app: t.Any, value: t.Any) -> str:
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer is not None
    return serializer.dumps(value)


def request_with(cookie: str | None, name: str = "session") -> Request:
    headers = {} if cookie is None else {"Cookie": f"{name}={cookie}"}
    return Request(create_environ(headers=headers))


def reopened(app: t.Any, cookie: str | None) -> SecureCookieSession:
    session = SecureCookieSessionInterface().open_session(app, request_with(cookie))
    assert session is not None
    return session


def saved(app: t.Any, session: SessionMixin) -> Response:
    response = Response()
    SecureCookieSessionInterface().save_session(app, session, response)
    return response


# --- The marks ------------------------------------------------------------------------------

Use = t.Callable[[SecureCookieSession], t.Any]

READS: dict[str, Use] = {
    "__contains__": lambda s: "a" in s,
    "__eq__": lambda s: s == {"a": 1},
    "__getitem__": lambda s: s["a"],
    "__iter__": lambda s: list(s),
    "__len__": lambda s: bool(s),
    "__ne__": lambda s: s != {"a": 1},
    "__or__": lambda s: s | {},
    "__repr__": lambda s: f"{s}",
    "__reversed__": lambda s: list(reversed(s)),
    "__ror__": lambda s: {} | s,
    "copy": lambda s: s.copy(),
    "get": lambda s: s.get("z"),
    "items": lambda s: s.items(),
    "keys": lambda s: s.keys(),
    "values": lambda s: s.values(),
    # These change nothing here.
    "pop of a missing key": lambda s: s.pop("z", None),
    "setdefault of a present key": lambda s: s.setdefault("a", 2),
    # By way of the above, from C.
    "dict()": lambda s: dict(s),
    "**": lambda s: dict(**s),
    "%": lambda s: operator.mod("%(a)s", s),
    "json": lambda s: json.dumps(s),
    "pickle": lambda s: pickle.dumps(s),
    "sorted": lambda s: sorted(s),
    "permanent": lambda s: s.permanent,
    "== from the left": lambda s: s == {"a": 1},
    "update of another dict": lambda s: {}.update(s),  # type: ignore[arg-type]
}
WRITES: dict[str, Use] = {
    "__delitem__": lambda s: s.__delitem__("a"),
    "__ior__": lambda s: s.__ior__({"b": 2}),
    "__setitem__": lambda s: s.__setitem__("b", 2),
    "clear": lambda s: s.clear(),
    "pop": lambda s: s.pop("a"),
    "popitem": lambda s: s.popitem(),
    "setdefault": lambda s: s.setdefault("b", 2),
    "update": lambda s: s.update(b=2),
    # By way of the above.
    "update with a mapping": lambda s: s.update({"b": 2}),
    "update with pairs": lambda s: s.update([("b", 2)]),
    "permanent": lambda s: setattr(s, "permanent", True),
}
# Of the type, or of any object: they see nothing of the items.
OTHERS = {
    *("__class__", "__class_getitem__", "__new__", "__init__", "__init_subclass__"),
    *("__subclasshook__", "__sizeof__", "__getattribute__", "__setattr__", "__delattr__"),
    *("__dir__", "__doc__", "__hash__", "fromkeys"),
    *("__lt__", "__le__", "__gt__", "__ge__"),  # not implemented by dicts
    *("__format__", "__str__"),  # by way of __repr__
    *("__reduce__", "__reduce_ex__", "__getstate__"),  # by way of items()
}


def test_every_method_of_dict_is_thought_of() -> None:
    assert set(dir(dict)) <= {*READS, *WRITES, *OTHERS}


@pytest.mark.parametrize("use", READS.values(), ids=READS)
def test_reading_marks_the_session_as_accessed(use: Use) -> None:
    session = SecureCookieSession({"a": 1})
    assert (session.accessed, session.modified) == (False, False)
    use(session)
    assert (session.accessed, session.modified) == (True, False)


@pytest.mark.parametrize("use", WRITES.values(), ids=WRITES)
def test_writing_marks_the_session_as_modified_and_accessed(use: Use) -> None:
    session = SecureCookieSession({"a": 1})
    use(session)
    assert (session.accessed, session.modified) == (True, True)


@pytest.mark.parametrize("key", ["__getitem__", "__delitem__", "pop"])
def test_a_missing_key_is_a_key_error_and_no_change(key: str) -> None:
    session = SecureCookieSession()
    with pytest.raises(KeyError):
        getattr(session, key)("missing")
    assert session.modified is False


def test_it_behaves_as_the_dict_it_is() -> None:
    session = SecureCookieSession({"a": 1})
    session |= {"b": 2}
    assert type(session) is SecureCookieSession and isinstance(session, dict)
    assert session == {"a": 1, "b": 2} == dict(session)
    assert session | {"c": 3} == {"a": 1, "b": 2, "c": 3}
    assert {"c": 3} | session == {"c": 3, "a": 1, "b": 2}
    assert type(session.copy()) is dict
    assert list(session) == list(session.keys()) == ["a", "b"]
    assert session.pop("b") == 2 and session.setdefault("d") is None
    assert repr(SecureCookieSession({"a": 1})) == "<SecureCookieSession {'a': 1}>"
    assert SecureCookieSession.get.__name__ == "get"


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_a_duplicate_has_marks_of_its_own(duplicate: t.Callable[[t.Any], t.Any]) -> None:
    session = SecureCookieSession({"a": [1]})
    twin = duplicate(session)
    twin["b"] = 2
    assert (twin, twin.modified) == ({"a": [1], "b": 2}, True)
    assert (session, session.modified) == ({"a": [1]}, False)


def test_a_session_survives_pickling() -> None:
    twin = pickle.loads(pickle.dumps(SecureCookieSession({"a": 1})))
    assert (twin, twin.modified) == ({"a": 1}, False)
    twin["b"] = 2
    assert twin.modified is True


def test_permanent_lives_among_the_items() -> None:
    session = SecureCookieSession()
    assert session.permanent is False
    session.permanent = t.cast(bool, 1)
    assert session.permanent is True and session == {"_permanent": True}


def test_a_session_on_another_dict_counts_as_modified() -> None:
    class Stored(dict[str, t.Any], SessionMixin):
        pass

    session = Stored(_permanent=True)
    assert (session.modified, session.accessed, session.new) == (True, False, False)
    assert session.permanent is True


@pytest.mark.parametrize("use", WRITES.values(), ids=WRITES)
def test_a_null_session_refuses_every_change(use: Use) -> None:
    with pytest.raises(RuntimeError, match="session is unavailable because no secret key"):
        use(NullSession())


def test_a_null_session_may_be_read() -> None:
    session = NullSession()
    assert session.get("a") is None and "a" not in session and not session.permanent
    assert session.accessed


# --- The interface --------------------------------------------------------------------------


def test_the_base_interface_leaves_two_methods_to_do() -> None:
    interface = SessionInterface()
    with pytest.raises(NotImplementedError):
        interface.open_session(None, None)
    with pytest.raises(NotImplementedError):
        interface.save_session(None, SecureCookieSession(), None)
    assert interface.pickle_based is False
    null = interface.make_null_session(None)
    assert type(null) is NullSession
    assert interface.is_null_session(null)
    assert not interface.is_null_session(SecureCookieSession())


def test_the_cookie_is_described_by_the_config() -> None:
    interface = SessionInterface()
    app = make_app(
        SESSION_COOKIE_NAME="sid",
        SESSION_COOKIE_DOMAIN="example.com",
        SESSION_COOKIE_HTTPONLY=False,
        SESSION_COOKIE_SECURE=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_PARTITIONED=True,
        APPLICATION_ROOT="/root",
    )
    assert interface.get_cookie_name(app) == "sid"
    assert interface.get_cookie_domain(app) == "example.com"
    assert interface.get_cookie_httponly(app) is False
    assert interface.get_cookie_secure(app) is True
    assert interface.get_cookie_samesite(app) == "Lax"
    assert interface.get_cookie_partitioned(app) is True
    assert interface.get_cookie_path(app) == "/root"
    app.config["SESSION_COOKIE_PATH"] = "/path"
    assert interface.get_cookie_path(app) == "/path"


def test_a_permanent_session_expires_a_lifetime_from_now() -> None:
    interface, app = SessionInterface(), make_app()
    assert interface.get_expiration_time(app, SecureCookieSession()) is None
    expires = interface.get_expiration_time(app, SecureCookieSession({"_permanent": True}))
    assert expires is not None
    left = expires - datetime.now(UTC)
    assert timedelta(days=31, seconds=-5) < left <= timedelta(days=31)


@pytest.mark.parametrize(
    ("modified", "permanent", "refresh", "written"),
    [
        (False, False, True, False),
        (False, True, False, False),
        (False, True, True, True),
        (True, False, False, True),
    ],
)
def test_should_set_cookie(modified: bool, permanent: bool, refresh: bool, written: bool) -> None:
    app = make_app(SESSION_REFRESH_EACH_REQUEST=refresh)
    session = SecureCookieSession({"_permanent": permanent})
    session.modified = modified
    assert SessionInterface().should_set_cookie(app, session) is written


# --- Opening --------------------------------------------------------------------------------


def test_without_a_secret_key_there_is_no_session(
    interface: SecureCookieSessionInterface,
) -> None:
    for key in (None, "", b""):
        assert interface.get_signing_serializer(make_app(key)) is None
        assert interface.open_session(make_app(key), request_with("anything")) is None


def test_a_session_opens_unmarked() -> None:
    app = make_app()
    for cookie in (None, "", sign(app, {"a": 1})):
        session = reopened(app, cookie)
        assert (session.accessed, session.modified, session.new) == (False, False, False)


def test_what_was_signed_comes_back() -> None:
    app, value = make_app(), {"n": 1, "t": (1, [b"\xff"]), "u": UUID(int=1), "m": Markup("<b>")}
    assert reopened(app, sign(app, value)) == value


def bad_cookies() -> dict[str, str]:
    app = make_app()
    good = sign(app, {"a": 1})
    payload, stamp, signature = good.split(".")
    text_signer = URLSafeTimedSerializer(
        "secret",
        salt="cookie-session",
        signer_kwargs={
            "key_derivation": "hmac",
            "digest_method": SecureCookieSessionInterface.digest_method,
        },
    )
    deep: t.Any = []
    for _ in range(300):
        deep = [deep]
    return {
        "no signature": payload,
        "dots": "...",
        "other payload": f"{payload}x.{stamp}.{signature}",
        "other stamp": f"{payload}.AAAAAA.{signature}",
        "cut": good[:-1],
        "other key": sign(make_app("other"), {"a": 1}),
        "over-long": good + "x" * 1_000_000,
        "long base64": "e" * 1_000_000 + f".{stamp}.{signature}",
        "compressed rubbish": f".{payload}.{stamp}.{signature}",
        "not UTF-8": "\xff\xfe.\xff.\xff",
        "latin-1 in the middle": f"{payload}.{stamp}\xe4.{signature}",
        "NUL and control characters": "\x00\x01.a.b",
        "percent": "%ff%fe.%00",
        "not text": "\u2603.\U0001f600.x",
        "signed list": sign(app, [1, 2]),
        "signed number": sign(app, 7),
        "signed text": sign(app, "text"),
        "signed pairs that are none": sign(app, ["abc"]),
        "signed bad tag": text_signer.dumps({" u": "no uuid"}),
        "signed bad base64": text_signer.dumps({" b": "\xff"}),
        "signed deep": text_signer.dumps({"a": deep}) + "x",
    }


BAD_COOKIES = bad_cookies()


@pytest.mark.parametrize("cookie", BAD_COOKIES.values(), ids=BAD_COOKIES)
def test_a_cookie_that_cannot_be_read_is_an_empty_session(
    interface: SecureCookieSessionInterface, cookie: str
) -> None:
    request = t.cast(t.Any, SimpleNamespace(cookies={"session": cookie}))
    session = interface.open_session(make_app(), request)
    assert type(session) is SecureCookieSession
    assert (session.modified, session) == (False, {})


@pytest.mark.parametrize("text", ["\udcff.\udcfe.x", "\ud800"])
def test_text_that_has_no_encoding_is_an_empty_session(
    interface: SecureCookieSessionInterface, text: str
) -> None:
    request = t.cast(t.Any, SimpleNamespace(cookies={"session": text}))
    assert interface.open_session(make_app(), request) == {}


def test_bytes_of_the_wire_that_are_no_utf8(interface: SecureCookieSessionInterface) -> None:
    request = Request({**create_environ(), "HTTP_COOKIE": 'session="\xff\\377\xfe"; b=\xff'})
    assert interface.open_session(make_app(), request) == {}


def test_a_session_past_its_lifetime_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app()
    cookie = sign(app, {"a": 1})
    now = datetime.now(UTC).timestamp()
    day = 24 * 60 * 60
    monkeypatch.setattr("time.time", lambda: now + 31 * day - 5)
    assert reopened(app, cookie) == {"a": 1}
    monkeypatch.setattr("time.time", lambda: now + 31 * day + 5)
    assert reopened(app, cookie) == {}


# --- Keys -----------------------------------------------------------------------------------


def test_keys_are_rotated() -> None:
    cookie = sign(make_app("first"), {"a": 1})
    assert reopened(make_app("second"), cookie) == {}
    app = make_app("second", SECRET_KEY_FALLBACKS=["zeroth", b"first"])
    assert reopened(app, cookie) == {"a": 1}
    # The new key signs.
    assert reopened(make_app("second"), sign(app, {"b": 2})) == {"b": 2}
    app.config["SECRET_KEY_FALLBACKS"] = []
    assert reopened(app, cookie) == {}


def test_a_lone_fallback_is_one_key_and_not_its_letters() -> None:
    app = make_app("second", SECRET_KEY_FALLBACKS="first")
    assert reopened(app, sign(make_app("first"), {"a": 1})) == {"a": 1}
    assert reopened(app, sign(make_app("f"), {"a": 1})) == {}


def test_the_serializer_is_made_once_and_follows_every_setting(
    interface: SecureCookieSessionInterface,
) -> None:
    app = make_app()
    first = interface.get_signing_serializer(app)
    assert interface.get_signing_serializer(app) is first
    assert SecureCookieSessionInterface().get_signing_serializer(make_app()) is first
    for name, value in {
        "salt": "other",
        "serializer": json,
        "key_derivation": "django-concat",
        "digest_method": __import__("hashlib").sha256,
    }.items():
        changed = SecureCookieSessionInterface()
        setattr(changed, name, value)
        serializer = changed.get_signing_serializer(app)
        assert serializer is not None and serializer is not first
        assert serializer.loads(serializer.dumps({"a": 1})) == {"a": 1}
    app.secret_key = "changed"
    assert interface.get_signing_serializer(app) is not first


def test_a_serializer_that_cannot_be_hashed_is_used_all_the_same() -> None:
    class Serializer:
        __hash__ = None  # type: ignore[assignment]
        dumps = staticmethod(json.dumps)
        loads = staticmethod(json.loads)

    interface, app = SecureCookieSessionInterface(), make_app()
    interface.serializer = t.cast(t.Any, Serializer())
    serializer = interface.get_signing_serializer(app)
    assert serializer is not None
    assert serializer.loads(serializer.dumps({"a": [1]})) == {"a": [1]}


def test_sha1_is_looked_up_when_used(monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib

    app = make_app()
    before = sign(app, {"a": 1})
    monkeypatch.setattr(hashlib, "sha1", hashlib.sha256)
    assert len(sign(app, {"a": 1})) > len(before)
    assert reopened(app, before) == {}


@pytest.mark.parametrize(
    "value", [{"n": 1}, {"n": 123}, {"n": 1234}, {"a": "x" * 8}, {"a": "x" * 100}, {}]
)
def test_cookies_are_those_of_the_plain_serializer(value: dict[str, t.Any]) -> None:
    plain = URLSafeTimedSerializer(
        "secret",
        salt="cookie-session",
        serializer=session_json_serializer,
        signer_kwargs={"key_derivation": "hmac"},
    )
    cookie = sign(make_app(), value)
    assert cookie.partition(".")[0] == plain.dumps(value).partition(".")[0]
    assert plain.loads(cookie) == value
    assert reopened(make_app(), plain.dumps(value)) == value


async def test_a_request_that_finds_its_cookies_elsewhere() -> None:
    cookie = sign(make_app(), {"n": 41})

    class Elsewhere(quartish.Request):
        @property
        def cookies(self) -> t.Any:
            return {"session": cookie}

    app = quartish.Flask(__name__)
    app.secret_key = "secret"

    @app.get("/")
    async def view() -> str:
        return str(quartish.session.get("n"))

    client = app.async_test_client()
    assert (await client.get("/", headers={"Cookie": "theme=dark"})).data == b"None"
    app.request_class = Elsewhere
    assert (await client.get("/", headers={"Cookie": "theme=dark"})).data == b"41"


# --- Saving ---------------------------------------------------------------------------------


def test_an_untouched_session_leaves_the_response_alone() -> None:
    app = make_app()
    for session in (SecureCookieSession(), SecureCookieSession({"a": 1})):
        response = saved(app, session)
        assert "Set-Cookie" not in response.headers and "Vary" not in response.headers
        assert session.accessed is False, "to save it is not to access it"


@pytest.mark.parametrize("items", [{}, {"a": 1}], ids=["empty", "filled"])
def test_reading_makes_the_response_vary(items: dict[str, t.Any]) -> None:
    session = SecureCookieSession(items)
    session.get("a")
    response = saved(make_app(), session)
    assert response.headers["Vary"] == "Cookie" and "Set-Cookie" not in response.headers


def test_a_change_is_written_and_read_again() -> None:
    app, session = make_app(), SecureCookieSession()
    session["a"] = (1,)
    response = saved(app, session)
    assert response.headers["Vary"] == "Cookie"
    header = response.headers["Set-Cookie"]
    assert header.endswith("; HttpOnly; Path=/") and "Expires" not in header
    cookie = header.partition("=")[2].partition(";")[0]
    assert reopened(app, cookie) == {"a": (1,)}


def test_every_option_reaches_the_cookie() -> None:
    app = make_app(
        SESSION_COOKIE_NAME="sid",
        SESSION_COOKIE_DOMAIN=".example.com",
        SESSION_COOKIE_PATH="/app",
        SESSION_COOKIE_HTTPONLY=False,
        SESSION_COOKIE_SECURE=True,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_PARTITIONED=True,
    )
    session = SecureCookieSession()
    session["a"] = 1
    written = saved(app, session).headers["Set-Cookie"]
    session.clear()
    deleted = saved(app, session).headers["Set-Cookie"]
    for header in (written, deleted):
        name, *options = header.split("; ")
        assert name.startswith("sid=")
        expected = {"Domain=example.com", "Path=/app", "Secure", "SameSite=Strict", "Partitioned"}
        assert expected <= set(options) and "HttpOnly" not in options
    assert "Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0" in deleted


def test_samesite_must_be_one_that_exists() -> None:
    session = SecureCookieSession()
    session["a"] = 1
    with pytest.raises(ValueError, match="SameSite"):
        saved(make_app(SESSION_COOKIE_SAMESITE="Wrong"), session)


def test_a_session_emptied_deletes_its_cookie_and_an_empty_one_sets_none() -> None:
    session = SecureCookieSession({"a": 1})
    session.pop("a")
    response = saved(make_app(), session)
    assert response.headers["Set-Cookie"].startswith("session=; Expires=Thu, 01 Jan 1970")
    assert response.headers["Vary"] == "Cookie"


@pytest.mark.parametrize("refresh", [True, False])
def test_a_permanent_session_is_refreshed_where_the_config_says_so(refresh: bool) -> None:
    session = SecureCookieSession({"_permanent": True, "a": 1})
    response = saved(make_app(SESSION_REFRESH_EACH_REQUEST=refresh), session)
    assert ("Set-Cookie" in response.headers) is refresh
    assert ("Vary" in response.headers) is refresh
    assert (session.accessed, session.modified) == (False, False)
    if refresh:
        text = response.headers["Set-Cookie"].split("Expires=")[1].split(";")[0]
        expires = parse_date(text)
        assert expires is not None
        assert abs(expires - datetime.now(UTC) - timedelta(days=31)) < timedelta(seconds=5)


def test_a_vary_of_the_view_is_kept() -> None:
    session, response = SecureCookieSession({"a": 1}), Response(headers={"Vary": "Accept"})
    session.get("a")
    SecureCookieSessionInterface().save_session(make_app(), session, response)
    assert response.headers["Vary"] == "Accept, Cookie"


def test_a_websocket_cannot_save_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    interface, session = SecureCookieSessionInterface(), SecureCookieSession({"a": 1})
    session.get("a")
    interface.save_session(make_app(), session, None)
    assert not caplog.records
    session["a"] = 2
    interface.save_session(make_app(), session, None)
    assert "modified while a websocket was handled" in caplog.text


# --- Through an app -------------------------------------------------------------------------


def make_counter(colour: type[t.Any], lane: str) -> t.Any:
    """An app whose session counts, with `def` or with `async def` views."""
    app = colour(__name__)
    app.config.update(PROPAGATE_EXCEPTIONS=True, SECRET_KEY="secret")

    def count() -> str:
        quartish.session["n"] = quartish.session.get("n", 0) + 1
        quartish.session.permanent = "permanent" in quartish.request.args
        return str(quartish.session["n"])

    def read() -> str:
        return str(quartish.session.get("n"))

    def leave() -> str:
        quartish.session.clear()
        return ""

    for view in (count, read, leave, str):
        path = f"/{view.__name__}"
        if lane == "def":
            app.add_url_rule(path, path, view)
        else:

            async def async_view(view: t.Callable[[], str] = view) -> str:
                return view()

            app.add_url_rule(path, path, async_view)
    return app


@pytest.fixture(params=["def", "async def"])
def counter(request: pytest.FixtureRequest, colour: type[t.Any]) -> t.Any:
    return make_counter(colour, request.param)


def asgi_client(app: t.Any) -> t.Any:
    """A client that calls the app as a server does, for either colour."""
    return app.async_test_client() if app.plain else app.test_client()


async def test_a_session_goes_from_request_to_request(counter: t.Any) -> None:
    client = asgi_client(counter)
    answers = []
    for path in ("/read", "/count", "/count", "/read", "/leave", "/read"):
        response = await client.get(path)
        assert response.headers["Vary"] == "Cookie"
        text = await settled(response.get_data(as_text=True))
        answers.append((text, "Set-Cookie" in response.headers))
    assert answers == [
        ("None", False),
        ("1", True),
        ("2", True),
        ("2", False),
        ("", True),
        ("None", False),
    ]


async def test_a_view_that_leaves_the_session_alone_may_be_cached(counter: t.Any) -> None:
    client = asgi_client(counter)
    for path in ("/str", "/count", "/str"):
        headers = (await client.get(path)).headers
        touched = path == "/count"
        assert ("Vary" in headers, "Set-Cookie" in headers) == (touched, touched)


async def test_a_permanent_session_is_renewed_by_any_view(counter: t.Any) -> None:
    client = asgi_client(counter)
    await client.get("/count?permanent")
    headers = (await client.get("/str")).headers
    assert "Expires=" in headers["Set-Cookie"] and headers["Vary"] == "Cookie"
    counter.config["SESSION_REFRESH_EACH_REQUEST"] = False
    headers = (await client.get("/str")).headers
    assert "Set-Cookie" not in headers and "Vary" not in headers


async def answer(app: t.Any, path: str, cookie: bytes) -> tuple[int, bytes]:
    """Call the app as ASGI with a cookie header of any bytes."""
    sent: list[t.Any] = []

    async def receive() -> t.Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: t.Any) -> None:
        sent.append(message)

    scope = http_scope(path, headers=[(b"host", b"localhost"), (b"cookie", cookie)])
    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], body


async def test_no_cookie_from_the_wire_is_an_error(colour: type[t.Any]) -> None:
    app = make_counter(colour, "async def")
    app.config["MAX_HEADER_SIZE"] = None
    for text in BAD_COOKIES.values():
        value = text.encode("utf-8", "surrogateescape")
        for cookie in (b"session=" + value, b'session="' + value + b'"; session'):
            assert await answer(app, "/read", cookie) == (200, b"None")
    for cookie in (b"session=\xff\xfe.\x80", b"session", b"\xff=\xff", b"session=\xed\xa0\x80"):
        assert await answer(app, "/read", cookie) == (200, b"None")


async def test_without_a_secret_key_sessions_may_only_be_read(counter: t.Any) -> None:
    counter.secret_key = None
    client = asgi_client(counter)
    response = await client.get("/read")
    assert await settled(response.get_data(as_text=True)) == "None"
    with pytest.raises(RuntimeError, match="no secret key was set"):
        await client.get("/count")


async def test_keys_are_rotated_under_way(counter: t.Any) -> None:
    client = asgi_client(counter)
    await client.get("/count")
    counter.config.update(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["secret"])
    response = await client.get("/count")
    assert await settled(response.get_data(as_text=True)) == "2"
    counter.config["SECRET_KEY_FALLBACKS"] = None
    response = await client.get("/read")
    assert await settled(response.get_data(as_text=True)) == "2", "the new key signed it"


class Stored(dict[str, t.Any], SessionMixin):
    """A session kept by the server."""


class StoreInterface(SessionInterface):
    def __init__(self) -> None:
        self.store: dict[str, t.Any] = {}

    def open_session(self, app: t.Any, request: t.Any) -> t.Any:
        return Stored(self.store)

    def save_session(self, app: t.Any, session: SessionMixin, response: t.Any) -> t.Any:
        self.store = dict(session)


class AsyncStoreInterface(StoreInterface):
    async def open_session(self, app: t.Any, request: t.Any) -> t.Any:
        await asyncio.sleep(0)
        return Stored(self.store)

    async def save_session(self, app: t.Any, session: SessionMixin, response: t.Any) -> None:
        await asyncio.sleep(0)
        self.store = dict(session)


@pytest.mark.parametrize("interface_class", [StoreInterface, AsyncStoreInterface])
async def test_an_interface_of_ones_own_may_be_async(
    counter: t.Any, interface_class: type[StoreInterface]
) -> None:
    interface = counter.session_interface = interface_class()
    client = asgi_client(counter)
    for expected in ("1", "2"):
        response = await client.get("/count")
        assert await settled(response.get_data(as_text=True)) == expected
        assert "Set-Cookie" not in response.headers
    assert interface.store == {"n": 2, "_permanent": False}


class NoSessions(SessionInterface):
    """Sessions that cannot be opened."""

    def open_session(self, app: t.Any, request: t.Any) -> None:
        return None


class AsyncNoSessions(SessionInterface):
    async def open_session(self, app: t.Any, request: t.Any) -> None:
        return None

    async def make_null_session(self, app: t.Any) -> NullSession:
        return NullSession()


@pytest.mark.parametrize("interface_class", [NoSessions, AsyncNoSessions])
async def test_a_session_that_could_not_be_opened_is_null_and_not_saved(
    counter: t.Any, interface_class: type[SessionInterface]
) -> None:
    counter.session_interface = interface_class()
    response = await asgi_client(counter).get("/read")
    assert await settled(response.get_data(as_text=True)) == "None"


async def test_a_websocket_reads_the_session_and_cannot_change_it(
    colour: type[t.Any], caplog: pytest.LogCaptureFixture
) -> None:
    app = make_counter(colour, "async def")

    @app.websocket("/ws")
    async def ws() -> None:
        await quartish.websocket.send(str(quartish.session["n"]))
        if "change" in quartish.websocket.args:
            quartish.session["n"] = 7

    client = asgi_client(app)
    await client.get("/count")
    for path, complaints in {"/ws": 0, "/ws?change": 1}.items():
        async with client.websocket(path) as connection:
            assert await connection.receive() == "1"
        assert caplog.text.count("modified while a websocket was handled") == complaints


@pytest.mark.parametrize("lane", ["def", "async def"])
def test_the_plain_client_shares_its_session(lane: str) -> None:
    client = make_counter(quartish.Flask, lane).test_client()
    with client.session_transaction() as stored:
        stored["n"] = 41
        stored["t"] = (1,)
    assert client.get("/count").text == "42"
    with client.session_transaction() as stored:
        assert stored == {"n": 42, "t": (1,), "_permanent": False}


def test_the_marks_are_as_the_view_left_them() -> None:
    with make_counter(quartish.Flask, "def").test_client() as client:
        for path, marks in {
            "/str": (False, False),
            "/count": (True, True),
            "/read": (True, False),
        }.items():
            client.get(path)
            opened = request_ctx._session
            assert (opened.accessed, opened.modified) == marks, path


# --- Flask's own ----------------------------------------------------------------------------

VALUES: list[dict[str, t.Any]] = [
    {"n": 1, "text": "ü\N{SNOWMAN}", "none": None, "float": 1.5, "b": False},
    {"t": (1, (2,)), "bytes": b"\xff", "markup": Markup("<b>"), "uuid": UUID(int=1)},
    {"d": datetime(2024, 2, 29, 12, tzinfo=UTC), "_permanent": True, "_flashes": [("m", "x")]},
    {"tag": {" t": 1}, "tag2": {" t__": b"a"}, "tag3": {" di": " di"}, "z": {"a": [{}]}},
    {"long": "x" * 1000},
]

FLASK = """
import pickle, sys
from flask import Flask
from flask.sessions import SecureCookieSessionInterface, session_json_serializer

values, cookies = pickle.load(sys.stdin.buffer)
app = Flask("app")
app.config.update(SECRET_KEY="secret", SECRET_KEY_FALLBACKS=["old"])
serializer = SecureCookieSessionInterface().get_signing_serializer(app)
with app.app_context():
    inside = [session_json_serializer.dumps(value) for value in values]
pickle.dump(
    {
        "read": [serializer.loads(cookie) for cookie in cookies],
        "cookies": [serializer.dumps(value) for value in values],
        "texts": [session_json_serializer.dumps(value) for value in values],
        "texts in a context": inside,
    },
    sys.stdout.buffer,
)
"""


@pytest.fixture(scope="module")
def flask() -> dict[str, t.Any]:
    """What the real Flask, in a process of its own, makes of VALUES and of our cookies."""
    try:
        version("flask")
    except PackageNotFoundError:
        pytest.skip("flask is not installed")
    cookies = [sign(make_app(key), value) for key in ("secret", "old") for value in VALUES]
    done = subprocess.run(
        [sys.executable, "-c", FLASK],
        input=pickle.dumps((VALUES, cookies)),
        stdout=subprocess.PIPE,
        check=True,
    )
    return t.cast("dict[str, t.Any]", pickle.loads(done.stdout))


def test_flask_reads_our_cookies(flask: dict[str, t.Any]) -> None:
    assert flask["read"] == [*VALUES, *VALUES]


def test_we_read_the_cookies_of_flask(flask: dict[str, t.Any]) -> None:
    assert [reopened(make_app(), cookie) for cookie in flask["cookies"]] == VALUES


def test_the_text_in_a_cookie_is_that_of_flask(flask: dict[str, t.Any]) -> None:
    assert [session_json_serializer.dumps(value) for value in VALUES] == flask["texts"]


def test_the_names_of_the_module_are_there() -> None:
    assert isinstance(sessions.session_json_serializer, sessions.TaggedJSONSerializer)
    assert SecureCookieSessionInterface.serializer is session_json_serializer
    assert SecureCookieSessionInterface.session_class is SecureCookieSession
    assert SecureCookieSessionInterface.null_session_class is NullSession
