"""Apps that hand uploads on, part by part, and tell what that took."""

from __future__ import annotations

import hashlib
import tempfile
import typing as t
from pathlib import Path

import quartish
from quartish import request


def no_file(*args: t.Any, **kwargs: t.Any) -> t.NoReturn:
    raise AssertionError("an upload went to disk")


tempfile.TemporaryFile = tempfile.NamedTemporaryFile = no_file  # type: ignore[misc, assignment]


def memory() -> int:
    """Return the most kilobytes that the process has had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def make(colour: type[t.Any], **options: t.Any) -> t.Any:
    app = colour(__name__)
    app.config["MAX_CONTENT_LENGTH"] = None

    @app.post("/loop", **options)
    async def loop() -> t.Any:
        before, told = memory(), {}
        async for part in request.parts:
            digest, size = hashlib.sha1(usedforsecurity=False), 0
            async for piece in part:
                digest.update(piece)
                size += len(piece)
            told[part.name] = [size, digest.hexdigest()]
        return {"parts": told, "grew": memory() - before}

    @app.post("/warm", **options)
    async def warm() -> t.Any:
        return {}

    if app.plain:

        @app.post("/thread")
        def thread() -> t.Any:
            before, told = memory(), {}
            for part in request.parts:
                digest, size = hashlib.sha1(usedforsecurity=False), 0
                for piece in part:
                    digest.update(piece)
                    size += len(piece)
                told[part.name] = [size, digest.hexdigest()]
            return {"parts": told, "grew": memory() - before}

    return app


plain = make(quartish.Flask, stream_body=True)
awaitable = make(quartish.Quart)
