"""Redis by its address: the client, or what to install."""

from __future__ import annotations

import importlib
import typing as t

CONNECTIONS = 50
"""Connections of a client, at most."""
PATIENCE = 5
"""Seconds for a connection, and for each reply, unless the address says otherwise. Without
a limit a server whose machine is down is waited for until TCP gives up."""

_SCHEMES = ("redis://", "rediss://", "unix://")


def is_redis_url(url: str) -> bool:
    """Say whether a URL is one of Redis."""
    return url.startswith(_SCHEMES)


def redis_library(who: str) -> t.Any:
    """Return the package's async half; `who` ("Groups") needs it. Raises ModuleNotFoundError where
    it is not installed."""
    try:
        return importlib.import_module("redis.asyncio")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{who} need the package 'redis': pip install 'quartish[redis]'.", name=error.name
        ) from error


def connect(url: str, who: str, **options: t.Any) -> t.Any:
    """Return an async client, which connects when it is first asked. `options` are those of a
    `BlockingConnectionPool`. Raises as `redis_library`."""
    library = redis_library(f"{who} at {url.partition('//')[0]}//")
    # If all connections are in use, a command waits for one; other pools raise an error.
    limits = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE}
    options = {"max_connections": CONNECTIONS, **limits, **options}
    return library.Redis.from_pool(library.BlockingConnectionPool.from_url(url, **options))


def longest_block(client: t.Any) -> int:
    """Return for how many milliseconds a command may wait in Redis: a reply that takes as long as
    the client's timeout is an error."""
    asked: t.Any = client.connection_pool.connection_kwargs
    seconds = asked.get("socket_timeout", asked.get("orig_socket_timeout"))
    return 5000 if seconds is None else max(1, min(5000, round(seconds * 500)))


def redis_error() -> type[Exception]:
    """Return the class of what a client raises."""
    error: type[Exception] = importlib.import_module("redis.exceptions").RedisError
    return error
