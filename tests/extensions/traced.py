"""Visit a small app that an agent watches and print what the agent saw of it, as JSON.

    AGENT-COMMAND python traced.py (flask | quart | quartish | quartish.quart) AGENT

Agents are told apart only where it is asked what they kept. The visits are made by the test
client and by servers: Werkzeug's for the WSGI door, Hypercorn and uvicorn for ASGI.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
import threading
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent
FRAMEWORK, AGENT = sys.argv[1:3]
sys.path[:0] = [str(CHECKOUT)]
if FRAMEWORK == "quartish":
    import quartish.as_flask
elif FRAMEWORK == "quartish.quart":
    import quartish.as_quart  # noqa: F401

#: What was kept of requests so far, and the name of the request that this code is inside of for
#: the agent.
Watching: t.TypeAlias = tuple[list[t.Any], t.Callable[[], t.Any]]
PATHS = (
    *("/plain/ada", "/waits/ada", "/plain-fails/ada", "/waits-fails/ada", "/stream/ada"),
    *("/missing", "/static/no"),
)
AT_ONCE = 8
logged: list[str] = []


class Listening(logging.Handler):
    """Keeps what the agents complain about."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING and record.name.startswith(tuple(AGENTS)):
            logged.append(f"{record.name}: {record.getMessage()}")


logging.getLogger().addHandler(Listening())


def ddtrace() -> Watching:
    from ddtrace.trace import TraceFilter
    from ddtrace.trace import tracer

    kept: list[t.Any] = []

    class Keep(TraceFilter):
        def process_trace(self, trace: t.Any) -> None:
            names = {span.span_id: span.name for span in trace}
            for span in trace:
                if span.name != "http.request":  # the visitor's own
                    above = names.get(span.parent_id)
                    above = None if above == "http.request" else above
                    kept.append([span.name, span.resource, above, span.error])

    def inside() -> t.Any:
        root = tracer.current_root_span()
        return root and root.trace_id

    tracer.configure(trace_processors=[Keep()])
    return kept, inside


def newrelic() -> Watching:
    from newrelic.agent import current_transaction
    from newrelic.agent import register_application
    from newrelic.core.application import Application

    register_application(timeout=10)
    kept: list[t.Any] = []

    def pieces(node: t.Any) -> list[str]:
        """Name what was timed, without what the agent puts around a whole app."""
        name = getattr(node, "name", "").replace("quartish.", "flask.")
        own = [name] if name.startswith(("__main__", "flask.app")) else []
        return own + [each for child in node.children for each in pieces(child)]

    def record(self: t.Any, data: t.Any) -> None:
        path = data.path.replace("quartish.", "flask.")
        timed = [name for name in pieces(data.root) if not name.endswith(".wsgi_app")]
        if "/static/no" in data.request_uri:  # Flask's view for it has no name
            path, timed = "static", timed[-2:]
        kept.append([path, len(data.errors), timed])
        write(self, data)

    def inside() -> t.Any:
        transaction = current_transaction()
        return transaction and transaction.guid

    write, Application.record_transaction = Application.record_transaction, record
    return kept, inside


def opentelemetry() -> Watching:
    from opentelemetry import trace
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    kept: list[t.Any] = []

    class Keep(InMemorySpanExporter):
        def export(self, spans: t.Any) -> t.Any:
            for span in spans:
                kept.append([span.name, span.kind.name, span.status.status_code.name])
            return super().export(spans)

    provider: t.Any = trace.get_tracer_provider()
    provider.add_span_processor(SimpleSpanProcessor(Keep()))
    return kept, lambda: trace.get_current_span().get_span_context().trace_id


def sentry() -> Watching:
    import sentry_sdk
    from sentry_sdk.transport import Transport

    kept: list[t.Any] = []

    class Keep(Transport):
        def capture_envelope(self, envelope: t.Any) -> None:
            for item in envelope.items:
                if item.payload.json is not None and item.type in ("event", "transaction"):
                    self.keep(item.payload.json)

        def keep(self, found: t.Any) -> None:
            name = found["transaction"].partition("//")[2].partition("/")[2]
            errors = [error["value"] for error in found.get("exception", {}).get("values", ())]
            status = found["contexts"]["trace"].get("status")
            kept.append([found.get("type"), name or found["transaction"], errors, status])

    def inside() -> t.Any:
        span = sentry_sdk.get_current_span()
        return span and span.trace_id

    sentry_sdk.init("https://key@sentry.example/1", transport=Keep(), traces_sample_rate=1.0)
    return kept, inside


AGENTS = {agent.__name__: agent for agent in (ddtrace, newrelic, opentelemetry, sentry)}


def create_app(inside: t.Callable[[], t.Any]) -> t.Any:
    if FRAMEWORK.endswith("quart"):
        from quart import Quart as Flask
    else:
        from flask import Flask  # type: ignore[assignment]
    app = Flask("traced")

    @app.get("/plain/<name>")
    def plain(name: str) -> t.Any:
        return {"inside": [inside()]}

    @app.get("/waits/<name>")
    async def waits(name: str) -> t.Any:
        before = inside()
        await asyncio.sleep(0.01)
        return {"inside": [before, inside()]}

    @app.get("/plain-fails/<name>")
    def plain_fails(name: str) -> t.Any:
        raise ZeroDivisionError(name)

    @app.get("/waits-fails/<name>")
    async def waits_fails(name: str) -> t.Any:
        raise ZeroDivisionError(name)

    @app.get("/stream/<name>")
    def stream(name: str) -> t.Any:
        return (part for part in ("a", "b", name))

    return app


@contextlib.contextmanager
def by_uvicorn(app: t.Any) -> t.Iterator[int]:
    """Serve as ASGI, on a loop in another thread; yield the port."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    started = threading.Event()
    start_up = server.startup

    async def startup(*args: t.Any, **kwargs: t.Any) -> None:
        await start_up(*args, **kwargs)
        started.set()

    server.startup = startup  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run)
    thread.start()
    assert started.wait(20)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)


def main() -> None:
    sys.path.insert(1, str(Path(__file__).parent))
    import httpx
    from play import by_hypercorn
    from play import by_werkzeug

    doors: dict[str, t.Any] = {"wsgi": by_werkzeug}
    doors |= {"hypercorn": by_hypercorn, "uvicorn": by_uvicorn}
    if FRAMEWORK.endswith("quart"):
        del doors["wsgi"]
    elif FRAMEWORK == "flask":
        del doors["hypercorn"], doors["uvicorn"]
    kept, inside = AGENTS[AGENT]()
    app = create_app(inside)
    seen: dict[str, t.Any] = {}
    names: list[str] = []

    def told(path: str, status: int, text: str) -> list[t.Any]:
        if '"inside"' not in text:
            return [path, status, text]
        own = set(json.loads(text)["inside"])
        names.extend(map(str, own))
        return [path, status, "inside of one" if len(own) == 1 and all(own) else "not inside"]

    @contextlib.contextmanager
    def watched(door: str) -> t.Iterator[list[t.Any]]:
        kept.clear()
        names.clear()
        answers: list[t.Any] = []
        yield answers
        seen[door] = [answers, sorted(kept, key=json.dumps), len(set(names)) == len(names)]

    if not FRAMEWORK.endswith("quart"):
        with watched("client") as answers:
            for path in PATHS:
                response = app.test_client().get(path)
                answers.append(told(path, response.status_code, response.text))
    for door, serve in doors.items():
        with watched(door) as answers, serve(app) as port:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as visitor:
                with ThreadPoolExecutor(AT_ONCE) as pool:
                    for path, found in pool.map(
                        lambda path: (path, visitor.get(path)), PATHS * AT_ONCE
                    ):
                        answers.append(told(path, found.status_code, found.text))
    print(json.dumps([seen, sorted(set(logged))]), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
