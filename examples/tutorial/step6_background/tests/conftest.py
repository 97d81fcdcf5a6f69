from __future__ import annotations

from pathlib import Path

import pytest
from journal import create_app

from quartish import Flask
from quartish.testing import FlaskClient


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    database = str(tmp_path / "journal.sqlite")
    app = create_app({"TESTING": True, "DATABASE": database, "COUNT_EVERY": 0.01})
    made = app.test_cli_runner().invoke(args=["init-db"])
    assert made.exit_code == 0, made.output
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()
