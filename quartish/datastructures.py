"""Uploaded files of the awaitable colour."""

from __future__ import annotations

import asyncio
import os
import shutil
import typing as t

from werkzeug.datastructures import FileStorage as WerkzeugFileStorage


class FileStorage(WerkzeugFileStorage):
    """An uploaded file. `save` and `load` work in a thread and are awaited; the other
    methods are those of the open file in `stream`."""

    async def save(  # type: ignore[override]
        self, destination: str | os.PathLike[str] | t.IO[bytes], buffer_size: int = 16384
    ) -> None:
        """Write what is left of the stream to a path, or to a file open for writing bytes."""
        await asyncio.to_thread(super().save, destination, buffer_size)

    async def load(self, source: str | os.PathLike[str], buffer_size: int = 16384) -> None:
        """Append the contents of the file at the path `source`, and take its name."""

        def copy() -> None:
            with open(source, "rb") as file:
                shutil.copyfileobj(file, self.stream, buffer_size)

        await asyncio.to_thread(copy)
        self.filename: str = os.path.basename(source)
