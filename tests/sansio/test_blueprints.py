"""Blueprints on real apps: rules and names, hooks and their order, nesting, commands."""

from __future__ import annotations

import functools
import os
import typing as t
from pathlib import Path

import pytest
from werkzeug.exceptions import Forbidden

import quartish
from quartish import Blueprint
from quartish.blueprints import BlueprintSetupState
from quartish.sansio.scaffold import HOOKS

Func = t.Callable[..., t.Any]


@pytest.fixture
def app() -> t.Any:
    app = quartish.Flask(__name__)
    app.testing = True
    app.secret_key = "test"
    return app


@pytest.fixture
def bp() -> Blueprint:
    return Blueprint("bp", __name__)


def text(app: t.Any, path: str, **options: t.Any) -> str:
    response = app.test_client().get(path, **options)
    return t.cast(str, response.get_data(as_text=True))


def echo(**values: t.Any) -> dict[str, t.Any]:
    """A view that answers with what it was called with."""
    return values


# --- Names and rules --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "a.b", "."])
def test_names_that_a_blueprint_may_not_have(name: str) -> None:
    with pytest.raises(ValueError, match="'name' may not"):
        Blueprint(name, __name__)


def test_a_blueprint_takes_its_arguments_in_flasks_order() -> None:
    arguments = ("n", "json", "static", "/s", "pages", "/p", "sub", {"a": 1}, "/root", "group")
    bp = Blueprint(*arguments)  # type: ignore[arg-type]
    assert repr(bp) == "<Blueprint 'n'>"
    assert (bp.import_name, bp.static_folder, bp.static_url_path) == ("json", "/root/static", "/s")
    assert (bp.template_folder, bp.url_prefix, bp.subdomain) == ("pages", "/p", "sub")
    assert (bp.url_values_defaults, bp.root_path, bp.cli_group) == ({"a": 1}, "/root", "group")
    assert bp.cli.name == "n"


def test_endpoints_are_prefixed_by_the_name(
    app: t.Any, bp: Blueprint, kind: t.Callable[[Func], Func]
) -> None:
    @bp.route("/here")
    @kind
    def here() -> t.Any:
        urls = [
            quartish.url_for(endpoint) for endpoint in (".here", "bp.here", "there", "bp.named")
        ]
        return [quartish.request.endpoint, quartish.request.blueprint, *urls]

    bp.add_url_rule("/named", endpoint="named", view_func=here)
    app.add_url_rule("/there", "there", view_func=echo)
    app.register_blueprint(bp, url_prefix="/p")
    response = app.test_client().get("/p/here")
    assert response.json == ["bp.here", "bp", "/p/here", "/p/here", "/there", "/p/named"]
    assert app.view_functions["bp.here"] is here
    assert app.blueprints == {"bp": bp}
    assert list(app.iter_blueprints()) == [bp]


def test_names_of_endpoints_and_views_have_no_dot(bp: Blueprint) -> None:
    with pytest.raises(ValueError, match="'endpoint' may not contain a dot.*'a.b'"):
        bp.route("/", endpoint="a.b")(echo)

    def view() -> str:
        return ""

    view.__name__ = "c.d"
    with pytest.raises(ValueError, match="'view_func' name may not contain a dot.*'c.d'"):
        bp.add_url_rule("/", view_func=view)


def test_a_partial_is_a_view_if_it_has_an_endpoint(app: t.Any, bp: Blueprint) -> None:
    bp.add_url_rule("/", endpoint="partial", view_func=functools.partial(echo, a=1))
    app.register_blueprint(bp)
    assert app.test_client().get("/").json == {"a": 1}


@pytest.mark.parametrize(
    ("prefix", "rule", "path"),
    [
        ("", "/", "/"),
        ("/", "", "/"),
        ("/", "/", "/"),
        ("/p", "", "/p"),
        ("/p/", "", "/p/"),
        ("/p", "/", "/p/"),
        ("/p", "/r", "/p/r"),
        ("/p/", "/r", "/p/r"),
        ("/p", "//r", "/p/r"),
        ("/p", "r", "/p/r"),
        (None, "/r", "/r"),
    ],
)
def test_prefix_and_rule(
    app: t.Any, bp: Blueprint, prefix: str | None, rule: str, path: str
) -> None:
    bp.add_url_rule(rule, "it", echo)
    bp.url_prefix = prefix
    app.register_blueprint(bp)
    (found,) = app.url_map.iter_rules("bp.it")
    assert found.rule == path


def test_options_of_the_registration_win(app: t.Any) -> None:
    bp = Blueprint(
        "bp", __name__, url_prefix="/own", subdomain="own", url_defaults={"a": 1, "b": 1}
    )
    bp.add_url_rule("/r", "it", echo, defaults={"c": 3})
    app.register_blueprint(
        bp, url_prefix="/given", subdomain="given", url_defaults={"b": 2}, name="other"
    )
    (rule,) = app.url_map.iter_rules("other.it")
    assert rule.rule == "/given/r"
    assert rule.subdomain == "given"
    assert rule.defaults == {"a": 1, "b": 2, "c": 3}


def test_defaults_reach_the_view(app: t.Any, bp: Blueprint) -> None:
    bp.add_url_rule("/r/<int:b>", "it", echo, defaults={"a": 1})
    app.register_blueprint(bp, url_defaults={"c": 3})
    assert app.test_client().get("/r/2").json == {"a": 1, "b": 2, "c": 3}


def test_defaults_may_be_none(app: t.Any, bp: Blueprint) -> None:
    bp.add_url_rule("/r", "it", echo, defaults=None)
    app.register_blueprint(bp)
    assert app.test_client().get("/r").json == {}


def test_subdomain(app: t.Any, bp: Blueprint) -> None:
    app = quartish.Flask(__name__, subdomain_matching=True)
    app.config["SERVER_NAME"] = "test.example"
    bp.add_url_rule("/", "it", echo)
    app.register_blueprint(bp, subdomain="api")
    client = app.test_client()
    assert client.get("/", base_url="http://api.test.example").status_code == 200
    assert client.get("/", base_url="http://test.example").status_code == 404


@pytest.mark.parametrize("method", ["get", "post", "put", "delete", "patch"])
def test_method_routes(
    app: t.Any, bp: Blueprint, method: str, kind: t.Callable[[Func], Func]
) -> None:
    @getattr(bp, method)("/")
    @kind
    def it() -> str:
        return method

    app.register_blueprint(bp)
    client = app.test_client()
    assert getattr(client, method)("/").text == method
    assert client.open("/", method="OPTIONS").allow.as_set() >= {method, "options"}
    assert client.open("/", method="TRACE").status_code == 405


def test_automatic_options_are_optional(app: t.Any, bp: Blueprint) -> None:
    bp.add_url_rule("/", view_func=echo, provide_automatic_options=False)
    app.register_blueprint(bp)
    assert app.test_client().options("/").status_code == 405


def test_endpoint_names_a_view_of_the_app(app: t.Any, bp: Blueprint) -> None:
    bp.endpoint("late")(echo)
    app.add_url_rule("/late/<a>", endpoint="late")
    app.register_blueprint(bp)
    assert app.test_client().get("/late/x").json == {"a": "x"}


# --- Registering ------------------------------------------------------------------------


def test_a_name_is_taken_once(app: t.Any, bp: Blueprint) -> None:
    app.register_blueprint(bp)
    with pytest.raises(ValueError, match="'bp' is already registered for this blueprint"):
        app.register_blueprint(bp)
    with pytest.raises(ValueError, match="for a different blueprint.*'name='"):
        app.register_blueprint(Blueprint("bp", __name__))
    with pytest.raises(ValueError, match="'bp' is already registered"):
        app.register_blueprint(Blueprint("other", __name__), name="bp")


def test_a_taken_nested_name_is_told_in_full(app: t.Any) -> None:
    parent = Blueprint("parent", __name__)
    for _ in range(2):
        parent.register_blueprint(Blueprint("child", __name__))
    with pytest.raises(ValueError, match="'child'.* for a different blueprint 'parent.child'"):
        app.register_blueprint(parent)


def test_one_blueprint_under_two_names(app: t.Any, bp: Blueprint) -> None:
    calls: list[str] = []
    bp.add_url_rule("/", view_func=lambda: str(quartish.request.blueprint), endpoint="it")
    bp.before_request(lambda: calls.append("before"))
    bp.before_app_request(lambda: calls.append("app"))
    bp.record(lambda state: calls.append(state.name))
    bp.record_once(lambda state: calls.append("once"))
    app.register_blueprint(bp, url_prefix="/a")
    app.register_blueprint(bp, url_prefix="/b", name="again")
    assert calls == ["bp", "once", "again"]
    calls.clear()
    assert text(app, "/b/") == "again"
    assert calls == ["app", "before"]


def test_one_blueprint_on_two_apps(bp: Blueprint) -> None:
    once: list[t.Any] = []
    bp.record_once(lambda state: once.append(state.app))
    apps = [quartish.Flask(__name__), quartish.Flask(__name__)]
    for app in apps:
        app.register_blueprint(bp)
    assert once == apps


def test_setup_is_over_once_registered(app: t.Any, bp: Blueprint) -> None:
    app.register_blueprint(bp)
    for setup, args in {
        "route": ("/",),
        "add_url_rule": ("/", "it", echo),
        "record": (echo,),
        "record_once": (echo,),
        "before_request": (echo,),
        "before_app_websocket": (echo,),
        "app_template_filter": (),
        "add_app_template_global": (echo,),
        "register_blueprint": (Blueprint("other", __name__),),
        "app_errorhandler": (404,),
        "before_app_serving": (echo,),
    }.items():
        with pytest.raises(AssertionError, match=f"'{setup}' can no longer.*blueprint 'bp'"):
            getattr(bp, setup)(*args)


def test_no_blueprint_is_registered_on_itself(bp: Blueprint) -> None:
    with pytest.raises(ValueError, match="Cannot register a blueprint on itself"):
        bp.register_blueprint(bp)


def test_a_subclass_makes_its_own_setup_state(app: t.Any) -> None:
    class State(BlueprintSetupState):
        def add_url_rule(self, rule: str, *args: t.Any, **options: t.Any) -> None:
            super().add_url_rule(rule + "/v2", *args, **options)

    class Versioned(Blueprint):
        def make_setup_state(self, *args: t.Any, **kwargs: t.Any) -> State:
            return State(self, *args, **kwargs)

    bp = Versioned("bp", __name__)
    bp.add_url_rule("/r", "it", echo)
    app.register_blueprint(bp)
    assert app.test_client().get("/r/v2").status_code == 200


def test_add_url_rule_may_be_patched_on_the_state(app: t.Any, bp: Blueprint) -> None:
    rules: list[str] = []

    def patch(state: BlueprintSetupState) -> None:
        state.add_url_rule = lambda rule, *args, **options: rules.append(rule)  # type: ignore[method-assign]

    bp.record(patch)
    bp.add_url_rule("/r", "it", echo)
    app.register_blueprint(bp)
    assert rules == ["/r"]


def test_recorded_functions_see_the_registration(app: t.Any, bp: Blueprint) -> None:
    states: list[BlueprintSetupState] = []
    bp.record(states.append)
    app.register_blueprint(bp, url_prefix="/p", extra=1)
    app.register_blueprint(bp, name="again")
    assert [state.first_registration for state in states] == [True, False]
    assert [state.url_prefix for state in states] == ["/p", None]
    assert states[0].app is app
    assert states[0].blueprint is bp
    assert states[0].options["extra"] == 1


def test_registering_adds_to_the_dicts_that_are_there(app: t.Any, bp: Blueprint) -> None:
    def handler(exc: Exception) -> str:
        return ""

    hooks = {hook: getattr(app, hook) for hook in HOOKS}
    app.error_handler_spec["bp"][403][Forbidden] = handler
    app.before_request_funcs["bp"].append(echo)
    for hook in HOOKS:
        getattr(bp, hook)[None].append(len)
        getattr(bp, hook)["child"].append(handler)
    bp.register_error_handler(404, handler)
    app.register_blueprint(bp)
    for hook in HOOKS:
        assert getattr(app, hook) is hooks[hook]
        assert hooks[hook]["bp"][-1] is len
        assert hooks[hook]["bp.child"] == [handler]
    assert app.before_request_funcs["bp"] == [echo, len]
    assert set(app.error_handler_spec["bp"]) == {403, 404}


# --- Hooks ------------------------------------------------------------------------------


def test_hooks_act_on_their_own_requests(
    app: t.Any, bp: Blueprint, kind: t.Callable[[Func], Func]
) -> None:
    calls: list[str] = []

    def note(name: str) -> Func:
        @kind
        def hook(*args: t.Any) -> t.Any:
            calls.append(name)
            return args[0] if name.startswith("after") else None

        return hook

    for on, suffix in ((app, "app"), (bp, "bp")):
        on.before_request(note(f"before {suffix}"))
        on.after_request(note(f"after {suffix}"))
        on.teardown_request(note(f"teardown {suffix}"))
        on.add_url_rule(f"/{suffix}", "it", kind(lambda: "view"))
    bp.before_app_request(note("before all"))
    bp.after_app_request(note("after all"))
    bp.teardown_app_request(note("teardown all"))
    app.register_blueprint(bp)

    assert text(app, "/app") == "view"
    assert calls == [
        *("before app", "before all"),
        *("after all", "after app"),
        *("teardown all", "teardown app"),
    ]
    calls.clear()
    assert text(app, "/bp") == "view"
    assert calls == [
        *("before app", "before all", "before bp"),
        *("after bp", "after all", "after app"),
        *("teardown bp", "teardown all", "teardown app"),
    ]


def test_a_hook_may_answer(app: t.Any, bp: Blueprint, kind: t.Callable[[Func], Func]) -> None:
    bp.before_request(kind(lambda: ("answered", 201)))
    bp.add_url_rule("/", view_func=echo)
    app.register_blueprint(bp)
    response = app.test_client().get("/")
    assert (response.status_code, response.text) == (201, "answered")


def test_url_processors(app: t.Any, bp: Blueprint, kind: t.Callable[[Func], Func]) -> None:
    @bp.url_defaults
    def add_language(endpoint: str, values: dict[str, t.Any]) -> None:
        values.setdefault("lang", quartish.g.lang)

    @bp.url_value_preprocessor
    def pull_language(endpoint: str | None, values: dict[str, t.Any] | None) -> None:
        assert values is not None
        quartish.g.lang = values.pop("lang")

    @bp.route("/<lang>/about")
    @kind
    def about() -> str:
        return quartish.url_for(".about")

    app.register_blueprint(bp)
    assert text(app, "/de/about") == "/de/about"


def test_url_processors_of_the_app(app: t.Any, bp: Blueprint) -> None:
    bp.app_url_defaults(lambda endpoint, values: values.setdefault("a", 1))
    bp.app_url_value_preprocessor(lambda endpoint, values: (values or {}).update(b=2))
    app.register_blueprint(bp)
    app.add_url_rule("/<a>", "it", echo)
    assert app.test_client().get("/x").json == {"a": "x", "b": 2}
    with app.test_request_context():
        assert quartish.url_for("it") == "/1"


def test_error_handlers(app: t.Any, bp: Blueprint, kind: t.Callable[[Func], Func]) -> None:
    other = Blueprint("other", __name__, url_prefix="/other")

    @bp.errorhandler(403)
    @kind
    def forbidden(exc: Exception) -> t.Any:
        return "bp", 403

    @app.errorhandler(403)
    @kind
    def forbidden_too(exc: Exception) -> t.Any:
        return "app", 403

    @other.app_errorhandler(ZeroDivisionError)
    @kind
    def divided(exc: Exception) -> str:
        return "other"

    @kind
    def no_entry() -> None:
        quartish.abort(403)

    for on in (bp, other, app):
        on.add_url_rule("/forbidden", "forbidden", no_entry)
        on.add_url_rule("/divide", "divide", kind(lambda: 1 / 0))
    app.register_blueprint(bp, url_prefix="/bp")
    app.register_blueprint(other)
    assert [text(app, f"{at}/forbidden") for at in ("", "/bp", "/other")] == ["app", "bp", "app"]
    assert [text(app, f"{at}/divide") for at in ("", "/bp", "/other")] == ["other"] * 3


def test_serving_hooks_go_to_the_app(app: t.Any, bp: Blueprint) -> None:
    hooks = {
        "before_app_serving": "before_serving",
        "while_app_serving": "while_serving",
        "after_app_serving": "after_serving",
    }
    seen: list[str] = []
    for hook, of_app in hooks.items():
        setattr(app, of_app, lambda func, of_app=of_app: seen.append(of_app))
        assert getattr(bp, hook)(echo) is echo
    app.register_blueprint(bp)
    app.register_blueprint(bp, name="again")
    assert seen == list(hooks.values())


# --- Templates --------------------------------------------------------------------------


def test_template_filters_tests_and_globals(app: t.Any, bp: Blueprint) -> None:
    @bp.app_template_filter
    def shout(value: str) -> str:
        return value.upper()

    @bp.app_template_filter()
    def twice(value: str) -> str:
        return value * 2

    @bp.app_template_filter("backwards")
    def reverse(value: str) -> str:
        return value[::-1]

    @bp.app_template_test
    def short(value: str) -> bool:
        return len(value) < 3

    @bp.app_template_test("long")
    def is_long(value: str) -> bool:
        return len(value) > 9

    @bp.app_template_global
    def seven() -> int:
        return 7

    @bp.app_template_global("eight")
    def another() -> int:
        return 8

    bp.add_app_template_filter(reverse)
    bp.add_app_template_test(is_long, "very_long")
    bp.add_app_template_global(another, "nine")
    app.register_blueprint(bp)
    assert shout("a") == "A"
    assert {"shout", "twice", "backwards", "reverse"} <= set(app.jinja_env.filters)
    assert {"short", "long", "very_long"} <= set(app.jinja_env.tests)
    template = "{{ 'ab'|shout|twice|backwards }} {{ 'ab' is short }} {{ seen() }}"
    with app.app_context():
        assert (
            quartish.render_template_string(
                template.replace("seen()", "seven() + eight() + nine()")
            )
            == "BABA True 23"
        )


def test_context_processors(app: t.Any, bp: Blueprint, kind: t.Callable[[Func], Func]) -> None:
    bp.context_processor(kind(lambda: {"own": "own"}))
    bp.app_context_processor(kind(lambda: {"shared": "shared"}))

    @kind
    def page() -> str:
        return quartish.render_template_string("{{ own }},{{ shared }}")

    bp.add_url_rule("/bp", "page", page)
    app.add_url_rule("/app", "page", page)
    app.register_blueprint(bp)
    assert text(app, "/bp") == "own,shared"
    assert text(app, "/app") == ",shared"


def test_templates_of_the_app_come_first(app: t.Any, tmp_path: Path) -> None:
    for folder, names in (("app", ["a.html"]), ("bp", ["a.html", "b.html"])):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_text(f"{folder} {name}")
    app = quartish.Flask(__name__, template_folder=os.fspath(tmp_path / "app"))
    app.register_blueprint(Blueprint("bp", __name__, template_folder=tmp_path / "bp"))
    with app.app_context():
        assert quartish.render_template("a.html") == "app a.html"
        assert quartish.render_template("b.html") == "bp b.html"


# --- Static files -----------------------------------------------------------------------


def test_static_files(app: t.Any, tmp_path: Path) -> None:
    class Cached(Blueprint):
        def get_send_file_max_age(self, filename: str | None) -> int | None:
            return 100

    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "x.css").write_text("css")
    bp = Cached("bp", __name__, static_folder="files", root_path=os.fspath(tmp_path))
    app.register_blueprint(bp, url_prefix="/p")
    with app.test_request_context():
        assert quartish.url_for("bp.static", filename="x.css") == "/p/files/x.css"
    client = app.test_client()
    with client.get("/p/files/x.css") as response:
        assert response.text == "css"
        assert response.cache_control.max_age == 100
    assert client.get("/p/files/y.css").status_code == 404
    assert client.get("/p/files/../x.css").status_code == 404


# --- Nesting ----------------------------------------------------------------------------


def family(**options: dict[str, t.Any]) -> tuple[Blueprint, Blueprint, Blueprint]:
    """Make a parent with a child with a grandchild; `options` are theirs."""
    parent, child, grandchild = (
        Blueprint(name, __name__, **options.get(name, {}))
        for name in ("parent", "child", "grandchild")
    )
    child.register_blueprint(grandchild)
    parent.register_blueprint(child)
    return parent, child, grandchild


def test_nested_names_and_prefixes(app: t.Any, kind: t.Callable[[Func], Func]) -> None:
    generations = family(
        parent={"url_prefix": "/parent"},
        child={"url_prefix": "/child/"},
        grandchild={"url_prefix": "grandchild"},
    )

    @kind
    def blueprints() -> t.Any:
        return [*quartish.request.blueprints, quartish.url_for(".it")]

    for bp in generations:
        bp.add_url_rule("/it", "it", blueprints)
    app.register_blueprint(generations[0])
    client = app.test_client()
    assert client.get("/parent/it").json == ["parent", "/parent/it"]
    assert client.get("/parent/child/it").json == ["parent.child", "parent", "/parent/child/it"]
    assert client.get("/parent/child/grandchild/it").json == [
        "parent.child.grandchild",
        "parent.child",
        "parent",
        "/parent/child/grandchild/it",
    ]


@pytest.mark.parametrize(
    ("parent", "parent_given", "child", "child_given", "path"),
    [
        (None, None, None, None, "/it"),
        ("/p", None, None, None, "/p/it"),
        (None, None, "/c", None, "/c/it"),
        ("/p", None, "/c", None, "/p/c/it"),
        ("/p", "/P", "/c", "/C", "/P/C/it"),
        (None, "/P/", None, "/C", "/P/C/it"),
    ],
)
def test_nested_prefixes_given_at_registration(
    app: t.Any,
    parent: str | None,
    parent_given: str | None,
    child: str | None,
    child_given: str | None,
    path: str,
) -> None:
    outer = Blueprint("outer", __name__, url_prefix=parent)
    inner = Blueprint("inner", __name__, url_prefix=child)
    inner.add_url_rule("/it", "it", echo)
    outer.register_blueprint(inner, url_prefix=child_given)
    app.register_blueprint(outer, url_prefix=parent_given)
    (rule,) = app.url_map.iter_rules("outer.inner.it")
    assert rule.rule == path


@pytest.mark.parametrize(
    ("parent", "child", "subdomain"),
    [
        (None, None, ""),
        ("p", None, "p"),
        (None, "c", "c"),
        ("p", "c", "c.p"),
    ],
)
@pytest.mark.parametrize("given", [False, True])
def test_nested_subdomains(
    app: t.Any, parent: str | None, child: str | None, subdomain: str, given: bool
) -> None:
    outer = Blueprint("outer", __name__, subdomain=None if given else parent)
    inner = Blueprint("inner", __name__, subdomain=None if given else child)
    inner.add_url_rule("/it", "it", echo)
    outer.register_blueprint(inner, **({"subdomain": child} if given else {}))
    app.register_blueprint(outer, **({"subdomain": parent} if given else {}))
    (rule,) = app.url_map.iter_rules("outer.inner.it")
    assert (rule.subdomain or "") == subdomain


def test_nested_under_another_name(app: t.Any) -> None:
    parent, child = Blueprint("parent", __name__), Blueprint("child", __name__)
    child.add_url_rule("/it", "it", echo)
    parent.register_blueprint(child, url_prefix="/a")
    parent.register_blueprint(child, url_prefix="/b", name="again")
    app.register_blueprint(parent)
    app.register_blueprint(parent, url_prefix="/two", name="two")
    with app.test_request_context():
        assert quartish.url_for("parent.child.it") == "/a/it"
        assert quartish.url_for("parent.again.it") == "/b/it"
        assert quartish.url_for("two.again.it") == "/two/b/it"
    assert list(app.blueprints) == [
        *("parent", "parent.child", "parent.again"),
        *("two", "two.child", "two.again"),
    ]


def test_nested_hooks_run_from_the_outside_in_and_back(
    app: t.Any, kind: t.Callable[[Func], Func]
) -> None:
    generations = family()
    calls: list[str] = []

    def note(name: str) -> Func:
        @kind
        def hook(*args: t.Any) -> t.Any:
            calls.append(name)
            return args[0] if name.startswith("after") else None

        return hook

    for bp in generations:
        bp.before_request(note(f"before {bp.name}"))
        bp.after_request(note(f"after {bp.name}"))
        bp.teardown_request(note(f"teardown {bp.name}"))
    generations[-1].add_url_rule("/", "it", kind(lambda: "it"))
    app.register_blueprint(generations[0])
    assert text(app, "/") == "it"
    assert calls == [
        *("before parent", "before child", "before grandchild"),
        *("after grandchild", "after child", "after parent"),
        *("teardown grandchild", "teardown child", "teardown parent"),
    ]


def test_nested_error_handlers_are_asked_from_the_inside_out(
    app: t.Any, kind: t.Callable[[Func], Func]
) -> None:
    parent, child, grandchild = family()
    parent.register_error_handler(403, kind(lambda exc: ("parent 403", 403)))
    parent.register_error_handler(404, kind(lambda exc: ("parent 404", 404)))
    child.register_error_handler(404, kind(lambda exc: ("child 404", 404)))
    grandchild.add_url_rule("/<int:code>", "it", kind(lambda code: quartish.abort(code)))
    app.register_blueprint(parent)
    assert text(app, "/404") == "child 404"
    assert text(app, "/403") == "parent 403"


# --- Commands ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "given", "args"),
    [
        ({}, {}, ["bp", "greet"]),
        ({"cli_group": "custom"}, {}, ["custom", "greet"]),
        ({"cli_group": None}, {}, ["greet"]),
        ({"cli_group": "custom"}, {"cli_group": "late"}, ["late", "greet"]),
        ({"cli_group": "custom"}, {"cli_group": None}, ["greet"]),
    ],
)
def test_commands(
    app: t.Any, own: dict[str, t.Any], given: dict[str, t.Any], args: list[str]
) -> None:
    bp = Blueprint("bp", __name__, **own)

    @bp.cli.command("greet")
    def greet() -> None:
        print("hello from", quartish.current_app.name)

    app.register_blueprint(bp, **given)
    result = app.test_cli_runner().invoke(args=args)
    assert result.output == f"hello from {__name__}\n"


def test_a_blueprint_without_commands_adds_no_group(app: t.Any, bp: Blueprint) -> None:
    app.register_blueprint(bp)
    assert "bp" not in app.cli.commands


# --- Websockets -------------------------------------------------------------------------


async def test_websockets(bp: Blueprint) -> None:
    app = quartish.Quart(__name__)
    calls: list[str] = []

    def note(name: str) -> t.Any:
        async def hook(*args: t.Any) -> t.Any:
            calls.append(name)
            return args[0] if name.startswith("after") and args else None

        return hook

    @bp.websocket("/echo")
    async def echo() -> None:
        await quartish.websocket.send(await quartish.websocket.receive())

    bp.before_websocket(note("before"))
    bp.after_websocket(note("after"))
    bp.teardown_websocket(note("teardown"))
    bp.before_app_websocket(note("before all"))
    bp.after_app_websocket(note("after all"))
    bp.teardown_app_websocket(note("teardown all"))
    app.register_blueprint(bp, url_prefix="/ws")
    assert app.view_functions["bp.echo"] is echo

    async with app.test_client().websocket("/ws/echo") as connection:
        await connection.send("hello")
        assert await connection.receive() == "hello"
    assert calls == ["before all", "before", "after", "after all", "teardown", "teardown all"]
