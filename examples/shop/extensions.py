"""The Flask extensions of the shop, made here once, given to each app by `init_app`."""

from __future__ import annotations

import typing as t
from pathlib import Path

from flask_caching import Cache
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from sqlalchemy.orm import DeclarativeBase

from quartish.sessions import RedisSessionInterface


class Base(DeclarativeBase): ...


db = SQLAlchemy(model_class=Base)
cache = Cache()
csrf = CSRFProtect()
login: t.Any = LoginManager()
login.login_view = "accounts.log_in"
login.login_message = "Log in first, please."
migrate = Migrate(db=db, directory=str(Path(__file__).parent / "migrations"))


def init_app(app: t.Any) -> None:  # Any: the extensions' types speak of Flask's own class
    for extension in db, cache, csrf, login, migrate:
        extension.init_app(app)
    if app.config["REDIS"]:
        app.session_interface = RedisSessionInterface(app.config["REDIS"])
