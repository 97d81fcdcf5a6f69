"""The OpenAPI document: of typed views and plain ones, served, shown, written and compared."""

from __future__ import annotations

import dataclasses
import datetime
import json
import typing as t
import uuid
from pathlib import Path
from typing import Annotated

import msgspec
import openapi_spec_validator
import pydantic
import pytest
from werkzeug.datastructures import FileStorage

import quartish
from quartish._cli.openapi import openapi_command
from quartish.typed import Body
from quartish.typed import Cookie
from quartish.typed import Depends
from quartish.typed import File
from quartish.typed import Form
from quartish.typed import Header
from quartish.typed import Path as InPath
from quartish.typed import Query
from quartish.typed import Status
from quartish.typed import typed
from quartish.typed.openapi import OpenAPI
from quartish.typed.openapi import openapi_of


class Item(msgspec.Struct):
    """An item."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    when: datetime.date | None = None


class Filter(msgspec.Struct):
    q: str
    sizes: list[int] = []


class Photo(msgspec.Struct):
    title: str
    file: FileStorage


class Model(pydantic.BaseModel):
    id: uuid.UUID
    at: datetime.datetime = pydantic.Field(description="When")


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


@typed(security=["token"])
def user(authorization: Annotated[str, Header()]) -> str:
    return authorization


def make(colour: type[t.Any], **options: t.Any) -> t.Any:
    app = colour("shop")
    pages = quartish.Blueprint("pages", __name__, url_prefix="/pages")

    @app.get("/items/<int:number>")
    async def get_item(
        number: Annotated[int, InPath(description="Its number", le=9)],
        by: Annotated[Filter, Query()],
        size: Annotated[int, Query(ge=1, examples=[3], deprecated=True)] = 5,
        request_id: Annotated[str | None, Header(alias="X-Request-ID")] = None,
        theme: Annotated[t.Literal["dark", "light"], Cookie()] = "dark",
    ) -> list[Item]:
        """Get an item.

        As often as you like.
        """
        return []

    @app.post("/items")
    @typed(
        tags=["stock"],
        deprecated=True,
        summary="Add",
        operation_id="add",
        responses={409: "It is there", 303: Item},
    )
    async def add_item(
        item: Annotated[Item, Body(description="It", examples=[{"name": "x"}])],
        user: Annotated[str, Depends(user)],
    ) -> Annotated[Point, Status(201, "It was added")]:
        return Point(1)

    @pages.post("/photos")
    @typed
    def photo(photo: Annotated[Photo, Body()]) -> None: ...

    @pages.put("/fields")
    def fields(a: Annotated[int, Form()], b: Annotated[FileStorage | None, File()] = None) -> str:
        return ""

    @pages.route("/models", methods=["PUT", "PATCH"])
    @typed
    def models(it: Annotated[Model, Body("application/json")]) -> Model:
        return it

    @app.get("/plain/<any(a, b):kind>/<uuid:id>/<float:x>/<path:rest>")
    async def plain(**values: t.Any) -> str:
        """What it does."""
        return ""

    @app.get("/hidden")
    @typed(include_in_schema=False)
    async def hidden() -> str:
        return ""

    @app.websocket("/ws")
    async def ws() -> None: ...

    app.register_blueprint(pages)
    schemes = {"token": {"type": "http", "scheme": "bearer"}}
    OpenAPI(app, title="Shop <b>", security_schemes=schemes, **options)
    return app


def document(app: t.Any) -> t.Any:
    return openapi_of(app).document(app)


def test_it_is_valid(colour: type[t.Any]) -> None:
    openapi_spec_validator.validate(document(make(colour)))


def test_what_it_says_of_typed_views() -> None:
    said = document(make(quartish.Flask))
    assert said["openapi"] == "3.1.0"
    assert set(said["paths"]) == {
        *("/items/{number}", "/items", "/pages/photos", "/pages/fields", "/pages/models"),
        "/plain/{kind}/{id}/{x}/{rest}",
    }
    get = said["paths"]["/items/{number}"]["get"]
    assert (get["operationId"], get["summary"]) == ("get_item", "Get an item")
    assert get["description"] == "As often as you like."
    assert get["parameters"] == [
        {
            "name": "number",
            "in": "path",
            "description": "Its number",
            "required": True,
            "schema": {
                "type": "integer",
                "minimum": 0,
                "maximum": 9,
                "description": "Its number",
            },
        },
        {"name": "q", "in": "query", "required": True, "schema": {"type": "string"}},
        {
            "name": "sizes",
            "in": "query",
            "required": False,
            "schema": {"type": "array", "items": {"type": "integer"}, "default": []},
        },
        {
            "name": "size",
            "in": "query",
            "deprecated": True,
            "required": False,
            "schema": {"type": "integer", "minimum": 1, "examples": [3], "default": 5},
        },
        {
            "name": "X-Request-ID",
            "in": "header",
            "required": False,
            "schema": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        {
            "name": "theme",
            "in": "cookie",
            "required": False,
            "schema": {"enum": ["dark", "light"], "default": "dark"},
        },
    ]
    assert set(get["responses"]) == {"200", "422"}
    add = said["paths"]["/items"]["post"]
    assert (add["operationId"], add["summary"], add["tags"]) == ("add", "Add", ["stock"])
    assert add["deprecated"] is True
    assert add["security"] == [{"token": []}]
    assert "parameters" not in add  # `authorization` is what the scheme says
    assert set(add["requestBody"]["content"]) == {
        *("application/json", "application/msgpack"),
        *("application/x-www-form-urlencoded", "multipart/form-data"),
    }
    assert add["requestBody"]["content"]["application/json"] == {
        "schema": {"$ref": "#/components/schemas/Item"},
        "examples": {"1": {"value": {"name": "x"}}},
    }
    assert add["responses"]["201"] == {
        "description": "It was added",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Point"}}},
    }
    assert add["responses"]["409"] == {"description": "It is there"}
    assert add["responses"]["303"]["content"]["application/json"]["schema"]["$ref"]
    assert set(add["responses"]) == {"201", "303", "400", "409", "415", "422"}
    assert said["components"]["securitySchemes"] == {"token": {"type": "http", "scheme": "bearer"}}


def test_forms_models_and_blueprints() -> None:
    said = document(make(quartish.Flask))
    photo = said["paths"]["/pages/photos"]["post"]
    assert photo["tags"] == ["pages"]
    assert set(photo["requestBody"]["content"]) == {"multipart/form-data"}
    assert said["components"]["schemas"]["Photo"]["properties"]["file"] == {
        "type": "string",
        "format": "binary",
    }
    assert set(photo["responses"]) == {"204", "400", "415", "422"}
    fields = said["paths"]["/pages/fields"]["put"]["requestBody"]
    schema = fields["content"]["multipart/form-data"]["schema"]
    assert (set(schema["properties"]), schema["required"]) == ({"a", "b"}, ["a"])
    models = said["paths"]["/pages/models"]
    assert {models[name]["operationId"] for name in models} == {
        *("pages_models_put", "pages_models_patch"),
    }
    model = said["components"]["schemas"]["Model"]
    assert model["properties"]["at"]["description"] == "When"


def test_plain_views_as_far_as_they_are_known() -> None:
    plain = document(make(quartish.Flask))["paths"]["/plain/{kind}/{id}/{x}/{rest}"]["get"]
    assert plain["summary"] == "What it does"
    assert [one["schema"] for one in plain["parameters"]] == [
        {"type": "string", "enum": ["a", "b"]},
        {"type": "string", "format": "uuid"},
        {"type": "number"},
        {"type": "string"},
    ]
    assert plain["responses"] == {"200": {"description": "OK"}}


def test_types_of_one_name_have_two() -> None:
    app = quartish.Flask(__name__)

    def same(model: t.Any) -> t.Any:
        def view(it: t.Any) -> None: ...

        view.__annotations__["it"] = Annotated[model, Body()]
        return view

    class Item(pydantic.BaseModel):
        other: int

    app.add_url_rule("/a", "a", same(globals()["Item"]), methods=["POST"])
    app.add_url_rule("/b", "b", same(Item), methods=["POST"])
    said = document(app)
    assert set(said["components"]["schemas"]) >= {"Item", "ItemModel"}
    body = said["paths"]["/b"]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"] == {"$ref": "#/components/schemas/ItemModel"}


async def get(app: t.Any, path: str) -> t.Any:
    client = app.async_test_client() if app.plain else app.test_client()
    response = await client.get(path)
    data = response.get_data(as_text=True)
    return response, data if isinstance(data, str) else await data


async def test_it_is_served(colour: type[t.Any]) -> None:
    app = make(colour)
    response, text = await get(app, "/openapi.json")
    assert response.mimetype == "application/json"
    assert json.loads(text) == document(app)
    response, page = await get(app, "/docs")
    assert "<title>Shop &lt;b&gt;</title>" in page
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert "http" not in page and "<script>" not in page and "style=" not in page
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "start.js"):
        assert f'"/docs/{name}"' in page
        response, _ = await get(app, f"/docs/{name}")
        assert response.status_code == 200
    for name in ("index.html", "nothing", "..%2fsetup.py"):
        assert (await get(app, f"/docs/{name}"))[0].status_code == 404


async def test_one_setting_switches_it_off(colour: type[t.Any]) -> None:
    app = make(colour, path="/api.json", docs_path="/api")
    assert (await get(app, "/api.json"))[0].status_code == 200
    app.config["OPENAPI"] = False
    for path in ("/api.json", "/api", "/api/start.js"):
        assert (await get(app, path))[0].status_code == 404


def test_the_command(colour: type[t.Any], tmp_path: Path) -> None:
    app = make(colour)
    runner = app.test_cli_runner()
    path = tmp_path / "openapi.json"
    shown = runner.invoke(openapi_command, [])
    assert json.loads(shown.output) == document(app)
    assert runner.invoke(openapi_command, [str(path), "--check"]).exit_code == 1
    assert runner.invoke(openapi_command, [str(path)]).exit_code == 0
    assert path.read_text() == shown.output
    assert runner.invoke(openapi_command, [str(path), "--check"]).exit_code == 0
    path.write_text(path.read_text().replace("Get an item", "Get one"))
    found = runner.invoke(openapi_command, [str(path), "--check"])
    assert found.exit_code == 1
    assert '-        "summary": "Get one",' in found.output
    assert runner.invoke(openapi_command, ["--check"]).exit_code == 2


@pytest.mark.parametrize("missing", [{}, {"OPENAPI": True}])
def test_an_app_without_it_has_one_all_the_same(missing: dict[str, t.Any]) -> None:
    app = quartish.Flask("other")
    app.config.update(missing)
    said = document(app)
    assert said["info"] == {"title": "other", "version": "1.0.0"}
