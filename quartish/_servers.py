"""The servers that `run` begins and stops: Hypercorn, and uvicorn and granian where they are
installed.

The rule: signals are handled here, and not by the servers, which are told to stop. Then a server
accepts nothing new, closes websockets with 1012, cancels requests after the grace period, and ends
the lifespan; the code that started it goes on. Each is imported by the function that needs it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.util
import math
import os
import socket
import sys
import typing as t
from collections.abc import Awaitable
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from ._concurrency.watch import SERVER_STOPS
from .typing import ASGIApp
from .typing import ASGIReceive
from .typing import ASGISend
from .typing import Message
from .typing import Scope

Trigger = Callable[[], Awaitable[object]]

#: Seconds after the grace in which a server has to end by itself.
AND_A_BIT = 1.0
#: Seconds in which granian's threads leave Python after it has ended. One that is late, while the
#: interpreter ends, aborts the process: none of them can be waited for.
FAREWELL = 0.1
#: Granian asks for as many waiting connections at least.
LEAST_BACKLOG = 128
SERVICE_RESTART = 1012


class StartUpError(Exception):
    """The app refused to start."""


class Interrupted(KeyboardInterrupt):
    """Raised in code that still blocks the loop when a server that is to stop has waited enough."""


class Calls:
    """An app whose calls are counted, reported, and cancelled when the server stops."""

    def __init__(
        self,
        app: ASGIApp,
        most: int | None = None,
        told: Callable[[Scope, int | None, float], object] | None = None,
    ) -> None:
        self._app = app
        self._most = most
        #: `told(scope, status, seconds)` is called after each call.
        self._told = told
        self._running: dict[asyncio.Task[t.Any], tuple[str, ASGISend]] = {}
        #: The lifespan's call, while it starts up; and whether that was given up.
        self._starting: asyncio.Task[t.Any] | None = None
        self.gave_up = False

    async def __call__(self, scope: Scope, receive: ASGIReceive, send: ASGISend) -> None:
        if scope["type"] == "lifespan":
            return await self._live(scope, receive, send)
        if self._most is not None and len(self._running) >= self._most:
            return await _refuse(scope, receive, send)
        task = t.cast("asyncio.Task[t.Any]", asyncio.current_task())
        self._running[task] = scope["type"], send
        try:
            if self._told is None:
                await self._app(scope, receive, send)
            else:
                await self._observed(self._told, scope, receive, send)
        except Interrupted as error:  # the loop goes on, and ends in order
            raise asyncio.CancelledError(SERVER_STOPS) from error
        finally:
            self._running.pop(task, None)

    async def _observed(
        self, told: Callable[..., object], scope: Scope, receive: ASGIReceive, send: ASGISend
    ) -> None:
        status, began = None, monotonic()

        async def noting(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        functools.update_wrapper(noting, send)  # by which it is seen whose `send` that is
        try:
            await self._app(scope, receive, noting)
        finally:
            told(scope, status, monotonic() - began)

    async def _live(self, scope: Scope, receive: ASGIReceive, send: ASGISend) -> None:
        async def noting(message: Message) -> None:
            self._starting = None
            await send(message)

        self._starting = task = t.cast("asyncio.Task[t.Any]", asyncio.current_task())
        try:
            await self._app(scope, receive, noting)
        except asyncio.CancelledError:
            if not self.gave_up:
                raise
            task.uncancel()
            await send({"type": "lifespan.startup.failed", "message": "The server was stopped."})
        except Interrupted:
            self.gave_up = True
            await send({"type": "lifespan.startup.failed", "message": "The server was stopped."})
        finally:
            self._starting = None

    def give_start_up(self) -> bool:
        """Cancel the lifespan if it is still starting up, and say whether it was: servers that are
        to stop wait for that."""
        if self._starting is None:
            return False
        self.gave_up = True
        self._starting.cancel(SERVER_STOPS)
        return True

    def cancel(self, kind: str | None = None) -> None:
        """Cancel the calls that run, of one kind of scopes or of all, because the server stops."""
        for task, (its, _) in self._running.items():
            if kind in (None, its):
                task.cancel(SERVER_STOPS)

    async def end_websockets(self, seconds: float) -> None:
        """Cancel the websockets, and wait so long at most until they are closed."""
        self.cancel("websocket")
        tasks = [task for task, (its, _) in self._running.items() if its == "websocket"]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)

    def say_farewell(self) -> None:
        """Let the responses that are still to be sent say `Connection: close`: Hypercorn, and
        uvicorn with h11, do not say so when they stop.

        *Source:* RFC 9112, section 9.6.
        """
        for _, send in self._running.values():
            stream: t.Any = getattr(send, "__self__", None)
            protocol: t.Any = getattr(getattr(stream, "send", None), "__self__", None)
            if type(protocol).__module__ == "hypercorn.protocol.h11":
                protocol.keep_alive_requests = sys.maxsize  # more than one connection may have
            elif type(stream).__module__.startswith("uvicorn.protocols.http."):
                stream.default_headers = [*stream.default_headers, (b"connection", b"close")]


async def _refuse(scope: Scope, receive: ASGIReceive, send: ASGISend) -> None:
    """Respond 503 to a request above the limit (RFC 9110, section 15.6.4)."""
    kind = "http"
    if scope["type"] == "websocket":
        await receive()
        kind = "websocket.http"
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            return await send({"type": "websocket.close", "code": 1013, "reason": ""})
    headers = [(b"content-length", b"0"), (b"retry-after", b"1")]
    await send({"type": f"{kind}.response.start", "status": 503, "headers": headers})
    await send({"type": f"{kind}.response.body", "body": b""})


def is_installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _let_connections_end_badly() -> None:
    """Suppress errors at the end of a connection, such as TLS data after it was closed: Hypercorn,
    when it stops, would not wait for the other connections, and end with that error."""
    from hypercorn.asyncio import run
    from hypercorn.asyncio.tcp_server import TCPServer

    module: t.Any = run
    if module.TCPServer is TCPServer:

        class Connection(TCPServer):
            async def _close(self) -> None:
                with contextlib.suppress(OSError):
                    await super()._close()

        module.TCPServer = Connection


async def serve_by_hypercorn(calls: Calls, config: t.Any, triggered: Trigger) -> None:
    """Serve by Hypercorn's own configuration."""
    from hypercorn.asyncio import serve
    from hypercorn.utils import LifespanFailureError
    from hypercorn.utils import LifespanTimeoutError

    _let_connections_end_badly()

    async def stopped() -> None:
        await triggered()
        calls.say_farewell()
        grace = config.graceful_timeout
        # After that Hypercorn drops connections, or waits forever (Python 3.12).
        config.graceful_timeout += AND_A_BIT
        asyncio.get_running_loop().call_later(grace, calls.cancel)

    try:
        await serve(t.cast(t.Any, calls), config, shutdown_trigger=stopped, mode="asgi")
    except (LifespanFailureError, LifespanTimeoutError) as error:
        raise StartUpError(str(error)) from error


async def serve_by_uvicorn(calls: Calls, config: t.Any, triggered: Trigger) -> None:
    """Serve by uvicorn, at `config.listeners`."""
    import uvicorn

    begun = asyncio.Event()

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> t.Iterator[None]:
            """Leave signals alone: it would raise them again when all is done."""
            yield

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            begun.set()

    settings = uvicorn.Config(
        t.cast(t.Any, calls),
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,  # `middleware.ProxyFix` does that
        server_header=False,
        root_path=config.root_path,
        backlog=config.backlog,
        timeout_keep_alive=math.ceil(config.keep_alive_timeout),
        timeout_graceful_shutdown=math.ceil(config.graceful_timeout + AND_A_BIT),
        h11_max_incomplete_event_size=config.h11_max_incomplete_size,
        ws_max_size=config.websocket_max_message_size,
    )
    settings.load()
    if config.ssl_enabled:
        settings.ssl = context = config.to_hypercorn().create_ssl_context()
        assert context is not None
        context.set_alpn_protocols(["http/1.1"])
    server = Server(settings)

    async def stop() -> None:
        await triggered()
        calls.say_farewell()
        await begun.wait()  # else it would leave what has started without its shutdown
        server.should_exit = True
        asyncio.get_running_loop().call_later(config.graceful_timeout, calls.cancel)

    stopping = asyncio.create_task(stop())
    try:
        await server.serve(sockets=list(config.listeners))
    except SystemExit as error:
        raise StartUpError("the lifespan's start-up failed") from error
    finally:
        stopping.cancel()
    if not server.started:  # releases before 0.40
        raise StartUpError("the lifespan's start-up failed")


async def serve_by_granian(calls: Calls, config: t.Any, triggered: Trigger) -> None:
    """Serve by granian, in this process, at `config.listeners`, of which it takes one. It does
    not close its websockets when it stops, so they are closed before."""
    from granian import net
    from granian.constants import Interfaces
    from granian.errors import FatalError
    from granian.http import HTTP1Settings
    from granian.http import HTTP2Settings
    from granian.server.embed import Server as EmbeddedServer

    listener: socket.socket
    [listener] = config.listeners
    is_local = listener.family not in (socket.AF_INET, socket.AF_INET6)
    backlog = max(config.backlog, LEAST_BACKLOG)
    holder: t.Any = net.SocketHolder  # type: ignore[attr-defined]

    class Server(EmbeddedServer):
        def _init_shared_socket(self) -> None:
            self._shd: t.Any = holder(os.dup(listener.fileno()), is_local, backlog)

    server: t.Any = Server(
        calls,
        interface=Interfaces.ASGI,
        backlog=backlog,
        url_path_prefix=config.root_path or None,
        http1_settings=HTTP1Settings(
            header_read_timeout=int(config.keep_alive_timeout * 1000),
            max_buffer_size=config.h11_max_incomplete_size,
        ),
        http2_settings=HTTP2Settings(
            max_concurrent_streams=config.h2_max_concurrent_streams,
            max_headers_size=config.h2_max_header_list_size,
        ),
        # The app's logging stays as it is.
        log_dictconfig={"incremental": True, "root": {}, "handlers": {}, "loggers": {}},
        log_enabled=False,
        ssl_cert=Path(config.certfile) if config.certfile else None,
        ssl_key=Path(config.keyfile) if config.keyfile else None,
        ssl_ca=Path(config.ca_certs) if config.ca_certs else None,
        ssl_client_verify=config.ca_certs is not None,
    )
    serving = asyncio.ensure_future(server.serve())
    stopping = asyncio.ensure_future(triggered())
    await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    until = monotonic() + config.graceful_timeout
    # Those that can be told are, also where there is no grace.
    await calls.end_websockets(min(config.graceful_timeout, AND_A_BIT) + FAREWELL)
    server.stop()
    await asyncio.wait([serving], timeout=max(0.0, until - monotonic()))
    calls.cancel()
    try:
        async with asyncio.timeout(AND_A_BIT):
            await serving
    except FatalError as error:
        raise StartUpError(str(error)) from error
    except TimeoutError:
        pass
    await asyncio.sleep(FAREWELL)


#: By the names of their packages.
SERVERS: t.Mapping[str, Callable[[Calls, t.Any, Trigger], Awaitable[None]]] = {
    "hypercorn": serve_by_hypercorn,
    "uvicorn": serve_by_uvicorn,
    "granian": serve_by_granian,
}
