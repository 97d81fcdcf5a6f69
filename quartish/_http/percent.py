"""Percent-encoded text, decoded as Werkzeug decodes it; a long one in pieces, between which other
threads get their turn.

Source: RFC 3986, section 2.1; URL Standard, "application/x-www-form-urlencoded".
"""

from __future__ import annotations

import re
from urllib.parse import unquote

PIECE = 131_072
"""Characters that are decoded at once."""
#: What a piece may end with, so that nothing is parted that is decoded together: a percent sign or
#: a character that stand for themselves, or an escape of ASCII.
_END = re.compile(r"%(?=%)|%[0-7][0-9A-Fa-f]|(?<!%)(?<!%.)[^%]", re.DOTALL)


def decoded(text: str) -> str:
    """Return the text; bytes that are no UTF-8 stay escaped."""
    if len(text) <= PIECE:
        return unquote(text, "utf-8", "werkzeug.url_quote")
    pieces, start = [], 0
    while start < len(text):
        end = _END.search(text, start + PIECE)
        stop = end.end() if end is not None else len(text)
        pieces.append(unquote(text[start:stop], "utf-8", "werkzeug.url_quote"))
        start = stop
    return "".join(pieces)
