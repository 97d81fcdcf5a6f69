"""Flask-SocketIO, by threads, with a message queue in Redis or none."""

from __future__ import annotations

from flask import Flask
from flask_socketio import emit
from flask_socketio import join_room
from flask_socketio import SocketIO

from . import REDIS

app = Flask(__name__)
socketio = SocketIO(app, message_queue=REDIS, async_mode="threading")


@socketio.on("connect")
def connect() -> None:
    join_room("room")
    emit("said", "joined")


@socketio.on("say")
def say(text: str) -> None:
    socketio.emit("said", text, to="room")
