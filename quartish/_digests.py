"""What `quartish digest` has made of a folder of static files, as the app reads it.

A manifest in the folder says which file has which hashed name, and what was made. It is read when
it is first needed, and again when it has changed.
"""

from __future__ import annotations

import json
import logging
import os
import posixpath
import typing as t
import weakref
from dataclasses import dataclass
from dataclasses import field
from itertools import chain

from werkzeug.security import safe_join

from ._current import find_context
from .typing import AppLike

NAME = "digest.json"
"""The manifest's name in its folder."""
YEAR = 31_536_000
"""Seconds that a hashed name is kept: its content never changes. *Source:* RFC 8246."""

log = logging.getLogger("quartish.digests")


@dataclass
class Manifest:
    """Paths are relative to the folder, with slashes.

    Attributes:
        names: File -> its hashed name.
        made: Each hashed name, and those of its encodings: also of earlier versions.
    """

    names: dict[str, str] = field(default_factory=dict)
    made: dict[str, list[str]] = field(default_factory=dict)


_known: dict[str, tuple[int, Manifest | None]] = {}


def read_manifest(folder: str) -> Manifest:
    """Read a folder's manifest. Raises OSError, or ValueError where it is none.

    Files are read, sent and removed by the names in it: none leads out of the folder.
    """
    with open(os.path.join(folder, NAME), encoding="utf-8") as file:
        found = json.load(file)
    if not isinstance(found, dict) or not all(
        isinstance(found.get(part), dict) for part in ("names", "made")
    ):
        raise ValueError("there is no table of names in it")
    encodings = found["made"].values()
    if not all(isinstance(each, list) for each in encodings):
        raise ValueError("what was made is no list")
    for name in (*found["names"].values(), *found["made"], *chain.from_iterable(encodings)):
        if not isinstance(name, str) or not is_inside(name):
            raise ValueError(f"{name!r} is no file of this folder")
    return Manifest(found["names"], found["made"])


def is_inside(name: str) -> bool:
    """Say whether a relative path, with slashes, is one of a file below."""
    return (
        safe_join("/", name) is not None
        and name == posixpath.normpath(name)
        and name not in ("", ".")
        and "\0" not in name
    )


def manifest_of(folder: str) -> Manifest | None:
    """Return what is made of a folder; None where nothing is."""
    path = os.path.join(folder, NAME)
    try:
        changed = os.stat(path).st_mtime_ns
    except OSError:
        return None
    known = _known.get(path)
    if known is None or known[0] != changed:
        manifest = None
        try:
            manifest = read_manifest(folder)
        except (OSError, ValueError) as error:
            log.error(
                "%s is not what `quartish digest` writes (%s): run it again, or delete the file",
                path,
                error,
            )
        known = _known[path] = (changed, manifest)
    return known[1]


def how_to_send(folder: str, filename: str) -> tuple[bool, bool]:
    """Say whether the content of a static file never changes, as `quartish digest` has made it, and
    whether a compressed file beside it may be sent instead."""
    ctx = find_context()
    if ctx is None:
        return False, False
    config = ctx.app.config
    manifest = None if config.get("DEBUG") else manifest_of(folder)
    made = manifest is not None and filename in manifest.made
    precompressed = config.get("STATIC_PRECOMPRESSED")
    return made, made if precompressed is None else bool(precompressed)


def hashed_names(app: AppLike, folder: str | None, endpoint: str) -> t.Any:
    """Return a `url_defaults` function with which `url_for(endpoint, filename=...)` gives hashed
    names; None if the folder has no manifest. In debug mode, in which files change, it does
    nothing."""
    if folder is None or manifest_of(folder) is None:
        return None
    this = weakref.ref(app)

    def use_hashed_name(asked: str, values: dict[str, t.Any]) -> None:
        app = this()
        if asked == endpoint and "filename" in values and app is not None and not app.debug:
            manifest = manifest_of(folder)
            if manifest is not None:
                name = values["filename"]
                values["filename"] = manifest.names.get(name, name)

    return use_hashed_name
