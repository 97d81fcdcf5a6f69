"""What is sent to a group, and how it looks on its way from one process to another."""

from __future__ import annotations

import dataclasses
import json
import sys
import typing as t
from dataclasses import dataclass

_TEXT, _BYTES, _JSON = b"t", b"b", b"j"


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
        return self.data if isinstance(self.data, str | bytes) else _dumps(self.data)


def _dumps(data: t.Any) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=_fields)


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
    return _TEXT + data.encode() if isinstance(data, str) else _JSON + _dumps(data).encode()


def unpack(packed: bytes) -> t.Any:
    """Return what was packed."""
    kind, data = packed[:1], packed[1:]
    if kind == _BYTES:
        return data
    return data.decode() if kind == _TEXT else json.loads(data)


def order(message_id: str) -> tuple[int, int]:
    """Return what message ids are sorted by; of what is none, what is before all of them."""
    number, _, more = message_id.partition("-")
    if number.isdecimal() and (more.isdecimal() or not more):
        return int(number), int(more or 0)
    return -1, 0
