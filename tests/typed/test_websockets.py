"""Websockets: their parameters and components, in both colours."""

from __future__ import annotations

import typing as t
from typing import Annotated

import pytest

from quartish.quart import websocket
from quartish.testing.connections import WebsocketResponseError
from quartish.typed import Depends
from quartish.typed import Header
from quartish.typed import Query

log: list[str] = []


class Room:
    def __init__(self, name: str) -> None:
        self.name = name


async def open_room(name: str, token: Annotated[str, Header()] = "") -> t.AsyncIterator[Room]:
    log.append("open")
    yield Room(f"{name} {token}")
    log.append("close")


def make(colour: type[t.Any]) -> t.Any:
    app = colour(__name__)
    log.clear()

    @app.websocket("/rooms/<name>")
    async def room(
        room: Annotated[Room, Depends(open_room)], since: Annotated[int, Query(ge=0)] = 0
    ) -> None:
        await websocket.send(f"{room.name} {since}")
        await websocket.send(await websocket.receive())

    return app


async def test_parameters_and_components(colour: type[t.Any]) -> None:
    app = make(colour)
    client = app.async_test_client() if app.plain else app.test_client()
    async with client.websocket("/rooms/kitchen?since=3", headers={"Token": "x"}) as connection:
        assert await connection.receive() == "kitchen x 3"
        assert log == ["open"]
        await connection.send("hello")
        assert await connection.receive() == "hello"
    assert log == ["open", "close"]


async def test_a_handshake_that_is_wrong_is_refused(colour: type[t.Any]) -> None:
    app = make(colour)
    client = app.async_test_client() if app.plain else app.test_client()
    with pytest.raises(WebsocketResponseError) as raised:
        async with client.websocket("/rooms/kitchen?since=-1") as connection:
            await connection.receive()
    assert raised.value.response.status_code == 422
    assert log == []
