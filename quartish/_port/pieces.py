"""The pieces of a file that libcst writes anew: statements, and what stands in a header.

The rule: a file's text is only touched where something is changed, so that all else stays as it
is, whatever libcst can or cannot read of it.
"""

from __future__ import annotations

import ast
import typing as t
from dataclasses import dataclass

from .places import Places
from .records import Span

#: What has a body: what is to be changed stands in its header or in one of its statements.
_COMPOUND = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.For, ast.AsyncFor, ast.While),
    *(ast.If, ast.With, ast.AsyncWith, ast.Match, ast.Try, ast.TryStar),
)


#: What an expression is put between, so that it may have several lines.
BEFORE, AFTER = "_(", ")"


@dataclass(frozen=True, slots=True)
class Piece:
    """A statement without a body, or an expression of a header."""

    start: int
    end: int
    span: Span
    expression: bool

    def moved(self, span: Span) -> Span:
        """Return a place in the file as one in this piece."""
        shift = self.span.column - len(BEFORE) * self.expression
        first = self.span.line
        column = span.column - (shift if span.line == first else 0)
        end = span.end_column - (shift if span.end_line == first else 0)
        return Span(span.line - first + 1, column, span.end_line - first + 1, end)

    def holds(self, span: Span) -> bool:
        """Say whether a place is in this piece."""
        start, end = (span.line, span.column), (span.end_line, span.end_column)
        own = self.span
        return (own.line, own.column) <= start and end <= (own.end_line, own.end_column)


@dataclass(frozen=True, slots=True)
class Edit:
    """A part of a text, and what takes its place."""

    start: int
    end: int
    text: str


def pieces(
    tree: ast.Module, places: Places, names: t.Collection[str], lines: t.Collection[int]
) -> t.Iterator[Piece]:
    """Yield the imports of a file, and the pieces in which one of these names is used, or which
    have one of these lines."""
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Starred | ast.Yield | ast.YieldFrom):
            todo.extend(ast.iter_child_nodes(node))
        elif isinstance(node, ast.expr) or (
            isinstance(node, ast.stmt) and not isinstance(node, _COMPOUND)
        ):
            imports = isinstance(node, ast.Import | ast.ImportFrom)
            if imports or _uses(node, names) or _has(node, lines):
                start, end = places.at(node)
                yield Piece(start, end, places.span(node), isinstance(node, ast.expr))
        else:
            todo.extend(ast.iter_child_nodes(node))


def _uses(node: ast.AST, names: t.Collection[str]) -> bool:
    return any(isinstance(one, ast.Name) and one.id in names for one in ast.walk(node))


def _has(node: ast.stmt | ast.expr, lines: t.Collection[int]) -> bool:
    return any(node.lineno <= line <= (node.end_lineno or 0) for line in lines)


def applied(text: str, edits: t.Iterable[Edit]) -> str:
    """Return the text with its edits made; those of one place in their order."""
    parts: list[str] = []
    last = 0
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        parts += [text[last : edit.start], edit.text]
        last = edit.end
    return "".join([*parts, text[last:]])
