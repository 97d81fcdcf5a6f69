"""Quart's command line: `quart.cli`, where `quart` means quartish.

Its `run` command calls `app.run`, which an app may override.
"""

from __future__ import annotations

import os
import sys
import typing as t
from importlib import import_module
from types import ModuleType

import click

from .._cli import find_app as _locate
from .._cli.commands import AppGroup as AppGroup
from .._cli.find_app import find_app_by_string as find_app_by_string
from .._cli.find_app import find_best_app as find_best_app
from .._cli.find_app import load_dotenv as load_dotenv
from .._cli.find_app import locate_app as locate_app
from .._cli.find_app import NoAppException as NoAppException
from .._cli.find_app import prepare_import as prepare_import
from .._cli.options import _debug_option
from .._cli.options import host_option
from .._cli.options import Option
from .._cli.options import port_option
from .._cli.options import reload_option
from .._cli.options import tracebacks_option
from .._cli.options import version_option as version_option
from .._cli.run import in_a_child
from .._cli.run import load_app
from .._names import serve
from .._serving.reloaded import is_child
from ..cli import FlaskGroup
from ..cli import get_version as get_version
from ..cli import routes_command as routes_command
from ..cli import shell_command as shell_command
from ..helpers import get_debug_flag
from ..sansio.app import Core
from ..serving import run
from .functions import with_appcontext as with_appcontext

_FILE = click.Path(exists=True, file_okay=True, dir_okay=False)
_GUARD = "FLASK_RUN_FROM_CLI"


class ScriptInfo(_locate.ScriptInfo):
    """What a command line knows of its app. Modules are imported by `import_module` of this module,
    which may be patched."""

    quartish_files = ("app.py", "wsgi.py")  # Quart looks for the first one alone

    def import_module(self, name: str) -> ModuleType:
        return import_module(name)


pass_script_info = click.make_pass_decorator(ScriptInfo, ensure=True)


@click.command(
    "run", short_help="Run a development server.", params=[_debug_option, tracebacks_option]
)
@host_option
@port_option
@click.option("--certfile", "--cert", type=_FILE, help="A certificate file for HTTPS.", cls=Option)
@click.option("--keyfile", "--key", type=_FILE, help="The certificate's key file.", cls=Option)
@reload_option
@pass_script_info
def run_command(
    info: ScriptInfo,
    host: str,
    port: int,
    reload: bool | None,
    keyfile: str | None,
    certfile: str | None,
) -> None:
    """Run a local development server, by the app's own `run`."""
    debug = get_debug_flag()
    if reload is None:
        reload = debug
    try:
        app = load_app(info)
    except Exception as error:
        # This process becomes the reloader, which shows the error that its child reports.
        if is_child() or not reload or isinstance(error, _locate.NotThere):
            raise
        run(
            in_a_child,
            host,
            port,
            debug=debug,
            use_reloader=True,
            certfile=certfile,
            keyfile=keyfile,
        )
    os.environ.pop(_GUARD, None)  # else `app.run` did nothing
    app.run(
        debug=debug,
        host=host,
        port=port,
        certfile=certfile,
        keyfile=keyfile,
        use_reloader=reload,
    )


class QuartGroup(FlaskGroup):
    """A command group with the commands of the app that it finds, and of plugins."""

    script_info_class = ScriptInfo

    def __init__(
        self,
        add_default_commands: bool = True,
        create_app: t.Callable[..., Core] | None = None,
        add_version_option: bool = True,
        load_dotenv: bool = True,
        set_debug_flag: bool = True,
        **extra: t.Any,
    ) -> None:
        super().__init__(
            add_default_commands=add_default_commands,
            create_app=create_app,
            add_version_option=add_version_option,
            load_dotenv=load_dotenv,
            set_debug_flag=set_debug_flag,
            **extra,
        )
        if add_default_commands:
            self.add_command(run_command)


cli = QuartGroup(
    name="quart",
    help="""\
A general utility script for Quart applications.

An application to load must be given with the '--app' option, the 'QUART_APP' environment
variable, or with an 'app.py' or 'wsgi.py' file in the current directory.
""",
)


def main() -> None:
    """Run the command."""
    cli.main()


serve(sys.modules[__name__], quarts=True)
