"""The ASGI extensions for responses that a server may support, as a request uses them.

The rule: nothing is sent that the server does not support.

Source: ASGI specification, "Extensions".
"""

from __future__ import annotations

import typing as t

from werkzeug.datastructures import Headers

from .._http.headers import breaks
from .._http.headers import latin_lines
from .._http.headers import takes_trailers
from .._http.inbox import give_way
from ..typing import Scope

#: By our names: the ASGI extensions that a server may support.
EXTENSIONS = {
    "early_hints": "http.response.early_hint",
    "trailers": "http.response.trailers",
    "push": "http.response.push",
    "path_send": "http.response.pathsend",
}

_PUSHED_HEADERS = ("accept", "accept-encoding", "accept-language", "cache-control", "user-agent")


class Asking(t.Protocol):
    """What these functions need of a request."""

    #: How often something was refused (`give_way`).
    quartish_refusals: int

    @property
    def scope(self) -> Scope: ...
    @property
    def asgi_send(self) -> t.Any:
        """ASGI's; a request of a user's own making has none."""

    def supports(self, feature: str) -> bool: ...


def is_supported(request: Asking, feature: str) -> bool:
    """Say whether the request's server supports an extension. ValueError for an unknown name."""
    if feature not in EXTENSIONS:
        raise ValueError(f"{feature!r} is none of {', '.join(EXTENSIONS)}.")
    offered = request.scope.get("extensions") or ()
    if EXTENSIONS[feature] not in offered or not hasattr(request, "asgi_send"):
        return False
    return feature != "trailers" or takes_trailers(request.scope)


async def hint(request: Asking, links: t.Iterable[str]) -> None:
    """Send a 103 (Early Hints) with these `Link` headers. *Source:* RFC 8297."""
    found = [links] if isinstance(links, str) else list(links)
    if any(breaks(link) for link in found):
        raise ValueError("A link has a line break or a NUL in it.")
    try:
        lines = [link.encode("latin-1") for link in found]
    except UnicodeEncodeError as error:
        raise ValueError(
            f"A link is {error.object!r}, which no header can say: percent-encode its URL."
        ) from error
    if lines and request.supports("early_hints"):
        await _send(request, {"type": EXTENSIONS["early_hints"], "links": lines})


def headers_to_push(given: Headers) -> Headers:
    """Return those of a client's headers that say what it accepts."""
    headers = Headers()
    for name in _PUSHED_HEADERS:
        for value in given.getlist(name):
            headers.add(name, value)
    return headers


async def push(request: Asking, path: str, headers: Headers) -> None:
    """Promise `path` to an HTTP/2 client."""
    if request.supports("push"):
        message = {"type": EXTENSIONS["push"], "path": path, "headers": latin_lines(headers)}
        await _send(request, message)


async def _send(request: Asking, message: dict[str, t.Any]) -> None:
    try:
        await request.asgi_send(message)
    except OSError:  # the client disconnected
        await give_way(request)
        raise
