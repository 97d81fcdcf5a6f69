"""How an app opens and saves sessions.

A cookie is never trusted: one that cannot be read gives an empty session. The format is Flask's.
"""

from __future__ import annotations

import functools
import typing as t
from datetime import datetime
from datetime import UTC

from itsdangerous import BadData
from itsdangerous import URLSafeTimedSerializer

from .._observed import tell_all
from .._observed import watch
from .._observed import Watched
from .._settings import Settings
from ..json.tag import TaggedJSONSerializer
from ..typing import AnyApp
from ..typing import RawHeaders
from .cookie import cookie_line
from .cookie import find_cookie
from .cookie import set_cookie
from .cookie import vary_by_cookie
from .session import items_of
from .session import NullSession
from .session import SecureCookieSession
from .session import SessionMixin
from .signing import lazy_sha1
from .signing import SigningSerializer

T = t.TypeVar("T")
_VARY = (b"vary", b"Cookie")


class SessionInterface(Watched):
    """How an app opens and saves sessions; a subclass writes `open_session`, `save_session`.

    Those two and `make_null_session` may be `async def`. Requests of one visitor may run
    at the same time, which a store has to allow for. The interfaces here return plain values for an
    app of the plain colour, awaitables for one of the awaitable colour.
    """

    null_session_class = NullSession
    # Extensions read whether sessions are pickled.
    pickle_based = False

    def make_null_session(self, app: AnyApp) -> NullSession | t.Awaitable[NullSession]:
        """Return the session of a request whose session could not be opened."""
        return _in_colour(app, self.null_session_class())

    def is_null_session(self, obj: object) -> bool:
        """Say whether `obj` is a null session, which is not saved."""
        return isinstance(obj, self.null_session_class)

    def get_cookie_name(self, app: AnyApp) -> str:
        """Return the cookie's name: `SESSION_COOKIE_NAME`."""
        name: str = app.config["SESSION_COOKIE_NAME"]
        return name

    def get_cookie_domain(self, app: AnyApp) -> str | None:
        """Return the domain of the cookie; None limits it to the host that has set it."""
        domain: str | None = app.config["SESSION_COOKIE_DOMAIN"]
        return domain

    def get_cookie_path(self, app: AnyApp) -> str:
        """Return its path: `SESSION_COOKIE_PATH`, by default `APPLICATION_ROOT`."""
        path: str = app.config["SESSION_COOKIE_PATH"] or app.config["APPLICATION_ROOT"]
        return path

    def get_cookie_httponly(self, app: AnyApp) -> bool:
        """Say whether scripts of the page may not read it: `SESSION_COOKIE_HTTPONLY`."""
        http_only: bool = app.config["SESSION_COOKIE_HTTPONLY"]
        return http_only

    def get_cookie_secure(self, app: AnyApp) -> bool:
        """Say whether it is sent by HTTPS only: `SESSION_COOKIE_SECURE`."""
        secure: bool = app.config["SESSION_COOKIE_SECURE"]
        return secure

    def get_cookie_samesite(self, app: AnyApp) -> str | None:
        """Return its SameSite, or None for none: `SESSION_COOKIE_SAMESITE`."""
        same_site: str | None = app.config["SESSION_COOKIE_SAMESITE"]
        return same_site

    def get_cookie_partitioned(self, app: AnyApp) -> bool:
        """Say whether there is one for each site that embeds the page:
        `SESSION_COOKIE_PARTITIONED`."""
        partitioned: bool = app.config["SESSION_COOKIE_PARTITIONED"]
        return partitioned

    def get_expiration_time(self, app: AnyApp, session: SessionMixin) -> datetime | None:
        """Return when the cookie expires; None for a session that ends with the browser's."""
        if not session.permanent:
            return None
        return t.cast(datetime, datetime.now(UTC) + app.permanent_session_lifetime)

    def should_set_cookie(self, app: AnyApp, session: SessionMixin) -> bool:
        """Say whether to write the cookie: changed, or permanent and to be refreshed."""
        return session.modified or (
            session.permanent and app.config["SESSION_REFRESH_EACH_REQUEST"]
        )

    def open_session(
        self, app: AnyApp, request: t.Any
    ) -> SessionMixin | t.Awaitable[SessionMixin | None] | None:
        """Return the session of a request or websocket, or None, for which a null session is made.

        Runs inside of the context, before the URL is matched.
        """
        raise NotImplementedError

    def save_session(
        self, app: AnyApp, session: SessionMixin, response: t.Any
    ) -> t.Awaitable[None] | None:
        """Save `session` for `app`, after `response` was made, which is None for a websocket."""
        raise NotImplementedError

    def _quartish_cookie_options(self, app: AnyApp) -> dict[str, t.Any]:
        return {  # in the order of the arguments of `_cookie_frame`
            "key": self.get_cookie_name(app),
            "domain": self.get_cookie_domain(app),
            "path": self.get_cookie_path(app),
            "secure": self.get_cookie_secure(app),
            "partitioned": self.get_cookie_partitioned(app),
            "samesite": self.get_cookie_samesite(app),
            "httponly": self.get_cookie_httponly(app),
        }

    def _quartish_changed(self, name: str) -> None:
        if name in _STOCK[0]:  # apps that use it have to look again
            tell_all("session_interface")


session_json_serializer: TaggedJSONSerializer = TaggedJSONSerializer()


@functools.lru_cache(maxsize=32)
def _signing_serializer(
    keys: tuple[str | bytes, ...],
    salt: str | bytes | None,
    serializer: t.Any,
    key_derivation: str,
    digest_method: t.Callable[..., t.Any],
) -> URLSafeTimedSerializer:
    # PERF(3 us of each request): cached, as making one serializes a test value. Using it changes
    # nothing.
    return SigningSerializer(
        t.cast("tuple[str, ...]", keys),
        salt=salt,
        serializer=serializer,
        signer_kwargs={"key_derivation": key_derivation, "digest_method": digest_method},
    )


class SecureCookieSessionInterface(SessionInterface):
    """Keeps the session in a signed cookie, which the visitor can read."""

    salt = "cookie-session"
    digest_method: t.Callable[..., t.Any] = staticmethod(lazy_sha1)
    key_derivation = "hmac"
    serializer = session_json_serializer
    session_class = SecureCookieSession

    def get_signing_serializer(self, app: AnyApp) -> URLSafeTimedSerializer | None:
        """Return the serializer that signs with the secret key, and also accepts the signatures of
        its fallbacks; None if the app has no secret key. The object is shared: do not change it.
        """
        secret_key = app.secret_key
        if not secret_key:
            return None
        fallbacks = app.config["SECRET_KEY_FALLBACKS"] or ()
        if isinstance(fallbacks, (str, bytes)):
            fallbacks = (fallbacks,)  # else each character would be a key
        recipe = (
            (*fallbacks, secret_key),  # the last one is used for signing
            self.salt,
            self.serializer,
            self.key_derivation,
            self.digest_method,
        )
        try:
            return _signing_serializer(*recipe)
        except TypeError:  # a key or a serializer that is not hashable
            return _signing_serializer.__wrapped__(*recipe)

    def open_session(self, app: AnyApp, request: t.Any) -> t.Any:
        """Return the session in the cookie; empty if that is absent, expired or unreadable."""
        return _in_colour(app, self.quartish_load(app, request))

    def quartish_load(self, app: AnyApp, request: t.Any) -> SecureCookieSession | None:
        """Return the result of `open_session`, without awaiting in both colours."""
        serializer = self.get_signing_serializer(app)
        if serializer is None:
            return None
        cookie = find_cookie(request, self.get_cookie_name(app))
        if not cookie:
            return self.session_class()
        max_age = int(app.permanent_session_lifetime.total_seconds())
        try:
            return self.session_class(serializer.loads(cookie, max_age=max_age))
        # BadData: a wrong signature, or too old. The others: text without an encoding, or a signed
        # value that is no mapping.
        except (BadData, TypeError, ValueError):
            return self.session_class()

    def save_session(self, app: AnyApp, session: SessionMixin, response: t.Any) -> t.Any:
        """Write, refresh or delete the cookie of `session` in `response`, as the session and the
        config of `app` require."""
        options = (
            None if response is None else self._quartish_cookie_options(app)
        )  # read first, as in Flask
        self.quartish_store(app, session, response, options)
        return _in_colour(app, None)

    def quartish_store(
        self,
        app: AnyApp,
        session: SessionMixin,
        response: t.Any,
        options: dict[str, t.Any] | None = None,
        stock: bool = False,
    ) -> None:
        """Do what `save_session` does with `app`, `session` and `response`, without awaiting in
        both colours. `options` are those of the cookie; `stock` says that no subclass redefines
        them."""
        if response is None:
            if session.modified:
                app.logger.error(
                    "The session was modified while a websocket was handled. The change is"
                    " lost, because a cookie cannot be set there."
                )
            return

        accessed = session.accessed
        if accessed:  # first, as in Flask: whatever fails below, the response depends on the cookie
            vary_by_cookie(response)
        varies = not accessed
        if session and self.should_set_cookie(app, session):
            expires = self.get_expiration_time(app, session)
            if options is None and stock:
                ours: t.Any = app
                options = _stock_options(ours.quartish_settings)
            elif options is None:
                options = self._quartish_cookie_options(app)
            serializer: t.Any = self.get_signing_serializer(app)
            value = serializer.dumps(items_of(session))
            if type(serializer) is SigningSerializer:
                set_cookie(response, value, expires, options)
            else:
                response.set_cookie(value=value, expires=expires, **options)
        elif not session and session.modified:
            response.delete_cookie(**(options or self._quartish_cookie_options(app)))
        else:
            varies = False
        session.accessed = accessed  # it was read here, not by the view
        if varies:
            vary_by_cookie(response)

    def quartish_lines(self, app: AnyApp, session: SessionMixin) -> RawHeaders | None:
        """Return the header lines that `quartish_store` adds to a response without `Vary`, for an
        interface that `is_stock`. Return None, having done nothing, if `quartish_store` has more
        to do."""
        settings: Settings = t.cast(t.Any, app).quartish_settings
        accessed, items = session.accessed, items_of(session)
        if not items and session.modified:
            return None
        if items and self.should_set_cookie(app, session):
            expires = self.get_expiration_time(app, session)
            serializer: t.Any = self.get_signing_serializer(app)
            line = cookie_line(serializer.dumps(items), expires, _stock_options(settings))
            session.accessed = accessed
            if not line.isascii() or len(line) > settings.MAX_COOKIE_SIZE:
                return None
            saved = (b"set-cookie", line.encode())
            return [_VARY, saved] if accessed else [saved, _VARY]
        session.accessed = accessed
        return [_VARY] if accessed else []


def _in_colour(app: AnyApp, value: T) -> T | t.Awaitable[T]:
    """Return a value as an app of this colour returns it."""
    return value if getattr(app, "plain", True) else _awaitable(value)


async def _awaitable(value: T) -> T:
    return value


def _stock_options(settings: Settings) -> dict[str, t.Any]:
    """Return what `_quartish_cookie_options` returns for an interface that `is_stock`."""
    return {
        "key": settings.SESSION_COOKIE_NAME,
        "domain": settings.SESSION_COOKIE_DOMAIN,
        "path": settings.SESSION_COOKIE_PATH or settings.APPLICATION_ROOT,
        "secure": settings.SESSION_COOKIE_SECURE,
        "partitioned": settings.SESSION_COOKIE_PARTITIONED,
        "samesite": settings.SESSION_COOKIE_SAMESITE,
        "httponly": settings.SESSION_COOKIE_HTTPONLY,
    }


class AwaitableSessionInterface(SessionInterface):
    """Quart's `SessionInterface`: the methods that open and save sessions are awaited."""

    def is_null_session(self, instance: object) -> bool:
        """Say whether `instance` is a null session, which is not saved."""
        return super().is_null_session(instance)

    async def make_null_session(self, app: AnyApp) -> NullSession:
        """Return the session of a request whose session could not be opened."""
        return self.null_session_class()

    async def open_session(self, app: AnyApp, request: t.Any) -> SessionMixin | None:
        """Return the session of a request or websocket, or None, for which a null session is
        made."""
        raise NotImplementedError

    async def save_session(self, app: AnyApp, session: SessionMixin, response: t.Any) -> None:
        """Save `session` for `app`, after `response` was made, which is None for a websocket."""
        raise NotImplementedError


class AwaitableCookieSessionInterface(AwaitableSessionInterface, SecureCookieSessionInterface):
    """Quart's `SecureCookieSessionInterface`. It does the same as that of the plain colour."""

    async def open_session(self, app: AnyApp, request: t.Any) -> SessionMixin | None:
        """Return the session in the cookie; empty if that is absent, expired or unreadable."""
        return self.quartish_load(app, request)

    async def save_session(self, app: AnyApp, session: SessionMixin, response: t.Any) -> None:
        """Write, refresh or delete the cookie, as the session requires."""
        options = None if response is None else self._quartish_cookie_options(app)
        self.quartish_store(app, session, response, options)


#: Names in which an interface may differ from the stock ones: methods, and classes of sessions.
_STOCK: list[dict[str, t.Any]] = [
    {
        name: getattr(kind, name)
        for name in dir(kind)
        if name.startswith(("get_", "make_", "open_", "quartish_", "save_", "should_"))
        or name
        in ("_quartish_cookie_options", "is_null_session", "null_session_class", "session_class")
    }
    for kind in (SecureCookieSessionInterface, AwaitableCookieSessionInterface)
]


def is_stock(interface: t.Any) -> bool:
    """Say whether an interface keeps sessions in the cookie and redefines nothing of that. Then a
    session that nothing reads is neither opened nor saved, and `quartish_load` and
    `quartish_store` are used without awaiting. Apps look again when this changes.
    """
    kind = type(interface)
    for stock in _STOCK:
        if all(getattr(kind, name, None) is value for name, value in stock.items()):
            watch(interface)
            return stock.keys().isdisjoint(vars(interface))
    return False
