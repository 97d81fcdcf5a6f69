"""An order book: a typed API over SQLAlchemy and sqlite, its document, and a page that uses it.

quartish --app examples.orders run
quartish --app examples.orders openapi openapi.json
"""

from __future__ import annotations

import typing as t

from sqlalchemy.ext.asyncio import AsyncSession

from quartish.quart import Quart
from quartish.quart import render_template
from quartish.typed.openapi import OpenAPI

from .api import bp
from .database import Database
from .database import open_database
from .database import open_session


def create_app(config: t.Mapping[str, t.Any] | None = None) -> Quart:
    """Make the application; `config` wins over `ORDERS_*` environment variables."""
    app = Quart(__name__)
    app.config.from_mapping(DATABASE="sqlite+aiosqlite:///orders.db", TOKEN="secret")
    app.config.from_prefixed_env("ORDERS")
    app.config.from_mapping(config)
    app.provide(Database, open_database, scope="app")
    app.provide(AsyncSession, open_session)
    app.register_blueprint(bp)
    OpenAPI(
        app,
        title="Orders",
        version="1.0.0",
        security_schemes={"token": {"type": "http", "scheme": "bearer"}},
    )

    @app.get("/")
    async def index() -> str:
        """The page, which asks the API."""
        return await render_template("orders.html")

    return app
