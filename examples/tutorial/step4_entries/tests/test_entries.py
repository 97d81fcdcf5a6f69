from __future__ import annotations

import pytest
from test_auth import log_in

from quartish.testing import FlaskClient


def test_write_change_delete(client: FlaskClient) -> None:
    log_in(client)
    made = client.post("/write", data={"title": "Nets", "body": "<b>Cast</b> them."})
    assert made.location == "/"
    page = client.get("/").text
    assert "<h2>Nets</h2>" in page and "&lt;b&gt;Cast" in page and 'href="/1/edit"' in page
    client.post("/1/edit", data={"title": "Boats", "body": ""})
    assert "<h2>Boats</h2>" in client.get("/").text
    client.post("/1/delete")
    assert "Boats" not in client.get("/").text


@pytest.mark.parametrize("path", ["/write", "/1/edit", "/1/delete"])
def test_who_is_not_logged_in(client: FlaskClient, path: str) -> None:
    assert client.post(path).location == "/auth/login"


def test_entries_of_others(client: FlaskClient) -> None:
    log_in(client)
    client.post("/write", data={"title": "Nets", "body": ""})
    log_in(client, "grace", "hopper")
    assert "Edit" not in client.get("/").text
    assert client.post("/1/delete").status_code == 403
    assert client.post("/9/delete").status_code == 404


def test_a_title_is_needed(client: FlaskClient) -> None:
    log_in(client)
    assert "needs a title" in client.post("/write", data={"title": " ", "body": "x"}).text
