"""An agent that knows a request by its thread or task finds it wherever the request goes.

The agent here is a small one with the names that New Relic's has; `tests/extensions` runs the
real one.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import types
import typing as t

import pytest

import quartish
from quartish._concurrency.handover import handover
from tests._peer import ask

App = type[t.Any]


class Agent(types.ModuleType):
    """Keeps what is current by the task, or the thread where none runs."""

    def __init__(self) -> None:
        super().__init__("newrelic.core.context")
        self.current: dict[object, str] = {}
        agent = self

        class ContextOf:
            def __init__(self, trace: str) -> None:
                self.trace = trace

            def __enter__(self) -> None:
                self.key = agent.key()
                self.before = agent.current.get(self.key)
                agent.current[self.key] = self.trace

            def __exit__(self, *exc: object) -> None:
                agent.current.pop(self.key)
                if self.before is not None:
                    agent.current[self.key] = self.before

        self.ContextOf = ContextOf

    def key(self) -> object:
        try:
            return asyncio.current_task() or threading.get_ident()
        except RuntimeError:
            return threading.get_ident()

    def trace_cache(self) -> t.Any:
        return self

    def current_trace(self) -> str | None:
        return self.current.get(self.key())

    async def context_wrapper_async(self, awaitable: t.Awaitable[t.Any], trace: str) -> t.Any:
        with self.ContextOf(trace):
            return await awaitable


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Agent:
    agent = Agent()
    monkeypatch.setattr(handover, "agent", agent)
    return agent


async def test_from_the_server_to_the_view(agent: Agent, colour: App) -> None:
    app = colour("app")
    seen: list[str | None] = []

    @app.before_request
    def before() -> None:
        seen.append(agent.current_trace())

    @app.get("/plain")
    def plain() -> str:
        return agent.current_trace() or "outside"

    @app.get("/waits")
    async def waits() -> str:
        await asyncio.sleep(0)
        return agent.current_trace() or "outside"

    with agent.ContextOf("the server's"):
        assert (await ask(app, "/plain")).text == "the server's"
        assert (await ask(app, "/waits")).text == "the server's"
    assert seen == ["the server's"] * 2
    assert agent.current == {}


async def test_from_a_worker_to_an_async_view(agent: Agent) -> None:
    """Where the agent begins a request in what it puts around `wsgi_app`."""

    class Watched(quartish.Flask):
        def wsgi_app(self, environ: t.Any, start_response: t.Any) -> t.Any:
            with agent.ContextOf(environ["PATH_INFO"]):
                return super().wsgi_app(environ, start_response)

    app = Watched("app")

    @app.get("/<name>")
    async def waits(name: str) -> str:
        await asyncio.sleep(0.01)
        return agent.current_trace() or "outside"

    answers = await asyncio.gather(*(ask(app, f"/{name}") for name in "abcd"))
    assert [answer.text for answer in answers] == ["/a", "/b", "/c", "/d"]
    assert agent.current == {}


async def test_what_is_watched_by_nobody(agent: Agent) -> None:
    app = quartish.Flask("app")

    @app.get("/")
    def plain() -> str:
        return agent.current_trace() or "outside"

    assert (await ask(app, "/")).text == "outside"


@pytest.mark.parametrize("has_context", [True, False])
def test_the_agent_is_found_when_an_app_is_made(
    monkeypatch: pytest.MonkeyPatch, has_context: bool
) -> None:
    agent = Agent()
    for name in ("newrelic", "newrelic.config", "newrelic.core"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, agent.__name__, agent if has_context else None)
    monkeypatch.setattr(handover, "agent", None)
    quartish.Quart("app")
    assert handover.agent is (agent if has_context else None)


@pytest.mark.parametrize(
    ("module", "says"),
    [
        ("ddtrace.bootstrap.sitecustomize", "ddtrace-run does not see Flask in quartish: begin"),
        ("newrelic.config", "New Relic does not see Flask in quartish: begin the program with"),
        ("opentelemetry.instrumentation.auto_instrumentation", "set QUARTISH_AS_FLASK=1"),
    ],
)
def test_an_agent_that_sees_no_flask_is_told_of_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, module: str, says: str
) -> None:
    for name in (module, "newrelic.core.context"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setattr(handover, "agent", None)
    monkeypatch.setattr(handover, "told", False)
    quartish.Quart("app")  # which agents do not know in any case
    assert caplog.messages == []
    quartish.Flask("app")
    quartish.Flask("app")
    (said,) = caplog.messages
    assert says in said


def test_an_agent_that_sees_flask_is_not_told_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "newrelic.config", types.ModuleType("newrelic.config"))
    monkeypatch.setitem(sys.modules, "newrelic.core.context", Agent())
    monkeypatch.setitem(sys.modules, "flask", quartish)
    monkeypatch.setattr(handover, "agent", None)
    monkeypatch.setattr(handover, "told", False)
    quartish.Flask("app")
    assert caplog.messages == []
