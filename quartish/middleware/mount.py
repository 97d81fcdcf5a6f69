"""Apps below a prefix of another app, and what an app may stand in.

*Source:* ASGI specification, "Lifespan" and "HTTP & WebSocket"; PEP 3333.
"""

from __future__ import annotations

import asyncio
import typing as t
from collections.abc import Callable
from collections.abc import Mapping
from contextvars import copy_context

from .._concurrency.coroutines import is_async_callable
from .._concurrency.threads import to_thread
from .._concurrency.workers import Workers
from .._defaults import DEFAULTS
from .._http.outgoing import page
from .._lazy import lazy
from ..asgi.through_wsgi import handle_through_wsgi
from ..typing import ASGIApp
from ..typing import ASGIReceive
from ..typing import ASGISend
from ..typing import Message
from ..typing import Scope
from ..wrappers.connection import Conn

if t.TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

T = t.TypeVar("T")

#: An ASGI app, or a WSGI app.
AnyServed = Callable[..., t.Any]

CONNECTIONS = ("http", "websocket")


async def refuse(
    scope: Scope, receive: ASGIReceive, send: ASGISend, status: int, body: bytes
) -> None:
    """Respond to a request, or reject a handshake (by 403 if the server supports nothing else)."""
    prefix = "http"
    if scope["type"] == "websocket":
        await receive()  # websocket.connect
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": 1000, "reason": ""})
            return
        prefix = "websocket.http"
    headers = page(status, body).headers
    await send({"type": f"{prefix}.response.start", "status": status, "headers": headers})
    await send({"type": f"{prefix}.response.body", "body": body})


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
            await refuse(scope, receive, send, 404, b"There is no websocket here.")
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
        self.mounts: dict[str, ASGIApp] = {}
        #: What is asked for connections that `is_own` does not know; None for the app.
        self.rest: ASGIApp | None = None
        self.is_own: Callable[[Scope], bool] = lambda scope: True
        for prefix, mounted in mounts.items():
            self.add(prefix, mounted)

    def add(self, prefix: str, app: AnyServed) -> None:
        """Hand the paths below `prefix` to another app. Raises ValueError for what is no prefix."""
        if prefix[:1] != "/" or prefix[-1:] == "/":
            raise ValueError(
                f"A mount's prefix begins with '/' and does not end with one: not {prefix!r}."
            )
        self.mounts[prefix] = as_asgi(app)
        longest_first = sorted(self.mounts, key=len, reverse=True)
        self.mounts = {prefix: self.mounts[prefix] for prefix in longest_first}

    async def __call__(self, scope: Scope, receive: ASGIReceive, send: ASGISend) -> None:
        if scope["type"] == "lifespan":
            apps = [*self.mounts.values(), *([] if self.rest is None else [self.rest])]
            # Once each: one may be mounted at several prefixes.
            served = {id(app): app for app in apps if not isinstance(app, FromWSGI)}
            await _Lifespans(scope, [self.app, *served.values()]).run(receive, send)
        elif scope["type"] in CONNECTIONS:
            conn = Conn.quartish_from_scope(scope)
            path, root = conn.quartish_below_root(), conn.root_path
            if (prefix := self.find(path)) is not None:
                mounted = {**scope, "root_path": root + prefix, "path": root + path}
                await self.mounts[prefix](mounted, receive, send)
            elif self.rest is not None and not self.is_own(scope):
                await self.rest(scope, receive, send)
            else:
                await self.app(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def find(self, path: str) -> str | None:
        """Return the prefix that a path is below, if there is one."""
        for prefix in self.mounts:
            if path == prefix or path.startswith(prefix + "/"):
                return prefix
        return None


def as_asgi(app: AnyServed) -> ASGIApp:
    """Return an ASGI app as it is, a WSGI app as `FromWSGI`."""
    if isinstance(app, FromWSGI) or hasattr(app, "asgi_app") or is_async_callable(app):
        return t.cast(ASGIApp, app)
    return FromWSGI(app)


class _Lifespans:
    """The lifespans of several apps, which the server sees as one.

    An app that raises before it replies does not support the protocol, and is left out.
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
                reply: Message = {"type": f"{message['type']}.complete"}
                if message["type"] == "lifespan.startup":
                    for life in lives:
                        reply = await life.tell(message)
                        if reply["type"] == "lifespan.startup.failed":
                            break
                        started.append(life)
                if reply["type"] != "lifespan.startup.complete":
                    while started:
                        told = await started.pop().tell({"type": "lifespan.shutdown"})
                        if reply["type"] == "lifespan.shutdown.complete":
                            reply = told
                    # Before the reply: Hypercorn cancels what is still running after it.
                    await self._end(lives)
                await send(reply)
                if reply["type"] != "lifespan.startup.complete":
                    return
        finally:
            await self._end(lives)

    async def _end(self, lives: list[_Lifespan]) -> None:
        for life in lives:
            await life.end()


class _Lifespan:
    """One app's lifespan, in a task of its own."""

    def __init__(self, app: ASGIApp, scope: Scope) -> None:
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._replies: asyncio.Queue[Message] = asyncio.Queue()
        self._replied = False
        self._task = asyncio.ensure_future(app(dict(scope), self._messages.get, self._replies.put))

    async def tell(self, message: Message) -> Message:
        """Send a message to the app and return its reply. If it has ended without one, that is
        "complete"; or "failed" if it has replied before and then raised."""
        self._messages.put_nowait(message)
        reply = asyncio.ensure_future(self._replies.get())
        await asyncio.wait([reply, self._task], return_when=asyncio.FIRST_COMPLETED)
        if reply.done():
            self._replied = True
            return reply.result()
        reply.cancel()
        error = None if self._task.cancelled() else self._task.exception()
        if error is not None and self._replied:
            said = f"{type(error).__name__}: {error}"
            return {"type": f"{message['type']}.failed", "message": said}
        return {"type": f"{message['type']}.complete"}

    async def end(self) -> None:
        """Leave no task behind."""
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.exception()  # has been looked at
