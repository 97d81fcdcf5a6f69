"""What an agent knows of a request by its thread or task, handed on where a request changes them.

ContextVars go along of themselves, and with them what most agents keep. New Relic keeps its
transactions by the id of the thread, or of the task where one runs, and has for that what it
puts around asgiref; the names are its own.
"""

from __future__ import annotations

import importlib
import sys
import typing as t

T = t.TypeVar("T")


class _Handover:
    """Whether there is somebody to hand on for, and how."""

    def __init__(self) -> None:
        #: `newrelic.core.context`, or None: PERF(0.03 us), all that it costs who has no agent.
        self.agent: t.Any = None

    def look(self) -> None:
        """Find the agent, which is there before the first app is made."""
        if self.agent is None and "newrelic.agent" in sys.modules:
            try:
                self.agent = importlib.import_module("newrelic.core.context")
            except ImportError:  # a release that keeps it elsewhere: as without it
                pass

    def to_task(self, coro: t.Coroutine[t.Any, t.Any, T]) -> t.Coroutine[t.Any, t.Any, T]:
        """Return what a task is made of that runs `coro` as a part of what runs here."""
        trace = self._trace()
        if trace is None:
            return coro
        return t.cast(
            "t.Coroutine[t.Any, t.Any, T]", self.agent.context_wrapper_async(coro, trace=trace)
        )

    def to_thread(self, func: t.Callable[..., T]) -> t.Callable[..., T]:
        """Return what a worker calls instead of `func`, as a part of what runs here."""
        trace = self._trace()
        if trace is None:
            return func

        def call(*args: t.Any) -> T:
            with self.agent.ContextOf(trace=trace):
                return func(*args)

        return call

    def _trace(self) -> t.Any:
        return self.agent.trace_cache().current_trace()


handover = _Handover()
