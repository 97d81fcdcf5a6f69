"""Pages of docs/ are true: the snippets of each run, in order, and then their tests."""

from __future__ import annotations

import asyncio
import inspect
import re
import typing as t
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
SNIPPET = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", ["events", "groups", "mounts"])
def test_snippets(name: str) -> None:
    page = DOCS / f"{name}.md"
    names: dict[str, t.Any] = {"__name__": name}
    snippets = SNIPPET.findall(page.read_text())
    for snippet in snippets:
        exec(compile(snippet, page, "exec"), names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert len(tests) >= len(snippets)
    for test in tests:
        outcome = test()
        if inspect.iscoroutine(outcome):
            asyncio.run(asyncio.wait_for(outcome, 10))
