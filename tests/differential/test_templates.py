"""Templates, filters, tests, globals and context processors, in requests of app and blueprint, in
contexts and without: what is rendered or raised, as in Flask."""

from __future__ import annotations

import random
import typing as t

import jinja2

from tests.differential._beside import assert_same
from tests.differential._beside import Side

SOURCES = [
    *(
        "{{ x }}",
        "{{ g.a }}{{ session.a }}{{ request.path }}{{ config.A }}",
        "{{ url_for('view') }}",
    ),
    *("{{ get_flashed_messages() }}", "{{ x|up }}{{ 2 is ev }}{{ gl() }}", "{{ missing.y }}"),
    *("{{ x|tojson }}", "<{{ '<b>' }}>", "{% autoescape false %}{{ '<b>' }}{% endautoescape %}"),
    *("{% include 'inc.html' %}", "{% extends 'base.html' %}{% block b %}B{% endblock %}"),
    *("{% import 'mac.html' as m %}{{ m.f(1) }}", "{{ bpv }}{{ appv }}", "{{ x", "{{ fail() }}"),
    *(
        "{% import 'mac.html' as m with context %}{{ m.f(1) }}",
        "{{ 1/0 }}",
        "{{ url_for('nope') }}",
    ),
    *("{% for i in y %}{{ loop.index }}{% endfor %}", "{{ config['B'] }}", "{{ request.args.q }}"),
    *("{% set g='own' %}{{ g }}", "{{ dict|tojson(indent=2) }}", "{{ current_app.name }}"),
    *("{{ _('x') }}", "\ufeff{{ x }}", "{{ x }}\n", "{{ bp.x }}", "{{ '%s'|format(x) }}"),
    *("{{ y|map('upper')|list }}", "{{ caller }}", "{{ namespace() is defined }}"),
]
FILES = {
    "inc.html": "inc {{ x }} {{ request.path }} {{ appv }}",
    "base.html": "[{% block b %}{% endblock %}{{ g.a }}]",
    "mac.html": "{% macro f(a) %}{{ a }}{{ request.path if request }}{{ x }}{% endmacro %}",
    "a.txt": "{{ '<b>' }}",
    "a.html": "{{ '<b>' }}{{ x }}",
    "broken.html": "{% if %}",
}


def fail() -> t.NoReturn:
    raise KeyError("f")


CONTEXTS: list[dict[str, t.Any]] = [
    *({}, {"x": "é<"}, {"x": 1, "y": [1, 2], "fail": fail}, {"y": ["a"]}, {"config": {"A": "own"}}),
    *({"g": "G", "request": "Q", "session": "S"}, {"dict": {"b": 1, "a": "<"}}),
]
Change = t.Callable[[t.Any], t.Any]
CHANGES: list[Change] = [
    lambda app: app.template_filter("up")(str.upper),
    lambda app: app.add_template_filter(str.upper, "up"),
    lambda app: app.template_test("ev")(lambda value: value % 2 == 0),
    lambda app: app.add_template_test(lambda value: value % 2 == 0, "ev"),
    lambda app: app.template_global("gl")(lambda: "G"),
    lambda app: app.add_template_global(lambda: "G", "gl"),
    lambda app: app.context_processor(lambda: {"appv": "A", "x": "processed", "g": "processed"}),
    lambda app: app.context_processor(lambda: None),
    lambda app: app.context_processor(lambda: [("q", 1)]),
    lambda app: app.jinja_env.globals.update(x="global", request="R"),
    lambda app: app.config.update(EXPLAIN_TEMPLATE_LOADING=True),
    lambda app: app.config.update(TEMPLATES_AUTO_RELOAD=True),
    lambda app: app.template_filter()(str.lower),
    lambda app: setattr(app, "select_jinja_autoescape", lambda name: True),
    lambda app: setattr(app.jinja_env, "trim_blocks", True),
    lambda app: app.jinja_env.filters.update(up=lambda value: "UP"),
]
WAYS = ["string"] * 4 + [
    "file",
    "file",
    "list",
    "none of a list",
    "object",
    "env",
    "macro",
    "update",
]


def render(side: Side, app: t.Any, how: str, source: str, context: dict[str, t.Any]) -> t.Any:
    module = side.module
    match how:
        case "string":
            return module.render_template_string(source, **context)
        case "file":
            return module.render_template(source, **context)
        case "list":
            return module.render_template(["no.html", "a.html"], **context)
        case "none of a list":
            return module.render_template(["no.html", "no2.html"], **context)
        case "object":
            return module.render_template(app.jinja_env.from_string(source), **context)
        case "env":
            return app.jinja_env.from_string(source).render(**context)
        case "macro":
            return module.get_template_attribute("mac.html", "f" if context else "nope")(5)
        case _:
            given = dict(context)
            app.update_template_context(given)
            return sorted(given)


def render_all(side: Side, r: random.Random) -> None:
    module, app = side.module, side.app()
    app.secret_key, app.config["A"] = "key", "A of the config"
    app.jinja_loader = jinja2.DictLoader(FILES)
    for change in r.sample(CHANGES, r.randrange(6)):
        side.tried(change, app)
    bp = module.Blueprint("bp", __name__, url_prefix="/bp")
    bp.context_processor(lambda: {"bpv": "B"})
    bp.app_context_processor(lambda: {"bp": {"x": 1}})
    if r.random() < 0.3:
        bp.app_template_filter("up")(lambda value: f"bp {value}")
    steps: list[tuple[str, str, dict[str, t.Any]]] = []

    def act() -> None:
        for how, source, context in steps:
            side.tell(how, source, sorted(context))
            side.tried(render, side, app, how, source, context)

    def view() -> str:
        act()
        return "x"

    for place in (app, bp):
        place.add_url_rule("/view", "view", side.view(view))
    app.register_blueprint(bp)
    client = side.client(app)
    for where in ("/view", "/bp/view", "app", "request", "nowhere"):
        ways = r.choices(WAYS, k=3)
        sources = [r.choice([*FILES, "no.html"] if how == "file" else SOURCES) for how in ways]
        steps[:] = [(*step, r.choice(CONTEXTS)) for step in zip(ways, sources, strict=True)]
        if where.startswith("/"):
            client.open(where)
        elif where == "nowhere":
            act()
        else:
            make = app.app_context if where == "app" else app.test_request_context
            with make(*(["/view?q=1"] if where == "request" else [])):
                module.g.a = "a of g"
                act()


def test_templates_are_rendered_as_in_flask() -> None:
    assert_same(render_all, 40, doors=["wsgi"])
