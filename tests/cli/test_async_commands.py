"""`async def` commands end as Flask's `def` commands do: the same output, status and clean-up,
however they end and wherever they are registered."""

from __future__ import annotations

import asyncio
import functools
import importlib.metadata
import signal
import sys
import typing as t
from pathlib import Path

import click
import flask
import pytest
from click.testing import CliRunner

import quartish
import quartish.cli
from tests.cli._program import Program

ENDS: dict[str, t.Callable[[], t.Any]] = {
    "text": lambda: click.echo("done"),
    "ctx.exit": lambda: click.get_current_context().exit(3),
    "sys.exit": lambda: sys.exit(4),
    "sys.exit of text": lambda: sys.exit("for a reason"),
    "fail": lambda: click.get_current_context().fail("not like that"),
    "error": lambda: throw(click.ClickException("no")),
    "usage": lambda: throw(click.BadParameter("no name", param_hint="NAME")),
    "file": lambda: throw(click.FileError("a.txt", "is not there")),
    "abort": lambda: throw(click.Abort()),
    "interrupt": lambda: throw(KeyboardInterrupt()),
    "end of input": lambda: throw(EOFError()),
    "exception": lambda: throw(LookupError("nobody handles it")),
    "group of exceptions": lambda: throw(ExceptionGroup("two", [ValueError(), KeyError()])),
}
PLACES = ["app", "blueprint", "group", "group of a blueprint", "plain group", "without the app"]


def throw(error: BaseException) -> t.NoReturn:
    raise error


def play(module: t.Any, cls: str, place: str, end: str, asynchronous: bool) -> t.Any:
    """Run a command that ends so, and return all that is seen of it."""
    app = getattr(module, cls)("app")
    ended: list[t.Any] = []

    @app.teardown_appcontext
    def teardown(error: BaseException | None) -> None:
        ended.append(type(error))

    def plain(number: int) -> t.Any:
        if place != "without the app":
            click.echo(f"{number} in {module.current_app.name}")
        ENDS[end]()

    async def awaiting(number: int) -> t.Any:
        await asyncio.sleep(0)
        plain(number)
        await asyncio.sleep(0)

    command = click.argument("number", type=int)(awaiting if asynchronous else plain)
    command.__name__ = "do"
    blueprint = module.Blueprint("blue", __name__)
    args = ["do", "7"]
    if place == "app":
        app.cli.command("do")(command)
    elif place == "blueprint":
        blueprint.cli.command("do")(command)
        args = ["blue", *args]
    elif place == "group":
        app.cli.group("sub")(lambda: None).command("do")(command)
        args = ["sub", *args]
    elif place == "group of a blueprint":
        blueprint.cli.group("sub")(lambda: None).command("do")(command)
        args = ["blue", "sub", *args]
    elif place == "plain group":
        group = click.Group("sub")
        group.command("do")(module.cli.with_appcontext(command))
        app.cli.add_command(group)
        args = ["sub", *args]
    else:
        app.cli.command("do", with_appcontext=False)(command)
    app.register_blueprint(blueprint)
    found = []
    for given in (args, [*args[:-1], "seven"]):
        result = CliRunner().invoke(module.cli.FlaskGroup(create_app=lambda: app), given)
        error = result.exception
        text = result.output.replace("Usage: flask", "Usage: cli")
        found.append((result.exit_code, text, type(error), str(error)))
    return found, ended


@pytest.mark.parametrize("end", ENDS)
def test_it_ends_as_a_def_of_flasks(
    end: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "")  # which the commands set, and is taken back
    monkeypatch.chdir(tmp_path)
    # Each run looks for plugins in all that is installed.
    plugins = functools.cache(importlib.metadata.entry_points)
    monkeypatch.setattr(importlib.metadata, "entry_points", plugins)
    for place in PLACES:
        theirs = play(flask, "Flask", place, end, False)
        for cls in ("Flask", "Quart"):
            for asynchronous in (False, True):
                ours = play(quartish, cls, place, end, asynchronous)
                assert ours == theirs, (place, cls, asynchronous)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("cls", ["Flask", "Quart"])
def test_it_is_cancelled_and_cleaned_up_at_an_interrupt(cls: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        f"""
import asyncio, signal
import click
from quartish import {cls}, current_app
signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs the tests may ignore it
app = {cls}(__name__)

@app.teardown_appcontext
def teardown(error):
    click.echo("torn down")

@app.cli.command()
async def wait():
    try:
        click.echo("it waits")
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0)
        click.echo(f"cleaned up in {{current_app.name}}")
"""
    )
    program = Program("-m", "quartish", "wait", cwd=tmp_path)
    with program.process:
        program.wait_for("it waits")
        assert program.end(signal.SIGINT) == 1
    assert program.output.split("it waits\n")[1].split("\n") == [
        *("cleaned up in app", "torn down", "", "Aborted!", "")
    ]
