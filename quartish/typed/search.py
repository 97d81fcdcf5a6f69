"""The search for all faults of a value that msgspec has refused: msgspec names only the first.

The rule: it is bounded, by how many values are looked at, for how long, and how many faults are
listed.
"""

from __future__ import annotations

import functools
import typing as t
from time import thread_time

import msgspec
from werkzeug.datastructures import FileStorage

from .annotations import item_of
from .annotations import split
from .annotations import without_none
from .faults import Fault
from .faults import fault_of
from .faults import missing
from .faults import MOST
from .fields import fields_of

#: How many values are looked at one by one.
SEARCHED = 1000
LONGEST = 0.01
"""Seconds of processor time for which they are looked at: each is read with all that is in it."""


class Shape:
    """What a type is made of, looked up once, when a value of it was refused."""

    def __init__(self, annotation: t.Any) -> None:
        self.annotation = annotation
        self._inner = without_none(annotation)

    @functools.cached_property
    def item(self) -> Shape | None:
        """Of a list."""
        item = item_of(self._inner)
        return None if item is None else Shape(item)

    @functools.cached_property
    def value(self) -> Shape | None:
        """Of a dict."""
        bare = split(self._inner)[0]
        return Shape(t.get_args(bare)[1]) if t.get_origin(bare) is dict else None

    @functools.cached_property
    def fields(self) -> list[tuple[str, Shape, bool]]:
        """Of a type that has some: name, shape, and whether it is required."""
        return [(f.name, Shape(f.annotation), f.required) for f in fields_of(self._inner)]


class Search:
    """Looks for all faults of a value."""

    def __init__(self, where: str, strict: bool) -> None:
        self.where = where
        self.strict = strict
        self.found: list[Fault] = []
        self._left = SEARCHED
        self._until = thread_time() + LONGEST

    def look(self, value: t.Any, shape: Shape, path: list[str | int]) -> None:
        self._left -= 1
        if self._left < 0 or len(self.found) >= MOST or thread_time() > self._until:
            return
        try:
            msgspec.convert(
                value, shape.annotation, strict=self.strict, str_keys=True, dec_hook=take_own
            )
            return
        except msgspec.ValidationError as error:
            refused = error
        except (TypeError, RecursionError):  # a TypeVar, and the like
            return
        before = len(self.found)
        if isinstance(value, (list, tuple)):
            if shape.item is not None:
                for number, one in enumerate(value[: SEARCHED + 1]):
                    self.look(one, shape.item, [*path, number])
        elif isinstance(value, dict):
            if shape.value is not None:
                for key, one in list(value.items())[: SEARCHED + 1]:
                    name = key if type(key) in (str, int) else str(key)
                    self.look(one, shape.value, [*path, name])
            for name, field, required in shape.fields:
                if name in value:
                    self.look(value[name], field, [*path, name])
                elif required:
                    self.found.append(missing(self.where, [*path, name]))
        if len(self.found) == before:
            self.found.append(fault_of(refused, self.where, path))


def take_own(cls: type[t.Any], value: t.Any) -> t.Any:
    """Return what is of a type already that msgspec does not know, such as an uploaded file."""
    if isinstance(value, cls):
        return value
    if issubclass(cls, FileStorage):
        raise ValueError("Expected `file`")
    raise ValueError(f"Expected `{cls.__name__}`")
