"""An app as it is deployed: behind a proxy, if `BEHIND_PROXY` says so, and by any server."""

from __future__ import annotations

import asyncio
import os
import typing as t

from quartish import Flask
from quartish import jsonify
from quartish import request
from quartish import url_for
from quartish import websocket
from quartish.middleware import ProxyFix

app = Flask(__name__)
app.config.from_prefixed_env()
if os.environ.get("BEHIND_PROXY"):
    # As many proxies as there are, and no more: their word is believed.
    app.asgi_app = ProxyFix(app.asgi_app, x_host=1, x_prefix=1)  # type: ignore[method-assign]


@app.get("/")
async def index() -> t.Any:
    return jsonify(client=request.remote_addr, url=request.url, style=url_for_style())


@app.get("/process")
async def process() -> str:
    """Which of several processes this is."""
    return str(os.getpid())


@app.get("/slow")
async def slow() -> str:
    """Takes its time, and is let finish when the server stops."""
    await asyncio.sleep(1)
    return "done"


@app.get("/stream")
async def stream() -> t.Any:
    async def lines() -> t.AsyncIterator[str]:
        for number in range(3):
            yield f"{number}\n"
            await asyncio.sleep(0.1)

    return lines()


@app.websocket("/ws")
async def echo() -> None:
    while True:
        await websocket.send(await websocket.receive())


def url_for_style() -> str:
    return url_for("static", filename="style.css")
