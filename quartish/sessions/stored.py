"""Sessions that the server keeps: the visitor's cookie has only an id.

The id is 256 random bits. An id that a client sends is looked up, and never used for a new session.
The store has only a hash of it, so that reading the store does not let anybody act for a visitor. A
session is kept item by item, and only items that a request has changed are written: so changes of
requests at the same time do not overwrite each other.
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

#: The form of `secrets.token_urlsafe(32)`: nothing else is looked up.
_ID = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
#: Types whose values cannot be changed inside.
_PLAIN = frozenset([str, int, float, bool, type(None), bytes, datetime])


class SessionUnavailable(ServiceUnavailable):
    """503: the store of the sessions cannot be reached. Its `__cause__` is the reason."""

    description: str = "The server cannot reach what it keeps sessions in. Please try again later."


@dataclass(frozen=True)
class StoredSession:
    """A session, as `list_sessions` returns it.

    Args:
        id: For `end_session`. It is no secret: the visitor's cookie cannot be computed from it.
        items: Its items; none if they cannot be read.
        expires: When it ends, unless it is used before.
    """

    id: str
    items: dict[str, t.Any]
    expires: datetime


@dataclass
class SessionChange:
    """A change of one session, to be written in one step.

    Args:
        id: The hash of its id, under which it is stored.
        before: The hash of its id before the change; None for a new session. Nothing is written if
            there is no session of that id any more.
        seconds: How long it is kept from now on.
        changed: Changed items, as text.
        removed: The names of removed items.
        cleared: Whether all items are removed first.
        user: The user that it belongs to, or None.
        user_before: The user that it belonged to.
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
    """Return the hash of an id, which the store has."""
    return hashlib.sha256(sid.encode("utf-8", "surrogatepass")).hexdigest()


class ServerSideSession(SecureCookieSession):
    """A session that the server keeps. A change inside of an item (a nested list) is noticed,
    too."""

    new = True
    #: The hash that it is stored under, and the stored items, as text.
    stored_id: str | None = None
    fields: t.Mapping[str, str] = {}
    user_before: str | None = None
    #: Whether it was emptied, and whether it could not be written.
    cleared: bool = False
    failed: bool = False
    _sid: str | None = None

    @property
    def sid(self) -> str:
        """The id in the cookie, which must be kept secret."""
        if self._sid is None:
            self._sid = new_id()
        return self._sid

    def clear(self) -> None:
        """Remove all items, also those that other requests add meanwhile."""
        super().clear()
        self.cleared = True

    def regenerate(self) -> None:
        """Give it a new id, and keep its items. The former id is not valid any more.

        Call this when somebody logs in or gets further rights.
        """
        self._sid = new_id()
        self.accessed = self.modified = True


class UnreachableSession(SecureCookieSession):
    """The session of a request while the store cannot be reached: reading or changing it raises."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    @property
    def sid(self) -> str:
        """An attribute that is unknown now. Raises SessionUnavailable (503)."""
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
    """Keeps sessions on the server. Subclasses implement the store: `read`, `write`, `delete`,
    `ids_of`, `end_of` and, if the store may be out of reach, `errors`.

    The cookie and its lifetime are set as in Flask: `SESSION_COOKIE_...`,
    `PERMANENT_SESSION_LIFETIME` and `SESSION_REFRESH_EACH_REQUEST`. No secret key is needed. Items
    are written as tagged JSON.

    Args:
        prefix: The beginning of all keys in the store.
        user_key: The item that says whose the session is; `_user_id` is Flask-Login's.
    """

    session_class = ServerSideSession
    serializer = session_json_serializer
    errors: tuple[type[Exception], ...] = ()
    """The exceptions that `read`, `write` and the others raise when the store cannot be reached."""

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
        """Write a change. Return False, and write nothing, if the session has ended meanwhile."""
        raise NotImplementedError

    async def delete(self, id: str) -> bool:
        """Delete a session; return whether there was one."""
        raise NotImplementedError

    async def ids_of(self, user: str) -> list[str]:
        """Return the ids of the sessions of a user; some of them may have ended."""
        raise NotImplementedError

    # --- what an app does with it ---------------------------------------------------------------

    async def open_session(self, app: AnyApp, request: t.Any) -> SessionMixin:
        """Return the session that the cookie names; a new one, with an id of its own, if there
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
        """Write the changes of `session`, and its cookie in `response`, as the session and the
        config of `app` require.

        Raises:
            SessionUnavailable (503): The store cannot be reached. Nothing was written.
        """
        if not isinstance(session, ServerSideSession) or session.failed:
            return  # nothing has read it, or reading it has raised
        accessed = session.accessed
        if response is None:
            await self._save_of_websocket(app, session)
            return
        varies = True
        there, due = bool(session), self.should_set_cookie(app, session)
        expires = self.get_expiration_time(app, session)
        session.accessed = accessed  # it was read here, not by the view
        if there and due:
            options = self._quartish_cookie_options(app)
            if await self._write(app, session):
                set_cookie(response, session.sid, expires, options)
        elif self._changed_inside(session):
            await self._write(app, session)
        elif not there and session.modified:
            if session.stored_id is not None:
                await self._try(session, self.delete(session.stored_id))
            response.delete_cookie(**self._quartish_cookie_options(app))
        else:
            varies = accessed
        if varies:
            vary_by_cookie(response)

    async def _save_of_websocket(self, app: AnyApp, session: ServerSideSession) -> None:
        """Save the changes of a websocket's handler, which cannot set a cookie and need not."""
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
        """Write the changes; return whether the session is stored now."""
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
        """Give `session` a new id: `session.regenerate()`, with Flask-Session's name."""
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
        """End the session with this `StoredSession.id`; return whether there was one.

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
            but: A session that is kept: `quartish.session`.

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
        """Say whether an item was changed inside, such as a list: the items differ from the stored
        ones, although none was set."""
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
        """Return the items; none if they cannot be read, so that such a session can still be
        ended."""
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
