"""The WSGI environ of an ASGI scope, built when `request.environ` is first read.

Source: PEP 3333; ASGI specification, "WSGI Compatibility".
"""

from __future__ import annotations

import sys
import typing as t

from ..typing import Scope


def build_environ(
    scope: Scope, root_path: str, path: str, query_string: bytes, stream: t.Any
) -> dict[str, t.Any]:
    """Return a new environ; `stream` becomes `wsgi.input`, the scope is `asgi.scope`."""
    host, port = scope.get("server") or ("localhost", 80)
    version = scope.get("http_version", "1.1")
    environ: dict[str, t.Any] = {
        "REQUEST_METHOD": scope.get("method", "GET"),
        "SCRIPT_NAME": _wsgi_str(root_path),
        "PATH_INFO": _wsgi_str(path),
        "QUERY_STRING": query_string.decode("latin-1"),
        "RAW_URI": _raw_uri(scope, path, query_string),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or 80),
        "SERVER_PROTOCOL": f"HTTP/{version}",
        "SERVER_SOFTWARE": "quartish",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": {"ws": "http", "wss": "https"}.get(
            scope.get("scheme", "http"), scope.get("scheme", "http")
        ),
        "wsgi.input": stream,
        # The server has found the end of the body: reading the stream ends there.
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "asgi.scope": scope,
    }
    environ["REQUEST_URI"] = environ["RAW_URI"]
    if client := scope.get("client"):
        environ["REMOTE_ADDR"] = client[0]
        environ["REMOTE_PORT"] = str(client[1])
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if "_" in name:  # could not be distinguished from the same name with "-"
            continue
        key = name.upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        if key in environ:
            # RFC 9110, section 5.3; cookies are the exception (RFC 9113, section 8.2.3).
            environ[key] += ("; " if key == "HTTP_COOKIE" else ",") + value
        else:
            environ[key] = value
    return environ


def _wsgi_str(text: str) -> str:
    """Return text the way WSGI carries it: UTF-8 bytes seen as Latin-1."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def _raw_uri(scope: Scope, path: str, query_string: bytes) -> str:
    raw = scope.get("raw_path")
    uri = raw.decode("latin-1") if raw else _wsgi_str(path)
    if query_string and "?" not in uri:  # some servers leave the query in raw_path
        uri += "?" + query_string.decode("latin-1")
    return uri
