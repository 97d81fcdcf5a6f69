"""Files that are sent, all of them changed at one moment."""

from __future__ import annotations

import io
import os
import typing as t
from pathlib import Path

MTIME = 1_700_000_000.5
AT, BEFORE = "Tue, 14 Nov 2023 22:13:20 GMT", "Tue, 14 Nov 2000 22:13:20 GMT"
CONTENT = {
    "a.txt": b"0123456789" * 5,
    "é.html": b"<p>x",
    "empty": b"",
    "x.tar.gz": b"gz",
    "n.js": b"js",
}


def make_folder(folder: Path) -> Path:
    """Make a folder of them."""
    (folder / "sub").mkdir(parents=True)
    for name, content in CONTENT.items():
        (folder / name).write_bytes(content)
    for path in folder.iterdir():
        os.utime(path, (MTIME, MTIME))
    return folder


def begun() -> t.Any:
    """Return a file of which a part was read."""
    file = io.BytesIO(b"memory" * 10)
    file.seek(5)
    return file
