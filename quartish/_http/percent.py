"""Decoding percent-encoded text as Werkzeug does. A long text is decoded in pieces, so that other
threads get their turn in between.

Source: RFC 3986, section 2.1; URL Standard, "application/x-www-form-urlencoded".
"""

from __future__ import annotations

import re
from urllib.parse import unquote

PIECE = 131_072
"""Characters that are decoded at once."""
#: Where a text may be split without changing the result: after a percent sign or a character that
#: is part of no escape, or after an escape of an ASCII character.
_END = re.compile(r"%(?=%)|%[0-7][0-9A-Fa-f]|(?<!%)(?<!%.)[^%]", re.DOTALL)


def decoded(text: str) -> str:
    """Return the decoded text. Bytes that are not UTF-8 stay escaped."""
    if len(text) <= PIECE:
        return unquote(text, "utf-8", "werkzeug.url_quote")
    pieces, start = [], 0
    while start < len(text):
        end = _END.search(text, start + PIECE)
        stop = end.end() if end is not None else len(text)
        pieces.append(unquote(text[start:stop], "utf-8", "werkzeug.url_quote"))
        start = stop
    return "".join(pieces)
