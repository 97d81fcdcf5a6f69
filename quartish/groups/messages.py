"""Messages to a group, and their form between processes."""

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
"""The most digits of each half of an id (63 bits). A client may send any text as an id."""


@dataclass(frozen=True)
class Message:
    """A message that was sent to a group.

    Args:
        id: Its place among all messages: `123-0`, of milliseconds and a number.
        group: The group's name.
        data: Text, bytes, or anything that can be made JSON.
        sender: The id of the member that it is not sent to; or "".
    """

    id: str
    group: str
    data: t.Any
    sender: str = ""

    def encode(self) -> str | bytes:
        """Return what is sent to a websocket: text and bytes as they are, anything else as JSON."""
        return self.data if isinstance(self.data, str | bytes) else self._text

    @cached_property
    def _text(self) -> str:
        """The data as JSON. It is made once for all members."""
        return _dumps(self.data).decode()

    @classmethod
    def of(cls, id: str, group: str, packed: bytes, sender: str) -> Message:
        """Return the message of data in the form of `pack`."""
        message = cls(id, group, unpack(packed), sender)
        if packed[:1] == _JSON:  # JSON that was made once is sent to all
            message.__dict__["_text"] = packed[1:].decode()
        return message


def _dumps(data: t.Any) -> bytes:
    dumps = partial(json.dumps, data, separators=(",", ":"), default=_fields)
    try:
        return dumps(ensure_ascii=False).encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON of a client may have
        return dumps().encode()


def _fields(value: t.Any) -> t.Any:
    """Return a value with fields in a form for JSON: of a dataclass, a model of pydantic, or what
    msgspec supports. Raises TypeError for any other."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    dump: t.Any = getattr(value, "model_dump", None)
    if dump is not None and not isinstance(value, type):
        return dump(mode="json")
    msgspec: t.Any = sys.modules.get("msgspec")  # without it there can be no Struct
    if msgspec is not None and hasattr(value, "__struct_fields__"):
        return msgspec.to_builtins(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def pack(data: t.Any) -> bytes:
    """Return data as bytes that begin with their kind. Raises TypeError if it cannot be made
    JSON."""
    if isinstance(data, bytes):
        return _BYTES + data
    return _TEXT + data.encode() if isinstance(data, str) else _JSON + _dumps(data)


def unpack(packed: bytes) -> t.Any:
    """Return the data of `pack`'s bytes."""
    kind, data = packed[:1], packed[1:]
    if kind == _BYTES:
        return data
    return data.decode() if kind == _TEXT else json.loads(data)


def order(message_id: str) -> tuple[int, int]:
    """Return a key to sort ids of messages by. Text that is no id comes before all."""
    number, _, more = message_id.partition("-")
    if _is_number(number) and (_is_number(more) or not more):
        return int(number), int(more or 0)
    return NO_ID


NO_ID = (-1, 0)


def _is_number(text: str) -> bool:
    digits = text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER
    return digits and int(text) < 1 << 63
