"""URLs, blueprints and views of every shape: the rules that come of them, what is matched, what
`url_for` builds, as in Flask."""

from __future__ import annotations

import functools
import itertools
import random
import typing as t

from tests.differential._beside import assert_same
from tests.differential._beside import Side


def some(r: random.Random, options: dict[str, list[t.Any]], share: float) -> dict[str, t.Any]:
    return {key: r.choice(values) for key, values in options.items() if r.random() < share}


# --- url_for ------------------------------------------------------------------------------------

ENDPOINTS = [
    *("index", "item", "bp.index", ".index", ".nowhere", "nowhere", "static", "bp.static", "many"),
    *("page", "of_user", "bp.inner.deep", ".inner.deep", "", "hosted"),
]
VALUES: list[dict[str, t.Any]] = [
    *({}, {"id": 5}, {"id": "é/ü ?"}, {"id": None}, {"id": [1, 2]}, {"id": 1.5}, {"q": ""}),
    *({"q": [1, None, "a b"]}, {"q": True}, {"q": b"x"}, {"q": {"a": 1}}, {"filename": "a b.txt"}),
    *({"filename": "../x"}, {"name": "n", "id": -3}, {"lang": "de"}, {"user": "me", "q": "&=#"}),
]
OPTIONS: list[dict[str, t.Any]] = [
    *({}, {"_external": True}, {"_external": False}, {"_external": None}, {"_scheme": "https"}),
    *({"_scheme": ""}, {"_scheme": "https", "_external": False}, {"_anchor": "x y/é#"}),
    *({"_scheme": "ftp", "_external": True}, {"_anchor": ""}, {"_anchor": 5}, {"_method": "POST"}),
    *({"_method": "post"}, {"_method": "DELETE"}, {"_external": True, "_scheme": ""}),
    *({"_anchor": "a", "_scheme": "wss", "_method": "GET"}, {"_host": "x"}),
]
CONFIGS: list[dict[str, t.Any]] = [
    *({}, {"SERVER_NAME": "example.com:5000"}, {"APPLICATION_ROOT": "/root/"}, {"SERVER_NAME": ""}),
    {"SERVER_NAME": "example.com", "APPLICATION_ROOT": "/root"},
    {"SERVER_NAME": "example.com", "PREFERRED_URL_SCHEME": "https"},
]
APPS: list[dict[str, t.Any]] = [
    *({}, {"subdomain_matching": True}, {"host_matching": True, "static_host": "s.example.com"}),
]
PLACES: dict[str, tuple[str, str | None]] = {
    "request": ("/item/3", None),
    "blueprint": ("/bp/", None),
    "inner": ("/bp/in/fr/", None),
    "nowhere": ("/nowhere", None),
    "other host": ("/item/3", "https://other.test:8443/"),
    "root": ("/item/3", "http://localhost:81/mounted"),
}


def make_app(side: Side, options: dict[str, t.Any], defaults: bool) -> t.Any:
    app = side.app(static_folder="st", **options)
    host = {"host": "h.example.com"} if "host_matching" in options else {}
    app.add_url_rule("/", "index", lambda: "", **host)
    app.add_url_rule("/item/<id>", "item", lambda id: "", **host)
    app.add_url_rule("/m", "many", lambda: "", methods=["GET"], **host)
    app.add_url_rule("/mp", "many", methods=["POST"], **host)
    app.add_url_rule("/d/<int:id>", "page", lambda id: "", **host)
    app.add_url_rule("/d/", "page", defaults={"id": 1}, **host)
    app.add_url_rule("/d/<name>/<int:id>", "page", **host)
    of_user = {"host": "<user>.example.com"} if host else {"subdomain": "<user>"}
    app.add_url_rule("/s", "of_user", lambda user: "", **of_user)
    if host:
        app.add_url_rule("/h", "hosted", lambda: "", host="other.example.com:80")
    blueprint = side.module.Blueprint
    bp = blueprint("bp", __name__, url_prefix="/bp", static_folder="st", static_url_path="/bs")
    bp.add_url_rule("/", "index", lambda: "")
    inner = blueprint("inner", __name__, url_prefix="/in/<lang>")
    inner.add_url_rule("/x", "deep", lambda lang: "")
    inner.add_url_rule("/", "index", lambda lang: "")
    bp.register_blueprint(inner)
    if defaults:

        @app.url_defaults
        def add_language(endpoint: str, values: dict[str, t.Any]) -> None:
            values.setdefault("lang", "en")
            side.tell("defaults", endpoint, dict(values))

        bp.url_defaults(lambda endpoint, values: values.update(bp="1"))
        app.url_value_preprocessor(lambda *given: side.tell("preprocessed", *given))
    app.register_blueprint(bp)
    return app


def build_urls(side: Side, r: random.Random) -> None:
    module, config = side.module, r.choice(CONFIGS)
    app = make_app(side, r.choice(APPS), r.random() < 0.4)
    app.config.update(config)
    answer = r.choice(["", "", "an URL", "raises", "raises another", "none"])

    def handle(error: t.Any, endpoint: str, values: dict[str, t.Any]) -> str | None:
        side.tell("handler", error, endpoint, sorted(values.items()))
        if answer == "raises":
            raise error
        if answer == "raises another":
            raise KeyError("x")
        return "/handled" if answer == "an URL" else None

    if answer:
        app.url_build_error_handlers.append(handle)

    def build(url_for: t.Any = module.url_for) -> None:
        for _ in range(15):
            endpoint = r.choice(ENDPOINTS)
            values = {**r.choice(OPTIONS), **r.choice(VALUES)}
            side.told.append((endpoint, repr(values)))
            side.tried(url_for, endpoint, **values)

    place = r.choice(["", "app", *PLACES])
    if not place:
        build()
        build(app.url_for)
    elif place == "app":
        with app.app_context():
            build()
    else:
        path, base_url = PLACES[place]
        with app.test_request_context(path, base_url=base_url):
            build()


def test_urls_are_built_as_in_flask() -> None:
    assert_same(build_urls, 80, doors=())


# --- rules of the same path ---------------------------------------------------------------------

SHARED: list[tuple[list[str] | None, dict[str, t.Any] | None]] = [
    *((["GET"], None), (["POST", "GET"], None), (["GET"], {"x": 1}), (["POST"], None), ([], None)),
    *((["POST", "GET"], {"l": "d"}), (None, None), (None, {"x": 1})),
]
TRIPLES = [*itertools.product(SHARED, repeat=2), *itertools.product(SHARED, repeat=3)]


def share_a_path(side: Side, r: random.Random) -> None:
    app = side.app()
    for index, (methods, defaults) in enumerate(r.choice(TRIPLES)):
        view = side.view(functools.partial(lambda index, **values: f"{index} {values}", index))
        path = r.choice(["/", "/", "/a"])
        app.add_url_rule(path, f"e{index}", view, methods=methods, defaults=defaults)
    client = side.client(app)
    for path, method in itertools.product(["/", "/a"], ["GET", "POST", "PUT", "OPTIONS"]):
        client.open(path, method=method)


def test_rules_of_one_path_are_found_in_the_order_of_flask() -> None:
    """With defaults, too, though these are arguments that are not in the path."""
    assert_same(share_a_path, 40)


# --- blueprints ---------------------------------------------------------------------------------

MADE_WITH: dict[str, list[t.Any]] = {
    "url_prefix": ["/p", "/p/", "p", "", None, "/<x>", "/"],
    "subdomain": [None, "s", "<s>"],
    "url_defaults": [None, {"x": 1}, {"y": "z"}],
    "static_folder": [None, "st"],
    "static_url_path": [None, "/s", "s/", ""],
    "template_folder": [None, "t"],
    "cli_group": [None, "g", ""],
    "root_path": [None, "/x"],
}
REGISTERED_WITH: dict[str, list[t.Any]] = {
    "url_prefix": ["/q", "/q/", "", None, "/<lang>"],
    "name": ["n", "a", "n.m", ""],
    "name_prefix": ["np", "np."],
    "subdomain": ["t", None],
    "url_defaults": [{"lang": "de"}],
    "cli_group": ["h", None],
    "other": [1],
}
RULE_WITH: list[dict[str, t.Any]] = [
    *({}, {}, {"methods": ["POST", "GET"]}, {"methods": []}, {"defaults": {"x": 5}}),
    *({"subdomain": "q"}, {"strict_slashes": False}, {"provide_automatic_options": False}),
    *({"redirect_to": "/x"}, {"alias": True}, {"merge_slashes": False}, {"bad": 1}),
]
NESTED_IN: list[dict[str, t.Any]] = [
    *({}, {}, {"subdomain_matching": True}, {"static_folder": "st"}),
    {"host_matching": True, "static_host": "localhost"},
]
HOOKS = [
    *("before_request", "after_request", "teardown_request", "before_app_request"),
    *("after_app_request", "teardown_app_request", "url_value_preprocessor", "url_defaults"),
    *("app_url_value_preprocessor", "app_url_defaults", "context_processor"),
    *("app_context_processor", "record", "record_once"),
]


def tell_state(side: Side, state: t.Any) -> None:
    given = (state.first_registration, state.url_prefix, state.subdomain, state.name)
    side.tell("state", *given, state.name_prefix, state.url_defaults, sorted(state.options))


def make_blueprint(side: Side, r: random.Random) -> t.Any:
    module, name = side.module, r.choice(["a", "b", "a.b", "", "c", 5])
    bp = side.tried(module.Blueprint, name, __name__, **some(r, MADE_WITH, 0.3))
    if isinstance(bp, Exception):
        return None

    def hook(what: str, *args: t.Any) -> t.Any:
        shown = [getattr(arg, "status", arg) for arg in args]
        side.tell("hook", what, name, shown)
        return args[0] if args and hasattr(args[0], "status") else None

    def view(**values: t.Any) -> str:
        request = module.request
        url = module.url_for("." + request.endpoint.rpartition(".")[2], **values)
        return f"{request.endpoint} {sorted(values.items())} {request.blueprints} {url}"

    rule, endpoint = r.choice(["/", "/x", "", "x", "/<v>"]), r.choice([None, "index", "x.y", "e"])
    side.tried(bp.add_url_rule, rule, endpoint, side.view(view), **r.choice(RULE_WITH))
    for what in r.choices(HOOKS, k=r.randrange(4)):
        if "record" in what:
            side.tried(getattr(bp, what), functools.partial(tell_state, side))
        else:
            getattr(bp, what)(functools.partial(hook, what))
    if r.random() < 0.3:
        bp.app_errorhandler(404)(lambda error: (f"app's of {name}", 404))
    if r.random() < 0.3:
        bp.errorhandler(404)(lambda error: (f"{name}'s", 404))
    if r.random() < 0.3:
        side.tried(bp.cli.command("command"), lambda: None)
    return bp


def register(side: Side, r: random.Random, app: t.Any, blueprints: list[t.Any]) -> None:
    bp, onto = r.choice(blueprints), r.choice([app, app, *blueprints])
    side.tried(onto.register_blueprint, bp, **some(r, REGISTERED_WITH, 0.25))
    match r.randrange(8):
        case 0 | 1:
            side.tried(bp.add_url_rule, "/late", "late", lambda **values: "late")
        case 2:
            side.tried(bp.before_request, lambda: None)
        case 3:
            side.tried(setattr, bp, "url_prefix", "/changed")


def nest_blueprints(side: Side, r: random.Random) -> None:
    app = side.app(**r.choice(NESTED_IN))
    app.config.update(r.choice([{}, {"SERVER_NAME": "localhost"}]))
    made = [make_blueprint(side, r) for _ in range(r.randrange(1, 4))]
    blueprints = [bp for bp in made if bp is not None]
    if not blueprints:
        return
    for _ in range(r.randrange(1, 6)):
        register(side, r, app, blueprints)
    rules = [*app.url_map.iter_rules()]
    for rule in rules:
        given = (rule.rule, rule.endpoint, sorted(rule.methods or ()), rule.subdomain, rule.host)
        more = (rule.strict_slashes, rule.merge_slashes, rule.alias, rule.redirect_to)
        side.tell(*given, rule.defaults, *more, rule.build_only)
    side.tell(sorted(app.blueprints), [bp.name for bp in app.iter_blueprints()])
    side.tell(sorted(app.view_functions), [*app.cli.commands])
    for bp in blueprints:
        side.tell(bp, bp.url_prefix, bp.subdomain, bp.static_url_path, bp.static_folder)
        side.tell(bp.import_name, bp.template_folder, bp.url_values_defaults)
    client = side.client(app)
    for path in sorted({"/" + rule.rule.lstrip("/") for rule in rules})[:8]:
        client.open(path.replace("path:", "").translate(str.maketrans("", "", "<>")))
    client.open("/q/nope", method="POST")
    client.open("/late")
    side.tried(app.register_blueprint, blueprints[0])


def test_blueprints_are_registered_and_nested_as_in_flask() -> None:
    assert_same(nest_blueprints, 40)


def nest_with_options(side: Side, r: random.Random) -> None:
    app = side.app()
    outer = side.module.Blueprint("outer", __name__, **some(r, MADE_WITH, 0.3))
    inner = side.module.Blueprint("inner", __name__, **some(r, MADE_WITH, 0.3))
    inner.record(functools.partial(tell_state, side))
    outer.register_blueprint(inner, **some(r, REGISTERED_WITH, 0.2))
    app.register_blueprint(outer, **some(r, REGISTERED_WITH, 0.2))


def test_a_nested_blueprint_is_told_the_options_of_flask() -> None:
    assert_same(nest_with_options, 60, doors=())


# --- classes of views ---------------------------------------------------------------------------

METHODS = ["get", "post", "put", "delete", "head", "options", "patch", "trace", "propfind"]
SAID: dict[str, list[t.Any]] = {
    "methods": [["GET"], ["POST", "get"], {"PUT"}, [], None, ("DELETE",), "GET"],
    "init_every_request": [True, False],
    "provide_automatic_options": [True, False, None],
}
ROUTED_WITH: list[dict[str, t.Any]] = [
    *({}, {}, {"methods": ["GET", "POST"]}, {"methods": []}, {"methods": "GET"}, {"methods": ""}),
    *({"provide_automatic_options": False}, {"methods": ["OPTIONS"]}, {"methods": {"put"}}),
]


def decorated(side: Side, tag: str, view: t.Any) -> t.Any:
    @functools.wraps(view)
    def decorator(**values: t.Any) -> t.Any:
        side.tell("decorator", tag)
        return view(**values)

    return decorator


def make_view_class(
    side: Side, r: random.Random, name: str, base: t.Any, of_methods: bool
) -> t.Any:
    said = some(r, SAID, 0.3)
    tags = [f"{name} {number}" for number in range(r.choice([0, 0, 1, 2]))]
    if tags:
        said["decorators"] = [functools.partial(decorated, side, tag) for tag in tags]
    if r.random() < 0.3:
        said["__init__"] = lambda self, *args, **kwargs: side.tell("init", args, kwargs)

    def answer(self: t.Any, method: str, **values: t.Any) -> str:
        self.count = getattr(self, "count", 0) + 1
        return f"{name} {method} {sorted(values.items())} {self.count}"

    for method in r.sample(METHODS, r.randrange(4)) if of_methods else ["dispatch_request"]:
        said[method] = _answering(side, answer, method)
    return type(name, (base,), {**said, "__doc__": f"{name} says."})


def _answering(side: Side, answer: t.Any, method: str) -> t.Any:
    def act(self: t.Any, **values: t.Any) -> t.Any:
        return answer(self, method, **values)

    return side.view(act)


def route_views(side: Side, r: random.Random) -> None:
    app, views = side.app(), side.sub("views")
    classes: dict[bool, list[t.Any]] = {True: [views.MethodView], False: [views.View]}
    for number in range(r.randrange(1, 4)):
        of_methods = r.random() < 0.7
        base = r.choice(classes[of_methods])
        made = side.tried(make_view_class, side, r, f"C{number}", base, of_methods)
        if not isinstance(made, Exception):
            classes[of_methods].append(made)
    found = classes[True][1:] + classes[False][1:]
    paths: list[str] = []
    for number in range(4 if found else 0):
        args, kwargs = r.choice([(), (1, 2)]), r.choice([{}, {"x": 1}])
        cls = r.choice(found)
        view = side.tried(cls.as_view, r.choice([f"v{number}", "v0", "a.b"]), *args, **kwargs)
        if isinstance(view, Exception):
            continue
        side.tell(view.__name__, view.__doc__, view.__module__, set(view.methods or ()))
        side.tell(view.provide_automatic_options, view.view_class.__name__, set(cls.methods or ()))
        rule = r.choice(["/x", "/x/<int:id>", "/y/"]) + str(number)
        side.tried(app.add_url_rule, rule, view_func=view, **r.choice(ROUTED_WITH))
        paths.append(rule.replace("<int:id>", "5"))
    side.tell([(rule.rule, rule.endpoint, rule.methods) for rule in app.url_map.iter_rules()])
    client = side.client(app)
    for path, method in itertools.product(
        paths, ["GET", "GET", "POST", "HEAD", "OPTIONS", "TRACE"]
    ):
        client.open(path, method=method)


def test_classes_of_views_are_routed_as_in_flask() -> None:
    assert_same(route_views, 25)
