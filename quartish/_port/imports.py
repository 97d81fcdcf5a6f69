"""Imports and their names, rewritten by libcst: `flask` becomes `quartish`, in each form.

The rule: the name that a file uses stays, unless it is the module's own and nothing else can mean
it: then `flask.request` becomes `quartish.request`.
"""

from __future__ import annotations

import ast
import typing as t

import libcst as cst


def root_of(node: cst.BaseExpression | None) -> str:
    """Return the first part of a dotted name."""
    while isinstance(node, cst.Attribute):
        node = node.value
    return node.value if isinstance(node, cst.Name) else ""


def replace_root(node: cst.Name | cst.Attribute, to: str) -> cst.Name | cst.Attribute:
    """Return a dotted name with its first part replaced by a dotted name."""
    if isinstance(node, cst.Name):
        new = cst.parse_expression(to)
        assert isinstance(new, cst.Name | cst.Attribute)
        return new.with_changes(lpar=node.lpar, rpar=node.rpar)
    value = replace_root(cst.ensure_type(node.value, cst.Name) if isinstance(node.value, cst.Name)
                         else cst.ensure_type(node.value, cst.Attribute), to)  # fmt: skip
    return node.with_changes(value=value)


def must_keep(tree: ast.Module, module: str) -> bool:
    """Say whether a file's name `flask` may mean something besides the module, or is needed by
    what is not code: `import quartish as flask` then."""
    new = {"flask": "quartish"}.get(module, "")
    for node in ast.walk(tree):
        match node:
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                bound = name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                bound = name
            case ast.ClassDef(name=name) | ast.ExceptHandler(name=str(name)):
                bound = name
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                bound = name
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                bound = module if module in names else ""
            case ast.Import(names=aliases):
                bound = ""
                for alias in aliases:
                    name = alias.asname or alias.name.partition(".")[0]
                    if name == module and (alias.asname or alias.name.split(".")[0] != module):
                        bound = module
                    elif name == new and alias.name.partition(".")[0] != new:
                        bound = new
            case ast.ImportFrom(names=aliases):
                bound = ""
                for alias in aliases:
                    if (alias.asname or alias.name) in (module, new):
                        bound = module
            case ast.Constant(value=str(text)):
                # An annotation in quotes, or the name in `__all__`.
                quoted = text == module or text.startswith((f"{module}.", f"t.{module}."))
                bound = module if quoted and " " not in text and text.isascii() else ""
                if f"[{module}." in text or f"| {module}." in text:
                    bound = module
            case _:
                continue
        if bound and bound in (module, new):
            return True
    return False


def bound_by(tree: ast.Module, modules: t.Container[str]) -> set[str]:
    """Return which of the modules an `import` binds by their own names."""
    return {
        root
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.asname is None and (root := alias.name.partition(".")[0]) in modules
    }


class ImportRule(cst.CSTTransformer):
    """Rewrites imports of `modules` and uses of their names; subclasses do the rest."""

    def __init__(
        self,
        modules: dict[str, str],
        keep: bool,
        rename: dict[str, str],
        bound: t.Collection[str],
    ) -> None:
        """`bound` has the names that a plain `import flask` binds in the file."""
        super().__init__()
        self.modules = modules
        self.keep = keep
        self.rename = rename
        self._no_uses: set[int] = set()
        self._bound = bound

    def visit_Attribute(self, node: cst.Attribute) -> None:
        self._no_uses.add(id(node.attr))

    def visit_Arg(self, node: cst.Arg) -> None:
        if node.keyword is not None:
            self._no_uses.add(id(node.keyword))

    def visit_Import(self, node: cst.Import) -> bool:
        return False

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:
        return False

    def visit_NameItem(self, node: cst.NameItem) -> bool:
        return False

    def leave_Import(self, original_node: cst.Import, updated_node: cst.Import) -> cst.Import:
        names: list[cst.ImportAlias] = []
        for alias in updated_node.names:
            root = root_of(alias.name)
            to = self.modules.get(root)
            if to is None:
                names.append(alias)
                continue
            changed = alias.with_changes(name=replace_root(alias.name, to))
            if alias.asname is None and (self.keep or "." in to):
                kept = cst.AsName(
                    cst.Name(root), cst.SimpleWhitespace(" "), cst.SimpleWhitespace(" ")
                )
                whole = replace_root(cst.Name(root), to)
                if isinstance(alias.name, cst.Attribute):
                    comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
                    names.append(cst.ImportAlias(whole, kept, comma))
                else:
                    changed = changed.with_changes(asname=kept)
            names.append(changed)
        if len(names) == len(updated_node.names) and names == list(updated_node.names):
            return updated_node
        return updated_node.with_changes(names=names)

    def leave_ImportFrom(
        self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom
    ) -> cst.ImportFrom:
        module = updated_node.module
        if updated_node.relative or module is None:
            return updated_node
        to = self.modules.get(root_of(module))
        if to is None or self._is_ext(module):
            return updated_node
        changed = updated_node.with_changes(module=replace_root(module, to))
        if self.rename and not isinstance(updated_node.names, cst.ImportStar):
            names = [self._renamed(alias) for alias in updated_node.names]
            changed = changed.with_changes(names=names)
        return changed

    def _renamed(self, alias: cst.ImportAlias) -> cst.ImportAlias:
        """Import what takes a name's place by the same name, so that all uses stay."""
        name = alias.name.value if isinstance(alias.name, cst.Name) else ""
        if name not in self.rename:
            return alias
        kept = alias.asname or cst.AsName(
            cst.Name(name), cst.SimpleWhitespace(" "), cst.SimpleWhitespace(" ")
        )
        return alias.with_changes(name=cst.Name(self.rename[name]), asname=kept)

    @staticmethod
    def _is_ext(module: cst.Name | cst.Attribute) -> bool:
        """Say whether a module is in `flask.ext`, the extensions' package before Flask 1.0."""
        while isinstance(module, cst.Attribute):
            if module.attr.value == "ext" and root_of(module.value) == "flask":
                return True
            module = t.cast("cst.Name | cst.Attribute", module.value)
        return False

    def leave_Attribute(
        self, original_node: cst.Attribute, updated_node: cst.Attribute
    ) -> cst.BaseExpression:
        """Rename `flask.Flask`, where the colour has another name for it."""
        value = original_node.value
        if isinstance(value, cst.Name) and value.value in self._bound:
            to = self.rename.get(original_node.attr.value)
            if to is not None:
                return updated_node.with_changes(attr=cst.Name(to))
        return updated_node

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:
        name = original_node.value
        to = self.modules.get(name)
        if to is None or name not in self._bound or self.keep or "." in to:
            return updated_node
        if id(original_node) in self._no_uses:
            return updated_node
        return updated_node.with_changes(value=to)
