"""The `run` command: a server for development, and for small sites.

The rule: a process that runs others (the reloader, several workers) loads no app, so that no error
of the app ends it.
"""

from __future__ import annotations

import os
import sys
import typing as t

import click

from .._servers import SERVERS
from .._serving.pages import code_of
from .._serving.pages import pages_of
from .._serving.reloaded import failure_of
from .._serving.reloaded import is_child
from .._serving.reloaded import PARENT
from ..helpers import get_debug_flag
from ..serving import run
from ..serving import show_server_banner
from ..serving import SSLArgument
from ..typing import ASGIApp
from ..typing import ASGIReceive
from ..typing import ASGISend
from ..typing import Scope
from .find_app import NoAppException
from .find_app import NotThere
from .find_app import pass_script_info
from .find_app import ScriptInfo
from .options import _debug_option
from .options import _validate_key
from .options import CertParamType
from .options import host_option
from .options import Option
from .options import port_option
from .options import reload_option
from .options import SeparatedPathType
from .options import tracebacks_option


@click.command(
    "run", short_help="Run a development server.", params=[_debug_option, tracebacks_option]
)
@host_option
@port_option
@click.option(
    "--cert",
    "--certfile",
    type=CertParamType(),
    is_eager=True,
    help="A certificate file to use HTTPS, 'adhoc', or the import name of an SSLContext.",
    cls=Option,
)
@click.option(
    "--key",
    "--keyfile",
    type=click.Path(exists=True, dir_okay=False, resolve_path=True),
    callback=_validate_key,
    expose_value=False,
    help="The key file of the certificate file.",
    cls=Option,
)
@reload_option
@click.option(
    "--server",
    type=click.Choice(list(SERVERS)),
    default="hypercorn",
    help="The server; one that is not installed is an error.",
    cls=Option,
)
@click.option(
    "--debugger/--no-debugger",
    default=None,
    help="Show errors in the browser. By default so in debug mode.",
    cls=Option,
)
@click.option(
    "--with-threads/--without-threads",
    default=True,
    help="Accepted for Flask's sake; sync views always run in threads.",
    cls=Option,
)
@click.option(
    "--extra-files",
    type=SeparatedPathType(),
    help=f"More files to watch for changes, separated by {os.path.pathsep!r}.",
    cls=Option,
)
@click.option(
    "--exclude-patterns",
    type=SeparatedPathType(),
    help=f"Files to leave unwatched: fnmatch patterns, separated by {os.path.pathsep!r}.",
    cls=Option,
)
@click.option(
    "--live-reload/--no-live-reload",
    default=False,
    help="Reload open pages after a change: in debug mode, on this machine.",
    cls=Option,
)
@click.option(
    "--bind",
    "-b",
    multiple=True,
    metavar="ADDRESS",
    help=(
        "An address in place of --host and --port: host:port, unix:PATH or fd://NUMBER. May be"
        " given several times."
    ),
    cls=Option,
)
@click.option(
    "--workers",
    "-w",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="The number of processes. With more than one, nothing is reloaded.",
    cls=Option,
)
@click.option(
    "--root-path", default="", metavar="PATH", help="Where a proxy has the app.", cls=Option
)
@pass_script_info
def run_command(
    info: ScriptInfo,
    host: str,
    port: int,
    reload: bool | None,
    server: str,
    debugger: bool | None,
    with_threads: bool,
    cert: SSLArgument | None,
    extra_files: list[str] | None,
    exclude_patterns: list[str] | None,
    live_reload: bool,
    bind: tuple[str, ...],
    workers: int,
    root_path: str,
) -> None:
    """Run a local development server, which speaks HTTP/1.1, HTTP/2 and websockets.

    Debug mode ('--debug') turns on the reloader and the debugger. For production start
    an ASGI server such as Hypercorn yourself.
    """
    debug = get_debug_flag()
    if debugger is None:
        debugger = debug
    if reload is None:
        reload = debug and workers == 1
    if reload and workers > 1:
        raise click.UsageError("--workers and --reload exclude each other.")
    show_server_banner(debug, info.app_import_path)
    app: ASGIApp = in_a_child
    pages: list[str] = []
    if is_child() or not (reload or workers > 1):
        loaded = load_app(info)
        if debug and not debugger:
            loaded.config["DEBUGGER"] = False
        app, pages = loaded, pages_of(loaded)
        extra_files = [*(extra_files or ()), *code_of(loaded)]
    run(
        app,
        host,
        port,
        server=server,
        debug=debug,
        use_reloader=reload,
        use_debugger=debugger,
        live_reload=live_reload,
        ssl_context=cert,
        bind=bind,
        workers=workers,
        root_path=root_path,
        extra_files=extra_files,
        exclude_patterns=exclude_patterns,
        pages=pages,
    )


async def in_a_child(scope: Scope, receive: ASGIReceive, send: ASGISend) -> None:
    """Stand in for the app, which runs in a child process."""


def load_app(info: ScriptInfo) -> t.Any:
    """Return the app. Where it does not load, the process that runs this one is told why."""
    try:
        return info.load_app()
    except Exception as error:
        if (
            PARENT is None
            or not PARENT.reloads
            or (PARENT.is_first and isinstance(error, NotThere))
        ):
            raise  # a misspelt name does not change with a file
        if isinstance(error, NoAppException) and isinstance(error.__context__, ImportError):
            error = error.__context__
        PARENT.fail(error)
        click.echo(failure_of(error)["text"], err=True)
        sys.exit(1)
