"""A blog: people register, write posts, add a picture, change their minds.

It is an ordinary Flask application whose views happen to be `async def`. With the word
`quartish` replaced by `flask` in its imports it runs under Flask too, once sqlite is told
to look away: Flask moves an async view to a thread of its own, away from the hook that
opened the connection (`BLOG_SQLITE='{"check_same_thread": false}'`).

    quartish --app examples.blog init-db
    quartish --app examples.blog run
"""

from __future__ import annotations

import typing as t
from datetime import datetime
from pathlib import Path

from werkzeug.exceptions import HTTPException

from quartish import Flask
from quartish import render_template
from quartish.typing import ResponseReturnValue

from . import auth
from . import blog
from . import db


def create_app(config: t.Mapping[str, t.Any] | None = None) -> Flask:
    """Make the application; `config` wins over `BLOG_*` environment variables."""
    app = Flask(__name__)
    app.config.from_mapping(
        BLOG_NAME="Marginalia",
        DATA=app.instance_path,  # holds the database and the pictures
        MAX_CONTENT_LENGTH=2 * 1024 * 1024,
        SECRET_KEY="dev",
        SESSION_COOKIE_SAMESITE="Lax",
        SQLITE={},  # further arguments of sqlite3.connect
    )
    app.config.from_prefixed_env("BLOG")
    app.config.from_mapping(config)
    Path(app.config["DATA"], "pictures").mkdir(parents=True, exist_ok=True)

    db.init_app(app)
    app.register_blueprint(auth.bp)
    app.register_blueprint(blog.bp)
    app.add_template_filter(day)
    for code in 403, 404, 413, 500:
        app.register_error_handler(code, show_error)
    return app


def day(written: str) -> str:
    """Shorten a timestamp of the database for people."""
    return datetime.fromisoformat(written).strftime("%d %B %Y").lstrip("0")


async def show_error(error: HTTPException) -> ResponseReturnValue:
    return render_template("error.html", error=error), error.code or 500
