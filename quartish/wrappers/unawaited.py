"""The value of a body attribute of the awaitable colour: what has to be awaited.

A forgotten `await` of a plain coroutine fails far from the mistake, or not at all. A `Pending`
raises where it is used, and names the attribute, the view and the line. These are only looked up
then.
"""

from __future__ import annotations

import collections.abc as cabc
import inspect
import os
import sys
import typing as t
import warnings
from types import CodeType

from .._current import find_context

T_co = t.TypeVar("T_co", covariant=True)

_PASSED_OVER = {"quartish", "werkzeug"}  # their frames are skipped
_OUTSIDE = {
    "asyncio",
    "concurrent",
    "contextvars",
    "threading",
}  # frames around the view


class Pending(cabc.Coroutine[t.Any, t.Any, T_co]):
    """An awaitable for the value of `expression`, which may be awaited more than once.

    Any other use raises TypeError. Dropping it without `await` gives a RuntimeWarning. It is a
    `Coroutine`, so that a task can be made of it.
    """

    _steps: t.Generator[t.Any, t.Any, T_co] | None = None
    _used = False

    def __init__(self, expression: str, read: t.Callable[..., t.Awaitable[T_co]], *args: t.Any):
        self._expression = expression
        self._read = read
        self._args = args

    def __await__(self) -> t.Generator[t.Any, t.Any, T_co]:
        self._used = True
        return self._read(*self._args).__await__()

    def send(self, value: t.Any) -> t.Any:
        return self._running().send(value)

    def throw(self, *args: t.Any) -> t.Any:
        return self._running().throw(*args)

    def close(self) -> None:
        self._used = True
        if self._steps is not None:
            self._steps.close()

    def _running(self) -> t.Generator[t.Any, t.Any, T_co]:
        if self._steps is None:
            self._steps = self.__await__()
        return self._steps

    # --- a forgotten await ------------------------------------------------------------------

    def refuse(self, cure: str | None = None) -> t.NoReturn:
        """Raise TypeError, as it was used, or returned from a view, without `await`."""
        self._used = True
        raise TypeError(
            f"`{self._expression}` is awaitable in a Quart app: write"
            f" `{cure or f'await {self._expression}'}`; {find_place()}"
        )

    def __getattr__(self, name: str) -> t.NoReturn:
        if name.startswith(("_", "cr_", "gi_")):  # debuggers and event loops look for these
            raise AttributeError(name)
        self.refuse(f"(await {self._expression}).{name}")

    def __getitem__(self, key: t.Any) -> t.NoReturn:
        self.refuse(f"(await {self._expression})[{key!r}]")

    def __repr__(self) -> str:
        return f"<{self._expression}, not awaited>"

    def __del__(self) -> None:
        if not self._used:
            place = find_place()
            warnings.warn_explicit(
                f"`{self._expression}` was never awaited; {place}",
                RuntimeWarning,
                place.file,
                place.line,
            )


def _refuse(pending: Pending[t.Any], *args: t.Any) -> t.NoReturn:
    pending.refuse()


# Set on the class here, so that type checkers do not see these methods.
for _name in (
    *("__setitem__", "__delitem__", "__contains__", "__iter__", "__len__", "__bool__", "__call__"),
    *("__aiter__", "__html__", "__lt__", "__gt__", "__eq__", "__ne__"),
):
    setattr(Pending, _name, _refuse)


class Place(t.NamedTuple):
    """A line of the user's code, and the function that it is in."""

    what: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.what}, {os.path.basename(self.file)}:{self.line}"


def find_place() -> Place:
    """Return the innermost line of the user's code; the view's first line if that has returned."""
    view = _find_view()
    frame = sys._getframe(1)
    while _package(frame.f_globals) in _PASSED_OVER and frame.f_back is not None:
        frame = frame.f_back
    code: CodeType = frame.f_code
    line = frame.f_lineno
    if _package(frame.f_globals) in _OUTSIDE and view is not None:
        code, line = view.__code__, view.__code__.co_firstlineno
    is_view = view is not None and view.__code__ is code
    return Place(f"{'view' if is_view else 'function'} `{code.co_name}`", code.co_filename, line)


def _package(namespace: dict[str, t.Any]) -> str:
    return str(namespace.get("__name__", "")).partition(".")[0]


def _find_view() -> t.Any:
    """Return the function of the current view, or None."""
    ctx = find_context()
    if ctx is None or not (ctx.has_request or ctx.has_websocket):
        return None
    view = ctx.app.view_functions.get(ctx.conn.endpoint)
    view = None if view is None else inspect.unwrap(view)
    return view if hasattr(view, "__code__") else None
