"""An app of the awaitable colour, as a user with strict type checkers writes it. It is run, too."""

from __future__ import annotations

import typing as t
from collections.abc import AsyncIterator

from quartish.quart import abort
from quartish.quart import Blueprint
from quartish.quart import current_app
from quartish.quart import flash
from quartish.quart import g
from quartish.quart import jsonify
from quartish.quart import make_response
from quartish.quart import Quart
from quartish.quart import redirect
from quartish.quart import render_template_string
from quartish.quart import Request
from quartish.quart import request
from quartish.quart import Response
from quartish.quart import ResponseReturnValue
from quartish.quart import send_file
from quartish.quart import session
from quartish.quart import stream_template_string
from quartish.quart import stream_with_context
from quartish.quart import url_for
from quartish.quart import websocket


class Shop(Quart):
    async def make_response(self, result: ResponseReturnValue) -> Response:
        response = await super().make_response(result)
        response.headers["X-Shop"] = self.name
        return response


app = Shop("awaitable_app")
app.secret_key = "key"
pages = Blueprint("pages", "awaitable_app", url_prefix="/pages")


@app.template_filter
def shout(text: str) -> str:
    return text.upper()


@app.template_global()
def version() -> str:
    return "1"


@app.before_serving
async def begin_serving() -> None:
    current_app.config["READY"] = True


@app.while_serving
async def serving() -> AsyncIterator[None]:
    yield


@app.before_request
async def begin() -> None:
    g.user = session.get("user")


@app.after_request
async def mark(response: Response) -> Response:
    response.headers["X-Mark"] = "1"
    return response


@app.errorhandler(404)
async def missing(error: Exception) -> ResponseReturnValue:
    return {"error": str(error)}, 404


@app.get("/")
async def index() -> str:
    return await render_template_string("{{ 'a' | shout }}{{ version() }}")


@app.post("/greet")
async def greet() -> dict[str, str]:
    name: str = (await request.form)["name"]
    size: int = len(await request.get_data())
    text: str = await request.get_data(as_text=True)
    return {"greeting": f"Hello, {name}!", "size": str(size), "text": text}


@app.post("/json")
async def as_json() -> Response:
    given: t.Any = await request.get_json()
    response = jsonify(given)
    data: bytes = await response.get_data()
    assert data
    return response


@app.get("/made")
async def made() -> Response:
    response = await make_response("made", 201)
    response.timeout = None
    return response


@app.get("/pieces")
async def pieces() -> ResponseReturnValue:
    @stream_with_context
    async def numbers() -> AsyncIterator[str]:
        yield request.path

    return numbers(), {"Content-Type": "text/plain"}


@app.get("/template")
async def template() -> ResponseReturnValue:
    return await stream_template_string("a{{ 1 }}"), 200


@app.get("/away")
async def away() -> ResponseReturnValue:
    await flash("gone", "info")
    return redirect(url_for("index"), 303)


@app.get("/file")
async def file() -> Response:
    return await send_file(__file__, mimetype="text/x-python", cache_timeout=60)


@app.put("/upload")
async def upload() -> dict[str, int]:
    return {"bytes": sum([len(chunk) async for chunk in request.body])}


@app.websocket("/echo")
async def echo() -> None:
    while True:
        message: str | bytes = await websocket.receive()
        await websocket.send(message)


@pages.get("/refuse")
async def refuse() -> t.NoReturn:
    abort(403, "No.")


app.register_blueprint(pages)


async def test_views() -> None:
    async with app.test_app():
        client = app.test_client()
        assert await (await client.get("/")).get_data(as_text=True) == "A1"
        response = await client.post("/greet", form={"name": "Ada"})
        assert (await response.get_json())["greeting"] == "Hello, Ada!"
        assert await (await client.post("/json", json={"a": 1})).get_json() == {"a": 1}
        assert (await client.get("/made")).status_code == 201
        assert await (await client.get("/pieces")).get_data() == b"/pieces"
        assert await (await client.get("/template")).get_data() == b"a1"
        assert (await client.get("/away")).location == "/"
        assert (await client.get("/file")).mimetype == "text/x-python"
        assert await (await client.put("/upload", data=b"xyz")).get_json() == {"bytes": 3}
        assert (await client.get("/pages/refuse")).status_code == 403
        assert (await client.get("/none")).status_code == 404
        async with client.websocket("/echo") as connection:
            await connection.send("ping")
            assert await connection.receive() == "ping"
    async with app.test_request_context("/?a=1"):
        made: Request = request
        assert made.args["a"] == "1"
