"""Write one file anew by libcst, with the changes that were decided, and nothing else changed."""

from __future__ import annotations

import ast
import typing as t

import libcst as cst
from libcst.metadata import MetadataWrapper
from libcst.metadata import PositionProvider

from .imports import ImportRule
from .imports import must_keep
from .records import Changes
from .records import Span
from .requests_calls import HELPER
from .requests_calls import NAME


def rewrite(text: str, changes: Changes) -> str:
    """Return a file's text with these changes.

    Raises ValueError where the result would not be Python any more, which is a bug of ours, and
    libcst's ParserSyntaxError where it cannot read the file.
    """
    module = cst.parse_module(text)
    keep = changes.keep_alias
    if changes.modules and not keep:
        tree = ast.parse(text)
        keep = any(must_keep(tree, name) for name in changes.modules)
    rule = _Rewriter(changes, keep)
    rule.prepare(module)
    # To find out positions takes most of the time, and imports need none.
    placed = changes.make_async or changes.make_await or changes.drop_await or changes.replace
    result = (MetadataWrapper(module) if placed else module).visit(rule).code
    if result != text:
        try:
            ast.parse(result)
        except SyntaxError as error:  # pragma: no cover (a bug)
            raise ValueError(f"what was written is no Python: {error}") from error
    return result


class _Rewriter(ImportRule):
    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, changes: Changes, keep: bool) -> None:
        super().__init__(changes.modules, keep, changes.rename)
        self.changes = changes

    def span(self, node: cst.CSTNode) -> Span:
        where: t.Any = self.get_metadata(PositionProvider, node)
        return Span(where.start.line, where.start.column, where.end.line, where.end.column)

    def leave_Module(self, original_node: cst.Module, updated_node: cst.Module) -> cst.Module:
        body = list(updated_node.body)
        wanted = [line for line in self.changes.add_imports if not _has(body, line)]
        if self.changes.first_import:
            wanted.insert(0, self.changes.first_import)
        if self.changes.requests:
            place = _after_imports(body)
            if place < len(body):
                body[place] = _spaced(body[place])
            helper = cst.parse_statement(HELPER, original_node.config_for_parsing)
            body.insert(place, _spaced(helper))
            updated_node = updated_node.with_changes(body=body)
        if not wanted:
            return updated_node
        place = _place(body)
        new = [cst.parse_statement(line, original_node.config_for_parsing) for line in wanted]
        if place < len(body) and isinstance(body[place], cst.SimpleStatementLine):
            first = cst.ensure_type(body[place], cst.SimpleStatementLine)
            blank = [line for line in first.leading_lines if line.comment is None]
            if len(blank) == len(first.leading_lines):
                new[0] = new[0].with_changes(leading_lines=blank)
                body[place] = first.with_changes(leading_lines=[])
        body[place:place] = new
        return updated_node.with_changes(body=body)

    def leave_FunctionDef(
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.FunctionDef:
        if self.changes.make_async and original_node.asynchronous is None:
            if self.span(original_node).line in self.changes.make_async:
                return updated_node.with_changes(asynchronous=cst.Asynchronous())
        return updated_node

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
        if not (changes.replace or changes.make_await):
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


def _spaced(node: t.Any) -> t.Any:
    """Return a definition with two empty lines before it."""
    lines = [line for line in node.leading_lines if line.comment is not None]
    return node.with_changes(leading_lines=[cst.EmptyLine(), cst.EmptyLine(), *lines])


def _after_imports(body: t.Sequence[cst.CSTNode]) -> int:
    """Return where the first statement is that is no import."""
    place = _place(body)
    while place < len(body):
        node = body[place]
        if not isinstance(node, cst.SimpleStatementLine):
            break
        if not isinstance(node.body[0], cst.Import | cst.ImportFrom):
            break
        place += 1
    return place


def _replaced(node: t.Any, to: str) -> t.Any:
    if isinstance(node, cst.SimpleString):
        return node.with_changes(value=f"{node.prefix}{node.quote}{to}{node.quote}")
    new = cst.parse_expression(to)
    return new.with_changes(lpar=node.lpar, rpar=node.rpar)


def _has(body: t.Sequence[cst.CSTNode], line: str) -> bool:
    code = cst.Module(body=[]).code_for_node
    return any(
        code(part).strip() == line
        for node in body
        if isinstance(node, cst.SimpleStatementLine)
        for part in node.body
    )


def _place(body: t.Sequence[cst.CSTNode]) -> int:
    """Return where an import goes: before all but the docstring and `from __future__`."""
    place = 0
    for number, node in enumerate(body):
        if not isinstance(node, cst.SimpleStatementLine):
            break
        [first, *_] = node.body
        if isinstance(first, cst.Expr) and isinstance(
            first.value, cst.SimpleString | cst.ConcatenatedString
        ):
            if number:
                break
        elif not (
            isinstance(first, cst.ImportFrom)
            and isinstance(first.module, cst.Name)
            and first.module.value == "__future__"
        ):
            break
        place = number + 1
    return place
