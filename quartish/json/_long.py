"""Long JSON, read and written in small steps: the same values, the same texts refused, and the same
texts made, as by `json.loads` and `json.dumps`.

No other thread runs while Python's JSON scanner, which is written in C and holds the GIL, reads a
text; 8 MB of empty lists take it a second. Here it is given `PIECE` characters at a time: a value
that ends within them, or as many items as do, up to a comma. What is longer is taken apart in
Python. Likewise the encoder is given so many items at a time.
"""

from __future__ import annotations

import json
import re
import typing as t
from json.decoder import JSONDecodeError

LONG = 131_072
"""Characters, or bytes, of a text from which on reading in steps is worthwhile."""
PIECE = 16_384
"""Characters that are scanned at once."""
LONGEST_NUMBER = 16_384
"""Characters of a number, at most."""

ITEMS = 10_000
"""Items of lists and objects, with one for each 16 characters, from which on writing in steps is
worthwhile."""

_Found = tuple[t.Any, int]  # a value, and where it ends

_scan: t.Callable[[str, int], _Found] = json.JSONDecoder().raw_decode
_space = t.cast(t.Any, re.compile(r"[ \t\n\r]*").match)
_plain = t.cast(t.Any, re.compile(r'[^"\\\x00-\x1f]*').match)
# The two halves of a surrogate pair are not separated.
_escapes = re.compile(
    r"(?:\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}"
    r'|\\["\\/bfnrt]){1,1000}'
).match
# The inside of a string, in steps: the repetition of a group takes memory for each time.
_inside = t.cast(t.Any, re.compile(r'(?:[^"\\]+|\\.){1,1000}|', re.DOTALL).match)
_number = re.compile(r"[-+.\deE]*", re.ASCII).fullmatch
_CLOSE = {"[": "]", "{": "}"}
# NaN and Infinity are taken, too. A multipart form begins by "--".
_begins = re.compile(
    r"[\ufeff \t\n\r]*+(?:$|[\[{\"]|-?(?:[0-9]|Infinity)|true|false|null|NaN)"
).match
_REFUSALS = (ValueError, RecursionError)


def begins_as_json(head: bytes) -> bool:
    """Say whether a text that begins with `head` may be JSON; anything else is refused at once."""
    return _begins(head.decode(json.detect_encoding(head), "replace")) is not None


def has_more_parts(data: str | bytes, most: int) -> bool:
    """Say whether JSON has more than `most` lists and objects. To make many, to traverse them
    (garbage collection) and to free them takes long, and no other thread runs meanwhile."""
    return has_more(data, most, "[{")


def has_more(data: str | bytes, most: int, marks: str) -> bool:
    """Say whether JSON has more than `most` of these characters outside of its strings."""
    if isinstance(data, str):
        text = data
    else:
        encoding = json.detect_encoding(data)
        # Counted in the bytes: to decode what is long takes longer than all the rest.
        if encoding == "utf-8" and sum(data.count(mark.encode()) for mark in marks) <= most:
            return False
        text = data.decode(encoding, "replace")
    if sum(map(text.count, marks)) <= most:
        return False
    found = at = 0  # perhaps most of these are in strings
    while found <= most:
        end = text.find('"', at)
        stop = len(text) if end < 0 else end
        found += sum(text.count(mark, at, stop) for mark in marks)
        if end < 0:
            break
        at = end + 1
        while (end := _inside(text, at).end()) > at:
            at = end
        at += 1
    return found > most


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
    digits = text[at : at + LONGEST_NUMBER]
    if len(digits) == LONGEST_NUMBER and _number(digits):
        raise JSONDecodeError("Number too long", text, at)  # to read it lets no other thread run
    return _scan(text, at)


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


def is_long(value: t.Any) -> bool:
    """Say whether JSON of a value is so long that it is written in steps."""
    return _weight(value) > ITEMS


_SIZED = frozenset({dict, list, str, tuple})


def _weight(value: t.Any) -> int:
    """Return how many items a value has, counted until they are more than `ITEMS`. An object of a
    subclass, which may iterate in its own way, counts as one."""
    kind = type(value)
    if kind not in _SIZED:
        return 1
    weight, found = 1, [value]
    while found and weight <= ITEMS:
        value = found.pop()
        kind = type(value)
        if kind is str:
            weight += len(value) // 16
        else:
            weight += len(value)
            items = value.values() if kind is dict else value
            found += [item for item in items if type(item) in _SIZED]
    return weight


def dumps_long(value: t.Any, encode: t.Callable[[t.Any], str], sort_keys: bool) -> str:
    """Return the JSON that `encode` makes, by more than one call of it. `sort_keys` says whether
    it sorts names; between items it writes a comma and a space. Raises RecursionError for a circle
    and what is nested too deeply."""
    parts: list[str] = []
    _add(value, encode, sort_keys, parts, {})
    return "".join(parts)


def _add(
    value: t.Any,
    encode: t.Callable[[t.Any], str],
    sort_keys: bool,
    parts: list[str],
    around: dict[int, t.Any],
) -> None:
    kind = type(value)
    if kind is str:
        step = ITEMS * 16
        pieces = (encode(value[at : at + step])[1:-1] for at in range(0, len(value), step))
        parts += ('"', *pieces, '"')
        return
    if id(value) in around:
        raise RecursionError("a circle")
    begin = "{" if kind is dict else "["
    items = list(value.items()) if kind is dict else value
    if kind is dict and sort_keys:
        items.sort()
    few: t.Any = []
    weight, mark = 0, begin

    def flush() -> None:
        nonlocal few, weight, mark
        if few:
            parts.extend((mark, encode(dict(few) if kind is dict else few)[1:-1]))
            few, weight, mark = [], 0, ", "

    for item in items:
        found = _weight(item[1] if kind is dict else item)
        if found <= ITEMS:
            few.append(item)
            weight += found
            if weight > ITEMS:
                flush()
            continue
        flush()
        parts.append(mark)
        mark = ", "
        if kind is dict:
            name, item = item
            parts.append(encode({name: 0})[1:-2])  # with its colon
        _add(item, encode, sort_keys, parts, {**around, id(value): value})
    flush()
    parts.append(_CLOSE[begin])
