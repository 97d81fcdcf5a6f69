"""Blocks of the site that need packages which few have, or a database, run with the real ones."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from tests._postgresql import postgresql_server
from tests.docs._snippets import Block
from tests.docs._snippets import marked
from tests.docs._snippets import play

from ._environment import make

pytestmark = [pytest.mark.slow, pytest.mark.extensions]


@pytest.fixture(scope="session")
def python() -> Path:
    return make("pages", ["pages-requirements.txt"])


@pytest.fixture
def variables(block: Block) -> t.Iterator[dict[str, str]]:
    if block.marks["test"].endswith(" postgresql"):
        with postgresql_server() as variables:
            yield variables
    else:
        yield {}


@pytest.mark.parametrize("block", marked("packages"))
def test_with_packages(
    block: Block, python: Path, variables: dict[str, str], tmp_path: Path
) -> None:
    play(block, tmp_path, python, **variables)


def test_there_are_some() -> None:
    assert len(marked("packages")) >= 6
