"""The signals that stop a server, even one whose event loop is blocked.

asyncio handles signals on the loop, and so not while code blocks it: a start-up that connects by a
sync driver, a view that sleeps. So each signal has a handler of Python's `signal` as well, which
runs in the main thread between two instructions of the code there. The rule: that handler only
notes the time, and starts a thread that checks whether the loop has noticed. If it has not by the
end of the grace period, the code that blocks it is interrupted by an exception, as by Ctrl+C. Code
in C that neither returns nor checks for signals cannot be interrupted; the process has to be
killed.
"""

from __future__ import annotations

import _thread
import asyncio
import logging
import os.path
import signal
import threading
import time
import typing as t
from collections.abc import Callable

from .._servers import Interrupted

TWICE = 1.0
"""Seconds in which a second SIGINT counts as the first one, which comes both from a terminal and
from the parent."""

LEAST = 0.25
"""Seconds that the loop has at least: it may be about to notice."""


class Interrupter:
    """Interrupts what blocks the loop for too long after a signal."""

    def __init__(self, grace: Callable[[], float], log: logging.Logger | None) -> None:
        self._grace = grace
        self._log = log
        self._main = threading.main_thread().ident or 0
        #: When the first signal came.
        self._since: float | None = None
        #: Whether the loop has seen it.
        self._noticed = False
        #: Whether the loop was blocked for the whole grace; and what was interrupted.
        self._late = False
        self._where: str | None = None

    def handle(self, signum: int) -> None:
        """Stand beside the loop's handler of a signal."""
        before: t.Any = signal.getsignal(signum)

        def on_signal(signum: int, frame: t.Any) -> None:
            if callable(before):
                before(signum, frame)
            self._on_signal(signum, frame)

        signal.signal(signum, on_signal)

    def notice(self) -> None:
        """The loop runs, and knows that the server is to stop."""
        self._noticed = True
        where, self._where = self._where, None
        if where is not None and self._log is not None:
            self._log.warning(
                "%s was interrupted: it blocked the event loop for %s seconds after the server was"
                " to stop (graceful_timeout)",
                where,
                self._grace(),
            )

    def _on_signal(self, signum: int, frame: t.Any) -> None:
        now = time.monotonic()
        if self._since is None:
            self._since = now
            # Without the locks of `threading`, one of which the interrupted code may have.
            _thread.start_new_thread(self._look, (signum,))
        elif self._late and not self._noticed:
            self._late = False
            self._where = _place_of(frame)
            raise Interrupted
        elif signum == signal.SIGINT and now - self._since > TWICE:
            raise KeyboardInterrupt

    def _look(self, signum: int) -> None:
        time.sleep(max(self._grace(), LEAST))
        if not self._noticed:
            self._late = True
            signal.pthread_kill(self._main, signum)


def _place_of(frame: t.Any) -> str:
    if frame is None:
        return "What ran there"
    code = frame.f_code
    return f"{code.co_name} ({os.path.basename(code.co_filename)}:{frame.f_lineno})"


def stop_on_signals(
    told: Callable[[], object] = lambda: None,
    grace: Callable[[], float] | None = None,
    log: logging.Logger | None = None,
) -> asyncio.Event:
    """Return an event that SIGINT and SIGTERM set, after `told()`; a second SIGINT interrupts at
    once. What blocks the loop for `grace()` seconds after the first is interrupted."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    interrupter = Interrupter(grace, log) if grace is not None else None

    def on_signal(signum: int) -> None:
        told()
        stop.set()
        if interrupter is not None:
            interrupter.notice()
        if signum == signal.SIGINT:
            loop.call_later(TWICE, loop.remove_signal_handler, signum)

    for signum in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(signum, on_signal, signum)
        except NotImplementedError:  # Windows
            signal.signal(signum, lambda *_: loop.call_soon_threadsafe(stop.set))
        else:
            if interrupter is not None:
                interrupter.handle(signum)
    return stop
