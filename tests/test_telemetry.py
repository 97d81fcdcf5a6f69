"""Instrumentations that exist, around apps of both colours: routes, not paths, are what they count
and trace."""

from __future__ import annotations

import re
import time
import typing as t

import prometheus_client
import pytest
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import quartish
from quartish.telemetry import tell_routes
from tests._peer import ask


def make(colour: type[t.Any]) -> t.Any:
    app = colour("told")
    tell_routes(app)

    @app.before_request
    def refuse() -> t.Any:
        return ("no", 403) if quartish.request.args.get("refuse") else None

    @app.get("/users/<int:id>")
    async def user(id: int) -> str:
        return f"user {id}"

    @app.get("/blocking/<name>")
    def blocking(name: str) -> str:
        return name

    @app.get("/ill/<name>")
    async def ill(name: str) -> str:
        raise ZeroDivisionError

    return app


ASKED = ["/users/1", "/users/2", "/users/3?refuse=1", "/blocking/a", "/ill/b", "/none/1", "/none/2"]
TOLD = ["/users/<int:id>"] * 3 + ["/blocking/<name>", "/ill/<name>", None, None]


async def test_the_scope_has_the_route(colour: type[t.Any]) -> None:
    app = make(colour)
    found = []

    class Noting:
        def __init__(self, app: t.Any) -> None:
            self.app = app

        async def __call__(self, scope: t.Any, receive: t.Any, send: t.Any) -> None:
            await self.app(scope, receive, send)
            found.append(getattr(scope.get("route"), "path_format", None))

    app.add_middleware(Noting)
    app.logger.disabled = True
    for path in ASKED:
        await ask(app, path)
    assert found == TOLD


async def test_opentelemetry(colour: type[t.Any]) -> None:
    """Its own ASGI middleware: spans and durations by route, as few as there are routes."""
    app = make(colour)
    app.logger.disabled = True
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    app.add_middleware(
        OpenTelemetryMiddleware,
        tracer_provider=provider,
        meter_provider=MeterProvider([reader]),
        exclude_spans=["receive", "send"],
    )
    for path in ASKED:
        await ask(app, path)
    spans = exporter.get_finished_spans()
    assert len(spans) == len(ASKED)
    points = [
        (metric.name, dict(point.attributes or {}))
        for resource in t.cast(t.Any, reader.get_metrics_data()).resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
        if metric.name in ("http.server.duration", "http.server.request.duration")
    ]
    targets = {point.get("http.target", point.get("http.route")) for _, point in points}
    assert targets == {"/users/<int:id>", "/blocking/<name>", "/ill/<name>", None}


@pytest.fixture
def registry() -> prometheus_client.CollectorRegistry:
    return prometheus_client.CollectorRegistry()


async def test_prometheus(
    colour: type[t.Any], registry: prometheus_client.CollectorRegistry
) -> None:
    """What docs/operations.md shows: a few lines around prometheus_client."""
    app = make(colour)
    app.logger.disabled = True
    seconds = prometheus_client.Histogram(
        "request_seconds", "By route", ["route"], registry=registry
    )

    class Measured:
        def __init__(self, app: t.Any) -> None:
            self.app = app

        async def __call__(self, scope: t.Any, receive: t.Any, send: t.Any) -> None:
            begun = time.perf_counter()
            try:
                await self.app(scope, receive, send)
            finally:
                route = getattr(scope.get("route"), "path", "none")
                seconds.labels(route).observe(time.perf_counter() - begun)

    app.add_middleware(Measured)
    app.mount("/metrics", prometheus_client.make_asgi_app(registry))
    for path in ASKED:
        await ask(app, path)
    text = (await ask(app, "/metrics/")).text
    counts = dict(re.findall(r'request_seconds_count{route="(.*?)"} (\S+)', text))
    assert counts == {
        "/users/<int:id>": "3.0",
        "/blocking/<name>": "1.0",
        "/ill/<name>": "1.0",
        "none": "2.0",
    }
