"""peewee's FlaskDB: a connection that is opened before each request and closed after it, and kept
per thread; one file of SQLite."""

from __future__ import annotations

import asyncio
import typing as t

from flask import Flask
from flask import request
from peewee import CharField
from peewee import IntegerField
from playhouse.flask_utils import FlaskDB
from playhouse.flask_utils import get_object_or_404

db: t.Any = FlaskDB()


class Item(db.Model):  # type: ignore[misc, name-defined]
    owner = IntegerField()
    name = CharField()


def create_app() -> Flask:
    app = Flask(__name__)
    app.config["DATABASE"] = "sqlite:///items.db?timeout=30"
    app.config["SYNC_HOOKS_IN_THREAD"] = ["playhouse"]  # means nothing to Flask
    db.init_app(app)
    with db.database.connection_context():
        db.database.create_tables([Item])

    @app.before_request
    async def linger() -> None:
        await asyncio.sleep(0.005)  # others come meanwhile

    @app.post("/<int:owner>/items")
    def add(owner: int) -> t.Any:
        item = Item.create(owner=owner, name=request.form["name"])
        return {"name": item.name}, 201

    @app.get("/<int:owner>/items")
    def items(owner: int) -> t.Any:
        return [item.name for item in Item.select().where(Item.owner == owner).order_by(Item.name)]

    @app.get("/<int:owner>/items/<name>")
    def one(owner: int, name: str) -> t.Any:
        return get_object_or_404(Item, (Item.owner == owner), (Item.name == name)).name

    @app.post("/<int:owner>/rollback")
    def rollback(owner: int) -> t.Any:
        with db.database.atomic():
            Item.create(owner=owner, name="never")
            raise ZeroDivisionError

    return app


def visit(visitor: t.Any) -> None:
    home = f"/{visitor.number}"
    visitor.get(f"{home}/items")
    for name in ("pear", "apple", "quince"):
        visitor.post(f"{home}/items", {"name": name})
    visitor.get(f"{home}/items")
    visitor.get(f"{home}/items/apple")
    visitor.get(f"{home}/items/kiwi")
    visitor.post(f"{home}/rollback")
    visitor.get(f"{home}/items/never")
    visitor.post(f"{home}/items")


def finish(app: Flask) -> t.Any:
    with db.database.connection_context():
        return Item.select().count()
