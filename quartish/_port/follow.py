"""Follow a function through the project: does it, or what it calls, block?

What is not known counts as blocking. The table is that of `blocking`.
"""

from __future__ import annotations

import typing as t

from .blocking import AMBIGUOUS
from .blocking import METHODS
from .blocking import Table
from .extensions import EXTENSIONS
from .index import Index
from .records import Function
from .records import Use
from .requests_calls import is_alike

#: Proxies that query a database when they are read.
_PROXIES = (
    *("flask_login.current_user", "flask_login.utils.current_user"),
    *("flask_security.current_user", "flask_jwt_extended.current_user"),
)
_TO_THREADS = ("run_sync", "to_thread", "run_in_executor", "Thread", "Timer", "submit")
_TEMPLATES = ("flask.render_template", "flask.stream_template")
#: Base classes whose constructors do not block.
_BASES = ("builtins.", "enum.", "typing.", "abc.", "collections.", "flask.views.", "werkzeug.")


def in_thread(use: Use) -> bool:
    """Say whether a function is passed to something that runs it in another thread."""
    called = use.context.rpartition("(")[0].rpartition(".")[2]
    return use.kind == "load" and called in _TO_THREADS


class Follower:
    """Says of the functions of one project whether they block."""

    def __init__(self, index: Index, table: Table, flags: t.Collection[str] = ()) -> None:
        """`flags` name what is rewritten, and so blocks no more in what is turned."""
        self.index = index
        self.project = index.project
        self.table = table
        self.flags = frozenset(flags)
        self.registered = index.registered
        self._views = {one.function.dotted for one in self.registered}
        self.extensions = index.extensions
        #: The functions that become `async def`.
        self.turned: set[str] = set()
        #: What was found out, as long as `turned` stays as it is.
        self.known: dict[str, str] = {}

    def rewrites(self, use: Use) -> str:
        """Return the flag by which a call is written anew, or ""."""
        if use.kind != "call" or use.awaited or not use.may_await or len(use.paths) != 1:
            return ""
        entry = self.table.blocks(use.paths[0])
        if entry is None or entry.path != use.paths[0]:
            return ""
        if entry.flag == "httpx" and (self.index.foreign or not is_alike(use)):
            return ""
        return entry.flag if entry.flag in self.flags else ""

    def blocks(self, function: Function, seen: set[str] | None = None) -> str:
        """Return what in a function, or in what it calls, blocks or is not known; or "".

        `seen` has the functions that were begun: where one of them blocks, so does the first.
        """
        name = function.dotted
        if name in self.known:
            return self.known[name]
        first = seen is None
        seen = set() if seen is None else seen
        if name in seen:
            return ""
        seen.add(name)
        for use in function.uses:
            why = self._use_blocks(function, use, seen)
            if why:
                self.known[name] = why
                return why
        if first:
            self.known.update(dict.fromkeys(seen, ""))
        return ""

    def _use_blocks(self, function: Function, use: Use, seen: set[str]) -> str:
        where = f"({function.file}:{use.span.line})"
        if use.awaited or use.kind == "store":
            return ""
        if use.kind == "load":
            return self._load_blocks(use, where, seen)
        if self.rewrites(use) and function.dotted in self.turned:
            return ""
        for path in use.paths or ("?",):
            direct = self.table.blocks(path)
            if direct is not None:
                return f"waits for {direct.waits}: `{path}` {where}"
        for end in self.project.expand_all(use.paths):
            why = self._end_blocks(function, use, end, where, seen)
            if why:
                return why
        return ""

    def _load_blocks(self, use: Use, where: str, seen: set[str]) -> str:
        if in_thread(use):
            return ""
        for end in self.project.expand_all(use.paths):
            if end.startswith(_PROXIES):
                return f"loads the user, by `{end}` {where}"
            callee = self.project.functions.get(end.removesuffix("()"))
            given = use.context.endswith(")") and end in self.project.functions
            if callee is not None and not callee.is_async and (given or end.endswith("()")):
                why = self.blocks(callee, seen)
                if why:
                    return why
            if end == "builtins.open" and use.context:
                return f"gives `open` away {where}"
        return ""

    def _end_blocks(
        self, function: Function, use: Use, end: str, where: str, seen: set[str]
    ) -> str:
        callee = self.project.functions.get(end)
        if callee is not None:
            if callee.is_async or end in self.turned:
                return ""  # `_breaks` says whether that can be awaited
            return self.blocks(callee, seen)
        if end in self.project.classes:
            return self._class_blocks(end, where, seen)
        if end.startswith(_TEMPLATES):
            why = self._template_blocks(function, use, where, seen)
            if why:
                return why
        entry = self.table.blocks(end)
        if entry is not None:
            return f"waits for {entry.waits}: `{end}` {where}"
        if self.table.harmless(end):
            return ""
        if end.startswith("?"):
            root, last = end.partition(".")[0].lstrip("?"), end.rpartition(".")[2]
            own = root in function.parameters and function.dotted in self._views
            if "." in end and last in METHODS and (own or last not in AMBIGUOUS):
                return ""
        if self.project.inherits(end, "builtins.Exception", "builtins.BaseException"):
            return ""
        shown = end.replace(".<locals>.", ".").lstrip("?") or "what is not named"
        return f"calls `{shown}`, of which nothing is known {where}"

    def _template_blocks(self, function: Function, use: Use, where: str, seen: set[str]) -> str:
        """Return what a template may call that blocks: what it is given, and what all are."""
        for name, paths in use.arguments.items():
            for end in self.project.expand_all(paths):
                plain = end.startswith(("<", "builtins.str", "builtins.len", "builtins.int"))
                data = self.table.harmless(f"{end}.strip") and not end.startswith("?")
                own = end.lstrip("?") in function.parameters and function.dotted in self._views
                if not (plain or data or own):
                    return f"gives a template `{name}`, of which nothing is known {where}"
        for one in self.registered:
            if one.kind == "template function" or one.by.endswith("context_processor"):
                why = self.blocks(one.function, seen)
                if why:
                    return f"renders templates, whose `{one.function.name}` {why}"
        if self.index.fills_templates:
            return f"renders templates, which get functions at {self.index.fills_templates}"
        for name in self.extensions:
            entry = EXTENSIONS.get(name)
            if entry is not None and entry.templates:
                return f"renders templates, and {entry.name} {entry.templates}"
        return ""

    def _class_blocks(self, name: str, where: str, seen: set[str]) -> str:
        for klass in self.project.ancestry(name):
            known = self.project.classes.get(klass)
            if known is None:
                if klass.startswith(_BASES) or self.table.harmless(klass):
                    continue
                return f"makes a `{klass}`, of which nothing is known {where}"
            for constructor in ("__new__", "__init__", "__post_init__"):
                if constructor in known.methods:
                    why = self.blocks(self.project.functions[known.methods[constructor]], seen)
                    if why:
                        return why
        return ""
