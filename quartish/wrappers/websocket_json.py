"""JSON messages of websockets. Long ones are parsed and made off the loop, and keep their order."""

from __future__ import annotations

import asyncio
import typing as t

from .._concurrency.coroutines import waited_for_in_threads
from .._http.inbox import give_way
from .._http.inbox import Inbox
from ..json._long import has_more_parts
from ..json._long import is_long
from ..json._long import LONG
from ..json.provider import reads_long
from ..json.provider import writes_long
from .connection import Conn


class Order:
    """Lets tasks send one after the other, in the order of their calls, once a message has taken
    long to be made."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._owner: asyncio.Task[t.Any] | None = None

    @property
    def is_mine(self) -> bool:
        """Whether it is the turn of the current task."""
        return self._owner is not None and self._owner is asyncio.current_task()

    async def __aenter__(self) -> None:
        await self._lock.acquire()
        self._owner = asyncio.current_task()

    async def __aexit__(self, *args: object) -> None:
        self._owner = None
        self._lock.release()


class JSONMessages(Conn):
    """Sends and receives JSON."""

    quartish_refusals: int
    json_module: t.Any
    inbox: Inbox | None
    #: Whose turn it is to send; None until a message took long to be made.
    order: Order | None

    if t.TYPE_CHECKING:

        def receive(self) -> t.Coroutine[t.Any, t.Any, str | bytes]: ...

        def send(self, data: str | bytes) -> t.Coroutine[t.Any, t.Any, None]: ...

    @waited_for_in_threads
    async def receive_json(self) -> t.Any:
        """Return the JSON of the next message. Raises ValueError if it is not JSON, or has more
        than `MAX_JSON_PARTS` lists and objects."""
        data = await self.receive()
        try:
            if len(data) <= LONG:
                return self.json_module.loads(data)
            most = self.quartish_config_of_app["MAX_JSON_PARTS"]
            if self.inbox is None or not reads_long(self.json_module):
                return self._load_long(data, most)
            return await self.inbox.offload(self._load_long, data, most)
        except Exception:
            await give_way(self)
            raise

    def _load_long(self, data: str | bytes, most: int | None) -> t.Any:
        if most is not None and has_more_parts(data, most):
            raise ValueError(f"The JSON has more than {most} lists and objects (MAX_JSON_PARTS).")
        return self.json_module.loads(data)

    @waited_for_in_threads
    async def send_json(self, *args: t.Any, **kwargs: t.Any) -> None:
        """Send a message of JSON: of the one argument, or of a list or dict of them.

        A long message is made in a thread; its value must not be changed until this returns.
        Messages that are sent meanwhile come after it.
        """
        if args and kwargs:
            raise TypeError("`websocket.send_json` takes arguments or keywords, not both.")
        value = args[0] if len(args) == 1 else args or kwargs
        if self.inbox is not None and is_long(value) and writes_long(self.json_module):
            if self.order is None:
                self.order = Order()
            async with self.order:
                await self.send(await self._write(value, self.inbox))
        else:
            await self.send(await self._write(value))

    async def _write(self, value: t.Any, away: Inbox | None = None) -> str:
        try:
            if away is not None:
                return t.cast(str, await away.offload(self.json_module.dumps_long, value))
            return t.cast(str, self.json_module.dumps(value))
        except Exception:
            await give_way(self)
            raise
