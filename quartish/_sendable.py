"""What a server can send of a head: names and values of headers, as ASGI wants them.

Source: RFC 9110, section 5; ASGI specification, "Response Start" and "Accept".
"""

from __future__ import annotations

import functools
import re

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
BREAKS = re.compile(r"[\0\r\n\v\f]")
"""What no header's value may have (RFC 9110, section 5.5): servers close without an answer, or
take what follows for a header of its own."""


class Unsendable(ValueError):
    """A head that no server could send."""


@functools.lru_cache(maxsize=1024)
def raw_name(name: str) -> bytes:
    """Return a header's name as ASGI wants it. Raises Unsendable where it is no token (RFC 9110,
    section 5.1)."""
    if not _NAME.fullmatch(name):
        raise Unsendable(f"A header of the response cannot be called {name!r}.")
    return name.lower().encode()


def raw_value(value: str) -> bytes:
    """Return a header's value as it is sent: in Latin-1, else in UTF-8. Raises UnicodeEncodeError
    where it is no text."""
    try:
        data = value.encode("latin-1")
    except UnicodeEncodeError:
        data = value.encode("utf-8")
    return data.strip(b" \t")


def check_token(name: str, value: str) -> None:
    """Raise Unsendable where a value is no token (RFC 9110, section 5.6.2)."""
    if not _NAME.fullmatch(value):
        raise Unsendable(f"{value!r} is no {name}: it has to be a token of RFC 9110.")
