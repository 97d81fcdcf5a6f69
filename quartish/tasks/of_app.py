"""What an app has of tasks: to begin them, to list them, and those that run every so often."""

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
        _background: Tasks

        def _check_setup_finished(self, f_name: str) -> None: ...

    @lazy  # which an app may have an attribute of its own in place of
    def tasks(self) -> Tasks:
        """The background tasks: to list, find, wait for and cancel them."""
        return self._background

    @property
    def background_tasks(self) -> set[asyncio.Task[t.Any]]:
        """The background tasks that run."""
        return self._background.running

    def add_background_task(
        self, func: t.Callable[..., t.Any], *args: t.Any, **kwargs: t.Any
    ) -> t.Any:
        """Start `func(*args, **kwargs)` beside the request, in an app context; return its
        task, which can be awaited, named and cancelled.

        A `def` runs in a worker thread. What it raises is logged with its name. Where `func` takes
        no `name`, `name="mail"` names the task, which has the function's name otherwise; of one
        that takes it, it is an argument: `set_name` of the task names that.

        Quart:
            Returns None, and knows no names.
        """
        return self._background.add(func, *args, **kwargs)

    async def handle_background_exception(self, error: Exception) -> None:
        """Tell of what a background task raised: by the signal, and in the log."""
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
        """Run a function every so often, as a background task, while the app serves.

        `@app.every(60)`: one run at a time; what is due while one lasts is left out. What a run
        raises is logged, as of any background task, and the next comes nevertheless. Servers of
        WSGI know neither start nor end, and so run none.

        Args:
            seconds: From the beginning of one run to that of the next.
            cron: In place of `seconds`, when it runs, as cron has it; needs `quartish[cron]`.
            timezone: Whose clock `cron` means.
            jitter: Up to so many seconds it is late each time, so that not everybody comes at once.
            name: What its runs are called, in place of the function's name.
            at_start: Whether the first run is when the app starts.
            lock: Whether one of all processes runs it, at `BACKGROUND_TASK_LOCK_URL` where that is
                set; or the URL of a Redis. False: each process does.

        Raises:
            TypeError: Not one of `seconds` and `cron` is given.
            ValueError: One of the arguments cannot be, or another periodic task has the name.
            ModuleNotFoundError: `cron` is asked for, and `croniter` is not installed.
        """
        self._check_setup_finished("every")

        def register(func: F) -> F:
            self._background.add_periodic(
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
