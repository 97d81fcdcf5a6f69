"""ASGI middleware, to put around an app: `app.asgi_app = ProxyFix(app.asgi_app)`.

Each takes an ASGI app and is one. What is passed on is a changed copy of the scope; scopes
that a middleware has no business with pass as they are.

Source: ASGI specification, "HTTP & WebSocket" and "Lifespan".
"""

from __future__ import annotations

import asyncio
import re
import typing as t
from collections.abc import Collection
from collections.abc import Mapping
from contextvars import copy_context
from uuid import uuid4

from werkzeug.exceptions import SecurityError
from werkzeug.http import parse_list_header
from werkzeug.sansio.utils import host_is_trusted

from ._concurrency.coroutines import is_async_callable
from ._concurrency.threads import to_thread
from ._concurrency.threads import Workers
from ._defaults import DEFAULTS
from ._dispatch.response import length_line
from ._lazy import lazy
from ._request_id import mark_records
from ._request_id import of_scope
from ._request_id import SCOPE_KEY
from .asgi.through_wsgi import handle_through_wsgi
from .routing import is_valid_host
from .typing import ASGIApp
from .typing import ASGIReceive
from .typing import ASGISend
from .typing import Message
from .typing import Scope
from .wrappers.connection import Conn

if t.TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

T = t.TypeVar("T")

CONNECTIONS = ("http", "websocket")
#: The messages that have the headers of an answer.
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
        conn = Conn.from_scope(scope)
        fixed: dict[str, t.Any] = {**scope}
        fixed["proxy_fix.orig"] = {
            "host": conn.raw_host,
            **{key: scope.get(key) for key in ("client", "scheme", "server", "root_path")},
        }
        if client := self._trusted(scope, b"x-forwarded-for", self.x_for):
            fixed["client"] = (client, 0)
        if scheme := self._trusted(scope, b"x-forwarded-proto", self.x_proto):
            if scope["type"] == "websocket":
                scheme = {"http": "ws", "https": "wss"}.get(scheme, scheme)
            fixed["scheme"] = scheme
        host, (name, port) = conn.raw_host, conn.server or ("", None)
        if forwarded := self._trusted(scope, b"x-forwarded-host", self.x_host):
            host = forwarded
            name, given = _split_port(host)
            port = given or port
        if forwarded := self._trusted(scope, b"x-forwarded-port", self.x_port):
            host = host and f"{_split_port(host, whole=True)[0]}:{forwarded}"
            port = _number(forwarded) or port
        if host != conn.raw_host:
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
    """Answers 400, before the app is asked, unless the Host header names one of `hosts`.

    A name that begins with a dot stands for all of its subdomains too; ports do not matter.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        if isinstance(hosts, str) or not hosts:
            raise ValueError("TrustedHosts needs a list of names, such as ['example.com'].")
        self.app = app
        self.hosts = hosts

    async def __call__(self, scope: Scope, receive: ASGIReceive, send: ASGISend) -> None:
        if scope["type"] in CONNECTIONS:
            host = Conn.from_scope(scope).raw_host
            if not (is_valid_host(host) and host_is_trusted(host, self.hosts)):
                error = SecurityError("This host is not served here.")
                await _refuse(scope, receive, send, 400, error.get_body().encode())
                return
        await self.app(scope, receive, send)


async def _refuse(
    scope: Scope, receive: ASGIReceive, send: ASGISend, status: int, body: bytes
) -> None:
    """Answer a request, or reject a handshake (with 403 where a server can say no more)."""
    prefix = "http"
    if scope["type"] == "websocket":
        await receive()  # websocket.connect
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": 1000, "reason": ""})
            return
        prefix = "websocket.http"
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        length_line(len(body)),
    ]
    await send({"type": f"{prefix}.response.start", "status": status, "headers": headers})
    await send({"type": f"{prefix}.response.body", "body": body})


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


class FromWSGI:
    """A WSGI app as an ASGI app: each request in one worker thread, of `threads` at most."""

    # As an app of ours that is served through WSGI has them.
    plain = True
    config = DEFAULTS

    def __init__(self, wsgi_app: WSGIApplication, threads: int = 40) -> None:
        self.wsgi_app = wsgi_app
        self.threads = threads

    @lazy
    def view_pool(self) -> Workers:
        """The worker threads."""
        return Workers(self.threads, "quartish-wsgi")

    async def to_file_thread(self, func: t.Callable[..., T], *args: t.Any) -> T:
        """Run a file operation off the loop."""
        return await to_thread(self.view_pool, copy_context(), func, *args)

    @t.overload
    def __call__(self, scope: Scope, receive: ASGIReceive, send: ASGISend, /) -> t.Any: ...
    @t.overload
    def __call__(self, environ: dict[str, t.Any], start_response: t.Any, /) -> t.Any: ...
    def __call__(self, *args: t.Any) -> t.Any:
        return self._serve(*args) if len(args) == 3 else self.wsgi_app(*args)

    async def _serve(self, scope: Scope, receive: ASGIReceive, send: ASGISend) -> None:
        if scope["type"] == "http":
            await handle_through_wsgi(self, scope, receive, send)
        elif scope["type"] == "websocket":
            await _refuse(scope, receive, send, 404, b"There is no websocket here.")
        else:
            raise ValueError(f"A WSGI app cannot serve the ASGI scope type {scope['type']!r}.")


class Mount:
    """Hands paths below a prefix to another app, ASGI or WSGI, and the rest to `app`.

    `Mount(app.asgi_app, {"/admin": admin, "/old": wsgi_app})`: `/admin` and `/admin/x` are
    admin's (which redirects the first to its slash), `/administrator` is not. Of several
    prefixes the longest wins. The mounted app finds the prefix as its `root_path`
    (`SCRIPT_NAME`), so that its `url_for` includes it. All ASGI apps are started and stopped
    with the server. What takes two arguments and is not `async` counts as WSGI; say
    `FromWSGI(...)` to choose its number of threads.
    """

    def __init__(self, app: ASGIApp, mounts: Mapping[str, t.Any]) -> None:
        self.app = app
        for prefix in mounts:
            if prefix[:1] != "/" or prefix[-1:] == "/":
                raise ValueError(
                    f"A mount's prefix begins with '/' and does not end with one: not {prefix!r}."
                )
        longest_first = sorted(mounts, key=len, reverse=True)
        self.mounts: dict[str, ASGIApp] = {
            prefix: as_asgi(mounts[prefix]) for prefix in longest_first
        }

    async def __call__(self, scope: Scope, receive: ASGIReceive, send: ASGISend) -> None:
        if scope["type"] == "lifespan":
            apps = [app for app in self.mounts.values() if not isinstance(app, FromWSGI)]
            await _Lifespans(scope, [self.app, *apps]).run(receive, send)
        elif scope["type"] in CONNECTIONS:
            conn = Conn.from_scope(scope)
            path, root = conn.below_root(), conn.root_path
            for prefix, app in self.mounts.items():
                if path == prefix or path.startswith(prefix + "/"):
                    mounted = {**scope, "root_path": root + prefix, "path": root + path}
                    return await app(mounted, receive, send)
            await self.app(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def as_asgi(app: t.Any) -> ASGIApp:
    """Return an ASGI app as it is, a WSGI app as `FromWSGI`."""
    if isinstance(app, FromWSGI) or hasattr(app, "asgi_app") or is_async_callable(app):
        return t.cast(ASGIApp, app)
    return FromWSGI(app)


class _Lifespans:
    """The lifespans of several apps, which the server sees as one.

    An app that raises before it answers does not support the protocol, and is left out.
    """

    def __init__(self, scope: Scope, apps: list[ASGIApp]) -> None:
        self.scope = scope
        self.apps = apps

    async def run(self, receive: ASGIReceive, send: ASGISend) -> None:
        lives = [_Lifespan(app, self.scope) for app in self.apps]
        started: list[_Lifespan] = []
        try:
            while True:
                message = await receive()
                answer: Message = {"type": f"{message['type']}.complete"}
                if message["type"] == "lifespan.startup":
                    for life in lives:
                        answer = await life.tell(message)
                        if answer["type"] == "lifespan.startup.failed":
                            break
                        started.append(life)
                if answer["type"] != "lifespan.startup.complete":
                    while started:
                        told = await started.pop().tell({"type": "lifespan.shutdown"})
                        if answer["type"] == "lifespan.shutdown.complete":
                            answer = told
                await send(answer)
                if answer["type"] != "lifespan.startup.complete":
                    return
        finally:
            for life in lives:
                await life.end()


class _Lifespan:
    """One app's lifespan, in a task of its own."""

    def __init__(self, app: ASGIApp, scope: Scope) -> None:
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._answers: asyncio.Queue[Message] = asyncio.Queue()
        self._task = asyncio.ensure_future(app(dict(scope), self._messages.get, self._answers.put))

    async def tell(self, message: Message) -> Message:
        """Return what the app answers; "complete" where it has ended without an answer."""
        self._messages.put_nowait(message)
        answer = asyncio.ensure_future(self._answers.get())
        await asyncio.wait([answer, self._task], return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        answer.cancel()
        return {"type": f"{message['type']}.complete"}

    async def end(self) -> None:
        """Leave no task behind."""
        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.exception()  # has been looked at
