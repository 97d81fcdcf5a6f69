"""Raw requests through both doors, and an app of either colour and lane that reads all of
what came: every attribute, the form, the files, the JSON, the data."""

from __future__ import annotations

import asyncio
import functools
import io
import sys
import typing as t
import warnings
from dataclasses import dataclass
from dataclasses import field

from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException
from werkzeug.test import EnvironBuilder
from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Request as WerkzeugRequest

import quartish
from quartish._concurrency.coroutines import drive
from tests._scopes import http_scope

LIMIT = 2_000_000
PATIENCE = 10.0  # seconds in which every answer has to come
HANDLED = "X-Handled"

#: All that a request has beside its body, whatever Werkzeug deprecates of it.
_ATTRIBUTES = [
    *("accept_charsets", "accept_encodings", "accept_languages", "accept_mimetypes"),
    *("access_control_request_headers", "access_control_request_method", "access_route"),
    *("args", "authorization", "base_url", "blueprints", "cache_control", "content_encoding"),
    *("content_length", "content_md5", "content_type", "cookies", "date", "endpoint"),
    *("full_path", "headers", "host", "host_url", "http_version", "if_match"),
    *("if_modified_since", "if_none_match", "if_range", "if_unmodified_since", "is_json"),
    *("is_secure", "max_content_length", "max_forwards", "method", "mimetype"),
    *("mimetype_params", "origin", "path", "pragma", "query_string", "range", "referrer"),
    *("remote_addr", "root_path", "root_url", "scheme", "server", "url"),
    *("url_rule", "user_agent", "view_args"),
]


def _is_deprecated(name: str) -> bool:
    request = WerkzeugRequest(EnvironBuilder().get_environ())
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", DeprecationWarning)
        getattr(request, name, None)
    return bool(warned)


ATTRIBUTES = [name for name in _ATTRIBUTES if not _is_deprecated(name)]


@dataclass
class Ask:
    """A request as a hostile client sends it; `path` is percent-decoded already."""

    path: str = "/attributes"
    method: str = "GET"
    query: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: list[bytes] = field(default_factory=list)
    host: bytes | None = b"localhost"

    @property
    def all_headers(self) -> list[tuple[bytes, bytes]]:
        host = [] if self.host is None else [(b"host", self.host)]
        framed = {b"content-length", b"transfer-encoding"} & {name for name, _ in self.headers}
        size = str(sum(map(len, self.body))).encode()
        return [*host, *self.headers, *([(b"content-length", size)] if not framed else [])]


@dataclass
class Reply:
    status: int
    headers: Headers
    body: bytes


def make_app(cls: type[t.Any], lane: str) -> t.Any:
    """Return an app whose views read what they are named after, `async def` on the loop lane.

    Every HTTP error goes through a handler, which marks it and builds URLs, as a real one
    that renders a page does.
    """
    app = cls(__name__, static_folder=".")
    app.config.update(SECRET_KEY="key", MAX_CONTENT_LENGTH=LIMIT)
    plain = app.plain

    async def value(of: t.Any) -> t.Any:
        return of if plain else await of

    def route(rule: str, func: t.Any) -> None:
        @functools.wraps(func)
        def in_thread(**values: t.Any) -> t.Any:
            return drive(func(**values)) if plain else app.ensure_sync(func)(**values)

        view = in_thread if lane == "thread" else func
        app.add_url_rule(rule, view_func=view, methods=["GET", "POST", "PUT"])

    async def attributes(**values: t.Any) -> t.Any:
        request = quartish.request
        found = [str(getattr(request, name)) for name in ATTRIBUTES]
        found += [str(request.if_range.etag), str(request.if_range.date)]
        found += [str(dict(quartish.session)), repr(request), str(request.headers.to_wsgi_list())]
        found.append(quartish.url_for("attributes", q="é", _external=True))
        return str(len("".join(found)))

    async def form() -> t.Any:
        request = quartish.request
        fields, files = await value(request.form), await value(request.files)
        values = await value(request.values)
        read = [(file.filename, file.mimetype, file.read()) for file in files.values()]
        return {"fields": len(fields), "files": len(read), "values": len(values)}

    async def json() -> t.Any:
        return quartish.jsonify(await value(quartish.request.get_json()))

    async def text() -> t.Any:
        found = await value(quartish.request.get_json(force=True))
        return found if isinstance(found, str) else "no text"

    async def data() -> t.Any:
        return str(len(await value(quartish.request.get_data())))

    async def file() -> t.Any:
        return await value(quartish.send_file(__file__))

    for func in (attributes, form, json, text, data, file):
        route(f"/{func.__name__}", func)
    for rule in ("int/<int:x>", "float/<float:x>", "uuid/<uuid:x>", "any/<any(a,b):x>"):
        app.add_url_rule(f"/{rule}", endpoint="attributes")
    for rule in ("str/<x>", "path/<path:x>", "slash/<x>/"):
        app.add_url_rule(f"/{rule}", endpoint="attributes")

    def handled(error: HTTPException) -> t.Any:
        request = quartish.request
        urls = [quartish.url_for("attributes", _external=external) for external in (True, False)]
        seen = [*urls, request.host, request.url, str(request.headers), repr(request)]
        return " ".join(seen), error.code, {HANDLED: "yes"}

    app.register_error_handler(HTTPException, handled)
    return app


async def through_asgi(app: t.Any, ask: Ask) -> Reply:
    """Call `app` as an ASGI server does; the client stays until it has its answer."""
    messages: list[dict[str, t.Any]] = []
    rest = [*ask.body] or [b""]
    left = asyncio.Event()  # never set

    async def receive() -> dict[str, t.Any]:
        if not rest:
            await left.wait()
        return {"type": "http.request", "body": rest.pop(0), "more_body": bool(rest)}

    async def send(message: t.Any) -> None:
        messages.append(message)

    scope = http_scope(ask.path, ask.method, ask.all_headers, query_string=ask.query)
    async with asyncio.timeout(PATIENCE):
        await app(scope, receive, send)
    start, *bodies = messages
    headers = Headers([(n.decode(), v.decode("latin-1")) for n, v in start["headers"]])
    assert not bodies[-1].get("more_body"), "the answer has no end"
    return Reply(start["status"], headers, b"".join(m.get("body", b"") for m in bodies))


def through_wsgi(app: t.Any, ask: Ask, file: t.IO[bytes] | None = None) -> Reply:
    """Call `app` as Werkzeug's client does, with the environ that a WSGI server would make, which
    reads the body from `file`, where one is given."""
    environ: dict[str, t.Any] = {
        "REQUEST_METHOD": ask.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": ask.path.encode("utf-8", "surrogatepass").decode("latin-1"),
        "QUERY_STRING": ask.query.decode("latin-1"),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": file or io.BytesIO(b"".join(ask.body)),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if any(name == b"transfer-encoding" for name, _ in ask.headers):
        environ["wsgi.input_terminated"] = True
    for raw_name, value in ask.all_headers:
        name = raw_name.decode("latin-1").upper().replace("-", "_")
        key = name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"
        text = value.decode("latin-1")
        environ[key] = f"{environ[key]},{text}" if key in environ else text
    body, status, headers = run_wsgi_app(app, environ, buffered=True)
    return Reply(int(status.split()[0]), headers, b"".join(body))


def check(reply: Reply, ask: Ask) -> Reply:
    """Demand that the answer is no 5xx, and that an error of the client's was handled."""
    assert 200 <= reply.status < 500, f"{reply.status} for {ask}"
    assert reply.status < 400 or reply.headers.get(HANDLED) == "yes", f"{reply} for {ask}"
    return reply
