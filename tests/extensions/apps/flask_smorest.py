"""flask-smorest: method views with schemas in and out, paging, ETags, OpenAPI documents."""

from __future__ import annotations

import typing as t

import marshmallow as ma
from flask import Flask
from flask.views import MethodView
from flask_smorest import abort
from flask_smorest import Api
from flask_smorest import Blueprint

pets: dict[int, dict[int, t.Any]] = {}


class Pet(ma.Schema):
    id = ma.fields.Int(dump_only=True)
    name = ma.fields.String(required=True, validate=ma.validate.Length(min=2))


class Filter(ma.Schema):
    name = ma.fields.String()


blp = Blueprint("pets", "pets", url_prefix="/<int:owner>/pets", description="Operations on pets")


@blp.route("/")
class Pets(MethodView):
    @blp.arguments(Filter, location="query")
    @blp.response(200, Pet(many=True))
    @blp.paginate()
    def get(self, args: t.Any, pagination_parameters: t.Any, owner: int) -> t.Any:
        found = [pet for pet in pets.get(owner, {}).values() if args.items() <= pet.items()]
        pagination_parameters.item_count = len(found)
        first = pagination_parameters.first_item
        return found[first : pagination_parameters.last_item + 1]

    @blp.arguments(Pet)
    @blp.response(201, Pet)
    def post(self, new: t.Any, owner: int) -> t.Any:
        mine = pets.setdefault(owner, {})
        mine[len(mine)] = {"id": len(mine), **new}
        return mine[len(mine) - 1]


@blp.route("/<int:number>")
class OnePet(MethodView):
    @blp.etag
    @blp.response(200, Pet)
    def get(self, owner: int, number: int) -> t.Any:
        try:
            return pets[owner][number]
        except KeyError:
            abort(404, message="No such pet.")

    @blp.etag
    @blp.response(204)
    def delete(self, owner: int, number: int) -> None:
        blp.check_etag(pets[owner][number], Pet)
        del pets[owner][number]


@blp.route("/count")
@blp.response(200)
def count(owner: int) -> t.Any:
    return {"count": len(pets.get(owner, ()))}


def create_app() -> Flask:
    pets.clear()
    app = Flask(__name__)
    app.config.update(
        API_TITLE="Pets",
        API_VERSION="v1",
        OPENAPI_VERSION="3.0.2",
        OPENAPI_URL_PREFIX="/",
    )
    Api(app).register_blueprint(blp)
    return app


def visit(visitor: t.Any) -> None:
    home = f"/{visitor.number}/pets"
    for name in ("Rex", "Tom", "Z"):
        visitor.post(f"{home}/", json={"name": name})
    visitor.post(f"{home}/", json={"name": "Rex", "age": 3})
    visitor.get(f"{home}/")
    visitor.get(f"{home}/?page=2&page_size=1")
    visitor.get(f"{home}/?name=Tom")
    visitor.get(f"{home}/?page=x")
    tag = visitor.get(f"{home}/0").header("ETag")
    visitor.get(f"{home}/0", if_none_match=tag)
    visitor.get(f"{home}/7")
    visitor.get(f"{home}/count")
    visitor.open("DELETE", f"{home}/0")
    visitor.open("DELETE", f"{home}/0", if_match='"other"')
    visitor.open("DELETE", f"{home}/0", if_match=tag)
    visitor.get("/openapi.json")
