"""docs/sessions.md is true: its blocks run in order, with a redis-server of the test's own."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests._redis import redis_server
from tests.docs._snippets import blocks_of
from tests.docs._snippets import DOCS
from tests.docs.test_snippets import Page


def test_snippets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = blocks_of(DOCS / "sessions.md")
    page = Page(tmp_path, "sessions_page")
    with redis_server(tmp_path) as server:
        for block in blocks:
            source = block.source.replace("redis://localhost", server.url)
            page.run(dataclasses.replace(block, source=source))
        page.fresh()
    assert len(blocks) == 4
