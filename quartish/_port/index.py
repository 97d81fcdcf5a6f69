"""Facts about a project that do not depend on what is decided, each looked up once."""

from __future__ import annotations

import re

from .extensions import find_extensions
from .records import Function
from .records import Use
from .registered import find_registered
from .requests_calls import is_foreign
from .resolve import Project

_FILLS = re.compile(r"\.jinja_env\.(globals|filters|tests)")


class Index:
    """What a project registers and imports, and which of its functions call which."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.registered = find_registered(project)
        self.extensions = find_extensions(project)
        #: Where functions are put into the environment of templates, or "".
        self.fills_templates = ""
        #: Whether something of requests' responses is used that httpx's do not have.
        self.foreign = False
        self.calls: dict[str, list[tuple[Function, Use]]] = {}
        self.references: dict[str, list[tuple[Function, Use]]] = {}
        for fact, function, use in project.uses():
            if not fact.test and any(_FILLS.search(path) for path in use.paths):
                self.fills_templates = f"{fact.file}:{use.span.line}"
            table = self.calls if use.kind == "call" else self.references
            for end in project.expand_all(use.paths):
                self.foreign = self.foreign or is_foreign(end)
                if end in project.functions:
                    table.setdefault(end, []).append((function, use))
