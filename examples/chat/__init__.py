"""A chat: rooms, their history, and browsers that reconnect by themselves and catch up.

One process keeps the rooms in memory. With `CHAT_REDIS=redis://...` any number of processes
share them through Redis.

    quartish --app examples.chat run
    CHAT_REDIS=redis://localhost hypercorn 'examples.chat:create_app()'
"""

from __future__ import annotations

import re
import typing as t
from datetime import datetime
from datetime import UTC

from quartish.groups import Groups
from quartish.groups import Message
from quartish.quart import abort
from quartish.quart import Blueprint
from quartish.quart import current_app
from quartish.quart import Quart
from quartish.quart import redirect
from quartish.quart import render_template
from quartish.quart import request
from quartish.quart import url_for
from quartish.quart import websocket
from quartish.typing import ResponseReturnValue

ROOM = re.compile(r"[\w-]{1,40}")
LONGEST = 2000  # characters of a message
INVALID_DATA = 1007  # RFC 6455's registry of close codes
BEHIND = 100  # messages that a slow client may be behind before it has to come again
HISTORY = 200  # messages of a room that are kept
CAUGHT_UP = '{"caught_up":true}'  # stands between the history and the news

bp = Blueprint("chat", __name__)


def create_app(config: t.Mapping[str, t.Any] | None = None) -> Quart:
    """Make the application; `config` wins over `CHAT_*` environment variables."""
    app = Quart(__name__)
    app.config.from_mapping(REDIS=None, ROOMS=["lobby", "kitchen", "observatory"])
    app.config.from_prefixed_env("CHAT")
    app.config.from_mapping(config)
    app.register_blueprint(bp)
    Groups(app, app.config["REDIS"], queue=BEHIND, history=HISTORY, prefix="chat", patience=60)
    return app


def groups() -> Groups:
    return t.cast(Groups, current_app.extensions["groups"])


@bp.url_value_preprocessor
def check_room(endpoint: str | None, values: dict[str, t.Any] | None) -> None:
    if values and "room" in values and not ROOM.fullmatch(values["room"]):
        abort(404, "Rooms are named by letters, digits, '_' and '-'.")


@bp.get("/")
async def door() -> ResponseReturnValue:
    """Ask who is there; the answer comes back as `?name=...&room=...`."""
    name, chosen = request.args.get("name", ""), request.args.get("room", "")
    if name and chosen:
        return redirect(url_for("chat.room", room=chosen, name=name))
    return await render_template("door.html", rooms=current_app.config["ROOMS"])


@bp.get("/rooms/<room>")
async def room(room: str) -> ResponseReturnValue:
    """Show a room. What is said in it comes over the websocket."""
    name = request.args.get("name", "")
    if not name:
        return redirect(url_for("chat.door"))
    rooms = dict.fromkeys([*current_app.config["ROOMS"], room])
    return await render_template("room.html", room=room, rooms=rooms, name=name)


@bp.websocket("/rooms/<room>/live")
async def live(room: str) -> None:
    """Say what was said after message `?after=`, then what is being said; take what `?name=`
    says. Messages are JSON objects; a client's `key` comes back with its message."""
    name = websocket.args.get("name", "")[:40] or abort(400, "Say your name: ?name=...")
    after = websocket.args.get("after", "")
    async with groups().join(room, after=after, caught_up=CAUGHT_UP, encode=encode) as me:
        async for line in me.messages():
            try:
                said = current_app.json.loads(line)
                text, key = str(said["text"])[:LONGEST], str(said.get("key", ""))[:40]
            except (ValueError, TypeError, KeyError, AttributeError):
                await websocket.close(INVALID_DATA, "a message is {text, key}")
                break
            now = datetime.now(UTC).isoformat(timespec="seconds")
            told = {"name": name, "text": text, "key": key, "at": now}
            await groups().send(room, told)  # to the one who said it, too


def encode(message: Message) -> str:
    """Return what a page is told: the id is what it asks for when it comes back."""
    return current_app.json.dumps({"id": message.id, **message.data})
