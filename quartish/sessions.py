"""Sessions: the dict a visitor carries, and how it travels in a signed cookie.

A session knows whether it was read (`accessed`: the response then says `Vary: Cookie`) and
whether it was changed (`modified`: the cookie is written). What comes from the wire is
never trusted: a cookie that cannot be read is an empty session. The format is Flask's.
"""

from __future__ import annotations

import functools
import typing as t
from collections.abc import Mapping
from collections.abc import MutableMapping
from datetime import datetime
from datetime import UTC

from itsdangerous import BadData
from itsdangerous import URLSafeTimedSerializer
from werkzeug.datastructures import CallbackDict
from werkzeug.datastructures import Headers
from werkzeug.http import dump_cookie
from werkzeug.http import http_date
from werkzeug.sansio.response import Response as SansioResponse

from ._signing import lazy_sha1
from ._signing import SigningSerializer
from ._watched import tell_all
from ._watched import watch
from ._watched import Watched
from ._werkzeug import append_line
from .json.tag import TaggedJSONSerializer
from .wrappers._conn import Conn

F = t.TypeVar("F", bound=t.Callable[..., t.Any])
T = t.TypeVar("T")


class SessionMixin(MutableMapping[str, t.Any]):
    """What a session has beside its items."""

    # Whether this session was made just now; many kinds cannot tell.
    new = False
    # Whether it has to be saved; a kind that cannot tell says yes.
    modified = True
    # Whether it was looked at: also set by reading `session` of the context.
    accessed = False

    @property
    def permanent(self) -> bool:
        """Whether the session outlives the browser's; kept under the key `_permanent`."""
        permanent: bool = self.get("_permanent", False)
        return permanent

    @permanent.setter
    def permanent(self, value: bool) -> None:
        self["_permanent"] = bool(value)


def _note_change(session: SecureCookieSession) -> None:
    session.accessed = session.modified = True


class SecureCookieSession(CallbackDict[str, t.Any], SessionMixin):
    """A session that notes each reading and each change of its own items.

    A change inside of an item (a nested list) is not seen: set `modified` yourself.
    """

    modified = False

    def __init__(self, initial: Mapping[str, t.Any] | None = None) -> None:
        # PERF(0.4 us): what the parents do, without them.
        if initial is not None:
            dict.__init__(self, initial)
        self.on_update = _note_change

    # PERF(0.2 to 0.6 us each time): what views do most, without the layers around it.

    def __getitem__(self, key: str, /) -> t.Any:
        self.accessed = True
        return dict.__getitem__(self, key)

    def __contains__(self, key: object, /) -> bool:
        self.accessed = True
        return dict.__contains__(self, key)

    def __setitem__(self, key: str, value: t.Any) -> None:
        dict.__setitem__(self, key, value)
        if (note := self.on_update) is not None:
            note(t.cast(t.Any, self))

    @t.no_type_check  # its overloads are those of dict
    def get(self, key, default=None, /):
        self.accessed = True
        return dict.get(self, key, default)


def _noting_access(method: F) -> F:
    @functools.wraps(method)
    def noting(self: SecureCookieSession, /, *args: t.Any, **kwargs: t.Any) -> t.Any:
        self.accessed = True
        return method(self, *args, **kwargs)

    return t.cast(F, noting)


# Set from outside, so that type checkers go on seeing the signatures of dict. What changes
# items reports itself to `_note_change`; what might have changed some asks `in` first.
for _name in (
    *("__iter__", "__len__", "__reversed__", "__repr__"),
    *("__eq__", "__ne__", "__or__", "__ror__"),
    *("copy", "items", "keys", "values"),
):
    setattr(SecureCookieSession, _name, _noting_access(getattr(SecureCookieSession, _name)))


class NullSession(SecureCookieSession):
    """The session of an app without a secret key: empty, and says why on any change."""

    def _fail(self, *args: t.Any, **kwargs: t.Any) -> t.NoReturn:
        raise RuntimeError(
            "The session is unavailable because no secret key was set. Set the secret_key on"
            " the application to something unique and secret."
        )

    __setitem__ = __delitem__ = __ior__ = _fail
    clear = pop = popitem = update = setdefault = _fail
    del _fail


class SessionInterface(Watched):
    """How an app opens and saves sessions; a subclass writes `open_session`, `save_session`.

    Those two and `make_null_session` may be `async def`. Requests of one visitor may run
    side by side; a store behind the session has to cope with that. Those that are here return
    plain values for an app of the plain colour, awaitables for one of the awaitable colour.
    """

    null_session_class = NullSession
    # Extensions ask whether what they put into a session is pickled.
    pickle_based = False

    def make_null_session(self, app: t.Any) -> NullSession | t.Awaitable[NullSession]:
        """Return the session of a request whose session could not be opened."""
        return _in_colour(app, self.null_session_class())

    def is_null_session(self, obj: object) -> bool:
        """Say whether `obj` stands for no session; such a one is not saved."""
        return isinstance(obj, self.null_session_class)

    def get_cookie_name(self, app: t.Any) -> str:
        name: str = app.config["SESSION_COOKIE_NAME"]
        return name

    def get_cookie_domain(self, app: t.Any) -> str | None:
        """Return the domain of the cookie; None keeps it to the very host that set it."""
        domain: str | None = app.config["SESSION_COOKIE_DOMAIN"]
        return domain

    def get_cookie_path(self, app: t.Any) -> str:
        path: str = app.config["SESSION_COOKIE_PATH"] or app.config["APPLICATION_ROOT"]
        return path

    def get_cookie_httponly(self, app: t.Any) -> bool:
        http_only: bool = app.config["SESSION_COOKIE_HTTPONLY"]
        return http_only

    def get_cookie_secure(self, app: t.Any) -> bool:
        secure: bool = app.config["SESSION_COOKIE_SECURE"]
        return secure

    def get_cookie_samesite(self, app: t.Any) -> str | None:
        same_site: str | None = app.config["SESSION_COOKIE_SAMESITE"]
        return same_site

    def get_cookie_partitioned(self, app: t.Any) -> bool:
        partitioned: bool = app.config["SESSION_COOKIE_PARTITIONED"]
        return partitioned

    def get_expiration_time(self, app: t.Any, session: SessionMixin) -> datetime | None:
        """Return when the cookie expires; None for a session that ends with the browser's."""
        if not session.permanent:
            return None
        return t.cast(datetime, datetime.now(UTC) + app.permanent_session_lifetime)

    def should_set_cookie(self, app: t.Any, session: SessionMixin) -> bool:
        """Say whether to write the cookie: changed, or permanent and to be refreshed."""
        return session.modified or (
            session.permanent and app.config["SESSION_REFRESH_EACH_REQUEST"]
        )

    def open_session(
        self, app: t.Any, request: t.Any
    ) -> SessionMixin | None | t.Awaitable[SessionMixin | None]:
        """Return the session of a request or websocket, or None: a null session is made then.

        Runs inside of the context, before the URL is matched.
        """
        raise NotImplementedError

    def save_session(
        self, app: t.Any, session: SessionMixin, response: t.Any
    ) -> t.Awaitable[None] | None:
        """Save the session, after the response was made; it is None for a websocket."""
        raise NotImplementedError

    def _changed(self, name: str) -> None:
        if name in _STOCK[0]:  # apps may have taken it for the stock one
            tell_all("session_interface")


session_json_serializer = TaggedJSONSerializer()


@functools.lru_cache(maxsize=32)
def _signing_serializer(
    keys: tuple[str | bytes, ...],
    salt: str | bytes | None,
    serializer: t.Any,
    key_derivation: str,
    digest_method: t.Callable[..., t.Any],
) -> URLSafeTimedSerializer:
    # PERF(3 us of each request): making one dumps a trial value. Using one changes nothing in it.
    return SigningSerializer(
        t.cast("tuple[str, ...]", keys),
        salt=salt,
        serializer=serializer,
        signer_kwargs={"key_derivation": key_derivation, "digest_method": digest_method},
    )


def _find_cookie(request: t.Any, name: str) -> str | None:
    """Return the value of the request's first cookie of that name, or None.

    PERF(2 to 8 us): the others need not be parsed, where nobody changed what is parsed.
    """
    state, kind = request.__dict__, type(request)
    if (
        "headers" in state
        or "cookies" in state
        or getattr(kind, "cookies", None) is not Conn.cookies
        or kind.dict_storage_class is not Conn.dict_storage_class
    ):
        found: str | None = request.cookies.get(name)
        return found
    raw: str = request.raw_cookie
    if name not in raw:
        return None
    if '"' not in raw:  # nothing is quoted
        for item in raw.split(";"):
            key, _, value = item.partition("=")
            if key.strip(" \t") == name:
                value = value.strip(" \t")
                if " " not in value and "\t" not in value:
                    return value
    found = request.cookies.get(name)
    return found


def _expiry(expires: datetime | str | float | None) -> str | None:
    """Return when a cookie expires as its header says it."""
    if type(expires) is datetime and expires.tzinfo is UTC:
        return _date_of_second(int(expires.timestamp() // 1))
    return expires if expires is None or isinstance(expires, str) else http_date(expires)


# PERF(5 us): within a second it is the same for all.
_date_of_second = functools.lru_cache(maxsize=8)(http_date)


@functools.lru_cache(maxsize=64, typed=True)
def _cookie_frame(expires: str | None, key: str, *options: t.Any) -> tuple[str, str]:
    """Return what stands before and after the value in a `Set-Cookie` header.

    PERF(3 us): all but the value seldom changes.
    """
    names = ("domain", "path", "secure", "partitioned", "samesite", "httponly")
    line = dump_cookie(key, "", expires=expires, **dict(zip(names, options, strict=True)))
    Headers().add("Set-Cookie", line)  # raises ValueError for a line break
    at = len(key.encode()) + 1
    return line[:at], line[at:]


def _items_of(session: SessionMixin) -> dict[str, t.Any]:
    if type(session) is SecureCookieSession:
        return dict(dict.items(session))  # PERF(0.5 us): without asking it for each item
    return dict(session)


_SET_COOKIE = SansioResponse.set_cookie


def _set_cookie(
    response: t.Any, value: str, expires: datetime | str | float | None, options: dict[str, t.Any]
) -> None:
    """Call `response.set_cookie`, or do at once what it does with a `value` that needs no
    quotes."""
    headers = response.headers
    if (
        getattr(type(response), "set_cookie", None) is _SET_COOKIE
        and "set_cookie" not in response.__dict__
        and type(headers) is Headers
    ):
        before, after = _cookie_frame(_expiry(expires), *options.values())
        line = f"{before}{value}{after}"
        if len(line) <= response.max_cookie_size:
            append_line(headers, "Set-Cookie", line)
            return
    response.set_cookie(value=value, expires=expires, **options)


def _vary_by_cookie(response: t.Any) -> None:
    headers = response.headers
    for name, _ in headers:
        if name.lower() == "vary":
            response.vary.add("Cookie")
            return
    # PERF(2.5 us): without a set of one, and what is checked of a header.
    if type(headers) is Headers:
        append_line(headers, "Vary", "Cookie")
    else:
        headers.add("Vary", "Cookie")


class SecureCookieSessionInterface(SessionInterface):
    """Keeps the session in a cookie that is signed, and readable by the visitor."""

    salt = "cookie-session"
    digest_method = staticmethod(lazy_sha1)
    key_derivation = "hmac"
    serializer = session_json_serializer
    session_class = SecureCookieSession

    def get_signing_serializer(self, app: t.Any) -> URLSafeTimedSerializer | None:
        """Return what signs with the secret key and also reads what its fallbacks signed.

        None when the app has no secret key. The object is shared: do not change it.
        """
        if not app.secret_key:
            return None
        fallbacks = app.config["SECRET_KEY_FALLBACKS"] or ()
        if isinstance(fallbacks, (str, bytes)):
            fallbacks = (fallbacks,)  # else each letter would be a key
        recipe = (
            (*fallbacks, app.secret_key),  # the last one signs
            self.salt,
            self.serializer,
            self.key_derivation,
            self.digest_method,
        )
        try:
            return _signing_serializer(*recipe)
        except TypeError:  # a key or serializer of the user's that cannot be hashed
            return _signing_serializer.__wrapped__(*recipe)

    def open_session(self, app: t.Any, request: t.Any) -> t.Any:
        """Return the session in the cookie; empty when that is absent, expired or unreadable."""
        return _in_colour(app, self.load(app, request))

    def load(self, app: t.Any, request: t.Any) -> SecureCookieSession | None:
        """Return what `open_session` returns, plain in both colours."""
        serializer = self.get_signing_serializer(app)
        if serializer is None:
            return None
        cookie = _find_cookie(request, self.get_cookie_name(app))
        if not cookie:
            return self.session_class()
        max_age = int(app.permanent_session_lifetime.total_seconds())
        try:
            return self.session_class(serializer.loads(cookie, max_age=max_age))
        # BadData: not ours, or too old. The others: text without an encoding, or a signed
        # value that is no mapping.
        except (BadData, TypeError, ValueError):
            return self.session_class()

    def save_session(self, app: t.Any, session: SessionMixin, response: t.Any) -> t.Any:
        """Write, refresh or delete the cookie, as the session asks."""
        options = None if response is None else self._cookie_options(app)  # asked for first
        self.store(app, session, response, options)
        return _in_colour(app, None)

    def store(
        self,
        app: t.Any,
        session: SessionMixin,
        response: t.Any,
        options: dict[str, t.Any] | None = None,
    ) -> None:
        """Do what `save_session` does, at once in both colours; `options` are of the cookie."""
        if response is None:
            if session.modified:
                app.logger.error(
                    "The session was modified while a websocket was handled. The change is"
                    " lost, because a cookie cannot be set there."
                )
            return

        accessed = session.accessed
        varies = True
        if session and self.should_set_cookie(app, session):
            expires = self.get_expiration_time(app, session)
            options = options or self._cookie_options(app)
            serializer: t.Any = self.get_signing_serializer(app)
            value = serializer.dumps(_items_of(session))
            if type(serializer) is SigningSerializer:
                _set_cookie(response, value, expires, options)
            else:
                response.set_cookie(value=value, expires=expires, **options)
        elif not session and session.modified:
            response.delete_cookie(**(options or self._cookie_options(app)))
        else:
            varies = accessed
        session.accessed = accessed  # reading it here was none of the view's doing
        if varies:
            _vary_by_cookie(response)

    def _cookie_options(self, app: t.Any) -> dict[str, t.Any]:
        return {  # in the order in which `_cookie_frame` takes them
            "key": self.get_cookie_name(app),
            "domain": self.get_cookie_domain(app),
            "path": self.get_cookie_path(app),
            "secure": self.get_cookie_secure(app),
            "partitioned": self.get_cookie_partitioned(app),
            "samesite": self.get_cookie_samesite(app),
            "httponly": self.get_cookie_httponly(app),
        }


def _in_colour(app: t.Any, value: T) -> T | t.Awaitable[T]:
    """Return a value as an app of this colour returns it."""
    return value if getattr(app, "plain", True) else _awaitable(value)


async def _awaitable(value: T) -> T:
    return value


class AwaitableSessionInterface(SessionInterface):
    """Quart's `SessionInterface`: what opens and saves sessions is awaited."""

    def is_null_session(self, instance: object) -> bool:
        """Say whether `instance` stands for no session; such a one is not saved."""
        return super().is_null_session(instance)

    async def make_null_session(self, app: t.Any) -> NullSession:
        """Return the session of a request whose session could not be opened."""
        return self.null_session_class()

    async def open_session(self, app: t.Any, request: t.Any) -> SessionMixin | None:
        """Return the session of a request or websocket, or None: a null session is made then."""
        raise NotImplementedError

    async def save_session(self, app: t.Any, session: SessionMixin, response: t.Any) -> None:
        """Save the session, after the response was made; it is None for a websocket."""
        raise NotImplementedError


class AwaitableCookieSessionInterface(AwaitableSessionInterface, SecureCookieSessionInterface):
    """Quart's `SecureCookieSessionInterface`, which does what that of the plain colour does."""

    async def open_session(self, app: t.Any, request: t.Any) -> SessionMixin | None:
        """Return the session in the cookie; empty when that is absent, expired or unreadable."""
        return self.load(app, request)

    async def save_session(self, app: t.Any, session: SessionMixin, response: t.Any) -> None:
        """Write, refresh or delete the cookie, as the session asks."""
        options = None if response is None else self._cookie_options(app)
        self.store(app, session, response, options)


#: What the stock interfaces have: the methods, and the classes, which may do something of their
#: own for each session.
_STOCK: list[dict[str, t.Any]] = [
    {
        name: getattr(kind, name)
        for name in dir(kind)
        if name.startswith(("get_", "load", "make_", "open_", "save_", "should_", "store"))
        or name in ("_cookie_options", "is_null_session", "null_session_class", "session_class")
    }
    for kind in (SecureCookieSessionInterface, AwaitableCookieSessionInterface)
]


def is_stock(interface: t.Any) -> bool:
    """Say whether nobody has a word in how an interface opens and saves sessions: they are in the
    cookie. Then one that nobody touched needs neither, and `load` and `store` do it, at once in
    both colours. Apps are told when it is so no more.
    """
    kind = type(interface)
    for stock in _STOCK:
        if all(getattr(kind, name, None) is value for name, value in stock.items()):
            watch(interface)
            return stock.keys().isdisjoint(vars(interface))
    return False
