"""Objects that cache facts about themselves, and are notified when they or their class change.

Tests and tracing tools set attributes late, on an object or on its class. What was looked up once,
as a look-up for each request would take too long, is then looked up again.
"""

from __future__ import annotations

import typing as t
import weakref
from abc import ABCMeta

#: By identity, as a class may say that its objects cannot be hashed.
_watching: weakref.WeakValueDictionary[int, Watched] = weakref.WeakValueDictionary()


class WatchedType(ABCMeta):
    """The metaclass of classes that notify their objects of what is set or deleted on the class.

    It is an ABCMeta, so that users may mix abstract classes in.
    """

    def __setattr__(cls, name: str, value: t.Any) -> None:
        super().__setattr__(name, value)
        _tell(cls, name)

    def __delattr__(cls, name: str) -> None:
        super().__delattr__(name)
        _tell(cls, name)


def _tell(cls: type, name: str) -> None:
    for reference in _watching.valuerefs():
        watched = reference()
        if watched is not None and cls in type(watched).__mro__:
            watched._quartish_changed(name)  # noqa: SLF001 (this module's)


def tell_all(name: str) -> None:
    """Tell all objects that something was set which they may have looked up as `name`."""
    for reference in _watching.valuerefs():
        watched = reference()
        if watched is not None:
            watched._quartish_changed(name)  # noqa: SLF001 (this module's)


def watch(watched: Watched) -> None:
    """Notify `watched` from now on of changes of its class."""
    _watching[id(watched)] = watched


#: Attributes of classes that depend on what is redefined.
_SETTLED = (
    "quartish_needs_close",
    "_quartish_reads_plainly",
    "_quartish_parses_plainly",
    "quartish_speaks_wsgi",
)


class PartType(ABCMeta):
    """The metaclass of what an app makes for each request.

    Such a class knows which attributes of quartish's are redefined in it, by a subclass or a patch.
    When that changes, apps look up again how requests are dispatched.
    """

    #: The attributes of a class of quartish's when it was made; users' classes inherit this.
    quartish_stock: dict[str, t.Any]
    #: The names of those that are redefined.
    quartish_redefined: frozenset[str]

    def __init__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, t.Any], **options: t.Any
    ) -> None:
        super().__init__(name, bases, namespace, **options)
        if cls.__module__.startswith("quartish."):
            type.__setattr__(cls, "quartish_stock", _names_of(cls))
        cls.look()

    def look(cls) -> None:
        """Find out what is redefined now, in this class and in its subclasses."""
        now = _names_of(cls)
        redefined = (
            name for name, value in cls.quartish_stock.items() if now.get(name) is not value
        )
        type.__setattr__(cls, "quartish_redefined", frozenset(redefined))
        cls._quartish_looked()
        for subclass in t.cast(t.Any, cls).__subclasses__():
            subclass.look()

    def _quartish_looked(cls) -> None:
        """Set what depends on `quartish_redefined`."""

    def __setattr__(cls, name: str, value: t.Any) -> None:
        super().__setattr__(name, value)
        cls._set(name)

    def __delattr__(cls, name: str) -> None:
        super().__delattr__(name)
        cls._set(name)

    def _set(cls, name: str) -> None:
        if "quartish_redefined" in vars(cls) and _counts(name):
            cls.look()
            tell_all("request_class")


def _names_of(cls: type) -> dict[str, t.Any]:
    names: dict[str, t.Any] = {}
    for base in reversed(cls.__mro__):
        names.update(vars(base))
    return {name: value for name, value in names.items() if _counts(name)}


def _counts(name: str) -> bool:
    if name in ("quartish_stock", "quartish_redefined", "_abc_impl", *_SETTLED):
        return False
    return name in ("__init__", "__call__") or not name.startswith("__")


class Watched(metaclass=WatchedType):
    """An object whose `_quartish_changed` is called when one of its attributes was set or deleted;
    or one of its class, from the time that `watch` is called with it."""

    def _quartish_changed(self, name: str) -> None:
        """Forget what depends on the attribute `name`."""
        raise NotImplementedError

    def __setattr__(self, name: str, value: t.Any) -> None:
        super().__setattr__(name, value)
        self._quartish_changed(name)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self._quartish_changed(name)
