"""What is sent to a group, and how it looks on its way from one process to another."""

from __future__ import annotations

import dataclasses
import json
import sys
import typing as t
from dataclasses import dataclass
from functools import cached_property
from functools import partial

_TEXT, _BYTES, _JSON = b"t", b"b", b"j"
LONGEST_NUMBER = 20
"""Digits of each half of an id, of 63 bits. What a client says it has seen may be anything."""


@dataclass(frozen=True)
class Message:
    """What was sent to a group.

    Args:
        id: Where it stands in what was ever sent: `123-0`, of milliseconds and a number.
        group: The group's name.
        data: What was sent: text, bytes, or what JSON can say.
        sender: The id of the member that it is not sent to, or "".
    """

    id: str
    group: str
    data: t.Any
    sender: str = ""

    def encode(self) -> str | bytes:
        """Return what a websocket is sent of it: text and bytes as they are, anything else as
        JSON."""
        return self.data if isinstance(self.data, str | bytes) else self._text

    @cached_property
    def _text(self) -> str:
        """The data as JSON: once, however many are sent it."""
        return _dumps(self.data).decode()

    @classmethod
    def of(cls, id: str, group: str, packed: bytes, sender: str) -> Message:
        """Return a message of data as `pack` says it."""
        message = cls(id, group, unpack(packed), sender)
        if packed[:1] == _JSON:  # what could be said once is said to all
            message.__dict__["_text"] = packed[1:].decode()
        return message


def _dumps(data: t.Any) -> bytes:
    dumps = partial(json.dumps, data, separators=(",", ":"), default=_fields)
    try:
        return dumps(ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half of a pair of surrogates, as a client's JSON may have it
        return dumps().encode()


def _fields(value: t.Any) -> t.Any:
    """Return what JSON can say of a value that has fields: a dataclass, a model of pydantic's, or
    what msgspec knows. Raises TypeError for any other."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    dump: t.Any = getattr(value, "model_dump", None)
    if dump is not None and not isinstance(value, type):
        return dump(mode="json")
    msgspec: t.Any = sys.modules.get("msgspec")  # who has a Struct has imported it
    if msgspec is not None and hasattr(value, "__struct_fields__"):
        return msgspec.to_builtins(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def pack(data: t.Any) -> bytes:
    """Return data as bytes that say what they are. Raises TypeError for what JSON cannot say."""
    if isinstance(data, bytes):
        return _BYTES + data
    return _TEXT + data.encode() if isinstance(data, str) else _JSON + _dumps(data)


def unpack(packed: bytes) -> t.Any:
    """Return what was packed."""
    kind, data = packed[:1], packed[1:]
    if kind == _BYTES:
        return data
    return data.decode() if kind == _TEXT else json.loads(data)


def order(message_id: str) -> tuple[int, int]:
    """Return what message ids are sorted by; of what is none, what is before all of them."""
    number, _, more = message_id.partition("-")
    if _is_number(number) and (_is_number(more) or not more):
        return int(number), int(more or 0)
    return NO_ID


NO_ID = (-1, 0)


def _is_number(text: str) -> bool:
    digits = text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER
    return digits and int(text) < 1 << 63
