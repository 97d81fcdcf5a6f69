"""The database: one sqlite connection per request, kept in `g`, and the command that makes it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import click
from werkzeug.security import generate_password_hash

from quartish import current_app
from quartish import Flask
from quartish import g
from quartish.cli import with_appcontext


def init_app(app: Flask) -> None:
    app.teardown_appcontext(close_db)
    app.cli.add_command(init_db)


def get_db() -> sqlite3.Connection:
    """Return this request's connection, opened when first asked for."""
    if "db" not in g:
        path = Path(current_app.config["DATA"], "blog.sqlite")
        g.db = sqlite3.connect(path, **current_app.config["SQLITE"])
        g.db.row_factory = sqlite3.Row
        g.db.execute("PRAGMA foreign_keys = ON")
    connection: sqlite3.Connection = g.db
    return connection


def close_db(error: BaseException | None = None) -> None:
    connection = g.pop("db", None)
    if connection is not None:
        connection.close()


@click.command("init-db")
@click.option("--fresh", is_flag=True, help="Throw away what is there.")
@click.option("--sample", is_flag=True, help="Add a first author and a first post.")
@with_appcontext
def init_db(fresh: bool, sample: bool) -> None:
    """Make the tables that are missing."""
    database = get_db()
    if fresh:
        database.executescript("DROP TABLE IF EXISTS post; DROP TABLE IF EXISTS author;")
    with current_app.open_resource("schema.sql", "r") as schema:
        database.executescript(schema.read())
    if sample and not database.execute("SELECT 1 FROM author").fetchone():
        add_sample(database)
    click.echo(f"The database is ready in {current_app.config['DATA']}.")


def add_sample(database: sqlite3.Connection) -> None:
    with database:
        author = database.execute(
            "INSERT INTO author (name, password) VALUES (?, ?)",
            ("ada", generate_password_hash("lovelace")),
        ).lastrowid
        database.execute(
            "INSERT INTO post (author_id, title, body) VALUES (?, ?, ?)",
            (
                author,
                "Notes in the margin",
                "This page was made by an ordinary Flask view.\n\n"
                "Log in as ada (the password is lovelace), or register, and write your own.",
            ),
        )
