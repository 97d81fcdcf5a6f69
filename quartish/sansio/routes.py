"""What `add_url_rule` makes of its arguments, and the view of static files."""

from __future__ import annotations

import typing as t
import weakref

from ..routing.map import Rule
from ..typing import RouteCallable


def _endpoint_from_view_func(view_func: RouteCallable | None) -> str:
    """Return the endpoint of a view function for which none was given: its name."""
    assert view_func is not None, "expected view func if endpoint is not provided."
    name = getattr(view_func, "__name__", None)
    if name is None:
        raise AttributeError(
            f"The view {view_func!r} has no '__name__' to make an endpoint of. Pass 'endpoint='."
        )
    return t.cast(str, name)


def make_rule(
    cls: type[Rule],
    config: t.Mapping[str, t.Any],
    rule: str,
    endpoint: str,
    view_func: RouteCallable | None,
    provide_automatic_options: bool | None,
    options: dict[str, t.Any],
) -> Rule:
    """Return the rule for the arguments of `add_url_rule`: methods and automatic OPTIONS are the
    arguments', else those that the view has as attributes, else the defaults."""
    methods = options.pop("methods", None)
    if methods is None:  # an empty list is not None, and routes no method
        methods = getattr(view_func, "methods", None) or ("GET",)
    if isinstance(methods, str):
        raise TypeError(
            "Allowed methods must be a list of strings, for"
            ' example: @app.route(..., methods=["POST"])'
        )
    if options.get("websocket"):
        methods, provide_automatic_options = {"GET"}, False
    methods = {item.upper() for item in methods}
    required: set[str] = set(getattr(view_func, "required_methods", ()))
    if provide_automatic_options is None:
        provide_automatic_options = getattr(view_func, "provide_automatic_options", None)
    if provide_automatic_options is None:
        provide_automatic_options = "OPTIONS" not in methods and config["PROVIDE_AUTOMATIC_OPTIONS"]
        if provide_automatic_options:
            required.add("OPTIONS")
    made = cls(rule, methods=methods | required, endpoint=endpoint, **options)
    made.provide_automatic_options = bool(provide_automatic_options)
    return made


class _HasFiles(t.Protocol):
    def send_static_file(self, filename: str) -> t.Any: ...


def static_view(app: _HasFiles) -> RouteCallable:
    """Return the view of an app's static files."""
    this = weakref.ref(app)  # the app holds its views: this avoids a reference cycle

    def send_static_file(filename: str) -> t.Any:
        found = this()
        assert found is not None
        return found.send_static_file(filename)

    return send_static_file
