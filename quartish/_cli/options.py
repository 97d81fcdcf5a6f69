"""The options of the `quartish` command, and the types of their values.

The rule: what is not said on the command line is looked for in the environment, as
`QUARTISH_RUN_PORT`, `FLASK_RUN_PORT` or `QUART_RUN_PORT` for `run --port`; the first that
is set wins.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import ssl
import typing as t

import click
from click.core import ParameterSource
from werkzeug.utils import import_string

from .find_app import load_dotenv
from .find_app import ScriptInfo

#: The release of Flask whose interface quartish follows.
FLASK = "3.1.3"
#: And of Quart.
QUART = "0.22.0"


class Option(click.Option):
    """An option that is also set by `QUARTISH_` and `QUART_` variables, beside click's `FLASK_`."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        prefix, _, command = f"{ctx.auto_envvar_prefix or ''}_".partition("_")
        if prefix != "FLASK" or self.name is None:
            return super().resolve_envvar_value(ctx)
        name = f"_{command}{self.name.upper()}"
        return (
            os.environ.get(f"QUARTISH{name}")
            or super().resolve_envvar_value(ctx)
            or os.environ.get(f"QUART{name}")
        )


def get_version(ctx: click.Context, param: click.Parameter, value: t.Any) -> None:
    """Print the versions of Python, quartish and Werkzeug, and exit."""
    if not value or ctx.resilient_parsing:
        return
    try:
        version = importlib.metadata.version("quartish")
    except importlib.metadata.PackageNotFoundError:  # run from a checkout
        version = "(not installed)"
    click.echo(
        f"Python {platform.python_version()}\n"
        f"quartish {version}, with the interface of Flask {FLASK} and Quart {QUART}\n"
        f"Werkzeug {importlib.metadata.version('werkzeug')}",
        color=ctx.color,
    )
    ctx.exit()


version_option: click.Option = click.Option(
    ["--version"],
    help="Show the versions of quartish and Werkzeug.",
    expose_value=False,
    callback=get_version,
    is_flag=True,
    is_eager=True,
)


def _set_app(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        ctx.ensure_object(ScriptInfo).app_import_path = value
    return value


def _set_debug(ctx: click.Context, param: click.Parameter, value: bool) -> bool | None:
    source = ctx.get_parameter_source(param.name or "")
    if source in (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP):
        return None  # nothing was said here: the environment decides
    # In the environment, a factory function sees it before there is an app.
    for name in ("QUARTISH_DEBUG", "FLASK_DEBUG", "QUART_DEBUG"):
        os.environ[name] = "1" if value else "0"
    return value


def _env_file_callback(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _is_importable("dotenv"):
        raise click.BadParameter("python-dotenv must be installed to load a file.", ctx, param)
    defaults = ctx.ensure_object(ScriptInfo).load_dotenv_defaults
    if value is not None or defaults:
        load_dotenv(value, load_defaults=defaults)
    return value


def _is_importable(name: str) -> bool:
    try:
        __import__(name)
    except ImportError:
        return False
    return True


# Eager, and in this order: the file may name the app, and the app has commands of its own
# for --help to show.
_env_file_option = Option(
    ["-e", "--env-file"],
    type=click.Path(exists=True, dir_okay=False),
    help=(
        "Load environment variables from this file; '.env' and its like have less to say,"
        " what is set in the environment already has more. Needs python-dotenv."
    ),
    is_eager=True,
    expose_value=False,
    callback=_env_file_callback,
)
_app_option = Option(
    ["-A", "--app"],
    metavar="IMPORT",
    help=(
        "The application, or a factory of it, as 'module:name' or 'module:name(args)'."
        " The module is a dotted name or a file. The name may be left out where it is"
        " 'app', 'application', 'create_app' or 'make_app'."
    ),
    is_eager=True,
    expose_value=False,
    callback=_set_app,
)
_debug_option = Option(
    ["--debug/--no-debug"],
    help="Set debug mode.",
    expose_value=False,
    callback=_set_debug,
)


def _set_tracebacks(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        os.environ["QUARTISH_TRACEBACKS"] = value  # for the app's log, whatever made the app
    return value


tracebacks_option = Option(
    ["--tracebacks"],
    type=click.Choice(("short", "full")),
    help=(
        "Whether tracebacks show frames of quartish and of what it uses. By default 'short' in"
        " debug mode."
    ),
    expose_value=False,
    callback=_set_tracebacks,
)


host_option = click.option(
    "--host", "-h", default="127.0.0.1", help="The interface to bind to.", cls=Option
)
port_option = click.option("--port", "-p", default=5000, help="The port to bind to.", cls=Option)
reload_option = click.option(
    "--reload/--no-reload",
    default=None,
    help="Restart when a file changes. By default so in debug mode.",
    cls=Option,
)


if t.TYPE_CHECKING:
    _ParamType = click.ParamType[t.Any]
else:
    _ParamType = click.ParamType  # not generic before 8.3


class CertParamType(_ParamType):
    """The value of `--cert`: a file, "adhoc", or the import name of an `SSLContext`."""

    name = "path"

    def __init__(self) -> None:
        self.path_type: click.Path = click.Path(exists=True, dir_okay=False, resolve_path=True)

    def convert(
        self, value: t.Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> t.Any:
        try:
            return self.path_type(value, param, ctx)
        except click.BadParameter:
            if str(value).lower() == "adhoc":
                if _is_importable("cryptography"):
                    return "adhoc"
                raise click.BadParameter(
                    "Ad-hoc certificates need the cryptography library.", ctx, param
                ) from None
            context = import_string(value, silent=True)
            if isinstance(context, ssl.SSLContext):
                return context
            raise


def _validate_key(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Check `--key` against `--cert`, and make one parameter `cert` of two files."""
    cert = ctx.params.get("cert")
    if isinstance(cert, str) and cert != "adhoc":
        if value is None:
            raise click.BadParameter('Required when using "--cert".', ctx, param)
        ctx.params["cert"] = cert, value
    elif value is not None:
        reason = '"--cert" must be a file too.' if cert else '"--cert" must also be specified.'
        raise click.BadParameter(reason, ctx, param)
    return value


class SeparatedPathType(click.Path):
    """A list of paths, separated as in `PATH`; each is checked as `click.Path` does."""

    def convert(
        self, value: t.Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> t.Any:
        convert = super().convert
        return [convert(item, param, ctx) for item in self.split_envvar_value(value)]
