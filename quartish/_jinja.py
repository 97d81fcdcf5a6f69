"""What Jinja and MarkupSafe keep to themselves and quartish needs: no other room touches that."""

from __future__ import annotations

import typing as t
from collections.abc import Callable

import markupsafe
from jinja2 import Environment as JinjaEnvironment
from jinja2 import nodes
from jinja2.filters import FILTERS
from jinja2.tests import TESTS

if t.TYPE_CHECKING:
    from types import CodeType

#: Return a text with its `& < > " '` escaped, as a str. PERF(350 ns): `escape` makes a Markup of
#: it, and does the same.
quote: Callable[[str], str] = getattr(markupsafe, "_escape_inner", markupsafe.escape)


def _impossible(*args: t.Any) -> t.Any:
    raise nodes.Impossible


class CompilingEnvironment(JinjaEnvironment):
    """An environment that decides how the Python code of a template is compiled.

    Where a release does not ask for it, the code is compiled as it is: templates do the same.
    """

    def _generate(
        self, source: nodes.Template, name: str | None, *args: t.Any, **kwargs: t.Any
    ) -> str:
        # Jinja calls filters and tests of constants while it compiles. The code of a string (it has
        # no name) is kept, but may not keep what the user's functions returned once.
        if name is None:
            for node in source.find_all((nodes.Filter, nodes.Test)):
                is_filter = isinstance(node, nodes.Filter)
                known = FILTERS if is_filter else TESTS
                found = (self.filters if is_filter else self.tests).get(node.name)
                if found is not known.get(node.name):
                    vars(node)["as_const"] = _impossible
        return super()._generate(source, name, *args, **kwargs)

    def compile_code(self, source: str, filename: str) -> CodeType:
        """Return the code object of a template's Python code."""
        raise NotImplementedError

    def _compile(self, source: str, filename: str) -> CodeType:
        return self.compile_code(source, filename)
