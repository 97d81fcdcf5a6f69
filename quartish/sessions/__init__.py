"""Sessions: the dict a visitor carries, and how it travels in a signed cookie."""

from __future__ import annotations

from ..json.tag import TaggedJSONSerializer as TaggedJSONSerializer
from .interface import AwaitableCookieSessionInterface as AwaitableCookieSessionInterface
from .interface import AwaitableSessionInterface as AwaitableSessionInterface
from .interface import is_stock as is_stock
from .interface import SecureCookieSessionInterface
from .interface import session_json_serializer
from .interface import SessionInterface
from .session import NullSession
from .session import SecureCookieSession
from .session import SessionMixin

__all__ = [
    "NullSession",
    "SecureCookieSession",
    "SecureCookieSessionInterface",
    "SessionInterface",
    "SessionMixin",
    "session_json_serializer",
]
