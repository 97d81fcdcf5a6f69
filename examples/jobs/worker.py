"""What `taskiq worker examples.jobs.worker:broker` runs."""

from __future__ import annotations

from taskiq import AsyncBroker

from . import create_app

app = create_app()
broker: AsyncBroker = app.extensions["taskiq"]
