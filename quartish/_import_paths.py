"""Where an import name lives on disk: its root folder, its import path, its prefix.

A package is looked up, not run, unless only running it can tell where it is.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import typing as t
from pathlib import PurePath


def get_root_path(import_name: str) -> str:
    """Return the folder of a module or package, or the working directory if it has none.

    Raises RuntimeError for a namespace package, and where the loader knows no file.
    """
    file: str | None = getattr(sys.modules.get(import_name), "__file__", None)
    if file is None:
        try:
            spec = importlib.util.find_spec(import_name)
        except (ImportError, ValueError):  # no such module, or the `__main__` of a session
            spec = None
        if spec is None or spec.loader is None:
            return os.getcwd()
        loader: t.Any = spec.loader
        if hasattr(loader, "get_filename"):
            file = loader.get_filename(import_name)
        else:
            file = getattr(importlib.import_module(import_name), "__file__", None)
    if file is None:
        raise RuntimeError(
            f"{import_name!r} has no root path: it is a namespace package, or its loader"
            " does not say which file it comes from. Pass 'root_path=' explicitly."
        )
    return os.path.dirname(os.path.abspath(file))


def find_package(import_name: str) -> tuple[str | None, str]:
    """Return the prefix that a package is installed under, and the path it is imported from.

    The prefix is the folder that holds `lib`: `sys.prefix` or that of a virtual
    environment, and None for a package that is not installed.
    """
    path = _find_package_path(import_name)
    prefix = os.path.abspath(sys.prefix)
    if PurePath(path).is_relative_to(prefix):
        return prefix, path
    parent, folder = os.path.split(path)
    if folder.lower() != "site-packages":
        return None, path
    grandparent, lib = os.path.split(parent)
    if lib.lower() == "lib":  # Windows: prefix/Lib/site-packages
        return grandparent, path
    if os.path.basename(grandparent).lower() == "lib":  # prefix/lib/pythonX.Y/site-packages
        return os.path.dirname(grandparent), path
    return parent, path


def _find_package_path(import_name: str) -> str:
    """Return the folder that the outermost package or module is imported from."""
    try:
        spec = importlib.util.find_spec(import_name.partition(".")[0])
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        return os.getcwd()
    if not spec.submodule_search_locations:  # a module
        return os.path.dirname(spec.origin) if spec.origin else os.getcwd()
    if spec.origin not in (None, "namespace"):  # the __init__.py of a package
        return os.path.dirname(os.path.dirname(spec.origin))
    # A namespace package has several folders: the one that holds the rest of the name.
    folders = list(spec.submodule_search_locations)
    inner = importlib.util.find_spec(import_name)
    if inner is not None and inner.submodule_search_locations:
        package = PurePath(os.path.commonpath(inner.submodule_search_locations))
        folders.sort(key=lambda folder: not package.is_relative_to(folder))
    return os.path.dirname(folders[0])
