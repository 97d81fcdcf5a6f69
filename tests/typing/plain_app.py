"""An app of the plain colour, as a user with strict type checkers writes it. It is run, too."""

from __future__ import annotations

import asyncio
import io
import typing as t
from collections.abc import AsyncIterator
from collections.abc import Iterator

from quartish import abort
from quartish import Blueprint
from quartish import current_app
from quartish import flash
from quartish import Flask
from quartish import g
from quartish import get_flashed_messages
from quartish import jsonify
from quartish import make_response
from quartish import redirect
from quartish import render_template_string
from quartish import Request
from quartish import request
from quartish import Response
from quartish import ResponseReturnValue
from quartish import send_file
from quartish import session
from quartish import stream_template_string
from quartish import stream_with_context
from quartish import url_for
from quartish import websocket
from quartish.sessions import SecureCookieSessionInterface
from quartish.sessions import SessionMixin
from quartish.views import MethodView


class Sessions(SecureCookieSessionInterface):
    """An override names the classes that it is for."""

    def get_cookie_name(self, app: Flask) -> str:
        return f"{app.name}-session"

    def save_session(self, app: Flask, session: SessionMixin, response: Response | None) -> None:
        if response is not None:
            response.headers["X-Saved"] = "yes"
        super().save_session(app, session, response)


class Shop(Flask):
    session_interface = Sessions()

    def make_response(self, rv: ResponseReturnValue) -> Response:
        response = super().make_response(rv)
        response.headers["X-Shop"] = self.name
        return response

    def process_response(self, response: Response) -> Response:
        return super().process_response(response)


app = Shop("plain_app")
app.secret_key = "key"
pages = Blueprint("pages", "plain_app", url_prefix="/pages")


@app.template_filter
def shout(text: str) -> str:
    return text.upper()


@app.template_filter()
def whisper(text: str) -> str:
    return text.lower()


@app.template_test("long")
def is_long(text: str) -> bool:
    return len(text) > 10


@app.template_global("version")
def version() -> str:
    return "1"


@pages.app_template_filter("twice")
def twice(text: str) -> str:
    return text * 2


@app.before_request
def begin() -> None:
    g.user = session.get("user")


@app.before_request
async def look() -> ResponseReturnValue | None:
    return ("Closed.", 503) if request.args.get("closed") else None


@app.after_request
def mark(response: Response) -> Response:
    response.headers["X-Mark"] = "1"
    return response


@app.teardown_request
def end(error: BaseException | None) -> None:
    g.pop("user", None)


@app.errorhandler(404)
def missing(error: Exception) -> ResponseReturnValue:
    return {"error": str(error)}, 404


@app.get("/")
async def index() -> str:
    await asyncio.sleep(0)
    return render_template_string("{{ 'a' | shout }}{{ version() }}")


@app.post("/greet")
def greet() -> dict[str, str]:
    name: str = request.form["name"]
    size: int = len(request.get_data())
    return {"greeting": f"Hello, {name}!", "size": str(size), "method": request.method}


@app.get("/json")
def as_json() -> Response:
    response = jsonify(name=current_app.name)
    response.headers["X-Json"] = "yes"
    return response


@app.get("/made")
def made() -> Response:
    response = make_response("made", 201)
    response.set_cookie("a", "b")
    data: bytes = response.get_data()
    assert data == b"made"
    return response


@app.get("/quiet")
async def quiet() -> ResponseReturnValue:
    @stream_with_context
    async def pieces() -> AsyncIterator[str]:
        yield request.path

    response = Response(pieces())
    response.timeout = None
    return response


@app.get("/pieces")
def pieces() -> tuple[Iterator[str], int, dict[str, str]]:
    return stream_template_string("a{{ 1 }}"), 200, {"Content-Type": "text/plain"}


@app.get("/away")
def away() -> ResponseReturnValue:
    flash("gone", "info")
    return redirect(url_for("index"), 303)


@app.get("/messages")
def messages() -> ResponseReturnValue:
    return {"messages": get_flashed_messages(with_categories=True)}


@app.get("/file")
def file() -> Response:
    return send_file(__file__, mimetype="text/x-python", max_age=60)


@app.put("/upload", stream_body=True)
async def upload() -> dict[str, int]:
    total = 0
    async for chunk in request.stream:
        total += len(t.assert_type(chunk, bytes))
    return {"bytes": total}


@app.put("/lines")
def lines() -> dict[str, int]:
    head = t.assert_type(request.stream.readline(), bytes)
    rest = io.TextIOWrapper(request.stream).read()
    return {"head": len(head), "lines": len([line for line in rest.splitlines() if line])}


@app.websocket("/echo")
async def echo() -> None:
    await websocket.accept(subprotocol=None)
    while True:
        message: str | bytes = await websocket.receive()
        await websocket.send(message)


@pages.get("/refuse")
def refuse() -> t.NoReturn:
    abort(403, "No.")


class Items(MethodView):
    def get(self, number: int) -> ResponseReturnValue:
        return {"number": number, "url": request.url}


pages.add_url_rule("/items/<int:number>", view_func=Items.as_view("items"))
app.register_blueprint(pages)


async def send_mail(address: str) -> None:
    g.sent = address


@app.post("/join")
async def join() -> ResponseReturnValue:
    app.add_background_task(send_mail, request.form["address"], name="mail")
    return "", 202


def test_views() -> None:
    with app.test_client() as client:
        assert client.get("/").text == "A1"
        response = client.post("/greet", data={"name": "Ada"})
        answer: t.Any = response.json
        assert answer["greeting"] == "Hello, Ada!"
        assert client.get("/json").json == {"name": "plain_app"}
        assert client.get("/made").status_code == 201
        assert client.get("/quiet").text == "/quiet"
        assert client.get("/pieces").text == "a1"
        assert client.get("/away").location == "/"
        assert client.get("/messages").json == {"messages": [["info", "gone"]]}
        with client.get("/file") as sent:
            assert sent.mimetype == "text/x-python"
        assert client.put("/upload", data=b"xyz").json == {"bytes": 3}
        lines = client.put("/lines", data=b"head\none\ntwo", content_type="text/plain")
        assert lines.json == {"head": 5, "lines": 2}
        assert client.get("/pages/refuse").status_code == 403
        assert client.get("/pages/items/3").json["number"] == 3  # type: ignore[index]
        assert client.get("/?closed=1").status_code == 503
        assert client.get("/none").status_code == 404
        assert client.get("/").headers["X-Mark"] == "1"
    with app.test_request_context("/?a=1"):
        made: Request = request
        assert made.args["a"] == "1"


async def test_websocket() -> None:
    async with app.test_app():
        client = app.async_test_client()
        async with client.websocket("/echo") as connection:
            await connection.send("ping")
            assert await connection.receive() == "ping"
        assert (await client.post("/join", form={"address": "a@b.c"})).status_code == 202
