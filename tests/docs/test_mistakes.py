"""docs/mistakes.md: each sentence is what is said when the mistake is made."""

from __future__ import annotations

import gc
import sys
import typing as t
from pathlib import Path

import pytest

from tests.docs.mistakes import FRAMEWORKS
from tests.docs.mistakes import Mistake
from tests.docs.mistakes import MISTAKES
from tests.docs.mistakes import PAGE
from tests.docs.mistakes import play
from tests.docs.mistakes import row_of

ROWS = {row.split(" | ")[0].removeprefix("| "): row for row in PAGE.read_text().splitlines()}
WRITTEN_ON = (3, 11)
PYTHONS = "when serializing "  # notes of Python's own, from 3.14 on


@pytest.fixture(scope="module", autouse=True)
def _young_objects() -> t.Iterator[None]:
    """To collect what a mistake left behind takes long where there is much to look at."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def test_there_are_enough() -> None:
    assert len(MISTAKES) >= 25 and len({mistake.title for mistake in MISTAKES}) == len(MISTAKES)
    text = PAGE.read_text()
    for mistake in MISTAKES:
        assert f"## {mistake.title}\n\n```python\n{mistake.source}```\n" in text


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.title)
def test_what_is_said(mistake: Mistake, tmp_path: Path) -> None:
    """Of all three, on the Python that the page was written on; of ours, what is not Python's own,
    on any other."""
    row = ROWS[mistake.title]
    if sys.version_info[:2] == WRITTEN_ON:
        said = {name: play(name, mistake, tmp_path.resolve()) for name in FRAMEWORKS}
        assert row_of(mistake, said) == row, "python -m tests.docs.mistakes --write"
        return
    said = {"quartish": play("quartish", mistake, tmp_path.resolve())}
    told = row_of(mistake, said).removesuffix(" |").split(" | ", 1)[1].split("<br>")
    ours = row.split(" | ")[1].split("<br>")
    assert [line for line in told[1:] if not line.startswith(PYTHONS)][:1] == ours[1:2]
