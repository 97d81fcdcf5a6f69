"""Numbers that a client has chosen so that all of them have one hash: to make a set of them, or a
dict with them as keys, takes as long as to compare each with each.

Python hashes numbers by their remainder, which is no secret, so that below a limit only a few can
have one hash, and above it as many as anybody likes. Text is safe: its hash has a secret in it.
"""

from __future__ import annotations

import decimal
import re
import typing as t
from collections import abc

from .annotations import parts_of
from .annotations import split
from .fields import fields_of

MOST = 1000
"""Numbers beyond that limit which one list, or the names of one object, may have."""
_SAFE = 2**64
_LONG_NUMBER = re.compile(r"[-+]?[0-9.][0-9.eE+-]{18,}").fullmatch
_SETS = (set, frozenset, abc.Set, abc.MutableSet)
_DICTS = (dict, abc.Mapping, abc.MutableMapping)
_NUMBERS = (int, float, decimal.Decimal)


class Flood(ValueError):
    """There are too many of them."""


def hashes_numbers(annotation: t.Any, seen: set[t.Any] | None = None) -> bool:
    """Say whether values of a type have sets of numbers, or dicts with numbers as keys, however
    deep."""
    seen = set() if seen is None else seen
    for part in parts_of(annotation):
        cls = t.get_origin(part) or part
        if cls in _SETS or cls in _DICTS:
            members = (one for argument in t.get_args(part)[:1] for one in parts_of(argument))
            if any(one in _NUMBERS for one in map(_bare, members)):
                return True
        if isinstance(cls, type) and cls not in seen:
            seen.add(cls)
            if any(hashes_numbers(field.annotation, seen) for field in fields_of(cls)):
                return True
    return False


def check_numbers(value: t.Any) -> None:
    """Look through what was decoded. Raises Flood."""
    found = [value]
    while found:
        value = found.pop()
        if type(value) is list:
            if len(value) > MOST and sum(map(_is_beyond, value)) > MOST:
                raise Flood("It has too many large numbers.")
            found += [one for one in value if type(one) in (list, dict)]
        elif type(value) is dict:
            if len(value) > MOST and sum(map(_is_beyond, value)) > MOST:
                raise Flood("It has too many large numbers as names.")
            found += [one for one in value.values() if type(one) in (list, dict)]


def _is_beyond(value: t.Any) -> bool:
    if type(value) is str:
        return len(value) > 18 and _LONG_NUMBER(value) is not None
    return type(value) is int and not -_SAFE < value < _SAFE


def _bare(annotation: t.Any) -> t.Any:
    return split(annotation)[0]
