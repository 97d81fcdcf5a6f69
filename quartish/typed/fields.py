"""The fields of a Struct, TypedDict, dataclass, attrs class or pydantic model."""

from __future__ import annotations

import dataclasses
import sys
import typing as t

import msgspec

from .annotations import is_file
from .annotations import is_struct
from .annotations import item_of
from .annotations import split
from .annotations import without_none


class Field(t.NamedTuple):
    """A field of a type with fields."""

    #: Its name in what is sent.
    name: str
    annotation: t.Any
    required: bool

    @property
    def many(self) -> bool:
        """Whether a form, or a query, may have more than one of it."""
        return item_of(self.annotation) is not None

    @property
    def file(self) -> bool:
        return is_file(self.annotation)


def fields_of(annotation: t.Any) -> list[Field]:
    """Return the fields of a type, by the names that are sent; none for a type without fields."""
    cls: t.Any = split(without_none(annotation))[0]
    cls = t.get_origin(cls) or cls
    if not isinstance(cls, type) or not is_struct(cls):
        return []
    if issubclass(cls, msgspec.Struct):
        return [Field(f.encode_name, f.type, f.required) for f in msgspec.structs.fields(cls)]
    if hasattr(cls, "model_fields"):
        return [
            Field(_sent_as(name, f), f.annotation, f.is_required())
            for name, f in t.cast(t.Any, cls).model_fields.items()
        ]
    hints = t.get_type_hints(cls, include_extras=True)
    if t.is_typeddict(cls):
        required: t.Any = t.cast(t.Any, cls).__required_keys__
        return [
            # The class itself cannot tell where annotations are text.
            Field(name, _of_key(hint), name in required and t.get_origin(hint) is not t.NotRequired)
            for name, hint in hints.items()
        ]
    if dataclasses.is_dataclass(cls):
        return [
            Field(
                f.name,
                hints[f.name],
                f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING,
            )
            for f in dataclasses.fields(cls)
            if f.init
        ]
    nothing = sys.modules["attr"].NOTHING
    attributes = t.cast(t.Any, cls).__attrs_attrs__
    return [
        Field(f.name, hints.get(f.name, t.Any), f.default is nothing) for f in attributes if f.init
    ]


def _of_key(hint: t.Any) -> t.Any:
    """Return the type of a TypedDict's key, without what says whether it is required."""
    wrapped = t.get_origin(hint) in (t.Required, t.NotRequired)
    return t.get_args(hint)[0] if wrapped else hint


def _sent_as(name: str, field: t.Any) -> str:
    alias = field.validation_alias or field.alias
    return alias if isinstance(alias, str) else name
