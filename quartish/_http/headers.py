"""Header lines of responses: made of texts here alone, and checked.

Source: RFC 9110, section 5; ASGI specification, "Response Start" and "Accept".
"""

from __future__ import annotations

import functools
import re
import typing as t

from werkzeug.datastructures import Headers
from werkzeug.sansio.response import Response
from werkzeug.urls import iri_to_uri
from werkzeug.utils import get_content_type

from ..typing import RawHeaders
from ..typing import Scope

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


LOCATIONS = frozenset([b"location", b"content-location"])
#: Headers that need a Response, which changes or checks them before they are sent.
_LOOKED_AT = LOCATIONS | {b"content-length"}


class Unsendable(ValueError):
    """A head that no server could send."""


@functools.lru_cache(maxsize=1024)
def raw_name(name: str) -> bytes:
    """Return a header's name as ASGI wants it. Raises Unsendable if it is no token (RFC 9110,
    section 5.1)."""
    if not _NAME.fullmatch(name):
        raise Unsendable(f"A header of the response cannot be called {name!r}.")
    return name.lower().encode()


@functools.lru_cache(maxsize=1024)
def raw_names(names: tuple[str, ...]) -> tuple[tuple[bytes, ...], bool, bool]:
    """Return the names of all headers as `raw_name` does, whether there is a Content-Length, and
    whether the value of one is a URL.

    PERF(1 us for four): an app's responses have few headers, and mostly the same ones.
    """
    raw = tuple(map(raw_name, names))
    return raw, b"content-length" in raw, not LOCATIONS.isdisjoint(raw)


def breaks(value: str) -> bool:
    """Say whether a header's value has a character that ends a line (RFC 9110, section 5.5).
    Servers close the connection because of it, or take the rest for another header.

    PERF(1 us for 200 characters): faster than a regular expression.
    """
    return "\n" in value or "\r" in value or "\0" in value or "\v" in value or "\f" in value


def raw_value(value: str) -> bytes:
    """Return a header's value as it is sent: in Latin-1, else in UTF-8. Raises UnicodeEncodeError
    for lone surrogates."""
    try:
        data = value.encode("latin-1")
    except UnicodeEncodeError:
        data = value.encode("utf-8")
    return data.strip(b" \t")


def latin_lines(headers: t.Iterable[tuple[str, str]]) -> RawHeaders:
    """Return headers as ASGI wants them, without checking them. Raises UnicodeEncodeError if one is
    not in Latin-1."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def accepted_lines(headers: Headers) -> RawHeaders:
    """Return the headers of a handshake as ASGI wants them. Raises Unsendable if no server could
    send them."""
    for name, value in headers:
        if breaks(value):
            raise Unsendable(f"The header {name!r} has a line break or a NUL in its value.")
    return [(raw_name(name), raw_value(value)) for name, value in headers]


def check_token(name: str, value: str) -> None:
    """Raise Unsendable if a value is no token (RFC 9110, section 5.6.2)."""
    if not _NAME.fullmatch(value):
        raise Unsendable(f"{value!r} is no {name}: it has to be a token of RFC 9110.")


@functools.lru_cache(maxsize=256)
def content_type(mimetype: str) -> str:
    """Return the Content-Type of a mimetype, with a charset if it is text."""
    return get_content_type(mimetype, "utf-8")


def header_lines(
    response: Response, headers: dict[t.Any, t.Any] | None, mimetype: str | None
) -> list[tuple[str, str]] | None:
    """Return the header lines of a response whose body is in memory; None if Werkzeug has to make
    them.

    PERF(7 us): Werkzeug searches the headers again for each one that it sets.
    """
    if mimetype == "":  # Werkzeug makes an empty header of it
        return None
    lines: list[tuple[str, str]] = []
    if headers:
        for name, value in headers.items():
            if type(value) is not str or "\n" in value or "\r" in value:
                return None
            lowered = name.lower()
            if lowered == "content-length":
                return None
            if lowered == "content-type":
                if mimetype is not None:
                    return None
                mimetype = ""
            lines.append((name, value))
    if mimetype is None:
        mimetype = response.default_mimetype
    if mimetype:
        lines.append(("Content-Type", content_type(mimetype)))
    return lines


@functools.lru_cache(maxsize=1024)
def length_line(length: int) -> tuple[bytes, bytes]:
    """Return the Content-Length header of a body of `length` bytes, as it is sent."""
    return b"content-length", b"%d" % length


@functools.lru_cache(maxsize=256)
def direct_lines(mimetype: str | None, *headers: tuple[str, str]) -> RawHeaders | None:
    """Return header lines as they are sent, without the length; None if one of them needs a
    Response. Raises Unsendable as `raw_name` does."""
    raw: RawHeaders = []
    for name, value in headers:
        if type(name) is not str or type(value) is not str:
            return None
        key = raw_name(name)
        if key in _LOOKED_AT or breaks(value) or not value.isascii():
            return None
        if key == b"content-type":
            mimetype = None
        raw.append((key, value.strip(" \t").encode()))
    if mimetype:
        raw.append((b"content-type", content_type(mimetype).encode()))
    return raw


def wsgi_head(status: str, headers: list[tuple[str, str]]) -> tuple[int, RawHeaders]:
    """Return status and headers that a WSGI app gave to `start_response`, as they are sent. Raises
    Unsendable if no server could send them, and UnicodeEncodeError if they are not in Latin-1 (PEP
    3333)."""
    code = int(status.split(None, 1)[0])
    if not 200 <= code <= 999 or any(breaks(value) for _, value in headers):
        raise Unsendable(f"{status!r} with {headers!r} is no head of a response.")
    return code, [(raw_name(name), value.strip(" \t").encode("latin-1")) for name, value in headers]


Lines = list[tuple[str, str]]
Checked = tuple[Lines, RawHeaders, bool]
"""Headers as a response has them, as they are sent, and whether there is a Content-Length."""


def raw_lines(
    lines: Lines, locate: t.Callable[[str, str], str], checked: Checked | None = None
) -> tuple[RawHeaders, bool]:
    """Return header lines as they are sent, and whether there is a Content-Length. URLs are
    replaced by `locate(name, value)`. If the headers have not changed since they were `checked`,
    that result is used."""
    if checked is not None and checked[0] == lines:
        return list(checked[1]), checked[2]
    names, has_length, has_url = raw_names(tuple([name for name, _ in lines]))
    if has_url:
        lines = [
            (name, locate(name, value) if raw in LOCATIONS else value)
            for raw, (name, value) in zip(names, lines, strict=True)
        ]
    try:  # PERF(0.4 us for four): without a call for each
        values = [value.strip(" \t").encode("latin-1") for _, value in lines]
    except UnicodeEncodeError:
        values = [raw_value(value) for _, value in lines]
    return list(zip(names, values, strict=True)), has_length


def check_sendable(response: Response, encode: bool) -> Checked | None:
    """Raise Unsendable, or an encoding error, if the head of a response cannot be sent, while error
    handlers can still make another. With `encode` return the header lines for `raw_lines`; None if
    that has to make them."""
    status = response.status_code
    if not 200 <= status <= 999:
        raise Unsendable(f"{status} is no status of a response.")
    headers: t.Any = response.headers
    if type(headers) is dict:  # a view has set `response.headers` to a dict
        response.headers = headers = Headers(headers)
    lines = list(iter(headers))  # `list(headers)` would call `len` first
    keys, values = zip(*lines, strict=True) if lines else ((), ())
    names, has_length, has_url = raw_names(keys)
    if has_url:
        values = tuple(
            iri_to_uri(value) if name in LOCATIONS else value
            for name, value in zip(names, values, strict=True)
        )
    if has_length:  # there may be two
        for name, value in zip(names, values, strict=True):
            if name == b"content-length" and not (value.isascii() and value.isdigit()):
                raise Unsendable(f"{value!r} is no Content-Length.")
    text = "".join(values)
    if breaks(text):
        raise Unsendable("A header of the response has a line break or a NUL in its value.")
    if not text.isascii():
        text.encode()
        return None
    if has_url or not encode:
        return None
    raw = [value.strip(" \t").encode() for value in values]
    return lines, list(zip(names, raw, strict=True)), has_length


def takes_trailers(scope: Scope) -> bool:
    """Say whether the client asks for fields after the body (RFC 9110, section 10.1.4), and the
    server can send them: by HTTP/3 Hypercorn offers that, up to 0.18, and sends data after them,
    which that protocol forbids, so that the response never ends."""
    return scope["http_version"] != "3" and any(
        name == b"te" and b"trailers" in value.lower().replace(b" ", b"").split(b",")
        for name, value in scope["headers"]
    )
