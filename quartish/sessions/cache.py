"""Sessions in a cache of cachelib's: files, memory, Memcached, MongoDB, DynamoDB and others."""

from __future__ import annotations

import threading
import time
import typing as t
from contextvars import copy_context
from datetime import datetime
from datetime import UTC

from .._concurrency.threads import to_thread
from .._concurrency.workers import Workers
from .stored import hash_of
from .stored import ServerSideSessionInterface
from .stored import SessionChange

T = t.TypeVar("T")

THREADS = 8
"""The pool in which calls of a blocking cache are made."""


class NotWritten(Exception):
    """The cache reports that it has not written."""


class CacheSessionInterface(ServerSideSessionInterface):
    """Keeps sessions in a cache of cachelib's, or any other object with its `get`, `set` and
    `delete`: `CacheSessionInterface(FileSystemCache("sessions"))`.

    A cache cannot read and write in one step: if two *processes* change one session at the same
    time, one change may be lost. A cache may also drop sessions when it is full.

    Args:
        cache: The cache.
        prefix: The beginning of all keys.
        user_key: The item that says whose the session is; `_user_id` is Flask-Login's.
        in_thread: Whether the cache blocks, and so is called in a thread; a `SimpleCache` does not.
    """

    errors: tuple[type[Exception], ...] = (Exception,)

    def __init__(
        self,
        cache: t.Any,
        *,
        prefix: str = "session:",
        user_key: str = "_user_id",
        in_thread: bool = True,
    ) -> None:
        super().__init__(prefix=prefix, user_key=user_key)
        self.cache = cache
        self._workers = Workers(THREADS, "quartish-sessions") if in_thread else None
        self._lock = threading.Lock()

    async def read(self, id: str) -> dict[str, str] | None:
        """Return the items of a session as text; None if there is none."""
        found = await self._do(self._read, id)
        return None if found is None else found[0]

    async def end_of(self, id: str) -> datetime | None:
        """Return when a session expires; None if there is none."""
        found = await self._do(self._read, id)
        return None if found is None else found[1]

    async def write(self, change: SessionChange) -> bool:
        """Write a change. Return False, and write nothing, if the session has ended meanwhile."""
        return await self._do(self._write_now, change)

    async def delete(self, id: str) -> bool:
        """Delete a session; return whether there was one."""
        return await self._do(self._end, id)

    async def ids_of(self, user: str) -> list[str]:
        """Return the ids of the sessions of a user; some of them may have ended."""
        return list(await self._do(self._index, user))

    async def _do(self, func: t.Callable[..., T], *args: t.Any) -> T:
        if self._workers is None:
            return func(*args)
        return await to_thread(self._workers, copy_context(), func, *args)

    def _read(self, id: str) -> tuple[dict[str, str], datetime] | None:
        found = self.cache.get(self.prefix + id)
        if found is None or found["expires"] <= time.time():
            return None
        return dict(found["items"]), datetime.fromtimestamp(found["expires"], UTC)

    def _write_now(self, change: SessionChange) -> bool:
        with self._lock:
            items: dict[str, str] = {}
            if change.before is not None:
                found = self._read(change.before)
                if found is None:
                    return False
                items = {} if change.cleared else found[0]
            for name in change.removed:
                items.pop(name, None)
            items.update(change.changed)
            expires = time.time() + change.seconds
            self._set(change.id, {"items": items, "expires": expires}, change.seconds)
            if change.before is not None and change.before != change.id:
                self._delete(change.before)
            self._write_whose(change, expires)
        return True

    def _write_whose(self, change: SessionChange, expires: float) -> None:
        """Add the session to its user's list, and remove it from the former user's."""
        before, moved = change.before, change.before != change.id
        if before and change.user_before and (moved or change.user_before != change.user):
            index = self._index(change.user_before)
            index.pop(before, None)
            self._keep(change.user_before, index)
        if change.user:
            self._keep(change.user, {**self._index(change.user), change.id: expires})

    def _keep(self, user: str, index: dict[str, float]) -> None:
        now = time.time()
        index = {id: expires for id, expires in index.items() if expires > now}
        if index:
            self._set(_whose(user), index, max(index.values()) - now)
        else:
            self._delete(_whose(user))

    def _index(self, user: str) -> dict[str, float]:
        return self.cache.get(self.prefix + _whose(user)) or {}

    def _set(self, name: str, value: t.Any, seconds: float) -> None:
        # Caches count whole seconds, and zero means for ever: so the value has its end in it, too.
        keep = max(0, int(seconds)) + 2
        if self.cache.set(self.prefix + name, value, timeout=keep) is False:
            raise NotWritten(f"{type(self.cache).__name__} did not take it")

    def _end(self, id: str) -> bool:
        found = self._read(id)
        self._delete(id)
        return found is not None

    def _delete(self, name: str) -> None:
        self.cache.delete(self.prefix + name)


def _whose(user: str) -> str:
    """Return the key of a user's list of sessions. It is hashed, as Memcached allows neither spaces
    nor long keys."""
    return f"of:{hash_of(user)}"
