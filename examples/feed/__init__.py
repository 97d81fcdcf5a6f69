"""A feed: what is posted appears in every open page at once, by server-sent events.

A browser that was cut off comes back by itself and says which entry it saw last; what was
posted meanwhile is sent first, so that it misses nothing.

    quartish --app examples.feed run
"""

from __future__ import annotations

import asyncio
import typing as t

from quartish import Flask
from quartish import redirect
from quartish import render_template
from quartish import request
from quartish import url_for
from quartish.streaming import Event
from quartish.streaming import last_event_id
from quartish.streaming import sse
from quartish.typing import ResponseReturnValue

LONGEST = 500  # characters of an entry


class Feed:
    """What was posted, from 1 on."""

    def __init__(self) -> None:
        self.entries: list[str] = []
        self._grew = asyncio.Event()

    def post(self, text: str) -> None:
        self.entries.append(text)
        self._grew.set()  # for all who wait; who comes later waits for the next
        self._grew = asyncio.Event()

    def number_of(self, seen: str) -> int:
        """Return which entry a client says it has seen: 0 for what is none. It may say anything, or
        have seen those that there were before the server was started again."""
        number = int(seen) if seen.isdecimal() and len(seen) < 10 else 0
        return number if number <= len(self.entries) else 0

    async def after(self, number: int) -> t.AsyncIterator[tuple[int, str]]:
        """Yield each entry after `number`, those to come as well."""
        while True:
            if number < len(self.entries):
                number += 1
                yield number, self.entries[number - 1]
            else:
                await self._grew.wait()


def create_app() -> Flask:
    app = Flask(__name__)
    feed = Feed()

    @app.get("/")
    async def page() -> str:
        return render_template("feed.html")

    @app.post("/")
    async def post() -> ResponseReturnValue:
        text = request.form.get("text", "").strip()
        if not 0 < len(text) <= LONGEST:
            return f"An entry has 1 to {LONGEST} characters.\n", 422
        feed.post(text)
        return redirect(url_for("page"), 303)

    @app.get("/events")
    @sse(retry=300)
    async def events() -> t.AsyncIterator[Event]:
        async for number, text in feed.after(feed.number_of(last_event_id() or "")):
            yield Event({"text": text}, id=str(number))

    return app
