"""Flask-HTTPAuth: basic and token authentication, either of them, roles, refusals of one's own."""

from __future__ import annotations

import typing as t

from flask import Flask
from flask_httpauth import HTTPBasicAuth
from flask_httpauth import HTTPDigestAuth
from flask_httpauth import HTTPTokenAuth
from flask_httpauth import MultiAuth

#: What a digest is made of.
SCRUB = r'(?<=nonce=")\w+|(?<=opaque=")\w+'


def create_app() -> Flask:
    app = Flask(__name__)
    app.secret_key = "secret"
    basic, token, digest = HTTPBasicAuth(), HTTPTokenAuth(), HTTPDigestAuth()
    either = MultiAuth(basic, token)

    @basic.verify_password
    def check(name: str, password: str) -> str | None:
        return name if password == name[::-1] else None

    @basic.get_user_roles
    def roles(user: str) -> list[str]:
        return ["admin"] if user.startswith("admin") else []

    @basic.error_handler
    def refuse(status: int) -> t.Any:
        return {"refused": status}, status

    @token.verify_token
    def check_token(value: str) -> str | None:
        return value[4:] if value.startswith("key-") else None

    @digest.get_password
    def password(name: str) -> str:
        return name

    @app.get("/basic")
    @basic.login_required
    def by_basic() -> t.Any:
        return {"is": basic.current_user(), "name": basic.username()}

    @app.get("/admin")
    @basic.login_required(role="admin")
    def admin() -> t.Any:
        return "admin"

    @app.get("/optional")
    @basic.login_required(optional=True)
    def optional() -> t.Any:
        return {"is": basic.current_user()}

    @app.get("/token")
    @token.login_required
    def by_token() -> t.Any:
        return {"is": token.current_user()}

    @app.get("/either")
    @either.login_required
    def by_either() -> t.Any:
        return {"is": either.current_user()}

    @app.get("/digest")
    @digest.login_required
    def by_digest() -> t.Any:
        return "digest"

    return app


def visit(visitor: t.Any) -> None:
    from base64 import b64encode

    name = ("admin" if visitor.number % 2 else "ada") + str(visitor.number)
    right = b64encode(f"{name}:{name[::-1]}".encode()).decode()
    for header in ("", f"Basic {right}", "Basic eDp5eg==", f"Bearer key-{name}", "Bearer x"):
        for path in ("/basic", "/admin", "/optional", "/token", "/either", "/digest"):
            visitor.get(path, **({"authorization": header} if header else {}))
