"""Flask-SQLAlchemy: models, the scoped session, pagination, 404s; one file of SQLite."""

from __future__ import annotations

import os
import typing as t

from flask import Flask
from flask import request
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Item(db.Model):  # type: ignore[name-defined]
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[int]
    name: Mapped[str]


def create_app() -> Flask:
    app = Flask(__name__, instance_path=os.getcwd())
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///items.db"
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {"connect_args": {"timeout": 30}}
    app.config["SQLALCHEMY_RECORD_QUERIES"] = True
    db.init_app(app)
    with app.app_context():
        db.create_all()

    @app.post("/<int:owner>/items")
    def add(owner: int) -> t.Any:
        item = Item(owner=owner, name=request.form["name"])
        db.session.add(item)
        db.session.commit()
        return {"name": item.name}, 201

    @app.get("/<int:owner>/items")
    def items(owner: int) -> t.Any:
        query = db.select(Item).filter_by(owner=owner).order_by(Item.name)
        page = db.paginate(query, per_page=2)
        return {"total": page.total, "page": page.page, "names": [item.name for item in page]}

    @app.get("/<int:owner>/items/<name>")
    def one(owner: int, name: str) -> t.Any:
        item = db.one_or_404(db.select(Item).filter_by(owner=owner, name=name))
        return item.name

    @app.post("/<int:owner>/rollback")
    def rollback(owner: int) -> t.Any:
        db.session.add(Item(owner=owner, name="never"))
        db.session.flush()
        raise ZeroDivisionError

    @app.get("/sessions")
    def sessions() -> t.Any:
        return {"same": db.session() is db.session(), "new": not db.session.new}

    return app


def visit(visitor: t.Any) -> None:
    home = f"/{visitor.number}"
    visitor.get(f"{home}/items")
    for name in ("pear", "apple", "quince"):
        visitor.post(f"{home}/items", {"name": name})
    visitor.get(f"{home}/items")
    visitor.get(f"{home}/items?page=2")
    visitor.get(f"{home}/items?page=9")
    visitor.get(f"{home}/items/apple")
    visitor.get(f"{home}/items/kiwi")
    visitor.post(f"{home}/rollback")
    visitor.get(f"{home}/items/never")
    visitor.post(f"{home}/items")
    visitor.get("/sessions")


def finish(app: Flask) -> t.Any:
    with app.app_context():
        pool: t.Any = db.engine.pool
        return {
            "items": db.session.scalar(db.select(db.func.count(Item.id))),
            "connections in use": pool.checkedout() - 1,
        }
