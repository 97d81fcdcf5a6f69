"""Flask-Session, in files: what a session keeps, permanence, clearing it, a new identifier."""

from __future__ import annotations

import typing as t
from datetime import timedelta

from cachelib.file import FileSystemCache
from flask import Flask
from flask import session
from flask_session import Session


def create_app() -> Flask:
    app = Flask(__name__)
    app.config["SESSION_TYPE"] = "cachelib"
    app.config["SESSION_CACHELIB"] = FileSystemCache("sessions", threshold=500)
    app.permanent_session_lifetime = timedelta(hours=1)
    Session(app)

    @app.post("/<int:number>")
    def keep(number: int) -> t.Any:
        session.permanent = number % 2 == 0
        session["numbers"] = [*session.get("numbers", []), number]
        return dict(session)

    @app.get("/")
    def show() -> t.Any:
        return {"numbers": session.get("numbers"), "permanent": session.permanent}

    @app.get("/untouched")
    def untouched() -> t.Any:
        return "untouched"

    @app.post("/renew")
    def renew() -> t.Any:
        before = session.sid
        app.session_interface.regenerate(session)  # type: ignore[attr-defined]
        return {"new": before != session.sid}

    @app.post("/clear")
    def clear() -> t.Any:
        session.clear()
        return "cleared"

    return app


def visit(visitor: t.Any) -> None:
    visitor.get("/")
    for number in (visitor.number, visitor.number + 1):
        visitor.post(f"/{number}")
        visitor.get("/")
        visitor.get("/untouched")
    visitor.post("/renew")
    visitor.get("/")
    visitor.post("/clear")
    visitor.get("/")
