"""sentry-sdk's Flask integration: errors and transactions, with their request and user."""

from __future__ import annotations

import typing as t

import sentry_sdk
from flask import Flask
from flask import request
from sentry_sdk.integrations.flask import FlaskIntegration
from sentry_sdk.transport import Transport


class Kept(Transport):
    """Keeps what would be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.payloads: list[t.Any] = []

    def capture_envelope(self, envelope: t.Any) -> None:
        for item in envelope.items:
            if item.payload.json is not None and item.type in ("event", "transaction"):
                self.payloads.append(item.payload.json)


transport = Kept()


def create_app() -> Flask:
    transport.payloads.clear()
    sentry_sdk.init(
        "https://key@sentry.example/1",
        integrations=[FlaskIntegration(transaction_style="url")],
        transport=transport,
        traces_sample_rate=1.0,
        send_default_pii=True,
    )
    app = Flask(__name__)

    @app.get("/well/<name>")
    def well(name: str) -> t.Any:
        with sentry_sdk.start_span(op="work", name="working"):
            return f"well {name}"

    @app.post("/ill/<name>")
    def ill(name: str) -> t.Any:
        sentry_sdk.set_tag("name", name)
        raise ZeroDivisionError(name)

    @app.get("/said/<name>")
    def said(name: str) -> t.Any:
        sentry_sdk.capture_message(f"{name} at {request.path}")
        return {"id": len(sentry_sdk.last_event_id() or "")}

    return app


def visit(visitor: t.Any) -> None:
    name = f"ada{visitor.number}"
    visitor.get(f"/well/{name}")
    visitor.post(f"/ill/{name}", {"a": name})
    visitor.post(f"/ill/{name}", json={"b": name})
    visitor.get(f"/said/{name}")
    visitor.get("/missing")


def finish(app: Flask) -> t.Any:
    sentry_sdk.flush()
    found = []
    for payload in transport.payloads:
        request = payload.get("request", {})
        found.append(
            [
                payload.get("type", "event"),
                payload.get("transaction"),
                payload.get("transaction_info"),
                payload.get("message"),
                [value["value"] for value in payload.get("exception", {}).get("values", ())],
                payload.get("tags", {}).get("name"),
                request.get("method"),
                request.get("url", "").rpartition(":")[2].partition("/")[2],
                request.get("data"),
                sorted(span["description"] for span in payload.get("spans", ())),
                payload["contexts"]["trace"].get("status"),
                payload["contexts"]["trace"].get("op"),
            ]
        )
    return sorted(found, key=repr)
