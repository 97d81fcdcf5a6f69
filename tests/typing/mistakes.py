"""Lines that type checkers must refuse, each with the codes of mypy and of pyright.

Never run. `test_strict` reads the comments: a line without one must be accepted.
"""

from __future__ import annotations

import typing as t

from quartish import current_app
from quartish import Flask
from quartish import jsonify
from quartish import make_response
from quartish import Quart
from quartish import render_template
from quartish import Request
from quartish import request
from quartish import Response
from quartish import session
from quartish import url_for
from quartish import websocket
from quartish.quart import make_response as make_awaitable
from quartish.quart import render_template as render_awaitable
from quartish.quart import request as awaitable_request
from quartish.quart import Response as AwaitableResponse
from quartish.typed import Depends
from quartish.typed import Query
from quartish.typed import Status
from quartish.typed import typed
from quartish.typed.openapi import OpenAPI

app = Flask(__name__)
quart = Quart(__name__)


# --- the plain colour ---------------------------------------------------------------------


@app.get("/number")  # refused: type-var reportArgumentType
def number() -> int:
    return 1


@app.after_request  # refused: type-var reportArgumentType
def forgets(response: Response) -> None:
    response.headers["X"] = "1"


@app.template_filter(name=1)  # refused: call-overload reportCallIssue,reportArgumentType
def by_number(text: str) -> str:
    return text


@app.template_test  # refused: type-var reportArgumentType,reportCallIssue
def no_test(text: str) -> str:
    return text


@app.template_filter("shout")
def shout(text: str) -> str:
    return text.upper()


shout(1)  # refused: arg-type reportArgumentType


@app.get("/plain")
async def plain() -> str:
    await request.form  # refused: misc reportGeneralTypeIssues
    await render_template("x")  # refused: misc reportGeneralTypeIssues
    count: int = jsonify(1)  # refused: assignment reportAssignmentType
    made: str = make_response("x")  # refused: assignment reportAssignmentType
    response = Response("x")
    response.timeout = "60"  # refused: assignment reportAttributeAccessIssue
    response.timout = 60  # refused: attr-defined reportAttributeAccessIssue
    request.nothing  # refused: attr-defined reportAttributeAccessIssue
    current_app.nothing  # refused: attr-defined reportAttributeAccessIssue
    session.nothing  # refused: attr-defined reportAttributeAccessIssue
    url_for(1)  # refused: arg-type reportArgumentType
    await websocket.send(1)  # refused: arg-type reportArgumentType
    return f"{count}{made}"


def wrong_rules() -> None:
    app.add_url_rule("/", view_func=3)  # refused: arg-type reportArgumentType
    app.route(1)  # refused: arg-type reportArgumentType
    app.errorhandler("404")  # refused: arg-type reportArgumentType
    app.register_blueprint(app)  # refused: arg-type reportArgumentType
    app.config.from_object()  # refused: call-arg reportCallIssue
    app.redirect(3)  # refused: arg-type reportArgumentType


class Wrong(Flask):
    def full_dispatch_request(self) -> str:  # refused: override reportIncompatibleMethodOverride
        return ""

    request_class = Response  # refused: assignment reportAssignmentType


# --- the awaitable colour -------------------------------------------------------------------


@quart.get("/awaitable")
async def awaitable() -> t.Any:
    awaitable_request.form["x"]  # refused: index reportIndexIssue
    text: str = render_awaitable("x")  # refused: assignment reportAssignmentType
    response: AwaitableResponse = make_awaitable("x")  # refused: assignment reportAssignmentType
    data: bytes = response.get_data()  # refused: assignment reportAssignmentType
    awaitable_request.nothing  # refused: attr-defined reportAttributeAccessIssue
    return f"{text}{data!r}"


def wrong_types(response: Response) -> None:
    given: AwaitableResponse = response  # refused: assignment reportAssignmentType
    other: Request = awaitable_request  # refused: assignment reportAssignmentType
    quart.test_client().websocket(1)  # refused: arg-type reportArgumentType
    quart.add_background_task(1)  # refused: arg-type reportArgumentType
    print(given, other)


# --- typed views ----------------------------------------------------------------------------


class Database:
    pass


def open_other() -> str:
    return ""


def wrong_marks() -> None:
    app.provide(Database, 3)  # refused: call-overload reportCallIssue,reportArgumentType
    scope: t.Literal["app"] = "session"  # refused: assignment reportAssignmentType
    app.provide(Database, Database, scope=scope)
    Query(ge="1")  # refused: arg-type reportArgumentType
    Query(minimum=1)  # refused: call-arg reportCallIssue
    Status("201")  # refused: arg-type reportArgumentType
    Depends("current_user")  # refused: arg-type reportArgumentType
    typed(status="201")  # refused: call-overload reportCallIssue
    OpenAPI(app, titel="x")  # refused: call-arg reportCallIssue


@app.get("/typed")
@typed
def number_of(q: t.Annotated[str, Query()]) -> object:
    return 1


@app.get("/not-typed")  # refused: type-var reportArgumentType
def not_decorated(q: t.Annotated[str, Query()]) -> Database:
    return Database()


@typed(status_code=201)
def keeps_its_type(q: t.Annotated[int, Query()]) -> str:
    return f"{q + None}"  # refused: operator reportOperatorIssue


keeps_its_type("1")  # refused: arg-type reportArgumentType
