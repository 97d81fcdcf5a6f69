"""What users add to the templates of an app: filters, tests and globals."""

from __future__ import annotations

import typing as t

from jinja2 import Environment as JinjaEnvironment

from ..blueprints import T_template_filter
from ..blueprints import T_template_global
from ..blueprints import T_template_test
from ..typing import TemplateFilterCallable
from ..typing import TemplateGlobalCallable
from ..typing import TemplateTestCallable
from .scaffold import named_decorator
from .scaffold import Scaffold
from .scaffold import setupmethod


class TemplateFunctions(Scaffold):
    """The decorators that register functions with an app's Jinja environment.

    Each is used as `@app.template_filter`, `@app.template_filter()` or
    `@app.template_filter("name")`.
    """

    if t.TYPE_CHECKING:

        @property
        def jinja_env(self) -> JinjaEnvironment: ...

    @t.overload
    def template_filter(self, name: T_template_filter) -> T_template_filter: ...
    @t.overload
    def template_filter(
        self, name: str | None = None
    ) -> t.Callable[[T_template_filter], T_template_filter]: ...
    @setupmethod
    def template_filter(self, name: t.Any = None) -> t.Any:
        """Register a template filter, under `name` or the function's own name."""
        return named_decorator(self.add_template_filter, name)

    @setupmethod
    def add_template_filter(self, f: TemplateFilterCallable, name: str | None = None) -> None:
        """Register a template filter, under `name` or the function's own name."""
        self.jinja_env.filters[name or f.__name__] = f

    @t.overload
    def template_test(self, name: T_template_test) -> T_template_test: ...
    @t.overload
    def template_test(
        self, name: str | None = None
    ) -> t.Callable[[T_template_test], T_template_test]: ...
    @setupmethod
    def template_test(self, name: t.Any = None) -> t.Any:
        """Register a template test, under `name` or the function's own name."""
        return named_decorator(self.add_template_test, name)

    @setupmethod
    def add_template_test(self, f: TemplateTestCallable, name: str | None = None) -> None:
        """Register a template test, under `name` or the function's own name."""
        self.jinja_env.tests[name or f.__name__] = f

    @t.overload
    def template_global(self, name: T_template_global) -> T_template_global: ...
    @t.overload
    def template_global(
        self, name: str | None = None
    ) -> t.Callable[[T_template_global], T_template_global]: ...
    @setupmethod
    def template_global(self, name: t.Any = None) -> t.Any:
        """Register a template global, under `name` or the function's own name."""
        return named_decorator(self.add_template_global, name)

    @setupmethod
    def add_template_global(self, f: TemplateGlobalCallable, name: str | None = None) -> None:
        """Register a template global, under `name` or the function's own name."""
        self.jinja_env.globals[name or f.__name__] = f
