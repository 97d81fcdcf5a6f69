"""Flask-Bcrypt: passwords hashed and checked, by the app's own configuration."""

from __future__ import annotations

import typing as t

from flask import Flask
from flask import request
from flask_bcrypt import Bcrypt
from flask_bcrypt import check_password_hash


def create_app() -> Flask:
    app = Flask(__name__)
    app.config["BCRYPT_LOG_ROUNDS"] = 4
    app.config["BCRYPT_HANDLE_LONG_PASSWORDS"] = True
    bcrypt = Bcrypt(app)
    kept: dict[str, bytes] = {}

    @app.post("/<name>")
    def register(name: str) -> t.Any:
        kept[name] = bcrypt.generate_password_hash(request.form["password"])
        return {"start": kept[name][:7].decode(), "size": len(kept[name])}

    @app.post("/<name>/check")
    def check(name: str) -> t.Any:
        given = request.form["password"]
        return {
            "right": bcrypt.check_password_hash(kept[name], given),
            "alone": check_password_hash(kept[name], given),
        }

    return app


def visit(visitor: t.Any) -> None:
    path = f"/ada{visitor.number}"
    for password in ("lovelace", "x" * 60, ""):
        visitor.post(path, {"password": password})
        visitor.post(f"{path}/check", {"password": password})
        visitor.post(f"{path}/check", {"password": "other"})
