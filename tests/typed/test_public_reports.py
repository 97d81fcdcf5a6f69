"""Faults that users of FastAPI, Litestar, quart-schema, flask-openapi and others reported in
public, played on typed views. Each test names its report."""

from __future__ import annotations

import dataclasses
import enum
import functools
import io
import json
import typing as t
from typing import Annotated

import msgspec
import pydantic
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from werkzeug.datastructures import FileStorage

from quartish import abort
from quartish import Flask
from quartish import stream_with_context
from quartish.typed import Body
from quartish.typed import Depends
from quartish.typed import File
from quartish.typed import Query
from quartish.typed import typed
from quartish.typed.openapi import openapi_of
from tests.typed import _other_models
from tests.typed._ways import each_way
from tests.typed._ways import said
from tests.typed._ways import Way

log: list[str] = []


@pytest.fixture(autouse=True)
def empty_log() -> None:
    log.clear()


def document_of(app: t.Any) -> t.Any:
    document = openapi_of(app).document(app)
    OpenAPIV31SpecValidator(document).validate()
    return document


def annotated(view: t.Any, **annotations: t.Any) -> t.Any:
    """Return a view with annotations that name what a test has made."""
    view.__annotations__ = {name.rstrip("_"): kind for name, kind in annotations.items()}
    return view


# --- components ------------------------------------------------------------------------------


def transaction() -> t.Iterator[str]:
    try:
        yield "transaction"
    except Exception as error:
        log.append(f"roll back: {type(error).__name__}")
        raise
    else:
        log.append("commit")
    finally:
        log.append("close")


@each_way
def test_an_http_error_reaches_the_generator(way: Way) -> None:
    """fastapi/fastapi#869: it saw none, and committed."""
    app = way.app()

    def conflict(it: Annotated[str, Depends(transaction)]) -> str:
        abort(409)

    way.add(app, "/", conflict)
    assert way.get(app, "/").status == 409
    assert log == ["roll back: Conflict", "close"]


def swallows() -> t.Iterator[int]:
    try:
        yield 1
    except Exception:
        log.append("swallowed")


@each_way
def test_a_generator_that_swallows_the_error_loses_it_for_nobody(way: Way) -> None:
    """fastapi/fastapi#10831: without `raise` the error was lost, and nothing was logged."""
    app = way.app()

    def view(
        outer: Annotated[str, Depends(transaction)], it: Annotated[int, Depends(swallows)]
    ) -> str:
        abort(418)

    way.add(app, "/", view)
    assert way.get(app, "/").status == 418
    assert log == ["swallowed", "roll back: ImATeapot", "close"]


def fails_at_the_end() -> t.Iterator[int]:
    yield 1
    raise LookupError("at the end")


@each_way
def test_one_that_fails_at_its_end_keeps_no_other_open(way: Way) -> None:
    """litestar-org/litestar#4148: those after it were not closed."""
    app = way.app()

    def view(
        outer: Annotated[str, Depends(transaction)], it: Annotated[int, Depends(fails_at_the_end)]
    ) -> str:
        log.append("view")
        return "answer"

    way.add(app, "/", view)
    try:
        way.get(app, "/")
    except LookupError:
        pass
    assert log == ["view", "commit", "close"]


def first() -> t.Iterator[int]:
    log.append("open first")
    yield 1
    log.append("close first")


async def second(first: Annotated[int, Depends(first)]) -> t.AsyncIterator[int]:
    log.append("open second")
    yield first + 1
    log.append("close second")


def third(second: Annotated[int, Depends(second)]) -> t.Iterator[int]:
    log.append("open third")
    yield second + 1
    log.append("close third")


@each_way
def test_what_opened_last_closes_first(way: Way) -> None:
    """litestar-org/litestar#4244: they closed in the order in which they had opened."""
    app = way.app()

    def view(it: Annotated[int, Depends(third)]) -> str:
        return f"{it}"

    way.add(app, "/", view)
    assert way.get(app, "/").body == b"3"
    assert log == [
        *("open first", "open second", "open third"),
        *("close third", "close second", "close first"),
    ]


@each_way
def test_components_are_open_while_a_response_streams(way: Way) -> None:
    """litestar-org/litestar#3842: they were closed before the stream began."""
    app = way.app()

    def view(it: Annotated[str, Depends(transaction)]) -> t.Any:
        def generate() -> t.Iterator[str]:
            log.append("piece")
            yield it

        return stream_with_context(generate())

    way.add(app, "/", view)
    assert way.get(app, "/").body == b"transaction"
    assert log == ["piece", "commit", "close"]


class Callable:
    """A component that is an object, with annotations that are text."""

    def __call__(self, q: Annotated[str, Query()] = "nothing") -> str:
        return q


checks = Callable()


@each_way
def test_an_object_that_is_called(way: Way) -> None:
    """fastapi/fastapi#1654: its annotations were looked up in no module."""
    app = way.app()

    def view(q: Annotated[str, Depends(checks)], part: Annotated[str, Depends(partly)]) -> str:
        return f"{q} {part}"

    way.add(app, "/", view)
    assert way.get(app, "/", "q=a").body == b"a a 3"


def both(number: int, q: Annotated[str, Query()]) -> str:
    return f"{q} {number}"


partly = functools.partial(both, number=3)


# --- annotations -----------------------------------------------------------------------------


def test_a_class_that_is_defined_below_the_view(colour: type[t.Any]) -> None:
    """fastapi/fastapi#13056: with `from __future__ import annotations` it was taken for a query."""
    app = colour(__name__)
    app.add_url_rule("/", view_func=early, methods=["POST"])
    way = Way(colour, "def", "asgi")
    assert said(way.post(app, "/", {"name": "late"})) == {"late": "late", "made": "made"}


def early(late: Late, made: Annotated[Made, Depends(make_made)]) -> dict[str, str]:
    return {"late": late.name, "made": made.name}


class Late(msgspec.Struct):
    name: str


class Made:
    name = "made"


def make_made() -> Made:
    return Made()


@each_way
def test_a_decorator_of_another_module(way: Way) -> None:
    """laurentS/slowapi#247, Minibrams/fastapi-decorators#7: the annotations of what it is around
    were looked up in the decorator's module."""
    app = way.app()

    @_other_models.counted
    def view(user: Annotated[str, Depends(current)], size: Annotated[int, Query(ge=1)]) -> str:
        return f"{user} {size}"

    way.add(app, "/", view)
    assert way.get(app, "/", "size=2").body == b"Ada 2"
    assert way.get(app, "/", "size=0").status == 422


def current() -> str:
    return "Ada"


# --- lists and files -------------------------------------------------------------------------


class Keys(msgspec.Struct):
    key: list[str] = []
    number: set[int] | None = None


@dataclasses.dataclass
class KeysToo:
    key: list[str] = dataclasses.field(default_factory=list)
    number: set[int] | None = None


class KeysModel(pydantic.BaseModel):
    key: list[str] = []
    number: set[int] | None = None


@each_way
@pytest.mark.parametrize("model", [Keys, KeysToo, KeysModel], ids=lambda cls: cls.__name__)
def test_a_list_of_one_in_the_query(way: Way, model: t.Any) -> None:
    """pgjones/quart-schema#39, #124: a name that is there once was no list."""
    app = way.app()

    def view(by: t.Any) -> dict[str, t.Any]:
        return {"key": by.key, "number": None if by.number is None else sorted(by.number)}

    way.add(app, "/", annotated(view, by=Annotated[model, Query()], return_=dict[str, t.Any]))
    assert said(way.get(app, "/", "key=a&number=1")) == {"key": ["a"], "number": [1]}
    assert said(way.get(app, "/", "key=a&key=b")) == {"key": ["a", "b"], "number": None}
    assert said(way.get(app, "/")) == {"key": [], "number": None}


class Upload(msgspec.Struct, rename="camel"):
    first_file: FileStorage | None = None
    more_files: list[FileStorage] | None = None
    some_text: str = ""


@dataclasses.dataclass
class UploadToo:
    first_file: t.Optional[FileStorage] = None
    more_files: t.Optional[list[FileStorage]] = None
    some_text: str = ""


def names(files: t.Any) -> t.Any:
    return None if files is None else [one.filename for one in files]


def shown(it: t.Any) -> dict[str, t.Any]:
    file = it.first_file
    return dict(
        first=None if file is None else file.filename, more=names(it.more_files), text=it.some_text
    )


UPLOADS: list[tuple[t.Any, str, str]] = [
    (Upload, "firstFile", "moreFiles"),
    (UploadToo, "first_file", "more_files"),
]


@pytest.mark.parametrize(("model", "first", "more"), UPLOADS, ids=["struct", "dataclass"])
def test_files_that_were_not_chosen(
    colour: type[t.Any], model: t.Any, first: str, more: str
) -> None:
    """litestar-org/litestar#4647, #4890: a browser sends a file without a name and a byte."""
    app = colour(__name__)

    def view(it: t.Any) -> dict[str, t.Any]:
        return shown(it)

    annotated(view, it=Annotated[model, Body()], return_=dict[str, t.Any])
    app.add_url_rule("/", view_func=view, methods=["POST"])
    way = Way(colour, "def", "asgi")
    part = (
        '--b\r\nContent-Disposition: form-data; name="{}"; filename=""\r\n'
        "Content-Type: application/octet-stream\r\n\r\n\r\n"
    )
    body = f"{part.format(first)}{part.format(more)}--b--\r\n".encode()
    found = said(way.post(app, "/", body, "multipart/form-data; boundary=b"))
    assert found["first"] is None
    assert found["more"] in (None, [])


@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize(("model", "first", "more"), UPLOADS, ids=["struct", "dataclass"])
def test_so_many_files(model: t.Any, first: str, more: str, count: int) -> None:
    """litestar-org/litestar#3407, #3409, #2939; luolingchun/flask-openapi#16: one was no list, or
    two were too many."""
    app = Flask(__name__)

    def view(it: t.Any) -> dict[str, t.Any]:
        return shown(it)

    def each(files: Annotated[list[FileStorage] | None, File()] = None) -> dict[str, t.Any]:
        return {"more": names(files)}

    annotated(view, it=Annotated[model, Body()], return_=dict[str, t.Any])
    app.add_url_rule("/model", view_func=view, methods=["POST"])
    app.add_url_rule("/each", view_func=each, methods=["POST"])
    client = app.test_client()
    expected = [f"{n}.txt" for n in range(count)] or None
    for path, name in (("/model", more), ("/each", "files")):
        files = [(io.BytesIO(b"x"), f"{n}.txt") for n in range(count)]
        data: dict[str, t.Any] = {"other": "1", name: files}
        response = client.post(path, data=data, content_type="multipart/form-data")
        assert response.get_json()["more"] == expected


# --- the document ----------------------------------------------------------------------------


class Nullable(msgspec.Struct):
    required: int
    nullable: int | None
    optional: int | None = None


@dataclasses.dataclass
class NullableToo:
    required: int
    nullable: int | None
    optional: int | None = None


class NullableModel(pydantic.BaseModel):
    required: int
    nullable: int | None
    optional: int | None = None


@pytest.mark.parametrize(
    "model", [Nullable, NullableToo, NullableModel], ids=lambda cls: cls.__name__
)
def test_what_may_be_none_is_required_all_the_same(model: t.Any) -> None:
    """litestar-org/litestar#4673: the document said that it may be left out."""
    app = Flask(__name__)

    @typed
    def view(it: t.Any) -> t.Any:
        return it

    annotated(view, it=model, return_=model)
    app.add_url_rule("/", view_func=view, methods=["POST"])
    schema = document_of(app)["components"]["schemas"][model.__name__]
    assert schema["required"] == ["required", "nullable"]
    assert app.test_client().post("/", json={"required": 1}).status_code == 422


class Level(enum.Enum):
    LOW = "low"


class Filter(msgspec.Struct):
    level: Level = Level.LOW
    kind: t.Literal["a", "b"] | None = None


def search(
    by: Annotated[Filter, Query()],
    literal: Annotated[t.Literal["sink", "source"] | None, Query()] = None,
    number: Annotated[int | None, Query()] = None,
) -> str:
    return ""


def test_optional_literals_and_enums_in_the_query() -> None:
    """litestar-org/litestar#2812, #1210: null was there twice, or the rest was not;
    apiflask/apiflask#757: an enum of a model in the query was not among the components."""
    app = Flask(__name__)
    app.add_url_rule("/", view_func=search)
    document = document_of(app)
    found = {one["name"]: one for one in document["paths"]["/"]["get"]["parameters"]}
    assert [found[name]["required"] for name in ("literal", "number", "level")] == [False] * 3

    def kinds(name: str) -> t.Any:
        text = json.dumps(found[name]["schema"])
        return text.count("null"), "sink" in text or "integer" in text

    assert kinds("literal") == kinds("number") == (1, True)
    assert json.dumps(found["kind"]["schema"]).count("null") <= 2  # the type, and the default
    assert document["components"]["schemas"]["Level"]["enum"] == ["low"]


class User(msgspec.Struct):
    name: str


def here(user: Annotated[User, Body()]) -> Annotated[list[User], Query()]:
    return []


def test_models_of_one_name() -> None:
    """litestar-org/litestar#488, fastapi/fastapi#14797, #2627: one hid the other, or which of them
    had which name was chance."""

    def there(user: t.Any) -> str:
        return ""

    annotated(there, user=Annotated[_other_models.User, Body()])
    documents = []
    for _ in range(2):
        app = Flask(__name__)
        app.add_url_rule("/here", "here", here, methods=["POST"])
        app.add_url_rule("/there", "there", there, methods=["POST"])
        documents.append(document_of(app))
    assert documents[0] == documents[1]
    paths, schemas = documents[0]["paths"], documents[0]["components"]["schemas"]
    seen = []
    for path in ("/here", "/there"):
        content = paths[path]["post"]["requestBody"]["content"]["application/json"]
        seen.append(schemas[content["schema"]["$ref"].rpartition("/")[2]]["properties"])
    assert [list(one) for one in seen] == [["name"], ["number"]]


class Outer:
    class Inner(msgspec.Struct):
        a: int


class Another:
    class Inner(msgspec.Struct):
        b: int


def test_models_inside_of_classes() -> None:
    """fastapi/fastapi#1505: the document of two of one name was a 500."""
    app = Flask(__name__)
    app.testing = True

    @app.post("/")
    def view(it: Annotated[Outer.Inner | Another.Inner, Body()]) -> str:
        return ""

    with pytest.raises(TypeError, match="`view`.*must be tagged"):
        app.test_client().post("/", json={})  # which of them it is cannot be told
    app = Flask(__name__)

    def a(it: Annotated[Outer.Inner, Body()]) -> str:
        return ""

    def b(it: Annotated[Another.Inner, Body()]) -> str:
        return ""

    app.add_url_rule("/a", view_func=a, methods=["POST"])
    app.add_url_rule("/b", view_func=b, methods=["POST"])
    schemas = document_of(app)["components"]["schemas"]
    assert len([name for name in schemas if "Inner" in name]) == 2
