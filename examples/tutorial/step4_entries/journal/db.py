"""The database: one connection for each request, and the command that makes the tables."""

from __future__ import annotations

import sqlite3

import click

from quartish import current_app
from quartish import Flask
from quartish import g
from quartish.cli import with_appcontext


def get_db() -> sqlite3.Connection:
    """Return this request's connection, opened when first asked for."""
    if "db" not in g:
        g.db = sqlite3.connect(current_app.config["DATABASE"])
        g.db.row_factory = sqlite3.Row
    connection: sqlite3.Connection = g.db
    return connection


def close_db(error: BaseException | None = None) -> None:
    connection = g.pop("db", None)
    if connection is not None:
        connection.close()


@click.command("init-db")
@with_appcontext
def init_db() -> None:
    """Make the tables that are missing."""
    with current_app.open_resource("schema.sql", "r") as schema:
        get_db().executescript(schema.read())
    click.echo(f"The database is {current_app.config['DATABASE']}.")


def init_app(app: Flask) -> None:
    app.teardown_appcontext(close_db)
    app.cli.add_command(init_db)
