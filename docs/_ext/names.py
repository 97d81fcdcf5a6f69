"""The reference: the public names of a module, with the docstrings that they have.

Every public name is in objects.inv, under each module that gives it; it is told of once, where it
is at home.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import re
import types
import typing as t

from docutils import nodes
from docutils.utils import unescape
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.domains.python import PythonDomain
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective
from sphinx.util.docutils import SphinxRole
from sphinx.util.inspect import stringify_signature
from werkzeug.local import LocalProxy

#: Modules that users import from; a name is at home in the first that gives it.
MODULES = (
    *("quartish", "quartish.quart", "quartish.app", "quartish.blueprints", "quartish.config"),
    *("quartish.ctx", "quartish.globals", "quartish.helpers", "quartish.json"),
    *("quartish.json.provider", "quartish.json.tag", "quartish.logging", "quartish.middleware"),
    *("quartish.production", "quartish.sessions", "quartish.templating", "quartish.testing"),
    *("quartish.views", "quartish.wrappers", "quartish.routing", "quartish.signals"),
    *("quartish.typing", "quartish.cli", "quartish.serving", "quartish.datastructures"),
    *("quartish.streaming", "quartish.typed", "quartish.typed.openapi", "quartish.groups"),
    *("quartish.tasks", "quartish.tasks.taskiq", "quartish.tasks.celery"),
    *("quartish.health", "quartish.telemetry"),
)
#: Whose members are told of again where a class of ours inherits them.
_WRITTEN_ON = ("quartish", "werkzeug")


@functools.cache
def names_of(module: str) -> dict[str, t.Any]:
    """Return a module's public names that are ours: what it lists, or defines and passes on."""
    loaded = importlib.import_module(module)
    listed = getattr(loaded, "__all__", None)
    if listed is None and module == "quartish.quart":
        listed = [name for name, value in vars(loaded).items() if is_ours(value)]
    if listed is None:
        listed = [
            name
            for name, value in vars(loaded).items()
            if place_of(value) == module or name in passed_on(loaded)
        ]
    if module == "quartish.typing":
        listed = [*listed, *expressions(loaded)]
    variables = t.TypeVar | t.ParamSpec
    return {
        name: getattr(loaded, name)
        for name in listed
        if not name.startswith("_") and not isinstance(getattr(loaded, name), variables)
    }


def place_of(value: t.Any) -> str:
    return "" if isinstance(value, LocalProxy) else str(getattr(value, "__module__", ""))


def is_ours(value: t.Any) -> bool:
    return not isinstance(value, types.ModuleType) and place_of(value).startswith("quartish")


def passed_on(module: types.ModuleType) -> set[str]:
    """Return what a module imports for others: `from x import y as y`."""
    found = ast.walk(ast.parse(inspect.getsource(module)))
    imports = [node for node in found if isinstance(node, ast.ImportFrom)]
    return {alias.name for node in imports for alias in node.names if alias.asname == alias.name}


@functools.cache
def expressions(module: types.ModuleType) -> dict[str, str]:
    """Return the expression of each value that a module assigns to a name."""
    tree = ast.parse(inspect.getsource(module))
    return {
        node.targets[0].id: " ".join(ast.unparse(node.value).split())
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }


def home_of(name: str, value: t.Any) -> str:
    """Return the first of the full names that a value has."""
    for module in MODULES:
        for other, same in names_of(module).items():
            if same is value:
                return f"{module}.{other}"
    return name


class Public(SphinxDirective):
    """Tells of public names of a module: those of its lines, or all that are at home in it.

    A line `name: text` tells of a value that has no docstring.
    """

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        module = self.arguments[0]
        there = names_of(module)
        importlib.import_module(module)
        lines: list[str] = []
        chosen = [line.partition(":") for line in self.content if line.strip()]
        if not chosen:
            chosen = [
                (name, "", "")
                for name, value in there.items()
                if (module == "quartish.typing" and not inspect.isclass(value))
                or home_of(f"{module}.{name}", value) == f"{module}.{name}"
            ]
        for name, _, text in chosen:
            lines += self.told(module, name, getattr(importlib.import_module(module), name), text)
        made = self.parse_text_to_nodes("\n".join(["```{eval-rst}", *lines, "```"]))
        domain = t.cast(PythonDomain, self.env.domains["py"])
        for name, _, _ in chosen:
            self.alias(domain, f"{module}.{name}", there.get(name))
        return made

    def told(self, module: str, name: str, value: t.Any, text: str) -> list[str]:
        if text:
            return [f".. py:data:: {module}.{name}", "", f"   {text.strip()}", ""]
        if inspect.isclass(value):
            return [f".. autoclass:: {module}.{name}", "   :members:", *self.inherited(value), ""]
        if module == "quartish.typing":
            shown = expressions(importlib.import_module(module))[name]
            return [f".. py:data:: {module}.{name}", "", f"   ``{shown}``", ""]
        if inspect.isroutine(value):
            return [f".. autofunction:: {module}.{name}", ""]
        raise ExtensionError(f"{module}.{name} needs a text: it is neither class nor function.")

    def inherited(self, value: type) -> list[str]:
        packages = {base.__module__.partition(".")[0] for base in value.__mro__}
        foreign = packages - {*_WRITTEN_ON, "builtins", "typing", "collections", "abc"}
        stops = "object, Exception, BaseException, dict, list, tuple, Generic, Protocol"
        return [] if foreign else [f"   :inherited-members: {stops}"]

    def alias(self, domain: PythonDomain, home: str, value: t.Any) -> None:
        entry = domain.objects[home]
        for module in MODULES:
            loaded = vars(importlib.import_module(module))
            for name in {*names_of(module), home.rpartition(".")[2]} & loaded.keys():
                full = f"{module}.{name}"
                if loaded[name] is value and full not in domain.objects:
                    domain.note_object(full, entry.objtype, entry.node_id, aliased=True)


class Name(SphinxRole):
    """What stands between backticks in a docstring: code, and a link where it names something."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        text = unescape(self.text)
        code = nodes.literal(text, text, classes=["py"])
        if not re.fullmatch(r"[A-Za-z_][\w.]*(\(\))?", text):
            return [code], []
        link = pending_xref("", code, refdomain="py", reftype="obj", reftarget=text.strip("()"))
        link["refdoc"] = self.env.docname
        link["py:module"] = self.env.ref_context.get("py:module") or "quartish"
        link["py:class"] = self.env.ref_context.get("py:class")
        return [link], []


def skip_modules(
    app: Sphinx, what: str, name: str, value: t.Any, skip: bool, options: t.Any
) -> bool | None:
    """Leave out attributes that are modules: their value is a path of this machine."""
    return True if isinstance(value, types.ModuleType) else None


def written_out(
    app: Sphinx,
    what: str,
    name: str,
    obj: t.Any,
    options: t.Any,
    signature: str | None,
    returns: str | None,
) -> tuple[str, str] | None:
    """Give a signature with a ParamSpec as it stands in the code.

    Sphinx writes `~typing.~P` for `P.args`, which is no Python, and then shows all of it so.
    """
    if "~P" not in (signature or ""):
        return None
    given = inspect.signature(obj)
    parameters = list(given.parameters.values())
    if parameters[0].name == "self":
        del parameters[0]
    given = given.replace(parameters=parameters, return_annotation=given.empty)
    returned = inspect.signature(obj).return_annotation
    return re.sub(r"\bt\.", "typing.", stringify_signature(given)), returned


def setup(app: Sphinx) -> dict[str, t.Any]:
    app.add_directive("public", Public)
    app.add_role("name", Name())
    app.connect("autodoc-skip-member", skip_modules)
    app.connect("autodoc-process-signature", written_out)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
