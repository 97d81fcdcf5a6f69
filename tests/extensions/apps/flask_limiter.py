"""Flask-Limiter: limits of the app, of a route and of a blueprint, by visitor, with headers."""

from __future__ import annotations

import typing as t

from flask import Blueprint
from flask import Flask
from flask import request
from flask_limiter import Limiter

#: When a window ends, in seconds since the epoch, and from now.
SCRUB = r"(?<=x-ratelimit-reset: )\d+|^\d{10}$|^[1-9]\d*$"


def create_app() -> Flask:
    app = Flask(__name__)
    limiter = Limiter(
        lambda: request.headers["X-Visitor"],
        app=app,
        default_limits=["6 per hour"],
        storage_uri="memory://",
        headers_enabled=True,
    )
    pages = Blueprint("pages", __name__)
    shared = limiter.shared_limit("3/hour", scope="pages")

    @app.get("/")
    def index() -> t.Any:
        return "index"

    @app.get("/slow")
    @limiter.limit("1/hour", error_message="not so fast")
    @limiter.limit("5/day")
    def slow() -> t.Any:
        return "slow"

    @app.get("/free")
    @limiter.exempt
    def free() -> t.Any:
        return "free"

    @app.post("/misses")
    @limiter.limit("1/hour", deduct_when=lambda response: response.status_code == 400)
    def misses() -> t.Any:
        return "", int(request.form["status"])

    @pages.get("/one")
    @shared
    def one() -> t.Any:
        return "one"

    @pages.get("/two")
    @shared
    def two() -> t.Any:
        return "two"

    @app.errorhandler(429)
    def too_many(error: t.Any) -> t.Any:
        return {"limit": str(error.limit.limit), "said": error.description}, 429

    app.register_blueprint(pages, url_prefix="/pages")
    return app


def visit(visitor: t.Any) -> None:
    me = {"x_visitor": f"visitor-{visitor.number}"}
    for _ in range(8):
        visitor.get("/", **me)
    for path in ("/slow", "/slow", "/free", "/pages/one", "/pages/two", "/pages/one"):
        visitor.get(path, **me)
        visitor.get(path, **me)
    for status in ("200", "400", "200"):
        visitor.post("/misses", {"status": status}, **me)
