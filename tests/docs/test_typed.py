"""docs/typed.md is true: its snippets run in order, and then their tests."""

from __future__ import annotations

import asyncio
import inspect
import re
import typing as t
from pathlib import Path

PATH = Path(__file__).parents[2] / "docs" / "typed.md"
PAGE = PATH.read_text()
SNIPPET = re.compile(r"^```python\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


def test_snippets() -> None:
    names: dict[str, t.Any] = {"__name__": "typed_views"}
    snippets = SNIPPET.findall(PAGE)
    assert len(snippets) == PAGE.count("```python") > 2
    for snippet in snippets:
        # Empty lines in front make a traceback point into the page.
        above = PAGE[: PAGE.index(snippet)].count("\n") * "\n"
        before = set(names)
        exec(compile(above + snippet, PATH, "exec", dont_inherit=True), names)
        tests = [names[name] for name in set(names) - before if name.startswith("test_")]
        assert tests, "each snippet has its test"
        for test in tests:
            outcome = test()
            if inspect.iscoroutine(outcome):
                asyncio.run(asyncio.wait_for(outcome, 10))
