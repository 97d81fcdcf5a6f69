"""Values of the path, the query, the headers, the cookies, and of forms."""

from __future__ import annotations

import decimal
import typing as t

import msgspec
from werkzeug.datastructures import FileStorage
from werkzeug.datastructures import ImmutableMultiDict

from .annotations import is_file
from .annotations import is_struct
from .annotations import item_of
from .annotations import needs_pydantic
from .annotations import parts_of
from .annotations import with_extras
from .annotations import without_marks
from .annotations import without_none
from .codecs import Codec
from .codecs import codec_of
from .codecs import Refused
from .codecs import StructCodec
from .faults import Fault
from .faults import missing
from .fields import Field
from .fields import fields_of
from .marks import Parameter
from .texts import takes_empty

#: Constraints that are only for the document.
_WORDS = {"title", "description", "examples"}
#: The default of what has none.
NOTHING: t.Any = object()


class Value:
    """One parameter, and how its value is read."""

    __slots__ = (
        *("annotation", "codec", "default", "fields", "key", "many", "mark", "name", "slot"),
        "quick",
    )

    def __init__(self, name: str, annotation: t.Any, mark: Parameter, default: t.Any) -> None:
        #: The parameter's name, and its name in the request.
        self.name = name
        self.key: str = mark.name_of(name)
        self.mark = mark
        self.default = default
        self.annotation: t.Any = without_marks(annotation)
        if mark.constraints and mark.where != "body":
            self.annotation = _constrained(self.annotation, mark.constraints)
        if is_file(self.annotation):  # of either colour
            self.annotation = FileStorage if item_of(annotation) is None else list[FileStorage]
        self.codec: Codec = codec_of(self.annotation)
        #: Whether it takes all values of its name.
        self.many: bool = item_of(self.annotation) is not None
        #: Its fields, where each is a value of its own.
        self.fields: list[Field] = fields_of(self.annotation) if is_struct(self.annotation) else []
        #: Reads a single text where nothing else is to be done; else None.
        self.quick: t.Any = None
        if isinstance(self.codec, StructCodec) and not (self.many or self.fields):
            self.quick = self.codec.read_text
        #: Where the plan stores it.
        self.slot = -1

    def read(self, source: t.Any, faults: list[Fault]) -> t.Any:
        """Return the value that `source`, a dict or a MultiDict, has; add to `faults` what is
        wrong with it."""
        if self.fields:
            raw: t.Any = texts_of(source, self.fields, self.mark.where == "form")
        elif self.many:
            raw = source.getlist(self.key) or None
        else:
            raw = source.get(self.key)
        where = self.mark.where
        if where in ("form", "file"):
            raw = _filled(raw, self.annotation)
        path: list[str | int] = [] if self.fields else [self.key]
        if raw is None or (self.fields and not raw and self.default is not NOTHING):
            if self.default is NOTHING:
                faults.append(missing(where, path))
            return self.default
        try:
            return self.codec.from_text(raw, where, path)
        except Refused as error:
            faults += error.faults
            return None

    def read_path(self, value: t.Any, faults: list[Fault]) -> t.Any:
        """Return a variable of the URL, which a converter has made, as a value of the
        annotation."""
        if type(value) is self.annotation:
            return value
        try:
            return self.codec.from_text(value, "path", [self.key])
        except Refused as error:
            faults += error.faults
            return None


def read_all(
    values: t.Iterable[Value], source: t.Any, slots: list[t.Any], faults: list[Fault]
) -> None:
    """Store the values of `source` in `slots`, and add what is wrong with them to `faults`."""
    # PERF(1.6 of 14 us for four): a MultiDict of Werkzeug's is a dict of lists.
    plain = type(source) is ImmutableMultiDict
    for value in values:
        if plain and value.quick is not None:
            texts = dict.get(source, value.key)
            if texts is not None:
                try:
                    slots[value.slot] = value.quick(texts[0])
                    continue
                except msgspec.ValidationError:
                    pass  # `read` adds the fault
        slots[value.slot] = value.read(source, faults)


def texts_of(
    source: t.Any, fields: t.Iterable[Field], is_form: bool, files: t.Any = None
) -> dict[str, t.Any]:
    """Return the values of fields in a MultiDict of text, and one of files. Of a form, those that
    were left empty are left out."""
    found: dict[str, t.Any] = {}
    for field in fields:
        of = files if files is not None and field.file else source
        if field.name in of:
            value = of.getlist(field.name) if field.many else of[field.name]
            if is_form:
                value = _filled(value, field.annotation)
            if value is not None:
                found[field.name] = value
    return found


def _filled(value: t.Any, annotation: t.Any) -> t.Any:
    """Return the value of a form's input; None if it was left empty or no file was chosen, for
    which browsers send an empty value."""
    if value == "":
        return value if takes_empty(annotation) else None
    if is_file(annotation):
        if isinstance(value, list):
            return [file for file in value if not _is_unchosen(file)] or None
        return None if _is_unchosen(value) else value
    return value


def _is_unchosen(file: t.Any) -> bool:
    return isinstance(file, FileStorage) and not file.filename


def _constrained(annotation: t.Any, constraints: dict[str, t.Any]) -> t.Any:
    """Return an annotation with a mark's constraints, which do not apply to None."""
    # msgspec knows no bounds of decimals.
    by_pydantic = constraints.keys() - _WORDS and decimal.Decimal in parts_of(annotation)
    if by_pydantic or needs_pydantic(annotation):
        import pydantic

        extra: t.Any = pydantic.Field(**constraints)
    else:
        extra = msgspec.Meta(**constraints)
    inner = without_none(annotation)
    constrained = with_extras(inner, [extra])
    return constrained if inner is annotation else t.Optional[constrained]
