"""Blocks of the site that need a Redis, run beside a real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests._redis import redis_server
from tests.docs._snippets import Block
from tests.docs._snippets import marked
from tests.docs._snippets import play


@pytest.mark.redis
@pytest.mark.parametrize("block", marked("redis"))
def test_with_redis(block: Block, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        play(block, tmp_path, REDIS_URL=server.url)


def test_there_are_some() -> None:
    assert len(marked("redis")) >= 3
