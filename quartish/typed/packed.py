"""Long MessagePack, read in small steps, as `json._long` reads JSON: the same values, and the same
bytes refused, as by msgspec.

Source: MessagePack specification, "Formats".
"""

from __future__ import annotations

import re
import typing as t

LONG = 32_768
"""Bytes from which on this is worth its while: an empty list has one, in JSON two and a comma."""
PIECE = 16_384
"""Bytes that are decoded at once."""
DEEPEST = 500
"""How many lists and maps may be in each other."""

_Found = tuple[t.Any, int]  # a value, and where it ends

#: Values of one byte each: numbers, None, booleans, empty text.
_short = re.compile(rb"[\x00-\x7f\xa0\xc0\xc2\xc3\xe0-\xff]+").match
#: By the first byte: how many bytes follow it.
_FIXED = {
    **dict.fromkeys((0xCC, 0xD0), 1),
    **dict.fromkeys((0xCD, 0xD1, 0xD4), 2),
    **dict.fromkeys((0xCA, 0xCE, 0xD2), 4),
    **dict.fromkeys((0xCB, 0xCF, 0xD3), 8),
    **dict(zip(range(0xD5, 0xD9), (3, 5, 9, 17), strict=True)),
}
#: By the first byte: how many bytes say the length, and how many follow beside it.
_SIZED = {
    **dict(zip(range(0xC4, 0xC7), ((1, 0), (2, 0), (4, 0)), strict=True)),
    **dict(zip(range(0xC7, 0xCA), ((1, 1), (2, 1), (4, 1)), strict=True)),
    **dict(zip(range(0xD9, 0xDC), ((1, 0), (2, 0), (4, 0)), strict=True)),
}
#: By the first byte: how many bytes say how many there are, and how many values each is.
_NESTED = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}


class TooManyParts(Exception):
    """There are more lists and maps than may be."""


def check_parts(data: bytes, most: int | None, most_values: int | None = None) -> None:
    """Look through MessagePack before it is decoded. Raises TooManyParts where it has more than
    `most` lists and maps or `most_values` values, RecursionError for what is nested too deeply,
    ValueError for what ends before its end."""
    around: list[int] = []  # of the lists and maps that are open: how many values are to come
    at, parts, values, left = 0, 0, 0, 1
    while left or around:
        if not left:
            left = around.pop()
            continue
        if run := _short(data, at, min(at + min(left, PIECE), len(data))):
            left -= run.end() - at
            at = run.end()
            continue
        at, inside = _head(data, at)
        left -= 1
        if inside is not None:
            parts += 1
            values += inside
            if most is not None and parts > most:
                raise TooManyParts(f"more than {most} lists and maps")
            if most_values is not None and values > most_values:
                raise TooManyParts(f"more than {most_values} values")
            if inside:
                around.append(left)
                left = inside
                if len(around) > DEEPEST:
                    raise RecursionError


def loads_long(data: bytes, decode: t.Callable[[bytes], t.Any]) -> t.Any:
    """Return what bytes stand for that `check_parts` has looked through; `decode` is given a piece
    of them at a time."""
    value, end = _read(data, 0, decode)
    if end != len(data):
        raise ValueError("MessagePack data is malformed: trailing bytes")
    return value


def _head(data: bytes, at: int) -> tuple[int, int | None]:
    """Return where the head of a value ends, with the whole of one that holds no others; and how
    many values are in a list or a map."""
    if at >= len(data):
        raise ValueError("Input data was truncated")
    first = data[at]
    at += 1
    if first in _FIXED:
        at += _FIXED[first]
    elif 0xA0 <= first < 0xC0:
        at += first - 0xA0
    elif 0x80 <= first < 0xA0:
        return at, 2 * (first - 0x80) if first < 0x90 else first - 0x90
    elif first in _SIZED:
        size, more = _SIZED[first]
        at += size + more + int.from_bytes(data[at : at + size], "big")
    elif first in _NESTED:
        size, each = _NESTED[first]
        if at + size > len(data):
            raise ValueError("Input data was truncated")
        return at + size, each * int.from_bytes(data[at : at + size], "big")
    elif first == 0xC1:
        raise ValueError("MessagePack data is malformed: invalid opcode '\\xc1'")
    if at > len(data):
        raise ValueError("Input data was truncated")
    return at, None


def _end(data: bytes, at: int, stop: int) -> int | None:
    """Return where a value ends; None for one that holds others, and ends after `stop`."""
    left = 1
    while left:
        if run := _short(data, at, min(at + min(left, PIECE), len(data))):
            left -= run.end() - at
            at = run.end()
        else:
            at, inside = _head(data, at)
            left += (inside or 0) - 1
        if left and at > stop:
            return None
    return at


def _read(data: bytes, at: int, decode: t.Callable[[bytes], t.Any]) -> _Found:
    """Read the value that begins at an index."""
    end = _end(data, at, at + PIECE)
    if end is not None:
        return decode(data[at:end]), end
    is_map = data[at] in (0xDE, 0xDF) or 0x80 <= data[at] < 0x90
    at, inside = _head(data, at)
    left: int = (inside or 0) // (1 + is_map)
    made: t.Any = {} if is_map else []
    add = made.update if is_map else made.extend
    sign = b"\xdf" if is_map else b"\xdd"
    begin, few = at, 0

    def flush() -> None:
        if few:
            add(decode(sign + few.to_bytes(4, "big") + data[begin:at]))

    while left:
        if not is_map and (run := _short(data, at, min(at + min(left, PIECE), len(data)))):
            few, left, at = few + run.end() - at, left - (run.end() - at), run.end()
        else:
            end = key_end = _end(data, at, at + PIECE)
            if end is not None and is_map:
                end = _end(data, end, at + PIECE)
            left -= 1
            if end is not None:
                few, at = few + 1, end
            else:
                flush()
                if not is_map:
                    value, at = _read(data, at, decode)
                    made.append(value)
                else:
                    if key_end is None:
                        raise ValueError("MessagePack data is malformed: a key is too long")
                    [name] = decode(b"\x81" + data[at:key_end] + b"\xc0")
                    made[name], at = _read(data, key_end, decode)
                begin, few = at, 0
        if at - begin > PIECE:
            flush()
            begin, few = at, 0
    flush()
    return made, at
