"""The id of the request that code runs for, kept beside the app's contexts: it is there before the
app is called, and in the threads that the request uses."""

from __future__ import annotations

import logging
import typing as t
from contextlib import contextmanager
from contextvars import ContextVar

#: Where a scope has the id of its connection, for what has the scope and no Context.
SCOPE_KEY = "quartish.request_id"

_request_id: ContextVar[str | None] = ContextVar("quartish.request_id", default=None)


def request_id() -> str | None:
    """Return the id that `quartish.middleware.RequestID` gave this connection, or None."""
    return _request_id.get()


@contextmanager
def of_scope(scope: t.Any) -> t.Iterator[None]:
    """Let code run as a part of the connection of a scope that was given an id."""
    token = _request_id.set(scope.get(SCOPE_KEY))
    try:
        yield
    finally:
        _request_id.reset(token)


class _Factory:
    """Makes records that have the id of their request as `request_id`, None outside of one."""

    def __init__(self, make: t.Callable[..., logging.LogRecord]) -> None:
        self.make = make

    def __call__(self, *args: t.Any, **options: t.Any) -> logging.LogRecord:
        record = self.make(*args, **options)
        if not hasattr(record, "request_id"):
            record.request_id = _request_id.get()
        return record


def mark_records() -> None:
    """Let every record of this process, whoever logs it, have a `request_id`."""
    make = logging.getLogRecordFactory()
    if not isinstance(make, _Factory):
        logging.setLogRecordFactory(_Factory(make))
