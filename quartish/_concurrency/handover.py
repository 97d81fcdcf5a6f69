"""Monitoring agents: handing their state over when a request goes to another thread or task, and a
warning if an agent does not recognise quartish as Flask.

Most agents keep their state in ContextVars, which are copied anyway. New Relic keeps transactions
by the id of the thread, or of the task, and has functions to hand them over, which it uses for
asgiref; the names below are its own.
"""

from __future__ import annotations

import importlib
import logging
import sys
import typing as t

T = t.TypeVar("T")

log = logging.getLogger("quartish")
BEGIN = "begin the program with 'import quartish.as_flask'"
#: By a module that an agent imports when the program begins: how the agent is started, and what to
#: do if it does not recognise quartish as Flask.
AGENTS = {
    "ddtrace.bootstrap.sitecustomize": ("ddtrace-run", BEGIN),
    "newrelic.config": ("New Relic", BEGIN),
    "opentelemetry.instrumentation.auto_instrumentation": (
        "opentelemetry-instrument",
        "set QUARTISH_AS_FLASK=1 in its environment",
    ),
}


class _Handover:
    """Hands an agent's state over, if there is such an agent."""

    def __init__(self) -> None:
        #: `newrelic.core.context`, or None.
        self.agent: t.Any = None
        self.told = False

    def look(self, plain: bool) -> None:
        """Look for an agent; called when an app is made, as agents are imported before. `plain`
        says that the app is a `Flask`, which agents know."""
        if plain and not self.told and sys.modules.get("flask") is not sys.modules["quartish"]:
            for name in AGENTS.keys() & sys.modules.keys():
                self.told = True
                log.warning("%s does not see Flask in quartish: %s.", *AGENTS[name])
        if self.agent is None and "newrelic.config" in sys.modules:
            try:
                self.agent = importlib.import_module("newrelic.core.context")
            except ImportError:  # another release, in which it is elsewhere
                pass

    def to_task(self, coro: t.Coroutine[t.Any, t.Any, T]) -> t.Coroutine[t.Any, t.Any, T]:
        """Return a coroutine that runs `coro` as a part of the current transaction."""
        trace = self._trace()
        if trace is None:
            return coro
        return t.cast(
            "t.Coroutine[t.Any, t.Any, T]", self.agent.context_wrapper_async(coro, trace=trace)
        )

    def to_thread(self, func: t.Callable[..., T]) -> t.Callable[..., T]:
        """Return a function that calls `func` as a part of the current transaction."""
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
