"""What `test_events` serves: events without an end, which say when they were ended."""

from __future__ import annotations

import asyncio
import os
import time
import typing as t
from pathlib import Path

import quartish
from quartish.groups import Groups
from quartish.streaming import sse


def make(cls: type[t.Any]) -> t.Any:
    app = cls(__name__)
    groups = Groups(app)
    notes = Path(os.environ["NOTES"])

    def note(text: str) -> None:
        with notes.open("a") as file:
            file.write(f"{text}\n")

    @app.get("/waits")
    @sse
    async def waits() -> t.AsyncIterator[str]:
        try:
            yield "first"
            await asyncio.sleep(600)
        finally:
            note("waits ended")

    @app.get("/group")
    @sse
    async def group() -> t.AsyncIterator[str]:
        try:
            async with groups.subscribe("all") as messages:
                yield "first"
                async for message in messages:
                    yield message.data
        finally:
            note("group ended")

    @app.get("/thread")
    @sse
    def thread() -> t.Iterator[str]:
        try:
            while True:
                yield "first"
                time.sleep(0.05)
        finally:
            note("thread ended")

    @app.after_serving
    async def after() -> None:
        await asyncio.sleep(0.5)  # what runs in a thread ends at its next event
        note("served")

    return app


plain = make(quartish.Flask)
awaitable = make(quartish.Quart)
