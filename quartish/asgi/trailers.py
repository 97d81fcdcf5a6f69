"""Trailers: header fields that are sent after the body of a response.

Source: RFC 9110, section 6.5; ASGI specification, "HTTP Trailers".
"""

from __future__ import annotations

import typing as t

from .._http.headers import breaks
from .._http.headers import raw_name
from .._http.headers import takes_trailers
from .._http.headers import Unsendable
from ..typing import ASGISend
from ..typing import Message
from ..typing import Scope

Trailers = t.Mapping[str, t.Union[str, t.Callable[[], str]]]
_EXTENSION = "http.response.trailers"


def with_trailers(scope: Scope, send: ASGISend, response: object) -> ASGISend:
    """Return a `send` that adds the response's `trailers`, if the server supports trailers and the
    client asks for them."""
    trailers: Trailers | None = getattr(response, "trailers", None)
    offered = scope.get("extensions") or ()
    if not trailers or _EXTENSION not in offered or not takes_trailers(scope):
        return send

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            names = b", ".join(raw_name(name) for name in trailers)
            headers = [*message["headers"], (b"trailer", names)]
            message = {**message, "headers": headers, "trailers": True}
        await send(message)
        if message["type"] == "http.response.pathsend" or (
            message["type"] == "http.response.body" and not message.get("more_body", False)
        ):
            await send({"type": _EXTENSION, "headers": _lines(trailers), "more_trailers": False})

    return sending


def _lines(trailers: Trailers) -> list[tuple[bytes, bytes]]:
    lines = []
    for name, value in trailers.items():
        text: str = value() if callable(value) else value
        if breaks(text):
            raise Unsendable(f"The trailer {name} has a line break or a NUL in it.")
        try:
            lines.append((raw_name(name), text.encode("latin-1")))
        except UnicodeEncodeError as error:
            raise Unsendable(f"The trailer {name} is {text!r}, which no header can say.") from error
    return lines
