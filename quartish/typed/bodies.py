"""The body of a request: decoded by its Content-Type, whatever the colour of the request.

JSON of more than 128 kB is decoded by the app's JSON provider, which does not block the loop.
MessagePack of more than 32 kB is read off the loop likewise, and so is what is made of either.
"""

from __future__ import annotations

import codecs
import typing as t

from werkzeug.exceptions import BadRequest
from werkzeug.exceptions import RequestEntityTooLarge

from .._concurrency.coroutines import awaited
from ..json._long import LONG
from . import packed
from .annotations import is_struct
from .annotations import split
from .annotations import without_none
from .codecs import apart
from .codecs import from_long_msgpack
from .codecs import Refused
from .codecs import too_many
from .codecs import Undecodable
from .faults import Fault
from .faults import missing
from .faults import UndecodableBody
from .faults import WrongMediaType
from .marks import Body
from .parameters import NOTHING
from .parameters import read_all
from .parameters import texts_of
from .parameters import Value

JSON = "application/json"
MSGPACK = "application/msgpack"
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
_FORMS = (URLENCODED, MULTIPART)
_MSGPACK = (MSGPACK, "application/x-msgpack", "application/vnd.msgpack")


class BodyPlan:
    """What a view takes of the body: all of it as one value, or fields and files of a form."""

    def __init__(self) -> None:
        self.whole: Value | None = None
        self.fields: list[Value] = []
        self.files: list[Value] = []

    def __bool__(self) -> bool:
        return self.whole is not None or bool(self.fields or self.files)

    @property
    def media_types(self) -> tuple[str, ...]:
        """The media types that are taken."""
        if self.whole is None:
            return (MULTIPART,) if self.files else _FORMS
        taken = t.cast(Body, self.whole.mark).media_type
        if taken is not None:
            return (taken,)
        if any(field.file for field in self.whole.fields):
            return (MULTIPART,)
        if is_raw(self.whole.annotation):
            return ("*/*",)
        if is_struct(self.whole.annotation):
            return (JSON, *_FORMS, MSGPACK)
        return (JSON, MSGPACK)

    async def read(self, request: t.Any, slots: list[t.Any], faults: list[Fault]) -> None:
        """Store the values of the body in `slots`, and add what is wrong with them to `faults`."""
        whole = self.whole
        mimetype = request.mimetype
        if whole is None:
            await self._read_form(request, mimetype, slots, faults)
            return
        if not mimetype and whole.default is not NOTHING and not await _of(request.get_data()):
            slots[whole.slot] = whole.default
            return
        try:
            slots[whole.slot] = await self._decode(whole, request, mimetype, faults)
        except Undecodable as error:
            raise UndecodableBody(f"The body is no {mimetype}: {error}") from error
        except Refused as error:
            faults += error.faults

    async def _decode(
        self, whole: Value, request: t.Any, mimetype: str, faults: list[Fault]
    ) -> t.Any:
        taken = t.cast(Body, whole.mark).media_type
        if taken is not None and mimetype != taken:
            raise self._refused(mimetype)
        if is_raw(whole.annotation):
            return await _of(request.get_data(as_text=split(whole.annotation)[0] is str))
        if mimetype == JSON or mimetype.endswith("+json"):
            data = (await _of(request.get_data())).removeprefix(codecs.BOM_UTF8)
            if not data:
                return self._nothing(whole, faults)
            if len(data) <= LONG:
                return whole.codec.from_json(data, "body")
            if whole.codec.part_weight > 1 or whole.codec.slow_values:
                said = await apart(too_many, whole.codec, data, request.max_json_parts)
                if said is not None:
                    raise RequestEntityTooLarge(f"The JSON has {said} (MAX_JSON_PARTS).")
            try:
                value = await _of(request.get_json(force=True))
            except BadRequest as error:
                raise UndecodableBody(f"The body is no {mimetype}.") from error
            return await apart(whole.codec.from_object, value, "body")
        if mimetype in _MSGPACK:
            data = await _of(request.get_data())
            if len(data) > packed.LONG:
                most = request.max_json_parts
                try:
                    return await apart(from_long_msgpack, whole.codec, data, most, "body")
                except packed.TooManyParts as error:
                    said = f"The MessagePack has {error} (MAX_JSON_PARTS)."
                    raise RequestEntityTooLarge(said) from error
            return whole.codec.from_msgpack(data, "body") if data else self._nothing(whole, faults)
        if mimetype in _FORMS and whole.fields:
            form, files = await _of(request.form), await _of(request.files)
            return whole.codec.from_text(texts_of(form, whole.fields, True, files), "body", [])
        if not mimetype and not await _of(request.get_data()):
            return self._nothing(whole, faults)
        raise self._refused(mimetype)

    def _nothing(self, whole: Value, faults: list[Fault]) -> t.Any:
        """Return the default of a body that is empty."""
        if whole.default is NOTHING:
            faults.append(missing("body", []))
        return whole.default

    async def _read_form(
        self, request: t.Any, mimetype: str, slots: list[t.Any], faults: list[Fault]
    ) -> None:
        if mimetype in _FORMS:
            form: t.Any = await _of(request.form)
            files: t.Any = await _of(request.files)
        elif mimetype or await _of(request.get_data()):
            raise self._refused(mimetype)
        else:
            form = files = request.args.__class__()
        read_all(self.fields, form, slots, faults)
        read_all(self.files, files, slots, faults)

    def _refused(self, mimetype: str) -> WrongMediaType:
        said = f"is {mimetype}" if mimetype else "says no media type"
        return WrongMediaType(f"The body {said}; this takes {', '.join(self.media_types)}.")


async def _of(value: t.Any) -> t.Any:
    """Return the value of a request's attribute or method, in either colour."""
    return await awaited(value) if hasattr(type(value), "__await__") else value


def is_raw(annotation: t.Any) -> bool:
    """Say whether a body is taken as it comes, and not decoded."""
    return split(without_none(annotation))[0] in (bytes, str)
