"""A journal: people write entries, and others see them come."""

from __future__ import annotations

import typing as t

from quartish import Flask
from quartish.middleware import ProxyFix

from . import auth
from . import counting
from . import db
from . import entries
from . import live


def create_app(config: t.Mapping[str, t.Any] | None = None) -> Flask:
    """Make the app; `config` goes before the variables `JOURNAL_...` of the environment."""
    app = Flask(__name__)
    app.config.from_mapping(
        SECRET_KEY="dev",
        DATABASE="journal.sqlite",
        SESSION_COOKIE_SAMESITE="Lax",
        COUNT_EVERY=10.0,  # seconds
        WEBSOCKET_ALLOWED_ORIGINS=["same", None],  # no pages of other sites
    )
    app.config.from_prefixed_env("JOURNAL")
    app.config.from_mapping(config)

    app.add_middleware(ProxyFix)  # one proxy in front, and no more
    db.init_app(app)
    app.register_blueprint(auth.bp)
    app.register_blueprint(entries.bp)
    app.register_blueprint(live.bp)
    app.register_blueprint(counting.bp)

    @app.get("/hello")
    async def hello() -> str:
        return "Hello, journal!"

    return app
