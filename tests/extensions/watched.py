"""An app that says of its views whether an agent has them inside of a request."""

from __future__ import annotations

import asyncio
import os
import sys
import typing as t

if os.environ["BEGINS"] == "as_flask":
    import quartish.as_flask

    Flask = quartish.Flask
else:
    from quartish import Flask

app = Flask(__name__)


def inside() -> t.Any:
    if "newrelic.config" in sys.modules:
        from newrelic.agent import current_transaction

        return current_transaction() is not None
    if "ddtrace" in sys.modules:
        from ddtrace.trace import tracer

        return tracer.current_span() is not None
    if "opentelemetry" in sys.modules:
        from opentelemetry import trace

        return trace.get_current_span().get_span_context().is_valid
    return "no agent"


@app.get("/plain")
def plain() -> t.Any:
    return {"inside": inside()}


@app.get("/waits")
async def waits() -> t.Any:
    await asyncio.sleep(0.001)
    return {"inside": inside()}
