"""Functions that may make another view of the function that an app is given.

`quartish.typed` is one, once an app has imported it. Until then there is none, and nobody looks
at the annotations of a view.
"""

from __future__ import annotations

import typing as t
from types import FunctionType

from .typing import AppLike

#: Each is given the app, the endpoint and the function, and returns what is called in its place:
#: the function itself where it has nothing to add.
view_makers: list[t.Callable[[t.Any, str, t.Any], t.Any]] = []


def make_view(app: AppLike, endpoint: str, func: t.Any) -> t.Any:
    """Return what is called for the requests to an endpoint: mostly the function itself."""
    for make in view_makers:
        func = make(app, endpoint, func)
    return func


def made_of(view: t.Any) -> t.Any:
    """Return the function that a view was made of: mostly the view itself."""
    # A function: mocks and their like have every attribute.
    return getattr(view, "made_of", view) if isinstance(view, FunctionType) else view
