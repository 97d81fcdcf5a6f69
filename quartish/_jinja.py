"""What Jinja and MarkupSafe keep to themselves and quartish needs: no other room touches that."""

from __future__ import annotations

import typing as t
from collections.abc import Callable

import markupsafe
from jinja2 import Environment as JinjaEnvironment

if t.TYPE_CHECKING:
    from types import CodeType

#: Return a text with its `& < > " '` escaped, as a str. PERF(350 ns): `escape` makes a Markup of
#: it, and does the same.
quote: Callable[[str], str] = getattr(markupsafe, "_escape_inner", markupsafe.escape)


class CompilingEnvironment(JinjaEnvironment):
    """An environment that decides how the Python code of a template is compiled.

    Where a release does not ask for it, the code is compiled as it is: templates do the same.
    """

    def compile_code(self, source: str, filename: str) -> CodeType:
        """Return the code object of a template's Python code."""
        raise NotImplementedError

    def _compile(self, source: str, filename: str) -> CodeType:
        return self.compile_code(source, filename)
