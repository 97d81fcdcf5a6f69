"""Test clients: Werkzeug's over the WSGI door for the plain colour, an ASGI one (Quart's
API) for either."""

from __future__ import annotations

from .events import read_events
from .wsgi_client import EnvironBuilder
from .wsgi_client import FlaskClient
from .wsgi_client import FlaskCliRunner

__all__ = ["EnvironBuilder", "FlaskCliRunner", "FlaskClient", "read_events"]
