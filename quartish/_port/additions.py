"""What is added to a file: imports, and the function that makes requests by httpx."""

from __future__ import annotations

import ast
import typing as t

from .pieces import Edit
from .places import Places
from .records import Changes
from .requests_calls import HELPER


def added(tree: ast.Module, places: Places, changes: Changes) -> t.Iterator[Edit]:
    """Return the lines that are added to a file."""
    there = {ast.unparse(node) for node in tree.body if isinstance(node, ast.Import)}
    wanted = [line for line in changes.add_imports if line not in there]
    if changes.first_import:
        wanted.insert(0, changes.first_import)
    end = _line_end(places)
    number = _after_docstring(tree)
    if wanted:
        offset = _before(tree, places, number)
        lines = "".join(f"{line}{end}" for line in wanted)
        yield Edit(offset, offset, _on_a_line(places, offset, end) + lines)
    if changes.requests:
        while number < len(tree.body) and isinstance(
            tree.body[number], ast.Import | ast.ImportFrom
        ):
            number += 1
        offset = _before(tree, places, number)
        before = places.text[:offset].replace("\r\n", "\n").replace("\r", "\n")
        missing = 3 - (len(before) - len(before.rstrip("\n")))  # of two empty lines
        helper = (HELPER.strip("\n") + "\n\n\n").replace("\n", end)
        yield Edit(offset, offset, end * missing + helper)


def _line_end(places: Places) -> str:
    first = places.line(1)
    return first[len(first.rstrip("\r\n")) :] or "\n"


def _after_docstring(tree: ast.Module) -> int:
    """Return the number of the first statement after the docstring and `from __future__`, and
    after what else stands on their lines."""
    number = 0
    if ast.get_docstring(tree, clean=False) is not None:
        number = 1
    for place, node in enumerate(tree.body):
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            number = place + 1
    while 0 < number < len(tree.body):
        if tree.body[number].lineno != tree.body[number - 1].end_lineno:
            break
        number += 1
    return number


def _before(tree: ast.Module, places: Places, number: int) -> int:
    """Return where the line begins of a statement, or of the comments right above it; of none,
    the end of the file."""
    if number >= len(tree.body):
        last = tree.body[-1].end_lineno if tree.body else 0
        return places.starts[last] if last and last < len(places.starts) else len(places.text)
    node: t.Any = tree.body[number]
    line: int = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))])
    if number:
        while line > 1 and places.line(line - 1).lstrip().startswith("#"):
            line -= 1
        if line <= (tree.body[number - 1].end_lineno or 0):
            line += 1
    return places.starts[line - 1]


def _on_a_line(places: Places, offset: int, end: str) -> str:
    """Return what ends the line before, where the file ends without."""
    before = places.text[:offset]
    return end if before and not before.endswith(("\n", "\r")) else ""
