"""What typed views return: encoded by its type, with the status of the annotation or decorator.

Flask makes the response where it can do so itself: of text, bytes, responses, plain dicts and
lists.
"""

from __future__ import annotations

import collections.abc as cabc
import http
import types
import typing as t

import msgspec
from werkzeug.sansio.response import Response as SansioResponse

from .annotations import is_struct
from .annotations import marks_in
from .annotations import members
from .annotations import parts_of
from .annotations import split
from .annotations import with_extras
from .annotations import without_marks
from .codecs import Codec
from .codecs import codec_of
from .marks import Operation
from .marks import Status

JSON_HEADERS = {"Content-Type": "application/json"}
_FLASKS = (str, bytes, bytearray, object, t.Any, t.NoReturn, t.Never)
_STREAMS = (cabc.Iterator, cabc.AsyncIterator, cabc.Generator, cabc.AsyncGenerator, cabc.Callable)
_PLAIN = (str, int, float, bool, type(None), dict, list, cabc.Mapping, cabc.Sequence, t.Any, object)
_NONE = type(None)
#: What a codec raises for what is not of its type.
_REFUSED = (ValueError, msgspec.MsgspecError)
_ANYTHING = codec_of(t.Any)


class WrongReturn(TypeError):
    """A view returned a value that does not fit its annotation.

    In debug mode and in tests each value is checked. Otherwise this is raised only for a value that
    cannot be encoded as its annotation says.
    """


class Returns:
    """How what one view returns is checked and encoded."""

    def __init__(self, annotation: t.Any, operation: Operation | None, where: str) -> None:
        self.where = where
        status = next((m for m in marks_in(annotation) if isinstance(m, Status)), None)
        self.description: str | None = None if status is None else status.description
        self.annotation: t.Any = _data_of(without_marks(annotation))
        #: Whether the view returns None: 204.
        self.nothing: bool = self.annotation is _NONE
        code = status.code if status is not None else operation and operation.status_code
        self.status: int = code or (204 if self.nothing else 200)
        self.codec: Codec | None = None
        if not self.nothing and self.annotation is not None:
            self.codec = codec_of(self.annotation)
        #: Whether it is text, which Flask sends as HTML.
        self.text: bool = split(without_marks(annotation))[0] is str
        #: Whether it is encoded here, and not by Flask.
        self.writes: bool = self.codec is not None and not _is_plain(self.annotation)
        bare = split(self.annotation)[0]
        #: The class of objects that are encoded as they are; others are converted to it first.
        self._exact: t.Any = bare if isinstance(bare, type) and is_struct(bare) else None
        origin, arguments = t.get_origin(bare), t.get_args(bare)
        #: The same for the items of a list.
        self._item: t.Any = None
        if origin in (list, cabc.Sequence) and is_struct(arguments[0]):
            self._item = split(arguments[0])[0]
        #: Whether all is left to Flask.
        self.idle: bool = self.codec is None and not self.nothing and self.status == 200

    def make(self, rv: t.Any, check: bool) -> t.Any:
        """Return what Flask makes a response of, for what the view returned; with `check`, check
        that first."""
        if self.idle or isinstance(rv, SansioResponse):
            return rv
        body = rv
        rest: t.Any = ()
        if type(rv) is tuple and 2 <= len(rv) <= 3:
            body, rest = rv[0], t.cast(t.Any, rv[1:])
            if isinstance(body, SansioResponse):
                return rv
        elif callable(rv) or hasattr(type(rv), "get_response"):
            return rv
        if self.codec is None:
            if not self.nothing or body is None:
                body = "" if body is None and self.nothing else body
                return (body, *rest) if rest else (body, self.status)
            raise WrongReturn(f"{self.where} says that it returns None, but returned {body!r:.80}.")
        if check:
            self.check(body)
        if not self.writes:
            return rv if rest or self.status == 200 else (body, self.status)
        data = self.codec.to_json(self._exactly(body, self.codec))
        if not rest:
            return data, self.status, JSON_HEADERS
        if len(rest) == 2 or isinstance(rest[0], (dict, list, cabc.Mapping)):
            status: t.Any = rest[0] if len(rest) == 2 else self.status
            given: t.Any = rest[-1]
            headers: list[t.Any] = list(given.items() if hasattr(given, "items") else given or ())
            if not any(str(name).lower() == "content-type" for name, _ in headers):
                headers += JSON_HEADERS.items()
            return data, status, headers
        return data, rest[0], JSON_HEADERS

    def message(self, value: t.Any, check: bool, binary: bool) -> str | bytes:
        """Return the websocket message for `value`: MessagePack if `binary`, else JSON. Text and
        bytes are sent as they are where no type is annotated."""
        codec = self.codec
        if codec is None:
            if self.nothing:
                raise WrongReturn(f"{self.where} says that it sends nothing, but {value!r:.80}.")
            if isinstance(value, (str, bytes)):
                return value
            codec = _ANYTHING
        elif check:
            self.check(value)
        made = self._exactly(value, codec)
        return codec.to_msgpack(made) if binary else codec.to_json(made).decode()

    def _exactly(self, body: t.Any, codec: Codec) -> t.Any:
        """Return `body` as an object of the annotated class: another class may have the same
        attributes."""
        if self._is_exact(body):
            return body
        try:
            return codec.from_own(body)
        except _REFUSED as error:
            raise self._wrong(error) from error

    def _is_exact(self, body: t.Any) -> bool:
        kind = type(body)
        if self._exact is not None:
            return kind is self._exact
        return self._item is not None and kind is list and all(type(x) is self._item for x in body)

    def check(self, body: t.Any) -> None:
        """Raise WrongReturn if `body` is not of the annotated type."""
        if self.codec is None:
            return
        try:
            self.codec.check(body if self._is_exact(body) else self.codec.from_own(body))
        except (*_REFUSED, TypeError) as error:
            raise self._wrong(error) from error

    def _wrong(self, error: Exception) -> WrongReturn:
        return WrongReturn(f"{self.where} does not return what its annotation says: {error}")


def phrase_of(status: int) -> str:
    """Return the reason phrase of a status; "Response" for one that has none."""
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Response"


def _data_of(annotation: t.Any) -> t.Any:
    """Return the part of a return annotation that is encoded here; None: Flask makes the
    response."""
    bare, extras = split(annotation)
    if bare is None or bare is _NONE:
        return _NONE
    origin = t.get_origin(bare)
    if origin in (t.Union, types.UnionType):
        found = [data for one in members(bare) if (data := _data_of(one)) is not None]
        if not found or found == [_NONE] or any(one in _FLASKS for one in members(bare)):
            return None
        return with_extras(found[0] if len(found) == 1 else t.Union[tuple(found)], extras)
    if origin is tuple:
        return _data_of(t.get_args(bare)[0]) if t.get_args(bare) else None
    if bare in _FLASKS or isinstance(bare, (str, t.TypeVar, t.ForwardRef)):
        return None
    cls = origin or bare
    if isinstance(cls, type) and (issubclass(cls, SansioResponse) or cls in _STREAMS):
        return None
    if isinstance(cls, type) and hasattr(cls, "get_response"):
        return None
    return annotation


def _is_plain(annotation: t.Any) -> bool:
    """Say whether Flask encodes it: it is a dict or a list of JSON's own types."""
    bare = split(annotation)[0]
    if (t.get_origin(bare) or bare) not in (dict, list, cabc.Mapping, cabc.Sequence):
        return False
    return all((t.get_origin(part) or part) in _PLAIN for part in parts_of(annotation))
