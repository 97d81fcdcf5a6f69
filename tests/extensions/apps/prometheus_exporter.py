"""prometheus-flask-exporter: what is counted and timed, and the page that says so."""

from __future__ import annotations

import re
import typing as t

from flask import Flask
from flask import request
from prometheus_client import CollectorRegistry
from prometheus_flask_exporter import PrometheusMetrics


def create_app() -> Flask:
    app = Flask(__name__)
    metrics = PrometheusMetrics(app, registry=CollectorRegistry(), group_by="endpoint")
    metrics.info("app_info", "Application", version="1.0")
    by_name = metrics.counter("names", "By name", labels={"name": lambda: request.args["name"]})

    @app.get("/")
    def index() -> t.Any:
        return "index"

    @app.get("/counted")
    @by_name
    def counted() -> t.Any:
        return "counted"

    @app.get("/quiet")
    @metrics.do_not_track()
    def quiet() -> t.Any:
        return "quiet"

    @app.get("/timed")
    @metrics.summary("timed", "Timed", labels={"status": lambda r: r.status_code})
    @metrics.gauge("running", "Running")
    def timed() -> t.Any:
        return "timed", 202

    @app.get("/broken")
    def broken() -> t.Any:
        raise ZeroDivisionError

    return app


def visit(visitor: t.Any) -> None:
    for path in ("/", f"/counted?name=n{visitor.number}", "/quiet", "/timed", "/broken", "/no"):
        visitor.get(path)
    visitor.note(metrics=visitor.peek("GET", "/metrics").status)


def finish(app: Flask) -> t.Any:
    lines = app.test_client().get("/metrics").text.splitlines()
    return sorted(line for line in lines if not re.search("^#|_sum|_bucket|_created", line))
