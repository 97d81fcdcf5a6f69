"""Annotations, and how they are read: of decorated functions, as text, with names not yet known."""

from __future__ import annotations

import collections.abc as cabc
import dataclasses
import functools
import inspect
import sys
import types
import typing as t

import msgspec
from werkzeug.datastructures import FileStorage

from .marks import Given
from .marks import Mark

_LISTS = (list, set, frozenset, tuple, cabc.Sequence, cabc.Set, cabc.MutableSequence)
_UNIONS = (t.Union, types.UnionType)


def innermost(func: t.Any) -> t.Any:
    """Return the function inside decorators and partials; of a class its `__init__`, of an object
    its `__call__`."""
    while isinstance(func, functools.partial):
        func = func.func
    func = inspect.unwrap(func)
    if inspect.isclass(func):
        return func.__init__
    if not inspect.isroutine(func) and callable(func):
        return type(func).__call__
    return func


def hints_of(func: t.Any) -> dict[str, t.Any]:
    """Return the annotations of a function, with their marks. Raises NameError where one uses a
    name that is not defined."""
    inner = innermost(func)
    try:
        return t.get_type_hints(inner, include_extras=True)
    except AttributeError:  # built in: it has none
        return {}


def has_marks(func: t.Any) -> bool:
    """Say whether an annotation of a function has a mark, or is a type that needs none. In one that
    cannot be evaluated, which is no error, their names are looked for."""
    inner = innermost(func)
    annotations = getattr(inner, "__annotations__", None) or {}
    module = sys.modules.get(getattr(inner, "__module__", None) or "")
    names = getattr(inner, "__globals__", None) or vars(module or types)
    for annotation in annotations.values():
        if isinstance(annotation, str):
            try:
                annotation = eval(annotation, names)  # noqa: S307 (as `get_type_hints` does)
            except Exception:
                # It uses a class that is defined below the view, or for type checkers alone.
                if _names_a_mark(annotation, names):
                    return True
                continue
        if marks_in(annotation) or is_given(annotation):
            return True
    return False


def _names_a_mark(annotation: str, names: t.Mapping[str, t.Any]) -> bool:
    return any(
        isinstance(value, type)
        and (
            ("Annotated[" in annotation and issubclass(value, Mark) and f"{name}(" in annotation)
            or (issubclass(value, Given) and f"{name}[" in annotation)
        )
        for name, value in list(names.items())
        if isinstance(name, str)
    )


def split(annotation: t.Any) -> tuple[t.Any, list[t.Any]]:
    """Return the type inside `Annotated`, and the metadata."""
    if t.get_origin(annotation) is t.Annotated:
        bare, *extras = t.get_args(annotation)
        return bare, extras
    return annotation, []


def marks_in(annotation: t.Any) -> list[Mark]:
    """Return the marks of an annotation."""
    return [extra for extra in split(annotation)[1] if isinstance(extra, Mark)]


def is_given(annotation: t.Any) -> bool:
    """Say whether a parameter of this type needs no mark (`Given`)."""
    bare = split(annotation)[0]
    cls = t.get_origin(bare) or bare
    return isinstance(cls, type) and issubclass(cls, Given)


def without_marks(annotation: t.Any) -> t.Any:
    """Return an annotation without its marks."""
    bare, extras = split(annotation)
    kept = [extra for extra in extras if not isinstance(extra, Mark)]
    return with_extras(bare, kept)


def with_extras(annotation: t.Any, extras: t.Sequence[t.Any]) -> t.Any:
    """Return an annotation with more metadata."""
    return t.Annotated[(annotation, *extras)] if extras else annotation


def members(annotation: t.Any) -> tuple[t.Any, ...]:
    """Return the members of a union; any other type is its only member."""
    bare = split(annotation)[0]
    return t.get_args(bare) if t.get_origin(bare) in _UNIONS else (annotation,)


def without_none(annotation: t.Any) -> t.Any:
    """Return an annotation without the None of its union."""
    bare, extras = split(annotation)
    if t.get_origin(bare) not in _UNIONS:
        return annotation
    kept = tuple(one for one in t.get_args(bare) if one is not type(None))
    return with_extras(kept[0] if len(kept) == 1 else t.Union[kept], extras)


def item_of(annotation: t.Any) -> t.Any:
    """Return the type of the items of a list, set or tuple; None for other types."""
    bare = split(without_none(annotation))[0]
    origin = t.get_origin(bare) or bare
    if origin not in _LISTS:
        return None
    arguments = [one for one in t.get_args(bare) if one is not ...]
    return arguments[0] if arguments else t.Any


def is_model(cls: t.Any) -> bool:
    """Say whether a type is a model or a dataclass of pydantic."""
    return isinstance(cls, type) and (
        "__pydantic_validator__" in vars(cls) or "__pydantic_core_schema__" in vars(cls)
    )


def is_struct(annotation: t.Any) -> bool:
    """Say whether a type has fields: a Struct, dataclass, attrs class, TypedDict, NamedTuple or
    pydantic model, optional or not; or whether each member of a union has."""
    bare = split(without_none(annotation))[0]
    if t.get_origin(bare) in _UNIONS:
        return all(map(is_struct, t.get_args(bare)))
    cls = t.get_origin(bare) or bare
    return isinstance(cls, type) and (
        issubclass(cls, msgspec.Struct)
        or dataclasses.is_dataclass(cls)
        or hasattr(cls, "__attrs_attrs__")
        or t.is_typeddict(cls)
        or is_model(cls)
    )


def is_file(annotation: t.Any) -> bool:
    """Say whether a type is an uploaded file, or a list of them."""
    bare = split(without_none(annotation))[0]
    item = item_of(bare)
    bare = bare if item is None else split(item)[0]
    return isinstance(bare, type) and issubclass(bare, FileStorage)


def parts_of(annotation: t.Any) -> t.Iterator[t.Any]:
    """Iterate over an annotation and all that it consists of, metadata included."""
    yield annotation
    if t.get_origin(annotation) is t.Literal:
        return
    for argument in t.get_args(annotation):
        if isinstance(argument, list):  # of a Callable
            continue
        yield from parts_of(argument)


def needs_pydantic(annotation: t.Any) -> bool:
    """Say whether pydantic has to check an annotation: a model, type or constraint of pydantic is
    in it."""
    return any(
        is_model(part)
        or is_model(t.get_origin(part))
        or (isinstance(part, type) and hasattr(part, "__get_pydantic_core_schema__"))
        or type(part).__module__.partition(".")[0] in ("pydantic", "annotated_types")
        for part in parts_of(annotation)
    )
