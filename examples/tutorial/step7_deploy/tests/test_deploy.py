from __future__ import annotations

from pathlib import Path

import pytest
from journal import create_app

from quartish import request
from quartish.production import check_production

ENVIRONMENT = Path(__file__).parents[1] / "deploy" / "journal.env"


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what systemd sets, with a key that somebody made."""
    for line in ENVIRONMENT.read_text().splitlines():
        if not line.startswith("#"):
            name, _, value = line.partition("=")
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("JOURNAL_SECRET_KEY", "f3cfe9ed8fae309f02079dbf0a6b1c2d")


def test_production_wants_nothing_else(deployed: None) -> None:
    assert check_production(create_app()) == []


def test_it_wants_something_of_the_defaults() -> None:
    assert "SECRET_KEY" in {finding.name for finding in check_production(create_app())}


async def test_the_client_is_whom_the_proxy_names(deployed: None) -> None:
    app = create_app()

    @app.get("/whence")
    async def whence() -> str:
        return f"{request.remote_addr} by {request.scheme}"

    headers = {
        "Host": "journal.example.org",
        "X-Forwarded-For": "192.0.2.7",
        "X-Forwarded-Proto": "https",
    }
    answer = await app.async_test_client().get("/whence", headers=headers)
    assert answer.text == "192.0.2.7 by https"
