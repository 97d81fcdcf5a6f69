"""Views that ask for nothing typed: the very objects, and every behaviour, of an app without it."""

from __future__ import annotations

import dataclasses
import functools
import subprocess
import sys
import typing as t
from typing import Annotated

import pytest

import quartish
from quartish.typed import Query
from quartish.typed import Typed
from quartish.typed import typed
from tests._processes import ROOT
from tests._scopes import http_scope


@dataclasses.dataclass
class User:
    name: str


def injects(view: t.Any) -> t.Any:
    """Give the view a user, as decorators of extensions do."""

    @functools.wraps(view)
    def injecting(**values: t.Any) -> t.Any:
        return view(user=User("Ada"), **values)

    return injecting


def hello(name: str) -> str:
    return name


def count(number: int, page: int = 1) -> str:
    return f"{number} {page}"


@injects
def of_user(user: User, number: int | None = None) -> str:
    return f"{user.name} {number}"


def unknown(x: NoSuchClass = None) -> NoSuchClass:  # type: ignore[name-defined]  # noqa: F821
    return "unknown"


def other_marks(x: Annotated[int, "metadata", User("x")] = 3) -> str:
    return str(x)


VIEWS = [hello, count, of_user, unknown, other_marks]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.__name__)
def test_the_very_object(view: t.Any, colour: type[t.Any]) -> None:
    app = colour(__name__)
    app.add_url_rule("/", view_func=view)
    assert app.view_functions[view.__name__] is view
    page = quartish.Blueprint("page", __name__)
    page.add_url_rule("/page", view_func=view)
    app.register_blueprint(page)
    assert app.view_functions[f"page.{view.__name__}"] is view


def test_annotations_change_nothing() -> None:
    """An annotation that its author wrote for checkers alone is no demand."""
    app = quartish.Flask(__name__)
    app.add_url_rule("/hello/<name>", view_func=hello)
    app.add_url_rule("/count/<number>", view_func=count)
    app.add_url_rule("/user", view_func=of_user)
    client = app.test_client()
    assert client.get("/hello/1").text == "1"
    assert client.get("/count/many?page=x").text == "many 1"
    assert client.get("/user?number=2").text == "Ada None"


def test_with_typed_an_app_says_so_of_all_that_follow() -> None:
    app = quartish.Flask(__name__)
    app.add_url_rule("/before/<number>", "before", count)
    Typed(app)
    app.add_url_rule("/hello/<name>", view_func=hello)
    app.add_url_rule("/count/<number>", view_func=count)
    assert app.view_functions["before"] is count
    assert app.view_functions["hello"] is hello  # asks for text of the URL alone
    client = app.test_client()
    assert client.get("/before/many?page=x").text == "many 1"
    assert client.get("/count/1?page=2").text == "1 2"
    assert client.get("/count/many?page=x").status_code == 422


def test_one_view_may_have_two_rules_and_no_other() -> None:
    app = quartish.Flask(__name__)

    def search(q: Annotated[str, Query()] = "") -> str:
        return q

    app.add_url_rule("/a", view_func=search)
    app.add_url_rule("/b", view_func=search)
    with pytest.raises(AssertionError, match="overwriting an existing endpoint.*search.*hello"):
        app.add_url_rule("/c", "search", hello)
    assert app.test_client().get("/b?q=x").text == "x"


def test_a_typed_view_tells_what_the_users_does() -> None:
    app = quartish.Flask(__name__)

    @app.get("/")
    @typed
    def search(q: str = "") -> str:
        """Search."""
        return q

    view: t.Any = app.view_functions["search"]
    assert view is not search
    assert (view.__name__, view.__doc__, view.__wrapped__) == ("search", "Search.", search)
    assert search(q="x") == "x"


@pytest.mark.parametrize("path", ["/", "/user/3"])
async def test_a_plain_view_makes_the_same_calls_beside_typed_ones(
    colour: type[t.Any], path: str
) -> None:
    """Not one more, of Python or of C; by valgrind its instructions are within 1 %."""

    async def plain() -> str:
        return "Hello"

    async def user(number: int, page: int = 1) -> dict[str, int]:
        return {"number": number}

    async def search(q: Annotated[str, Query()] = "") -> str:
        return q

    def app_of(*views: t.Any) -> t.Any:
        app = colour(__name__)
        app.add_url_rule("/", view_func=plain)
        app.add_url_rule("/user/<int:number>", view_func=user)
        for view in views:
            app.add_url_rule("/search", view_func=view)
        return app

    async def calls_of(app: t.Any) -> list[tuple[str, str]]:
        for _ in range(3):
            await call(app, http_scope(path))
        found: list[tuple[str, str]] = []

        def count(frame: t.Any, event: str, arg: t.Any) -> None:
            if event == "call":
                found.append((event, frame.f_code.co_qualname))
            elif event == "c_call":
                found.append((event, arg.__qualname__))

        before = sys.getprofile()
        sys.setprofile(count)
        try:
            await call(app, http_scope(path))
        finally:
            sys.setprofile(before)
        return found

    alone, beside = await calls_of(app_of()), await calls_of(app_of(search))
    assert alone == beside
    assert len(alone) > 20


async def call(app: t.Any, scope: t.Any) -> None:
    async def receive() -> t.Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: t.Any) -> None: ...

    await app(scope, receive, send)


def test_nobody_looks_before_the_app_imports_it() -> None:
    """Not even msgspec is imported by an app without typed views."""
    code = (
        "import sys, quartish\n"
        "from quartish._view_makers import view_makers\n"
        "app = quartish.Flask('x')\n"
        "app.add_url_rule('/', view_func=lambda: '')\n"
        "assert not view_makers\n"
        "assert not {'msgspec', 'pydantic', 'quartish.typed'} & {*sys.modules}\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
