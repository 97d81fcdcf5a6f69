"""The files of a project: which are its own, how they are imported, and what they are for."""

from __future__ import annotations

import os
import re
import typing as t
from dataclasses import dataclass
from pathlib import Path

#: Folders that hold what others wrote, or what a tool made.
_FOREIGN = frozenset(
    {
        *("__pycache__", "build", "dist", "env", "node_modules", "site-packages", "venv"),
        *("virtualenv", "vendor", "_vendor", "eggs"),
    }
)
_TEST = re.compile(r"(^|/)(tests?|testing|conftest\.py|test_[^/]*\.py|[^/]*_tests?\.py)(/|$)")
#: Files besides Python's that may say how the project is installed and started.
_CONFIG = re.compile(
    r"(^|/)("
    r"[^/]*requirements[^/]*\.(txt|in)|requirements/[^/]+\.(txt|in)|constraints[^/]*\.txt"
    r"|pyproject\.toml|setup\.cfg|setup\.py|tox\.ini|pytest\.ini|Pipfile|environment\.ya?ml"
    r"|Procfile[^/]*|(Docker|Container)file[^/]*|[^/]+\.[Dd]ockerfile|(docker-)?compose[^/]*\.ya?ml"
    r"|\.github/workflows/[^/]+\.ya?ml|\.gitlab-ci\.yml|\.circleci/config\.yml|\.travis\.yml"
    r"|azure-pipelines\.yml|appveyor\.yml|Jenkinsfile|app\.ya?ml|render\.yaml|fly\.toml"
    r"|Makefile|makefile|justfile|noxfile\.py|tasks\.py|[^/]+\.sh|[^/]+\.service|uwsgi[^/]*\.ini"
    r"|\.flaskenv|\.env|\.env\.[^/]+|supervisord?\.conf"
    r")$"
)


@dataclass(frozen=True, slots=True)
class Source:
    """A Python file of the project."""

    #: Relative to the project's root, with slashes.
    file: str
    #: Its dotted name from the root: `src.shop.views`; a package's without `__init__`.
    module: str
    package: bool
    test: bool
    #: Modules in the same folder, where that is no package: they are imported by their stems.
    siblings: frozenset[str] = frozenset()


@dataclass(slots=True)
class Tree:
    """A project's files, and the names by which its modules are imported."""

    root: Path
    sources: list[Source]
    configs: list[str]
    #: An import name -> the module, for each way that it may be imported.
    modules: dict[str, str]


def read_tree(path: Path, exclude: t.Collection[str] = ()) -> Tree:
    """Find the files of the project at `path`, a folder or one file.

    `exclude` has folders and files, relative to it, that are left alone.
    """
    root = path if path.is_dir() else path.parent
    found = sorted(_walk(root, frozenset(exclude))) if path.is_dir() else [path.name]
    return tree_of(root, found)


def tree_of(root: Path, found: t.Sequence[str]) -> Tree:
    """Return the tree of these files, which are told relative to its root."""
    python = [name for name in found if name.endswith(".py")]
    stems: dict[str, set[str]] = {}
    for name in python:
        folder, _, stem = name.rpartition("/")
        stems.setdefault(folder, set()).add(stem.removesuffix(".py"))
    packages = {folder for folder, names in stems.items() if "__init__" in names}
    # The root may be a package itself: its modules are imported by its name.
    prefix = [root.resolve().name] if "" in packages else []
    sources: list[Source] = []
    modules: dict[str, str] = {}
    for name in python:
        folders = name.split("/")[:-1]
        stem = name.split("/")[-1].removesuffix(".py")
        package = stem == "__init__"
        parts = [*prefix, *folders] if package else [*prefix, *folders, stem]
        module = ".".join(parts)
        # The first of the folders that are packages one inside the other.
        top = len(folders)
        while top and "/".join(folders[:top]) in packages:
            top -= 1
        lone = top == len(folders) and top > 0
        near = frozenset(stems["/".join(folders)]) if lone else frozenset()
        sources.append(Source(name, module, package, bool(_TEST.search(name)), near))
        modules[module] = module
        if not lone or folders[0] in ("src", "lib"):
            start = 1 if lone else top
            modules.setdefault(".".join(parts[len(prefix) + start :]) or module, module)
    configs = [name for name in found if _CONFIG.search(name)]
    return Tree(root, sources, configs, modules)


def _walk(root: Path, exclude: frozenset[str]) -> t.Iterator[str]:
    for folder, folders, files in os.walk(root):
        here = os.path.relpath(folder, root).replace(os.sep, "/")
        prefix = "" if here == "." else f"{here}/"
        folders[:] = sorted(
            name
            for name in folders
            if name not in _FOREIGN
            and prefix + name not in exclude
            and (not name.startswith(".") or name in (".github", ".circleci"))
            and not name.endswith(".egg-info")
            and not os.path.exists(os.path.join(folder, name, "pyvenv.cfg"))
        )
        for name in files:
            if prefix + name not in exclude and not os.path.islink(os.path.join(folder, name)):
                yield prefix + name
