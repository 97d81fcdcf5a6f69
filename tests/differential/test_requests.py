"""Requests of odd bodies, types and headers, under limits; what each attribute gives or raises, one
after another, as in Flask."""

from __future__ import annotations

import random
import typing as t

from tests.differential._beside import assert_same
from tests.differential._beside import Side

FILE = (
    b'--x\r\nContent-Disposition: form-data; name="f"; filename="n.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\nfile\r\n"
    b'--x\r\nContent-Disposition: form-data; name="t"\r\n\r\nval\r\n--x--\r\n'
)
FIELD = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
BODIES = [
    *(b"", b"{}", b'{"a":1}', b"{bad", b"[1", b"null", b"a=1&b=2&a=3", b"a=%zz&%ff=1&=x&y"),
    *(b"\xff\xfe", FILE, FIELD * 3 + b"--x--\r\n", b'"str"', b"5", b"NaN", b'{"a":1,"a":2}'),
    *(b"\xef\xbb\xbf{}", b"   ", '{"ü":"é"}'.encode("latin-1"), '{"a":1}'.encode("utf-16")),
]
JSON, URLENCODED = "application/json", "application/x-www-form-urlencoded"
TYPES = [
    *(
        None,
        JSON,
        f"{JSON}; charset=latin-1",
        "application/vnd.api+json",
        "text/json",
        "text/plain",
    ),
    *(URLENCODED, "multipart/form-data; boundary=x", "APPLICATION/JSON"),
    *("multipart/mixed; boundary=x", "", "bad", "application/x-url-encoded"),
    *("text/plain; charset=utf-16", "application/problem+json;x=y"),
]
Read = t.Callable[[t.Any], t.Any]
READS: dict[str, Read] = {
    "json": lambda q: q.json,
    "get_json": lambda q: q.get_json(),
    "silent": lambda q: q.get_json(silent=True),
    "force": lambda q: q.get_json(force=True),
    "no cache": lambda q: q.get_json(cache=False),
    "force, silent": lambda q: q.get_json(force=True, silent=True),
    "data": lambda q: q.data,
    "get_data": lambda q: q.get_data(),
    "text": lambda q: q.get_data(as_text=True),
    "parse": lambda q: q.get_data(parse_form_data=True),
    "data once": lambda q: q.get_data(cache=False),
    "form": lambda q: sorted(q.form.lists()),
    "files": lambda q: [
        (key, file.filename, file.content_type, file.read(), file.name)
        for key, file in q.files.items(multi=True)
    ],
    "values": lambda q: sorted(q.values.lists()),
    "no field": lambda q: q.form["nope"],
    "no file": lambda q: q.files["nope"],
    "no argument": lambda q: q.args["nope"],
    "stream": lambda q: q.stream.read(),
    "a part": lambda q: q.stream.read(5),
    "is_json": lambda q: q.is_json,
    "type": lambda q: (q.mimetype, q.mimetype_params, q.content_type, q.content_length),
    "limits": lambda q: (q.max_content_length, q.max_form_memory_size, q.max_form_parts),
    "limit": lambda q: setattr(q, "max_content_length", 3),
    "memory": lambda q: setattr(q, "max_form_memory_size", 1),
    "parts": lambda q: setattr(q, "max_form_parts", 1),
    "wants form": lambda q: q.want_form_data_parsed,
    "args": lambda q: (sorted(q.args.lists()), q.query_string),
    "number": lambda q: q.args.get("n", type=int),
    "default": lambda q: q.args.get("s", 5, type=int),
    "cookies": lambda q: sorted(q.cookies.lists()),
    "authorization": lambda q: q.authorization and (q.authorization.type, q.authorization.token),
    "accept": lambda q: (q.accept_mimetypes.best, q.accept_languages.best_match(["de", "en"])),
    "urls": lambda q: (q.url, q.base_url, q.root_url, q.full_path, q.path, q.root_path, q.host),
    "rule": lambda q: (q.blueprint, q.endpoint, q.view_args, q.url_rule, q.routing_exception),
    "client": lambda q: (q.method, q.scheme, q.is_secure, q.remote_addr, q.access_route),
    "headers": lambda q: (q.referrer, q.user_agent.string, q.origin, q.max_forwards, q.date),
    "range": lambda q: (q.range and q.range.ranges, q.if_range.etag, q.if_none_match.to_header()),
    "cache": lambda q: (q.cache_control.no_cache, q.cache_control.max_age),
    "repr": lambda q: repr(q),
    "module": lambda q: q.json_module.dumps({"a": 1}),
    "foo": lambda q: q.foo,
    "set foo": lambda q: setattr(q, "foo", 1),
    "close": lambda q: q.close(),
    "environ": lambda q: sorted(key for key in q.environ if key.startswith(("HTTP", "CONTENT"))),
    "user": lambda q: q.remote_user,
}
QUERIES = [
    "",
    "n=5&s=x",
    "a=1&a=2&b",
    "%ff=%zz&a=%20+",
    "n=" + "9" * 22,
    "a[]=1",
    "&&==&",
    "a=b;c=d",
]
HEADERS: list[dict[str, str]] = [
    *({}, {"Authorization": "Basic dTpw"}, {"Authorization": "Basic bad"}, {"Range": "bytes=0-5"}),
    *({"Authorization": "Bearer t=="}, {"Authorization": 'Digest username="u", realm=x'}),
    {"Cookie": 'a=1; b="q\\"x"; a=2; c'},
    {"Accept": "text/html;q=0.5, application/json", "Accept-Language": "de-AT, en;q=0.3"},
    *({"If-None-Match": 'W/"a", "b"'}, {"X-Forwarded-For": "1.1.1.1, 2.2.2.2"}, {"Date": "bad"}),
    *({"Cache-Control": "no-cache, max-age=5"}, {"Max-Forwards": "5"}, {"Host": "Example.COM:80"}),
    {"Referer": "http://x/", "Origin": "http://o"},
]
CONFIG: dict[str, list[t.Any]] = {
    "MAX_CONTENT_LENGTH": [None, 0, 5, 1000],
    "TRAP_BAD_REQUEST_ERRORS": [True, None, False],
    "TESTING": [True, False],
    "PROPAGATE_EXCEPTIONS": [None],
    "TRUSTED_HOSTS": [["localhost"], None],
}
#: Limits that are those of multipart alone in Flask.
LIMITED = ("memory", "parts")


def read(side: Side, r: random.Random) -> None:
    module, app = side.module, side.app()
    app.config.update({k: r.choice(values) for k, values in CONFIG.items() if r.random() < 0.15})
    if r.random() < 0.15:

        class Request(module.Request):  # type: ignore[misc, name-defined]
            def on_json_loading_failed(self, error: ValueError | None) -> t.Any:
                side.tell("failed", error)
                return {"own": 1}

        app.request_class = Request
    reads: list[str] = []

    def view() -> str:
        for name in reads:
            side.tell(name)
            value = side.tried(READS[name], module.request)
            side.tell(getattr(value, "code", None), getattr(value, "description", None))
        return "x"

    def fails() -> str:
        return repr(READS[reads[0]](module.request))[:200]

    app.add_url_rule("/", "view", side.view(view), methods=["GET", "POST", "PUT"])
    app.add_url_rule("/fails", "fails", side.view(fails), methods=["GET", "POST", "PUT"])
    client = side.client(app)
    for _ in range(5):
        kind, body, headers = r.choice(TYPES), r.choice(BODIES), dict(r.choice(HEADERS))
        reads[:] = r.choices([*READS], k=r.randrange(1, 4))
        if kind is not None:
            headers["Content-Type"] = kind
        if kind == URLENCODED:
            reads[:] = [name for name in reads if name not in LIMITED] or ["form"]
            body = body if body.isascii() else b"a=1&b=2"
        elif kind and kind.startswith("multipart/"):
            body = r.choice(BODIES[9:11])  # a damaged form is a 400 here, and empty in Flask
        method = r.choice(["POST", "POST", "PUT", "GET"])
        path, query = r.choice(["/", "/", "/fails"]), r.choice(QUERIES)
        side.told.append((method, path, [*reads], kind, body, query))
        client.open(path, method=method, data=body, headers=headers, query_string=query)


def test_requests_are_read_as_in_flask() -> None:
    assert_same(read, 40, doors=["wsgi"])
