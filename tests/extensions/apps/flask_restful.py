"""Flask-RESTful: resources, parsed arguments, marshalled fields, errors, other formats.

Its resources are `def` in both colours: it calls them itself, and Flask too would not wait
for an `async def` one. Views beside them have both colours.
"""

from __future__ import annotations

import typing as t

from flask import Flask
from flask import make_response
from flask_restful import abort
from flask_restful import Api
from flask_restful import fields
from flask_restful import marshal_with
from flask_restful import reqparse
from flask_restful import Resource

todos: dict[str, dict[str, t.Any]] = {}
parser = reqparse.RequestParser()
parser.add_argument("task", required=True, help="what to do")
parser.add_argument("rank", type=int, default=1, location=["args", "json"])


class Todo(Resource):  # type: ignore[misc]
    shown: t.ClassVar[t.Any] = {
        "task": fields.String,
        "rank": fields.Integer,
        "uri": fields.Url("todo"),
    }

    @marshal_with(shown)
    def get(self, name: str) -> t.Any:
        if name not in todos:
            abort(404, message=f"no {name}")
        return todos[name]

    @marshal_with(shown)
    def put(self, name: str) -> t.Any:
        todos[name] = {"name": name, **parser.parse_args()}
        return todos[name], 201, {"X-Name": name}

    def delete(self, name: str) -> t.Any:
        del todos[name]
        return "", 204


def create_app() -> Flask:
    app = Flask(__name__)
    api = Api(app)
    api.add_resource(Todo, "/todos/<name>", endpoint="todo")

    @api.representation("text/csv")
    def csv(data: t.Any, code: int, headers: t.Any = None) -> t.Any:
        response = make_response(",".join(map(str, data.values())), code)
        response.headers.extend(headers or {})
        return response

    @app.get("/count/<prefix>")
    def count(prefix: str) -> t.Any:
        return {"count": sum(name.startswith(prefix) for name in todos)}

    return app


def visit(visitor: t.Any) -> None:
    prefix = f"t{visitor.number}-"
    path = f"/todos/{prefix}one"
    visitor.get(path)
    visitor.open("PUT", path, json={"task": "sing"})
    visitor.open("PUT", path, json={})
    visitor.open("PUT", f"{path}?rank=x", json={"task": "sing"})
    visitor.get(path)
    visitor.get(path, accept="text/csv")
    visitor.get(f"/count/{prefix}")
    visitor.open("PATCH", path)
    visitor.get("/nowhere")
    visitor.open("DELETE", path)
    visitor.open("DELETE", path)
    visitor.get(f"/count/{prefix}")
