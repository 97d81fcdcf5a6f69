"""A tea shop: what the Flask ecosystem does for a shop, over ASGI, with live stock.

Flask-SQLAlchemy, Flask-Login, Flask-WTF, Flask-Migrate and Flask-Caching are used as they
are installed: `quartish.as_flask` comes first, and then their `flask` is quartish. A view
is `def` where it hashes passwords or writes to the database, and `async def` elsewhere.

    pip install 'quartish[shop]'
    quartish --app examples.shop db upgrade
    quartish --app examples.shop seed
    quartish --app examples.shop run

Where `SHOP_REDIS` names a Redis, sessions are kept there, and those who are logged in can end their
other ones (`pip install 'quartish[redis]'`).
"""

from __future__ import annotations

import typing as t
from pathlib import Path

from werkzeug.exceptions import HTTPException

import quartish.as_flask  # noqa: F401, before the extensions, which import flask
from quartish import Flask
from quartish import render_template
from quartish.typing import ResponseReturnValue

from . import accounts
from . import admin
from . import catalogue
from . import extensions
from . import live
from . import orders
from .seed import seed


def create_app(config: t.Mapping[str, t.Any] | None = None) -> Flask:
    """Make the application; `config` wins over `SHOP_*` environment variables."""
    app = Flask(__name__)
    app.config.from_mapping(
        CACHE_DEFAULT_TIMEOUT=60,
        CACHE_TYPE="SimpleCache",
        DATA=app.instance_path,  # holds the database, unless that is named
        MAX_CONTENT_LENGTH=64 * 1024,
        REDIS=None,
        SECRET_KEY="dev",
        SESSION_COOKIE_SAMESITE="Lax",
        SHOP_NAME="Slow Leaf",
    )
    app.config.from_prefixed_env("SHOP")
    app.config.from_mapping(config)
    data = Path(app.config["DATA"]).absolute()
    data.mkdir(parents=True, exist_ok=True)
    app.config.setdefault("SQLALCHEMY_DATABASE_URI", f"sqlite:///{data / 'shop.sqlite'}")

    extensions.init_app(app)
    for part in accounts, admin, catalogue, live, orders:
        app.register_blueprint(part.bp)
    app.cli.add_command(seed)
    app.add_template_filter(money)
    app.register_error_handler(HTTPException, show_error)
    return app


def money(cents: int) -> str:
    """Write an amount for people: 1250 is €12.50."""
    return f"€{cents // 100}.{cents % 100:02}"


async def show_error(error: HTTPException) -> ResponseReturnValue:
    return render_template("error.html", error=error), error.code or 500
