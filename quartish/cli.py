"""The `quartish` command: `run`, `shell`, `routes`, and what apps and plugins add.

The rule: help, and commands that need no app, work although the app fails to load.
"""

from __future__ import annotations

import importlib.metadata
import os
import sys
import traceback
import typing as t

import click

from ._cli.check import check_command
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
from ._cli.find_app import pass_script_info as pass_script_info
from ._cli.find_app import prepare_import as prepare_import
from ._cli.find_app import ScriptInfo as ScriptInfo
from ._cli.new import new_command
from ._cli.openapi import openapi_command
from ._cli.options import _app_option
from ._cli.options import _debug_option
from ._cli.options import _env_file_option
from ._cli.options import _validate_key as _validate_key
from ._cli.options import CertParamType as CertParamType
from ._cli.options import get_version as get_version
from ._cli.options import SeparatedPathType as SeparatedPathType
from ._cli.options import version_option as version_option
from ._cli.routes import routes_command as routes_command
from ._cli.run import run_command as run_command
from ._cli.shell import shell_command as shell_command
from ._names import serve
from ._port.command import port_command
from .sansio.app import Core
from .serving import show_server_banner as show_server_banner
from .typing import CommandApp


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
        #: Commands that Flask does not have: one of the app's by that name comes first.
        self._own = {"check": check_command} if add_default_commands else {}
        self._loaded_plugins: set[str] = set()

    def _load_plugin_commands(self) -> None:
        # Plugins for Flask import flask: they are loaded once that means quartish.
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
        """Return the names of all commands. If the app fails to load, say so and go on."""
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
        """Parse the arguments; read the environment first, also where click only shows help."""
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
