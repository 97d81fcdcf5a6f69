"""Background tasks: named, listed, awaited, cancelled, periodic; and how far they have come.

`app.add_background_task` begins one, `app.every` says what runs every so often, `app.tasks` has
them. Work that must outlive the process belongs to `quartish.tasks.taskiq` or
`quartish.tasks.celery`.
"""

from __future__ import annotations

from .background import Tasks as Tasks
from .periodic import Periodic as Periodic
from .task import current_task as current_task
from .task import report_progress as report_progress
from .task import Task as Task

__all__ = ["Periodic", "Task", "Tasks", "current_task", "report_progress"]
