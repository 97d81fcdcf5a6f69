"""Turn the views of a test module into `async def`, and nothing else.

The edit is the word `async` put in front of `def` in the source text, at the places that
the syntax tree names: line numbers, comments and pytest's assertion messages stay.

A view is a plain `def` that is
- decorated with `@x.route(...)`, `@x.endpoint(...)`, `@x.get(...)` and its siblings, or with
  a local `@..._route(...)`, or
- given by its name, or as `self.name`, to `x.add_url_rule(...)`, to `x.route(...)(name)`, or to
  `x.view_functions[...] = name` in the scope that defines it, or
- `dispatch_request`, or a method named for an HTTP method, of a `View` or `MethodView`.

Two kinds stay as they are: generators (they would be another kind of function), and views
that the test itself calls by name (it calls them as what they were written to be). Hooks,
error handlers and decorators stay: it is the port of views that is tested.
"""

from __future__ import annotations

import ast
import collections.abc as cabc

VERBS = {"get", "post", "put", "delete", "patch"}
DECORATORS = VERBS | {"route", "endpoint"}
METHODS = VERBS | {"dispatch_request", "head", "options", "trace", "propfind"}
Scope = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def make_views_async(source: str) -> tuple[str, list[str]]:
    """Return `source` with its views made async, and the names of those views."""
    views = sorted(_views(ast.parse(source)), key=lambda view: view.lineno, reverse=True)
    lines = source.splitlines(keepends=True)
    for view in views:
        line, column = view.lineno - 1, view.col_offset
        lines[line] = f"{lines[line][:column]}async {lines[line][column:]}"
    return "".join(lines), [view.name for view in reversed(views)]


def _views(module: ast.Module) -> cabc.Iterator[ast.FunctionDef]:
    view_classes = {"View", "MethodView"}
    for scope in ast.walk(module):
        if not isinstance(scope, Scope):
            continue
        registered = set(_registered(scope))
        called = {_name(node.func) for node in ast.walk(scope) if isinstance(node, ast.Call)}
        if isinstance(scope, ast.ClassDef):
            if not view_classes.isdisjoint(map(_name, scope.bases)):
                view_classes.add(scope.name)
                registered |= METHODS
            called = set()  # `self.get()` is looked up elsewhere than `get()`
        for node in _own(scope):
            if (
                isinstance(node, ast.FunctionDef)
                and (node.name in registered or any(map(_is_route, node.decorator_list)))
                and node.name not in called
                and not any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in _own(node))
            ):
                yield node


def _own(scope: Scope) -> cabc.Iterator[ast.AST]:
    """Walk what `scope` holds, down to inner scopes but not into them."""
    waiting = list(ast.iter_child_nodes(scope))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, Scope):
            waiting.extend(ast.iter_child_nodes(node))


def _registered(scope: Scope) -> cabc.Iterator[str]:
    """Name the functions that code in `scope` hands to an app or blueprint as views."""
    for node in ast.walk(scope):
        given: list[ast.expr] = []
        if isinstance(node, ast.Call) and _name(node.func) == "add_url_rule":
            given += node.args[2:3]
            given += [keyword.value for keyword in node.keywords if keyword.arg == "view_func"]
        elif isinstance(node, ast.Call) and _is_route(node.func):
            given += node.args[:1]
        elif isinstance(node, ast.Assign) and any(map(_is_view_function, node.targets)):
            given.append(node.value)
        yield from map(_name, given)


def _is_route(node: ast.expr) -> bool:
    """Say whether `node` is `x.route(...)` or one of its siblings: a view's decorator."""
    return isinstance(node, ast.Call) and (
        _name(node.func) in DECORATORS or _name(node.func).endswith("_route")
    )


def _is_view_function(node: ast.expr) -> bool:
    return isinstance(node, ast.Subscript) and _name(node.value) == "view_functions"


def _name(node: ast.expr) -> str:
    """Return the last word of `a.b.c` or `c`; else nothing."""
    return getattr(node, "attr", "") or getattr(node, "id", "")
