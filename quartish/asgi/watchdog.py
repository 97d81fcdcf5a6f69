"""Debug mode's watchdog: it logs which view blocks the event loop, at which line, and what to do.

Each step of a request on the loop is timed. While a step takes long, a thread looks at its stack,
as afterwards nothing shows what it did.
"""

from __future__ import annotations

import inspect
import linecache
import os
import sys
import threading
import time
import types
import typing as t
from contextvars import Context

from .._context import AppContext
from .._tracebacks import is_users
from .exchange import Flow

BLOCKING = 0.1
"""Seconds for which a view may block the loop before it is logged."""
INSTEAD = {
    "time": "`await asyncio.sleep(...)`",
    "requests": "httpx.AsyncClient (`await client.get(...)`), or aiohttp",
    "urllib3": "httpx.AsyncClient (`await client.get(...)`), or aiohttp",
    "urllib": "httpx.AsyncClient (`await client.get(...)`), or aiohttp",
    "http": "httpx.AsyncClient (`await client.get(...)`), or aiohttp",
    "httpx": "httpx.AsyncClient (`await client.get(...)`)",
    "sqlalchemy": "sqlalchemy.ext.asyncio (`create_async_engine`, AsyncSession)",
    "peewee": "SYNC_HOOKS_IN_THREAD and a `def` view: peewee has no async counterpart",
    "sqlite3": "aiosqlite",
    "psycopg2": "psycopg 3 (`psycopg.AsyncConnection`), or asyncpg",
    "psycopg": "`psycopg.AsyncConnection`",
    "pymysql": "asyncmy, or aiomysql",
    "MySQLdb": "asyncmy, or aiomysql",
    "mysql": "`mysql.connector.aio`",
    "redis": "`redis.asyncio`",
    "pymongo": "`pymongo.AsyncMongoClient`",
    "boto3": "aioboto3",
    "botocore": "aioboto3",
    "smtplib": "aiosmtplib",
    "subprocess": "`await asyncio.create_subprocess_exec(...)`",
    "socket": "`await asyncio.open_connection(...)`",
    "select": "`await asyncio.open_connection(...)`",
    "threading": "the lock or event of `asyncio`",
    "queue": "`asyncio.Queue`",
    "bcrypt": "`await run_sync(bcrypt.checkpw)(...)`",
    "PIL": "`await run_sync(...)(...)`, which runs it in a thread",
    "hashlib": "`await run_sync(...)(...)`, which runs it in a thread",
}
"""What to use in place of a library, by the name of its package. The outermost call is looked up
first, as a call of `requests` waits in `socket`."""


def watched(flow: Flow, ctx: AppContext, context: Context) -> t.Callable[..., t.Any]:
    """Return a function for `within` in place of `context.run`, which times each step."""
    return _Watch(flow, ctx, context).run


class _Step:
    """A step of a request that is running: since when, and the sentence about its stack."""

    __slots__ = ("began", "seen")

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.seen: str | None = None


class _Looker(threading.Thread):
    """The thread that looks at the stacks of long steps, of all loops."""

    def __init__(self) -> None:
        super().__init__(name="quartish-watchdog", daemon=True)
        #: By the thread that runs them.
        self.steps: dict[int, _Step] = {}
        self.busy = threading.Event()

    def begin(self) -> _Step:
        step = self.steps[threading.get_ident()] = _Step()
        self.busy.set()
        return step

    def end(self) -> None:
        self.steps.pop(threading.get_ident(), None)

    def run(self) -> None:
        while True:
            self.busy.wait()
            if not self.steps:
                self.busy.clear()
                if self.steps:  # begun between the two
                    self.busy.set()
                continue
            time.sleep(BLOCKING / 4)
            for thread, step in list(self.steps.items()):
                if step.seen is None and time.perf_counter() - step.began > BLOCKING / 2:
                    step.seen = _look(sys._current_frames().get(thread))  # noqa: SLF001


_looker: list[_Looker] = []


def _looking() -> _Looker:
    if not _looker or not _looker[0].is_alive():  # also after a fork
        _looker[:] = [_Looker()]
        _looker[0].start()
    return _looker[0]


def _look(frame: types.FrameType | None) -> str:
    """Return a sentence about the innermost line of the user's code and the library that it
    calls."""
    inside: list[str] = []
    while frame is not None and not is_users(frame.f_code.co_filename):
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package == "quartish":
            return ""
        inside.append(package)
        frame = frame.f_back
    if frame is None:
        return ""
    code, line = frame.f_code, frame.f_lineno
    source = linecache.getline(code.co_filename, line).strip()
    begins = source.removeprefix("return ").partition("= ")[2] or source.removeprefix("return ")
    first, _, rest = begins.partition("(")[0].partition(".")
    named: t.Any = frame.f_locals.get(first, frame.f_globals.get(first))
    if isinstance(named, types.ModuleType):
        inside.append(named.__name__.partition(".")[0])
    elif named is not None:
        owner = named if callable(named) and not rest else type(named)
        inside.append(str(getattr(owner, "__module__", "")).partition(".")[0])
    cure = next((INSTEAD[name] for name in reversed(inside) if name in INSTEAD), "")
    place = f"{os.path.basename(code.co_filename)}:{line}"
    instead = f": in place of that there is {cure}" if cure else ""
    return f" It was in `{source}`, {place}{instead}."


class _Watch:
    def __init__(self, flow: Flow, ctx: AppContext, context: Context) -> None:
        self.flow = flow
        self.ctx = ctx
        self.context = context
        self.looker = _looking()

    def run(self, func: t.Callable[..., t.Any], *args: t.Any) -> t.Any:
        step = self.looker.begin()
        try:
            return self.context.run(func, *args)
        finally:
            seconds = time.perf_counter() - step.began
            self.looker.end()
            if seconds > BLOCKING:
                self.context.run(self.warn, seconds, step.seen or "")

    def warn(self, seconds: float, seen: str) -> None:
        """Log which view it was, where and how long, and what to do."""
        app, ctx = self.flow.app, self.ctx
        app.logger.warning(
            "%s%s blocked the event loop for %d ms: nothing else was served meanwhile.%s Make it a"
            " plain 'def', which runs in a thread, or await an async driver (if it was one of its"
            " synchronous hooks: SYNC_HOOKS_IN_THREAD).",
            self.flow.plan.describe(ctx),
            _place(app.view_functions.get(ctx.conn.endpoint)),
            seconds * 1000,
            seen,
        )


def _place(view: t.Callable[..., t.Any] | None) -> str:
    """Return where the view is defined, as " (file:line)"; "" if that is not known."""
    written: t.Any = getattr(view, "view_class", None) or (inspect.unwrap(view) if view else view)
    try:
        return f" ({inspect.getsourcefile(written)}:{inspect.getsourcelines(written)[1]})"
    except (OSError, TypeError):
        return ""
