"""Responses of every shape, and what is done to them one thing after another; JSON, redirects: what
each step gives or raises and what is sent, as in Flask."""

from __future__ import annotations

import datetime
import decimal
import http
import random
import typing as t
import uuid

import werkzeug.wrappers
from werkzeug.test import create_environ

from tests.differential._beside import assert_same
from tests.differential._beside import Side

BODIES: list[t.Callable[[], t.Any]] = [
    *(lambda: None, lambda: "text", lambda: "é", lambda: b"bytes", list, lambda: ["a", "b"]),
    *(lambda: [b"a"], lambda: iter(["x", "y"]), lambda: (letter for letter in "gh"), lambda: ""),
    *(lambda: bytearray(b"ba"), lambda: 5, lambda: {"a": 1}, lambda: ("a", b"b"), lambda: {"s"}),
]
MADE_WITH: dict[str, list[t.Any]] = {
    "status": [200, "201 Yes", "404", 204, 304, 999, None, http.HTTPStatus.CREATED, 600, "200"],
    "headers": [
        *({"A": "1"}, [("A", "1"), ("A", "2")], {"a": ["x", "y"]}, None, [], {"A": 5}),
        *({"Content-Type": "text/x"}, {"A": "x\n"}),
    ],
    "mimetype": [
        "text/css",
        "application/json",
        "x/y; z=1",
        "",
        None,
        "text/plain; charset=latin-1",
    ],
    "content_type": ["text/css", "a/b; c=d", None, ""],
    "direct_passthrough": [True, False],
}
JSON: list[t.Callable[[], t.Any]] = [
    *(lambda: {"a": 1}, lambda: [1], lambda: "x", lambda: None, lambda: 5.5, lambda: {1: 2}),
    *(
        lambda: {"k": datetime.datetime(2020, 1, 1)},
        lambda: {"u": uuid.UUID(int=1)},
        lambda: (1, 2),
    ),
    *(lambda: {"d": decimal.Decimal("1.1")}, lambda: {"z": 1, "a": 2}, lambda: {1}, object),
    *(lambda: datetime.date(2020, 1, 1), lambda: {"b": b"x"}),
]
PLACES = ["/x", "http://x/é?a=b c", "//e", "", " /q", "?a"]


def environ() -> t.Any:
    return create_environ("/x", "http://h/")


Step = t.Callable[[t.Any], t.Any]
STEPS: dict[str, Step] = {
    "data": lambda q: q.data,
    "text": lambda q: q.get_data(as_text=True),
    "set_data": lambda q: q.set_data("nëw"),
    "data of bytes": lambda q: setattr(q, "data", b"nb"),
    "json": lambda q: q.json,
    "get_json": lambda q: q.get_json(force=True, silent=True),
    "status": lambda q: (q.status, q.status_code),
    "set status": lambda q: setattr(q, "status", 418),
    "set status line": lambda q: setattr(q, "status_code", "201 X"),
    "set code": lambda q: setattr(q, "status_code", 299),
    "length": lambda q: (q.content_length, q.calculate_content_length()),
    "type": lambda q: (q.mimetype, q.mimetype_params, q.content_type, q.is_json),
    "set mimetype": lambda q: setattr(q, "mimetype", "text/x"),
    "set type": lambda q: setattr(q, "content_type", "a/b"),
    "flags": lambda q: (q.is_streamed, q.is_sequence, q.autocorrect_location_header),
    "iterate": lambda q: [*q.iter_encoded()],
    "freeze": lambda q: q.freeze(),
    "make_sequence": lambda q: q.make_sequence(),
    "set response": lambda q: setattr(q, "response", ["z"]),
    "stream": lambda q: q.stream.write("more"),
    "stream lines": lambda q: (q.stream.writelines(["p", "q"]), q.stream.tell()),
    "cookie": lambda q: q.set_cookie(
        *("k", "v é"),
        max_age=datetime.timedelta(1),
        expires=0,
        path="/p",
        domain="d",
        samesite="lax",
    ),
    "bad cookie": lambda q: q.set_cookie("k", "v", samesite="bad"),
    "partitioned": lambda q: q.set_cookie("k", partitioned=True),
    "delete cookie": lambda q: q.delete_cookie("k"),
    "etag": lambda q: (q.add_etag(), q.get_etag()),
    "weak etag": lambda q: q.set_etag("t", weak=True),
    "cache": lambda q: (setattr(q.cache_control, "max_age", 5), q.cache_control.to_header()),
    "vary": lambda q: (q.vary.add("X"), [*q.vary]),
    "allow": lambda q: q.allow.update(["GET", "PUT"]),
    "set location": lambda q: setattr(q, "location", "/é?x y"),
    "location": lambda q: q.location,
    "modified": lambda q: setattr(q, "last_modified", datetime.datetime(2020, 1, 1)),
    "age": lambda q: setattr(q, "age", 5),
    "retry": lambda q: setattr(q, "retry_after", 60),
    "range": lambda q: (q.content_range.set(0, 5, 10), q.headers.get("content-range")),
    "authenticate": lambda q: q.www_authenticate,
    "policy": lambda q: setattr(q.content_security_policy, "default_src", "'self'"),
    "origin": lambda q: setattr(q, "access_control_allow_origin", "*"),
    "credentials": lambda q: setattr(q, "access_control_allow_credentials", True),
    "language": lambda q: q.content_language.add("de"),
    "encoding": lambda q: setattr(q, "content_encoding", "gzip"),
    "header": lambda q: q.headers.add("X-B", "é", p="q"),
    "line break": lambda q: q.headers.__setitem__("X", "a\nb"),
    "number": lambda q: q.headers.__setitem__("X-N", 5),
    "no type": lambda q: q.headers.pop("Content-Type", None),
    "no headers": lambda q: q.headers.clear(),
    "repr": lambda q: repr(q),
    "close": lambda q: q.close(),
    "limit": lambda q: q.max_cookie_size,
    "force_type": lambda q: type(q.force_type(werkzeug.wrappers.Response("w"))).__name__,
    "foo": lambda q: q.foo,
    "conditional": lambda q: q.make_conditional({"REQUEST_METHOD": "GET"}).status,
    "in part": lambda q: (
        q.make_conditional(
            {"REQUEST_METHOD": "GET", "HTTP_RANGE": "bytes=0-1"},
            accept_ranges=True,
            complete_length=4,
        ).status
    ),
    "with": lambda q: q.__enter__() is q,
    "as WSGI": lambda q: q.get_wsgi_response(environ())[1:],
    "headers of WSGI": lambda q: q.get_wsgi_headers(environ()).to_wsgi_list(),
    "body of WSGI": lambda q: [*q.get_app_iter(environ())],
}


def make(side: Side, how: str, number: int, given: dict[str, t.Any], app: t.Any) -> t.Any:
    module, body = side.module, BODIES[number % len(BODIES)]
    match how:
        case "make":
            return module.make_response(body(), *([given["status"]] if "status" in given else []))
        case "make of three":
            return module.make_response(body(), given.get("status", 200), given.get("headers", {}))
        case "jsonify":
            return module.jsonify(JSON[number % len(JSON)]())
        case "redirect":
            return module.redirect(PLACES[number % len(PLACES)], [302, 301, 200, 308][number % 4])
        case "class":
            return app.response_class(body(), **given)
        case _:
            return module.Response(body(), **given)


def change(side: Side, r: random.Random) -> None:
    app, number = side.app(), r.randrange(60)
    app.config.update(r.choice([{}, {}, {"MAX_COOKIE_SIZE": 20}]))
    given = {k: r.choice(values) for k, values in MADE_WITH.items() if r.random() < 0.3}
    how = r.choice(["made", "make", "make of three", "jsonify", "class", "redirect"])
    steps = r.choices([*STEPS], k=r.randrange(1, 6))

    def view() -> t.Any:
        response = side.tried(make, side, how, number, given, app)
        if isinstance(response, Exception):
            return "failed"
        for step in steps:
            side.tell(step)
            side.tried(STEPS[step], response)
        return response

    app.add_url_rule("/", "view", side.view(view))
    client = side.client(app)
    for method in ("GET", "HEAD"):
        client.open("/", method=method)


def test_responses_are_changed_as_in_flask() -> None:
    assert_same(change, 120, doors=["wsgi"])
