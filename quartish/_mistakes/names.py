"""Templates, endpoints, paths and methods that do not exist: those with similar names."""

from __future__ import annotations

import inspect
import os
import re
import typing as t

from jinja2 import TemplateNotFound
from werkzeug.routing import BuildError

from ..typing import AppLike
from .case import Case
from .places import place_of


def finds_no_template(case: Case) -> str | None:
    error, app = case.error, case.app
    if not isinstance(error, TemplateNotFound) or app is None:
        return None
    places = []
    for owner, kind in ((app, "the app"), *((each, "") for each in app.iter_blueprints())):
        for folder in getattr(owner.jinja_loader, "searchpath", ()):
            exists = "" if os.path.isdir(folder) else ", which does not exist"
            places.append(f"{folder} (of {kind or f'blueprint {owner.name!r}'}{exists})")
    said = f"It was looked for in {'; '.join(places) or 'no folder, as there is none'}."
    try:
        known = app.jinja_env.list_templates()
    except TypeError:  # a loader that cannot list templates
        known = []
    wanted = [*getattr(error, "templates", ()), error.name or ""]
    near = [each for name in wanted for each in _near(name, known, 0.6)]
    same = [each for each in known if os.path.basename(each) == os.path.basename(wanted[0])]
    if near or same:
        said += f" There is {_listed(dict.fromkeys([*same, *near]))}."
    return f"{said[:-1]}; {case.place()}"


def builds_no_url(case: Case) -> str | None:
    error, app = case.error, case.app
    if not isinstance(error, BuildError) or app is None:
        return None
    known = sorted({rule.endpoint for rule in app.url_map.iter_rules()})
    wanted = error.endpoint
    if wanted in known:
        rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint == wanted]
        missing = sorted(rules[0].arguments - set(error.values or ()))
        given = ", ".join(f"{name}=..." for name in missing)
        if not given:
            return None
        return (
            f"Its rule is {rules[0].rule!r}: write `url_for({wanted!r}, {given})`; {case.place()}"
        )
    inside = [each for each in known if each.rpartition(".")[2] == wanted]
    if inside:
        return (
            f"{wanted!r} is an endpoint of a blueprint: write `url_for({inside[0]!r})`;"
            f" {case.place()}"
        )
    near = _near(wanted, known, 0.5)
    if near:
        return f"The nearest endpoints are {_listed(near)}; {case.place()}"
    return f"The endpoints are {_listed(known[:10])}; {case.place()}"


def _near(name: str, known: t.Iterable[str], ratio: float) -> list[str]:
    import difflib  # PERF(1 ms): of `import quartish`; only a mistake needs it

    return difflib.get_close_matches(name, known, 3, ratio)


def _listed(names: t.Iterable[str]) -> str:
    return ", ".join(map(repr, names))


def nearest(app: AppLike, path: str) -> str | None:
    """Return a sentence with the routes most similar to a URL that matches none."""
    rules = [rule for rule in app.url_map.iter_rules() if not rule.build_only]
    by_rule: dict[str, t.Any] = {}
    for rule in rules:
        by_rule.setdefault(rule.rule, rule)
    lower = {rule.lower(): rule for rule in by_rule}
    shapes = {re.sub(r"<[^>]*>", "", rule): rule for rule in lower}
    asked = path.lower()
    near = _near(asked, lower, 0.6)
    # The value of a variable may be of any length: the parts around it are compared.
    for shape in _near(re.sub(r"\d+", "", asked), shapes, 0.7):
        near.append(shapes[shape])
    found = [by_rule[lower[rule]] for rule in dict.fromkeys(near)][:3]
    return (
        f"The nearest routes are {'; '.join(_told(app, rule) for rule in found)}."
        if found
        else None
    )


def allowed(app: AppLike, path: str, method: str, methods: t.Iterable[str]) -> str:
    """Return a sentence with the methods that a URL takes, and how to let it take another."""
    takes = ", ".join(sorted(set(methods) - {"HEAD", "OPTIONS"})) or "none"
    adapter = app.url_map.bind("localhost")
    rule = None
    for each in sorted(methods):
        try:
            rule, _ = adapter.match(path, method=each, return_rule=True)
            break
        except Exception:  # noqa: S112 (another host's, or a redirect)
            continue
    if rule is None or rule.endpoint not in app.view_functions:
        return f"It takes {takes}."
    place = place_of(inspect.unwrap(app.view_functions[rule.endpoint]), "view ")
    return f"It takes {takes}: add `methods=[..., {method!r}]` to its route; {place}."


def _told(app: AppLike, rule: t.Any) -> str:
    methods = "websocket"
    if not getattr(rule, "websocket", False):
        methods = ", ".join(sorted(set(rule.methods or ()) - {"HEAD", "OPTIONS"})) or "GET"
    view = app.view_functions.get(rule.endpoint)
    where = f", {place_of(inspect.unwrap(view), 'view ')}" if view is not None else ""
    return f"{rule.rule} ({methods}{where})"
