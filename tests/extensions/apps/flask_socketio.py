"""Flask-SocketIO, by long polling: events, acknowledgements, rooms, the session, namespaces.

Its websockets need a socket of the WSGI server, which ASGI does not give: `async_mode` is
"threading" and the transport polling. `app.websocket` is what quartish has instead.
"""

from __future__ import annotations

import json
import typing as t

from flask import Flask
from flask import request
from flask import session
from flask_socketio import emit
from flask_socketio import join_room
from flask_socketio import Namespace
from flask_socketio import SocketIO

DOORS = ("served",)
SCRUB = r'(?<="sid":")[\w-]+|(?<=sid=)[\w-]+'
PATH = "/socket.io/?EIO=4&transport=polling"


class Chat(Namespace):  # type: ignore[misc]
    def on_connect(self) -> None:
        emit("welcome", {"to": "chat"})

    def on_say(self, text: str) -> t.Any:
        return text.upper()


def create_app() -> Flask:
    app = Flask(__name__)
    app.secret_key = "secret"
    socketio = SocketIO(app, async_mode="threading", logger=False)
    socketio.on_namespace(Chat("/chat"))

    @app.post("/session/<name>")
    def named(name: str) -> t.Any:
        session["name"] = name
        return "named"

    @app.post("/tell/<room>")
    def tell(room: str) -> t.Any:
        socketio.emit("told", request.get_json(), to=room)
        return "told"

    @socketio.on("connect")
    def connect() -> t.Any:
        return None if "name" in session else False

    @socketio.on("echo")
    def echo(data: t.Any) -> None:
        emit("echoed", {"data": data, "name": session["name"], "query": request.args["q"]})

    @socketio.on("join")
    def join(room: str) -> str:
        join_room(room)
        return f"in {room}"

    @socketio.on("fail")
    def fail() -> None:
        raise ValueError("failed")

    @socketio.on_error()
    def error(error: Exception) -> t.Any:
        return f"handled: {error}"

    return app


def visit(visitor: t.Any) -> None:
    name = f"ada{visitor.number}"
    sid = json.loads(visitor.get(PATH).text[1:])["sid"]
    visitor.post(f"{PATH}&sid={sid}", "40")
    visitor.get(f"{PATH}&sid={sid}")  # refused: no name in the session

    visitor.post(f"/session/{name}")
    path = f"{PATH}&q={name}"
    path += "&sid=" + json.loads(visitor.get(path).text[1:])["sid"]

    def say(*packets: str) -> None:
        visitor.post(path, "\x1e".join(packets))
        visitor.get(path)

    say("40")
    say('42["echo",{"a":[1,2]}]')
    say(f'421["join","room {name}"]')
    visitor.post(f"/tell/room {name}", json={"secret": name})
    visitor.get(path)
    say('422["fail"]')
    say("40/chat,")
    say('42/chat,3["say","hello"]')
    visitor.post(path, "41")
    visitor.get("/socket.io/?EIO=3&transport=polling")
