from __future__ import annotations

import asyncio

import pytest

from quartish import Flask
from quartish.testing.connections import WebsocketResponseError


async def test_an_open_page_sees_an_entry_come(app: Flask) -> None:
    account = {"name": "ada", "password": "lovelace"}
    client = app.async_test_client()
    await client.post("/auth/register", form=account)
    await client.post("/auth/login", form=account)
    async with client.websocket("/live") as page:
        assert await page.receive_json() == {"listening": True}
        await client.post("/write", form={"title": "Nets", "body": "Cast them."})
        entry = {"title": "Nets", "body": "Cast them.", "name": "ada"}
        assert await page.receive_json() == entry
    async with asyncio.timeout(5):
        while app.extensions["listeners"]:
            await asyncio.sleep(0.01)


async def test_pages_of_other_sites_hear_nothing(app: Flask) -> None:
    client = app.async_test_client()
    headers = {"Origin": "https://evil.example"}
    with pytest.raises(WebsocketResponseError) as refused:
        async with client.websocket("/live", headers=headers) as page:
            await page.receive()
    assert refused.value.response.status_code == 403
