"""flask-restx: namespaces, models that check input and shape output, errors, Swagger.

As in Flask-RESTful the resources are `def`; the view beside them has both colours.
"""

from __future__ import annotations

import typing as t

from flask import Flask
from flask import request
from flask_restx import Api
from flask_restx import fields
from flask_restx import Namespace
from flask_restx import Resource


class Lost(Exception):
    pass


def create_app() -> Flask:
    app = Flask(__name__)
    api = Api(app, title="Cats", version="1.0", doc="/docs", prefix="/api")
    cats = Namespace("cats", description="All cats")
    model = cats.model(
        "Cat",
        {"name": fields.String(required=True, min_length=2), "age": fields.Integer(min=0)},
    )
    kept: dict[str, t.Any] = {}

    @api.errorhandler(Lost)
    def lost(error: Lost) -> t.Any:
        return {"message": str(error)}, 404

    @cats.route("/<owner>")
    @cats.param("owner", "Who feeds it")
    class Cats(Resource):  # type: ignore[misc]
        @cats.marshal_with(model, skip_none=True)
        def get(self, owner: str) -> t.Any:
            if owner not in kept:
                raise Lost(owner)
            return kept[owner]

        @cats.expect(model, validate=True)
        @cats.marshal_with(model, code=201)
        def post(self, owner: str) -> t.Any:
            kept[owner] = request.get_json()
            return kept[owner], 201

    @app.get("/count")
    def count() -> t.Any:
        return {"some": bool(kept)}

    api.add_namespace(cats)
    return app


def visit(visitor: t.Any) -> None:
    path = f"/api/cats/ada{visitor.number}"
    visitor.get(path)
    visitor.post(path, json={"name": "x"})
    visitor.post(path, json={"age": "old"})
    visitor.post(path, data="{", content_type="application/json")
    visitor.post(path, json={"name": "Tom", "colour": "grey"})
    visitor.get(path)
    visitor.get("/count")
    visitor.get("/api/swagger.json")
    visitor.get("/docs")
    visitor.get("/swaggerui/swagger-ui.css")
    visitor.open("DELETE", path)
