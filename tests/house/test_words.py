"""The words of docs/architecture.md have one meaning each, and no second word means the same."""

from __future__ import annotations

import io
import re
import tokenize
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "quartish"
ROOMS = sorted(PACKAGE.rglob("*.py"))
#: What is not written there, and what is.
WORDS = {
    r"answer(s|ed|ing)?": "response, `Outgoing`, handle",
    r"clients? (\w+ )?(left|leaves?(?! (out|open))|gone)": "disconnect",
    r"gone": "disconnected, collected",
}


@cache
def words_of(path: Path) -> str:
    """Return names, comments and texts of a module, names parted at their underscores."""
    source = io.StringIO(path.read_text())
    kinds = (tokenize.NAME, tokenize.COMMENT, tokenize.STRING)
    tokens = [token for token in tokenize.generate_tokens(source.readline) if token.type in kinds]
    return "\n".join(f"{token.string}".replace("_", " ") for token in tokens)


@pytest.mark.parametrize("word", WORDS)
def test_one_word_for_one_thing(word: str) -> None:
    found = {
        str(path.relative_to(PACKAGE)): places
        for path in ROOMS
        if (
            places := [
                m.group() for m in re.finditer(rf"\b{word}\b", words_of(path), re.IGNORECASE)
            ]
        )
    }
    assert found == {}, f"say: {WORDS[word]}"
