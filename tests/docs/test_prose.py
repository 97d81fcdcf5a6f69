"""The site's prose is British English without the words that promise and say nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.prose import american
from scripts.prose import problems
from tests.docs._snippets import ROOT

PAGES = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")]
SPELLINGS = american()


def test_the_prose_is_as_it_should_be() -> None:
    pages = [*PAGES, *sorted((ROOT / "docs").rglob("*.md"))]
    assert [line for page in pages for line in problems(page, SPELLINGS)] == []


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("The color of the app.", "color"),
        ("You simply call it.", "simply"),
        ("It works out of the Box.", "out of the box"),
        ("```python\ncolor = 1\n```\n\nIts behavior.", "behavior"),
    ],
)
def test_what_is_found(text: str, word: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    [said] = problems(page, SPELLINGS)
    line = text.count("\n") + 1
    assert said.startswith(f"{page}:{line}: {word}")


@pytest.mark.parametrize(
    "text",
    [
        "The colour of `color`.",
        "```css\ncolor: red;\n```",
        "[colours](color.html), <!-- color -->",
        "A router routes: routing.",
    ],
)
def test_what_is_left_alone(text: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    assert problems(page, SPELLINGS) == []
