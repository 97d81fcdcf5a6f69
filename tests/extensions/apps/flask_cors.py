"""Flask-CORS: for a whole app by patterns, for one view, preflights, credentials, errors."""

from __future__ import annotations

import typing as t

from flask import abort
from flask import Flask
from flask_cors import CORS
from flask_cors import cross_origin


def create_app() -> Flask:
    app = Flask(__name__)
    api = {"origins": ["https://one.example", r"https://.*\.two\.example"], "max_age": 60}
    CORS(app, resources={r"/api/*": api}, supports_credentials=True, expose_headers=["X-Total"])

    @app.route("/api/items", methods=["GET", "POST"])
    def items() -> t.Any:
        return [1, 2], {"X-Total": "2"}

    @app.get("/api/broken")
    def broken() -> t.Any:
        raise ZeroDivisionError

    @app.get("/api/refused")
    def refused() -> t.Any:
        abort(403)

    @app.route("/open", methods=["PUT", "OPTIONS"])
    @cross_origin(methods=["PUT"], allow_headers=["X-Key"])
    def open_() -> t.Any:
        return "open"

    @app.get("/closed")
    def closed() -> t.Any:
        return "closed"

    return app


def visit(visitor: t.Any) -> None:
    for origin in ("https://one.example", "https://x.two.example", "https://three.example"):
        visitor.get("/api/items", origin=origin)
        for path in ("/api/items", "/open"):
            visitor.open(
                "OPTIONS",
                path,
                origin=origin,
                access_control_request_method="PUT",
                access_control_request_headers="X-Key",
            )
        visitor.post("/api/items", origin=origin)
        visitor.open("PUT", "/open", origin=origin)
        for path in ("/api/broken", "/api/refused", "/api/missing", "/closed"):
            visitor.get(path, origin=origin)
