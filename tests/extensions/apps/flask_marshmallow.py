"""Flask-Marshmallow: schemas of models, links and URLs in them, what was sent checked."""

from __future__ import annotations

import os
import typing as t

from flask import Flask
from flask import request
from flask_marshmallow import Marshmallow
from flask_sqlalchemy import SQLAlchemy
from marshmallow import ValidationError

db = SQLAlchemy()
ma = Marshmallow()


class Book(db.Model):  # type: ignore[name-defined]
    id = db.Column(db.Integer, primary_key=True)
    title = db.Column(db.String(80), nullable=False)


class BookSchema(ma.SQLAlchemyAutoSchema):  # type: ignore[misc]
    class Meta:
        model = Book
        load_instance = True
        sqla_session = db.session

    links = ma.Hyperlinks({"self": ma.URLFor("book", values={"id": "<id>"})})
    away = ma.AbsoluteURLFor("book", values={"id": "<id>"})


schema = BookSchema()


def create_app() -> Flask:
    app = Flask(__name__, instance_path=os.getcwd())
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///books.db"
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {"connect_args": {"timeout": 30}}
    db.init_app(app)
    ma.init_app(app)
    with app.app_context():
        db.create_all()

    @app.errorhandler(ValidationError)
    def wrong(error: ValidationError) -> t.Any:
        return error.normalized_messages(), 422

    @app.post("/books")
    def add() -> t.Any:
        book = schema.load(request.get_json())
        db.session.add(book)
        db.session.commit()
        return schema.jsonify(book), 201

    @app.get("/books/<int:id>")
    def book(id: int) -> t.Any:
        return schema.dump(db.get_or_404(Book, id))

    return app


def visit(visitor: t.Any) -> None:
    number = visitor.number + 1
    visitor.post("/books", json={"id": number, "title": f"volume {number}"})
    visitor.get(f"/books/{number}")
    visitor.get("/books/99")
    visitor.post("/books", json={"titel": "x"})
    visitor.post("/books", data="[", content_type="application/json")
