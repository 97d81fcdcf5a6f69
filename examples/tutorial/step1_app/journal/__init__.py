"""A journal: people write entries, and others see them come."""

from __future__ import annotations

import typing as t

from quartish import Flask


def create_app(config: t.Mapping[str, t.Any] | None = None) -> Flask:
    """Make the app; `config` goes before the variables `JOURNAL_...` of the environment."""
    app = Flask(__name__)
    app.config.from_mapping(SECRET_KEY="dev", DATABASE="journal.sqlite")
    app.config.from_prefixed_env("JOURNAL")
    app.config.from_mapping(config)

    @app.get("/hello")
    async def hello() -> str:
        return "Hello, journal!"

    return app
