"""ASGI scopes, as a server that knows the specification makes them.

Source: ASGI specification, "HTTP" and "WebSocket", connection scope.
"""

from __future__ import annotations

import typing as t

Scope = dict[str, t.Any]
Lines = t.Iterable[tuple[bytes, bytes]]

LOCALHOST = (b"host", b"localhost")


def http_scope(
    path: str = "/", method: str = "GET", headers: Lines = (LOCALHOST,), **more: t.Any
) -> Scope:
    """Return the scope of a request; `more` changes or adds what it holds."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("utf-8", "surrogatepass"),
        "query_string": b"",
        "root_path": "",
        "headers": [*headers],
        "client": ("127.0.0.1", 50000),
        "server": ("localhost", 80),
        "extensions": {},
        "state": {},
        **more,
    }


def websocket_scope(path: str = "/", headers: Lines = (LOCALHOST,), **more: t.Any) -> Scope:
    """Return the scope of a websocket; `more` changes or adds what it holds."""
    scope = http_scope(path, headers=headers)
    del scope["method"]
    return {**scope, "type": "websocket", "scheme": "ws", "subprotocols": [], **more}
