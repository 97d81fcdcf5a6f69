"""The messages of a typed websocket, in text frames as JSON and in binary ones as MessagePack.

A view is called for each message (`Annotated[Order, Message()]`), or receives and sends itself
(`Messages[Order, Receipt]`). What is sent is in the format of the client's last message.
"""

from __future__ import annotations

import typing as t
from asyncio import _get_running_loop

from .._concurrency.coroutines import settled
from .._concurrency.coroutines import waited_for_in_threads
from .._current import find_context
from .._http.inbox import give_way
from ..json._long import LONG
from ..sansio.app import Core
from ..wrappers.websocket import WebSocketDisconnect
from . import packed
from .annotations import split
from .codecs import Codec
from .codecs import from_long_msgpack
from .codecs import Refused
from .codecs import too_many
from .codecs import Undecodable
from .faults import words_of
from .faults import WrongMessage
from .marks import Given
from .marks import Message
from .parameters import NOTHING
from .plans import Plan
from .returns import Returns
from .scopes import close_all
from .scopes import open_all

In = t.TypeVar("In")
Out = t.TypeVar("Out")

UNSUPPORTED = 1003


class Messages(Given, t.Generic[In, Out]):
    """The messages of a websocket, for a view that receives and sends itself.

    `Messages[Order, Receipt]` receives orders, and sends receipts.

    `async for order in messages` ends when the client disconnects. A wrong message is a
    `WrongMessage` there, and closes the websocket unless the view catches it. In a `def` view all
    of this works without `await`.
    """

    def __init__(self, websocket: t.Any, codec: Codec, returns: Returns, check: bool) -> None:
        """Read and write the messages of one websocket.

        Args:
            websocket: The websocket.
            codec: What reads the client's.
            returns: What writes the view's.
            check: Whether what is sent is checked first.
        """
        self.websocket = websocket
        self._codec = codec
        self._returns = returns
        self._check = check
        self._raw: t.Any = split(codec.annotation)[0]
        self._binary = False

    @waited_for_in_threads
    async def receive(self) -> In:
        """Return the next message.

        Raises:
            WrongMessage: It is not of its type.
        """
        return await self.read()

    @waited_for_in_threads
    async def send(self, message: Out) -> None:
        """Send a message."""
        await self.write(message)

    def __aiter__(self) -> t.Self:
        return self

    async def __anext__(self) -> In:
        try:
            return await self.read()
        except WebSocketDisconnect:
            raise StopAsyncIteration from None

    def __iter__(self) -> t.Iterator[In]:
        """Iterate in a `def` view, whose thread waits for each message."""
        try:
            while True:
                yield t.cast(In, self.receive())  # in a thread: the value itself
        except WebSocketDisconnect:
            return

    async def read(self) -> In:
        """Do what `receive` does, as a coroutine in either lane."""
        data: str | bytes = await settled(self.websocket.receive())
        self._binary = isinstance(data, bytes)
        if self._raw in (str, bytes):
            if isinstance(data, self._raw):
                return t.cast(In, data)
            taken = "text" if self._raw is str else "bytes"
            raise WrongMessage(f"This takes {taken}.", close_code=UNSUPPORTED)
        on_loop = _get_running_loop() is not None
        try:
            if len(data) <= (packed.LONG if self._binary else LONG):
                return t.cast(In, self._decode(data, None))
            ctx = find_context()
            most = None if ctx is None else ctx.app.config["MAX_JSON_PARTS"]
            if on_loop:
                return t.cast(In, await self.websocket.inbox.offload(self._decode, data, most))
            return t.cast(In, self._decode(data, most))
        except Undecodable as error:
            format = "MessagePack" if self._binary else "JSON"
            wrong = WrongMessage(f"The message is no {format}: {error}")
        except Refused as error:
            wrong = WrongMessage(words_of(error.faults), error.faults)
        if on_loop:
            await give_way(self.websocket)  # the view may catch it and read on, in a loop
        raise wrong

    def _decode(self, data: str | bytes, most: int | None) -> t.Any:
        if isinstance(data, bytes):
            if len(data) <= packed.LONG:
                return self._codec.from_msgpack(data, "message")
            try:
                return from_long_msgpack(self._codec, data, most, "message")
            except packed.TooManyParts as error:
                raise Undecodable(f"It has {error} (MAX_JSON_PARTS).") from error
        if (said := too_many(self._codec, data, most)) is not None:
            raise Undecodable(f"It has {said} (MAX_JSON_PARTS).")
        return self._codec.from_json(data.encode(errors="surrogatepass"), "message")

    async def write(self, message: Out) -> None:
        """Do what `send` does, as a coroutine in either lane."""
        data = self._returns.message(message, self._check, self._binary)
        await settled(self.websocket.send(data))

    async def write_returned(self, rv: t.Any) -> None:
        """Send what a view returned, unless that is None."""
        if rv is not None:
            await self.write(rv)
        elif self._check:
            self._returns.check(rv)


async def talk(
    plan: Plan, func: t.Any, slots: list[t.Any], values: dict[str, t.Any], app: Core, conn: t.Any
) -> t.Any:
    """Call the view of a websocket: once, or for each message until the client disconnects.
    Return what it returned, unless that was sent as messages."""
    check = app.debug or app.testing
    try:
        if plan.talk is not None:
            slot, codec, returns = plan.talk
            slots[slot] = Messages(conn, codec, returns, check)
        if plan.message is None:
            return await _call(plan, func, slots, values)
        messages: Messages[t.Any, t.Any] = Messages(conn, plan.message.codec, plan.sends, check)
        while not conn.closed:
            try:
                slots[plan.message.slot] = await messages.read()
            except WebSocketDisconnect:
                break
            except WrongMessage as error:
                if not t.cast(Message, plan.message.mark).keep_open:
                    raise
                if not await _is_handled(app, conn, error):
                    await settled(conn.send(error.get_body()))
                continue
            await _handle(plan, func, slots, values, app, messages)
    except WrongMessage as error:
        await _is_handled(app, conn, error)
        if not conn.closed:
            await settled(conn.close(error.close_code, error.reason))
    return None


async def _handle(
    plan: Plan,
    func: t.Any,
    slots: list[t.Any],
    values: dict[str, t.Any],
    app: Core,
    messages: Messages[t.Any, t.Any],
) -> None:
    """Call the view for one message, and send what it returns."""
    opened: list[t.Any] = []
    try:
        if plan.message_order:
            await open_all(plan.message_order, slots, opened, app)
        await messages.write_returned(await _call(plan, func, slots, values))
    except BaseException as error:
        if opened:
            await close_all(opened, error)
        raise
    if opened:
        await close_all(opened)


async def _call(plan: Plan, func: t.Any, slots: list[t.Any], values: dict[str, t.Any]) -> t.Any:
    for name, slot in plan.arguments:
        if slots[slot] is not NOTHING:
            values[name] = slots[slot]
    return await settled(func(**values))


async def _is_handled(app: Core, conn: t.Any, error: WrongMessage) -> bool:
    """Call the app's error handler, if there is one, and say whether there is. What it returns is
    not sent."""
    handler = app._find_error_handler(error, conn.blueprints)
    if handler is not None:
        await settled(handler(error))
    return handler is not None
