"""What is known of the server by whose method `send` is: for what ASGI has no message.

Where anybody stands between who does not say through whom he sends, the server is not known.
"""

from __future__ import annotations

import typing as t

from ..typing import ASGISend


def stream_of(send: ASGISend) -> t.Any:
    """Return whose method the server's `send` is, or itself where it is nobody's. What observes
    messages, and lets them through, says so by `through`, or `__wrapped__`."""
    while True:
        owner: t.Any = getattr(send, "__self__", send)
        inner = getattr(owner, "through", None) or getattr(owner, "__wrapped__", None)
        if inner is None:
            return owner
        send = inner


def package_of(stream: t.Any) -> str:
    """Return the name of the package that a stream's class is from."""
    return type(stream).__module__.partition(".")[0]


def h2_protocol_of(stream: t.Any) -> t.Any:
    """Return Hypercorn's HTTP/2 connection of a stream; None where it is none."""
    protocol: t.Any = getattr(getattr(stream, "send", None), "__self__", None)
    return protocol if type(protocol).__module__ == "hypercorn.protocol.h2" else None
