"""The command `quartish port`: what it takes, and what it prints."""

from __future__ import annotations

import importlib
import sys
import time
import typing as t
from pathlib import Path

import click

_NEEDS = 'quartish port needs libcst: pip install "quartish[port]"'
_OFTEN = 0.5  # seconds between two words on progress


@click.command("port", short_help="Turn a Flask or Quart project into a quartish one.")
@click.argument("path", type=click.Path(exists=True, path_type=Path), default=".")
@click.option("--write", is_flag=True, help="Change the files. Else the changes are shown.")
@click.option("--check", is_flag=True, help="End with status 1 where something is to be changed.")
@click.option(
    "--views/--no-views",
    default=True,
    help="Turn views to 'async def' that are known not to block.",
)
@click.option("--all-views", is_flag=True, help="Turn all views that can be, whatever they call.")
@click.option(
    "--rewrite",
    type=click.Choice(("sleep", "httpx")),
    multiple=True,
    help="Rewrite time.sleep to asyncio.sleep; requests to httpx. May be given twice.",
)
@click.option(
    "--colour",
    type=click.Choice(("keep", "plain", "awaitable")),
    default="keep",
    help="Of the app. 'keep': plain for Flask's, awaitable for Quart's.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(("text", "json", "html")),
    default="text",
    help="Of what is printed.",
)
@click.option("--html", type=click.Path(path_type=Path), help="Write the report to this file, too.")
@click.option("--diff/--no-diff", default=True, help="Show the changes before the report.")
def port_command(
    path: Path,
    write: bool,
    check: bool,
    views: bool,
    all_views: bool,
    rewrite: tuple[str, ...],
    colour: str,
    form: str,
    html: Path | None,
    diff: bool,
) -> None:
    """Turn the Flask or Quart project at PATH into a quartish one.

    By default nothing is written: the changes are shown, and a report. Nothing of the project is
    run. The settings are those of [tool.quartish.port] in its pyproject.toml.
    """
    if write and check:
        raise click.UsageError("--write changes files, --check does not.")
    # libcst is loaded here and nowhere else: an app does without.
    try:
        runner: t.Any = importlib.import_module("quartish._port.runner")
    except ModuleNotFoundError as error:
        if error.name != "libcst":
            raise
        raise click.ClickException(_NEEDS) from None
    report: t.Any = importlib.import_module("quartish._port.report")
    page: t.Any = importlib.import_module("quartish._port.page")
    options = importlib.import_module("quartish._port.plan").Options(
        colour=colour, views=views or all_views, every=all_views, rewrite=frozenset(rewrite)
    )
    try:
        found = runner.port(path, options, _progress())
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    if form == "json":
        click.echo(report.as_json(found))
    elif form == "html":
        click.echo(page.as_page(found), nl=False)
    else:
        click.echo(report.as_text(found, diff and not write), nl=False)
    if html is not None:
        html.write_text(page.as_page(found), "utf-8")
    if write:
        runner.write(found)
    elif found.edited and form == "text":
        click.echo("Nothing was written: --write does it.", err=True)
    if found.failed or (check and found.edited):
        click.get_current_context().exit(1)


def _progress() -> t.Callable[[str, int, int], None] | None:
    """Return what tells a terminal how far it is, about twice a second."""
    if not sys.stderr.isatty():
        return None
    last = time.monotonic()

    def say(what: str, done: int, whole: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > _OFTEN:
            last = now
            files = "file" if whole == 1 else "files"
            click.echo(f"\r{what}: {done} of {whole} {files} \x1b[K", nl=False, err=True)
        if what == "rewriting" and done == whole:
            click.echo("\r\x1b[K", nl=False, err=True)

    return say
