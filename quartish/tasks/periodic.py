"""Periodic tasks: their times, and their runs, one at a time, from start-up to shutdown."""

from __future__ import annotations

import asyncio
import importlib
import logging
import math
import random
import time
import typing as t
from collections.abc import Awaitable
from collections.abc import Callable
from contextvars import Context
from datetime import datetime
from datetime import UTC
from functools import partial
from zoneinfo import ZoneInfo
from zoneinfo import ZoneInfoNotFoundError

from ..typing import LiveApp
from .lock import Lock

Run = Callable[["Periodic"], Awaitable[None]]

LONGEST_NAP = 60.0
"""Seconds after which the clock is read again, as it may have been set."""
INSTANT = 1e-6


class Periodic:
    """A periodic task that `app.every` has registered.

    Attributes:
        name: The name of its tasks.
        func: The function.
        next: When it runs next, in UTC; None while the app does not serve.
        runs: How often it has run in this process.
    """

    def __init__(
        self,
        func: Callable[..., t.Any],
        name: str,
        *,
        seconds: float | None,
        cron: str | None,
        timezone: str,
        jitter: float,
        at_start: bool,
        lock: bool | str,
    ) -> None:
        if (seconds is None) == (cron is None):
            raise TypeError(
                f"{name!r} runs every so many seconds, or by cron: say seconds=60, or"
                " cron='*/5 * * * *'."
            )
        if seconds is not None and not 0 < seconds < math.inf:
            raise ValueError(f"{name!r} runs every seconds={seconds!r}: more than 0, please.")
        if not 0 <= jitter < (seconds or math.inf):
            raise ValueError(
                f"jitter={jitter!r} of {name!r}: 0 or more, and less than from run to run."
            )
        self.name = name
        self.func = func
        self.seconds = seconds
        self.jitter = jitter
        self.at_start = at_start
        self.lock = lock
        self.next: datetime | None = None
        self.runs = 0
        self._cron = None if cron is None else _Cron(name, cron, timezone)

    def __repr__(self) -> str:
        return f"<Periodic {self.name!r} next={self.next}>"

    def after(self, moment: float) -> float:
        """Return when it is next due after a moment, both in seconds since 1970: by cron, or at
        whole multiples of its seconds, so that all processes have the same times."""
        if self._cron is not None:
            return self._cron.after(moment)
        assert self.seconds is not None
        return (math.floor(moment / self.seconds) + 1) * self.seconds

    def slot(self, moment: float) -> float:
        """Return when it was last due, at that moment or before."""
        if self._cron is not None:
            return self._cron.last(moment)
        assert self.seconds is not None
        return math.floor(moment / self.seconds) * self.seconds


class _Cron:
    """The times of a cron expression."""

    def __init__(self, name: str, expression: str, timezone: str) -> None:
        try:
            self._croniter: t.Any = importlib.import_module("croniter").croniter
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"cron={expression!r} of {name!r} needs the package 'croniter':"
                " pip install 'quartish[cron]'.",
                name=error.name,
            ) from error
        if not self._croniter.is_valid(expression):
            raise ValueError(
                f"cron={expression!r} of {name!r} is no cron expression: minute, hour, day, month"
                " and day of the week, such as '30 4 * * mon-fri'."
            )
        try:
            self._zone = ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(
                f"timezone={timezone!r} of {name!r} is not known here: such as 'Europe/Berlin'."
            ) from error
        self._expression = expression
        #: Whether it is due at certain hours, and not a number of times in every hour.
        self._at_hours = (
            expression != "@hourly"
            if expression.startswith("@")
            else not expression.split()[1].startswith("*")
        )
        try:
            self.after(time.time())
        except ValueError as error:  # also croniter's own exceptions
            raise ValueError(f"cron={expression!r} of {name!r} is at no date.") from error

    def after(self, moment: float) -> float:
        """Return when it is next due after a moment."""
        times = self._times(moment)
        while True:
            due: float = times.get_next(datetime).timestamp()
            if not (self._at_hours and self._comes_again(due)):
                return due

    def last(self, moment: float) -> float:
        """Return when it was last due, at that moment or before; the moment itself if it never
        was."""
        times = self._times(moment + INSTANT)
        try:
            while True:
                due: float = times.get_prev(datetime).timestamp()
                if not (self._at_hours and self._comes_again(due)):
                    return due
        except ValueError:
            return moment

    def _times(self, moment: float) -> t.Any:
        return self._croniter(self._expression, datetime.fromtimestamp(moment, self._zone))

    def _comes_again(self, moment: float) -> bool:
        """Say whether the local time at a moment has occurred before, as clocks were set back."""
        return datetime.fromtimestamp(moment, self._zone).fold == 1


class Schedule:
    """The periodic tasks of an app, and the asyncio tasks that wait for their times."""

    def __init__(self) -> None:
        self.periodic: dict[str, Periodic] = {}
        self._loops: dict[asyncio.Task[None], bool] = {}  # whether it waits for its time
        self._locks: dict[str, Lock] = {}
        self._stopping = False

    def add(self, each: Periodic) -> None:
        if each.name in self.periodic:
            raise ValueError(
                f"Two periodic tasks are named {each.name!r}: give one of them another name=."
            )
        self.periodic[each.name] = each

    def open(self, app: LiveApp, run: Run) -> None:
        """Start. This waits for nothing, and so does not delay the app."""
        if not self.periodic:
            return
        self._stopping = False
        self._locks.clear()
        self._loops.clear()  # of another loop, whose app was not shut down
        for each in self.periodic.values():
            url = app.config["BACKGROUND_TASK_LOCK_URL"] if each.lock is True else each.lock
            lock = None
            if url:
                lock = self._locks.setdefault(url, Lock(url, app.name, app.logger))
            coro = self._go_on(each, lock, run, app.logger)
            # Not in the Context of the code that starts the app.
            loop = asyncio.get_running_loop()
            task = loop.create_task(coro, name=f"every {each.name}", context=Context())
            self._loops[task] = True

    async def _go_on(
        self, each: Periodic, lock: Lock | None, run: Run, log: logging.Logger
    ) -> None:
        me = t.cast("asyncio.Task[None]", asyncio.current_task())
        # The system clock may be set, so that it is read only where it has to be.
        by_wall = lock is not None or each.seconds is None
        clock = time.time if by_wall else time.monotonic
        begun, late = clock(), False
        due = begun if each.at_start else _next(each, begun, by_wall, begun)
        try:
            while not self._stopping:
                self._loops[me] = True
                await _until(each, due + random.uniform(0, each.jitter), clock)  # noqa: S311
                self._loops[me] = False
                each.next = None
                if lock is None:
                    each.runs += 1
                    await run(each)
                else:
                    slot = due if due > begun else each.slot(due)
                    each.runs += await lock.run(each.name, slot, _length(each), partial(run, each))
                # A little later, as a float may be a bit before the time that it stands for.
                planned = _next(each, due + INSTANT, by_wall, begun)
                due = _next(each, max(due, clock()) + INSTANT, by_wall, begun)
                if due > planned and not late:
                    late = True
                    log.warning(
                        "Periodic task %s took longer than the time between two of its runs, of"
                        " which some are left out (this is said once)",
                        each.name,
                    )
        except Exception:
            log.exception("Periodic task %s is given up", each.name)
        finally:
            each.next = None

    def stop(self) -> None:
        """Start no further runs."""
        self._stopping = True
        for task, waits in self._loops.items():
            if waits:
                task.cancel()

    async def close(self, timeout: float) -> None:
        """Wait for the tasks that start the runs; they were told to end."""
        if self._loops:
            _, late = await asyncio.wait(self._loops, timeout=timeout)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=timeout)
            self._loops.clear()
        for lock in self._locks.values():
            await lock.close()
        self._locks.clear()


def _next(each: Periodic, moment: float, by_wall: bool, begun: float) -> float:
    """Return when it is next due after a moment."""
    if by_wall:
        return each.after(moment)
    assert each.seconds is not None
    return begun + (math.floor((moment - begun) / each.seconds) + 1) * each.seconds


def _length(each: Periodic) -> float:
    """Return approximately how many seconds there are between two runs."""
    if each.seconds is not None:
        return each.seconds
    once = each.after(time.time())
    return each.after(once) - once


async def _until(each: Periodic, due: float, clock: Callable[[], float]) -> None:
    """Set `next` to `due`, and sleep until then."""
    while (rest := due - clock()) > 0:
        each.next = datetime.fromtimestamp(time.time() + rest, UTC)
        await asyncio.sleep(min(rest, LONGEST_NAP))
