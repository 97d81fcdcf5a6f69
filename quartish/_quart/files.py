"""The files of Quart's apps and blueprints: opened and sent by coroutines.

The rule: operations on files run in the file threads, never on the loop.
"""

from __future__ import annotations

import os
import typing as t
from functools import partial

from .. import blueprints
from ..sansio.scaffold import PathLike
from ..sansio.scaffold import Scaffold
from ..wrappers.awaitable_response import Response
from ..wrappers.response_bodies import to_file_thread
from .functions import quarts_headers

_BLOCKING = frozenset(
    "close flush isatty read read1 readall readinto readline readlines seek seekable tell"
    " truncate writable write writelines".split()
)


class AsyncFile:
    """An open file whose methods are awaited, and whose lines are iterated with `async for`."""

    def __init__(self, file: t.IO[t.Any]) -> None:
        self._file = file

    def __getattr__(self, name: str) -> t.Any:
        value = getattr(self._file, name)
        return partial(to_file_thread, value) if name in _BLOCKING else value

    def __aiter__(self) -> t.Self:
        return self

    async def __anext__(self) -> t.Any:
        line = await to_file_thread(self._file.readline)
        if not line:
            raise StopAsyncIteration
        return line

    async def __aenter__(self) -> t.Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await to_file_thread(self._file.close)


class Opening:
    """A file that is about to be opened: `async with opening as file`, or `await opening`."""

    def __init__(self, path: str, mode: str, encoding: str | None) -> None:
        self._open = partial(open, path, mode, encoding=None if "b" in mode else encoding)
        self._file: AsyncFile | None = None

    async def _opened(self) -> AsyncFile:
        self._file = AsyncFile(await to_file_thread(self._open))
        return self._file

    def __await__(self) -> t.Generator[t.Any, t.Any, AsyncFile]:
        return self._opened().__await__()

    async def __aenter__(self) -> AsyncFile:
        return await self._opened()

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._file is not None
        await self._file.close()


class Files(Scaffold):
    """The methods of apps and blueprints that are awaited in Quart, and not in Flask."""

    async def send_static_file(self, filename: str) -> Response:
        """Return a response with a file of `static_folder`.

        Raises:
            NotFound (404): There is no such file.
            RuntimeError: `static_folder` is not set.
        """
        sent = await to_file_thread(super().send_static_file, filename)
        return await quarts_headers(sent)

    async def open_resource(  # type: ignore[override]
        self, path: PathLike, mode: str = "rb", encoding: str | None = "utf-8"
    ) -> Opening:
        """Open the file at `path` under `root_path` for reading, in `mode` "r", "rt" or "rb":
        `async with await app.open_resource("x") as file: await file.read()`; `encoding` is for text
        modes.

        Raises:
            ValueError: Another `mode` is given.
        """
        if mode not in {"r", "rb", "rt"}:
            raise ValueError(f"Files can only be opened for reading, not with mode {mode!r}.")
        return Opening(os.path.join(self.root_path, path), mode, encoding)


class Blueprint(Files, blueprints.Blueprint):
    """A blueprint of an app of the awaitable colour."""
