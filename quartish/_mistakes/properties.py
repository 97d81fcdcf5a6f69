"""Properties of subclasses in the place of attributes that we set."""

from __future__ import annotations

import inspect
import typing as t


def refuse_properties(cls: type, names: t.Iterable[str]) -> None:
    """Raise TypeError if instances could not be given their attributes of these names."""
    for name in names:
        value = inspect.getattr_static(cls, name, None)
        if isinstance(value, property) and value.fset is None:
            code = getattr(value.fget, "__code__", None)
            place = f" ({code.co_filename}, line {code.co_firstlineno})" if code else ""
            raise TypeError(
                f"The class {cls.__qualname__} has a property {name!r}{place}, and quartish keeps"
                " something of its own in the attribute of that name, which the property does not"
                " let it set. Give the property another name."
            )
