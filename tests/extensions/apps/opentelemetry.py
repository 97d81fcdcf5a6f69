"""OpenTelemetry's Flask instrumentation: a span for each request, around those of its views."""

from __future__ import annotations

import typing as t

from flask import Flask
from opentelemetry import baggage
from opentelemetry import context
from opentelemetry import trace
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

KEPT = {"http.method", "http.route", "http.status_code", "http.target", "who"}


def create_app() -> Flask:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer(__name__)
    app = Flask(__name__)
    app.extensions["spans"] = exporter
    FlaskInstrumentor().instrument_app(app, tracer_provider=provider, excluded_urls="quiet")

    @app.before_request
    def carry() -> None:
        context.attach(baggage.set_baggage("carried", "by a hook"))

    @app.get("/well/<who>")
    def well(who: str) -> t.Any:
        with tracer.start_as_current_span("inner", attributes={"who": who}):
            current = trace.get_current_span().get_span_context()
        outer = trace.get_current_span().get_span_context()
        return {
            "same trace": current.trace_id == outer.trace_id,
            "traced": outer.is_valid,
            "carried": baggage.get_baggage("carried"),
        }

    @app.get("/stream/<who>")
    def stream(who: str) -> t.Any:
        with tracer.start_as_current_span("streaming", attributes={"who": who}):
            return (part for part in ("a", "b"))

    @app.get("/ill")
    def ill() -> t.Any:
        raise ZeroDivisionError("ill")

    @app.get("/quiet")
    def quiet() -> t.Any:
        return {"traced": trace.get_current_span().get_span_context().is_valid}

    return app


def visit(visitor: t.Any) -> None:
    who = f"ada{visitor.number}"
    parent = f"00-{visitor.number + 1:032x}-00000000000000aa-01"
    visitor.get(f"/well/{who}", traceparent=parent)
    for path in (f"/well/{who}", f"/stream/{who}", "/ill", "/quiet", "/missing"):
        visitor.get(path)


def finish(app: Flask) -> t.Any:
    spans = app.extensions["spans"].get_finished_spans()
    names = {span.context.span_id: span.name for span in spans}
    return sorted(
        [
            span.name,
            span.kind.name,
            span.status.status_code.name,
            names.get(span.parent.span_id, "elsewhere") if span.parent else "none",
            sorted(f"{key}={value}" for key, value in span.attributes.items() if key in KEPT),
            [event.name for event in span.events],
        ]
        for span in spans
    )
