"""Waiting for what comes about elsewhere: in a thread, in a process, in the collector."""

from __future__ import annotations

import asyncio
import gc
import time
import typing as t
import weakref

LONGEST = 60
"""Seconds until it is given up."""


def wait_until(true: t.Callable[[], object]) -> None:
    """Wait, and let no loop of this thread run meanwhile."""
    deadline = time.monotonic() + LONGEST
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


async def until(true: t.Callable[[], object]) -> None:
    """Wait while the loop runs."""
    async with asyncio.timeout(LONGEST):
        while not true():
            await asyncio.sleep(0.001)


def are_collected(refs: t.Iterable[weakref.ref[t.Any]]) -> bool:
    """Say whether nobody holds these. A worker thread lets go of its last request a moment after
    its answer has gone."""
    gc.collect()
    return all(ref() is None for ref in refs)
