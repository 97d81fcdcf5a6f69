"""The names that a built site has: Sphinx's inventory, version 2."""

from __future__ import annotations

import re
import zlib
from pathlib import Path


def names_in(inventory: Path) -> dict[str, str]:
    """Return each Python name with the page that tells of it."""
    head, body = re.split(rb"(?<=zlib.\n)", inventory.read_bytes(), maxsplit=1)
    assert head.startswith(b"# Sphinx inventory version 2")
    lines = zlib.decompress(body).decode().splitlines()
    found = {}
    for line in lines:
        name, kind, _, page, _ = line.split(" ", 4)
        if kind.startswith("py:"):
            found[name] = page.partition("#")[0]
    return found
