"""Groups of websockets, in one process or in many: join, leave, send to all (but me), who is there.

Each member has a bounded queue of messages to be sent. A member whose client reads too slowly is
closed with 1013 (try again later): others do not wait for it, and miss no message.

*Flask:* has no websockets; Flask-SocketIO calls these rooms.
"""

from __future__ import annotations

import asyncio
import typing as t
from collections import defaultdict
from collections.abc import AsyncIterator
from collections.abc import Callable
from contextlib import asynccontextmanager
from uuid import uuid4

from .._current import current_context
from .._current import NO_WEBSOCKET
from .._redis import is_redis_url
from .incoming import keep_alive
from .incoming import messages_of
from .incoming import part
from .incoming import size_of
from .memory import Broker
from .memory import MemoryBroker
from .messages import Message
from .messages import order
from .messages import pack
from .redis import RedisBroker

if t.TYPE_CHECKING:
    from ..typing import LiveApp

__all__ = ["Groups", "Member", "Message", "TooSlow"]

TURNS = 20
"""Turns of the loop given to the members for each message, when many come at once."""
TRY_AGAIN_LATER = 1013
"""Source: IANA, "WebSocket Close Code Number Registry"."""

Encode = Callable[[Message], str | bytes]


class TooSlow(Exception):
    """A subscriber has read too slowly, and so has lost messages."""


class Member:
    """A websocket in a group.

    Attributes:
        id: Its id in the group, made for this connection.
        group: The group's name.
    """

    def __init__(self, groups: Groups, group: str, websocket: t.Any) -> None:
        self.id: str = uuid4().hex
        self.group = group
        self._groups = groups
        self._websocket = websocket

    async def send(self, data: t.Any) -> None:
        """Send to all others in the group. See `Groups.send`."""
        await self._groups.send(self.group, data, but=self)

    def messages(self, type: t.Any = None, *, limit: int | None = None) -> AsyncIterator[t.Any]:
        """Iterate over the client's messages until it disconnects: `async for said in
        me.messages():`. Replies to the heartbeat are left out.

        Args:
            type: The type that JSON is read as, which needs `quartish[typed]`; None for text and
                bytes as they come. A client that sends anything else is closed with 1007.
            limit: Bytes that a message may have, in place of the groups' `limit`. A client that
                sends a longer one is closed with 1009.
        """
        most = self._groups.limit if limit is None else limit
        return messages_of(self._websocket, type, most)


class _Queue:
    """The queue of messages that a member has not been sent yet."""

    def __init__(self, size: int) -> None:
        self._messages: asyncio.Queue[Message] = asyncio.Queue(size)
        self._half = size // 2
        self.overflowed = asyncio.Event()

    def put(self, message: Message) -> bool:
        """Add a message; return whether more than half of the room is taken."""
        try:
            self._messages.put_nowait(message)
        except asyncio.QueueFull:
            self.overflowed.set()
            return False
        return self._messages.qsize() > self._half

    def is_crowded(self) -> bool:
        return self._messages.qsize() > self._half

    async def after(self, last: str) -> AsyncIterator[Message]:
        """Yield the messages after that one, and all further ones."""
        # PERF(1 us a message): they come in order, so that what follows a new one is new.
        seen = order(last) if last else None
        while True:
            message = await self._messages.get()
            if seen is None or order(message.id) > seen:
                seen = None
                yield message


class Groups:
    """Groups of an app's websockets.

    `groups = Groups(app)` keeps them in this process, `Groups(app, "redis://localhost")` shares
    them with every process that does so. Or `Groups(url=...)`, and `groups.init_app(app)` later.

    Args:
        app: The app, with which the groups start and stop.
        url: None for memory, or the address of a Redis server.
        queue: How many messages a member may be behind before it is closed.
        history: How many messages of each group are kept for clients that reconnect.
        keep: Seconds for which they are kept after the last one of the group, as clients may make
            up any number of names of groups.
        prefix: The beginning of all keys in Redis.
        patience: Seconds for which sending waits if Redis cannot be reached.
        limit: Bytes that a message may have, of those sent to groups and of those from clients in
            `Member.messages`; None for any number.
        heartbeat: Seconds after which a client that has sent nothing is sent "ping". It has to
            reply "pong", or send anything else; one that sends nothing for as long again is
            disconnected. None for no heartbeat.

    Raises:
        ValueError: `url` is not one of Redis.
        ModuleNotFoundError: `redis` is not installed, and `url` asks for it.
    """

    def __init__(
        self,
        app: LiveApp | None = None,
        url: str | None = None,
        *,
        queue: int = 100,
        history: int = 100,
        keep: float = 86400.0,
        prefix: str = "quartish:groups",
        patience: float = 5.0,
        limit: int | None = None,
        heartbeat: float | None = None,
    ) -> None:
        #: Bytes that a message may have.
        self.limit = limit
        self._heartbeat = heartbeat
        self._queue_size = queue
        self._queues: defaultdict[str, set[_Queue]] = defaultdict(set)
        self._broker: Broker
        if url is None:
            self._broker = MemoryBroker(self._deliver, history, keep)
        elif is_redis_url(url):
            self._broker = RedisBroker(self._deliver, url, history, keep, prefix, patience)
        else:
            raise ValueError(f"Groups are kept in memory (None) or at 'redis://...', not {url!r}.")
        if app is not None:
            self.init_app(app)

    def init_app(self, app: LiveApp) -> None:
        """Start and stop with an app."""
        app.extensions["groups"] = self

        @app.while_serving
        async def serve_groups() -> AsyncIterator[None]:
            await self.open()
            try:
                yield
            finally:
                await self.close()

    async def open(self) -> None:
        """Start, if that is not done by an app."""
        await self._broker.open()

    async def close(self) -> None:
        """Stop, if that is not done by an app."""
        await self._broker.close()

    async def _deliver(self, message: Message) -> None:
        """Put a message into the queues of the members in this process. If many messages come at
        once, the members get turns of the loop to send them, so that only slow clients fall
        behind."""
        crowded = [queue for queue in self._queues.get(message.group, ()) if queue.put(message)]
        turns = TURNS if crowded else 0
        while turns and any(queue.is_crowded() for queue in crowded):
            turns -= 1
            await asyncio.sleep(0)

    async def send(self, group: str, data: t.Any, *, but: Member | None = None) -> None:
        """Send to all members of a group, in every process. May be called anywhere: in websockets,
        requests, tasks.

        Args:
            group: The group's name.
            data: Text or bytes, sent as such; anything else is sent as JSON, dataclasses and
                models of msgspec's and pydantic's too.
            but: A member that the message is not sent to.

        Raises:
            TypeError: `data` cannot be made JSON.
            ValueError: It has more bytes than `limit`.
            redis.RedisError: Redis could not be reached for `patience` seconds.
        """
        if self.limit is not None:
            text = data if isinstance(data, str | bytes) else pack(data)
            if size_of(text) > self.limit:
                raise ValueError(
                    f"A message to {group!r} has {size_of(text)} bytes: more than its groups'"
                    f" limit={self.limit}."
                )
        await self._broker.publish(group, data, "" if but is None else but.id)

    async def members(self, group: str) -> list[t.Any]:
        """Return the `info` of each member of a group, in every process; see `join`."""
        return list((await self._broker.members(group)).values())

    @asynccontextmanager
    async def join(
        self,
        group: str,
        *,
        info: t.Any = None,
        after: str | None = None,
        caught_up: str | bytes | None = None,
        encode: Encode = Message.encode,
    ) -> AsyncIterator[Member]:
        """Make the current websocket a member of a group inside of `async with`: messages to the
        group are sent to it. The handler goes on meanwhile, to receive, or to join further groups.

        Args:
            group: The group's name.
            info: What `members` returns for it; anything that can be made JSON.
            after: The id of the last message that the client has seen, to send those that it
                missed first; None for none. Anything that is not an id sends all that are kept.
            caught_up: A message between those that were missed and the new ones; None for none.
            encode: A function that returns what is sent of a message; by default its data.

        Raises:
            RuntimeError: No websocket is active.
        """
        websocket = current_context(NO_WEBSOCKET).websocket
        member = Member(self, group, websocket)
        async with self._listen(group) as queue:
            try:  # the client may disconnect meanwhile, or Redis be out of reach
                await self._broker.enter(group, member.id, info)
                sending = self._send_on(websocket, queue, member, after, caught_up, encode)
                async with _beside(sending):
                    yield member
            finally:
                await self._broker.leave(group, member.id)

    @asynccontextmanager
    async def subscribe(
        self, group: str, *, after: str | None = None
    ) -> AsyncIterator[AsyncIterator[Message]]:
        """Receive a group's messages in code that is no websocket, such as a stream.

        `async with groups.subscribe("news") as messages:`, and inside `async for message in
        messages:`. The iterator raises TooSlow when more messages came than the queue holds.

        Args:
            group: The group's name.
            after: As for `join`: `last_event_id()` of a request for server-sent events.
        """
        async with self._listen(group) as queue:
            yield _only_messages(self._messages(group, queue, after))

    @asynccontextmanager
    async def _listen(self, group: str) -> AsyncIterator[_Queue]:
        if not self._broker.is_open:
            raise RuntimeError(
                "These groups are shared when the app serves, and it does not: in a test, stay in"
                " `async with app.test_app():`, elsewhere call `await groups.open()`."
            )
        queue = _Queue(self._queue_size)
        self._queues[group].add(queue)
        try:
            yield queue
        finally:
            self._queues[group].discard(queue)
            if not self._queues[group]:
                del self._queues[group]

    async def _messages(
        self, group: str, queue: _Queue, after: str | None
    ) -> AsyncIterator[Message | None]:
        """Yield the messages that were missed, then None, then the new ones."""
        last = ""
        if after is not None:
            for message in await self._broker.replay(group, after):
                last = message.id
                yield message
        yield None
        async for message in queue.after(last):
            if queue.overflowed.is_set():
                raise TooSlow(f"A subscriber of {group!r} did not take what it was sent.")
            yield message

    async def _send_on(
        self,
        websocket: t.Any,
        queue: _Queue,
        member: Member,
        after: str | None,
        caught_up: str | bytes | None,
        encode: Encode,
    ) -> None:
        """Send messages as they come, until the member is too slow."""

        async def send() -> None:
            async for message in self._messages(member.group, queue, after):
                if message is None:
                    if caught_up is not None:
                        await websocket.send(caught_up)
                elif message.sender != member.id:
                    await websocket.send(encode(message))

        sending = asyncio.create_task(send())
        slow = asyncio.create_task(queue.overflowed.wait())
        tasks: list[asyncio.Task[t.Any]] = [sending, slow]
        if self._heartbeat is not None:
            tasks.append(asyncio.create_task(keep_alive(websocket, self._heartbeat)))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        error = None if sending.cancelled() else sending.exception()
        if queue.overflowed.is_set():
            await part(websocket, TRY_AGAIN_LATER, "too slow")
        elif error is not None:
            raise error


async def _only_messages(items: AsyncIterator[Message | None]) -> AsyncIterator[Message]:
    async for item in items:
        if item is not None:
            yield item


@asynccontextmanager
async def _beside(work: t.Coroutine[t.Any, t.Any, None]) -> AsyncIterator[None]:
    """Run `work` in a task beside the block, and cancel it at the end of the block. An exception of
    the task is raised inside the block at once, as by a task group, but not within an
    ExceptionGroup."""
    host = asyncio.current_task()
    assert host is not None
    cancels = host.cancelling()
    task = asyncio.create_task(work)

    def end_host(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            host.cancel()

    task.add_done_callback(end_host)
    try:
        yield
    except asyncio.CancelledError:
        error = None if not task.done() or task.cancelled() else task.exception()
        if error is not None and host.uncancel() <= cancels:
            raise error from None
        raise
    finally:
        task.remove_done_callback(end_host)
        task.cancel()
        await asyncio.wait([task])
