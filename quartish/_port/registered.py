"""What the project registers with an app or a blueprint: views, hooks, error handlers."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from dataclasses import field

from .class_views import CLASSES
from .class_views import EXPOSING
from .class_views import methods_of
from .records import Decorator
from .records import Function
from .records import Paths
from .records import Span
from .records import Use
from .resolve import Project

#: What registers -> the kind of what is registered.
KINDS = {
    **dict.fromkeys(("route", "get", "post", "put", "delete", "patch", "endpoint"), "view"),
    "websocket": "websocket",
    **dict.fromkeys(
        (
            *("before_request", "after_request", "teardown_request", "teardown_appcontext"),
            *("before_app_request", "after_app_request", "teardown_app_request"),
            *("before_first_request", "before_app_first_request", "url_value_preprocessor"),
            *("app_url_value_preprocessor", "url_defaults", "app_url_defaults"),
            *("context_processor", "app_context_processor"),
        ),
        "hook",
    ),
    **dict.fromkeys(
        (
            *("template_filter", "template_global", "template_test", "app_template_filter"),
            *("app_template_global", "app_template_test", "add_template_filter"),
            *("add_template_global", "add_template_test", "add_app_template_filter"),
            *("add_app_template_global", "add_app_template_test"),
        ),
        "template function",
    ),
    "errorhandler": "error handler",
    "app_errorhandler": "error handler",
    "register_error_handler": "error handler",
}
#: Those that only an app or a blueprint has: to see one is enough.
_TELLING = frozenset(
    name for name in KINDS if name not in ("get", "post", "put", "delete", "patch")
)
_SHORT = frozenset(("app", "bp", "blueprint", "application", "flask_app", "self.app"))
APPS = ("flask.Flask", "flask.Blueprint")


@dataclass(slots=True)
class Registered:
    """A function and what it is registered as."""

    function: Function
    kind: str
    by: str
    #: The app or blueprint: the name under which it was made, and whether it is a blueprint.
    origin: str
    blueprint: bool
    #: Whether those are known to be an app or a blueprint of ours.
    known: bool
    #: The line of the decorator, or 0 where it was a call.
    line: int = 0
    #: What wraps it where it is registered.
    through: tuple[Decorator, ...] = ()
    #: The places where it is named to be registered: file and span.
    places: set[tuple[str, Span]] = field(default_factory=set)
    #: The library that calls it by a `def` of its own, or "".
    library: str = ""


def find_registered(project: Project) -> list[Registered]:
    """Return what is registered outside of tests, in the order of the files."""
    found: list[Registered] = []
    for twins in project.twins.values():
        for function in twins:
            if not function.test:
                found += _by_decorators(project, function)
    for fact, _, use in project.uses():
        if not fact.test and use.kind == "call":
            found += _by_call(project, fact.file, use)
    found += _class_views(project)
    order: dict[tuple[str, int, str], Registered] = {}
    for one in found:
        first = order.setdefault((one.function.file, one.function.line, one.kind), one)
        if first is not one:
            first.through += one.through
            first.places |= one.places
            first.library = first.library or one.library
    return [order[key] for key in sorted(order)]


def _by_decorators(project: Project, function: Function) -> t.Iterator[Registered]:
    for decorator in function.decorators:
        for path in decorator.paths:
            library = EXPOSING.get(path)
            if library and function.owner:
                yield Registered(
                    function, "class view", "expose", "", False, True, decorator.line,
                    library=library,
                )  # fmt: skip
                break
            registrar, _, by = path.rpartition(".")
            if by not in KINDS or not registrar:
                continue
            known, blueprint, refused = _registrar(project, registrar)
            if refused or not (known or by in _TELLING):
                continue
            origin = project.origin(registrar)
            yield Registered(function, KINDS[by], by, origin, blueprint, known, decorator.line)
            break


def _registrar(project: Project, path: str) -> tuple[bool, bool, bool]:
    """Say whether what registers is known to be an app or a blueprint, whether it is a blueprint,
    and whether it is known to be neither."""
    registrars = project.expand(path)
    known = any(project.is_instance(registrar, *APPS) for registrar in registrars)
    short = path.rpartition(".")[2].lstrip("?") in _SHORT
    known = known or (short and all(registrar.startswith("?") for registrar in registrars))
    refused = any(registrar.startswith(("pytest", "click", "<")) for registrar in registrars)
    blueprint = any(project.is_instance(registrar, APPS[1]) for registrar in registrars)
    return known, blueprint, refused


def _by_call(project: Project, file: str, use: Use) -> t.Iterator[Registered]:
    """Yield what a call registers: `app.add_url_rule("/", view_func=view)`, `app.get("/")(view)`,
    `app.before_request(hook)`."""
    for path in use.paths:
        called = path.endswith("()")  # what a decorator is, that was made with arguments
        registrar, _, by = path.removesuffix("()").rpartition(".")
        if by == "add_url_rule" and not called:
            kind, names = "view", ("view_func", "2")
        elif by == "register_error_handler" and not called:
            kind, names = "error handler", ("f", "1")
        elif by in KINDS and (called or KINDS[by] in ("hook", "template function")):
            kind, names = KINDS[by], ("f", "0")
        else:
            continue
        known, blueprint, refused = _registrar(project, registrar)
        if not registrar or refused or (called and not (known or by in _TELLING)):
            continue
        origin = project.origin(registrar)
        for name in names:
            inner = use.wrapped.get(name)
            given = inner.paths if inner else use.arguments.get(name, ())
            for function, of_class in _functions(project, given):
                shown = "class view" if of_class else kind
                one = Registered(function, shown, by, origin, blueprint, known)
                if inner:
                    one.through = inner.by
                    one.places = {(file, inner.span)}
                yield one


def _functions(project: Project, given: Paths) -> t.Iterator[tuple[Function, bool]]:
    """Yield what is registered by these paths: functions, and the methods of class views, and
    which of the two it is."""
    for end in project.expand_all(given):
        if end in project.functions:
            yield project.functions[end], False
    for path in given:
        if path.endswith(".as_view()"):
            for klass in project.expand(path.removesuffix(".as_view()")):
                for name in methods_of(project, klass):
                    yield project.functions[name], True


def _class_views(project: Project) -> t.Iterator[Registered]:
    for name in project.classes:
        ancestry = project.ancestry(name)
        library = next((CLASSES[base] for base in ancestry if base in CLASSES), None)
        if library is not None:
            for method in methods_of(project, name, inherited=False):
                function = project.functions[method]
                if not function.test:
                    yield Registered(
                        function, "class view", "as_view", "", False, True, library=library
                    )
