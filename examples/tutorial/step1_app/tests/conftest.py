from __future__ import annotations

from pathlib import Path

import pytest
from journal import create_app

from quartish import Flask
from quartish.testing import FlaskClient


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    return create_app({"TESTING": True, "DATABASE": str(tmp_path / "journal.sqlite")})


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()
