"""What typed views of all frameworks serve: the same checks, in each one's own idiom.

    POST /order                     JSON of 1 kB, a struct; how many lines it has
    GET  /search?q&page&size&exact  four values of the query
    GET  /item/<int>                one of the path
    GET  /me                        a chain of three components

quartish's is here; the peers' are in their own modules.
"""

from __future__ import annotations

import typing as t
from typing import Annotated

import msgspec


class Line(msgspec.Struct):
    sku: Annotated[str, msgspec.Meta(max_length=20)]
    quantity: Annotated[int, msgspec.Meta(ge=1)]
    price: float


class Order(msgspec.Struct):
    id: int
    customer: Annotated[str, msgspec.Meta(min_length=1)]
    lines: list[Line]


class Settings:
    token = "secret"


class Database:
    def __init__(self, settings: Settings) -> None:
        self.users = {settings.token: "Ada"}


class User:
    def __init__(self, name: str) -> None:
        self.name = name


async def open_settings() -> Settings:
    return Settings()


def build(app_class: t.Any) -> t.Any:
    """Return quartish's app. Raises LookupError for a class that is not quartish's."""
    if not app_class.__module__.startswith("quartish"):
        raise LookupError(f"{app_class} has no typed views")
    from quartish.typed import Depends
    from quartish.typed import Query
    from quartish.typed import typed

    async def open_database(settings: Annotated[Settings, Depends()]) -> Database:
        return Database(settings)

    async def find_user(database: Annotated[Database, Depends()]) -> User:
        return User(database.users["secret"])

    for func in (open_database, find_user):
        func.__annotations__ = t.get_type_hints(
            func, {**globals(), "Depends": Depends}, include_extras=True
        )
    app = app_class("benchmarks")
    app.provide(Settings, open_settings)
    app.provide(Database, open_database)
    app.provide(User, find_user)

    @app.post("/order")
    @typed
    async def order(order: Order) -> dict[str, int]:
        return {"lines": len(order.lines)}

    async def search(q: t.Any, page: t.Any, size: t.Any, exact: t.Any) -> dict[str, t.Any]:
        return {"q": q, "page": page, "size": size, "exact": exact}

    search.__annotations__ = {
        "q": str,
        "page": Annotated[int, Query(ge=1)],
        "size": Annotated[int, Query(le=100)],
        "exact": bool,
        "return": dict[str, t.Any],
    }
    app.add_url_rule("/search", view_func=search)

    @app.get("/item/<number>")
    @typed
    async def item(number: int) -> dict[str, int]:
        return {"number": number}

    async def me(user: t.Any) -> dict[str, str]:
        return {"name": user.name}

    me.__annotations__ = {"user": Annotated[User, Depends()], "return": dict[str, str]}
    app.add_url_rule("/me", view_func=me)
    return app
