"""Read the prose of Markdown pages for words that a page of ours does not have.

    python scripts/prose.py FILE...

Code, links' targets and comments are left out. American spellings are those that codespell's
dictionary makes of British ones; what is forbidden besides has its reason below.
"""

from __future__ import annotations

import re
import sys
from importlib import resources
from pathlib import Path

#: Word or phrase -> what to do instead.
FORBIDDEN = {
    "simply": "leave it out: it may not be simple to who reads it",
    "obviously": "leave it out",
    "of course": "leave it out",
    "easily": "say how",
    "seamless": "say what goes on working",
    "seamlessly": "say what goes on working",
    "powerful": "say what it does",
    "robust": "say what it survives",
    "blazing": "give the figure",
    "blazingly": "give the figure",
    "leverage": "use",
    "utilise": "use",
    "in order to": "to",
    "please note": "say it",
    "note that": "say it",
    "under the hood": "inside",
    "out of the box": "by itself",
    "cutting-edge": "say what is new",
    "state of the art": "say what it does",
    "developer experience": "say what is better for whom",
    "best practice": "say why it is good",
}
#: What the dictionary takes for American and we write all the same: what a computer runs
#: is a program, what measures a meter, and the file is named LICENSE.
BOTH = frozenset(["routing", "license", "meter", "meters", "program", "programs"])
_PHRASES = re.compile(rf"\b({'|'.join(map(re.escape, FORBIDDEN))})\b")
_CODE = re.compile(
    r"(?ms)^(?P<fence>```+).*?^(?P=fence)[ ]*$|<!--.*?-->|``[^\n]+?``|`[^`]*`|\]\([^)]*\)|https?://\S+"
    r"|^ {4}\S[^\n]*$"
)


def american() -> dict[str, str]:
    """Return the American spellings with the British ones."""
    dictionary = resources.files("codespell_lib") / "data" / "dictionary_en-GB_to_en-US.txt"
    found = {}
    for line in dictionary.read_text("utf-8").splitlines():
        british, _, right = line.partition("->")
        for word in right.split(","):
            word = word.strip().lower()
            if word and " " not in word and word not in BOTH:
                found.setdefault(word, british.strip())
    return found


def blanked(found: re.Match[str]) -> str:
    return "\n" * found[0].count("\n")


def problems(path: Path, spellings: dict[str, str]) -> list[str]:
    """Return a line for each word that should not stand there."""
    said = []
    for number, line in enumerate(_CODE.sub(blanked, path.read_text("utf-8")).splitlines(), 1):
        words = line.lower()
        for word in re.findall(r"[a-z]+", words):
            if word in spellings:
                said.append(f"{path}:{number}: {word} is American: {spellings[word]}")
        for phrase in _PHRASES.findall(words):
            said.append(f"{path}:{number}: {phrase}: {FORBIDDEN[phrase]}")
    return said


def main(names: list[str]) -> int:
    spellings = american()
    said = [line for name in names for line in problems(Path(name), spellings)]
    print(*said, sep="\n", end="\n" if said else "")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
