"""Commands of apps, groups, blueprints and an own `FlaskGroup`, run in all ways and ended in all
ways: which contexts they see, what is said, raised and returned, as in Flask."""

from __future__ import annotations

import os
import random
import typing as t

import click
import pytest
from click.testing import CliRunner

from tests.differential._beside import assert_same
from tests.differential._beside import Side
from tests.differential._beside import without

ENDS: dict[str, t.Callable[[Side], t.Any]] = {
    "use": lambda side: click.UsageError("wrong use"),
    "abort": lambda side: click.Abort(),
    "system": lambda side: SystemExit(4),
    "text": lambda side: SystemExit("text"),
    "value": lambda side: ValueError("v"),
    "interrupt": lambda side: KeyboardInterrupt(),
    "parameter": lambda side: click.BadParameter("p", param_hint="--n"),
    "file": lambda side: click.FileError("f", "hint"),
}
ARGUMENTS = [
    *(["hi"], ["hi-there"], ["named", "--n", "2", "a", "b"], ["hi", "--n", "x"], ["grp"]),
    *(["grp", "in"], ["pl"], ["plain", "--flag"], ["ctx"], ["more", "sub"], ["more"], ["of-bp"]),
    *(["bp", "of-bp"], ["own", "of-bp"], ["given", "of-bp"], ["own"], ["ownctx"], ["nope"]),
    *(["--debug", "hi"], ["--no-debug", "pl"], ["grp", "nope"], ["hi", "--help"], ["more", "-h"]),
    *(["grp", "in", "x"], ["routes"], ["-A", "x", "hi"], ["HI"], ["--nope"], ["hi", "--", "--n"]),
]

GROUPS: list[dict[str, t.Any]] = [
    {},
    {},
    {"cli_group": None},
    {"cli_group": "own"},
    {"cli_group": "given"},
]


def run_groups(side: Side, r: random.Random) -> None:
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("FLASK", "QUART"))}
    os.environ.clear()
    os.environ.update(environ)  # without what the last one has set
    module, cli, app = side.module, side.sub("cli"), side.app()
    ends = r.choice([None] * 8 + [*ENDS])

    @app.teardown_appcontext
    def torn(error: t.Any) -> None:
        if not isinstance(error, click.UsageError):  # Flask looks for a command within a context
            side.tell("torn down", error)

    def body(where: str, **values: t.Any) -> t.Any:
        info = click.get_current_context().find_object(cli.ScriptInfo)
        found = info is not None and info.load_app() is app
        side.tell(where, module.has_app_context(), found, app.debug, sorted(values.items()))
        click.echo(f"said {where}")
        if ends is not None:
            raise ENDS[ends](side)
        return 7

    def command(where: str) -> t.Callable[..., t.Any]:
        return lambda **values: body(where, **values)

    options: list[dict[str, t.Any]] = [{}, {}, {"with_appcontext": False}]
    parameters = [click.Option(["--n"], type=int, default=1), click.Argument(["rest"], nargs=-1)]
    name = r.choice(["hi-there", "named", "hi"])
    app.cli.command(name, params=parameters, **r.choice(options))(command("hi"))
    grp = app.cli.group("grp", **r.choice([{}, {"invoke_without_command": True}]))(command("grp"))
    grp.command("in", **r.choice(options))(command("in"))
    flag = click.Option(["--flag/--no-flag"], default=False)
    plain = click.Command("plain", callback=command("plain"), params=[flag])
    app.cli.add_command(plain, r.choice([None, "pl"]))
    app.cli.add_command(click.Command("ctx", callback=cli.with_appcontext(command("ctx"))))
    more = cli.AppGroup("more", help="More of it")
    more.command("sub")(command("sub"))
    app.cli.add_command(more)
    bp = module.Blueprint("bp", "bp", **r.choice(GROUPS))
    bp.cli.command("of-bp")(command("of-bp"))
    app.register_blueprint(bp, **r.choice(GROUPS))
    given = {
        "add_default_commands": r.choice([True, False]),
        "add_version_option": False,
        "set_debug_flag": False,
        "load_dotenv": False,
    }
    given = {key: value for key, value in given.items() if r.random() < 0.3}
    makes = r.choice([lambda: app, lambda: app, lambda: app, lambda: 1 / 0])
    own = cli.FlaskGroup("cli", create_app=makes, **given)
    own.command("own")(command("own"))
    own.command("ownctx")(cli.with_appcontext(command("ownctx")))
    for _ in range(4):
        arguments = r.choice(ARGUMENTS)
        side.told.append(arguments)
        os.environ.clear()
        os.environ.update({**environ, **r.choice([{}, {}, {"FLASK_DEBUG": "1"}])})
        if r.random() < 0.5:
            how: dict[str, t.Any] = r.choice([{}, {"standalone_mode": False}])
            result = app.test_cli_runner().invoke(args=arguments, **how)
        else:
            result = CliRunner().invoke(own, arguments, prog_name="flask")
        value = None if callable(result.return_value) else result.return_value
        side.tell(result.exit_code, result.exception, value)
        lines = [line for line in result.output.splitlines() if line.strip()]
        side.tell(lines[-1:] if result.exit_code else lines)


@pytest.mark.filterwarnings("ignore")
def test_groups_of_commands_are_as_in_flask() -> None:
    environ = dict(os.environ)
    try:
        assert_same(run_groups, 40, doors=(), departs=without("signal"))
    finally:
        os.environ.clear()
        os.environ.update(environ)
