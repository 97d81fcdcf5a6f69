from __future__ import annotations

import pytest

from quartish import g
from quartish.testing import FlaskClient


def log_in(client: FlaskClient, name: str = "ada", password: str = "lovelace") -> None:
    client.post("/auth/register", data={"name": name, "password": password})
    client.post("/auth/login", data={"name": name, "password": password})


def test_register_and_log_in(client: FlaskClient) -> None:
    account = {"name": "ada", "password": "lovelace"}
    assert client.post("/auth/register", data=account).location == "/auth/login"
    assert client.post("/auth/register", data=account).status_code == 409
    assert client.post("/auth/login", data=account).location == "/"
    with client:
        client.get("/hello")
        assert g.author["name"] == "ada"
        client.post("/auth/logout")
        client.get("/hello")
        assert g.author is None


@pytest.mark.parametrize(("name", "password"), [("ada", "wrong"), ("nobody", "lovelace")])
def test_who_is_refused(client: FlaskClient, name: str, password: str) -> None:
    log_in(client)
    client.post("/auth/logout")
    answer = client.post("/auth/login", data={"name": name, "password": password})
    assert answer.status_code == 401 and "No such name" in answer.text


def test_a_name_is_needed(client: FlaskClient) -> None:
    answer = client.post("/auth/register", data={"name": " ", "password": "x"})
    assert answer.status_code == 400
    assert "<h1>Register</h1>" in client.get("/auth/register").text
