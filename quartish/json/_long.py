"""Long JSON, read in small steps: the same values, and the same texts refused, as by
`json.loads`.

The interpreter lets no other thread run while its JSON scanner, which is written in C, reads a
text; 8 MB of empty lists take it a second. Here it is given `PIECE` characters at a time: a value
that ends within them, or as many items as do, up to a comma. What is longer is taken apart in
Python.
"""

from __future__ import annotations

import json
import re
import typing as t
from json.decoder import JSONDecodeError

LONG = 131_072
"""Characters, or bytes, of a text from which on this is worth its while."""
PIECE = 16_384
"""Characters that are scanned at once."""

_Found = tuple[t.Any, int]  # a value, and where it ends

_scan: t.Callable[[str, int], _Found] = t.cast(t.Any, json.JSONDecoder()).scan_once
_space = t.cast(t.Any, re.compile(r"[ \t\n\r]*").match)
_plain = t.cast(t.Any, re.compile(r'[^"\\\x00-\x1f]*').match)
# The two halves of a surrogate pair are not parted.
_escapes = re.compile(
    r"(?:\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}"
    r'|\\["\\/bfnrt]){1,1000}'
).match
_CLOSE = {"[": "]", "{": "}"}
_REFUSALS = (ValueError, StopIteration, RecursionError)


def loads_long(text: str) -> t.Any:
    """Return what a text stands for. Raises ValueError, or RecursionError, where it is no JSON."""
    if text.startswith("\ufeff"):
        raise JSONDecodeError("Unexpected UTF-8 BOM (decode using utf-8-sig)", text, 0)
    value, end = _read(text, _skip(text, 0))
    end = _skip(text, end)
    if end != len(text):
        raise JSONDecodeError("Extra data", text, end)
    return value


def _skip(text: str, at: int) -> int:
    end: int = _space(text, at).end()
    return end


def _try(text: str) -> _Found | None:
    try:
        return _scan(text, 0)
    except _REFUSALS:
        return None


def _read(text: str, at: int) -> _Found:
    """Read the value that begins at an index."""
    begin = text[at : at + 1]
    if begin in ("[", "{", '"') and begin:
        found = _try(text[at : at + PIECE])
        if found is not None:
            return found[0], at + found[1]
        if begin == '"':
            return _read_string(text, at + 1)
        return _read_items(text, at + 1, begin)
    try:
        return _scan(text, at)
    except StopIteration:
        raise JSONDecodeError("Expecting value", text, at) from None


def _read_string(text: str, at: int) -> tuple[str, int]:
    parts: list[str] = []
    while True:
        end = _plain(text, at).end()
        parts.append(text[at:end])
        if text[end : end + 1] == '"':
            return "".join(parts), end + 1
        escapes = _escapes(text, end)
        if escapes is None:
            raise JSONDecodeError("Invalid string", text, end)
        parts.append(_scan(f'"{escapes[0]}"', 0)[0])
        at = escapes.end()


def _read_items(text: str, at: int, begin: str) -> _Found:
    """Read the rest of a list or an object that does not end within one piece."""
    close = _CLOSE[begin]
    items: t.Any = [] if begin == "[" else {}
    add = items.extend if begin == "[" else items.update
    at = _skip(text, at)
    if text[at : at + 1] == close:
        return items, at + 1
    one_by_one = 0  # until this index nothing is to be gained by more at once
    while True:
        if text[at : at + 1] in (close, ""):
            raise JSONDecodeError("Expecting value", text, at)  # after a comma, or the bracket
        if at >= one_by_one:
            found = _read_many(text, at, begin, close)
            if found is not None:
                values, at, ended = found
                add(values)
                if ended:
                    return items, at
                at = _skip(text, at)
                continue
            one_by_one = at + PIECE
        if begin == "[":
            value, at = _read(text, at)
            items.append(value)
        else:
            if text[at] != '"':
                raise JSONDecodeError("Expecting property name", text, at)
            name, at = _read(text, at)
            at = _skip(text, at)
            if text[at : at + 1] != ":":
                raise JSONDecodeError("Expecting ':' delimiter", text, at)
            items[name], at = _read(text, _skip(text, at + 1))
        at = _skip(text, at)
        if text[at : at + 1] == close:
            return items, at + 1
        if text[at : at + 1] != ",":
            raise JSONDecodeError("Expecting ',' delimiter", text, at)
        at = _skip(text, at + 1)


def _read_many(text: str, at: int, begin: str, close: str) -> tuple[t.Any, int, bool] | None:
    """Read as many items as one piece holds: to the end, or to a comma. Return them, where they
    end, and whether the list or object ends there; None where there are none."""
    piece = text[at : at + PIECE]
    found = _try(begin + piece)
    if found is not None:
        return found[0], at + found[1] - 1, True
    for mark in ("},", "],", ","):
        end = piece.rfind(mark) + len(mark) - 1
        if end < len(mark) - 1 or not piece[:end]:
            continue
        found = _try(begin + piece[:end] + close)
        if found is not None and found[0] and found[1] == end + 2:
            return found[0], at + end + 1, False
    return None
