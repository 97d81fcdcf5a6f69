"""Agents that watch the program: what they know of a request goes where the request goes, and
one that takes quartish for nothing of its own is told of.

ContextVars go along of themselves, and with them what most agents keep. New Relic keeps its
transactions by the id of the thread, or of the task where one runs, and has for that what it
puts around asgiref; the names are its own.
"""

from __future__ import annotations

import importlib
import logging
import sys
import typing as t

T = t.TypeVar("T")

log = logging.getLogger("quartish")
BEGIN = "begin the program with 'import quartish.as_flask'"
#: By a module that an agent has imported when the program begins: how it is started, and what to
#: do where it does not see Flask in quartish.
AGENTS = {
    "ddtrace.bootstrap.sitecustomize": ("ddtrace-run", BEGIN),
    "newrelic.config": ("New Relic", BEGIN),
    "opentelemetry.instrumentation.auto_instrumentation": (
        "opentelemetry-instrument",
        "set QUARTISH_AS_FLASK=1 in its environment",
    ),
}


class _Handover:
    """Whether there is somebody to hand on for, and how."""

    def __init__(self) -> None:
        #: `newrelic.core.context`, or None.
        self.agent: t.Any = None
        self.told = False

    def look(self, plain: bool) -> None:
        """Find the agent, which is there before the first app is made; `plain` says that the app
        is Flask's, which agents know."""
        if plain and not self.told and sys.modules.get("flask") is not sys.modules["quartish"]:
            for name in AGENTS.keys() & sys.modules.keys():
                self.told = True
                log.warning("%s does not see Flask in quartish: %s.", *AGENTS[name])
        if self.agent is None and "newrelic.config" in sys.modules:
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
