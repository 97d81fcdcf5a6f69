"""Second names for quartish's modules: what `as_flask` and `as_quart` are made of.

The rule: a second name leads to the very same module object, so that patching one patches
the other. A module is built only where quartish keeps the names of one in several.
"""

from __future__ import annotations

import collections.abc as cabc
import importlib
import sys
import typing as t
from importlib.abc import Loader
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution
from importlib.metadata import DistributionFinder
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from types import MappingProxyType
from types import ModuleType

from ._names import serve

Built: t.TypeAlias = cabc.Mapping[str, tuple[str, ...]]


def install(alias: str, face: str, version: str, built: Built = MappingProxyType({})) -> None:
    """Make `alias` mean the module `face`, and `alias.x` the module `quartish.x`.

    `built` lists the modules that are put together and their parts: `module` for all its
    public names, `name=module:attribute` for one. Raises ImportError where the real `alias`
    was imported before.
    """
    there, wanted = sys.modules.get(alias), importlib.import_module(face)
    if there is wanted:
        return
    if there is not None:
        place = getattr(there, "__file__", None) or "an unknown place"
        raise ImportError(
            f"{alias!r} was already imported, from {place}, and code may hold on to it."
            f" Import 'quartish.as_{alias}' before anything that imports {alias!r};"
            f" under pytest, say 'pytest -p quartish.as_{alias}'.",
            name=alias,
        )
    if not hasattr(wanted, "__path__"):
        wanted.__path__ = []  # lets `import alias.x` come as far as the finder
    sys.modules[alias] = wanted
    sys.meta_path.insert(0, _Modules(alias, built, f"quartish.as_{alias}"))
    sys.meta_path.append(_Version(alias, version))


def extend(face: str, built: Built) -> None:
    """Let `face.x` mean the module `quartish.x`, or what `built` has for it."""
    sys.modules[face].__path__ = []
    sys.meta_path.insert(0, _Modules(face, built, face))


class _Modules(MetaPathFinder, Loader):
    """Finds `alias.x`: a built module, else the one that quartish has."""

    def __init__(self, alias: str, built: Built, face: str) -> None:
        self.alias = alias
        self.built = built
        self.face = face

    def find_spec(
        self,
        fullname: str,
        path: cabc.Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        root, name = self.alias, fullname.removeprefix(self.alias + ".")
        if name == fullname:
            return None
        if name not in self.built and not _exists(f"quartish.{name}"):
            raise ModuleNotFoundError(
                f"No module named {fullname!r}: {root!r} means quartish here"
                f" (by {self.face}), and quartish has no module {name!r}.",
                name=fullname,
            )
        return ModuleSpec(fullname, self)

    def exec_module(self, module: ModuleType) -> None:
        # The import system goes on with what it finds under the name afterwards.
        name = module.__name__.removeprefix(self.alias + ".")
        first, *more = self.built.get(name, (f"quartish.{name}",))
        if more or "=" in first:
            module.__path__ = []
            for part in (first, *more):
                vars(module).update(_names(part))
            serve(module, quarts=True)
        else:
            sys.modules[module.__name__] = importlib.import_module(first)


def _names(part: str) -> dict[str, t.Any]:
    name, _, source = part.rpartition("=")
    if name:
        return {name: resolve_name(source)}
    public = vars(importlib.import_module(source)).items()
    return {name: value for name, value in public if not name.startswith("_")}


def _exists(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # its parent does not exist, or is no package
        return False


class _Version(DistributionFinder):
    """Answers `importlib.metadata.version(alias)` where no such project is installed."""

    def __init__(self, alias: str, version: str) -> None:
        self.alias = alias
        self.version = version

    def find_spec(
        self,
        fullname: str,
        path: cabc.Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> None:
        return None

    def find_distributions(
        self,
        context: DistributionFinder.Context = DistributionFinder.Context(),  # noqa: B008
    ) -> cabc.Iterator[Distribution]:
        if context.name is not None and context.name.lower() == self.alias:
            yield _StandIn(self.alias, self.version)


class _StandIn(Distribution):
    """The metadata of a project that is not installed: its name and version."""

    def __init__(self, name: str, version: str) -> None:
        self._metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"

    def read_text(self, filename: str) -> str | None:
        return self._metadata if filename == "METADATA" else None

    def locate_file(self, path: t.Any) -> Path:
        return Path(__file__).parent.joinpath(path)
