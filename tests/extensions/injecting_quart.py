"""dishka, with its integration for Quart (quart-dishka), beside and around typed views of one app.

python injecting_quart.py
"""

from __future__ import annotations

import asyncio
import typing as t
from typing import Annotated

import quartish.as_quart  # noqa: F401 (makes what others import ours)


class Database:
    def __init__(self, name: str) -> None:
        self.name = name


closed: list[str] = []


async def open_database() -> t.AsyncIterator[Database]:
    yield Database("dishka")
    closed.append("dishka")


async def main() -> None:
    import quart
    from dishka import FromDishka
    from dishka import make_async_container
    from dishka import Provider
    from dishka import Scope
    from quart_dishka import inject
    from quart_dishka import QuartDishka
    from quart_dishka import QuartProvider

    from quartish.typed import Message
    from quartish.typed import Query

    app = quart.Quart("dishka")
    assert type(app).__module__.startswith("quartish")
    provider = Provider(scope=Scope.SESSION)
    provider.provide(open_database)
    injected: t.Any = FromDishka
    injected = injected[Database]

    async def plain(number: int, database: t.Any) -> str:
        return f"{database.name} {number}"

    async def typed(number: int, page: int, database: t.Any) -> str:
        return f"{database.name} {number} {page}"

    async def listens(number: int, database: t.Any) -> str:
        return f"{database.name} {number}"

    page = Annotated[int, Query(ge=1)]
    plain.__annotations__ = {"number": int, "database": injected, "return": str}
    typed.__annotations__ = {"number": int, "page": page, "database": injected, "return": str}
    listens.__annotations__ = {
        "number": Annotated[int, Message()],
        "database": injected,
        "return": str,
    }
    app.add_url_rule("/plain/<int:number>", "plain", inject(plain))
    app.add_url_rule("/typed/<int:number>", "typed", inject(typed))
    app.add_websocket("/listens", "listens", inject(listens))
    QuartDishka(app=app, container=make_async_container(provider, QuartProvider()))

    client = app.test_client()
    assert await (await client.get("/plain/3")).get_data(as_text=True) == "dishka 3"
    assert closed == ["dishka"], closed
    assert await (await client.get("/typed/3?page=2")).get_data(as_text=True) == "dishka 3 2"
    assert closed == ["dishka"] * 2, closed
    assert (await client.get("/typed/3?page=0")).status_code == 422
    async with client.websocket("/listens") as connection:
        for number in (4, 5):
            await connection.send(f"{number}")
            assert await connection.receive() == f"dishka {number}"
    assert closed == ["dishka"] * 3, closed


if __name__ == "__main__":
    asyncio.run(main())
    print("works")
