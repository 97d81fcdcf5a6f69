"""Flask-JWT-Extended: tokens in headers and cookies, refreshing, claims, users, revoking."""

from __future__ import annotations

import typing as t

from flask import Flask
from flask import jsonify
from flask import request
from flask_jwt_extended import create_access_token
from flask_jwt_extended import create_refresh_token
from flask_jwt_extended import current_user
from flask_jwt_extended import get_jwt
from flask_jwt_extended import get_jwt_identity
from flask_jwt_extended import jwt_required
from flask_jwt_extended import JWTManager
from flask_jwt_extended import set_access_cookies
from flask_jwt_extended import unset_jwt_cookies
from flask_jwt_extended import verify_jwt_in_request

SCRUB = r"eyJ[\w.-]+"


def create_app() -> Flask:
    app = Flask(__name__)
    app.config["JWT_SECRET_KEY"] = "secret of thirty-two bytes at least"
    app.config["JWT_TOKEN_LOCATION"] = ["headers", "cookies", "json"]
    manager = JWTManager(app)
    revoked: set[str] = set()

    @manager.user_lookup_loader
    def user(header: t.Any, claims: t.Any) -> t.Any:
        return {"name": claims["sub"]} if claims["sub"] != "nobody" else None

    @manager.token_in_blocklist_loader
    def is_revoked(header: t.Any, claims: t.Any) -> bool:
        return claims["jti"] in revoked

    @app.post("/login")
    def login() -> t.Any:
        name = request.get_json()["name"]
        access = create_access_token(name, fresh=True, additional_claims={"size": len(name)})
        answer = jsonify(access=access, refresh=create_refresh_token(name))
        set_access_cookies(answer, access)
        return answer

    @app.post("/refresh")
    @jwt_required(refresh=True)
    def refresh() -> t.Any:
        return {"access": create_access_token(get_jwt_identity(), fresh=False)}

    @app.route("/me", methods=["GET", "POST"])
    @jwt_required()
    def me() -> t.Any:
        return {"me": current_user, "size": get_jwt().get("size")}

    @app.get("/fresh")
    @jwt_required(fresh=True)
    def fresh() -> t.Any:
        return {"fresh": get_jwt_identity()}

    @app.get("/either")
    def either() -> t.Any:
        verify_jwt_in_request(optional=True)
        return {"who": get_jwt_identity()}

    @app.post("/logout")
    @jwt_required()
    def logout() -> t.Any:
        revoked.add(get_jwt()["jti"])
        answer = jsonify(out=True)
        unset_jwt_cookies(answer)
        return answer

    return app


def visit(visitor: t.Any) -> None:
    visitor.get("/me")
    visitor.get("/either")
    tokens = visitor.post("/login", json={"name": f"ada{visitor.number}"}).json
    header = {"authorization": f"Bearer {tokens['access']}"}
    visitor.get("/me")  # by the cookie
    visitor.post("/me")  # which needs a CSRF token as well
    for path in ("/me", "/fresh", "/either"):
        visitor.get(path, **header)
    visitor.post("/refresh", **header)
    again = visitor.post("/refresh", authorization=f"Bearer {tokens['refresh']}").json["access"]
    visitor.get("/me", authorization=f"Bearer {again}")
    visitor.get("/fresh", authorization=f"Bearer {again}")
    visitor.get("/me", authorization=f"Bearer {again[:-4]}AAAA")
    visitor.post("/logout", **header)
    visitor.get("/me", **header)
    nobody = visitor.post("/login", json={"name": "nobody"}).json["access"]
    visitor.get("/me", authorization=f"Bearer {nobody}")
