"""Compressed messages of websockets under Hypercorn: what they inflate to is bounded.

A kilobyte may become a megabyte, and Hypercorn inflates all that has come before it measures it.
Here no more of a message is inflated than it may have, and the loop gets its turn meanwhile.

Source: RFC 7692, section 8.
"""

from __future__ import annotations

import functools
import typing as t
from contextlib import suppress
from dataclasses import replace

from .._concurrency.loops import Turns
from ..typing import ASGISend
from .servers import package_of
from .servers import stream_of

AT_ONCE = 1024
"""Bytes that are inflated at once."""
IN_A_TURN = 4096
"""Bytes that are inflated between two turns of the loop."""


def bound_messages(send: ASGISend) -> None:
    """Bound the messages of all websockets of the server whose lifespan `send` belongs to, if that
    is Hypercorn, as it is configured."""
    lifespan = stream_of(send)
    config = getattr(lifespan, "config", None)
    if package_of(lifespan) == "hypercorn" and config is not None:
        with suppress(ImportError, AttributeError):  # another release of Hypercorn's
            bound_what_is_inflated(config.websocket_max_message_size)


def bound_what_is_inflated(most: int) -> None:
    """Let Hypercorn's websockets inflate `most` bytes of a message, and in turns."""
    from hypercorn.protocol import ws_stream
    from wsproto.extensions import PerMessageDeflate
    from wsproto.frame_protocol import CloseReason
    from wsproto.frame_protocol import RsvBits

    class Bounded(PerMessageDeflate):
        #: Bytes of the message until now; and whether a ping or its like comes between.
        inflated = 0
        between = False

        def frame_inbound_header(self, proto: t.Any, opcode: t.Any, *said: t.Any) -> t.Any:
            self.between = opcode.iscontrol()
            if self.between:  # to it the next frame would go on with this one
                return RsvBits(False, False, False)
            return super().frame_inbound_header(proto, opcode, *said)

        def frame_inbound_payload_data(self, proto: t.Any, data: bytes) -> bytes | CloseReason:
            if self.between:
                return data
            pieces = []
            for at in range(0, len(data), AT_ONCE):
                if self.inflated > most:  # Hypercorn sees that, too, and closes with 1009
                    break
                piece = data[at : at + AT_ONCE]
                found = super().frame_inbound_payload_data(proto, piece)
                if isinstance(found, CloseReason):
                    return found
                self.inflated += len(found)
                pieces.append(found)
            return b"".join(pieces)

        def frame_inbound_complete(self, proto: t.Any, fin: bool) -> bytes | CloseReason | None:
            if self.between or self.inflated > most:
                return None
            if fin:
                self.inflated = 0
            return super().frame_inbound_complete(proto, fin)

    t.cast(t.Any, ws_stream).PerMessageDeflate = Bounded
    if not hasattr(ws_stream.WSStream.handle, "__wrapped__"):
        t.cast(t.Any, ws_stream).WSStream.handle = _in_turns(ws_stream.WSStream.handle)


def _in_turns(handle: t.Any) -> t.Any:
    """Return Hypercorn's method that handles what comes of a websocket, such that it gives the loop
    its turn while it inflates: many short messages are much, too."""
    from hypercorn.protocol.events import Body
    from hypercorn.protocol.events import Data
    from wsproto.connection import ConnectionState

    @functools.wraps(handle)
    async def in_turns(stream: t.Any, event: t.Any) -> None:
        if not (
            isinstance(event, (Body, Data))
            and len(event.data) > IN_A_TURN
            and stream.handshake.accepted
            and stream.handshake.extensions
        ):
            await handle(stream, event)
            return
        turns = Turns()
        for at in range(0, len(event.data), IN_A_TURN):
            if stream.connection.state is ConnectionState.CLOSED:
                break
            piece = event.data[at : at + IN_A_TURN]
            await handle(stream, replace(event, data=piece))
            await turns.give()

    return in_turns
