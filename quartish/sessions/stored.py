"""Sessions that the server keeps: the visitor's cookie has an id, and nothing else.

The id is 256 random bits. What a client sends is looked up and never adopted, and the store knows
only a hash of it: who reads the store cannot act for a visitor. A session is kept item by item,
and only what a request changed is written: of requests side by side, each keeps what it changed.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import typing as t
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime

from werkzeug.exceptions import ServiceUnavailable

from ..typing import AnyApp
from .cookie import find_cookie
from .cookie import set_cookie
from .cookie import vary_by_cookie
from .interface import session_json_serializer
from .interface import SessionInterface
from .session import SecureCookieSession
from .session import SessionMixin

#: What `secrets.token_urlsafe(32)` returns: nothing else is looked up.
_ID = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
#: Values without an inside.
_PLAIN = frozenset([str, int, float, bool, type(None), bytes, datetime])


class SessionUnavailable(ServiceUnavailable):
    """503: the store of the sessions cannot be reached. Its cause says why."""

    description: str = "The server cannot reach what it keeps sessions in. Please try again later."


@dataclass(frozen=True)
class StoredSession:
    """A session as `list_sessions` tells of it.

    Args:
        id: What `end_session` takes. It is no secret: the visitor's cookie cannot be told from it.
        items: What is in it; nothing where that cannot be read.
        expires: When it ends, unless it is used before.
    """

    id: str
    items: dict[str, t.Any]
    expires: datetime


@dataclass
class SessionChange:
    """What is to be written of one session, in one step.

    Args:
        id: Where it is to be, by the hash of its id.
        before: Where it is now; None: nowhere yet, else nothing is written if it is no more there.
        seconds: How long it is kept from now on.
        changed: Items as text.
        removed: The names of items that are to go.
        cleared: Whether all that it had is to go first.
        user: Whose it is, or None.
        user_before: Whose it was.
    """

    id: str
    before: str | None
    seconds: float
    changed: dict[str, str] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    cleared: bool = False
    user: str | None = None
    user_before: str | None = None


def new_id() -> str:
    return secrets.token_urlsafe(32)


def hash_of(sid: str) -> str:
    """Return what the store knows of an id."""
    return hashlib.sha256(sid.encode("utf-8", "surrogatepass")).hexdigest()


class ServerSideSession(SecureCookieSession):
    """A session that the server keeps. A change inside of an item (a nested list) is seen, too."""

    new = True
    #: What it is stored under, and its items there, as text.
    stored_id: str | None = None
    fields: t.Mapping[str, str] = {}
    user_before: str | None = None
    #: Whether it was emptied, and whether it could not be written.
    cleared: bool = False
    failed: bool = False
    _sid: str | None = None

    @property
    def sid(self) -> str:
        """Its id, which is what the cookie holds: a secret of the visitor's."""
        if self._sid is None:
            self._sid = new_id()
        return self._sid

    def clear(self) -> None:
        """Remove all items, those that other requests add meanwhile included."""
        super().clear()
        self.cleared = True

    def regenerate(self) -> None:
        """Give it a new id, and keep its items: the id that a client had before is worth nothing.

        To be called when somebody logs in, or gets further rights.
        """
        self._sid = new_id()
        self.accessed = self.modified = True


class UnreachableSession(SecureCookieSession):
    """The session of a request while the store cannot be reached: whoever touches it is told."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    @property
    def sid(self) -> str:
        """What nobody can tell now. Raises SessionUnavailable (503)."""
        _unreachable(self)


def _unreachable(session: UnreachableSession, *args: t.Any, **kwargs: t.Any) -> t.NoReturn:
    """Raise SessionUnavailable."""
    raise SessionUnavailable() from session.error


for _name in (
    *("__getitem__", "__contains__", "__iter__", "__len__", "__reversed__", "__repr__", "__eq__"),
    *("__ne__", "__or__", "__ror__", "__setitem__", "__delitem__", "__ior__", "get", "copy"),
    *("items", "keys", "values", "clear", "pop", "popitem", "update", "setdefault", "regenerate"),
):
    setattr(UnreachableSession, _name, _unreachable)


class ServerSideSessionInterface(SessionInterface):
    """Keeps sessions on the server. A subclass says where: it writes `read`, `write`, `delete`,
    `ids_of`, `end_of` and, where that may fail, `errors`.

    The cookie and its life are Flask's: `SESSION_COOKIE_...`, `PERMANENT_SESSION_LIFETIME` and
    `SESSION_REFRESH_EACH_REQUEST`. No secret key is needed. Items are written as tagged JSON.

    Args:
        prefix: What all keys in the store begin with.
        user_key: The item that says whose the session is; `_user_id` is Flask-Login's.
    """

    session_class = ServerSideSession
    serializer = session_json_serializer
    errors: tuple[type[Exception], ...] = ()
    """What `read`, `write` and the others raise when the store cannot be reached."""

    def __init__(self, *, prefix: str = "session:", user_key: str = "_user_id") -> None:
        self.prefix = prefix
        self.user_key = user_key

    # --- where it is kept ---------------------------------------------------------------------

    async def read(self, id: str) -> dict[str, str] | None:
        """Return the items of a session as text; None if there is none."""
        raise NotImplementedError

    async def end_of(self, id: str) -> datetime | None:
        """Return when a session expires; None if there is none."""
        raise NotImplementedError

    async def write(self, change: SessionChange) -> bool:
        """Write a change; say False, and write nothing, where the session has ended meanwhile."""
        raise NotImplementedError

    async def delete(self, id: str) -> bool:
        """Delete a session; say whether there was one."""
        raise NotImplementedError

    async def ids_of(self, user: str) -> list[str]:
        """Return the ids of the sessions of a user; some of them may have ended."""
        raise NotImplementedError

    # --- what an app does with it ---------------------------------------------------------------

    async def open_session(self, app: AnyApp, request: t.Any) -> SessionMixin:
        """Return the session that the cookie names; a new one, with an id of its own, when there
        is no such session (any more)."""
        sid = find_cookie(request, self.get_cookie_name(app))
        if not sid or _ID.fullmatch(sid) is None:
            return self.session_class()
        try:
            found = await self.read(hash_of(sid))
        except self.errors as error:
            app.logger.error("The session could not be read: %s: %s", type(error).__name__, error)
            return UnreachableSession(error)
        if found is None:
            return self.session_class()
        try:
            session = self.session_class(self._items(found))
        except (TypeError, ValueError) as error:
            app.logger.error("What is stored of a session cannot be read: %s", error)
            return self.session_class()
        session.new = False
        session._sid, session.stored_id, session.fields = sid, hash_of(sid), found  # noqa: SLF001
        session.user_before = self._user_of(session)
        session.accessed = False
        return session

    async def save_session(self, app: AnyApp, session: SessionMixin, response: t.Any) -> None:
        """Write what changed of `session`, and its cookie in `response`, as the session asks and
        `app` is configured.

        Raises:
            SessionUnavailable (503): The store cannot be reached. Nothing was written.
        """
        if not isinstance(session, ServerSideSession) or session.failed:
            return  # nobody could touch it, or somebody was told
        accessed = session.accessed
        if response is None:
            await self._save_of_websocket(app, session)
            return
        varies = True
        there, due = bool(session), self.should_set_cookie(app, session)
        expires = self.get_expiration_time(app, session)
        session.accessed = accessed  # reading it here was none of the view's doing
        if there and due:
            options = self._cookie_options(app)
            if await self._write(app, session):
                set_cookie(response, session.sid, expires, options)
        elif self._changed_inside(session):
            await self._write(app, session)
        elif not there and session.modified:
            if session.stored_id is not None:
                await self._try(session, self.delete(session.stored_id))
            response.delete_cookie(**self._cookie_options(app))
        else:
            varies = accessed
        if varies:
            vary_by_cookie(response)

    async def _save_of_websocket(self, app: AnyApp, session: ServerSideSession) -> None:
        """Save what the handler of a websocket changed: it cannot set a cookie, and need not."""
        stored = session.stored_id
        if not (session.modified or self._changed_inside(session)):
            return
        if stored is None or hash_of(session.sid) != stored:
            what = "new" if stored is None else "given a new id"
            app.logger.error(
                f"The session was {what} while a websocket was handled. That is lost, because a"
                " cookie cannot be set there."
            )
        if stored is None:
            return
        if session:
            await self._write(app, session, stored)
        else:
            await self._try(session, self.delete(stored))

    async def _write(self, app: AnyApp, session: ServerSideSession, id: str | None = None) -> bool:
        """Write what changed; say whether the session is stored now."""
        user = self._user_of(session)
        change = SessionChange(
            hash_of(session.sid) if id is None else id,
            session.stored_id,
            t.cast(float, app.permanent_session_lifetime.total_seconds()),
            user=user,
            user_before=session.user_before,
        )
        if session.modified or session.accessed:
            fields = self._fields(session)
            before = {} if session.cleared else session.fields
            change.changed = {n: text for n, text in fields.items() if before.get(n) != text}
            change.removed = [name for name in before if name not in fields]
            change.cleared = session.cleared
        written = await self._try(session, self.write(change))
        if not written:
            app.logger.warning(
                "A session has ended while a request that changed it was handled: the change"
                " of %s is lost.",
                ", ".join(sorted({*change.changed, *change.removed})) or "nothing",
            )
        return written

    async def _try(self, session: ServerSideSession, asked: t.Awaitable[bool]) -> bool:
        try:
            return await asked
        except self.errors as error:
            session.failed = True
            raise SessionUnavailable() from error

    # --- a user's sessions ---------------------------------------------------------------------

    def regenerate(self, session: t.Any) -> None:
        """Give `session` a new id: `session.regenerate()`, by Flask-Session's name."""
        session.regenerate()

    async def list_sessions(self, user: object) -> list[StoredSession]:
        """Return the sessions of a user, the one that lives longest first.

        Raises:
            SessionUnavailable (503): The store cannot be reached.
        """
        try:
            ids = await self.ids_of(str(user))
            found = [(id, await self.read(id), await self.end_of(id)) for id in ids]
        except self.errors as error:
            raise SessionUnavailable() from error
        told = [
            StoredSession(id, self._items_or_none(stored), expires)
            for id, stored, expires in found
            if stored is not None and expires is not None
        ]
        return sorted(told, key=lambda session: session.expires, reverse=True)

    async def end_session(self, id: str) -> bool:
        """End the session of that `StoredSession.id`; say whether there was one.

        Raises:
            SessionUnavailable (503): The store cannot be reached.
        """
        try:
            return await self.delete(id)
        except self.errors as error:
            raise SessionUnavailable() from error

    async def end_sessions(self, user: object, *, but: t.Any = None) -> int:
        """End all sessions of a user; return how many there were.

        Args:
            user: The value of the item that `user_key` names.
            but: A session that is to stay: `quartish.session`.

        Raises:
            SessionUnavailable (503): The store cannot be reached.
        """
        try:
            kept = () if but is None else (hash_of(but.sid), but.stored_id)
            ids = [id for id in await self.ids_of(str(user)) if id not in kept]
            return sum([await self.delete(id) for id in ids])
        except self.errors as error:
            raise SessionUnavailable() from error

    def _user_of(self, session: ServerSideSession) -> str | None:
        user = dict.get(session, self.user_key)
        return None if user is None else str(user)

    def _changed_inside(self, session: ServerSideSession) -> bool:
        """Say whether the items differ from what is stored although nobody set one: there was a
        change inside of one, such as a list."""
        if session.stored_id is None or not session.accessed:
            return False
        if all(type(value) in _PLAIN for value in dict.values(session)):
            return False
        return self._fields(session) != session.fields

    # --- items as text --------------------------------------------------------------------------

    def _fields(self, session: ServerSideSession) -> dict[str, str]:
        dumps = self.serializer.dumps
        return {_name_of(key): dumps(value) for key, value in dict.items(session)}

    def _items(self, fields: t.Mapping[str, str]) -> dict[str, t.Any]:
        return {name: self.serializer.loads(text) for name, text in fields.items()}

    def _items_or_none(self, fields: t.Mapping[str, str]) -> dict[str, t.Any]:
        """Return the items, none where they cannot be read: such a session can be ended, too."""
        try:
            return self._items(fields)
        except (TypeError, ValueError):
            return {}


def _name_of(key: t.Any) -> str:
    """Return a key as JSON has it."""
    if isinstance(key, str):
        return key
    [name] = json.loads(json.dumps({key: None}))
    return t.cast(str, name)
