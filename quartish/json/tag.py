"""JSON that keeps a few more types: tuple, bytes, Markup, UUID, datetime.

A value of such a type is written as a dict of one key, its tag. Sessions are stored like
this. The format is Flask's to the byte: cookies that either wrote are read by the other.
"""

from __future__ import annotations

import json as _json
import typing as t
from base64 import b64decode
from base64 import b64encode
from datetime import datetime
from uuid import UUID

from markupsafe import Markup
from werkzeug.http import http_date
from werkzeug.http import parse_date

from .._current import find_context
from . import dumps
from . import loads
from .provider import _default
from .provider import encode_with


class JSONTag:
    """How one type becomes JSON and back; an empty `key` marks a type that needs no tag."""

    __slots__ = ("serializer",)
    key: str = ""

    def __init__(self, serializer: TaggedJSONSerializer) -> None:
        self.serializer: TaggedJSONSerializer = serializer

    def check(self, value: t.Any) -> bool:
        """Say whether this tag is for `value`."""
        raise NotImplementedError

    def to_json(self, value: t.Any) -> t.Any:
        """Return `value` as a JSON type, without the tag."""
        raise NotImplementedError

    def to_python(self, value: t.Any) -> t.Any:
        """Return what `to_json` was given; the tag is off already."""
        raise NotImplementedError

    def tag(self, value: t.Any) -> t.Any:
        """Return `value` as a JSON type under the tag."""
        return {self.key: self.to_json(value)}


class TagDict(JSONTag):
    """A dict of one key that looks like a tag: two underscores tell it from a real one."""

    __slots__ = ()
    key = " di"

    def check(self, value: t.Any) -> bool:
        return (
            isinstance(value, dict)
            and len(value) == 1
            and next(iter(value)) in self.serializer.tags
        )

    def to_json(self, value: t.Any) -> t.Any:
        ((key, item),) = value.items()
        return {f"{key}__": self.serializer.tag(item)}

    def to_python(self, value: t.Any) -> t.Any:
        ((key, item),) = value.items()
        return {key[:-2]: item}


class PassDict(JSONTag):
    """Any other dict: its values are tagged, its keys are text in JSON anyway."""

    __slots__ = ()

    def check(self, value: t.Any) -> bool:
        return isinstance(value, dict)

    def to_json(self, value: t.Any) -> t.Any:
        return {key: self.serializer.tag(item) for key, item in value.items()}

    tag = to_json


class TagTuple(JSONTag):
    __slots__ = ()
    key = " t"

    def check(self, value: t.Any) -> bool:
        return isinstance(value, tuple)

    def to_json(self, value: t.Any) -> t.Any:
        return [self.serializer.tag(item) for item in value]

    def to_python(self, value: t.Any) -> t.Any:
        return tuple(value)


class PassList(JSONTag):
    __slots__ = ()

    def check(self, value: t.Any) -> bool:
        return isinstance(value, list)

    def to_json(self, value: t.Any) -> t.Any:
        return [self.serializer.tag(item) for item in value]

    tag = to_json


class TagBytes(JSONTag):
    __slots__ = ()
    key = " b"

    def check(self, value: t.Any) -> bool:
        return isinstance(value, bytes)

    def to_json(self, value: t.Any) -> t.Any:
        return b64encode(value).decode("ascii")

    def to_python(self, value: t.Any) -> t.Any:
        return b64decode(value)


class TagMarkup(JSONTag):
    """Whatever has `__html__`; it comes back as Markup."""

    __slots__ = ()
    key = " m"

    def check(self, value: t.Any) -> bool:
        return callable(getattr(value, "__html__", None))

    def to_json(self, value: t.Any) -> t.Any:
        return str(value.__html__())

    def to_python(self, value: t.Any) -> t.Any:
        return Markup(value)  # noqa: S704 (was one, and is signed)


class TagUUID(JSONTag):
    __slots__ = ()
    key = " u"

    def check(self, value: t.Any) -> bool:
        return isinstance(value, UUID)

    def to_json(self, value: t.Any) -> t.Any:
        return value.hex

    def to_python(self, value: t.Any) -> t.Any:
        return UUID(value)


class TagDateTime(JSONTag):
    """A datetime, to the second; it comes back in UTC."""

    __slots__ = ()
    key = " d"

    def check(self, value: t.Any) -> bool:
        return isinstance(value, datetime)

    def to_json(self, value: t.Any) -> t.Any:
        return http_date(value)

    def to_python(self, value: t.Any) -> t.Any:
        return parse_date(value)


_SCALARS: frozenset[type] = frozenset([str, int, float, bool, type(None)])


class TaggedJSONSerializer:
    """Compact JSON with tags; the first tag in `order` that takes a value is used."""

    __slots__ = ("_spaced", "_untagged", "order", "tags")

    default_tags: t.ClassVar[list[type[JSONTag]]] = [
        TagDict,
        PassDict,
        TagTuple,
        PassList,
        TagBytes,
        TagMarkup,
        TagUUID,
        TagDateTime,
    ]

    def __init__(self) -> None:
        self.tags: dict[str, JSONTag] = {}
        self.order: list[JSONTag] = []
        #: Whether each key begins with a space, and what is done with them is what is below.
        self._spaced = type(self) is TaggedJSONSerializer
        for tag_class in self.default_tags:
            self.register(tag_class)
        #: PERF(0.6 us for each value): types that no default tag takes.
        ours = type(self) is TaggedJSONSerializer and tuple(self.default_tags) == _DEFAULT_TAGS
        self._untagged = _SCALARS if ours else frozenset[type]()

    def register(
        self, tag_class: type[JSONTag], force: bool = False, index: int | None = None
    ) -> None:
        """Add a tag of the class `tag_class`, at the end or before position `index` of the order.

        Raises KeyError when the key is taken and `force` is false.
        """
        tag = tag_class(self)
        if tag.key:
            if tag.key in self.tags and not force:
                raise KeyError(f"Tag {tag.key!r} is already registered.")
            self.tags[tag.key] = tag
            self._spaced = self._spaced and tag.key[0] == " "
        self.order.insert(len(self.order) if index is None else index, tag)
        self._untagged = frozenset[type]()  # the new one may be for any

    def tag(self, value: t.Any) -> t.Any:
        """Return `value` as JSON types, tagged where needed."""
        if type(value) in self._untagged:
            return value
        for tag in self.order:
            if tag.check(value):
                return tag.tag(value)
        return value

    def untag(self, value: dict[str, t.Any]) -> t.Any:
        """Return what a tagged dict stands for; any other dict comes back as it is."""
        if len(value) == 1:
            ((key, item),) = value.items()
            if key in self.tags:
                return self.tags[key].to_python(item)
        return value

    def _untag_scan(self, value: t.Any) -> t.Any:
        if isinstance(value, dict):
            return self.untag({key: self._untag_scan(item) for key, item in value.items()})
        if isinstance(value, list):
            return [self._untag_scan(item) for item in value]
        return value

    def dumps(self, value: t.Any) -> str:
        """Return `value` as tagged, compact JSON."""
        # PERF(1.5 us): what most sessions hold is written as it is: scalars, in no dict that looks
        # like a tag.
        if (
            type(value) is not dict
            or not self._untagged.issuperset(map(type, value.values()))
            or (len(value) == 1 and next(iter(value)) in self.tags)
        ):
            value = self.tag(value)
        ctx = find_context()
        if ctx is None:
            return dumps(value, separators=(",", ":"))
        if not ctx.app.plain:  # *Quart:* no provider is asked, whatever else the app writes
            return _write(value)
        return t.cast(str, ctx.app.json.dumps(value, separators=(",", ":")))

    def loads(self, value: str) -> t.Any:
        """Return what `dumps` was given."""
        ctx = find_context()
        data = loads(value) if ctx is None or ctx.app.plain else _json.loads(value)
        # PERF(2 us): where no text begins with a space, nothing is tagged.
        if self._spaced and type(value) is str and '" ' not in value and '"\\u0020' not in value:
            return data
        return self._untag_scan(data)


#: What writes JSON as the standard library does for who asks no provider.
_write = encode_with(_default, True, False, separators=(",", ":"))
_DEFAULT_TAGS = tuple(TaggedJSONSerializer.default_tags)
