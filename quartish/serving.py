"""Serving an ASGI callable: what `app.run()` and the `run` command do.

Knows nothing of apps. The rules: the server is in the main thread, with or without the
reloader, so that signals and debuggers work as they do elsewhere; a signal or a changed
file lets running requests end, for a bounded time, and then the lifespan; the socket is
bound before anything else happens and stays bound across reloads, so that no client is
refused meanwhile.

Hypercorn and Werkzeug's reloader are imported by the functions that need them, so that an app
under another server, and a test, does without: PERF(40 ms): a quarter of `import quartish`.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import logging
import math
import os
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
import typing as t
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Iterable
from urllib.parse import urlsplit

import click
from werkzeug.serving import get_interface_ip
from werkzeug.serving import is_running_from_reloader
from werkzeug.serving import make_ssl_devcert

from ._access_log import AccessLog as AccessLog
from ._access_log import tell_access
from ._asgi_or_wsgi import check_served
from ._concurrency.coroutines import SERVER_STOPS
from ._concurrency.threads import keep
from ._loopback import warn_of_debug_mode
from ._servers import Calls
from ._servers import is_installed
from ._servers import serve_by_hypercorn
from ._servers import SERVERS
from ._servers import StartUpError
from ._werkzeug import reloader
from .logging import create_serving_logger
from .typing import ASGIApp
from .typing import Scope

if t.TYPE_CHECKING:
    from hypercorn.config import Config

SSLArgument = ssl.SSLContext | tuple[str, str | None] | t.Literal["adhoc"]

#: Exit status that asks the parent for a fresh process; Werkzeug's number.
RELOAD = 3
#: Seconds that a task may go on after the server has stopped and cancelled it.
LAST_CALL = 1.0
#: Seconds that a process about to be replaced may take, before it is ended hard.
RELOAD_PATIENCE = 5.0
#: What `run` sets of Hypercorn's bounds: seconds, bytes, or counts. A head may be longer than an
#: app lets pass by default, so that the app answers.
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
LISTENER = "WERKZEUG_SERVER_FD"
#: Options of Werkzeug's server that have no meaning here.
IGNORED = frozenset(
    {"passthrough_errors", "processes", "request_handler", "threaded", "use_debugger", "use_evalex"}
)


class ServerConfig:
    """What to serve by: what of Hypercorn's settings is set here, by their names, and a ready
    socket and `SSLContext`."""

    bind: list[str]
    ca_certs: str | None = None
    certfile: str | None = None
    keyfile: str | None = None
    graceful_timeout: float = 3.0
    logger_class: type[t.Any]
    accesslog: logging.Logger | None = None
    errorlog: logging.Logger | None = None
    listener: socket.socket | None = None
    #: Requests and websockets at the same time; None: any number.
    max_connections: int | None = None
    ssl_context: ssl.SSLContext | None = None
    #: Who serves: a name of `_servers.SERVERS`. Others than Hypercorn are at `listener`.
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
                if ours.listener is None:
                    return super().create_sockets()
                mine = [ours.listener]
                return Sockets(mine, [], []) if self.ssl_enabled else Sockets([], mine, [])

        return Ready.from_mapping(vars(self))


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
    if is_running_from_reloader():
        return
    if app_import_path is not None:
        click.echo(f" * Serving quartish app '{app_import_path}'")
    if debug is not None:
        click.echo(f" * Debug mode: {'on' if debug else 'off'}")


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
    triggered = stop_on_signals().wait if shutdown_trigger is None else shutdown_trigger
    most: int | None = getattr(config, "max_connections", None)
    if isinstance(config, ServerConfig):
        if config.server != "hypercorn":
            calls = Calls(app, most, config.tell)
            await SERVERS[config.server](calls, config, triggered)
            return
        config = config.to_hypercorn()
    await serve_by_hypercorn(Calls(app, most), copy.copy(config), triggered)


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGINT and SIGTERM set; a second SIGINT interrupts at once."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def on_signal(signum: int) -> None:
        stop.set()
        if signum == signal.SIGINT:
            loop.call_later(1, loop.remove_signal_handler, signum)  # one may come twice

    for signum in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(signum, on_signal, signum)
        except NotImplementedError:  # Windows
            signal.signal(signum, lambda *_: loop.call_soon_threadsafe(stop.set))
    return stop


def run(
    app: ASGIApp,
    host: str | None = None,
    port: int | None = None,
    *,
    server: str = "hypercorn",
    debug: bool = False,
    use_reloader: bool = False,
    ssl_context: SSLArgument | None = None,
    certfile: str | None = None,
    keyfile: str | None = None,
    ca_certs: str | None = None,
    extra_files: Iterable[str] | None = None,
    exclude_patterns: Iterable[str] | None = None,
    reloader_interval: float = 1,
    reloader_type: str = "auto",
    loop: asyncio.AbstractEventLoop | None = None,
    **ignored: t.Any,
) -> None:
    """Serve `app` until a signal stops it; outside the main thread, until the process ends.

    `server` is "hypercorn", or "uvicorn" or "granian" where that is installed.
    `loop` is the event loop to serve on, which is closed at the end.
    `host` may be `unix:/path`. `ssl_context` is a context, a pair of files, or "adhoc".
    With `use_reloader` the app runs in a child process, replaced when a source file
    changes, and this call ends in SystemExit. SystemExit with a message is raised where
    the address cannot be had or the app refuses to start. Raises TypeError for a WSGI app.

    *Flask:* the other options of Werkzeug's server mean nothing here and are let pass,
    but `static_files` is refused.
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
    reloaded = use_reloader and is_running_from_reloader()
    host, port = resolve_address(host, port)

    config = ServerConfig()
    vars(config).update(LIMITS, max_connections=MAX_CONNECTIONS)
    config.server = server
    config.logger_class = AccessLog
    config.accesslog = create_serving_logger()
    # Only for what goes wrong: where the server is, is said once, below.
    config.errorlog = config.accesslog.getChild("error")
    config.errorlog.setLevel("WARNING")
    config.graceful_timeout = 1.0 if debug else 3.0
    config.ca_certs = ca_certs

    with contextlib.ExitStack() as stack:
        if ssl_context == "adhoc":
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="quartish-"))
            ssl_context = make_ssl_devcert(os.path.join(folder, "adhoc"), host=host)
        config.set_certificate(ssl_context or (certfile, keyfile))
        if reloaded and LISTENER in os.environ:
            listener = socket.socket(fileno=int(os.environ[LISTENER]))
        else:
            listener = _listen(config, host, port)
        config.listener = stack.enter_context(listener)
        if debug and not reloaded:
            warn_of_debug_mode(listener)
        if use_reloader and not reloaded:
            sys.exit(_supervise(listener))

        watcher = None
        if use_reloader:
            watch = reloader(reloader_type)
            watcher = _Watcher(watch(extra_files, exclude_patterns, reloader_interval))
        with contextlib.suppress(KeyboardInterrupt):
            _serve_in_loop(app, config, watcher, debug, loop)
    if watcher is not None and watcher.changed:
        _leave_for_reload()


def _listen(config: ServerConfig, host: str, port: int) -> socket.socket:
    """Return a listening socket and say where it is, or raise SystemExit saying why not."""
    of_tcp = not host.startswith(("unix:", "fd:"))
    address = f"{host}:{port}" if of_tcp else host.replace("unix://", "unix:")
    config.bind = [address]
    try:
        if of_tcp:
            config.listener = _Binder(host.strip("[]"), port).socket
        bound = config.to_hypercorn()
        sockets = bound.create_sockets()
        [sock] = sockets.secure_sockets + sockets.insecure_sockets
        sock.listen(bound.backlog)
    except OSError as error:
        sys.exit(
            f"Cannot listen on {address}: {error.strerror or error}.\n"
            "Stop the program that holds this address, or choose another host or port."
        )
    for url in _urls(sock, "https" if config.ssl_enabled else "http"):
        click.echo(f" * Running on {url}")
    click.echo(" * Press CTRL+C to quit")
    return sock


class _Binder(socketserver.TCPServer):
    """Binds the socket as Werkzeug's server does, where tools look for the port that the system
    chose: Flask-Testing puts its own function in the place of `TCPServer.server_bind`."""

    allow_reuse_address = True

    def __init__(self, host: str, port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), socketserver.BaseRequestHandler, bind_and_activate=False)
        try:
            self.server_bind()
        except BaseException:
            self.socket.close()
            raise
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)


def _urls(sock: socket.socket, scheme: str) -> list[str]:
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return [f"unix:{sock.getsockname()}"]
    host, port = sock.getsockname()[:2]
    hosts = [host]
    if host in ("0.0.0.0", "::"):  # noqa: S104  every address: name one from inside, one from outside
        hosts = ["::1" if host == "::" else "127.0.0.1", get_interface_ip(sock.family)]
    return [f"{scheme}://{f'[{name}]' if ':' in name else name}:{port}" for name in hosts]


def _serve_in_loop(
    app: ASGIApp,
    config: ServerConfig,
    watcher: _Watcher | None,
    debug: bool,
    loop: asyncio.AbstractEventLoop | None,
) -> None:
    try:
        given = None if loop is None else lambda: loop
        with asyncio.Runner(debug=debug, loop_factory=given) as runner:
            runner.run(_serve_until_stopped(app, config, watcher))
    except StartUpError as error:
        if watcher is None:
            sys.exit(f"Error: {error}")
        click.echo(f"Error: {error}\nWaiting for a file to change.", err=True)
        watcher.join()


async def _serve_until_stopped(
    app: ASGIApp, config: ServerConfig, watcher: _Watcher | None
) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_log_lost_exception)
    loop.slow_callback_duration = math.inf  # in debug mode; views that block are named elsewhere
    in_main_thread = threading.current_thread() is threading.main_thread()
    stop = stop_on_signals() if in_main_thread else asyncio.Event()
    if watcher is not None:
        watcher.stop_server = lambda: loop.call_soon_threadsafe(stop.set)
        watcher.start()
    try:
        await serve(app, config, stop.wait)
    finally:
        await _end_tasks(config.errorlog)


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


# --- Reloading ----------------------------------------------------------------------------


def _supervise(listener: socket.socket) -> int:
    """Run this program in a child process, anew each time it asks; return its exit status."""
    listener.set_inheritable(True)
    env = {**os.environ, "WERKZEUG_RUN_MAIN": "true", LISTENER: str(listener.fileno())}
    child: subprocess.Popen[bytes] | None = None
    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True
        if child is not None:
            child.terminate()  # by SIGTERM in any case: a terminal sends it SIGINT itself

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    while True:
        command = [sys.executable, *sys.orig_argv[1:]]
        child = subprocess.Popen(command, env=env, close_fds=False)  # noqa: S603 (this one again)
        if stopped:  # between two children
            child.terminate()
        status = child.wait()
        if status != RELOAD:
            if status < 0:  # ended by a signal, after a stop perhaps by one too many
                return 0 if stopped else 128 - status
            return status
        click.echo(" * Restarting")


class _Watcher(threading.Thread):
    """Watches files until one changes, then stops the server."""

    def __init__(self, reloader: t.Any) -> None:
        super().__init__(name="quartish-reloader", daemon=True)
        self.reloader = reloader
        self.changed = False
        self._open = contextlib.ExitStack()
        self.stop_server: Callable[[], object] = lambda: None

    def start(self) -> None:
        """Look at the files once, here and now, so that no change from now on is missed."""
        self._open.enter_context(self.reloader)
        super().start()

    def run(self) -> None:
        try:
            self.reloader.run()
        except SystemExit:  # how the reloader says that a file changed
            self.changed = True
        finally:
            self._open.close()
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            self.stop_server()


def _leave_for_reload() -> t.NoReturn:
    # A view that blocks its worker thread would keep the interpreter from ending.
    impatience = threading.Timer(RELOAD_PATIENCE, os._exit, [RELOAD])
    impatience.daemon = True
    impatience.start()
    sys.exit(RELOAD)
