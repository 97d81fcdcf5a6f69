"""Messages of a websocket: the exception after the last one, Quart's buffer, and making them."""

from __future__ import annotations

import asyncio
import typing as t

from .connection import ClientDisconnectedError

NO_STATUS = 1005
ABNORMAL_CLOSURE = 1006
UNSENT = (1004, NO_STATUS, ABNORMAL_CLOSURE, 1015)
"""Codes that no close frame may have. *Source:* RFC 6455, section 7.4.1."""
LONGEST_REASON = 123
"""Bytes of a close frame's reason. *Source:* RFC 6455, section 5.5."""


def is_disconnect(error: Exception) -> bool:
    """Say whether what a server's `send` has raised says that the client has disconnected.

    *Source:* ASGI specification 2.4, for OSError; granian's issue 922 for what that raises.
    """
    return isinstance(error, OSError) or (
        type(error) is RuntimeError and str(error).startswith("ASGI flow error: Transport ")
    )


class WebSocketDisconnect(ClientDisconnectedError):
    """The client disconnected. Raised by `receive` and `send`, after the last message was received.

    It is a cancellation, as in Quart: `except Exception` does not stop it, `finally` and `except
    asyncio.CancelledError` run. In whichever of the handler's tasks it is raised, the handler ends.

    `code` is that of RFC 6455, section 7.4: 1005 if the client gave none, 1006 if the
    connection was lost.
    """

    def __init__(self, code: int = NO_STATUS, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"the client closed the websocket: {self.code} {self.reason}".rstrip()


class Buffer:
    """The buffer of received messages that *Quart* 0.23 has."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[str | bytes | None] = asyncio.Queue()

    async def put(self, data: str | bytes) -> None:
        """Add a message."""
        await self._messages.put(data)

    async def get(self) -> str | bytes:
        """Return the next message. Raises ClientDisconnectedError after the last one."""
        data = await self._messages.get()
        if data is None:
            self.disconnect()  # so that the next call raises, too
            raise ClientDisconnectedError
        return data

    async def __anext__(self) -> t.AsyncGenerator[str | bytes, None]:
        """Iterate over all messages, as *Quart's* does."""
        while True:
            yield await self.get()

    def disconnect(self) -> None:
        """Note that no more messages come."""
        self._messages.put_nowait(None)


def sendable(data: t.Any) -> str | bytes:
    """Return a message as ASGI wants it. Raises TypeError for any other type than str and bytes."""
    if isinstance(data, (str, bytes)):
        return data
    if isinstance(data, (bytearray, memoryview)):
        return bytes(data)
    raise TypeError(
        f"`websocket.send` takes str or bytes, not {type(data).__name__}: write"
        " `await websocket.send_json(data)`, or serialize it yourself."
    )


def as_async(
    func: t.Callable[..., t.Any],
) -> t.Callable[..., t.Coroutine[t.Any, t.Any, t.Any]]:
    """Let a sync receiver take part in `send_async`."""

    async def call(*args: t.Any, **kwargs: t.Any) -> t.Any:
        return func(*args, **kwargs)

    return call
