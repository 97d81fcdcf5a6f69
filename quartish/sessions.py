"""Sessions: the dict a visitor carries, and how it travels in a signed cookie.

A session knows whether it was read (`accessed`: the response then says `Vary: Cookie`) and
whether it was changed (`modified`: the cookie is written). What comes from the wire is
never trusted: a cookie that cannot be read is an empty session. The format is Flask's.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import typing as t
import zlib
from collections.abc import Mapping
from collections.abc import MutableMapping
from datetime import datetime
from datetime import UTC

from itsdangerous import BadData
from itsdangerous import Serializer
from itsdangerous import Signer
from itsdangerous import TimestampSigner
from itsdangerous import URLSafeTimedSerializer
from itsdangerous.encoding import base64_encode
from itsdangerous.signer import SigningAlgorithm
from werkzeug.datastructures import CallbackDict

from .json.tag import TaggedJSONSerializer
from .wrappers._conn import Conn

F = t.TypeVar("F", bound=t.Callable[..., t.Any])


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
        return t.cast(bool, self.get("_permanent", False))

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
        super().__init__(initial, _note_change)


def _noting_access(method: F) -> F:
    @functools.wraps(method)
    def noting(self: SecureCookieSession, /, *args: t.Any, **kwargs: t.Any) -> t.Any:
        self.accessed = True
        return method(self, *args, **kwargs)

    return t.cast(F, noting)


# Set from outside, so that type checkers go on seeing the signatures of dict. What changes
# items reports itself to `_note_change`; what might have changed some asks `in` first.
for _name in (
    *("__contains__", "__getitem__", "__iter__", "__len__", "__reversed__", "__repr__"),
    *("__eq__", "__ne__", "__or__", "__ror__"),
    *("copy", "get", "items", "keys", "values"),
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


class SessionInterface:
    """How an app opens and saves sessions; a subclass writes `open_session`, `save_session`.

    Those two and `make_null_session` may be `async def`. Requests of one visitor may run
    side by side; a store behind the session has to cope with that.
    """

    null_session_class = NullSession
    # Extensions ask whether what they put into a session is pickled.
    pickle_based = False

    def make_null_session(self, app: t.Any) -> NullSession | t.Awaitable[NullSession]:
        """Return the session of a request whose session could not be opened."""
        return self.null_session_class()

    def is_null_session(self, obj: object) -> bool:
        """Say whether `obj` stands for no session; such a one is not saved."""
        return isinstance(obj, self.null_session_class)

    def get_cookie_name(self, app: t.Any) -> str:
        return t.cast(str, app.config["SESSION_COOKIE_NAME"])

    def get_cookie_domain(self, app: t.Any) -> str | None:
        """Return the domain of the cookie; None keeps it to the very host that set it."""
        return t.cast("str | None", app.config["SESSION_COOKIE_DOMAIN"])

    def get_cookie_path(self, app: t.Any) -> str:
        return t.cast(str, app.config["SESSION_COOKIE_PATH"] or app.config["APPLICATION_ROOT"])

    def get_cookie_httponly(self, app: t.Any) -> bool:
        return t.cast(bool, app.config["SESSION_COOKIE_HTTPONLY"])

    def get_cookie_secure(self, app: t.Any) -> bool:
        return t.cast(bool, app.config["SESSION_COOKIE_SECURE"])

    def get_cookie_samesite(self, app: t.Any) -> str | None:
        return t.cast("str | None", app.config["SESSION_COOKIE_SAMESITE"])

    def get_cookie_partitioned(self, app: t.Any) -> bool:
        return t.cast(bool, app.config["SESSION_COOKIE_PARTITIONED"])

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


session_json_serializer = TaggedJSONSerializer()


def _lazy_sha1(string: bytes = b"") -> t.Any:
    # Looked up when used: a FIPS build of Python may have no SHA-1 to import.
    return hashlib.sha1(string)


class _Hmac(SigningAlgorithm):
    def __init__(self, digest_method: t.Callable[..., t.Any]) -> None:
        self.digest_method = digest_method

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        # PERF(3 us): what OpenSSL has, it does in one call.
        digest = hashlib.sha1 if self.digest_method is _lazy_sha1 else self.digest_method
        return hmac.digest(key, value, digest)


class _Signer(TimestampSigner):
    """A signer that derives each key once.

    PERF(6 us): the parent does so for every signature, by an HMAC as dear as the signature's.
    """

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self.algorithm = _Hmac(self.digest_method)
        self._derived: dict[str | bytes | None, bytes] = {}

    def derive_key(self, secret_key: str | bytes | None = None) -> bytes:
        key = self._derived.get(secret_key)
        if key is None:
            key = self._derived[secret_key] = super().derive_key(secret_key)
        return key


class _SigningSerializer(URLSafeTimedSerializer):
    """Keeps its signer, which signing does not change."""

    default_signer = _Signer

    def make_signer(self, salt: str | bytes | None = None) -> Signer:
        # PERF(3 us): making one checks and encodes the keys.
        own = salt is None or salt == self.salt
        return self._signer if own else super().make_signer(salt)

    @functools.cached_property
    def _signer(self) -> Signer:
        return super().make_signer()

    def dump_payload(self, obj: t.Any) -> bytes:
        """Return the payload as the parent does, compressed where that makes it shorter.

        PERF(4 us): fewer than 12 bytes never get shorter; zlib adds 6, and some for a block.
        """
        data: bytes = t.cast(t.Any, Serializer).dump_payload(self, obj)
        if len(data) >= 12 and len(compressed := zlib.compress(data)) < len(data) - 1:
            return b"." + base64_encode(compressed)
        return base64_encode(data)


@functools.lru_cache(maxsize=32)
def _signing_serializer(
    keys: tuple[str | bytes, ...],
    salt: str | bytes | None,
    serializer: t.Any,
    key_derivation: str,
    digest_method: t.Callable[..., t.Any],
) -> URLSafeTimedSerializer:
    # PERF(3 us of each request): making one dumps a trial value. Using one changes nothing in it.
    return _SigningSerializer(
        t.cast("tuple[str, ...]", keys),
        salt=salt,
        serializer=serializer,
        signer_kwargs={"key_derivation": key_derivation, "digest_method": digest_method},
    )


def _may_have_cookie(request: t.Any, name: str) -> bool:
    """Say whether to look among the request's cookies.

    PERF(2 us): cookies of others need not be parsed, where nobody changed what is parsed.
    """
    state = request.__dict__
    as_it_came = "headers" not in state and "cookies" not in state
    if as_it_came and getattr(type(request), "cookies", None) is Conn.cookies:
        return name in request.raw_cookie
    return True


class SecureCookieSessionInterface(SessionInterface):
    """Keeps the session in a cookie that is signed, and readable by the visitor."""

    salt = "cookie-session"
    digest_method = staticmethod(_lazy_sha1)
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

    def open_session(self, app: t.Any, request: t.Any) -> SecureCookieSession | None:
        """Return the session in the cookie; empty when that is absent, expired or unreadable."""
        serializer = self.get_signing_serializer(app)
        if serializer is None:
            return None
        name = self.get_cookie_name(app)
        cookie = request.cookies.get(name) if _may_have_cookie(request, name) else None
        if not cookie:
            return self.session_class()
        max_age = int(app.permanent_session_lifetime.total_seconds())
        try:
            return self.session_class(serializer.loads(cookie, max_age=max_age))
        # BadData: not ours, or too old. The others: text without an encoding, or a signed
        # value that is no mapping.
        except (BadData, TypeError, ValueError):
            return self.session_class()

    def save_session(self, app: t.Any, session: SessionMixin, response: t.Any) -> None:
        """Write, refresh or delete the cookie, as the session asks."""
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
            serializer = t.cast(URLSafeTimedSerializer, self.get_signing_serializer(app))
            response.set_cookie(
                value=serializer.dumps(dict(session)),
                expires=self.get_expiration_time(app, session),
                **self._cookie_options(app),
            )
        elif not session and session.modified:
            response.delete_cookie(**self._cookie_options(app))
        else:
            varies = accessed
        session.accessed = accessed  # reading it here was none of the view's doing
        if varies:
            if "Vary" in response.headers:
                response.vary.add("Cookie")
            else:
                response.headers.add("Vary", "Cookie")  # PERF(1.7 us): without a set of one

    def _cookie_options(self, app: t.Any) -> dict[str, t.Any]:
        return {
            "key": self.get_cookie_name(app),
            "domain": self.get_cookie_domain(app),
            "path": self.get_cookie_path(app),
            "secure": self.get_cookie_secure(app),
            "partitioned": self.get_cookie_partitioned(app),
            "samesite": self.get_cookie_samesite(app),
            "httponly": self.get_cookie_httponly(app),
        }
