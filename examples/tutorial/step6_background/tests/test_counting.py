from __future__ import annotations

from quartish import Flask


async def test_pages_are_told_how_many_there_are(app: Flask) -> None:
    async with app.test_app():  # start-up and shutdown
        async with app.async_test_client().websocket("/live") as page:
            assert await page.receive_json() == {"listening": True}
            assert await page.receive_json() == {"count": 0}
