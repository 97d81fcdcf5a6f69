"""What the project registers with an app or a blueprint: views, hooks, error handlers."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .records import Function
from .records import Paths
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
_VERBS = ("get", "post", "put", "delete", "patch", "head", "options")
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


def find_registered(project: Project) -> list[Registered]:
    """Return what is registered outside of tests, in the order of the files."""
    found: list[Registered] = []
    for twins in project.twins.values():
        for function in twins:
            if not function.test:
                found += _by_decorators(project, function)
    for fact, _, use in project.uses():
        if not fact.test and use.kind == "call":
            found += _by_call(project, use.paths, use.arguments)
    found += _class_views(project)
    order: dict[tuple[str, int, str], Registered] = {}
    for one in found:
        order.setdefault((one.function.file, one.function.line, one.kind), one)
    return [order[key] for key in sorted(order)]


def _by_decorators(project: Project, function: Function) -> t.Iterator[Registered]:
    for decorator in function.decorators:
        for path in decorator.paths:
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


def _by_call(project: Project, paths: Paths, arguments: dict[str, Paths]) -> t.Iterator[Registered]:
    for path in paths:
        registrar, _, by = path.rpartition(".")
        if by == "add_url_rule":
            kind, given = "view", arguments.get("view_func") or arguments.get("2", ())
        elif by == "register_error_handler":
            kind, given = "error handler", arguments.get("f") or arguments.get("1", ())
        elif KINDS.get(by) in ("hook", "template function"):
            kind, given = KINDS[by], arguments.get("f") or arguments.get("0", ())
        else:
            continue
        known, blueprint, _ = _registrar(project, registrar)
        origin = project.origin(registrar)
        for end in project.expand_all(given):
            if end in project.functions:
                yield Registered(project.functions[end], kind, by, origin, blueprint, known)


def _class_views(project: Project) -> t.Iterator[Registered]:
    for name, klass in project.classes.items():
        ancestry = project.ancestry(name)
        for view, methods in (
            ("flask.views.View", ("dispatch_request",)),
            ("flask.views.MethodView", _VERBS),
        ):
            if view not in ancestry:
                continue
            for method in methods:
                function = project.functions.get(klass.methods.get(method, ""))
                if function is not None and not function.test:
                    yield Registered(function, "class view", "as_view", "", False, True)
