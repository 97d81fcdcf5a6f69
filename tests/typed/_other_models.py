"""A model of a name that another module has too, and a decorator of another module."""

from __future__ import annotations

import functools
import typing as t

import msgspec


class User(msgspec.Struct):
    number: int


def counted(view: t.Any) -> t.Any:
    @functools.wraps(view)
    def counting(*args: t.Any, **kwargs: t.Any) -> t.Any:
        return view(*args, **kwargs)

    return counting
