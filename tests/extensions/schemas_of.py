"""Print, as JSON, the schemas that quartish or FastAPI give to the types of a table.

    python schemas_of.py (quartish | fastapi)

Each type is the body of a view, as both document it, less titles, which FastAPI adds to everything,
and with one way to say what JSON Schema can say in several.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import sys
import typing as t
import uuid
from typing import Annotated

import pydantic
import typing_extensions
from pydantic import Field


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Small(pydantic.BaseModel):
    a: int
    b: str = "x"


class Nested(pydantic.BaseModel):
    one: Small
    many: list[Small] = []
    by_name: dict[str, Small] = {}
    maybe: Small | None = None


class Tree(pydantic.BaseModel):
    children: list[Tree] = []


class Limits(pydantic.BaseModel):
    low: int = Field(ge=1, le=5)
    short: str = Field(min_length=1, max_length=3, pattern="^a")
    few: list[int] = Field(min_length=1, max_length=2)
    multiple: int = Field(multiple_of=3)
    told: int = Field(description="What it is", examples=[3])


class Aliased(pydantic.BaseModel):
    snake_case: int = Field(alias="camelCase")


class Cat(pydantic.BaseModel):
    kind: t.Literal["cat"]
    lives: int


class Dog(pydantic.BaseModel):
    kind: t.Literal["dog"]


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.5


class Keys(typing_extensions.TypedDict):
    name: str
    size: typing_extensions.NotRequired[int]


class Pair(t.NamedTuple):
    left: int
    right: str


TYPES: dict[str, t.Any] = {
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "any": t.Any,
    "decimal": decimal.Decimal,
    "uuid": uuid.UUID,
    "date": datetime.date,
    "datetime": datetime.datetime,
    "time": datetime.time,
    "timedelta": datetime.timedelta,
    "enum": Colour,
    "int enum": Level,
    "literal": t.Literal["a", "b"],
    "int literal": t.Literal[1, 2],
    "optional": int | None,
    "union": int | str,
    "list": list[int],
    "set": set[int],
    "frozenset": frozenset[str],
    "tuple": tuple[int, str],
    "open tuple": tuple[int, ...],
    "dict": dict[str, int],
    "dict of lists": dict[str, list[uuid.UUID]],
    "any dict": dict[str, t.Any],
    "list of any": list[t.Any],
    "list of optional": list[int | None],
    "ge": Annotated[int, Field(ge=1)],
    "gt lt": Annotated[float, Field(gt=0, lt=1)],
    "pattern": Annotated[str, Field(pattern="^x")],
    "lengths": Annotated[str, Field(min_length=1, max_length=9)],
    "long list": Annotated[list[int], Field(min_length=2)],
    "multiple": Annotated[int, Field(multiple_of=5)],
    "model": Small,
    "nested": Nested,
    "tree": Tree,
    "limits": Limits,
    "alias": Aliased,
    "one of models": Annotated[Cat | Dog, Field(discriminator="kind")],
    "list of models": list[Small],
    "dict of models": dict[str, Small],
    "optional model": Small | None,
    "dataclass": Point,
    "typed dict": Keys,
    "named tuple": Pair,
    "url": pydantic.HttpUrl,
    "positive": pydantic.PositiveInt,
    "list of unions": list[int | Colour],
}


def view_of(kind: t.Any, mark: t.Any) -> t.Any:
    def view(it: t.Any) -> None: ...

    view.__annotations__ = {"it": Annotated[kind, mark], "return": None}
    return view


def by_quartish() -> t.Any:
    from quartish import Flask
    from quartish.typed import Body
    from quartish.typed.openapi import openapi_of

    app = Flask(__name__)
    for name, kind in TYPES.items():
        view = view_of(kind, Body("application/json"))
        app.add_url_rule(f"/{name}", name.replace(" ", "_"), view, methods=["POST"])
    return openapi_of(app).document(app)


def by_fastapi() -> t.Any:
    from fastapi import Body
    from fastapi import FastAPI

    app = FastAPI()
    for name, kind in TYPES.items():
        app.post(f"/{name}")(view_of(kind, Body()))
    return app.openapi()


def resolved(schema: t.Any, whole: t.Any, seen: tuple[str, ...] = ()) -> t.Any:
    """Return a schema with what it refers to in it, and without titles."""
    if isinstance(schema, list):
        return [resolved(one, whole, seen) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name in seen:
            return {"again": name}
        return resolved(whole["components"]["schemas"][name], whole, (*seen, name))
    found = {
        key: {name: resolved(one, whole, seen) for name, one in value.items()}
        if key == "properties"
        else resolved(value, whole, seen)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }
    found.pop("discriminator", None)  # whose mapping names the schemas
    # What says the same in other words.
    if "enum" in found:
        found["enum"] = sorted(found["enum"])
        found.setdefault("type", {int: "integer", str: "string"}[type(found["enum"][0])])
    for key, value in (("items", {}), ("additionalProperties", True), ("default", None)):
        if key in found and found[key] == value:
            del found[key]
    if "prefixItems" in found and found.get("items") is False:
        del found["items"]  # there are as many as `maxItems` says
    return found


def main() -> None:
    document = {"quartish": by_quartish, "fastapi": by_fastapi}[sys.argv[1]]()
    found = {}
    for name in TYPES:
        body = document["paths"][f"/{name}"]["post"]["requestBody"]
        found[name] = resolved(body["content"]["application/json"]["schema"], document)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
