"""Objects that keep what they found out about themselves, and hear when it may be so no more.

Tests and tracing tools set attributes late, on an object or on its class. What was looked up
once, because to look it up for each request takes too long, is then looked up again.
"""

from __future__ import annotations

import typing as t
import weakref
from abc import ABCMeta

#: By identity, as a class may say that its objects cannot be hashed.
_watching: weakref.WeakValueDictionary[int, Watched] = weakref.WeakValueDictionary()


class WatchedType(ABCMeta):
    """The class of classes that tell their objects what is set on the class, or deleted there.

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
            watched._changed(name)  # noqa: SLF001 (this module's)


def tell_all(name: str) -> None:
    """Tell all objects that something was set which they may have looked up as `name`."""
    for reference in _watching.valuerefs():
        watched = reference()
        if watched is not None:
            watched._changed(name)  # noqa: SLF001 (this module's)


def watch(watched: Watched) -> None:
    """Tell `watched` from now on what happens to its class."""
    _watching[id(watched)] = watched


class Watched(metaclass=WatchedType):
    """An object whose `_changed` is called when one of its attributes was set or deleted; or one
    of its class, from the time that `watch` is called with it."""

    def _changed(self, name: str) -> None:
        """Forget what depends on the attribute `name`."""
        raise NotImplementedError

    def __setattr__(self, name: str, value: t.Any) -> None:
        super().__setattr__(name, value)
        self._changed(name)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self._changed(name)
