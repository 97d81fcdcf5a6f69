"""`quartish routes`: what the app routes, and which hooks run around it."""

from __future__ import annotations

import json
import typing as t

import click

from .._current import current_app
from ..routing.map import Rule
from ..sansio.app import Core
from .commands import with_appcontext
from .options import Option

#: The registries of hooks, by what they are called in the output.
HOOKS = {
    "url_value_preprocessor": "url_value_preprocessors",
    "before_request": "before_request_funcs",
    "after_request": "after_request_funcs",
    "teardown_request": "teardown_request_funcs",
    "before_websocket": "before_websocket_funcs",
    "after_websocket": "after_websocket_funcs",
    "teardown_websocket": "teardown_websocket_funcs",
}
Hooks = dict[str, dict[str, list[str]]]


def name_of(func: t.Any) -> str:
    """Return where a function of the user's is, as `module:qualified.name`."""
    name = getattr(func, "__qualname__", None) or type(func).__qualname__
    return f"{getattr(func, '__module__', None) or type(func).__module__}:{name}"


def hooks_of(app: Core) -> Hooks:
    """Return what runs around views: for each kind the functions by scope, "" for the app."""
    found: Hooks = {}
    for kind, registry in HOOKS.items():
        scopes = {
            scope or "": [name_of(func) for func in functions]
            for scope, functions in getattr(app, registry).items()
            if functions
        }
        if scopes:
            found[kind] = scopes
    if app.teardown_appcontext_funcs:
        found["teardown_appcontext"] = {"": [*map(name_of, app.teardown_appcontext_funcs)]}
    return found


@click.command("routes", short_help="Show the routes for the app.")
@click.option(
    "--sort",
    "-s",
    type=click.Choice(("endpoint", "methods", "domain", "rule", "match")),
    default="endpoint",
    help="What to sort by. 'match' is the order in which rules are tried for a request.",
    cls=Option,
)
@click.option("--all-methods", is_flag=True, help="Show HEAD and OPTIONS methods.", cls=Option)
@click.option("--hooks", is_flag=True, help="Show the functions that run around views.", cls=Option)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, hooks included.", cls=Option)
@with_appcontext
def routes_command(sort: str, all_methods: bool, hooks: bool, as_json: bool) -> None:
    """Show all registered routes with endpoints and methods."""
    app = t.cast(Core, current_app())
    rules = t.cast("list[Rule]", list(app.url_map.iter_rules()))
    domain = "host" if app.url_map.host_matching else "subdomain"
    hidden = set() if all_methods else {"HEAD", "OPTIONS"}

    def methods(rule: Rule) -> str:
        if rule.websocket:
            return "WEBSOCKET"
        return ", ".join(sorted((rule.methods or set()) - hidden))

    columns: dict[str, tuple[str, t.Callable[[Rule], str]]] = {
        "endpoint": ("Endpoint", lambda rule: rule.endpoint),
        "methods": ("Methods", methods),
        "domain": (domain.title(), lambda rule: getattr(rule, domain) or ""),
        "rule": ("Rule", lambda rule: rule.rule),
    }
    if sort in columns and (sort != "domain" or any(map(columns["domain"][1], rules))):
        rules.sort(key=columns[sort][1])
    if as_json:
        routes = [_as_json(app, rule, hidden) for rule in rules]
        click.echo(json.dumps({"routes": routes, "hooks": hooks_of(app)}, indent=2))
        return
    if not rules:
        click.echo("No routes were registered.")
    else:
        if not any(map(columns["domain"][1], rules)):
            del columns["domain"]
        _show_table(
            [title for title, _ in columns.values()],
            [[cell(rule) for _, cell in columns.values()] for rule in rules],
        )
    if hooks:
        rows = [
            [kind, scope or "(app)", name]
            for kind, scopes in hooks_of(app).items()
            for scope, names in scopes.items()
            for name in names
        ]
        click.echo()
        if rows:
            _show_table(["Hook", "Of", "Function"], rows)
        else:
            click.echo("No hooks were registered.")


def _as_json(app: Core, rule: Rule, hidden: set[str]) -> dict[str, t.Any]:
    view = app.view_functions.get(rule.endpoint)
    return {
        "rule": rule.rule,
        "endpoint": rule.endpoint,
        "websocket": bool(rule.websocket),
        "methods": [] if rule.websocket else sorted((rule.methods or set()) - hidden),
        "subdomain": rule.subdomain or None,
        "host": rule.host or None,
        "view": None if view is None else name_of(view),
    }


def _show_table(titles: list[str], rows: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    for row in (titles, ["-" * width for width in widths], *rows):
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)))
