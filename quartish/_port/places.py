"""Where things stand in a file's text: lines as Python counts them, and names in f-strings.

`ast` counts bytes, and before Python 3.12 it is wrong about some of what stands in f-strings.
"""

from __future__ import annotations

import ast
import re
import typing as t

from .records import Span

_LINE_END = re.compile(r"\r\n|\r|\n")


class Places:
    """The lines of a text, and where each begins."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = [0, *(match.end() for match in _LINE_END.finditer(text))]
        self._ascii = text.isascii()

    def line(self, number: int) -> str:
        """Return a line, counted from 1, with its end."""
        after = self.starts[number] if number < len(self.starts) else len(self.text)
        return self.text[self.starts[number - 1] : after]

    def offset(self, line: int, column: int) -> int:
        """Return where a line and a column of characters are in the text."""
        return self.starts[line - 1] + column

    def column(self, line: int, column: int) -> int:
        """Return the column in characters of one in bytes."""
        if self._ascii:
            return column
        return len(self.line(line).encode()[:column].decode(errors="replace"))

    def span(self, node: t.Any) -> Span:
        """Return the place of a node of `ast`."""
        end = node.end_lineno or node.lineno
        return Span(
            node.lineno,
            self.column(node.lineno, node.col_offset),
            end,
            self.column(end, node.end_col_offset or 0),
        )

    def ends(self, span: Span) -> tuple[int, int]:
        """Return where a place begins and ends in the text."""
        return self.offset(span.line, span.column), self.offset(span.end_line, span.end_column)

    def at(self, node: t.Any) -> tuple[int, int]:
        """Return where a node of `ast` begins and ends in the text."""
        return self.ends(self.span(node))

    def bytes_at(self, offset: int) -> tuple[int, int]:  # of Python 3.11
        """Return the line of an offset, and the column as `ast` counts it."""
        line = next(n for n in range(len(self.starts), 0, -1) if self.starts[n - 1] <= offset)
        return line, len(self.text[self.starts[line - 1] : offset].encode())


def parse(text: str, file: str = "<unknown>") -> tuple[ast.Module, Places]:
    """Return the tree of a text, with its places right in f-strings, too."""
    tree = ast.parse(text, file)
    places = Places(text)
    if _F_STRING.search(text):
        _Mender(places).visit(tree)
    return tree, places


_F_STRING = re.compile(r"\b[fF][rR]?['\"]|\b[rR][fF]['\"]")
_END = re.compile(r"[}:!=]")


class _Mender(ast.NodeVisitor):
    """Looks whether what stands in f-strings is where `ast` says, and else for where it is."""

    def __init__(self, places: Places) -> None:
        self.places = places

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        start, end = self.places.at(node)
        self.mend(node, start, end)
        self.generic_visit(node)

    def mend(self, node: ast.JoinedStr, start: int, end: int) -> None:
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                if not isinstance(part.value, ast.Constant):
                    start = self.find(part.value, start, end)
                if isinstance(part.format_spec, ast.JoinedStr):
                    self.mend(part.format_spec, start, end)

    def find(self, node: ast.expr, start: int, end: int) -> int:
        """Give a node its place between two others; return where it ends."""
        wanted = ast.dump(node)
        text = self.places.text
        try:
            here = self.places.at(node)
            if start <= here[0] < here[1] <= end and _dump(text[slice(*here)]) == wanted:
                return here[1]
        except (IndexError, SyntaxError, ValueError):
            pass
        return self._search(node, wanted, start, end)

    def _search(self, node: ast.expr, wanted: str, start: int, end: int) -> int:  # of Python 3.11
        text = self.places.text
        opened = text.find("{", start, end)
        while opened >= 0:
            for closing in _END.finditer(text, opened, end):
                try:
                    new = _tree(text[opened + 1 : closing.start()])
                except (SyntaxError, ValueError):
                    continue
                if ast.dump(new) == wanted:
                    self.move(node, new, opened + 1)
                    return closing.start()
            opened = text.find("{", opened + 1, end)
        return start

    def move(self, node: ast.expr, found: ast.expr, offset: int) -> None:  # of Python 3.11
        """Let a node stand where one stands that is like it."""
        line, column = self.places.bytes_at(offset)
        for old, new in zip(ast.walk(node), ast.walk(found), strict=True):
            if isinstance(new, ast.expr | ast.keyword | ast.arg):
                at: t.Any = old
                at.lineno, at.col_offset = _moved(line, column, new.lineno, new.col_offset)
                at.end_lineno, at.end_col_offset = _moved(
                    line, column, new.end_lineno or new.lineno, new.end_col_offset or 0
                )


def _tree(piece: str) -> ast.expr:
    return ast.parse(f"({piece})", mode="eval").body


def _dump(piece: str) -> str:
    return ast.dump(_tree(piece))


def _moved(
    line: int, column: int, at_line: int, at_column: int
) -> tuple[int, int]:  # of Python 3.11
    if at_line > 1:
        return line + at_line - 1, at_column
    return line, column + at_column - 1  # for the parenthesis
