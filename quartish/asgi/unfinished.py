"""Streams that end before they are complete: they are logged, and the client is told.

Nothing more is sent of a stream that failed, timed out or was cancelled, so that no client takes it
for complete. Over HTTP/1.1 servers then close the connection without the last chunk.

Source: RFC 9112, section 8; RFC 9113, section 8.1.
"""

from __future__ import annotations

import asyncio

from ..typing import ASGISend
from .exchange import Exchange
from .servers import h2_protocol_of
from .servers import stream_of

LAST_PIECES = 0.5
"""Seconds in which data that was sent before may still go out."""
INTERNAL_ERROR = 2
"""Code of an HTTP/2 stream's reset. *Source:* RFC 9113, section 7."""


class Disconnected(Exception):
    """The client disconnected while a response was sent. It ends the sending, and is not logged."""


async def cut_off(exchange: Exchange, error: BaseException | None) -> None:
    """End a stream that was begun. `error` is the exception that ended it, if any: the server logs
    it, with a note of which request it was. What the server does not log is logged here."""
    exchange.unfinished = False
    if isinstance(error, Exception):
        error.add_note(note(exchange.flow.plan.describe(exchange.ctx)))
    if exchange.inbox.disconnect is not None:
        return
    if isinstance(error, asyncio.CancelledError) and not exchange.stalled:
        task = asyncio.current_task()
        by_server = task is not None and task.cancelling()
        exchange.app.logger.warning(
            "The response of %s was cut off: %s",
            exchange.flow.plan.describe(exchange.ctx),
            "the server cancelled it" if by_server else "its stream was cancelled",
        )
    await reset(exchange.send)


def note(name: str) -> str:
    """Return the note for an exception that ended a response."""
    return f"It broke the response of {name} off, of which a part was sent."


async def reset(send: ASGISend) -> None:
    """Reset the HTTP/2 stream of a server that does not do so: Hypercorn leaves it open, and its
    client waits. It knows no message for that, so the stream is found by whose method `send` is."""
    stream = stream_of(send)
    protocol = h2_protocol_of(stream)
    if protocol is None:
        return
    from hypercorn.events import RawData

    number: int = stream.stream_id
    try:
        buffer = protocol.stream_buffers[number]
        try:
            async with asyncio.timeout(LAST_PIECES):
                await buffer.drain()
        finally:
            protocol.connection.reset_stream(number, INTERNAL_ERROR)
            await buffer.close()
            protocol.priority.unblock(number)  # its sending task forgets the stream
            await protocol.has_data.set()
            async with asyncio.timeout(LAST_PIECES):
                await protocol.handle(RawData(b""))  # sends what the connection has to send
    except Exception:  # noqa: S110  closed meanwhile, or another release of Hypercorn's
        pass
