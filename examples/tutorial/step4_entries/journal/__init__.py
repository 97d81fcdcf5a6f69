"""A journal: people write entries, and others see them come."""

from __future__ import annotations

import typing as t

from quartish import Flask

from . import auth
from . import db
from . import entries


def create_app(config: t.Mapping[str, t.Any] | None = None) -> Flask:
    """Make the app; `config` goes before the variables `JOURNAL_...` of the environment."""
    app = Flask(__name__)
    app.config.from_mapping(SECRET_KEY="dev", DATABASE="journal.sqlite")
    app.config.from_prefixed_env("JOURNAL")
    app.config.from_mapping(config)

    db.init_app(app)
    app.register_blueprint(auth.bp)
    app.register_blueprint(entries.bp)

    @app.get("/hello")
    async def hello() -> str:
        return "Hello, journal!"

    return app
