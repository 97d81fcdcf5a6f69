"""Files that stand compressed beside a file, and which of them a client is sent.

*Source:* RFC 9110, 8.4 "Content-Encoding", 12.5.3 "Accept-Encoding".
"""

from __future__ import annotations

import mimetypes
import os
import stat
import typing as t

ENCODINGS = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}
"""Encodings and what a file's name has after it; the best first, where they are of a size."""


def beside(file: str) -> dict[str, tuple[str, int]]:
    """Return the encodings in which a file stands beside itself: path and size of each.

    One that is compressed by itself (`.svgz`, `.tar.gz`) has none.
    """
    found = {}
    for encoding, suffix in ENCODINGS.items():
        path = file + suffix
        try:
            status = os.stat(path)
        except (OSError, ValueError):
            continue
        if stat.S_ISREG(status.st_mode):
            found[encoding] = path, status.st_size
    return found if found and mimetypes.guess_type(file)[1] is None else {}


def choose(found: dict[str, tuple[str, int]], headers: t.Mapping[str, str]) -> str | None:
    """Return the encoding that a client with such headers likes best, of several the smallest;
    None for the file as it is: for one that asks for a range, and one that takes nothing else."""
    said = headers.get("Accept-Encoding")
    if said is None:
        return None
    liked = _qualities(said)
    rest = liked.get("*", 0.0)
    # What is not named is taken as well, but last of all; refused it is by name, or by "*;q=0".
    plain = liked.get("identity", 0.0 if liked.get("*") == 0 else 0.0001)
    if "Range" in headers and plain:
        return None
    best: tuple[float, int, str] | None = None
    for encoding, (_, size) in found.items():
        quality = max(liked.get(encoding, rest), liked.get(f"x-{encoding}", 0.0))
        if quality > 0 and quality >= plain and (best is None or (quality, -size) > best[:2]):
            best = quality, -size, encoding
    return None if best is None else best[2]


def _qualities(said: str) -> dict[str, float]:
    """Return what `Accept-Encoding` says of each coding. What is malformed says nothing."""
    liked = {}
    for part in said.lower().split(","):
        name, _, parameter = part.partition(";")
        key, _, value = parameter.partition("=")
        try:
            quality = float(value) if key.strip() == "q" else 1.0
        except ValueError:
            continue
        if name.strip() and 0 <= quality <= 1:
            liked[name.strip()] = quality
    return liked
