"""Notes in sqlite: both apps use the same ones."""

from __future__ import annotations

import sqlite3
import typing as t
from contextlib import closing
from contextlib import contextmanager
from pathlib import Path

TABLE = """
CREATE TABLE IF NOT EXISTS note (id INTEGER PRIMARY KEY, name TEXT NOT NULL, text TEXT NOT NULL)
"""


class Notes:
    """The notes that are kept in a folder."""

    def __init__(self, folder: str) -> None:
        self.path = Path(folder, "notes.sqlite")

    def all(self) -> list[sqlite3.Row]:
        with self._database() as database:
            return database.execute("SELECT * FROM note ORDER BY id").fetchall()

    def get(self, number: int) -> sqlite3.Row | None:
        with self._database() as database:
            rows = database.execute("SELECT * FROM note WHERE id = ?", [number])
            found: sqlite3.Row | None = rows.fetchone()
            return found

    def add(self, name: str, text: str) -> int:
        """Write a note; return its number."""
        with self._database() as database:
            done = database.execute("INSERT INTO note (name, text) VALUES (?, ?)", [name, text])
            return int(done.lastrowid or 0)

    @contextmanager
    def _database(self) -> t.Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path)) as database, database:
            database.row_factory = sqlite3.Row
            database.execute(TABLE)
            yield database
