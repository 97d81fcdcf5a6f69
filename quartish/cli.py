"""The `quartish` command: `run`, `shell`, `routes`, and what apps and plugins add.

The rule: an app that fails to load never keeps the command line from saying what it can do.
"""

from __future__ import annotations

import importlib.metadata
import os
import sys
import traceback
import typing as t

import click

from ._cli.commands import AppGroup as AppGroup
from ._cli.commands import push_app
from ._cli.commands import with_appcontext as with_appcontext
from ._cli.digest import digest_command
from ._cli.find_app import _called_with_wrong_args as _called_with_wrong_args
from ._cli.find_app import find_app_by_string as find_app_by_string
from ._cli.find_app import find_best_app as find_best_app
from ._cli.find_app import load_dotenv as load_dotenv
from ._cli.find_app import locate_app as locate_app
from ._cli.find_app import NoAppException as NoAppException
from ._cli.find_app import NotThere
from ._cli.find_app import prepare_import as prepare_import
from ._cli.find_app import ScriptInfo as ScriptInfo
from ._cli.new import new_command
from ._cli.openapi import openapi_command
from ._cli.options import _app_option
from ._cli.options import _debug_option
from ._cli.options import _env_file_option
from ._cli.options import _validate_key
from ._cli.options import CertParamType as CertParamType
from ._cli.options import get_version as get_version
from ._cli.options import Option
from ._cli.options import SeparatedPathType as SeparatedPathType
from ._cli.options import tracebacks_option
from ._cli.options import version_option as version_option
from ._cli.routes import routes_command as routes_command
from ._cli.shell import shell_command as shell_command
from ._current import current_app
from ._names import serve
from ._port.command import port_command
from ._port.running import check_views
from ._servers import SERVERS
from ._serving.pages import code_of
from ._serving.pages import pages_of
from ._serving.reloaded import failure_of
from ._serving.reloaded import is_child
from ._serving.reloaded import PARENT
from .helpers import get_debug_flag
from .production import check_production
from .sansio.app import Core
from .serving import run
from .serving import show_server_banner as show_server_banner
from .serving import SSLArgument
from .typing import ASGIApp
from .typing import ASGIReceive
from .typing import ASGISend
from .typing import CommandApp
from .typing import Scope

R = t.TypeVar("R")
P = t.ParamSpec("P")

_pass_script_info = click.make_pass_decorator(ScriptInfo, ensure=True)


def pass_script_info(f: t.Callable[t.Concatenate[ScriptInfo, P], R]) -> t.Callable[P, R]:
    """Give the command `f` the `ScriptInfo` of this run as its first argument."""
    return _pass_script_info(f)


class FlaskGroup(AppGroup):
    """A command group that finds an app, and has the commands of that app and of plugins.

    `create_app` makes the app, without arguments, in place of `--app`. `load_dotenv` and
    `set_debug_flag` say whether default dotenv files are read, and whether the app's debug
    flag is set from the environment.
    """

    #: The class of what is known of the app.
    script_info_class: type[ScriptInfo] = ScriptInfo

    def __init__(
        self,
        add_default_commands: bool = True,
        create_app: t.Callable[..., Core] | None = None,
        add_version_option: bool = True,
        load_dotenv: bool = True,
        set_debug_flag: bool = True,
        **extra: t.Any,
    ) -> None:
        params = [*(extra.pop("params", None) or ()), _env_file_option, _app_option, _debug_option]
        if add_version_option:
            params.append(version_option)
        settings = {"auto_envvar_prefix": "FLASK"} | (extra.pop("context_settings", None) or {})
        super().__init__(params=params, context_settings=settings, **extra)
        self.create_app = create_app
        self.load_dotenv = load_dotenv
        self.set_debug_flag = set_debug_flag
        if add_default_commands:
            for command in (run_command, shell_command, routes_command):
                self.add_command(command)
        #: Commands that Flask does not have: an app's own of that name goes before.
        self._own = {"check": check_command} if add_default_commands else {}
        self._loaded_plugins: set[str] = set()

    def _load_plugin_commands(self) -> None:
        # Plugins for Flask import flask: they wait until that word means quartish.
        for name in ("quartish", "flask", "quart"):
            meant = getattr(sys.modules.get(name), "__name__", "")
            if name in self._loaded_plugins or meant.partition(".")[0] != "quartish":
                continue
            self._loaded_plugins.add(name)
            for entry in importlib.metadata.entry_points(group=f"{name}.commands"):
                self.add_command(entry.load(), entry.name)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Return the command: ours, a plugin's, or else the app's."""
        self._load_plugin_commands()
        command = super().get_command(ctx, name)
        if command is not None:
            return command
        own = self._own.get(name)
        try:
            app = ctx.ensure_object(ScriptInfo).load_app()
        except NoAppException as error:
            if own is None:  # else it says so itself
                _show_error(error)
            return own
        except Exception:
            if own is None:
                raise
            return own
        self._load_plugin_commands()
        return super().get_command(ctx, name) or app.cli.get_command(ctx, name) or own

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is about to run; if it is the app's, make the app current.

        *Flask:* does so in `get_command`, for the sake of help texts too.
        """
        name, command, rest = super().resolve_command(ctx, args)
        known = (*self.commands.values(), *self._own.values())
        if command is not None and command not in known:
            push_app(ctx, t.cast(CommandApp, ctx.ensure_object(ScriptInfo).load_app()))
        return name, command, rest

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands; where the app fails to load, say so and go on."""
        names: set[str] = set()
        try:
            names.update(ctx.ensure_object(ScriptInfo).load_app().cli.list_commands(ctx))
        except Exception as error:
            _show_error(error)
        self._load_plugin_commands()
        return sorted(names.union(super().list_commands(ctx), self._own))

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: t.Any,
    ) -> click.Context:
        if os.environ.get("NO_COLOR"):
            extra.setdefault("color", False)
        # For `app.run()` in a module without a guard, which would serve while it is imported.
        os.environ["FLASK_RUN_FROM_CLI"] = "true"
        if "obj" not in extra and "obj" not in self.context_settings:
            extra["obj"] = self.script_info_class(
                create_app=self.create_app,
                set_debug_flag=self.set_debug_flag,
                load_dotenv_defaults=self.load_dotenv,
            )
        return super().make_context(info_name, args, parent=parent, **extra)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, having read the environment even where click would show help at once."""
        alone = args[0] if len(args) == 1 else None
        if (not args and self.no_args_is_help) or alone in self.get_help_option_names(ctx):
            _env_file_option.handle_parse_result(ctx, {}, [])
            _app_option.handle_parse_result(ctx, {}, [])
        return super().parse_args(ctx, args)


def _show_error(error: Exception) -> None:
    if isinstance(error, NoAppException):
        text = f"Error: {error.format_message()}"
    else:
        text = "".join(traceback.format_exception(error))
    click.secho(f"{text}\n", err=True, fg="red")


QuartGroup = QuartishGroup = FlaskGroup


# --- run --------------------------------------------------------------------------------------


@click.command(
    "run", short_help="Run a development server.", params=[_debug_option, tracebacks_option]
)
@click.option("--host", "-h", default="127.0.0.1", help="The interface to bind to.", cls=Option)
@click.option("--port", "-p", default=5000, help="The port to bind to.", cls=Option)
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
@click.option(
    "--reload/--no-reload",
    default=None,
    help="Restart when a file changes. By default so in debug mode.",
    cls=Option,
)
@click.option(
    "--server",
    type=click.Choice(list(SERVERS)),
    default="hypercorn",
    help="Who serves; what is not installed is said.",
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
    app: ASGIApp = _in_a_child
    pages: list[str] = []
    # Who runs others loads nothing, so that nothing that is wrong with the app ends it.
    if is_child() or not (reload or workers > 1):
        loaded = _load(info)
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


async def _in_a_child(scope: Scope, receive: ASGIReceive, send: ASGISend) -> None:
    """Stand for the app where another process has it."""


def _load(info: ScriptInfo) -> t.Any:
    """Return the app. Where it does not load, the process that runs this one is told why."""
    try:
        return info.load_app()
    except Exception as error:
        if (
            PARENT is None
            or not PARENT.reloads
            or (PARENT.is_first and isinstance(error, NotThere))
        ):
            raise  # a name that is misspelt is no file that may change
        if isinstance(error, NoAppException) and isinstance(error.__context__, ImportError):
            error = error.__context__
        PARENT.fail(error)
        click.echo(failure_of(error)["text"], err=True)
        sys.exit(1)


# --- check -----------------------------------------------------------------------------------


@click.command("check", short_help="Show what production wants of the app.")
@click.option("--skip", multiple=True, help="A setting to say nothing about.", cls=Option)
@with_appcontext
def check_command(skip: tuple[str, ...]) -> None:
    """Show what the app's configuration has, and production does not want; and what its
    'async def' views call that holds the event loop.

    Ends with status 1 where there is something. Each is explained in docs/production.md.
    """
    app = current_app()
    every = [*check_production(app), *check_views(t.cast(Core, app))]
    found = [finding for finding in every if finding.name not in skip]
    for finding in found:
        click.echo(f"{finding.name}: {finding.says}.\n    Cure: {finding.cure}.")
    if found:
        click.echo(f"{len(found)} found.", err=True)
        click.get_current_context().exit(1)
    click.echo("Nothing found.")


cli: FlaskGroup = FlaskGroup(
    name="quartish",
    help="""\
A general utility script for quartish applications.

An application to load must be given with the '--app' option, the 'QUARTISH_APP' or
'FLASK_APP' environment variable, or with a 'wsgi.py' or 'app.py' file in the current
directory.
""",
)
# Known before an app is looked for: they are for projects whose app does not load yet.
cli.add_command(new_command)
cli.add_command(digest_command)
cli.add_command(port_command)
cli.add_command(openapi_command)


def main() -> None:
    """Run the `quartish` command."""
    cli.main()


serve(sys.modules[__name__])

if __name__ == "__main__":
    main()
