"""Write one file anew, with the changes that were decided, and nothing else changed."""

from __future__ import annotations

import ast
import typing as t

import libcst as cst
from libcst.metadata import MetadataWrapper
from libcst.metadata import PositionProvider

from .additions import added
from .imports import bound_by
from .imports import ImportRule
from .imports import must_keep
from .pieces import AFTER
from .pieces import applied
from .pieces import BEFORE
from .pieces import Edit
from .pieces import pieces
from .places import parse
from .places import Places
from .records import Changes
from .records import Span
from .requests_calls import NAME


def rewrite(text: str, changes: Changes) -> str:
    """Return a file's text with these changes.

    Raises ValueError where the result would not be Python any more, which is a bug of ours, and
    libcst's ParserSyntaxError where it cannot read what is to be changed.
    """
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    text = text.removeprefix(mark)
    tree, places = parse(text)
    edits = [*added(tree, places, changes), *_definitions(tree, places, changes)]
    result = applied(text, [*edits, *_pieces(tree, places, changes)])
    if result != text:
        try:
            ast.parse(result)
        except SyntaxError as error:  # pragma: no cover (a bug)
            raise ValueError(f"what was written is no Python: {error}") from error
    return mark + result


def _definitions(tree: ast.Module, places: Places, changes: Changes) -> t.Iterator[Edit]:
    """Make `async def` of the `def`s on these lines."""
    if changes.make_async:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.lineno in changes.make_async:
                start, _ = places.at(node)
                yield Edit(start, start, "async ")


def _pieces(tree: ast.Module, places: Places, changes: Changes) -> t.Iterator[Edit]:
    """Write anew, by libcst, each statement and expression that something changes in."""
    keep = changes.keep_alias or any(must_keep(tree, name) for name in changes.modules)
    bound = bound_by(tree, changes.modules)
    spans = changes.spans()
    for piece in pieces(tree, places, bound, {span.line for span in spans}):
        within = [span for span in spans if piece.holds(span)]
        before = places.text[piece.start : piece.end]
        if not within and not any(name in before for name in changes.modules):
            continue
        source = f"{BEFORE}{before}{AFTER}" if piece.expression else before
        module = cst.parse_module(source)
        if module.code != source:
            raise ValueError(f"libcst cannot read line {piece.span.line}")
        rule = _Rewriter(changes.only({span: piece.moved(span) for span in within}), keep, bound)
        # To find out positions takes most of the time, and imports need none.
        after = (MetadataWrapper(module) if within else module).visit(rule).code
        if after != source:
            if piece.expression:
                after = after[len(BEFORE) : -len(AFTER)]
            yield Edit(piece.start, piece.end, after)


class _Rewriter(ImportRule):
    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, changes: Changes, keep: bool, bound: t.Collection[str]) -> None:
        super().__init__(changes.modules, keep, changes.rename, bound)
        self.changes = changes

    def span(self, node: cst.CSTNode) -> Span:
        where: t.Any = self.get_metadata(PositionProvider, node)
        return Span(where.start.line, where.start.column, where.end.line, where.end.column)

    def on_leave(self, original_node: t.Any, updated_node: t.Any) -> t.Any:
        updated_node = super().on_leave(original_node, updated_node)
        if not isinstance(original_node, cst.BaseExpression):
            return updated_node
        if isinstance(original_node, cst.Await):
            if (
                self.changes.drop_await
                and self.span(original_node.expression) in self.changes.drop_await
            ):
                return _without_await(updated_node)
            return updated_node
        if isinstance(original_node, cst.Attribute | cst.Subscript):
            updated_node = _in_parentheses(updated_node, "value")
        elif isinstance(original_node, cst.Call):
            updated_node = _in_parentheses(updated_node, "func")
        changes = self.changes
        if not (changes.replace or changes.make_await or changes.methods):
            return updated_node
        if (
            not isinstance(original_node, cst.Call | cst.Attribute | cst.Name | cst.SimpleString)
            or id(original_node) in self._no_uses
        ):
            return updated_node
        span = self.span(original_node)
        if span in changes.replace:
            updated_node = _replaced(updated_node, changes.replace[span])
        if span in changes.calls and isinstance(updated_node, cst.Call):
            updated_node = updated_node.with_changes(func=cst.parse_expression(changes.calls[span]))
        if span in changes.methods and isinstance(updated_node, cst.Call):
            func = cst.ensure_type(updated_node.func, cst.Attribute)
            func = func.with_changes(attr=cst.Name(changes.methods[span]))
            updated_node = updated_node.with_changes(func=func)
        if span in changes.requests and isinstance(updated_node, cst.Call):
            updated_node = _by_httpx(updated_node, changes.requests[span])
        if span in changes.make_await:
            lpar, rpar = updated_node.lpar, updated_node.rpar
            inner = updated_node.with_changes(lpar=[], rpar=[])
            updated_node = cst.Await(inner, lpar=lpar, rpar=rpar)
        return updated_node


def _in_parentheses(node: t.Any, field: str) -> t.Any:
    """Return a node whose inner expression, if it is a new `await`, has parentheses."""
    inner = getattr(node, field)
    if isinstance(inner, cst.Await) and not inner.lpar:
        inner = inner.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        return node.with_changes(**{field: inner})
    return node


def _without_await(node: cst.Await) -> cst.BaseExpression:
    inner = node.expression
    for left, right in zip(node.lpar, node.rpar, strict=True):
        folded = isinstance(left.whitespace_after, cst.ParenthesizedWhitespace)
        folded = folded or isinstance(right.whitespace_before, cst.ParenthesizedWhitespace)
        if folded or not isinstance(inner, cst.Call | cst.Attribute | cst.Name | cst.Subscript):
            inner = inner.with_changes(lpar=[left, *inner.lpar], rpar=[*inner.rpar, right])
    return inner


def _by_httpx(node: cst.Call, method: str) -> cst.Call:
    """Return the call of our function in place of one of requests."""
    args = [
        arg.with_changes(keyword=cst.Name("follow_redirects"))
        if arg.keyword is not None and arg.keyword.value == "allow_redirects"
        else arg
        for arg in node.args
    ]
    if method:
        comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
        args.insert(0, cst.Arg(cst.SimpleString(f'"{method}"'), comma=comma))
    if method == "HEAD" and not any(
        arg.keyword is not None and arg.keyword.value == "follow_redirects" for arg in args
    ):
        args[-1] = args[-1].with_changes(
            comma=cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
        )
        no_space = cst.SimpleWhitespace("")
        equal = cst.AssignEqual(whitespace_before=no_space, whitespace_after=no_space)
        args.append(cst.Arg(cst.Name("False"), cst.Name("follow_redirects"), equal))
    return node.with_changes(func=cst.Name(NAME), args=args)


def _replaced(node: t.Any, to: str) -> t.Any:
    if isinstance(node, cst.SimpleString):
        return node.with_changes(value=f"{node.prefix}{node.quote}{to}{node.quote}")
    new = cst.parse_expression(to)
    return new.with_changes(lpar=node.lpar, rpar=node.rpar)
