"""Percent-encoded text in pieces says what it says whole."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartish._http import percent

PARTS = ["%", "%4", "%41", "%E2%82%AC", "%e2", "%82", "%ff", "a", "4", "€", " ", "%zz", "%%", "%C3"]


@given(st.lists(st.sampled_from(PARTS), max_size=60).map("".join), st.integers(1, 9))
def test_pieces_say_what_the_whole_says(text: str, size: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(percent, "PIECE", size)
        assert percent.decoded(text) == unquote(text, "utf-8", "werkzeug.url_quote")


@pytest.mark.parametrize("part", ["%", "%41", "%E2%82%AC", "a", "%e2"])
def test_long_text(part: str) -> None:
    text = part * 100_000
    assert percent.decoded(text) == unquote(text, "utf-8", "werkzeug.url_quote")
