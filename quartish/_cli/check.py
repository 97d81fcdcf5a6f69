"""The `check` command: what is unsuitable for production in an app."""

from __future__ import annotations

import typing as t

import click

from .._current import current_app
from .._port.running import check_views
from ..production import check_production
from ..sansio.app import Core
from .commands import with_appcontext
from .options import Option


@click.command("check", short_help="Show what production wants of the app.")
@click.option("--skip", multiple=True, help="A setting to say nothing about.", cls=Option)
@with_appcontext
def check_command(skip: tuple[str, ...]) -> None:
    """Show the settings of the app that are unsuitable for production, and what its
    'async def' views call that blocks the event loop.

    Exits with status 1 if there is anything. docs/production.md explains each.
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
