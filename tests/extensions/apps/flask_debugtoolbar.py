"""Flask-DebugToolbar: put into pages, with its panels, its files and its stop at redirects."""

from __future__ import annotations

import re
import typing as t

from flask import current_app
from flask import Flask
from flask import redirect
from flask import render_template_string
from flask import request
from flask_debugtoolbar import DebugToolbarExtension

PAGE = "<html><body>Hello {{ name }}</body></html>"


def create_app() -> Flask:
    app = Flask(__name__)
    app.secret_key = "secret"
    app.debug = True
    app.config["DEBUG_TB_INTERCEPT_REDIRECTS"] = True
    app.config["DEBUG_TB_PROFILER_ENABLED"] = False
    DebugToolbarExtension(app)

    @app.before_request
    def log() -> None:  # the panel tells requests apart by their threads
        current_app.logger.warning("a page for %s", request.path)

    @app.get("/<name>")
    def page(name: str) -> t.Any:
        return render_template_string(PAGE, name=name)

    @app.get("/moved")
    def moved() -> t.Any:
        return redirect("/x")

    @app.get("/json")
    def json() -> t.Any:
        return {"json": True}

    return app


def visit(visitor: t.Any) -> None:
    name = f"ada{visitor.number}"
    for path in (f"/{name}", "/moved"):
        answer = visitor.peek("GET", path)
        visitor.note(
            status=answer.status,
            name=f"Hello {name}" in answer.text,
            panels=sorted(set(re.findall(r'id="(flDebug\w+Panel\S*)"', answer.text))),
            template=f"&#39;{name}&#39;" in answer.text,
            logged=f"a page for {path}" in answer.text,
            routes="/&lt;name&gt;" in answer.text,
            stopped='href="/x"' in answer.text,
        )
    visitor.get("/json")
    visitor.get("/_debug_toolbar/static/js/toolbar.js")
