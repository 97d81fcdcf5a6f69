"""A plugin of pytest (`-p tests._uvloop`): loops are uvloop's."""

from __future__ import annotations

import asyncio

import pytest
import uvloop

# What `asyncio.run` and `asyncio.Runner` make.
asyncio.new_event_loop = uvloop.new_event_loop
asyncio.runners.events.new_event_loop = uvloop.new_event_loop  # type: ignore[attr-defined]


@pytest.fixture
def event_loop_policy() -> uvloop.EventLoopPolicy:
    return uvloop.EventLoopPolicy()
