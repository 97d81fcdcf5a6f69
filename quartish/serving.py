"""Serving an ASGI callable: what `app.run()` and the `run` command do.

Knows nothing of apps. The rules: the server is in the main thread, with or without the
reloader, so that signals and debuggers work as they do elsewhere; a signal lets running requests
end, for a bounded time, and then the lifespan, or ends them at once where there is a reloader; the
sockets are bound before anything else happens and stay bound across reloads, so that no client is
refused meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import logging
import math
import os
import secrets
import socket
import ssl
import sys
import tempfile
import threading
import typing as t
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Iterable
from urllib.parse import urlsplit

import click
from werkzeug.serving import is_running_from_reloader
from werkzeug.serving import make_ssl_devcert

from ._access_log import AccessLog as AccessLog
from ._asgi_or_wsgi import check_served
from ._concurrency.giving_up import keep
from ._concurrency.watch import SERVER_STOPS
from ._loopback import is_loopback
from ._loopback import warn_of_debug_mode
from ._servers import Interrupted
from ._servers import is_installed
from ._servers import SERVERS
from ._servers import StartUpError
from ._serving.listen import addresses
from ._serving.listen import listen
from ._serving.live import BROKEN
from ._serving.live import Broken
from ._serving.live import LiveReload
from ._serving.parent import RELOAD as RELOAD
from ._serving.parent import Reloader
from ._serving.parent import run_workers
from ._serving.reloaded import Failure
from ._serving.reloaded import failure_for
from ._serving.reloaded import is_child
from ._serving.reloaded import PARENT
from ._serving.reloaded import Parent
from ._serving.server import serve as serve
from ._serving.server import ServerConfig as ServerConfig
from ._serving.signals import stop_on_signals as stop_on_signals
from ._serving.watch import of_program
from .logging import create_serving_logger
from .typing import ASGIApp
from .typing import ASGIReceive
from .typing import ASGISend
from .typing import Message
from .typing import Scope

SSLArgument = ssl.SSLContext | tuple[str, str | None] | t.Literal["adhoc"]

#: Seconds that a task may go on after the server has stopped and cancelled it.
LAST_CALL = 1.0
#: What `run` sets of Hypercorn's bounds: seconds, bytes, or counts. A head may be longer than an
#: app accepts by default, so that the app makes the response.
LIMITS: t.Mapping[str, float] = {
    "keep_alive_timeout": 5,  # for a head to arrive, too
    "keep_alive_max_requests": 1000,
    "ssl_handshake_timeout": 10,
    "h11_max_incomplete_size": 64 * 1024,
    "h2_max_header_list_size": 64 * 1024,
    "h2_max_concurrent_streams": 100,
    "websocket_max_message_size": 16 * 1024 * 1024,
    "backlog": 100,
}
#: Requests and websockets that `run` lets an app have at the same time.
MAX_CONNECTIONS = 16_384
#: Connections that wait while a process is replaced.
RELOAD_BACKLOG = 1024
#: Options of Werkzeug's server that have no meaning here.
IGNORED = frozenset(
    {"passthrough_errors", "processes", "request_handler", "threaded", "use_debugger", "use_evalex"}
)


def resolve_address(
    host: str | None, port: int | None, server_name: str | None = None
) -> tuple[str, int]:
    """Return where to listen: what is given, else what `SERVER_NAME` says, else
    127.0.0.1:5000. Port 0 lets the system choose."""
    named = urlsplit(f"//{server_name or ''}")
    if port is None:
        port = 5000 if named.port is None else named.port
    return host or named.hostname or "127.0.0.1", int(port)


def show_server_banner(debug: bool | None, app_import_path: str | None) -> None:
    """Say what is served, once: not again after a reload."""
    if is_running_from_reloader() or is_child():
        return
    if app_import_path is not None:
        click.echo(f" * Serving quartish app '{app_import_path}'")
    if debug is not None:
        click.echo(f" * Debug mode: {'on' if debug else 'off'}")


def run(
    app: ASGIApp,
    host: str | None = None,
    port: int | None = None,
    *,
    server: str = "hypercorn",
    debug: bool = False,
    use_reloader: bool = False,
    live_reload: bool = False,
    ssl_context: SSLArgument | None = None,
    certfile: str | None = None,
    keyfile: str | None = None,
    ca_certs: str | None = None,
    bind: Iterable[str] = (),
    root_path: str = "",
    workers: int = 1,
    extra_files: Iterable[str] | None = None,
    exclude_patterns: Iterable[str] | None = None,
    pages: Iterable[str] = (),
    reloader_interval: float = 0.25,
    reloader_type: str = "auto",
    loop: asyncio.AbstractEventLoop | None = None,
    **ignored: t.Any,
) -> None:
    """Serve `app` until a signal stops it; outside the main thread, until the process ends.

    `server` is "hypercorn", or "uvicorn" or "granian" where that is installed.
    `bind` are addresses to listen on in place of `host` and `port`: `host:port`, `unix:/path`
    (as `host` may be, too) or `fd://number`. `root_path` is the path that a proxy serves the app
    at. `loop` is the event loop to serve on, which is closed at the end. `ssl_context` is a
    context, a pair of files, or "adhoc".

    With `use_reloader` the app runs in a child process, replaced when a source file
    changes, and this call ends in SystemExit; so it does with more than one of `workers`.
    `pages` are folders or files that the app reads anew by itself, such as templates. Files are
    looked at every `reloader_interval` seconds, and when `watchfiles` reports a change, unless
    `reloader_type` is "stat". With `live_reload`, in debug mode and on this machine only, open
    pages are reloaded after a change.

    Raises:
        SystemExit: The address is not available, or the app refuses to start.
        TypeError: `app` is a WSGI app, or there is no such option.
        ValueError: The options do not fit together: workers are not reloaded.

    Flask:
        The other options of Werkzeug's server have no meaning here, and are ignored; `static_files`
        is refused.
    """
    check_served(app)
    unknown = ignored.keys() - IGNORED
    if unknown:
        raise TypeError(f"run() has no option {', '.join(map(repr, sorted(unknown)))}.")
    if server not in SERVERS:
        raise ValueError(f"{server!r} is no server; there are {', '.join(SERVERS)}.")
    if not is_installed(server):
        sys.exit(
            f"{server} is not installed. Install it (pip install {server}), or run without it."
        )
    if server == "granian" and isinstance(ssl_context, ssl.SSLContext):
        raise ValueError("granian wants a certificate's files, not an SSLContext.")
    if server == "granian" and len(bind := [*bind]) > 1:
        raise ValueError("granian serves at one address.")
    if workers > 1 and use_reloader:
        raise ValueError("Workers are not reloaded: leave out one of the two.")
    parent = PARENT if PARENT is not None and PARENT.reloads == use_reloader else None
    host, port = resolve_address(host, port)

    config = ServerConfig()
    vars(config).update(LIMITS, max_connections=MAX_CONNECTIONS)
    config.server = server
    config.logger_class = AccessLog
    config.accesslog = create_serving_logger()
    # Only warnings and errors: the addresses are printed once, below.
    config.errorlog = config.accesslog.getChild("error")
    config.errorlog.setLevel("WARNING")
    config.graceful_timeout = 1.0 if debug else 3.0
    config.websockets_wait = not use_reloader
    if use_reloader:
        vars(config).update(backlog=RELOAD_BACKLOG)
    config.ca_certs = ca_certs
    config.root_path = root_path

    with contextlib.ExitStack() as stack:
        adhoc = None
        if ssl_context == "adhoc":
            if parent is None or parent.adhoc is None:
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="quartish-"))
                adhoc = make_ssl_devcert(os.path.join(folder, "adhoc"), host=host)
            else:
                adhoc = parent.adhoc
            ssl_context = adhoc
        config.set_certificate(ssl_context or (certfile, keyfile))
        if parent is not None:
            listeners = parent.listen()
        else:
            scheme = "https" if config.ssl_enabled else "http"
            wanted = addresses(host, port, [*bind])
            listeners = listen(wanted, vars(config)["backlog"], scheme)
        for listener in listeners:
            stack.enter_context(listener)
            if debug and parent is None:
                warn_of_debug_mode(listener)
        config.listeners = listeners

        def watch() -> t.Any:
            return of_program(extra_files or (), exclude_patterns or (), pages)

        if use_reloader and parent is None:
            details = debug and ignored.get("use_debugger") is not False
            show = _Show(config, details).show
            with asyncio.Runner() as runner:
                reloader = Reloader(
                    listeners, adhoc, watch(), reloader_interval, reloader_type, show
                )
                sys.exit(runner.run(reloader.run()))
        if workers > 1 and parent is None:
            with asyncio.Runner() as runner:
                sys.exit(runner.run(run_workers(listeners, adhoc, workers)))

        live = None
        if live_reload and debug:
            if all(map(_is_local, listeners)):
                app = live = LiveReload(app, secrets.token_hex(4))
            elif parent is None or parent.is_first:
                click.echo(" * Pages are not reloaded: other machines see them.", err=True)
        if parent is not None and use_reloader:
            parent.keep_telling(watch)
        with contextlib.suppress(KeyboardInterrupt):
            _serve_in_loop(app, config, parent, debug, loop, live)
    if config.is_followed:  # else the code after this call would run at each reload
        sys.exit(RELOAD)


def _is_local(listener: socket.socket) -> bool:
    of_ip = listener.family in (socket.AF_INET, socket.AF_INET6)
    return not of_ip or is_loopback(listener.getsockname()[0])


class _Show:
    """Serves the reason why the app does not run, in its place."""

    def __init__(self, config: ServerConfig, details: bool) -> None:
        self._config = config
        self._details = details
        self._listeners = config.listeners

    async def show(self, failure: Failure, over: Callable[[], Awaitable[object]]) -> None:
        """Serve a failure until `over()` returns; its details only where there is a debugger."""
        config = copy.copy(self._config)
        # The server closes the sockets that it serves on; those of others stay open.
        config.listeners = [sock.dup() for sock in self._listeners]
        config.is_followed = True
        config.server = "hypercorn"
        if not self._details:
            failure = failure_for("The app did not load.")
        version = f"{BROKEN}{secrets.token_hex(4)}"
        await serve(LiveReload(Broken(failure), version), config, over)


def _serve_in_loop(
    app: ASGIApp,
    config: ServerConfig,
    parent: Parent | None,
    debug: bool,
    loop: asyncio.AbstractEventLoop | None,
    live: LiveReload | None,
) -> None:
    try:
        given = None if loop is None else lambda: loop
        with asyncio.Runner(debug=debug, loop_factory=given) as runner:
            serving: list[asyncio.Task[None]] = []

            async def main() -> None:
                serving.append(t.cast("asyncio.Task[None]", asyncio.current_task()))
                await _serve_until_stopped(app, config, parent, live)

            try:
                runner.run(main())
            except Interrupted:  # in another task: this one still ends in order
                runner.get_loop().run_until_complete(serving[0])
    except StartUpError as error:
        if parent is not None:
            parent.fail_for(f"Error: {error}")
        sys.exit(f"Error: {error}")


async def _serve_until_stopped(
    app: ASGIApp, config: ServerConfig, parent: Parent | None, live: LiveReload | None
) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_log_lost_exception)
    loop.slow_callback_duration = math.inf  # in debug mode; views that block are named elsewhere
    at_once = parent is not None and parent.reloads

    def told() -> None:
        if at_once:
            config.graceful_timeout = 0.0

    in_main_thread = threading.current_thread() is threading.main_thread()
    stop = (
        stop_on_signals(told, lambda: 0.0 if at_once else config.graceful_timeout, config.errorlog)
        if in_main_thread
        else asyncio.Event()
    )
    if parent is not None:
        _obey(parent, config, stop, live, told)
        app = _Telling(app, parent)
    try:
        await serve(app, config, stop.wait)
    finally:
        await _end_tasks(config.errorlog)


def _obey(
    parent: Parent,
    config: ServerConfig,
    stop: asyncio.Event,
    live: LiveReload | None,
    told: Callable[[], None],
) -> None:
    """Do what the parent asks for, on this loop."""
    loop = asyncio.get_running_loop()

    def leave() -> None:
        config.is_followed = True
        stop.set()

    def parent_ended() -> None:
        told()
        stop.set()

    def change() -> None:
        if live is not None:
            live.change(secrets.token_hex(4))

    def from_thread(func: Callable[[], None]) -> Callable[[], None]:
        def call() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                loop.call_soon_threadsafe(func)

        return call

    commands = {"leave": leave, "ended": parent_ended, "pages": change}
    parent.listen_to({name: from_thread(func) for name, func in commands.items()})


class _Telling:
    """Tells the parent when an app has started."""

    def __init__(self, app: ASGIApp, parent: Parent) -> None:
        self.app = app
        self.parent = parent

    async def __call__(self, scope: Scope, receive: ASGIReceive, send: ASGISend) -> None:
        if scope["type"] != "lifespan":
            return await self.app(scope, receive, send)

        has_lifespan = False

        async def tell(message: Message) -> None:
            nonlocal has_lifespan
            has_lifespan = True
            if message["type"] == "lifespan.startup.complete":
                self.parent.tell(up=True)
            await send(message)

        try:
            await self.app(scope, receive, tell)
        finally:
            if not has_lifespan:  # it is served nevertheless
                self.parent.tell(up=True)


async def _end_tasks(log: logging.Logger | None) -> None:
    """Cancel the tasks that are left, and let the loop be closed though some of them catch that."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel(SERVER_STOPS)
    if left:
        _, stubborn = await asyncio.wait(left, timeout=LAST_CALL)
        for task in stubborn:
            if log is not None:
                log.error("%r was given up: it catches every cancellation", task)
            # What closes the loop waits for each that is registered.
            asyncio.tasks._unregister_task(task)  # noqa: SLF001 (documented)
        keep(stubborn)


def _log_lost_exception(loop: asyncio.AbstractEventLoop, context: dict[str, t.Any]) -> None:
    # Nothing is lost by a failed handshake, or by a connection that is cut off at the end.
    if not isinstance(context.get("exception"), (ssl.SSLError, asyncio.CancelledError)):
        loop.default_exception_handler(context)
