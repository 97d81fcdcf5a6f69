"""Flask-Talisman: redirects to https, security headers, a policy with nonces, other views' own."""

from __future__ import annotations

import typing as t

from flask import Flask
from flask import render_template_string
from flask import session
from flask_talisman import ALLOW_FROM
from flask_talisman import Talisman

#: Each answer has a nonce of its own.
SCRUB = r"(?<=nonce-)[\w-]+|(?<=nonce=)[\w-]+"


def create_app() -> Flask:
    app = Flask(__name__)
    app.secret_key = "secret"
    talisman = Talisman(
        app,
        content_security_policy={"default-src": "'self'", "script-src": "'self'"},
        content_security_policy_nonce_in=["script-src"],
        permissions_policy={"geolocation": "()"},
    )

    @app.get("/")
    def index() -> t.Any:
        session["seen"] = True
        return render_template_string("<script nonce={{ csp_nonce() }}></script>")

    @app.get("/plain")
    @talisman(force_https=False)
    def plain() -> t.Any:
        return "plain"

    @app.get("/framed")
    @talisman(frame_options=ALLOW_FROM, frame_options_allow_from="https://a.example")
    def framed() -> t.Any:
        return "framed"

    return app


def visit(visitor: t.Any) -> None:
    for path in ("/", "/plain", "/framed", "/missing"):
        visitor.get(path)
        visitor.get(path, x_forwarded_proto="https")
