"""Explanations of errors that known mistakes cause.

An error that nobody handled gets a note (PEP 678), which the log, the page and a test's report show
below the message. Its type and its message stay as they are, for code that handles them.
"""

from __future__ import annotations

import inspect
import re
import typing as t

from jinja2 import TemplateNotFound
from werkzeug.routing import BuildError

from .awaits import awaits_too_little
from .awaits import awaits_too_much
from .awaits import enters_otherwise
from .awaits import iterates_otherwise
from .awaits import runs_in_loop
from .case import Case
from .names import builds_no_url
from .names import finds_no_template
from .places import place_of

Find = t.Callable[[Case], str | None]


def explain(error: BaseException, ctx: t.Any = None) -> None:
    """Add a note to an error that a known mistake has caused, in the context `ctx`."""
    if type(error) not in _FINDERS and not isinstance(error, (TemplateNotFound, BuildError)):
        return
    case = Case(error, ctx)
    for kind, finders in _FINDERS.items():
        if isinstance(error, kind):
            for find in finders:
                note = find(case)
                if note is not None:
                    if note not in getattr(error, "__notes__", ()):
                        error.add_note(note)
                    return


_ARGUMENTS = re.compile(r"[\w.<>]+\(\) (got an unexpected keyword|missing \d+ required)")


def _takes_others(case: Case) -> str | None:
    """The view's arguments are not those of its rule."""
    if _ARGUMENTS.match(case.text) is None or case.frame is not None or case.view is None:
        return None
    rule = getattr(case.ctx.conn, "url_rule", None)
    if rule is None:
        return None
    try:
        takes = ", ".join(inspect.signature(case.view).parameters) or "nothing"
    except (TypeError, ValueError):
        return None
    gives = ", ".join(sorted(rule.arguments)) or "nothing"
    return (
        f"The rule {rule.rule!r} gives {gives}, and its view takes {takes}: use the same names;"
        f" {place_of(case.view, 'view ')}"
    )


def _returns_no_response(case: Case) -> str | None:
    if not case.text.startswith("The view function") or case.view is None:
        return None
    place = place_of(case.view, "view ")
    if "either returned None" in case.text:
        return f"Each way through it has to end with `return`; {place}"
    if re.search(r"it was an? (int|float|bool|Decimal)\b", case.text):
        return f"Write `str(...)` for text, or a dict or list for JSON; {place}"
    return place[0].upper() + place[1:] + "."


_FINDERS: dict[type[BaseException], tuple[Find, ...]] = {
    TypeError: (
        *(awaits_too_much, iterates_otherwise, enters_otherwise, _takes_others),
        *(awaits_too_little, _returns_no_response),
    ),
    AttributeError: (awaits_too_little,),
    RuntimeError: (runs_in_loop,),
    TemplateNotFound: (finds_no_template,),
    BuildError: (builds_no_url,),
}
