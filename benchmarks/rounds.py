"""Rounds: what is compared is measured in turn, so that a machine that drifts drifts for all."""

from __future__ import annotations

import collections.abc as cabc
import subprocess
import typing as t

from .environment import say
from .environment import Unable

T = t.TypeVar("T")


def in_turn(
    names: cabc.Iterable[str], count: int, measure: cabc.Callable[[str], T]
) -> dict[str, list[T]]:
    """Measure each of `names` in turn, `count` times over; return what each round found.

    What cannot be measured is named, and left out of the rounds to come.
    """
    found: dict[str, list[T]] = {}
    names = list(names)
    for number in range(count):
        for name in list(names):
            say(f"round {number + 1} of {count}: {name}")
            try:
                figures = measure(name)
            except (Unable, subprocess.TimeoutExpired) as reason:
                say(f"SKIPPED: {name}: {reason}")
                names.remove(name)
            else:
                found.setdefault(name, []).append(figures)
    return found
