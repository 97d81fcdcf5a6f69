"""Recognising the server by the object whose method `send` is, for what ASGI has no message for.

If a middleware wraps `send` without saying so (`through`, `__wrapped__`), the server is unknown.
"""

from __future__ import annotations

import typing as t

from ..typing import ASGISend


def stream_of(send: ASGISend) -> t.Any:
    """Return the object whose method the server's `send` is, or `send` itself if it is no method.
    An object that only passes messages on has the next `send` as `through` or `__wrapped__`."""
    while True:
        owner: t.Any = getattr(send, "__self__", send)
        inner = getattr(owner, "through", None) or getattr(owner, "__wrapped__", None)
        if inner is None:
            return owner
        send = inner


def package_of(stream: t.Any) -> str:
    """Return the name of the package of a stream's class."""
    return type(stream).__module__.partition(".")[0]


def h2_protocol_of(stream: t.Any) -> t.Any:
    """Return Hypercorn's HTTP/2 connection of a stream; None for any other stream."""
    protocol: t.Any = getattr(getattr(stream, "send", None), "__self__", None)
    return protocol if type(protocol).__module__ == "hypercorn.protocol.h2" else None
