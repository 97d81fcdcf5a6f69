"""docs/events.md is true: its snippets run, in order, and then their tests."""

from __future__ import annotations

import asyncio
import inspect
import re
import typing as t
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "events.md"


def test_snippets() -> None:
    names: dict[str, t.Any] = {"__name__": "events"}
    snippets = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    for snippet in snippets:
        exec(compile(snippet, PAGE, "exec"), names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert len(tests) >= len(snippets)
    for test in tests:
        outcome = test()
        if inspect.iscoroutine(outcome):
            asyncio.run(asyncio.wait_for(outcome, 10))
