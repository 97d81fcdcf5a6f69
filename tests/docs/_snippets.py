"""The code blocks of the site and what is to be done with each; CONTRIBUTING.md has the rules.

python -m tests.docs._snippets    # counts them
"""

from __future__ import annotations

import collections
import dataclasses
import os
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
#: Pages whose blocks a test of their own runs.
ELSEWHERE = {
    "README.md": "tests/docs/test_readme.py",
    "docs/development.md": "tests/docs/test_development.py",
    "docs/mistakes.md": "tests/docs/test_mistakes.py",
    "docs/port.md": "tests/port/test_docs.py",
    "docs/sessions.md": "tests/docs/test_sessions.py",
    "docs/typed.md": "tests/docs/test_typed.py",
}
#: Languages that show something, with the reason why nothing is done with them.
SHOWN = {
    "text": "what something says, or a drawing",
    "nginx": "tests/examples/test_deploy.py runs examples/deploy",
    "ini": "tests/examples/test_deploy.py runs examples/deploy",
}
#: Blocks of MyST's own.
_DIRECTIVE = re.compile(r"\{[\w:-]+\}")
_FENCE = re.compile(
    r"(?P<marks>(?:^<!-- (?:test|file): [^\n]* -->\n+)*)"
    r"^(?P<fence>```+)(?P<language>[^\n`]*)\n(?P<source>.*?)^(?P=fence)[ ]*$",
    re.MULTILINE | re.DOTALL,
)
_MARK = re.compile(r"<!-- (test|file): (.*?) -->")


@dataclasses.dataclass
class Block:
    """A code block: `marks` are what the comments above it say."""

    page: str
    line: int
    language: str
    source: str
    marks: dict[str, str]

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def word(self) -> str:
        """Return what is to be done with it, where a comment says so."""
        return self.marks.get("test", "").partition(" ")[0]

    @property
    def skipped(self) -> str | None:
        """Return why nothing is done with the block, or None."""
        word, _, reason = self.marks.get("test", "").partition(" ")
        if word == "skip":
            return reason or None
        return SHOWN.get(self.language)


def pages() -> list[Path]:
    """Return the pages of the site whose blocks are run here."""
    found = sorted(DOCS.rglob("*.md"))
    return [path for path in found if str(path.relative_to(ROOT)) not in ELSEWHERE]


def blocks_of(path: Path) -> list[Block]:
    text = path.read_text()
    found = []
    for match in _FENCE.finditer(text):
        language = match["language"].strip()
        if _DIRECTIVE.match(language):
            continue
        line = text.count("\n", 0, match.start("fence")) + 2
        marks = dict(_MARK.findall(match["marks"]))
        found.append(Block(str(path.relative_to(ROOT)), line, language, match["source"], marks))
    return found


def marked(word: str) -> list[t.Any]:
    """Return the blocks of which a comment says so, as parameters of a test."""
    found = [block for page in pages() for block in blocks_of(page) if block.word == word]
    return [pytest.param(block, id=block.place) for block in found]


def play(block: Block, folder: Path, python: str | Path = sys.executable, **environ: str) -> None:
    """Run a block as a program of its own, with the tests that are in it."""
    for other in blocks_of(ROOT / block.page):
        if "file" in other.marks:
            path = folder / other.marks["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(other.source)
    # Empty lines in front make a traceback point at the line of the page.
    (folder / "page.py").write_text((block.line - 1) * "\n" + block.source)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [python, Path(__file__).with_name("_play.py"), "page.py"],
        cwd=folder,
        env={**kept, "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)]), **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, f"{block.place}\n{done.stdout}{done.stderr}"
    assert "passed" in done.stdout and "ERROR" not in done.stderr, done.stderr


def count() -> str:
    everywhere = [*sorted(DOCS.rglob("*.md")), ROOT / "README.md"]
    run: collections.Counter[str] = collections.Counter()
    left: collections.Counter[str] = collections.Counter()
    for path in everywhere:
        for block in blocks_of(path):
            (left if block.skipped else run)[block.language] += 1
    lines = [f"{len(everywhere)} pages, README.md among them"]
    lines += [f"{run.total()} blocks are run or checked: {dict(run.most_common())}"]
    lines += [f"{left.total()} are shown: {dict(left.most_common())}"]
    return "\n".join(lines)


if __name__ == "__main__":
    print(count())
