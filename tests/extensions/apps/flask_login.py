"""Flask-Login: logging in and out, `login_required` around views, `current_user`, remembering."""

from __future__ import annotations

import typing as t

from flask import Flask
from flask import redirect
from flask import render_template_string
from flask import request
from flask import url_for
from flask_login import current_user
from flask_login import fresh_login_required
from flask_login import login_required
from flask_login import login_user
from flask_login import LoginManager
from flask_login import logout_user
from flask_login import UserMixin


class User(UserMixin):
    def __init__(self, name: str) -> None:
        self.id = name


def create_app() -> Flask:
    app = Flask(__name__)
    app.secret_key = "secret"
    manager = LoginManager(app)
    manager.login_view = "login"

    @manager.user_loader
    def load_user(name: str) -> User:
        return User(name)

    @manager.request_loader
    def load_from_request(request: t.Any) -> User | None:
        key = request.headers.get("X-Key")
        return User(f"keeper of {key}") if key else None

    @app.post("/login")
    def login() -> t.Any:
        login_user(User(request.form["name"]), remember="remember" in request.form)
        return redirect(url_for("home"))

    @app.get("/")
    @login_required
    def home() -> t.Any:
        return render_template_string("Hello {{ current_user.id }}")

    @app.get("/fresh")
    @fresh_login_required
    def fresh() -> t.Any:
        return {"name": current_user.id}

    @app.get("/who")
    def who() -> t.Any:
        return {"known": current_user.is_authenticated, "id": current_user.get_id()}

    @app.post("/logout")
    @login_required
    def logout() -> t.Any:
        return {"out": logout_user()}

    return app


def visit(visitor: t.Any) -> None:
    visitor.get("/")
    visitor.get("/who")
    visitor.post("/login", {"name": f"ada{visitor.number}", "remember": "1"})
    visitor.get("/")
    visitor.get("/fresh")
    visitor.get("/who")
    visitor.post("/logout")
    visitor.get("/")
    visitor.get("/who", x_key=str(visitor.number))
    visitor.get("/", x_key=str(visitor.number))
