"""Scripts of visits, played on real Flask with Flask-Session over cachelib, and on ours over the
same cache: what the client is told, and what the cookie says."""

from __future__ import annotations

import re
import typing as t
from datetime import timedelta
from http.cookies import SimpleCookie

import flask
import pytest
from cachelib import SimpleCache
from flask_session import Session  # type: ignore[import-not-found, import-untyped, unused-ignore]

import quartish
from quartish.sessions import CacheSessionInterface

CONFIGS: dict[str, dict[str, t.Any]] = {
    "as it comes": {},
    "no refresh": {"SESSION_REFRESH_EACH_REQUEST": False},
    "all of the cookie": {
        "SESSION_COOKIE_NAME": "sid",
        "SESSION_COOKIE_SECURE": True,
        "SESSION_COOKIE_HTTPONLY": False,
        "SESSION_COOKIE_SAMESITE": "Strict",
        "SESSION_COOKIE_PATH": "/",
        "PERMANENT_SESSION_LIFETIME": timedelta(hours=1),
    },
}
SCRIPTS: dict[str, str] = {
    "nothing": "nothing show nothing",
    "put": "put/a show put/b show nothing",
    "pop": "put/a put/b pop/a show pop/b pop/c show",
    "pop what is not there": "pop/a show",
    "setdefault": "setdefault/a show setdefault/a show",
    "touch": "put/a touch show touch",
    "permanent": "put/a permanent/1 nothing show put/b permanent/0 nothing show",
    "regenerate": "put/a regenerate show put/b regenerate show nothing",
    "a regenerated one that is permanent": "put/a permanent/1 regenerate nothing show",
    "an error keeps what was put": "put/a fail/b show",
    "another visitor": "put/a leave show put/b show",
    "an id of the client's": "put/a plant show put/b show",
    "lists": "list/1 list/2 show list/3 show",
    "nested, unseen": "list/1 unseen show",
    "flash": "flash/hello flashes flashes show",
}
#: What is meant to differ.
DIFFERENT = {
    ("nested, unseen", "no refresh"): "ours sees a change inside of an item, theirs loses it",
}


def make(module: t.Any) -> t.Any:
    app = module.Flask("app")
    session = module.session

    @app.get("/<do>")
    @app.get("/<do>/<name>")
    def act(do: str, name: str = "") -> t.Any:
        if do == "put":
            session[name] = f"value of {name}"
        elif do == "show":
            return {key: value for key, value in session.items() if key != "_permanent"}
        elif do == "pop":
            return str(session.pop(name, None))
        elif do == "setdefault":
            return str(session.setdefault(name, "default"))
        elif do == "touch":
            session.modified = True
        elif do == "permanent":
            session.permanent = name == "1"
        elif do == "regenerate":
            app.session_interface.regenerate(session)
        elif do == "fail":
            session[name] = "before it failed"
            module.abort(418)
        elif do == "list":
            session["list"] = [*session.get("list", []), name]
        elif do == "unseen":
            session["list"].append("unseen")
        elif do == "flash":
            module.flash(name)
        elif do == "flashes":
            return str(module.get_flashed_messages())
        return do

    return app


def theirs(config: dict[str, t.Any]) -> t.Any:
    app = make(flask)
    app.config.update(config)
    app.config.update(SESSION_TYPE="cachelib", SESSION_CACHELIB=SimpleCache())
    app.config.update(SESSION_PERMANENT=False)  # as without it
    Session(app)
    return app.test_client()


def ours(config: dict[str, t.Any]) -> t.Any:
    app = make(quartish)
    app.config.update(config)
    app.session_interface = CacheSessionInterface(SimpleCache(), in_thread=False)
    return app.test_client()


def play(client: t.Any, script: str, name: str) -> list[t.Any]:
    """Return what is told of each visit: status, text, Vary, and the cookie, whose id is the number
    of the visit that saw it first."""
    seen: dict[str, int] = {}
    told: list[t.Any] = []
    for number, step in enumerate(script.split()):
        if step == "leave":
            client.delete_cookie(name)
            continue
        if step == "plant":
            client.set_cookie(name, "A" * 43)
            continue
        response = client.get(f"/{step}", base_url="https://localhost")
        cookies: list[t.Any] = []
        for line in response.headers.getlist("Set-Cookie"):
            found: SimpleCookie = SimpleCookie(line)
            [(key, morsel)] = found.items()
            sid = seen.setdefault(morsel.value, number) if morsel.value else None
            if sid is None:  # with the options of Flask's, which theirs lacks
                cookies.append((key, "deleted", "Max-Age=0" in line))
                continue
            options = re.sub(r"Expires=[^;]+", "Expires", line.partition(";")[2]).split("; ")
            cookies.append((key, sid, sorted(option.strip() for option in options)))
        told.append((step, response.status_code, response.text, response.headers.get("Vary")))
        told.append(cookies)
    return told


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_visitor_cannot_tell_them_apart(script: str, config: str) -> None:
    settings = CONFIGS[config]
    name = settings.get("SESSION_COOKIE_NAME", "session")
    told, expected = (play(make(settings), SCRIPTS[script], name) for make in (ours, theirs))
    if (script, config) in DIFFERENT:
        assert told != expected, DIFFERENT[script, config]
    else:
        assert told == expected
