"""One server in this process: its settings, and an ASGI callable served until it is to stop.

The rule: whoever stops the server decides how long running requests may go on. Websockets, which do
not end by themselves, and new connections may be excluded from that.

Hypercorn is imported by the functions that need it, so that tests, and apps under another server,
do not load it: PERF(40 ms): a quarter of `import quartish`.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import socket
import ssl
import typing as t
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Sequence
from functools import partial

from .._access_log import tell_access
from .._asgi_or_wsgi import check_served
from .._servers import Calls
from .._servers import serve_by_hypercorn
from .._servers import SERVERS
from .._servers import StartUpError
from ..typing import ASGIApp
from ..typing import Scope
from .signals import stop_on_signals

if t.TYPE_CHECKING:
    from hypercorn.config import Config

#: Seconds in which the last connections that were accepted say what they want.
LAST_ASKED = 0.1


class ServerConfig:
    """The settings of a server: those of Hypercorn's that are set here, by their names, and sockets
    and an `SSLContext` that exist already."""

    bind: list[str]
    ca_certs: str | None = None
    certfile: str | None = None
    keyfile: str | None = None
    #: Seconds that requests may go on. It is read when the server is to stop.
    graceful_timeout: float = 3.0
    logger_class: type[t.Any]
    accesslog: logging.Logger | None = None
    errorlog: logging.Logger | None = None
    root_path: str = ""
    #: Where `bind` names nothing that is not bound yet.
    listeners: Sequence[socket.socket] = ()
    #: Requests and websockets at the same time; None: any number.
    max_connections: int | None = None
    ssl_context: ssl.SSLContext | None = None
    #: Whether websockets, too, have `graceful_timeout` seconds.
    websockets_wait: bool = True
    #: Whether another process goes on accepting: then connections that were accepted here are
    #: served.
    is_followed: bool = False
    #: Who serves: a name of `_servers.SERVERS`. Others than Hypercorn are at `listeners`.
    server: str = "hypercorn"

    def tell(self, scope: Scope, status: int | None, seconds: float) -> None:
        """Write a line about a request into the log, where there is one."""
        if self.accesslog is not None:
            tell_access(self.accesslog, scope, status, seconds)

    @property
    def ssl_enabled(self) -> bool:
        return self.ssl_context is not None or None not in (self.certfile, self.keyfile)

    def set_certificate(self, certificate: ssl.SSLContext | tuple[str | None, str | None]) -> None:
        """Serve by TLS: with a context, or a certificate file and its key file, which may
        be one; (None, None) is for none."""
        if isinstance(certificate, ssl.SSLContext):
            self.ssl_context = certificate
        else:
            self.certfile, keyfile = certificate
            self.keyfile = keyfile or self.certfile

    def to_hypercorn(self) -> Config:
        """Return Hypercorn's own configuration."""
        from hypercorn.config import Config
        from hypercorn.config import Sockets

        ours = self

        class Ready(Config):
            @property
            def ssl_enabled(self) -> bool:
                return ours.ssl_enabled

            def create_ssl_context(self) -> ssl.SSLContext | None:
                return ours.ssl_context or super().create_ssl_context()

            def create_sockets(self) -> Sockets:
                mine = list(ours.listeners)
                if not mine:
                    return super().create_sockets()
                return Sockets(mine, [], []) if self.ssl_enabled else Sockets([], mine, [])

        return Ready.from_mapping(vars(self))


async def serve(
    app: ASGIApp,
    config: Config | ServerConfig,
    shutdown_trigger: Callable[[], Awaitable[object]] | None = None,
) -> None:
    """Serve `app` until `shutdown_trigger()` returns, by default until SIGINT or SIGTERM.

    Then requests have `config.graceful_timeout` seconds to end and are cancelled. Without
    a trigger this must run in the main thread. Raises TypeError for a WSGI app.
    """
    check_served(app)
    triggered = shutdown_trigger
    if triggered is None:
        triggered = stop_on_signals(grace=lambda: config.graceful_timeout).wait
    if not isinstance(config, ServerConfig):
        calls = Calls(app, getattr(config, "max_connections", None))
        await serve_by_hypercorn(calls, copy.copy(config), triggered)
        return
    by_hypercorn = config.server == "hypercorn"
    calls = Calls(app, config.max_connections, None if by_hypercorn else config.tell)
    theirs = config.to_hypercorn() if by_hypercorn else config
    # Beside the server, which looks whether it is to stop when it has started.
    trigger = asyncio.ensure_future(triggered())
    trigger.add_done_callback(partial(_count_down, calls, config))

    async def stopped() -> None:
        await asyncio.shield(trigger)
        theirs.graceful_timeout = config.graceful_timeout
        if config.is_followed:
            await _serve_last(config, theirs)
        if not config.websockets_wait:  # at once: their clients can connect to another server
            calls.cancel("websocket")

    try:
        await SERVERS[config.server](calls, theirs, stopped)
    except StartUpError:
        if not calls.gave_up:
            raise
    finally:
        trigger.cancel()


def _count_down(calls: Calls, config: ServerConfig, trigger: asyncio.Future[t.Any]) -> None:
    """Give a start-up the grace to end, once the server is to stop."""

    def give_up() -> None:
        if calls.give_start_up() and config.errorlog is not None:
            config.errorlog.warning(
                "The start-up was cancelled: it went on for %s seconds after the server was to stop"
                " (graceful_timeout)",
                grace,
            )

    if not trigger.cancelled():
        grace = config.graceful_timeout
        trigger.get_loop().call_later(grace, give_up)


async def _serve_last(ours: ServerConfig, theirs: t.Any) -> None:
    """Accept nothing more, serve the connections that were accepted, and close them after that:
    Hypercorn itself would close those whose request it has not read yet."""
    loop = asyncio.get_running_loop()
    for sock in ours.listeners:
        loop.remove_reader(sock)
    theirs.keep_alive_max_requests = 0  # by which it says `Connection: close`, or GOAWAY
    await asyncio.sleep(LAST_ASKED)
