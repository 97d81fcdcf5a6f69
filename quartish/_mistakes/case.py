"""An error that nobody handled, and the user's code that raised it."""

from __future__ import annotations

import inspect
import linecache
import os
import types
import typing as t

from .._tracebacks import is_users
from .places import place_of

Frame = types.FrameType


class Case:
    """An error, and the user's code that raised it or called what did."""

    def __init__(self, error: BaseException, ctx: t.Any) -> None:
        self.error = error
        self.ctx = ctx
        self.text = str(error)
        #: The innermost line of the user's: its frame, and the instruction.
        self.frame: Frame | None = None
        self._at = -1
        #: All frames, the innermost last.
        self.frames: list[Frame] = []
        found = error.__traceback__
        while found is not None:
            self.frames.append(found.tb_frame)
            if is_users(found.tb_frame.f_code.co_filename):
                self.frame, self._at, self._line = found.tb_frame, found.tb_lasti, found.tb_lineno
            found = found.tb_next

    @property
    def app(self) -> t.Any:
        return None if self.ctx is None else self.ctx.app

    @property
    def view(self) -> t.Any:
        """The view of the connection, as it was written, or None."""
        conn = None if self.ctx is None else self.ctx.conn
        endpoint = None if conn is None else conn.endpoint
        view = None if endpoint is None else self.app.view_functions.get(endpoint)
        return None if view is None else inspect.unwrap(view)

    def ended_in_users(self) -> bool:
        """Say whether the user's own line raised it, and nothing that it called."""
        return bool(self.frames) and self.frames[-1] is self.frame

    def place(self) -> str:
        """Return where that was: "view `index`, hello.py:3"."""
        if self.frame is None:
            return place_of(self.view, "view ")
        code = self.frame.f_code
        is_view = getattr(self.view, "__code__", None) is code
        kind = "view" if is_view else "function"
        return f"{kind} `{code.co_name}`, {os.path.basename(code.co_filename)}:{self._line}"

    def expression(self) -> str:
        """Return the piece of source that raised it, in one line; "" where nobody can tell."""
        return " ".join(piece.strip() for piece in self._source())

    def first_line(self) -> str:
        """Return the first line of that; of a statement, its header."""
        return next(iter(self._source()), "").strip()

    def _source(self) -> list[str]:
        if self.frame is None:
            return []
        line, last, start, end = list(self.frame.f_code.co_positions())[self._at // 2]
        if line is None or last is None or start is None or end is None:
            return []
        lines = linecache.getlines(self.frame.f_code.co_filename)[line - 1 : last]
        if lines:
            lines[-1] = _cut(lines[-1], 0, end)
            lines[0] = _cut(lines[0], start, None)
        return lines

    def named(self, name: str) -> t.Any:
        """Return what a dotted name means there, as far as that calls nothing."""
        first, *rest = name.split(".")
        if self.frame is None:
            return None
        found = self.frame.f_locals.get(first, self.frame.f_globals.get(first))
        for each in rest:
            if not isinstance(found, (types.ModuleType, type)):
                return None
            found = vars(found).get(each)
        return found


def _cut(line: str, start: int, end: int | None) -> str:
    return line.encode()[start:end].decode(errors="replace")  # columns count bytes
