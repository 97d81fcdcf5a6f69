"""Read one file: its functions and classes, and what they use, as `records.Facts`."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import typing as t
from pathlib import Path

from .places import parse
from .places import Places
from .records import Class
from .records import Decorator
from .records import Facts
from .records import Function
from .records import Imported
from .records import Paths
from .records import Use
from .records import Wrapped
from .scopes import bind_annotated
from .scopes import collect
from .scopes import Definition
from .scopes import inner_name
from .scopes import join
from .scopes import Module
from .scopes import Scope
from .tree import Source

_MODULE_STRING = re.compile(r"(flask|quart)(\.\w+)*|[\w.]+\.(flask|quart)")
_UNKNOWN = ("?", "<", "builtins.")


def read_text(path: Path) -> str:
    """Return a Python file's text with its line ends as they are.

    Raises SyntaxError where its encoding is unknown, UnicodeDecodeError where it is another.
    """
    data = path.read_bytes()
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return data.decode(encoding)


def read_file(root: Path, source: Source) -> Facts:
    """Read a file; where it cannot be, its facts have the reason and nothing else."""
    facts = Facts(source.file, source.module, source.test, source.package)
    try:
        text = read_text(root / source.file)
        tree, places = parse(text, source.file)
    except (SyntaxError, ValueError, RecursionError) as error:
        facts.error = f"{type(error).__name__}: {error}".partition("\n")[0]
        return facts
    facts.lines = text.count("\n") + 1
    try:
        _Reader(facts, Module(source.module, source.package, source.siblings), places).read(tree)
    except RecursionError:
        facts = Facts(source.file, source.module, source.test, source.package)
        facts.error = "RecursionError: an expression is nested too deeply"
    return facts


class _Reader:
    def __init__(self, facts: Facts, module: Module, places: Places) -> None:
        self.facts = facts
        self.module = module
        self.places = places
        self.function = Function("<module>", f"{module.name}.<module>", facts.file, 1)
        self.scope = Scope(module.name, "module", None, module)
        self.may_await = False
        self.type_checking = False
        self.within = 0  # of `try` and `with`

    def read(self, tree: ast.Module) -> None:
        self.function.test = self.facts.test
        self.facts.functions.append(self.function)
        collect(self.scope, tree.body)
        self.statements(tree.body)
        for name in self.scope.names:
            self.facts.names[name] = self.scope.own(name, deep=True)

    # --- statements ---------------------------------------------------------------------------

    def statements(self, body: t.Sequence[ast.stmt]) -> None:
        for node in body:
            self.statement(node)

    def statement(self, node: ast.stmt) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.definition(node)
            case ast.ClassDef():
                self.klass(node)
            case ast.Import():
                for alias in node.names:
                    name = alias.asname or alias.name.partition(".")[0]
                    self.imported(name, self.module.absolute(alias.name, 0), node, alias.name)
            case ast.ImportFrom():
                base = self.module.absolute(node.module, node.level)
                written = "." * node.level + (node.module or "")
                for alias in node.names:
                    if alias.name == "*":
                        self.facts.stars.append(base)
                    name = alias.asname or alias.name
                    path = f"{base}.{alias.name}" if base else alias.name
                    self.imported(name, path, node, written)
            case ast.If():
                self.condition(node)
            case ast.Return(value=ast.expr() as value):
                self.function.returns = join((*self.function.returns, *self.scope.paths(value)))
                self.expression(value, context="return")
            case ast.Assign():
                for target in node.targets:
                    self.store(target, node.value)
                self.expression(node.value, context="value")
            case ast.AnnAssign():
                if node.value is not None:
                    self.store(node.target, node.value)
                    self.expression(node.value, context="value")
            case ast.AugAssign():
                self.expression(node.target)
                self.expression(node.value)
            case ast.With() | ast.AsyncWith():
                awaited = isinstance(node, ast.AsyncWith)
                for item in node.items:
                    self.expression(item.context_expr, awaited=awaited)
                    paths = self.scope.paths(item.context_expr)
                    if not awaited and not isinstance(item.context_expr, ast.Call):
                        entered = join(f"{path}.__enter__" for path in paths)
                        self.use(entered, item.context_expr, "call")
                self.within += 1
                self.statements(node.body)
                self.within -= 1
            case ast.Try() | ast.TryStar():
                self.within += 1
                self.statements(node.body)
                self.within -= 1
                for handler in node.handlers:
                    self.child(handler)
                self.statements(node.orelse)
                self.statements(node.finalbody)
            case _:
                awaited = isinstance(node, ast.AsyncFor)
                for child in ast.iter_child_nodes(node):
                    self.child(child, awaited)

    def child(self, node: ast.AST, awaited: bool = False) -> None:
        if isinstance(node, ast.stmt):
            self.statement(node)
        elif isinstance(node, ast.expr):
            self.expression(node, awaited=awaited)
        else:  # except handlers, match cases, patterns
            for inner in ast.iter_child_nodes(node):
                self.child(inner)

    def condition(self, node: ast.If) -> None:
        test = ast.unparse(node.test)
        if "__name__" in test and "__main__" in test:
            self.facts.guarded.append((node.lineno, node.end_lineno or node.lineno))
        self.expression(node.test)
        before, self.type_checking = self.type_checking, test.endswith("TYPE_CHECKING")
        self.statements(node.body)
        self.type_checking = before
        self.statements(node.orelse)

    def imported(self, name: str, dotted: str, node: ast.stmt, module: str) -> None:
        record = Imported(name, dotted, node.lineno, self.type_checking, module)
        self.facts.imports.append(record)

    def store(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Attribute):
            paths = self.scope.paths(target)
            for path in paths:
                known = self.facts.attributes.get(path, ())
                self.facts.attributes[path] = join((*known, *self.scope.paths(value)))
            self.use(paths, target, "store")
            self.expression(target.value)
        elif isinstance(target, ast.Subscript):
            self.setting(target, value)
            self.expression(target.value)
            self.expression(target.slice)
        elif isinstance(target, ast.Tuple | ast.List):
            for part in target.elts:
                self.store(part, value)
        elif isinstance(target, ast.Name) and target.id.isupper():
            if self.scope.kind == "module" and isinstance(value, ast.Constant):
                self.facts.settings.append((target.id, value.value, target.lineno))

    def setting(self, target: ast.Subscript, value: ast.expr) -> None:
        """Note `app.config["X"] = literal`."""
        if isinstance(target.slice, ast.Constant) and isinstance(value, ast.Constant):
            name = target.slice.value
            if isinstance(name, str) and getattr(target.value, "attr", "") == "config":
                self.facts.settings.append((name, value.value, target.lineno))

    # --- functions and classes ----------------------------------------------------------------

    def definition(self, node: Definition) -> None:
        outer_scope, outer_function, may_await = self.scope, self.function, self.may_await
        within, self.within = self.within, 0
        decorators = self.decorators(node)
        given = node.args
        for default in (*given.defaults, *given.kw_defaults):
            if default is not None:
                self.expression(default)
        dotted = inner_name(outer_scope, node.name)
        function = Function(node.name, dotted, self.facts.file, node.lineno)
        function.is_async = isinstance(node, ast.AsyncFunctionDef)
        function.decorators = decorators
        function.test = self.facts.test
        function.parent = outer_function.dotted if outer_function.name != "<module>" else ""
        parameters = [*given.posonlyargs, *given.args, *given.kwonlyargs]
        function.parameters = tuple(parameter.arg for parameter in parameters)
        scope = Scope(dotted, "function", outer_scope, self.module)
        for number, parameter in enumerate(parameters):
            kinds = {path for decorator in decorators for path in decorator.paths}
            if number == 0 and outer_scope.kind == "class" and "builtins.staticmethod" not in kinds:
                is_class = "builtins.classmethod" in kinds or node.name == "__new__"
                scope.bind(parameter.arg, outer_scope.dotted + ("" if is_class else "()"))
            else:
                bind_annotated(scope, parameter.arg, parameter.annotation)
        if given.vararg:
            scope.bind(given.vararg.arg, "<value>")
        if given.kwarg:
            scope.bind(given.kwarg.arg, "<value>")
        if outer_scope.kind == "class":
            function.owner = outer_scope.dotted
        self.facts.functions.append(function)
        collect(scope, node.body)
        self.scope, self.function, self.may_await = scope, function, True
        self.statements(node.body)
        self.scope, self.function, self.may_await = outer_scope, outer_function, may_await
        self.within = within

    def klass(self, node: ast.ClassDef) -> None:
        outer = self.scope
        dotted = inner_name(outer, node.name)
        record = Class(node.name, dotted, self.facts.file, node.lineno)
        record.decorators = self.decorators(node)
        record.bases = [outer.paths(base) for base in node.bases]
        self.facts.classes.append(record)
        for base in node.bases:
            self.expression(base)
        self.scope = Scope(dotted, "class", outer, self.module)
        collect(self.scope, node.body)
        self.statements(node.body)
        for name, bindings in self.scope.names.items():
            if any(path == f"{dotted}.{name}" for path, _, _ in bindings):
                record.methods[name] = f"{dotted}.{name}"
            else:
                record.names[name] = self.scope.own(name)
        for child in node.body:
            if isinstance(child, ast.Assign) and isinstance(child.targets[0], ast.Name):
                if isinstance(child.value, ast.List | ast.Tuple):
                    parts = [path for e in child.value.elts for path in self.scope.paths(e)]
                    record.names[child.targets[0].id] = tuple(parts)
        self.scope = outer

    def decorators(self, node: Definition | ast.ClassDef) -> list[Decorator]:
        found = []
        for decorator in node.decorator_list:
            called = isinstance(decorator, ast.Call)
            target = decorator.func if isinstance(decorator, ast.Call) else decorator
            found.append(Decorator(self.scope.paths(target), decorator.lineno, called))
            self.expression(decorator, context="decorator")
        return found

    # --- expressions --------------------------------------------------------------------------

    def use(
        self,
        paths: Paths,
        node: ast.expr,
        kind: t.Literal["load", "call", "store"],
        awaited: bool = False,
        context: str = "",
        arguments: dict[str, Paths] | None = None,
    ) -> None:
        use = Use(
            paths, self.places.span(node), kind, awaited, self.may_await, arguments or {}, context
        )
        use.returned = context == "return" and not self.within
        self.function.uses.append(use)

    def expression(self, node: ast.expr, awaited: bool = False, context: str = "") -> None:
        match node:
            case ast.Call():
                self.call(node, awaited, context)
            case ast.Attribute() | ast.Name():
                self.load(node, awaited, context)
            case ast.Await():
                self.expression(node.value, awaited=True, context=context)
            case ast.Lambda():
                self.inside(node.body)
            case ast.Yield() | ast.YieldFrom():
                self.function.generator = True
                if node.value is not None:
                    self.expression(node.value)
            case ast.GeneratorExp() | ast.ListComp() | ast.SetComp() | ast.DictComp():
                self.comprehension(node)
            case ast.Constant(value=str(text)):
                if _MODULE_STRING.fullmatch(text):
                    self.facts.strings.append((text, self.places.span(node), context))
            case ast.IfExp():
                self.expression(node.test)
                self.expression(node.body, context=context)
                self.expression(node.orelse, context=context)
            case _:
                for child in ast.iter_child_nodes(node):
                    self.child(child)

    def inside(self, node: ast.expr) -> None:
        """Read what no `await` may stand in."""
        before, self.may_await = self.may_await, False
        self.expression(node)
        self.may_await = before

    def comprehension(
        self, node: ast.GeneratorExp | ast.ListComp | ast.SetComp | ast.DictComp
    ) -> None:
        before = self.may_await
        self.expression(node.generators[0].iter)  # is evaluated outside
        if isinstance(node, ast.GeneratorExp):
            self.may_await = False
        for number, part in enumerate(node.generators):
            if number:
                self.expression(part.iter)
            for test in part.ifs:
                self.expression(test)
        if isinstance(node, ast.DictComp):
            self.expression(node.key)
            self.expression(node.value)
        else:
            self.expression(node.elt)
        self.may_await = before

    def call(self, node: ast.Call, awaited: bool, context: str) -> None:
        paths = self.scope.paths(node.func)
        arguments: dict[str, Paths] = {}
        values = [
            ("*" if isinstance(value, ast.Starred) else str(number), value)
            for number, value in enumerate(node.args)
        ]
        values += [(keyword.arg or "**", keyword.value) for keyword in node.keywords]
        called = paths[0] if paths else "?"
        for name, value in values:
            every = called.startswith("requests.")  # which arguments there are decides
            found = tuple(p for p in self.scope.paths(value) if every or not p.startswith("<"))
            if found:
                arguments[name] = found
            self.expression(value, context=f"{called}({name})")
            if isinstance(value, ast.Constant) and name.isupper():
                if called.endswith((".config.update", ".from_mapping", "builtins.dict")):
                    self.facts.settings.append((name, value.value, value.lineno))
        self.use(paths, node, "call", awaited, context, arguments)
        for name, value in values:
            if isinstance(value, ast.Call):
                self.function.uses[-1].wrapped[name] = self.wrapped(value)
        if isinstance(node.func, ast.Attribute):
            self.receiver(node.func.value)
        elif not isinstance(node.func, ast.Name):
            self.expression(node.func)

    def wrapped(self, node: ast.expr) -> Wrapped:
        """Return what is in the middle of calls, each of which is given the next first."""
        by: list[Decorator] = []
        while isinstance(node, ast.Call) and node.args:
            called = isinstance(node.func, ast.Call)
            target = node.func.func if isinstance(node.func, ast.Call) else node.func
            paths = self.scope.paths(target)
            by.append(Decorator(paths, node.lineno, called))
            node = node.args[0]
            if any(path.endswith(".as_view") for path in paths):  # was given a name
                by.pop()
                return Wrapped(
                    join(f"{path}()" for path in paths), self.places.span(node), tuple(by)
                )
        return Wrapped(self.scope.paths(node), self.places.span(node), tuple(by))

    def receiver(self, node: ast.expr) -> None:
        """Read what a method is called on."""
        if isinstance(node, ast.Attribute):
            paths = self.scope.paths(node)
            if any(not path.startswith(_UNKNOWN) for path in paths):
                self.use(paths, node, "load", context="receiver")
            self.receiver(node.value)
        elif isinstance(node, ast.Name):
            paths = self.scope.paths(node)
            if any(path.startswith(("flask", "quart")) for path in paths):
                self.use(paths, node, "load", context="receiver")
        else:
            self.expression(node, context="receiver")

    def load(self, node: ast.Attribute | ast.Name, awaited: bool, context: str) -> None:
        paths = self.scope.paths(node)
        known = any(not path.startswith(_UNKNOWN) for path in paths)
        if known or awaited or "builtins.open" in paths:
            self.use(paths, node, "load", awaited, context)
        if isinstance(node, ast.Attribute):
            self.receiver(node.value)
