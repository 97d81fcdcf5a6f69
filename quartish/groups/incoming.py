"""The messages of a member's client: their limits and types, and the heartbeat.

ASGI has no ping: servers send theirs by themselves, or not at all, and some ignore the reply. The
heartbeat here is a message, to which a page replies by one.
"""

from __future__ import annotations

import asyncio
import importlib
import typing as t
from collections.abc import AsyncIterator

from ..wrappers.websocket_messages import ABNORMAL_CLOSURE

PING = "ping"
"""The message for a client that has sent nothing for a while."""
PONG = "pong"
"""Its reply."""

# Source: RFC 6455, section 7.4.1.
INVALID_DATA = 1007
TOO_BIG = 1009
INTERNAL_ERROR = 1011

LONGEST_REASON = 120
PARTING = 5.0
"""Seconds that a client has to receive our close frame and to send its own."""


def decoder(kind: t.Any) -> t.Callable[[str | bytes], t.Any] | None:
    """Return a function that reads JSON as a type, and raises ValueError; None for no type. Raises
    ModuleNotFoundError if `quartish[typed]` is not installed."""
    if kind is None:
        return None
    try:
        msgspec: t.Any = importlib.import_module("msgspec")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Messages of a type need the package 'msgspec': pip install 'quartish[typed]'.",
            name=error.name,
        ) from error
    read = msgspec.json.Decoder(kind).decode

    def decode(data: str | bytes) -> t.Any:
        try:
            return read(data)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise ValueError(str(error)) from error

    return decode


def size_of(data: str | bytes) -> int:
    """Return how many bytes a message has when it is sent."""
    return len(data) if isinstance(data, bytes) or data.isascii() else len(data.encode())


async def messages_of(websocket: t.Any, kind: t.Any, limit: int | None) -> AsyncIterator[t.Any]:
    """Yield the client's messages until it disconnects. It is closed if a message is not
    allowed."""
    decode = decoder(kind)
    async for data in websocket:
        if data == PONG:
            continue
        if limit is not None and size_of(data) > limit:
            await websocket.close(TOO_BIG, f"a message has {limit} bytes at most")
            return
        if decode is not None:
            try:
                data = decode(data)
            except ValueError as error:
                reason = str(error).encode()[:LONGEST_REASON].decode(errors="ignore")
                await websocket.close(INVALID_DATA, reason)
                return
        yield data


async def keep_alive(websocket: t.Any, seconds: float) -> None:
    """Send a ping when the client has sent nothing for so many seconds. If it sends nothing for as
    long again, it counts as disconnected, and the handler ends."""
    inbox = websocket.inbox
    heard, asked = -1, False
    while True:
        await asyncio.sleep(seconds)
        now = inbox.reads + inbox.pending
        if now != heard or inbox.pending:  # it has sent something, or the handler has not read it
            heard, asked = now, False
            continue
        if asked or not await _sent(websocket, seconds):
            break
        asked = True
    await part(websocket, INTERNAL_ERROR, "no reply to the ping", seconds)


async def part(websocket: t.Any, code: int, reason: str, seconds: float | None = None) -> None:
    """Close a websocket; if the client does not receive that, or does not reply, end its handler as
    when a client disconnects. The task that awaits this is cancelled when the handler ends by
    itself."""
    inbox = websocket.inbox
    try:
        async with asyncio.timeout(PARTING if seconds is None else seconds):
            await websocket.close(code, reason)
            await asyncio.Event().wait()
    except TimeoutError:
        pass
    if inbox.disconnect is None:
        inbox.end({"type": "websocket.disconnect", "code": ABNORMAL_CLOSURE})
        if inbox.waiting:
            inbox.wake()
        if inbox.listener is not None:
            inbox.listener.disconnected()


async def _sent(websocket: t.Any, seconds: float) -> bool:
    """Send a ping; return whether that could be sent."""
    try:
        async with asyncio.timeout(seconds):
            await websocket.send(PING)
    except TimeoutError:
        return False
    return True
