"""Sessions through several visits, under settings that change between them: what each use of the
session gives or raises, its marks, and the cookie, as in Flask."""

from __future__ import annotations

import datetime
import itertools
import random
import time
import typing as t
import uuid

import flask.sessions
import pytest
from markupsafe import Markup

import quartish.sessions.interface
from tests.differential._beside import assert_same
from tests.differential._beside import Side

Use = t.Callable[[t.Any], t.Any]
USES: dict[str, Use] = {
    "write": lambda s: s.__setitem__("a", 1),
    "get": lambda s: s.get("a"),
    "pop": lambda s: s.pop("a", None),
    "clear": lambda s: s.clear(),
    "permanent": lambda s: setattr(s, "permanent", True),
    "passing": lambda s: setattr(s, "permanent", False),
    "inside": lambda s: s.setdefault("l", []).append(1),
    "update": lambda s: s.update({"t": (1, 2), "d": {"x": [1, (2,)]}}),
    "datetime": lambda s: s.__setitem__("dt", datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)),
    "date": lambda s: s.__setitem__("date", datetime.date(2020, 1, 1)),
    "uuid": lambda s: s.__setitem__("u", uuid.UUID(int=5)),
    "markup": lambda s: s.__setitem__("m", Markup("<b>")),
    "bytes": lambda s: s.__setitem__("by", b"\xff"),
    "a tag": lambda s: s.__setitem__(" t", {" t": 1}),
    "modified": lambda s: setattr(s, "modified", True),
    "not modified": lambda s: setattr(s, "modified", False),
    "not accessed": lambda s: setattr(s, "accessed", False),
    "a number": lambda s: s.__setitem__(5, 6),
    "an object": lambda s: s.__setitem__("o", object()),
    "a set": lambda s: s.__setitem__("set", {1}),
    "not a number": lambda s: s.__setitem__("nan", float("nan")),
    "much": lambda s: s.__setitem__("big", "x" * 5000),
    "delete": lambda s: s.__delitem__("nope"),
    "missing": lambda s: s["nope"],
    "list": lambda s: [*s],
    "len": lambda s: len(s),
    "in": lambda s: "a" in s,
    "popitem": lambda s: s.popitem(),
    "or": lambda s: s | {"z": 1},
    "copy": lambda s: s.copy(),
    "marks": lambda s: (s.new, s.modified, s.accessed, s.permanent),
    "items": lambda s: s.items(),
    "repr": lambda s: repr(s),
    "bool": lambda s: bool(s),
    "attribute": lambda s: s.foo,
    "set attribute": lambda s: setattr(s, "foo", 1),
}
CONFIG: dict[str, list[t.Any]] = {
    "SESSION_COOKIE_NAME": ["sess", "s.x"],
    "SESSION_COOKIE_DOMAIN": [None, ".example.com", "localhost", False, ""],
    "SESSION_COOKIE_PATH": [None, "/x", "", "x y;"],
    "SESSION_COOKIE_HTTPONLY": [True, False, None, "no"],
    "SESSION_COOKIE_SECURE": [True, False, "x"],
    "SESSION_COOKIE_SAMESITE": [None, "Lax", "strict", "None", "bad", 5, False, True, ""],
    "SESSION_COOKIE_PARTITIONED": [True, False, None, 1],
    "SESSION_REFRESH_EACH_REQUEST": [True, False, None],
    "PERMANENT_SESSION_LIFETIME": [datetime.timedelta(1), 60, 0, -5, 1.5, True],
    "MAX_COOKIE_SIZE": [0, 100, 4093],
    "SECRET_KEY": ["key", "k2", b"bytes", None, ""],
    "SECRET_KEY_FALLBACKS": [None, ["key"], ["k2", "key"], [], ("key",), [b"key"]],
}
COOKIES = [
    *(None, None, None, "session=bad", "session=e30.ZZ.x", "session=", 'session="q"'),
    *("session=.eJx.a.b", "session=eyJhIjoxfQ.aaaa.bbbb; session=x"),
]


class Clock(datetime.datetime):
    """Stands still."""

    @classmethod
    def now(cls, tz: t.Any = None) -> t.Any:
        return datetime.datetime(2024, 1, 1, tzinfo=tz)


@pytest.fixture(autouse=True)
def no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flask.sessions, "datetime", Clock)
    monkeypatch.setattr(quartish.sessions.interface, "datetime", Clock)
    monkeypatch.setattr(time, "time", lambda: 1.7e9)


def visit(side: Side, r: random.Random) -> None:
    module, app = side.module, side.app()
    settings = {name: r.choice(values) for name, values in CONFIG.items() if r.random() < 0.2}
    app.config.update({"SECRET_KEY": "key", **settings})
    with_another, uses = r.random() < 0.3, list[str]()

    def view() -> t.Any:
        session = module.session
        for name in uses:
            side.tell(name)
            side.tried(USES[name], session)
        side.tell(session.modified, session.accessed, type(session).__name__)
        response = module.make_response("x")
        if with_another:
            response.vary.add("Accept")
            response.set_cookie("o", "1")
        return response

    app.add_url_rule("/", "view", side.view(view))
    app.add_url_rule("/x", "view")
    client, cookie = side.client(app), r.choice(COOKIES)
    for path in ("/", "/x", "/", "/x"):
        uses[:] = r.choices([*USES], k=r.randrange(4))
        if r.random() < 0.3:
            name, values = r.choice([*CONFIG.items()])
            app.config[name] = r.choice(values)
        client.open(path, headers={"Cookie": cookie} if cookie else {})
        cookie = None


def test_visits_are_as_in_flask() -> None:
    assert_same(visit, 60)


CATEGORIES = ["message", "error", "", None, 5, "ü"]
FILTERS = [(), ["error"], ["", "message"], "error", [None], {"ü": 1}]


def flash(side: Side, r: random.Random) -> None:
    module, app = side.module, side.app()
    app.secret_key = r.choice(["key", "key", None])
    steps: list[str] = []

    def act(what: str) -> t.Any:
        match what:
            case "flash":
                return module.flash(f"é <{r.randrange(9)}>", r.choice(CATEGORIES)) or "flashed"
            case "plain":
                return bool(module.flash("plain"))
            case "get":
                return module.get_flashed_messages()
            case "filtered":
                chosen = r.choice(FILTERS)
                return module.get_flashed_messages(r.choice([True, False]), chosen)
            case "damaged":
                module.session["_flashes"] = r.choice([None, "x", [1], [["a"]], {}])
            case _:
                source = "{{ get_flashed_messages(with_categories=true) }}"
                return module.render_template_string(source)

    def view() -> str:
        for what in steps:
            side.tell(what)
            side.tried(act, what)
        return "x"

    app.add_url_rule("/", "view", side.view(view))
    client = side.client(app)
    for _ in range(4):
        kinds = ["flash", "flash", "plain", "get", "filtered", "filtered", "template", "damaged"]
        steps[:] = r.choices(kinds, weights=[3, 3, 2, 2, 2, 2, 2, 1], k=r.randrange(1, 5))
        client.open("/")


def test_flashed_messages_are_as_in_flask() -> None:
    assert_same(flash, 40)


def change_in_transactions(side: Side, r: random.Random) -> None:
    """What a test does by `session_transaction`, and what the app sees of it."""
    module, app = side.module, side.app()
    app.secret_key = r.choice(["key", "key", "key", None])
    app.config.update(r.choice([{}, {"SESSION_COOKIE_DOMAIN": "example.com"}]))
    app.config.update(r.choice([{}, {"APPLICATION_ROOT": "/r"}, {"SESSION_COOKIE_PATH": "/x"}]))
    app.add_url_rule("/", "view", side.view(lambda: repr(sorted(module.session.items()))))
    app.add_url_rule("/x", "view")
    client = side.client(app, use_cookies=r.random() < 0.9)
    arguments: list[dict[str, t.Any]] = [
        *({}, {}, {"base_url": "http://example.com"}, {"path": "/x"}, {"headers": {"A": "b"}}),
        *({"base_url": "https://localhost/r"}, {"method": "POST"}, {"bad": 1}),
    ]

    def transact() -> None:
        with client.real.session_transaction(**r.choice(arguments)) as session:
            session[r.choice("abc")] = r.choice([1, "é", (1,)])
            if r.random() < 0.2:
                session.clear()
            if r.random() < 0.2:
                module.flash("x")
            if r.random() < 0.1:
                raise LookupError("inside")
            side.tell(session.new, session.modified, sorted(session))

    for step in itertools.chain(range(4)):
        side.tried(transact)
        client.open(["/", "/x"][step % 2], base_url=r.choice([None, "http://example.com"]))


def test_transactions_are_as_in_flask() -> None:
    assert_same(change_in_transactions, 50, doors=["wsgi"])
