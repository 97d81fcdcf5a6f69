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

#: Attributes of requests that decide how cookies are parsed, if they are redefined.
_PARTS = frozenset(["cookies", "dict_storage_class"])


def find_cookie(request: t.Any, name: str) -> str | None:
    """Return the value of the request's first cookie of that name, or None.

    PERF(2 to 8 us): other cookies are not parsed, unless parsing is redefined.
    """
    state = request.__dict__
    if (
        "headers" in state
        or "cookies" in state
        or not _PARTS.isdisjoint(getattr(type(request), "quartish_redefined", _PARTS))
    ):
        found: str | None = request.cookies.get(name)
        return found
    raw: str = request.quartish_raw_cookie
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


def _expiry(expires: datetime | str | float) -> str:
    """Return the text of a cookie's `Expires`."""
    if type(expires) is datetime and expires.tzinfo is UTC:
        return _date_of_second(int(expires.timestamp() // 1))
    return expires if isinstance(expires, str) else http_date(expires)


# PERF(5 us): cached, as it only changes each second.
_date_of_second = functools.lru_cache(maxsize=8)(http_date)


@functools.lru_cache(maxsize=64, typed=True)
def _cookie_frame(expires: str | None, key: str, *options: t.Any) -> tuple[str, str]:
    """Return the parts of a `Set-Cookie` header before and after the value.

    PERF(3 us): cached, as they seldom change.
    """
    names = ("domain", "path", "secure", "partitioned", "samesite", "httponly")
    line = dump_cookie(key, "", expires=expires, **dict(zip(names, options, strict=True)))
    Headers().add("Set-Cookie", line)  # raises ValueError for a line break
    at = len(key.encode()) + 1
    return line[:at], line[at:]


_SET_COOKIE = SansioResponse.set_cookie


def cookie_line(
    value: str, expires: datetime | str | float | None, options: dict[str, t.Any]
) -> str:
    """Return the `Set-Cookie` header for a `value` that needs no quotes."""
    at = None if expires is None else _expiry(expires)
    before, after = _cookie_frame(at, *options.values())
    return f"{before}{value}{after}"


def is_set_plainly(response_class: t.Any) -> bool:
    """Say whether responses of a class set cookies as Werkzeug's do."""
    return getattr(response_class, "set_cookie", None) is _SET_COOKIE


def set_cookie(
    response: t.Any, value: str, expires: datetime | str | float | None, options: dict[str, t.Any]
) -> None:
    """Call `response.set_cookie`; for a `value` that needs no quotes, do the same faster."""
    headers = response.headers
    if (
        is_set_plainly(type(response))
        and "set_cookie" not in response.__dict__
        and type(headers) is Headers
    ):
        line = cookie_line(value, expires, options)
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
    # PERF(2.5 us): without the set and the checks that Werkzeug makes.
    if type(headers) is Headers:
        append_line(headers, "Vary", "Cookie")
    else:
        headers.add("Vary", "Cookie")
