"""An app's methods for tasks: starting and listing background tasks, and periodic ones."""

from __future__ import annotations

import asyncio
import typing as t

from .._lazy import lazy
from ..typing import LiveApp
from .background import report
from .background import Tasks
from .periodic import Periodic

F = t.TypeVar("F", bound=t.Callable[..., t.Any])


class WithTasks:
    """An app's background and periodic tasks."""

    if t.TYPE_CHECKING:
        _quartish_background: Tasks

        def _check_setup_finished(self, f_name: str) -> None: ...

    @lazy  # an app may have an attribute of its own of this name
    def tasks(self) -> Tasks:
        """The background tasks: to list, find, wait for and cancel them."""
        return self._quartish_background

    @lazy
    def background_tasks(self) -> set[asyncio.Task[t.Any]]:
        """The background tasks that run."""
        return self._quartish_background.running

    def add_background_task(
        self, func: t.Callable[..., t.Any], *args: t.Any, **kwargs: t.Any
    ) -> t.Any:
        """Start `func(*args, **kwargs)` beside the request, in an app context; return its
        task, which can be awaited, named and cancelled.

        A `def` runs in a worker thread. An exception is logged with the task's name. That is the
        function's, or the one given as `name="mail"`. If `func` has a parameter `name`, it is
        passed to that instead; use `set_name` of the task then.

        Quart:
            Returns None, and tasks have no names.
        """
        return self._quartish_background.add(func, *args, **kwargs)

    async def handle_background_exception(self, error: Exception) -> None:
        """Send the signal and log the exception of a background task."""
        await report(t.cast(LiveApp, self), error)

    def every(
        self,
        seconds: float | None = None,
        *,
        cron: str | None = None,
        timezone: str = "UTC",
        jitter: float = 0,
        name: str | None = None,
        at_start: bool = False,
        lock: bool | str = True,
    ) -> t.Callable[[F], F]:
        """Run a function periodically, as a background task, while the app serves.

        `@app.every(60)`: there is one run at a time; a run that is due while another lasts is
        skipped. An exception is logged, as of any background task, and the next run takes place.
        WSGI servers have no start-up and shutdown, and so run none.

        Args:
            seconds: From the beginning of one run to that of the next.
            cron: In place of `seconds`: a cron expression, which needs `quartish[cron]`.
            timezone: The time zone of `cron`.
            jitter: Each run is delayed by a random time of up to so many seconds.
            name: The name of its tasks, in place of the function's.
            at_start: Whether the first run is when the app starts.
            lock: Whether only one of all processes runs it, by locks at `BACKGROUND_TASK_LOCK_URL`
                if that is set; or the URL of a Redis. With False each process runs it.

        Raises:
            TypeError: Not one of `seconds` and `cron` is given.
            ValueError: An argument is invalid, or another periodic task has the name.
            ModuleNotFoundError: `cron` is asked for, and `croniter` is not installed.
        """
        self._check_setup_finished("every")

        def register(func: F) -> F:
            self._quartish_background.add_periodic(
                Periodic(
                    func,
                    name or str(getattr(func, "__name__", repr(func))),
                    seconds=seconds,
                    cron=cron,
                    timezone=timezone,
                    jitter=jitter,
                    at_start=at_start,
                    lock=lock,
                )
            )
            return func

        return register
