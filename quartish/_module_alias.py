"""Second names for quartish's modules: what `as_flask` and `as_quart` are made of.

The rule: a second name leads to the very same module object, so that patching one patches
the other. A module is built only where quartish keeps the names of one in several.
"""

from __future__ import annotations

import collections.abc as cabc
import importlib
import sys
import typing as t
from contextlib import contextmanager
from importlib.abc import Loader
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.machinery import PathFinder
from importlib.metadata import Distribution
from importlib.metadata import DistributionFinder
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from types import MappingProxyType
from types import ModuleType

from ._names import serve

Built: t.TypeAlias = cabc.Mapping[str, tuple[str, ...]]


def install(
    alias: str,
    face: str,
    version: str,
    modules: cabc.Iterable[str],
    built: Built = MappingProxyType({}),
) -> None:
    """Make `alias` mean the module `face`, and `alias.x` the module `quartish.x`; import it and
    its `modules` by their second names.

    That runs the import hooks that others have for them: a hook is handed quartish's module,
    which says until the end of this that its name is the one that the hook waits for.

    `built` lists the modules that are put together and their parts: `module` for all its
    names, `name=module:attribute` for one. Raises ImportError where the real `alias`
    was imported before.
    """
    there, wanted = sys.modules.get(alias), importlib.import_module(face)
    if there is wanted:
        return
    if there is not None:
        raise _too_late(alias, there)
    if not hasattr(wanted, "__path__"):
        wanted.__path__ = []  # lets `import alias.x` come as far as the finder
    finder = _Modules(alias, {"": (face,), **built}, f"quartish.as_{alias}")
    # Behind the finders of those who watch imports, which ask the others and add to what these
    # find, and before the one that finds the real `alias`.
    place = sys.meta_path.index(PathFinder) if PathFinder in sys.meta_path else 0
    sys.meta_path.insert(place, finder)
    if not finder.is_asked():  # pytest's finds the real one by itself: python_files = "*.py"
        sys.meta_path.remove(finder)
        sys.meta_path.insert(0, finder)
    sys.meta_path.append(_Version(alias, version))
    with finder.lending_names():
        for name in (alias, *(f"{alias}.{name}" for name in modules)):
            importlib.import_module(name)
    if sys.modules[alias] is not wanted:  # by a hook that puts another one there
        raise _too_late(alias, sys.modules[alias])


def _too_late(alias: str, there: ModuleType) -> ImportError:
    place = getattr(there, "__file__", None) or "an unknown place"
    return ImportError(
        f"{alias!r} was already imported, from {place}, and code may hold on to it."
        f" Import 'quartish.as_{alias}' before anything that imports {alias!r};"
        f" under pytest, say 'pytest -p quartish.as_{alias}'."
        + " Under opentelemetry-instrument, set QUARTISH_AS_FLASK=1."
        * (alias == "flask"),
        name=alias,
    )


def extend(face: str, built: Built) -> None:
    """Let `face.x` mean the module `quartish.x`, or what `built` has for it; also where nobody has
    imported it, as upstream's package has its modules."""

    def __getattr__(name: str) -> t.Any:
        try:
            if not name.startswith("_"):
                return importlib.import_module(f"{face}.{name}")
        except ModuleNotFoundError:
            pass
        raise AttributeError(f"module {face!r} has no attribute {name!r}")

    vars(sys.modules[face]).update(__path__=[], __getattr__=__getattr__)
    sys.meta_path.insert(0, _Modules(face, built, face))


class _Modules(MetaPathFinder, Loader):
    """Finds `alias` and `alias.x`: a built module, else the one that quartish has."""

    def __init__(self, alias: str, built: Built, face: str) -> None:
        self.alias = alias
        self.built = built
        self.face = face
        #: The specs that modules have in quartish, by the second name they are imported by.
        self.specs: dict[str, ModuleSpec | None] = {}
        #: Modules that were lent their second name, with their own; None when none is lent.
        self.lent: list[tuple[ModuleType, str]] | None = None
        self._asked = False

    def is_asked(self) -> bool:
        """Say whether those before this one leave `alias` to it."""
        self._asked = False
        find_spec(self.alias)
        return self._asked

    def find_spec(
        self,
        fullname: str,
        path: cabc.Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        root, name = self.alias, self._short(fullname)
        self._asked = self._asked or not name
        if name == fullname or (not name and name not in self.built):
            return None
        if name not in self.built and not _exists(f"quartish.{name}"):
            raise ModuleNotFoundError(
                f"No module named {fullname!r}: {root!r} means quartish here"
                f" (by {self.face}), and quartish has no module {name!r}.",
                name=fullname,
            )
        return ModuleSpec(fullname, self)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        first, *more = self._parts(spec.name)
        if more or "=" in first:
            return None
        module = importlib.import_module(first)
        self.specs[spec.name] = module.__spec__
        if self.lent is not None:
            self.lent.append((module, module.__name__))
            module.__name__ = spec.name
        return module

    def exec_module(self, module: ModuleType) -> None:
        name = t.cast(ModuleSpec, module.__spec__).name
        if name in self.specs:
            module.__spec__ = self.specs.pop(name)  # as relative imports in it need it
            return
        module.__path__ = []
        for part in self._parts(name):
            vars(module).update(_names(part))
        serve(module, quarts=True)

    @contextmanager
    def lending_names(self) -> t.Iterator[None]:
        """Let modules say meanwhile that they are called as they are imported."""
        self.lent = []
        try:
            yield
        finally:
            for module, name in reversed(self.lent):
                module.__name__ = name
            self.lent = None

    def _short(self, fullname: str) -> str:
        return "" if fullname == self.alias else fullname.removeprefix(self.alias + ".")

    def _parts(self, fullname: str) -> tuple[str, ...]:
        name = self._short(fullname)
        return self.built.get(name, (f"quartish.{name}",))


def _names(part: str) -> dict[str, t.Any]:
    name, _, source = part.rpartition("=")
    if name:
        return {name: resolve_name(source)}
    names = vars(importlib.import_module(source)).items()
    return {name: value for name, value in names if not name.startswith("__")}


def _exists(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # its parent does not exist, or is no package
        return False


class _Version(DistributionFinder):
    """Provides `importlib.metadata.version(alias)` if no such project is installed."""

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
