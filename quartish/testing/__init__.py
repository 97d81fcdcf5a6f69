"""Test clients: Werkzeug's over the WSGI door for the plain colour, an ASGI one (Quart's
API) for either."""

from __future__ import annotations

from ._plain import EnvironBuilder
from ._plain import FlaskClient
from ._plain import FlaskCliRunner

__all__ = ["EnvironBuilder", "FlaskClient", "FlaskCliRunner"]
