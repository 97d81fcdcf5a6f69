"""An app on two machines: what it keeps is in Redis, so that each process may answer everybody."""

from __future__ import annotations

import os
import typing as t

from redis.asyncio import Redis

from quartish import Flask
from quartish import request
from quartish.health import Health

app = Flask(__name__)
health = Health(app)
redis: t.Any = Redis.from_url(os.environ.get("REDIS_URL", "redis://localhost"))
#: Which machine this is: what its operator calls it.
MACHINE = os.environ.get("MACHINE", "one")


@health.check
async def kept() -> None:
    await redis.ping()


@app.get("/")
async def index() -> t.Any:
    """Ask as often as you like: nginx asks the other machine where this one has gone."""
    return {"machine": MACHINE, "orders": await redis.scard("orders")}


@app.post("/orders/<name>")
async def order(name: str) -> t.Any:
    """Keep an order. The client names it, so that it may be sent again without being two."""
    added = await redis.sadd("orders", name)
    return {"machine": MACHINE, "added": added, "as": request.url}, 201
