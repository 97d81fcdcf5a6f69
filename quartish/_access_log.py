"""What `app.run()` and the `run` command write about requests: Hypercorn's logger, with a line of
ours for each."""

from __future__ import annotations

import functools
import logging
import os
import typing as t

from ._request_id import of_scope

if t.TYPE_CHECKING:
    from hypercorn.typing import ResponseSummary
    from hypercorn.typing import WWWScope

    from .typing import Scope

_Logging = functools.partialmethod[t.Coroutine[t.Any, t.Any, None]]


def tell_access(log: logging.Logger, scope: Scope, status: int | None, seconds: float) -> None:
    """Write the line about a request: who, what, the status, and how long it took."""
    if os.environ.get("QUARTISH_ACCESS_LOG") == "0":
        return
    client, query = scope["client"], scope["query_string"]
    target = (scope.get("raw_path") or scope["path"].encode()) + (b"?" + query if query else b"")
    with of_scope(scope):  # the request's own Context has ended
        log.info(
            '%s "%s %s HTTP/%s" %s %.1fms',
            client[0] if client else "-",
            scope.get("method", "WEBSOCKET"),
            # Nobody writes to this terminal by what is in a URL.
            target.decode("latin-1").encode("unicode_escape").decode(),
            scope["http_version"],
            "-" if status is None else status,
            seconds * 1000,
        )


class AccessLog:
    """Hypercorn's logger, with one line for each request: who, what, the status, and how long
    it took. What it has to say otherwise goes to the other log."""

    def __init__(self, config: t.Any) -> None:
        self.access_logger: logging.Logger | None = config.accesslog
        self.error_logger: logging.Logger | None = config.errorlog

    async def access(
        self, request: WWWScope, response: ResponseSummary | None, request_time: float
    ) -> None:
        if self.access_logger is not None:
            status = response["status"] if response else None
            tell_access(self.access_logger, t.cast("Scope", request), status, request_time)

    async def log(self, level: int, message: str, *args: t.Any, **options: t.Any) -> None:
        if self.error_logger is not None:
            self.error_logger.log(level, message, *args, **options)

    async def exception(self, message: str, *args: t.Any, **options: t.Any) -> None:
        await self.log(logging.ERROR, message, *args, **{"exc_info": True, **options})

    critical: _Logging = functools.partialmethod(log, logging.CRITICAL)
    error: _Logging = functools.partialmethod(log, logging.ERROR)
    warning: _Logging = functools.partialmethod(log, logging.WARNING)
    info: _Logging = functools.partialmethod(log, logging.INFO)
    debug: _Logging = functools.partialmethod(log, logging.DEBUG)
