"""Typed websockets of both colours, for a server."""

from __future__ import annotations

import typing as t
from typing import Annotated

import msgspec

import quartish
from quartish.typed import Depends
from quartish.typed import Message
from quartish.typed import Messages


class Order(msgspec.Struct):
    sku: str
    quantity: Annotated[int, msgspec.Meta(ge=1)] = 1


class Count:
    """How many messages are being handled."""

    opened = closed = 0


def count() -> t.Iterator[Count]:
    Count.opened += 1
    yield Count()
    Count.closed += 1


async def listen(order: Annotated[Order, Message()], c: Annotated[Count, Depends()]) -> list[int]:
    return [order.quantity, c.opened, c.closed]


def listen_in_thread(order: Annotated[Order, Message()]) -> Order:
    return order


async def talk(messages: Messages[Order, int]) -> None:
    async for order in messages:
        await messages.send(order.quantity)


def make(colour: t.Any) -> t.Any:
    app = colour(__name__)
    app.provide(Count, count, scope="message")
    app.add_websocket("/listen", "listen", listen)
    app.add_websocket("/thread", "thread", listen_in_thread)
    app.add_websocket("/talk", "talk", talk)
    return app


flask, quart = make(quartish.Flask), make(quartish.Quart)
