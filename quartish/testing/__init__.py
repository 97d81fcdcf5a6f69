"""Test clients: Werkzeug's by WSGI for the plain colour, and one by ASGI with Quart's API for
both."""

from __future__ import annotations

from .events import read_events
from .wsgi_client import EnvironBuilder
from .wsgi_client import FlaskClient
from .wsgi_client import FlaskCliRunner

__all__ = ["EnvironBuilder", "FlaskCliRunner", "FlaskClient", "read_events"]
