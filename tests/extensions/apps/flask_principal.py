"""Flask-Principal: identities in the session, needs given by a signal, guarded views and blocks."""

from __future__ import annotations

import typing as t

from flask import current_app
from flask import Flask
from flask import g
from flask_principal import AnonymousIdentity
from flask_principal import Identity
from flask_principal import identity_changed
from flask_principal import identity_loaded
from flask_principal import Permission
from flask_principal import PermissionDenied
from flask_principal import Principal
from flask_principal import RoleNeed
from flask_principal import UserNeed


def create_app() -> Flask:
    app = Flask(__name__)
    app.secret_key = "secret"
    Principal(app)
    admin = Permission(RoleNeed("admin"))

    @identity_loaded.connect_via(app)
    def give(sender: t.Any, identity: t.Any) -> None:
        if identity.id is not None:
            identity.provides.add(UserNeed(identity.id))
            if identity.id.startswith("admin"):
                identity.provides.add(RoleNeed("admin"))

    @app.errorhandler(PermissionDenied)
    def denied(error: PermissionDenied) -> t.Any:
        return {"denied": [need.value for need in error.args[0].needs]}, 403

    @app.post("/login/<name>")
    def login(name: str) -> t.Any:
        identity_changed.send(current_app._get_current_object(), identity=Identity(name))
        return {"is": g.identity.id}

    @app.post("/logout")
    def logout() -> t.Any:
        sender = current_app._get_current_object()
        identity_changed.send(sender, identity=AnonymousIdentity())
        return {"is": g.identity.id}

    @app.get("/admin")
    def only_admin() -> t.Any:
        with admin.require():
            return {"is": g.identity.id}

    @app.get("/hidden")
    def hidden() -> t.Any:
        admin.test(404)
        return "hidden"

    @app.get("/of/<name>")
    def of(name: str) -> t.Any:
        return {"may": Permission(UserNeed(name)).can(), "admin": admin.can()}

    return app


def visit(visitor: t.Any) -> None:
    kind = "admin" if visitor.number % 2 else "ada"
    name = f"{kind}{visitor.number}"
    paths = ("/admin", "/hidden", f"/of/{name}", "/of/other")
    for path in paths:
        visitor.get(path)
    visitor.post(f"/login/{name}")
    for path in paths:
        visitor.get(path)
    visitor.post("/logout")
    visitor.get("/admin")
