"""Where a function of the user's was written."""

from __future__ import annotations

import os
import typing as t


def place_of(func: t.Any, kind: str = "") -> str:
    """Return where a function was written: "`index`, hello.py:2"."""
    code = getattr(func, "__code__", None)
    if code is None:
        name = getattr(func, "__qualname__", None) or type(func).__qualname__
        return f"{kind}`{name}`"
    return f"{kind}`{code.co_name}`, {os.path.basename(code.co_filename)}:{code.co_firstlineno}"


def overwrites(endpoint: str, before: t.Any, now: t.Any) -> AssertionError:
    """Return the error for a second view of an endpoint's."""
    return AssertionError(
        f"View function mapping is overwriting an existing endpoint function: {endpoint}. It is"
        f" {place_of(before)}, and now {place_of(now)}: rename one, or give it another `endpoint=`."
    )
