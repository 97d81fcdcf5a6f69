"""Values of one annotation: read from JSON, MessagePack and text, and written as JSON.

Two libraries do it: msgspec, and pydantic for annotations that name a model or a constraint of its.
The rule: what a client sent raises `Undecodable`, or `Refused` with every fault that there is.
"""

from __future__ import annotations

import dataclasses
import decimal
import functools
import itertools
import sys
import typing as t

import msgspec
from werkzeug.datastructures import FileStorage

from .annotations import is_file
from .annotations import is_struct
from .annotations import item_of
from .annotations import needs_pydantic
from .annotations import parts_of
from .annotations import split
from .annotations import without_none
from .faults import Fault
from .faults import fault_of
from .faults import faults_of_model
from .faults import missing
from .faults import MOST
from .texts import reworded

#: What decoding raises beside `ValidationError`. Bytes that are no UTF-8 are a ValueError before
#: msgspec 0.20.
_DECODING = (msgspec.DecodeError, RecursionError, ValueError, TypeError)
#: Values that are looked at one by one for more faults than the first.
_SEARCHED = 1000
#: What msgspec says of a float in the place of another number.
_FLOAT = "got `float`"


class Undecodable(Exception):
    """The text, or the bytes, are not of the format at all."""


class Refused(Exception):
    """What was read is not of the type."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(faults)
        self.faults = faults


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


class Codec(t.Protocol):
    """Reads and writes values of one annotation. `where` and `path` are for faults."""

    annotation: t.Any

    def from_json(self, data: bytes, where: str) -> t.Any: ...
    def from_msgpack(self, data: bytes, where: str) -> t.Any: ...
    def from_text(self, value: t.Any, where: str, path: list[str | int]) -> t.Any:
        """Return what text, or lists and dicts of text and files, say."""

    def from_object(self, value: t.Any, where: str) -> t.Any:
        """Return what decoded JSON says."""

    def from_own(self, value: t.Any) -> t.Any:
        """Return the value of this type for one of the app's, which may be another class with the
        same attributes. Raises ValueError."""

    def to_json(self, value: t.Any) -> bytes: ...
    def to_msgpack(self, value: t.Any) -> bytes: ...
    def check(self, value: t.Any) -> None:
        """Raise ValueError where a value is not what the annotation says, however deep."""


class StructCodec:
    """By msgspec."""

    def __init__(self, annotation: t.Any) -> None:
        self.annotation = annotation
        self._json = msgspec.json.Decoder(annotation, dec_hook=_hook)
        self._msgpack = msgspec.msgpack.Decoder(annotation, dec_hook=_hook, ext_hook=_refuse_ext)
        self._encode = msgspec.json.Encoder().encode
        self._convert: t.Any = functools.partial(msgspec.convert, type=annotation, dec_hook=_hook)
        self._read: t.Any = functools.partial(self._convert, strict=False)
        self._text = annotation is str
        #: PERF(0.2 us): what `from_text` begins with, for who does the rest where it raises.
        self.read_text: t.Any = str if self._text else self._read
        self._shape = _Shape(annotation)
        #: Whether there may be decimals in it, of which NaN is one to msgspec.
        self._decimals = _has_decimals(annotation, set())
        if self._decimals:
            self.read_text = self._read_finite

    def from_json(self, data: bytes, where: str) -> t.Any:
        try:
            made = self._json.decode(data)
            return self._finite(made, where, []) if self._decimals else made
        except msgspec.ValidationError as error:
            try:
                value = msgspec.json.decode(data)
            except _DECODING as whole:
                raise Undecodable(_told(whole)) from whole
            if _FLOAT in str(error):
                value = _with_integers(value)
                try:
                    return self._convert(value)
                except msgspec.ValidationError:
                    pass
            raise Refused(self._faults(value, where, [], error, True)) from error
        except _DECODING as error:
            raise Undecodable(_told(error)) from error

    def from_msgpack(self, data: bytes, where: str) -> t.Any:
        try:
            made = self._msgpack.decode(data)
            return self._finite(made, where, []) if self._decimals else made
        except msgspec.ValidationError as error:
            try:
                value = msgspec.msgpack.decode(data, ext_hook=_refuse_ext)
            except _DECODING as whole:
                raise Undecodable(_told(whole)) from whole
            raise Refused(self._faults(value, where, [], error, True)) from error
        except _DECODING as error:
            raise Undecodable(_told(error)) from error

    def from_text(self, value: t.Any, where: str, path: list[str | int]) -> t.Any:
        if self._text and type(value) is str:
            return value
        try:
            made = self._read(value)
        except msgspec.ValidationError as error:
            value = self._reworded(value, self._shape)
            try:
                made = self._read(value)
            except msgspec.ValidationError:
                raise Refused(self._faults(value, where, path, error, False)) from error
        return self._finite(made, where, path) if self._decimals else made

    def from_object(self, value: t.Any, where: str) -> t.Any:
        try:
            made = self._convert(value)
        except msgspec.ValidationError as error:
            raise Refused(self._faults(value, where, [], error, True)) from error
        return self._finite(made, where, []) if self._decimals else made

    def from_own(self, value: t.Any) -> t.Any:
        return self._convert(value, from_attributes=True)

    def to_json(self, value: t.Any) -> bytes:
        return self._encode(value)

    def to_msgpack(self, value: t.Any) -> bytes:
        return msgspec.msgpack.encode(value)

    def check(self, value: t.Any) -> None:
        self._convert(msgspec.to_builtins(value))

    def _reworded(self, value: t.Any, shape: _Shape) -> t.Any:
        """Return text with that in other words which was refused."""
        try:
            msgspec.convert(value, shape.annotation, strict=False, dec_hook=_hook)
            return value
        except msgspec.ValidationError:
            pass
        if isinstance(value, str):
            return reworded(value, shape.annotation)
        if isinstance(value, list) and shape.item is not None and len(value) <= _SEARCHED:
            return [self._reworded(one, shape.item) for one in value]
        if isinstance(value, dict):
            fields = {name: field for name, field, _ in shape.fields}
            return {k: self._reworded(v, fields[k]) if k in fields else v for k, v in value.items()}
        return value

    def _read_finite(self, value: str) -> t.Any:
        made = self._read(value)
        if next(_not_finite(made, []), None) is not None:
            raise msgspec.ValidationError("Expected a finite `decimal`")
        return made

    def _finite(self, made: t.Any, where: str, path: list[str | int]) -> t.Any:
        """Return what was read, without a NaN or an infinity in the place of a decimal."""
        faults = [
            Fault(where, place, "a finite decimal", "Expected a finite `decimal`.")
            for place in itertools.islice(_not_finite(made, path), MOST)
        ]
        if faults:
            raise Refused(faults)
        return made

    def _faults(
        self,
        value: t.Any,
        where: str,
        path: list[str | int],
        error: Exception,
        strict: bool,
    ) -> list[Fault]:
        search = _Search(where, strict)
        search.look(value, self._shape, path)
        return search.found or [fault_of(error, where, path)]


class _Shape:
    """What a type is made of, looked up once, when a value of it was refused."""

    def __init__(self, annotation: t.Any) -> None:
        self.annotation = annotation
        self._inner = without_none(annotation)

    @functools.cached_property
    def item(self) -> _Shape | None:
        """Of a list."""
        item = item_of(self._inner)
        return None if item is None else _Shape(item)

    @functools.cached_property
    def value(self) -> _Shape | None:
        """Of a dict."""
        bare = split(self._inner)[0]
        return _Shape(t.get_args(bare)[1]) if t.get_origin(bare) is dict else None

    @functools.cached_property
    def fields(self) -> list[tuple[str, _Shape, bool]]:
        """Of a type that has some: name, shape, and whether it is required."""
        return [(f.name, _Shape(f.annotation), f.required) for f in fields_of(self._inner)]


class _Search:
    """Looks for every fault of a value: msgspec tells of the first alone."""

    def __init__(self, where: str, strict: bool) -> None:
        self.where = where
        self.strict = strict
        self.found: list[Fault] = []
        self._left = _SEARCHED

    def look(self, value: t.Any, shape: _Shape, path: list[str | int]) -> None:
        self._left -= 1
        if self._left < 0 or len(self.found) >= MOST:
            return
        try:
            msgspec.convert(value, shape.annotation, strict=self.strict, dec_hook=_hook)
            return
        except msgspec.ValidationError as error:
            refused = error
        except (TypeError, RecursionError):  # what it takes only as a part, such as a TypeVar
            return
        before = len(self.found)
        if isinstance(value, (list, tuple)):
            if shape.item is not None:
                for number, one in enumerate(value[: _SEARCHED + 1]):
                    self.look(one, shape.item, [*path, number])
        elif isinstance(value, dict):
            if shape.value is not None:
                for key, one in list(value.items())[: _SEARCHED + 1]:
                    name = key if type(key) in (str, int) else str(key)
                    self.look(one, shape.value, [*path, name])
            for name, field, required in shape.fields:
                if name in value:
                    self.look(value[name], field, [*path, name])
                elif required:
                    self.found.append(missing(self.where, [*path, name]))
        if len(self.found) == before:
            self.found.append(fault_of(refused, self.where, path))


class ModelCodec:
    """By pydantic."""

    def __init__(self, annotation: t.Any) -> None:
        import pydantic
        import pydantic_core

        self.annotation = annotation
        self.adapter: t.Any = pydantic.TypeAdapter(annotation)
        self._error: type[Exception] = pydantic.ValidationError
        self._to_json: t.Callable[..., bytes] = pydantic_core.to_json

    def from_json(self, data: bytes, where: str) -> t.Any:
        try:
            return self.adapter.validate_json(data)
        except self._error as error:
            first = t.cast(t.Any, error).errors(include_url=False, include_context=False)[0]
            if first["type"] == "json_invalid":
                raise Undecodable(first["msg"]) from error
            raise Refused(faults_of_model(error, where, [])) from error

    def from_msgpack(self, data: bytes, where: str) -> t.Any:
        try:
            value = msgspec.msgpack.decode(data, ext_hook=_refuse_ext)
        except _DECODING as error:
            raise Undecodable(_told(error)) from error
        return self.from_object(value, where)

    def from_text(self, value: t.Any, where: str, path: list[str | int]) -> t.Any:
        try:
            return self.adapter.validate_python(value)
        except self._error as error:
            raise Refused(faults_of_model(error, where, path)) from error

    def from_object(self, value: t.Any, where: str) -> t.Any:
        try:
            return self.adapter.validate_python(value)
        except self._error as error:
            # A strict model takes a date as text from JSON, and from nothing else.
            try:
                data = self._to_json(value, inf_nan_mode="constants")
            except ValueError:  # bytes of MessagePack
                raise Refused(faults_of_model(error, where, [])) from error
            return self.from_json(data, where)

    def from_own(self, value: t.Any) -> t.Any:
        return self.adapter.validate_python(value, from_attributes=True)

    def to_json(self, value: t.Any) -> bytes:
        return t.cast(bytes, self.adapter.dump_json(value))

    def to_msgpack(self, value: t.Any) -> bytes:
        return msgspec.msgpack.encode(self.adapter.dump_python(value, mode="json"))

    def check(self, value: t.Any) -> None:
        self.adapter.validate_python(self.adapter.dump_python(value, warnings=False))


def codec_of(annotation: t.Any) -> Codec:
    """Return what reads and writes values of an annotation. Raises TypeError where nothing
    does."""
    return ModelCodec(annotation) if needs_pydantic(annotation) else StructCodec(annotation)


def fields_of(annotation: t.Any) -> list[Field]:
    """Return the fields of a type that has some, by the names that are sent; none for others."""
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
            # The class itself cannot tell, where annotations are text.
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


def _has_decimals(annotation: t.Any, seen: set[t.Any]) -> bool:
    """Say whether a decimal may be in values of a type, however deep."""
    for part in parts_of(annotation):
        if part is decimal.Decimal:
            return True
        cls = t.get_origin(part) or part
        if isinstance(cls, type) and cls not in seen:
            seen.add(cls)
            if any(_has_decimals(field.annotation, seen) for field in fields_of(cls)):
                return True
    return False


def _not_finite(value: t.Any, path: list[str | int]) -> t.Iterator[list[str | int]]:
    """Iterate over the places of decimals that are NaN or infinite."""
    if isinstance(value, decimal.Decimal):
        if not value.is_finite():
            yield path
    elif isinstance(value, (list, tuple, set, frozenset)):
        for number, one in enumerate(value):
            yield from _not_finite(one, [*path, number])
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _not_finite(one, [*path, key if type(key) is int else str(key)])
    elif isinstance(value, msgspec.Struct):
        for field in msgspec.structs.fields(value):
            yield from _not_finite(getattr(value, field.name), [*path, field.encode_name])
    else:
        for name in (f.name for f in fields_of(type(value))):
            yield from _not_finite(getattr(value, name, None), [*path, name])


def _of_key(hint: t.Any) -> t.Any:
    """Return the type of a TypedDict's key, without what says whether it is required."""
    wrapped = t.get_origin(hint) in (t.Required, t.NotRequired)
    return t.get_args(hint)[0] if wrapped else hint


def _sent_as(name: str, field: t.Any) -> str:
    alias = field.validation_alias or field.alias
    return alias if isinstance(alias, str) else name


def _with_integers(value: t.Any) -> t.Any:
    """Return decoded JSON with an int for each float that is one: to JSON Schema 1.0 is an integer,
    to msgspec it is not."""
    if type(value) is float:
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if type(value) is list:
        return [_with_integers(one) for one in value]
    if type(value) is dict:
        return {key: _with_integers(one) for key, one in value.items()}
    return value


def _hook(cls: type[t.Any], value: t.Any) -> t.Any:
    """Take what is of the type already, such as an uploaded file; msgspec knows no such types."""
    if isinstance(value, cls):
        return value
    if issubclass(cls, FileStorage):
        raise ValueError("Expected `file`")
    raise ValueError(f"Expected `{cls.__name__}`")


def _refuse_ext(code: int, data: memoryview) -> t.NoReturn:
    raise ValueError(f"An extension type is in it, {code}")


def _told(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "It is nested too deeply."
    return str(error).rstrip(".") + "."
