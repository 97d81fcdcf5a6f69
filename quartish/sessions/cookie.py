"""The session's cookie, found in a request and set on a response."""

from __future__ import annotations

import functools
import typing as t
from datetime import datetime
from datetime import UTC

from werkzeug.datastructures import Headers
from werkzeug.http import dump_cookie
from werkzeug.http import http_date
from werkzeug.sansio.response import Response as SansioResponse

from .._werkzeug import append_line
from ..wrappers.connection import Conn


def find_cookie(request: t.Any, name: str) -> str | None:
    """Return the value of the request's first cookie of that name, or None.

    PERF(2 to 8 us): the others need not be parsed, where nobody changed what is parsed.
    """
    state, kind = request.__dict__, type(request)
    if (
        "headers" in state
        or "cookies" in state
        or getattr(kind, "cookies", None) is not Conn.cookies
        or kind.dict_storage_class is not Conn.dict_storage_class
    ):
        found: str | None = request.cookies.get(name)
        return found
    raw: str = request.raw_cookie
    if name not in raw:
        return None
    if '"' not in raw:  # nothing is quoted
        for item in raw.split(";"):
            key, _, value = item.partition("=")
            if key.strip(" \t") == name:
                value = value.strip(" \t")
                if " " not in value and "\t" not in value:
                    return value
    found = request.cookies.get(name)
    return found


def _expiry(expires: datetime | str | float | None) -> str | None:
    """Return when a cookie expires as its header says it."""
    if type(expires) is datetime and expires.tzinfo is UTC:
        return _date_of_second(int(expires.timestamp() // 1))
    return expires if expires is None or isinstance(expires, str) else http_date(expires)


# PERF(5 us): within a second it is the same for all.
_date_of_second = functools.lru_cache(maxsize=8)(http_date)


@functools.lru_cache(maxsize=64, typed=True)
def _cookie_frame(expires: str | None, key: str, *options: t.Any) -> tuple[str, str]:
    """Return what stands before and after the value in a `Set-Cookie` header.

    PERF(3 us): all but the value seldom changes.
    """
    names = ("domain", "path", "secure", "partitioned", "samesite", "httponly")
    line = dump_cookie(key, "", expires=expires, **dict(zip(names, options, strict=True)))
    Headers().add("Set-Cookie", line)  # raises ValueError for a line break
    at = len(key.encode()) + 1
    return line[:at], line[at:]


_SET_COOKIE = SansioResponse.set_cookie


def set_cookie(
    response: t.Any, value: str, expires: datetime | str | float | None, options: dict[str, t.Any]
) -> None:
    """Call `response.set_cookie`, or do at once what it does with a `value` that needs no
    quotes."""
    headers = response.headers
    if (
        getattr(type(response), "set_cookie", None) is _SET_COOKIE
        and "set_cookie" not in response.__dict__
        and type(headers) is Headers
    ):
        before, after = _cookie_frame(_expiry(expires), *options.values())
        line = f"{before}{value}{after}"
        if len(line) <= response.max_cookie_size:
            append_line(headers, "Set-Cookie", line)
            return
    response.set_cookie(value=value, expires=expires, **options)


def vary_by_cookie(response: t.Any) -> None:
    headers = response.headers
    for name, _ in headers:
        if name.lower() == "vary":
            response.vary.add("Cookie")
            return
    # PERF(2.5 us): without a set of one, and what is checked of a header.
    if type(headers) is Headers:
        append_line(headers, "Vary", "Cookie")
    else:
        headers.add("Vary", "Cookie")
