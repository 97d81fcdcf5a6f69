"""The logger of an app, and where it writes when nobody configured logging.

Handlers that others put in place are respected: ours joins only where no handler would
take a record of the logger's level.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import typing as t
from datetime import datetime
from datetime import UTC
from logging.handlers import QueueHandler
from logging.handlers import QueueListener
from queue import SimpleQueue

from werkzeug.local import LocalProxy

from ._current import find_context
from ._request_id import request_id as request_id
from ._tracebacks import is_full
from ._tracebacks import text_of
from .typing import AppLike


class _Named(t.Protocol):
    @property
    def name(self) -> str: ...
    @property
    def debug(self) -> bool: ...


def _find_errors_stream() -> t.TextIO:
    ctx = find_context()
    # Only the plain colour has an environ; a websocket has none in either.
    if ctx is not None and ctx.has_request and ctx.app.plain:
        return t.cast(t.TextIO, ctx.request.environ.get("wsgi.errors", sys.stderr))
    return sys.stderr


# A stream for `logging.StreamHandler`; in a logging config file it is
# `ext://quartish.logging.wsgi_errors_stream`.
wsgi_errors_stream: LocalProxy[t.TextIO] = LocalProxy(_find_errors_stream)


def has_level_handler(logger: logging.Logger) -> bool:
    """Say whether a record of the logger's effective level would reach some handler."""
    level = logger.getEffectiveLevel()
    current: logging.Logger | None = logger
    while current is not None:
        if any(handler.level <= level for handler in current.handlers):
            return True
        current = current.parent if current.propagate else None
    return False


class _Placing(logging.Formatter):
    """Adds the endpoint to a message, and shortens tracebacks in debug mode."""

    def format(self, record: logging.LogRecord) -> str:
        error = record.exc_info[1] if record.exc_info else None
        if record.exc_text or error is None or not _folds(record):
            return super().format(record)
        record.exc_text = text_of(error).rstrip("\n")
        try:
            return super().format(record)
        finally:
            record.exc_text = None  # other handlers have formatters of their own

    def formatMessage(self, record: logging.LogRecord) -> str:
        text = super().formatMessage(record)
        endpoint, of_request = getattr(record, "endpoint", None), _id_of(record)
        if endpoint is not None:
            text = f"{text} in view {endpoint!r}"
        return text if of_request is None else f"{text} [{of_request}]"


def _id_of(record: logging.LogRecord) -> str | None:
    found: str | None = getattr(record, "request_id", None)
    return found


#: What every record has; anything else was given as `extra`.
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "request_id", "short"}


class JSONFormatter(logging.Formatter):
    """Writes each record as one line of JSON: `time` (UTC, ISO 8601), `level`, `logger`, `message`,
    `request_id`, `exception` with its traceback, and what it was given by `extra`.

    `QUARTISH_LOG=json` lets the handlers of quartish use it; in a logging config it is
    `quartish.logging.JSONFormatter`.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, t.Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if _id_of(record) is not None:
            line["request_id"] = _id_of(record)
        line |= {key: value for key, value in vars(record).items() if key not in _USUAL}
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def folding(app: AppLike) -> dict[str, t.Any]:
    """Return the `extra` of a record about an app: whether its traceback is shortened. It is in
    debug mode, unless the app or the environment say otherwise."""
    return {"short": not is_full(app.config["TRACEBACKS"], default=not app.debug)}


def _folds(record: logging.LogRecord) -> bool:
    """Say whether the traceback of a record is shortened, as the record or the active app says."""
    short: bool | None = getattr(record, "short", None)
    if short is None and (ctx := find_context()) is not None:
        short = folding(ctx.app)["short"]
    return bool(short)


def log_failure(app: AppLike, exc_info: t.Any) -> None:
    """Log an exception that nothing handled. The message is Flask's, which log filters look
    for; the endpoint is an attribute of the record, which our own handler shows. The record names
    the module that calls this."""
    ctx = find_context()
    message, extra = "Exception on %s", folding(app)
    args: tuple[str, ...] = (app.name,)
    if ctx is not None and (ctx.has_request or ctx.has_websocket):
        conn: t.Any = ctx.conn
        message, args = "Exception on %s [%s]", (conn.quartish_log_path, conn.method)
        extra["endpoint"] = conn.endpoint
    app.logger.error(message, *args, exc_info=exc_info, extra=extra, stacklevel=2)


class _Chosen(logging.Formatter):
    """Formats as text, or as JSON if `QUARTISH_LOG` says so when a record is written."""

    def __init__(self, fmt: str) -> None:
        super().__init__()
        self.text, self.json = _Placing(fmt), JSONFormatter()

    def format(self, record: logging.LogRecord) -> str:
        chosen = self.json if os.environ.get("QUARTISH_LOG") == "json" else self.text
        return chosen.format(record)


def _stream_handler(fmt: str) -> logging.StreamHandler[t.TextIO]:
    handler = logging.StreamHandler(t.cast(t.TextIO, wsgi_errors_stream))
    handler.setFormatter(_Chosen(fmt))
    return handler


default_handler: logging.StreamHandler[t.TextIO] = _stream_handler(
    "[%(asctime)s] %(levelname)s in %(module)s: %(message)s"
)
serving_handler: logging.StreamHandler[t.TextIO] = _stream_handler("[%(asctime)s] %(message)s")


def create_logger(app: _Named) -> logging.Logger:
    """Return the logger named after the app, at DEBUG in debug mode unless a level is set."""
    logger = logging.getLogger(app.name)
    if app.debug and not logger.level:
        logger.setLevel(logging.DEBUG)
    if not has_level_handler(logger):
        logger.addHandler(default_handler)
    return logger


def create_serving_logger() -> logging.Logger:
    """Return the logger `quartish.serving`, at INFO unless a level is set."""
    logger = logging.getLogger("quartish.serving")
    if not logger.level:
        logger.setLevel(logging.INFO)
    if not has_level_handler(logger):
        logger.addHandler(serving_handler)
    return logger


class LocalQueueHandler(QueueHandler):
    """*Quart's:* puts records into a queue of this process, as they are."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record


def _setup_logging_queue(*handlers: logging.Handler) -> QueueHandler:
    """Return a handler whose records `handlers` write in a thread of their own."""
    queue: SimpleQueue[logging.LogRecord] = SimpleQueue()
    QueueListener(queue, *handlers, respect_handler_level=True).start()
    return LocalQueueHandler(queue)
