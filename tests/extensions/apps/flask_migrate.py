"""Flask-Migrate: migrations written, applied and taken back, by functions and by commands."""

from __future__ import annotations

import os
import typing as t

from flask import Flask
from flask_migrate import downgrade
from flask_migrate import init
from flask_migrate import Migrate
from flask_migrate import migrate
from flask_migrate import upgrade
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import inspect

db = SQLAlchemy()


class Note(db.Model):  # type: ignore[name-defined]
    id = db.Column(db.Integer, primary_key=True)
    text = db.Column(db.String(80), nullable=False)


def create_app() -> Flask:
    app = Flask(__name__, root_path=".", instance_path=os.getcwd())
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///notes.db"
    db.init_app(app)
    Migrate(app, db)
    with app.app_context():
        init()
        migrate(message="notes", rev_id="one")
        upgrade()

    @app.get("/tables")
    def tables() -> t.Any:
        return inspect(db.engine).get_table_names()

    @app.post("/<int:number>")
    def add(number: int) -> t.Any:
        db.session.add(Note(text=f"note {number}"))
        db.session.commit()
        return {"notes": db.session.query(Note).filter_by(text=f"note {number}").count()}

    return app


def visit(visitor: t.Any) -> None:
    visitor.get("/tables")
    visitor.post(f"/{visitor.number}")


def finish(app: Flask) -> t.Any:
    runner = app.test_cli_runner()
    results = [runner.invoke(args=["db", *args.split()]) for args in COMMANDS]
    with app.app_context():
        downgrade()
        left = inspect(db.engine).get_table_names()
        db.engine.dispose()
    return {
        "commands": [[result.exit_code, result.stdout] for result in results],
        "left": left,
    }


COMMANDS = ["current", "history", "heads", "downgrade", "upgrade", "stamp head", "nonsense"]
