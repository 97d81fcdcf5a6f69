"""Sessions: the dict a visitor carries, in a signed cookie or on the server."""

from __future__ import annotations

from ..json.tag import TaggedJSONSerializer as TaggedJSONSerializer
from .cache import CacheSessionInterface
from .interface import AwaitableCookieSessionInterface as AwaitableCookieSessionInterface
from .interface import AwaitableSessionInterface as AwaitableSessionInterface
from .interface import is_stock as is_stock
from .interface import SecureCookieSessionInterface
from .interface import session_json_serializer
from .interface import SessionInterface
from .redis import RedisSessionInterface
from .session import NullSession
from .session import SecureCookieSession
from .session import SessionMixin
from .stored import ServerSideSession
from .stored import ServerSideSessionInterface
from .stored import SessionChange
from .stored import SessionUnavailable
from .stored import StoredSession

__all__ = [
    "CacheSessionInterface",
    "NullSession",
    "RedisSessionInterface",
    "SecureCookieSession",
    "SecureCookieSessionInterface",
    "ServerSideSession",
    "ServerSideSessionInterface",
    "SessionChange",
    "SessionInterface",
    "SessionMixin",
    "SessionUnavailable",
    "StoredSession",
    "session_json_serializer",
]
