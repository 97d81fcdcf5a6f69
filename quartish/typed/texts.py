"""Text in URLs, headers and forms that msgspec refuses although its value is clear.

Browsers send times without seconds (`<input type="time">`) and check boxes as "on"; people write
`01`. This is tried only where a value was refused.
"""

from __future__ import annotations

import datetime
import decimal
import re
import typing as t

from .annotations import members
from .annotations import split

_WORDS = {
    **dict.fromkeys(("on", "yes", "y", "t"), True),
    **dict.fromkeys(("off", "no", "n", "f"), False),
}
_NUMBERS = (int, float, decimal.Decimal)
# Possessive: a client sends as many zeros as it likes.
_NUMBER = re.compile(r"(?P<sign>[+-]?)(?P<whole>\d*+)(?P<part>(?:\.\d*+)?)", re.ASCII)
_CLOCK = re.compile(
    r"(?P<before>(?:\d{4}-\d\d-\d\d[Tt ])?\d\d:\d\d)(?P<zone>(?:[Zz]|[+-]\d\d:\d\d)?)", re.ASCII
)


def reworded(text: str, annotation: t.Any) -> t.Any:
    """Return refused text in a form that msgspec may read; unchanged if there is none."""
    said = text.strip(" ")
    kinds = [split(one)[0] for one in members(split(annotation)[0])]
    if bool in kinds and said.lower() in _WORDS:
        return _WORDS[said.lower()]
    if any(isinstance(one, type) and issubclass(one, _NUMBERS) for one in kinds if one is not bool):
        match = _NUMBER.fullmatch(said)
        if match and (match["whole"] or len(match["part"]) > 1):
            sign = "-" if match["sign"] == "-" else ""
            return sign + (match["whole"].lstrip("0") or "0") + match["part"]
    if datetime.datetime in kinds or datetime.time in kinds:
        if match := _CLOCK.fullmatch(said):
            return f"{match['before']}:00{match['zone']}"
    return text


def takes_empty(annotation: t.Any) -> bool:
    """Say whether an empty field of a form is a value of a type, as it is of text."""
    kinds = [split(one)[0] for one in members(split(annotation)[0])]
    return any(one in (str, bytes, object, t.Any) for one in kinds)
