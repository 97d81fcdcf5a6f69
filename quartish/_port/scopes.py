"""Names and what they mean in a file: scopes, and the paths of expressions.

A scope has the names that it binds. What a name means is looked up when it is asked for, so that
the order of a file does not matter.
"""

from __future__ import annotations

import ast
import builtins
import typing as t

from .records import Paths

_MOST = 6  # paths of one value
_LONGEST = 200  # characters of a path
_BUILTINS = frozenset(dir(builtins))
_CARRIERS = frozenset(
    ("getattr", "cast", "next", "min", "max", "list", "tuple", "set", "sorted", "reversed", "iter")
)
_PLAIN = frozenset(("str", "int", "float", "bool", "bytes", "dict", "list", "set", "tuple"))
#: What binds nothing, nor anything in it.
_DULL = (ast.Name, ast.Constant, ast.expr_context, ast.operator, ast.cmpop, ast.unaryop, ast.alias)
Definition: t.TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Binding: t.TypeAlias = tuple[str, ast.expr | None, str]
"""A path; or an expression and what is appended to its paths."""


class Scope:
    """The names of a module, class or function, and the scope around it."""

    def __init__(self, dotted: str, kind: str, outer: Scope | None, module: Module) -> None:
        self.dotted = dotted
        self.kind = kind  # module, class or function
        self.outer = outer
        self.module = module
        self.names: dict[str, list[Binding]] = {}
        self.elsewhere: set[str] = set()  # global and nonlocal
        self.annotations: dict[str, ast.expr] = {}
        self._asked: set[str] = set()
        self._known: dict[str, Paths] = {}

    def bind(self, name: str, path: str = "", value: ast.expr | None = None, end: str = "") -> None:
        """Let the name mean a path, or what an expression means followed by `end`."""
        self.names.setdefault(name, []).append((path, value, end))

    def look(self, name: str) -> Paths:
        """Return what a name means here."""
        scope: Scope | None = self
        while scope is not None:
            visible = scope is self or scope.kind != "class"
            if visible and name in scope.names and name not in scope.elsewhere:
                return scope.own(name)
            scope = scope.outer
        if name in _BUILTINS:
            return (f"builtins.{name}",)
        return (f"{self.module.name}.{name}",)  # of a star import, or not at all

    def own(self, name: str, deep: bool = False) -> Paths:
        """Return what a name of this scope means; with `deep` also where others may assign it."""
        if name in self._known and not deep:
            return self._known[name]
        bindings = self.names[name]
        if name in self._asked:  # `logger = logger.getChild("x")`
            plain = [path for path, value, _ in bindings if value is None]
            return join(plain) or (f"?{name}",)
        if self.kind == "module" and not deep and any(value for _, value, _ in bindings):
            return (f"{self.dotted}.{name}",)
        self._asked.add(name)
        found: list[str] = []
        for path, value, end in bindings:
            found += [path] if value is None else [f"{at}{end}" for at in self.paths(value)]
        self._asked.discard(name)
        paths = join(found)
        if not deep:
            self._known[name] = paths
        return paths

    def paths(self, node: ast.expr) -> Paths:
        """Return what is known of an expression's value."""
        match node:
            case ast.Name():
                return self.look(node.id)
            case ast.Attribute():
                return join(f"{path}.{node.attr}" for path in self.paths(node.value))
            case ast.Call(func=ast.Name(id="super"), args=[]):
                return (f"super:{self.owner()}()",)
            case ast.Call(func=ast.Name(id="super"), args=[klass, _]):
                return join(f"super:{path}()" for path in self.paths(klass))
            case ast.Call(func=ast.Name(id=name), args=[_, *_]) if name in _CARRIERS:
                return self._carried(name, node)
            case ast.Call(func=ast.Attribute(attr="cast"), args=[_, value]):
                if self.paths(node.func) == ("typing.cast",):
                    return self.paths(value)
                return join(f"{path}()" for path in self.paths(node.func))
            case ast.Call():
                return join(f"{path}()" for path in self.paths(node.func))
            case ast.Subscript():
                return join(f"{path}[]" for path in self.paths(node.value))
            case ast.Await() | ast.Starred() | ast.NamedExpr():
                return self.paths(node.value)
            case ast.IfExp():
                return join((*self.paths(node.body), *self.paths(node.orelse)))
            case ast.BoolOp():
                return join(path for value in node.values for path in self.paths(value))
            case ast.BinOp(op=ast.Div()):  # of paths, most of all
                return self.paths(node.left)
            case ast.BinOp():
                sides = (*self.paths(node.left), *self.paths(node.right))
                return ("<value>",) if any(side.startswith("<") for side in sides) else ("?",)
            case ast.Constant():
                return (f"<{type(node.value).__name__}>",)
            case ast.Lambda():
                return ("<lambda>",)
            case ast.Dict():
                return ("<dict>",)
            case ast.JoinedStr():
                return ("<str>",)
            case ast.List() | ast.Set() | ast.Tuple():
                return ("<value>",)
            case ast.ListComp() | ast.DictComp() | ast.SetComp() | ast.GeneratorExp():
                return ("<value>",)
            case ast.Compare() | ast.UnaryOp():
                return ("<value>",)
        return ("?",)

    def _carried(self, name: str, node: ast.Call) -> Paths:
        """Return what comes out of a function that returns what it is given, or of what it is
        given: `getattr(g, "db")`, `next(rows)`, `sorted(rows)`."""
        given = node.args
        match name, given:
            case "getattr", [value, ast.Constant(value=str(attribute)), *rest]:
                found = [f"{path}.{attribute}" for path in self.paths(value)]
                return join([*found, *(path for other in rest for path in self.paths(other))])
            case "cast", [_, value]:
                return self.paths(value)
            case (("getattr" | "cast"), _):
                return ("?",)
            case (("next" | "min" | "max"), _):
                return join(f"{path}[]" for value in given for path in self.paths(value))
        return self.paths(given[0])

    def owner(self) -> str:
        """Return the class that this scope is a method's of, or ""."""
        scope: Scope | None = self
        while scope is not None:
            if scope.kind == "class":
                return scope.dotted
            scope = scope.outer
        return ""


class Module(t.NamedTuple):
    """What is said of a module before it is read."""

    name: str
    package: bool
    siblings: frozenset[str]

    def absolute(self, name: str | None, level: int) -> str:
        """Return what an import's module is called from the root."""
        if not level:
            first, _, rest = (name or "").partition(".")
            if first in self.siblings:
                return ".".join(filter(None, (*self.name.split(".")[:-1], first, rest)))
            return name or ""
        parts = self.name.split(".")
        parts = parts[: len(parts) - level + self.package]
        return ".".join(filter(None, (*parts, name)))


def join(paths: t.Iterable[str]) -> Paths:
    """Return the paths once each, unless there are too many or one is too long."""
    found = tuple(dict.fromkeys(paths))
    if len(found) > _MOST or any(len(path) > _LONGEST for path in found):
        return ("?",)
    return found


def collect(scope: Scope, body: t.Sequence[ast.stmt]) -> None:
    """Bind the names that the statements bind, those of inner functions and classes excepted."""
    todo: list[ast.AST] = list(reversed(body))
    while todo:
        node = todo.pop()
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                scope.bind(node.name, inner_name(scope, node.name))
                continue
            case ast.Lambda(args=given):
                for parameter in (*given.posonlyargs, *given.args, *given.kwonlyargs):
                    if parameter.arg not in scope.names:
                        scope.bind(parameter.arg, f"?{parameter.arg}")
                continue
            case ast.Import():
                for alias in node.names:
                    top = alias.name if alias.asname else alias.name.partition(".")[0]
                    path = scope.module.absolute(top, 0)
                    scope.bind(alias.asname or top, path)
            case ast.ImportFrom():
                base = scope.module.absolute(node.module, node.level)
                for alias in node.names:
                    if alias.name != "*":
                        path = f"{base}.{alias.name}" if base else alias.name
                        scope.bind(alias.asname or alias.name, path)
            case ast.Assign():
                for target in node.targets:
                    _assign(scope, target, node.value)
            case ast.AnnAssign() if node.value is not None:
                _assign(scope, node.target, node.value)
            case ast.AnnAssign(target=ast.Name(id=name)):
                bind_annotated(scope, name, node.annotation)
            case ast.NamedExpr():
                _assign(scope, node.target, node.value)
            case ast.For() | ast.AsyncFor() | ast.comprehension():
                _assign(scope, node.target, node.iter, "[]")
            case ast.withitem() if node.optional_vars is not None:
                _assign(scope, node.optional_vars, node.context_expr)
            case ast.ExceptHandler() if node.name:
                scope.bind(node.name, "<exception>")
            case ast.Global() | ast.Nonlocal():
                scope.elsewhere.update(node.names)
            case ast.MatchAs() | ast.MatchStar() if node.name:
                scope.bind(node.name, "?")
        todo.extend(
            [child for child in ast.iter_child_nodes(node) if not isinstance(child, _DULL)][::-1]
        )


def _assign(scope: Scope, target: ast.expr, value: ast.expr, end: str = "") -> None:
    if isinstance(target, ast.Name):
        scope.bind(target.id, value=value, end=end)
    elif isinstance(target, ast.Starred):
        _assign(scope, target.value, value, end)
    elif isinstance(target, ast.Tuple | ast.List):
        parts = getattr(value, "elts", ())
        for number, part in enumerate(target.elts):
            if len(parts) == len(target.elts) and not end:
                _assign(scope, part, parts[number])
            else:
                _assign(scope, part, value, f"{end}[]")


def inner_name(scope: Scope, name: str) -> str:
    """Return the dotted name of what is defined in a scope."""
    return (
        f"{scope.dotted}.<locals>.{name}" if scope.kind == "function" else f"{scope.dotted}.{name}"
    )


def bind_annotated(scope: Scope, name: str, annotation: ast.expr | None) -> None:
    """Bind a name of which its annotation alone is known."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            annotation = ast.parse(annotation.value, mode="eval").body
        except SyntaxError:
            annotation = None
    if isinstance(annotation, ast.BinOp):  # X | None
        annotation = annotation.left
    if isinstance(annotation, ast.Subscript):
        outer = annotation.value
        name_of = outer.attr if isinstance(outer, ast.Attribute) else getattr(outer, "id", "")
        if name_of in ("Optional", "Annotated"):
            inner = annotation.slice
            inner = inner.elts[0] if isinstance(inner, ast.Tuple) else inner
            bind_annotated(scope, name, inner)
            return
        if name_of in ("Union", "Callable"):  # of several, or of what returns something
            annotation = None
        else:
            annotation = outer
    if isinstance(annotation, ast.Attribute) and annotation.attr == "Callable":
        annotation = None
    if isinstance(annotation, ast.Name) and annotation.id == "Callable":
        annotation = None
    if isinstance(annotation, ast.Name) and annotation.id in _PLAIN:
        scope.bind(name, "<value>")
    elif isinstance(annotation, ast.Name | ast.Attribute):
        scope.bind(name, value=annotation, end="()")
    else:
        scope.bind(name, f"?{name}")
