from __future__ import annotations

import sqlite3

import pytest
from journal.db import get_db

from quartish import Flask


def test_a_connection_is_closed_with_its_context(app: Flask) -> None:
    with app.app_context():
        connection = get_db()
        assert get_db() is connection
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_init_db_may_be_repeated(app: Flask) -> None:
    answer = app.test_cli_runner().invoke(args=["init-db"])
    assert answer.output.startswith("The database is ")
