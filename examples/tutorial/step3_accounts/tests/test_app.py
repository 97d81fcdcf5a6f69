from __future__ import annotations

from journal import create_app

from quartish.testing import FlaskClient


def test_hello(client: FlaskClient) -> None:
    assert client.get("/hello").text == "Hello, journal!"


def test_config() -> None:
    assert create_app().config["SECRET_KEY"] == "dev"
    assert create_app({"SECRET_KEY": "other"}).config["SECRET_KEY"] == "other"
