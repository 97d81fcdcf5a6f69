"""The configuration of an app: a dict, and the ways to fill it.

Loaders keep uppercase keys only, so a configuration file may define other names, too. A config
notifies its followers when it changes.
"""

from __future__ import annotations

import errno
import functools
import json
import os
import types
import typing as t
import weakref

from werkzeug.utils import import_string

T = t.TypeVar("T")
F = t.TypeVar("F", bound=t.Callable[..., t.Any])

_ABSENT = (errno.ENOENT, errno.EISDIR, errno.ENOTDIR)


class _Configured(t.Protocol):
    @property
    def config(self) -> t.Any: ...


class Follower(t.Protocol):
    """An object that is notified when a config changes."""

    def changed(self, config: Config, key: str | None) -> None:
        """Called after an item was set or deleted; `key` is None if that may be several."""


#: By identity: a config cannot be hashed, and is copied and pickled without its followers.
_followers: weakref.WeakValueDictionary[int, Follower] = weakref.WeakValueDictionary()


def follow(follower: Follower) -> None:
    """Notify `follower` from now on of changes in any config."""
    _followers[id(follower)] = follower


def _notifying(method: F) -> F:
    """Return a method of `dict` that notifies the followers, also if it raises: it may have changed
    something before."""

    @functools.wraps(method)
    def change(self: Config, *args: t.Any, **kwargs: t.Any) -> t.Any:
        try:
            return getattr(super(Config, self), method.__name__)(*args, **kwargs)
        finally:
            self._notify()

    return t.cast(F, change)


class ConfigAttribute(t.Generic[T]):
    """Show `app.config[name]` as an attribute of the app, converted when read."""

    def __init__(self, name: str, get_converter: t.Callable[[t.Any], T] | None = None) -> None:
        self.__name__ = name
        self.get_converter = get_converter

    @t.overload
    def __get__(self, obj: None, owner: type[t.Any]) -> t.Self: ...
    @t.overload
    def __get__(self, obj: _Configured, owner: type[t.Any] | None = None) -> T: ...
    def __get__(self, obj: _Configured | None, owner: type[t.Any] | None = None) -> T | t.Self:
        if obj is None:
            return self
        value: T = obj.config[self.__name__]
        return value if self.get_converter is None else self.get_converter(value)

    def __set__(self, obj: _Configured, value: t.Any) -> None:
        obj.config[self.__name__] = value


class Config(dict[str, t.Any]):
    """A dict that fills itself from files, objects, mappings and the environment.

    Relative file names start at `root_path`.
    """

    def __init__(
        self, root_path: str | os.PathLike[str], defaults: dict[str, t.Any] | None = None
    ) -> None:
        super().__init__(defaults or {})
        self.root_path = root_path

    def from_envvar(self, variable_name: str, silent: bool = False) -> bool:
        """Load the Python file that an environment variable names; say whether it was loaded.

        Raises RuntimeError when the variable is unset or empty and `silent` is false.
        """
        filename = os.environ.get(variable_name)
        if filename:
            return self.from_pyfile(filename, silent=silent)
        if silent:
            return False
        raise RuntimeError(
            f"The environment variable {variable_name!r} is not set, so no configuration could"
            " be loaded from it. Set it to the path of a configuration file."
        )

    def from_prefixed_env(
        self, prefix: str = "FLASK", *, loads: t.Callable[[str], t.Any] = json.loads
    ) -> bool:
        """Load every environment variable that starts with `prefix` and an underscore.

        Values go through `loads`; one that it refuses stays text. `PREFIX_A__b` sets key `b`
        of the dict `A`, which is made when missing. Always returns True.
        """
        start = f"{prefix}_"
        for name in sorted(os.environ):
            if not name.startswith(start):
                continue
            value: t.Any = os.environ[name]
            try:
                value = loads(value)
            except Exception:  # noqa: S110
                pass  # whatever `loads` dislikes is text
            *parents, key = name.removeprefix(start).split("__")
            target: dict[str, t.Any] = self
            try:
                for parent in parents:
                    if parent not in target:
                        target[parent] = {}
                    target = target[parent]
                target[key] = value
            except TypeError as exc:
                raise TypeError(
                    f"The environment variable {name!r} sets a key inside a config value that"
                    f" is not a dict ({exc}). Rename the variable or make that value a dict."
                ) from exc
        return True

    def from_pyfile(self, filename: str | os.PathLike[str], silent: bool = False) -> bool:
        """Run a Python file and load its uppercase names; say whether it was there.

        Flask:
            `silent` there also hides an OSError that the file itself raises.
        """
        file = self._open(filename, "rb", silent)
        if file is None:
            return False
        with file:
            source = file.read()
        module = types.ModuleType("config")
        module.__file__ = file.name
        exec(compile(source, file.name, "exec"), module.__dict__)  # noqa: S102 (the user's own)
        self.from_object(module)
        return True

    def from_object(self, obj: object | str) -> None:
        """Load the uppercase attributes of an object, or of what an import string names.

        A class is not instantiated, so its properties would be loaded as property objects.
        """
        if isinstance(obj, str):
            obj = import_string(obj)
        for key in dir(obj):
            if key.isupper():
                self[key] = getattr(obj, key)

    def from_file(
        self,
        filename: str | os.PathLike[str],
        load: t.Callable[[t.IO[t.Any]], t.Mapping[str, t.Any]],
        silent: bool = False,
        text: bool = True,
    ) -> bool:
        """Load the mapping that `load(file)` returns; say whether the file was there.

        Args:
            filename: Its path, relative to the app's `root_path`.
            load: Reads the open file, as `json.load` and `tomllib.load` do.
            silent: Whether a file that is not there is no error.
            text: False opens the file in binary mode.

        Raises:
            OSError: The file cannot be read, unless it is not there and `silent`.
        """
        file = self._open(filename, "r" if text else "rb", silent)
        if file is None:
            return False
        with file:
            return self.from_mapping(load(file))

    def from_mapping(self, mapping: t.Mapping[str, t.Any] | None = None, **kwargs: t.Any) -> bool:
        """Update like `dict.update`, uppercase keys only. Always returns True."""
        items: dict[str, t.Any] = {}
        if mapping is not None:
            items.update(mapping)
        items.update(kwargs)
        for key, value in items.items():
            if key.isupper():
                self[key] = value
        return True

    def get_namespace(
        self, namespace: str, lowercase: bool = True, trim_namespace: bool = True
    ) -> dict[str, t.Any]:
        """Return the options whose names start with `namespace`, ready to be keyword arguments:
        in small letters unless `lowercase` is false, without `namespace` unless
        `trim_namespace` is."""
        options = {}
        for name, value in self.items():
            if name.startswith(namespace):
                key = name.removeprefix(namespace) if trim_namespace else name
                options[key.lower() if lowercase else key] = value
        return options

    def _open(
        self, filename: str | os.PathLike[str], mode: str, silent: bool
    ) -> t.IO[t.Any] | None:
        """Open a file below `root_path`; None when it is absent and `silent` is true."""
        try:
            return open(os.path.join(self.root_path, filename), mode)
        except OSError as exc:
            if silent and exc.errno in _ABSENT:
                return None
            exc.strerror = f"Unable to load configuration file ({exc.strerror})"
            raise

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {super().__repr__()}>"

    # --- followers --------------------------------------------------------------------------
    # All methods by which a dict is changed.

    def _notify(self, key: str | None = None) -> None:
        for reference in _followers.valuerefs():
            follower = reference()
            if follower is not None:
                follower.changed(self, key)

    def __setitem__(self, key: str, value: t.Any) -> None:
        super().__setitem__(key, value)
        self._notify(key)

    if not t.TYPE_CHECKING:  # type checkers see those of `dict`
        __delitem__ = _notifying(dict.__delitem__)
        __ior__ = _notifying(dict.__ior__)
        clear = _notifying(dict.clear)
        pop = _notifying(dict.pop)
        popitem = _notifying(dict.popitem)
        setdefault = _notifying(dict.setdefault)
        update = _notifying(dict.update)


class QuartConfig(Config):
    """`Config` whose environment prefix is QUART, as Quart's is."""

    def from_prefixed_env(
        self, prefix: str = "QUART", *, loads: t.Callable[[str], t.Any] = json.loads
    ) -> bool:
        return super().from_prefixed_env(prefix, loads=loads)
