"""More of what people reported of Flask, Werkzeug and extensions, as small programs: each gives the
same on real Flask and on quartish, by both doors. `test_public_reports` has the others.
"""

from __future__ import annotations

import contextvars
import io
import typing as t
from functools import partial

import flask
import flask.testing
import pytest

import quartish
import quartish.testing

from .test_public_reports import by_asgi
from .test_public_reports import by_wsgi
from .test_public_reports import Get
from .test_public_reports import make
from .test_public_reports import tried

pytestmark = pytest.mark.usefixtures("quiet")
PROGRAMS: list[t.Callable[[t.Any, Get], t.Any]] = []


def program(func: t.Any) -> t.Any:
    PROGRAMS.append(func)
    return func


@program  # pallets/flask#4037
def prefixes_of_nested_blueprints(module: t.Any, get: Get) -> t.Any:
    told = []
    for outer, inner, given in [("/p", "/c", None), ("/p", None, None), (None, "/c", "/g")]:
        for outer_given in (None, "/o"):
            app = make(module)
            parent = module.Blueprint("parent", "reports", url_prefix=outer)
            child = module.Blueprint("child", "reports", url_prefix=inner)
            child.add_url_rule("/", "index", lambda: module.request.endpoint)
            options = {} if given is None else {"url_prefix": given}
            parent.register_blueprint(child, **options)
            app.register_blueprint(parent, **({"url_prefix": outer_given} if outer_given else {}))
            told.append(sorted(rule.rule for rule in app.url_map.iter_rules()))
            told.append([get(app, path) for path in ("/", "/p/c/", "/o/c/", "/o/", "/p/", "/g/")])
    return told


@program  # pallets/flask#1663, pallets/flask#1596
def a_scheme_of_one_url_alone(module: t.Any, get: Get) -> t.Any:
    app = make(module, SERVER_NAME="shop.example:5000")

    @app.get("/")
    def index() -> t.Any:
        urls = [module.url_for("index", _external=True)]
        urls.append(module.url_for("index", _external=True, _scheme="ws"))
        urls.append(module.url_for("index", _scheme="https", _external=True, _anchor="a b"))
        urls.append(tried(lambda: module.url_for("index", _scheme="https", _external=False)))
        return [*urls, module.url_for("index", _external=True)]

    with app.app_context():
        outside = [module.url_for("index"), module.url_for("index", _scheme="wss")]
        outside += [module.url_for("index"), module.url_for("index", _external=False)]
    return get(app, "/", host="shop.example:5000"), outside


@program  # pallets/flask#1955, pallets/flask#5553
def ports_and_subdomains(module: t.Any, get: Get) -> t.Any:
    told = []
    for name in ("shop.example", "shop.example:80", "shop.example:8000", None):
        for matching in (False, True):
            app = module.Flask("reports", static_folder=None, subdomain_matching=matching)
            app.config["SERVER_NAME"] = name
            app.add_url_rule("/", "top", lambda: "top")
            app.add_url_rule("/", "sub", lambda: "sub", subdomain="api")
            app.add_url_rule("/x", "any", lambda user: user, subdomain="<user>")
            for port in ("", ":80", ":8000"):
                for host in (f"shop.example{port}", f"api.shop.example{port}", f"other{port}"):
                    told.append([host, get(app, "/", host=host), get(app, "/x", host=host)])
    return told


@program  # pallets/flask#2821
def an_error_between_two_before_functions(module: t.Any, get: Get) -> t.Any:
    app, seen = make(module), []
    app.before_request(lambda: seen.append("first"))

    @app.before_request
    def fails() -> t.Any:
        how = module.request.args.get("how", "")
        if how == "abort":
            module.abort(403)
        return {"raise": lambda: dict[str, str]()["x"], "answer": lambda: ("early", 202)}.get(
            how, lambda: None
        )()

    app.before_request(lambda: seen.append("last"))
    app.register_error_handler(KeyError, lambda error: ("handled", 500))
    app.register_error_handler(403, lambda error: (f"handled {error.code}", 403))

    @app.after_request
    def after(response: t.Any) -> t.Any:
        seen.append(f"after {response.status_code}")
        return response

    app.teardown_request(lambda error: seen.append(f"teardown {type(error).__name__}"))
    app.add_url_rule("/", "index", lambda: "index")
    answers = [get(app, f"/?how={how}") for how in ("", "abort", "raise", "answer")]
    return answers, seen


@program  # miguelgrinberg/Flask-SocketIO#2152
def the_session_of_a_context_is_set(module: t.Any, get: Get) -> t.Any:
    app = make(module)

    @app.get("/")
    def index() -> t.Any:
        module.session["a"] = 1
        context = module.globals.request_ctx._get_current_object()
        told = [tried(lambda: setattr(context, "session", {"b": 2}))]
        told.append(hasattr(context, "_session"))
        context._session = {"c": 3}
        return [
            *told,
            dict(module.session),
            dict(context.session),
            context.session is module.session._get_current_object(),
        ]

    return get(app, "/")


@program  # openzim/wp1#1249
def teardown_functions_of_a_kept_context(module: t.Any, get: Get) -> t.Any:
    app, seen = make(module), []
    app.add_url_rule("/", "index", lambda: "index")
    app.teardown_request(lambda error: seen.append(f"request {module.request.path}"))
    app.teardown_appcontext(lambda error: seen.append("app"))
    with app.test_client() as client:
        client.get("/")
        seen.append("between")
        client.get("/")
        seen.append("left")
    seen.append("outside")
    app.test_client().get("/")
    with app.app_context():
        app.test_client().get("/")
        seen.append("within")
    return seen


@program  # pallets/flask#1094
def callbacks_of_a_request_whose_teardown_fails(module: t.Any, get: Get) -> t.Any:
    app, seen = make(module), []

    @app.get("/<name>")
    def index(name: str) -> str:
        @module.after_this_request
        def mark(response: t.Any) -> t.Any:
            seen.append(name)
            response.data += name.encode()
            return response

        return "index"

    @app.teardown_request
    def fails(error: t.Any) -> None:
        if module.request.path == "/bad":
            raise LookupError

    app.add_url_rule("/plain", "plain", lambda: "plain")
    tried(lambda: get(app, "/bad"))
    return get(app, "/plain"), get(app, "/good"), seen


@program  # pallets/flask#3396, pallets/flask#4263
def a_client_with_its_own_open(module: t.Any, get: Get) -> t.Any:
    seen: list[t.Any] = []

    class Client(module.testing.FlaskClient):  # type: ignore[misc, name-defined]
        def open(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
            kwargs.setdefault("follow_redirects", True)
            seen.append([len(args), sorted(kwargs)])
            return super().open(*args, **kwargs)

    app = make(module)
    app.test_client_class = Client
    app.add_url_rule("/old", "old", lambda: module.redirect("/new", 308), methods=["GET", "POST"])
    app.add_url_rule("/new", "new", lambda: module.request.method, methods=["GET", "POST"])
    client = app.test_client()
    told = []
    for call in (client.get, client.post):
        response = call("/old")
        told.append([response.text, [one.status for one in response.history]])
        told.append([response.request.path, call("/old", follow_redirects=False).status])
    return told, seen


@program  # pallets/flask#2943, pallets/flask#1971
def ranges_of_files(module: t.Any, get: Get) -> t.Any:
    app = make(module)

    @app.get("/file")
    def file() -> t.Any:
        return module.send_file(io.BytesIO(b"0123456789"), "text/plain", conditional=True)

    @app.get("/path")
    def path() -> t.Any:
        return module.send_file(__file__, conditional=True, etag=False, last_modified=1)

    @app.get("/response")
    def response() -> t.Any:
        made = module.make_response(b"0123456789")
        return made.make_conditional(module.request, accept_ranges=True, complete_length=10)

    told = []
    for where in ("/file", "/path", "/response"):
        for wanted in (
            "bytes=0-3",
            "bytes=-2",
            "bytes=8-",
            "bytes=5-2",
            "bytes=20-",
            "x",
            "bytes=0-1,3-4",
        ):
            for verb in ("GET", "HEAD"):
                status, text, _ = get(app, where, verb, range=wanted)
                told.append([where, wanted, verb, status, text[:20] if status < 300 else ""])
    return told


@program  # pytest-dev/pytest-flask#42
def a_stream_while_a_test_has_a_request_of_its_own(module: t.Any, get: Get) -> t.Any:
    app = make(module)

    @app.get("/stream")
    def stream() -> t.Any:
        def pieces() -> t.Iterator[str]:
            yield module.request.path
            yield module.current_app.name

        return module.Response(module.stream_with_context(pieces()))

    context = app.test_request_context("/test")
    context.push()
    told = [app.test_client().get("/stream").text, module.request.path]
    answer = app.test_client().get("/stream", buffered=False)
    # *Flask:* until it is read, what the test has is the stream's context.
    told += [answer.text, module.request.path]
    context.pop()
    return told, module.has_request_context()


@program  # pallets/flask#2757
def after_functions_go_backwards(module: t.Any, get: Get) -> t.Any:
    app, seen = make(module), []

    def noted(name: str) -> t.Callable[[t.Any], t.Any]:
        return lambda response: (seen.append(name), response)[1]

    blueprint = module.Blueprint("bp", "reports")
    inner = module.Blueprint("inner", "reports")
    for where, name in ((app, "app"), (blueprint, "bp"), (inner, "inner")):
        where.after_request(noted(f"{name} 1"))
        where.after_request(noted(f"{name} 2"))
    blueprint.after_app_request(noted("of all"))

    @inner.get("/")
    def index() -> str:
        module.after_this_request(noted("this 1"))
        module.after_this_request(noted("this 2"))
        return "index"

    blueprint.register_blueprint(inner)
    app.register_blueprint(blueprint)
    return get(app, "/"), get(app, "/nowhere"), seen


@program  # vmalloc/Flask-Loopback#8
def cookies_of_clients(module: t.Any, get: Get) -> t.Any:
    app = make(module)

    @app.get("/set")
    def put() -> t.Any:
        response = module.make_response("set")
        for name, options in (
            ("a", {}),
            ("path", {"path": "/deep"}),
            ("domain", {"domain": "shop.example"}),
            ("gone", {"max_age": 0}),
            ("short", {"max_age": 1000}),
            ("secure", {"secure": True}),
        ):
            response.set_cookie(name, "1", **options)
        return response

    app.add_url_rule("/", "index", lambda: sorted(module.request.cookies))
    app.add_url_rule("/deep/x", "deep", lambda: sorted(module.request.cookies))
    told: list[t.Any] = []
    for use in (True, False):
        client = app.test_client(use_cookies=use)
        for base in ("http://shop.example", "http://www.shop.example", "https://shop.example"):
            client.get("/set", base_url=base)
            for other in ("http://shop.example", "http://www.shop.example", "http://else.example"):
                told += [client.get(path, base_url=other).json for path in ("/", "/deep/x")]
        get_cookie = partial(client.get_cookie, "a", domain="shop.example")
        told.append(tried(lambda get_cookie=get_cookie: get_cookie().value))  # type: ignore[misc]
    return told


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("door", [by_wsgi, by_asgi])
@pytest.mark.parametrize("run", PROGRAMS, ids=lambda run: run.__name__)
def test_the_same_as_on_flask(run: t.Any, door: Get) -> None:
    def alone(*args: t.Any) -> t.Any:
        return contextvars.Context().run(run, *args)

    assert alone(quartish, door) == alone(flask, by_wsgi)
