"""Values of one annotation: read from JSON, MessagePack and text, written as JSON and MessagePack.

msgspec does it, or pydantic where a model, type or constraint of pydantic is in the annotation. The
rule: wrong input raises `Undecodable`, or `Refused` with all of its faults, up to `MOST`.
"""

from __future__ import annotations

import decimal
import functools
import itertools
import typing as t
from asyncio import _get_running_loop

import msgspec

from .._current import find_context
from ..json._long import has_more
from .annotations import needs_pydantic
from .annotations import parts_of
from .faults import Fault
from .faults import fault_of
from .faults import faults_of_model
from .faults import MOST
from .fields import fields_of
from .floods import check_numbers
from .floods import hashes_numbers
from .packed import check_parts
from .packed import loads_long
from .search import Search
from .search import SEARCHED
from .search import Shape
from .search import take_own
from .texts import reworded

#: What decoding raises beside `ValidationError`. Before msgspec 0.20 bytes that are no UTF-8 are a
#: ValueError.
_DECODING = (msgspec.DecodeError, RecursionError, ValueError, TypeError)
#: What msgspec says of a float in the place of another number.
_FLOAT = "got `float`"
#: Items of a list that are looked at at once, as nothing else runs meanwhile.
_STEP = 1000
#: Faults of a model's that are made words of at once: 5 us each, and nothing else runs.
_FEW = 1000


class Undecodable(Exception):
    """The text, or the bytes, are not of the format at all."""


class Refused(Exception):
    """What was decoded is not of the type."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(faults)
        self.faults = faults


class Codec(t.Protocol):
    """Reads and writes values of one annotation. `where` and `path` are for faults."""

    annotation: t.Any
    #: How many times longer than by msgspec each list or object takes; and whether each value takes
    #: long. Nothing else runs meanwhile, so that there may be fewer: `too_many`.
    part_weight: int
    slow_values: bool

    def from_json(self, data: bytes, where: str) -> t.Any: ...
    def from_msgpack(self, data: bytes, where: str) -> t.Any: ...
    def from_text(self, value: t.Any, where: str, path: list[str | int]) -> t.Any:
        """Return the value of text, or of lists and dicts of text and files."""

    def from_object(self, value: t.Any, where: str) -> t.Any:
        """Return the value of decoded JSON."""

    def from_own(self, value: t.Any) -> t.Any:
        """Return a value of the app's as one of this type: it may be of another class with the same
        attributes. Raises ValueError."""

    def to_json(self, value: t.Any) -> bytes: ...
    def to_msgpack(self, value: t.Any) -> bytes: ...
    def check(self, value: t.Any) -> None:
        """Raise ValueError if a value, or a part of it, is not of its type."""


class StructCodec:
    """By msgspec."""

    part_weight = 1
    slow_values: bool

    def __init__(self, annotation: t.Any) -> None:
        self.annotation = annotation
        self._json = msgspec.json.Decoder(annotation, dec_hook=take_own)
        self._msgpack = msgspec.msgpack.Decoder(annotation, dec_hook=take_own, ext_hook=_refuse_ext)
        self._encode = msgspec.json.Encoder().encode
        self._convert: t.Any = functools.partial(
            msgspec.convert, type=annotation, dec_hook=take_own
        )
        self._read: t.Any = functools.partial(self._convert, strict=False)
        #: In JSON the names of an object are text, whatever the keys of the dict are.
        self._of_json: t.Any = functools.partial(self._convert, str_keys=True)
        self._is_list = t.get_origin(annotation) is list
        self._floods = hashes_numbers(annotation)
        self._text = annotation is str
        #: The first step of `from_text`; a caller that uses it calls `from_text` if it raises.
        self.read_text: t.Any = str if self._text else self._read
        self._shape = Shape(annotation)
        #: Whether there may be decimals in it: msgspec takes NaN for one.
        self._decimals = self.slow_values = _has_decimals(annotation, set())
        if self._decimals:
            self.read_text = self._read_finite

    def from_json(self, data: bytes, where: str) -> t.Any:
        try:
            if self._floods:
                check_numbers(msgspec.json.decode(data))
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
                    return self._of_json(value)
                except msgspec.ValidationError:
                    pass
            raise Refused(self._faults(value, where, [], error, True)) from error
        except _DECODING as error:
            raise Undecodable(_told(error)) from error

    def from_msgpack(self, data: bytes, where: str) -> t.Any:
        try:
            if self._floods:
                check_numbers(_decode_msgpack(data))
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
        if self._floods:
            _check(value)
        try:
            if self._is_list and type(value) is list:
                made = [one for step in _steps(value) for one in self._of_json(step)]
            else:
                made = self._of_json(value)
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

    def _reworded(self, value: t.Any, shape: Shape) -> t.Any:
        """Return a value in which `reworded` was applied to the text that was refused."""
        try:
            msgspec.convert(value, shape.annotation, strict=False, dec_hook=take_own)
            return value
        except msgspec.ValidationError:
            pass
        if isinstance(value, str):
            return reworded(value, shape.annotation)
        if isinstance(value, list) and shape.item is not None and len(value) <= SEARCHED:
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
        """Return what was read. Raises Refused where a decimal in it is NaN or infinite."""
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
        search = Search(where, strict)
        search.look(value, self._shape, path)
        return search.found or [fault_of(error, where, path)]


class ModelCodec:
    """By pydantic."""

    part_weight = 10
    slow_values = True

    def __init__(self, annotation: t.Any) -> None:
        import pydantic
        import pydantic_core

        self.annotation = annotation
        self.adapter: t.Any = pydantic.TypeAdapter(annotation)
        self._floods = hashes_numbers(annotation)
        self._error: t.Any = pydantic.ValidationError
        self._to_json: t.Callable[..., bytes] = pydantic_core.to_json

    def from_json(self, data: bytes, where: str) -> t.Any:
        if self._floods:
            try:
                _check(msgspec.json.decode(data))
            except _DECODING:  # is told of below
                pass
        try:
            return self.adapter.validate_json(data)
        except self._error as error:
            if error.error_count() == 1:
                [first] = error.errors(include_url=False, include_context=False)
                if first["type"] == "json_invalid":
                    raise Undecodable(first["msg"]) from error
            raise Refused(self._faults(error, where, [], data)) from error

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
            raise Refused(self._faults(error, where, path)) from error

    def from_object(self, value: t.Any, where: str) -> t.Any:
        if self._floods:
            _check(value)
        try:
            return self.adapter.validate_python(value)
        except self._error as error:
            # A strict model takes a date as text from JSON, and from nothing else.
            try:
                data = self._to_json(value, inf_nan_mode="constants")
            except ValueError:  # bytes of MessagePack
                raise Refused(self._faults(error, where, [])) from error
            return self.from_json(data, where)

    def _faults(
        self, error: t.Any, where: str, path: list[str | int], data: bytes | None = None
    ) -> list[Fault]:
        """Return what pydantic tells of. It tells of all or none: of too many, only those are told
        that the beginning of each list of the JSON has."""
        count = error.error_count()
        if count > _FEW and data is not None:
            try:
                self.adapter.validate_json(self._to_json(_beginning(msgspec.json.decode(data))))
            except self._error as fewer:
                error = fewer
            except _DECODING:
                pass
        if error.error_count() > _FEW or (count > _FEW and data is None):
            return [Fault(where, path, "other values", f"{count} values are not what this takes.")]
        return faults_of_model(error, where, path)

    def from_own(self, value: t.Any) -> t.Any:
        return self.adapter.validate_python(value, from_attributes=True)

    def to_json(self, value: t.Any) -> bytes:
        return t.cast(bytes, self.adapter.dump_json(value))

    def to_msgpack(self, value: t.Any) -> bytes:
        return msgspec.msgpack.encode(self.adapter.dump_python(value, mode="json"))

    def check(self, value: t.Any) -> None:
        self.adapter.validate_python(self.adapter.dump_python(value, warnings=False))


def from_long_msgpack(codec: Codec, data: bytes, most: int | None, where: str) -> t.Any:
    """Do what `codec.from_msgpack` does in small steps. Raises TooManyParts where there are more
    than `most` lists and maps in it."""
    try:
        if most is None:
            check_parts(data, None)
        else:
            check_parts(data, most // codec.part_weight, most if codec.slow_values else None)
        value = loads_long(data, _decode_msgpack)
    except _DECODING as error:
        raise Undecodable(_told(error)) from error
    return codec.from_object(value, where)


def too_many(codec: Codec, data: str | bytes, most: int | None) -> str | None:
    """Return what long JSON has too many of for `MAX_JSON_PARTS`, which is `most`; else None. By
    pydantic an object takes 2 us; a decimal takes 0.2 us."""
    if most is None:
        return None
    parts = most // codec.part_weight
    if has_more(data, parts, "[{"):
        return f"more than {parts} lists and objects"
    if codec.slow_values and has_more(data, most, ","):
        return f"more than {most} values"
    return None


async def apart(func: t.Callable[..., t.Any], *args: t.Any) -> t.Any:
    """Call what takes long: off the loop, where it is called on one."""
    ctx: t.Any = find_context()
    if _get_running_loop() is None or ctx is None:
        return func(*args)
    return await ctx.app.to_file_thread(func, *args)


def codec_of(annotation: t.Any) -> Codec:
    """Return what reads and writes values of an annotation. Raises TypeError for one whose values
    cannot be read."""
    return ModelCodec(annotation) if needs_pydantic(annotation) else StructCodec(annotation)


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


def _check(value: t.Any) -> None:
    """Raise Undecodable for numbers of which no set can be made."""
    try:
        check_numbers(value)
    except ValueError as error:
        raise Undecodable(str(error)) from error


def _steps(value: list[t.Any]) -> t.Iterator[list[t.Any]]:
    """Iterate over pieces of a list; an empty one has one."""
    return (value[at : at + _STEP] for at in range(0, len(value) or 1, _STEP))


def _beginning(value: t.Any) -> t.Any:
    """Return decoded JSON with the beginning of each list."""
    if type(value) is list:
        return [_beginning(one) for one in value[:MOST]]
    if type(value) is dict:
        return {key: _beginning(one) for key, one in value.items()}
    return value


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


def _refuse_ext(code: int, data: memoryview) -> t.NoReturn:
    raise ValueError(f"An extension type is in it, {code}")


_decode_msgpack = msgspec.msgpack.Decoder(ext_hook=_refuse_ext).decode


def _told(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "It is nested too deeply."
    return str(error).rstrip(".") + "."
