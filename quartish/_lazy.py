"""An attribute computed when first read."""

from __future__ import annotations

import typing as t
import weakref
from inspect import getattr_static

T = t.TypeVar("T")


class lazy(t.Generic[T]):
    """An attribute computed when first read, then an ordinary instance attribute.

    PERF(1.6 of 15 us that a form takes): unlike `cached_property` it is no data descriptor and
    takes no lock, so every later read is a plain look-up; and it is set without asking for
    `__dict__`, which would make one for an object that has its values inline. Where the function
    raises, the next read tries again.
    """

    def __init__(self, func: t.Callable[[t.Any], T]) -> None:
        self.func = func
        self.name: str = func.__name__
        self.__doc__ = func.__doc__
        #: Classes that have a descriptor of their own in front of this one, which `super()` reads.
        self.covering: weakref.WeakSet[type] = weakref.WeakSet()
        self.is_covered: bool = False

    def cover(self, owner: type, covered: bool) -> None:
        """Note whether a class has a descriptor with a setter in front of this attribute."""
        (self.covering.add if covered else self.covering.discard)(owner)
        self.is_covered = bool(self.covering)

    if t.TYPE_CHECKING:
        # Assigning makes an ordinary instance attribute; a real `__set__` would slow all reads.
        def __set__(self, obj: object, value: T) -> None: ...

    @t.overload
    def __get__(self, obj: None, owner: type) -> lazy[T]: ...
    @t.overload
    def __get__(self, obj: object, owner: type) -> T: ...
    def __get__(self, obj: object | None, owner: type) -> lazy[T] | T:
        if obj is None:
            return self
        if self.is_covered and owner in self.covering:
            # Kept where `cached_property` keeps it: no setter of a user's is called.
            kept = vars(obj)
            if self.name not in kept:
                kept[self.name] = self.func(obj)
            return t.cast(T, kept[self.name])
        value = self.func(obj)
        object.__setattr__(obj, self.name, value)
        return value


def look_for_covers(cls: type) -> None:
    """Note which of the lazy attributes that a class inherits are covered by a property."""
    for base in cls.__mro__:
        for name, value in vars(base).items():
            if isinstance(value, lazy):
                now = getattr_static(cls, name, None)
                value.cover(cls, now is not value and hasattr(type(now), "__set__"))
