"""A pytest plugin: the test client calls apps by their ASGI door.

Flask's suite tests by the WSGI door, and production comes in by the other. Here the client
makes its environ into a scope, calls the app on an event loop, and makes what was sent
into what it expects of a WSGI app.
"""

from __future__ import annotations

import asyncio
import io
import typing as t

import werkzeug.test
from werkzeug.datastructures import EnvironHeaders
from werkzeug.datastructures import Headers
from werkzeug.sansio.response import Response as SansioResponse

import quartish
from quartish.testing.utils import PRESERVE

_run_wsgi_app = werkzeug.test.run_wsgi_app


def run_app(
    app: t.Any, environ: dict[str, t.Any], buffered: bool = False
) -> tuple[list[bytes], str, Headers]:
    """Call `app`, by ASGI if it is one of ours; return the body, the status and the headers."""
    if not isinstance(app, quartish.Flask):  # what a test made of one
        return t.cast(t.Any, _run_wsgi_app(app, environ, buffered))
    body = environ["wsgi.input"].read()
    environ["wsgi.input"] = io.BytesIO(body)  # the client makes a redirected request of it
    sent: list[dict[str, t.Any]] = []
    asyncio.run(_call(app, _scope(environ), body, sent))
    start, *rest = sent
    status = start["status"]
    return (
        [message.get("body", b"") for message in rest],
        SansioResponse(status).status,
        Headers([(n.decode("latin-1"), v.decode("latin-1")) for n, v in start["headers"]]),
    )


async def _call(app: t.Any, scope: t.Any, body: bytes, sent: list[dict[str, t.Any]]) -> None:
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, t.Any]:
        while not waiting:
            await asyncio.sleep(3600)  # the client stays
        return waiting.pop()

    async def send(message: dict[str, t.Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)


def _scope(environ: dict[str, t.Any]) -> dict[str, t.Any]:
    root, path = (
        environ.get(key, "").encode("latin-1").decode("utf-8", "replace")
        for key in ("SCRIPT_NAME", "PATH_INFO")
    )
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": environ["REQUEST_METHOD"],
        "scheme": environ["wsgi.url_scheme"],
        "path": root + path,
        "raw_path": (root + path).encode(),
        "root_path": root,
        "query_string": environ["QUERY_STRING"].encode("latin-1"),
        "headers": [
            (name.lower().encode("latin-1"), str(value).encode("latin-1", "replace"))
            for name, value in EnvironHeaders(environ)
        ],
        "client": (environ.get("REMOTE_ADDR"), 50000),
        "server": (environ["SERVER_NAME"], int(environ["SERVER_PORT"])),
    }
    if keep := environ.get("werkzeug.debug.preserve_context"):
        scope[PRESERVE] = keep
    return scope


werkzeug.test.run_wsgi_app = t.cast(t.Any, run_app)
