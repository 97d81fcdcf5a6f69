"""What all apps serve."""

from __future__ import annotations

import collections.abc as cabc

from ..environment import CACHE

HELLO = "Hello, World!"
TEXT = "text/plain; charset=utf-8"
BYTES = "application/octet-stream"
ROUTES = 300
ROWS = [{"id": n, "name": f"name <{n}>"} for n in range(50)]
PAGE = "<ul>{% for row in rows %}<li id={{ row.id }}>{{ row.name }}</li>{% endfor %}</ul>"
CHUNK = b"x" * 1024
CHUNKS = 100
WAIT = 0.020
"""Seconds that a database takes to answer."""
MEGABYTE = 10**6
DOWNLOAD = 100 * MEGABYTE

TEMPLATES = CACHE / "templates"
FILE = CACHE / "download.bin"


def prepare(download: bool = False) -> None:
    """Write the template, and the file to `download`, unless they are there."""
    TEMPLATES.mkdir(parents=True, exist_ok=True)
    (TEMPLATES / "page.html").write_text(PAGE)
    if download and not (FILE.exists() and FILE.stat().st_size == DOWNLOAD):
        FILE.write_bytes(bytes(DOWNLOAD))


def chunks() -> cabc.Iterator[bytes]:
    for _ in range(CHUNKS):
        yield CHUNK


async def chunks_async() -> cabc.AsyncIterator[bytes]:
    for _ in range(CHUNKS):
        yield CHUNK
