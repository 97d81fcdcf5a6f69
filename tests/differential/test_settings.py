"""Settings of every odd value: what is read of them as the app is set up, asked, and asked for an
URL, a file, JSON, a template, a form, an error page, as in Flask."""

from __future__ import annotations

import datetime
import io
import pathlib
import random
import time
import typing as t

import flask
import flask.sessions
import pytest

import quartish.sessions.interface
from tests.differential._beside import our_flasks
from tests.differential._beside import play
from tests.differential._beside import real_flask
from tests.differential._beside import Side
from tests.differential._beside import TIMES
from tests.differential._beside import without
from tests.differential.test_sessions import Clock

KEYS = [
    *("APPLICATION_ROOT DEBUG EXPLAIN_TEMPLATE_LOADING MAX_CONTENT_LENGTH MAX_COOKIE_SIZE").split(),
    *("MAX_FORM_MEMORY_SIZE MAX_FORM_PARTS PERMANENT_SESSION_LIFETIME").split(),
    *("PREFERRED_URL_SCHEME PROPAGATE_EXCEPTIONS PROVIDE_AUTOMATIC_OPTIONS SECRET_KEY").split(),
    *("SECRET_KEY_FALLBACKS SEND_FILE_MAX_AGE_DEFAULT SERVER_NAME SESSION_COOKIE_DOMAIN").split(),
    *("SESSION_COOKIE_HTTPONLY SESSION_COOKIE_NAME SESSION_COOKIE_PARTITIONED").split(),
    *("SESSION_COOKIE_PATH SESSION_COOKIE_SAMESITE SESSION_COOKIE_SECURE").split(),
    *("SESSION_REFRESH_EACH_REQUEST TEMPLATES_AUTO_RELOAD TESTING TRAP_BAD_REQUEST_ERRORS").split(),
    *("TRAP_HTTP_EXCEPTIONS TRUSTED_HOSTS").split(),
]
VALUES: list[t.Any] = [
    *(None, "", 0, "0", "1", True, False, [], ["localhost"], b"x", 1, -1, 1.5, "x", ("a", "b"), {}),
    *(datetime.timedelta(1), datetime.timedelta(), datetime.timedelta(seconds=-5), "localhost"),
    *("localhost:5000", ".localhost", "/", "/x", "https", float("inf"), 10**12, set(), "Lax"),
]
BODIES: list[dict[str, t.Any]] = [
    {"data": {"a": "b" * 30, "c": ["d", "e"]}},
    {"data": {"a": "b", "f": (io.BytesIO, b"file" * 10, "f.txt")}},
    {"json": {"a": [1]}},
    {"data": b"x" * 50, "content_type": "text/plain"},
]
FOLDER = pathlib.Path(__file__).parent


def views_of(side: Side, app: t.Any) -> None:
    module = side.module

    def write() -> str:
        module.session["a"] = 1
        return "x"

    def lasting() -> str:
        module.session.permanent = True
        return write()

    def read() -> str:
        return f"{sorted(module.session.items())}, {module.session.permanent}"

    def urls() -> str:
        return "\n".join(
            [
                module.url_for("read"),
                module.url_for("read", _external=True),
                module.url_for("read", _external=True, _scheme="https"),
            ]
        )

    def form() -> str:
        request = module.request
        limits = request.max_content_length, request.max_form_memory_size, request.max_form_parts
        return (
            f"{limits}{sorted(request.form.items())}{sorted(request.files)}{request.get_data()!r}"
        )

    def raising() -> str:
        raise LookupError("here")

    def template() -> str:
        return t.cast(str, module.render_template_string("{{ config.get('X') }}{{ request.path }}"))

    def missing() -> str:
        return t.cast(str, module.render_template("nope.html"))

    def file() -> t.Any:
        return module.send_file(FOLDER / "_beside.py")

    views: list[t.Any] = [write, lasting, read, urls, raising, template, missing, file]
    views += [lambda: module.jsonify(b=1, a=[2]), lambda: module.request.form["nope"]]
    views += [lambda: module.abort(404), lambda: module.redirect("/x")]
    for n, view in enumerate(views):
        name = getattr(view, "__name__", "")
        name = f"v{n}" if "lambda" in name else name
        app.add_url_rule(f"/{name}", name, side.view(view))
    app.add_url_rule("/form", "form", side.view(form), methods=["POST"])


OUTSIDE: list[t.Callable[[Side, t.Any], t.Any]] = [
    lambda side, app: side.module.url_for("read"),
    lambda side, app: side.module.url_for("read", _external=False),
    lambda side, app: side.module.url_for("static", filename="x", _external=True),
    lambda side, app: app.get_send_file_max_age("x"),
    lambda side, app: side.module.render_template_string("{{ 1 }}"),
    lambda side, app: side.module.json.dumps({"b": 1, "a": 2}),
    lambda side, app: [*side.module.session] if side.module.has_request_context() else None,
    lambda side, app: side.module.has_request_context() and side.module.request.url,
    lambda side, app: side.module.has_request_context() and side.module.request.host,
    lambda side, app: side.module.has_request_context() and side.module.request.endpoint,
]
ASKED = [
    *("/write", "/lasting", "/read", "/urls", "/raising", "/template", "/missing", "/file"),
    *("/v8", "/v9", "/v10", "/v11", "/nowhere", "/static/_beside.py", "OPTIONS /read", "/form"),
    "outside",
]


def configured(side: Side, key: str, value: t.Any, asked: list[str], at: str) -> None:
    app = side.app(static_folder=str(FOLDER))
    app.config["SECRET_KEY"] = "key"
    if at == "first":
        side.tell(key, repr(value))
        app.config[key] = value
        attributes = ("debug", "testing", "secret_key", "permanent_session_lifetime")
        for name in attributes:
            side.tried(getattr, app, name)
    side.tried(views_of, side, app)
    client = side.tried(side.client, app)
    if isinstance(client, Exception):
        return
    for what in asked:
        ask(side, app, client, what)
        if at == "then":
            app.config[key] = value
            ask(side, app, client, what)


def ask(side: Side, app: t.Any, client: t.Any, what: str) -> None:
    if what == "outside":
        for within in (app.app_context, lambda: app.test_request_context("/urls?a=1")):
            for act in OUTSIDE:
                try:
                    with within():
                        side.tell(act(side, app))
                except Exception as error:
                    side.tell(error)
    elif what == "/form":
        for body in BODIES:
            body = dict(body)
            if isinstance(data := body.get("data"), dict):
                body["data"] = {
                    k: (v[0](v[1]), v[2]) if isinstance(v, tuple) else v for k, v in data.items()
                }
            client.open(what, method="POST", **body)
    else:
        method, _, path = what.rpartition(" ")
        client.open(path, method=method or "GET")


def is_checked_here(key: str, value: t.Any) -> bool:
    """Say whether ours fails by a value that makes no sense, where Flask sends or ignores it, or
    both leave a file open."""
    if key.startswith(("MAX_FORM_", "SEND_FILE_MAX_AGE")):
        return not isinstance(value, int | float | None)
    return key.startswith("SESSION_COOKIE_") and isinstance(value, list | dict | set)


def failed(line: list[t.Any]) -> bool:
    text = repr(line)
    return "'raised'" in text or "500 INTERNAL" in text


def answers(side: Side, *case: t.Any) -> list[list[t.Any]]:
    lines = play(lambda side, r: configured(side, *case), side, 0)
    return without("signal", "logged", "warned")(lines)


@pytest.fixture(autouse=True)
def no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flask.sessions, "datetime", Clock)
    monkeypatch.setattr(quartish.sessions.interface, "datetime", Clock)
    monkeypatch.setattr(time, "time", lambda: 1.7e9)


def test_odd_values_of_settings_are_as_in_flask() -> None:
    """Where Flask fails itself, ours may fail in another place or not at all."""
    r, shown = random.Random(1), list[str]()
    for _ in range(40 * TIMES):
        key, value, at = r.choice(KEYS), r.choice(VALUES), r.choice(["first", "then"])
        if is_checked_here(key, value):
            continue
        case = (key, value, r.sample(ASKED, 5), at)
        expected = answers(real_flask(), *case)
        for side in our_flasks(["wsgi"]):
            got = answers(side, *case)
            shown += [
                f"{key} = {value!r} {at}, {side}: {here} for {there}"
                for there, here in zip(expected, got, strict=False)
                if there != here and not failed(there)
            ]
    assert not shown, "\n".join(shown[:5])
