"""ASGI middleware, to put around an app: `app.asgi_app = ProxyFix(app.asgi_app)`.

Each takes an ASGI app and is one. It passes on a changed copy of the scope; scopes
that a middleware has no business with pass as they are.

Source: ASGI specification, "HTTP & WebSocket" and "Lifespan".
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Collection
from uuid import uuid4

from werkzeug.exceptions import SecurityError
from werkzeug.http import parse_list_header
from werkzeug.sansio.utils import host_is_trusted

from .._request_id import mark_records
from .._request_id import of_scope
from .._request_id import SCOPE_KEY
from ..routing.map import is_valid_host
from ..typing import ASGIApp
from ..typing import ASGIReceive
from ..typing import ASGISend
from ..typing import Message
from ..typing import Scope
from ..wrappers.connection import Conn
from .mount import CONNECTIONS
from .mount import FromWSGI as FromWSGI
from .mount import Mount as Mount
from .mount import refuse

#: The messages that have the headers of a response.
STARTS = ("http.response.start", "websocket.accept", "websocket.http.response.start")


class ProxyFix:
    """Takes client, scheme, host, port and prefix from the `X-Forwarded-*` headers of proxies.

    Each number says how many proxies in a row set that header: its value is counted from
    the right, so that what the client wrote itself is not believed. What the scope had
    before is in it as `proxy_fix.orig`. Werkzeug's `ProxyFix` does this for WSGI.

    Args:
        app: The app within.
        x_for: How many proxies set `X-Forwarded-For`.
        x_proto: How many set `X-Forwarded-Proto`.
        x_host: How many set `X-Forwarded-Host`.
        x_port: How many set `X-Forwarded-Port`.
        x_prefix: How many set `X-Forwarded-Prefix`.
    """

    def __init__(
        self,
        app: ASGIApp,
        x_for: int = 1,
        x_proto: int = 1,
        x_host: int = 0,
        x_port: int = 0,
        x_prefix: int = 0,
    ) -> None:
        self.app = app
        self.x_for = x_for
        self.x_proto = x_proto
        self.x_host = x_host
        self.x_port = x_port
        self.x_prefix = x_prefix

    async def __call__(self, scope: Scope, receive: ASGIReceive, send: ASGISend) -> None:
        if scope["type"] in CONNECTIONS:
            scope = self.fix(scope)
        await self.app(scope, receive, send)

    def fix(self, scope: Scope) -> Scope:
        """Return the scope as the first proxy saw the connection."""
        conn = Conn.quartish_from_scope(scope)
        fixed: dict[str, t.Any] = {**scope}
        fixed["proxy_fix.orig"] = {
            "host": conn.quartish_raw_host,
            **{key: scope.get(key) for key in ("client", "scheme", "server", "root_path")},
        }
        if client := self._trusted(scope, b"x-forwarded-for", self.x_for):
            fixed["client"] = (client, 0)
        if scheme := self._trusted(scope, b"x-forwarded-proto", self.x_proto):
            if scope["type"] == "websocket":
                scheme = {"http": "ws", "https": "wss"}.get(scheme, scheme)
            fixed["scheme"] = scheme
        host, (name, port) = conn.quartish_raw_host, conn.server or ("", None)
        if forwarded := self._trusted(scope, b"x-forwarded-host", self.x_host):
            host = forwarded
            name, given = _split_port(host)
            port = given or port
        if forwarded := self._trusted(scope, b"x-forwarded-port", self.x_port):
            host = host and f"{_split_port(host, whole=True)[0]}:{forwarded}"
            port = _number(forwarded) or port
        if host != conn.quartish_raw_host:
            others = [header for header in scope["headers"] if header[0] != b"host"]
            fixed["headers"] = [(b"host", host.encode("latin-1")), *others]
        if (name, port) != (conn.server or ("", None)):
            fixed["server"] = (name, port)
        if prefix := self._trusted(scope, b"x-forwarded-prefix", self.x_prefix):
            # One slash in front: with none it would be taken for the end of the host, with two for
            # a host.
            fixed["root_path"] = f"/{prefix.strip('/')}".rstrip("/")
            fixed["path"] = fixed["root_path"] + conn.path
        return fixed

    def _trusted(self, scope: Scope, name: bytes, count: int) -> str | None:
        """Return the value that the first of `count` proxies set."""
        if not count:
            return None
        lines = [value.decode("latin-1") for key, value in scope["headers"] if key == name]
        values = parse_list_header(",".join(lines))
        return values[-count] if len(values) >= count else None


def _split_port(host: str, whole: bool = False) -> tuple[str, int | None]:
    """Return the name and the port, if it has one; `whole`: whatever is after the colon."""
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]") or not (whole or port.isdecimal()):
        return host, None
    return name, _number(port)


def _number(port: str) -> int | None:
    """Return a port as a number; None for what can be none, whatever its length."""
    return int(port) if port.isdecimal() and len(port) < 6 else None


class TrustedHosts:
    """Responds 400, without calling the app, unless the Host header is one of `hosts`.

    A name that begins with a dot stands for all of its subdomains too; ports do not matter.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        if isinstance(hosts, str) or not hosts:
            raise ValueError("TrustedHosts needs a list of names, such as ['example.com'].")
        self.app = app
        self.hosts = hosts

    async def __call__(self, scope: Scope, receive: ASGIReceive, send: ASGISend) -> None:
        if scope["type"] in CONNECTIONS:
            host = Conn.quartish_from_scope(scope).quartish_raw_host
            if not (is_valid_host(host) and host_is_trusted(host, self.hosts)):
                error = SecurityError("This host is not served here.")
                await refuse(scope, receive, send, 400, error.get_body().encode())
                return
        await self.app(scope, receive, send)


class RequestID:
    """Gives each request and websocket an id: the one that came in `header`, else a new one.

    The id goes out in the same header, is what `quartish.logging.request_id()` returns, and is an
    attribute `request_id` of every record that is logged meanwhile, by whoever and in whatever
    thread; our own handlers show it. An id that came in is believed where it has up to 128 letters,
    digits and `-_.:+/=`.

    Args:
        app: The app within.
        header: The header's name.
        trust: Whether an id that came in is believed; False where clients come directly.
        make: Returns a new id.

    Flask:
        Has nothing of the kind.
    """

    _TRUSTED = re.compile(rb"[A-Za-z0-9._:+/=-]{1,128}")

    def __init__(
        self,
        app: ASGIApp,
        header: str = "X-Request-ID",
        trust: bool = True,
        make: t.Callable[[], str] = lambda: uuid4().hex,
    ) -> None:
        self.app = app
        self.name: bytes = header.lower().encode("latin-1")
        self.trust = trust
        self.make = make
        mark_records()

    async def __call__(self, scope: Scope, receive: ASGIReceive, send: ASGISend) -> None:
        if scope["type"] not in CONNECTIONS:
            await self.app(scope, receive, send)
            return
        given = self._given(scope)
        found = given.decode("latin-1") if given is not None else self.make()
        line = (self.name, found.encode("latin-1"))

        async def send_with_id(message: Message) -> None:
            if message["type"] in STARTS:
                lines = [pair for pair in message.get("headers", ()) if pair[0] != self.name]
                message = t.cast(Message, {**message, "headers": [*lines, line]})
            await send(message)

        scope[SCOPE_KEY] = found  # in the server's own scope: its access log has nothing else
        with of_scope(scope):
            await self.app(scope, receive, send_with_id)

    def _given(self, scope: Scope) -> bytes | None:
        if self.trust:
            for name, value in scope["headers"]:
                if name == self.name and self._TRUSTED.fullmatch(value):
                    return bytes(value)
        return None
