"""What people reported of Flask, of its extensions and of agents, as small programs: each is run
on real Flask and here, by both doors, and tells the same.

The reports were looked for by kinds (contexts, overrides, names, agents, paths); the name of each
program's report stands above it.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import importlib
import itertools
import threading
import types
import typing as t
from pathlib import Path

import flask
import flask.views
import pytest
import quart
import quart.views
import wrapt
from werkzeug.exceptions import BadRequest
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client
from werkzeug.test import create_environ
from werkzeug.test import run_wsgi_app

import quartish
import quartish.quart
import quartish.views

from ._peer import ask

pytestmark = pytest.mark.usefixtures("quiet")

HERE = Path(__file__).parent
#: `get(app, path, method="GET", **headers)` gives status, text and Location.
Get = t.Callable[..., tuple[int, str, str | None]]
PROGRAMS: list[t.Callable[[t.Any, Get], t.Any]] = []


def program(func: t.Any) -> t.Any:
    PROGRAMS.append(func)
    return func


def by_wsgi(app: t.Any, path: str, method: str = "GET", **headers: str) -> t.Any:
    names = [(name.replace("_", "-"), value) for name, value in headers.items()]
    environ = create_environ(method=method, headers=names)
    path, _, environ["QUERY_STRING"] = path.partition("?")
    environ["PATH_INFO"] = path.encode().decode("latin-1")
    environ["REQUEST_URI"] = environ["RAW_URI"] = path
    chunks, status, got = run_wsgi_app(app, environ, buffered=True)
    return int(status[:3]), b"".join(chunks).decode(), got.get("Location")


def by_asgi(app: t.Any, path: str, method: str = "GET", **headers: str) -> t.Any:
    answer = asyncio.run(ask(app, path, method, **headers))  # type: ignore[arg-type]
    return answer.status, answer.text, answer.headers.get("Location")


def make(module: t.Any, **config: t.Any) -> t.Any:
    app = module.Flask("reports", root_path=".", static_folder=None)
    app.secret_key = "key"
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.config.update(config)
    return app


def tried(func: t.Callable[[], t.Any]) -> t.Any:
    try:
        return func()
    except Exception as error:
        return type(error).__name__


# --- contexts ---------------------------------------------------------------------------------


@program  # pallets/flask#4823
def two_clients_in_with_blocks(module: t.Any, get: Get) -> t.Any:
    app = make(module)

    @app.get("/")
    def index() -> str:
        seen = "mark" in module.g
        module.g.mark = True
        return str(seen)

    seen: list[str] = []

    def visit() -> None:
        with app.test_client() as one, app.test_client() as two:
            seen.extend([one.get("/").text, two.get("/").text])

    return tried(visit), seen


@program  # pallets/flask#2677
def a_request_within_a_session_transaction(module: t.Any, get: Get) -> t.Any:
    app = make(module, TESTING=True)
    seen: list[t.Any] = []

    @app.get("/")
    def index() -> str:
        return str(module.session.get("in"))

    app.teardown_request(lambda error: seen.append((module.request.path, error)))
    with app.test_client() as client:
        with client.session_transaction() as session:
            session["in"] = True
            seen.append(client.get("/").text)
        seen.append(client.get("/").text)
        seen.append(module.request.path)
    return seen, module.has_request_context()


@program  # pallets/flask#4734
def clients_in_with_blocks_in_threads(module: t.Any, get: Get) -> t.Any:
    app, seen, errors = make(module), [], []
    app.add_url_rule("/<n>", "index", lambda n: n)

    def work(n: int) -> None:
        try:
            with app.test_client() as client:
                for _ in range(5):
                    seen.append((client.get(f"/{n}").text, module.request.path))
        except Exception as error:
            errors.append(repr(error))

    with app.test_client() as client:
        client.get("/0")
        threads = [threading.Thread(target=work, args=[n]) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seen.append(("", module.request.path))
    return sorted(seen), errors


@program  # pallets/flask#5774, #5804
def a_stream_with_context_of_either_colour(module: t.Any, get: Get) -> t.Any:
    app, seen = make(module), []
    app.teardown_request(lambda error: seen.append("request"))
    app.teardown_appcontext(lambda error: seen.append("app"))

    def chunks() -> t.Iterator[str]:
        for n in range(3):
            seen.append("chunk")
            yield f"{module.request.args['q']}{n}{module.g.mark}"

    @app.get("/sync")
    def sync() -> t.Any:
        module.g.mark = "!"
        return module.stream_with_context(chunks())

    @app.get("/async")
    async def asynchronous() -> t.Any:
        module.g.mark = "!"
        return module.Response(module.stream_with_context(chunks()))

    told = [get(app, f"/{name}?q=a")[:2] for name in ("sync", "async")]
    with app.test_client() as client:
        told.append(client.get("/async?q=b").text)
    # How often teardown functions run for a stream is another matter (docs of each).
    return told, seen.count("chunk"), {"request", "app"} <= set(seen)


@program  # pallets/flask#6123
def an_abandoned_stream(module: t.Any, get: Get) -> t.Any:
    app, ended = make(module), []
    app.teardown_appcontext(lambda error: ended.append("app"))

    @app.get("/stream")
    def stream() -> t.Any:
        return module.stream_with_context(iter(["a", "b", "c"]))

    app.add_url_rule("/", "index", lambda: "ok")
    chunks = app.wsgi_app(create_environ("/stream"), lambda *args: None)
    first = next(iter(chunks))
    chunks.close()
    del chunks
    gc.collect()
    ended.clear()
    return first, get(app, "/")[:2], ended, module.has_app_context()


@program  # pallets/flask#1767, #1822
def teardown_functions_that_raise(module: t.Any, get: Get) -> t.Any:
    app = make(module)

    @app.teardown_appcontext
    def fail(error: t.Any) -> None:
        raise LookupError

    seen = [tried(lambda: app.app_context().__enter__() and None)]
    ctx = app.app_context()
    ctx.push()
    seen.append(tried(ctx.pop))
    seen.append(module.has_app_context())
    return seen[1:]


@program  # pytest-dev/pytest-flask#69
def an_app_context_of_the_module_and_a_client(module: t.Any, get: Get) -> t.Any:
    app = make(module)

    @app.get("/")
    def index() -> str:
        module.session["n"] = module.session.get("n", 0) + 1
        return f"{module.session['n']} {sorted(module.session)}"

    ctx = app.app_context()
    ctx.push()
    try:
        with app.test_client() as client:
            with client.session_transaction() as session:
                session["token"] = "x"
            told = [client.get("/").text, client.get("/").text, dict(module.session)]
            module.g.outer = 1
            told.append(module.current_app is module.current_app._get_current_object())
    finally:
        ctx.pop()
    return told, module.has_app_context(), module.has_request_context()


@program  # pallets/flask#3157
def all_that_a_client_kept_is_ended(module: t.Any, get: Get) -> t.Any:
    app, ended = make(module), []
    app.teardown_request(lambda error: ended.append(module.request.path))

    @app.get("/inner")
    def inner() -> str:
        return "inner"

    @app.get("/outer")
    def outer() -> str:
        with app.test_client() as client:
            text = client.get("/inner").text
        return f"{text} in {module.request.path}"

    with app.test_client() as client:
        told = client.get("/outer").text
        path = module.request.path
    return told, path, ended, module.has_request_context()


@program  # pallets/flask#1348, #2673, #2270
def sessions_of_streams_and_of_teardown_functions(module: t.Any, get: Get) -> t.Any:
    app, seen = make(module), []

    @app.before_request
    def before() -> None:
        seen.append(module.session.get("hello"))
        module.session.setdefault("hello", "there")

    @app.teardown_request
    def teardown(error: t.Any) -> None:
        module.session.pop("hello", None)
        seen.append("gone")

    @app.after_request
    def after(response: t.Any) -> t.Any:
        seen.append(("after", response.headers.getlist("Set-Cookie")))
        return response

    @app.get("/")
    def index() -> t.Any:
        module.session["n"] = module.session.get("n", 0) + 1

        def chunks() -> t.Iterator[str]:
            yield str(module.session["n"])
            module.session["n"] = 100
            yield str(module.session["n"])

        return module.Response(module.stream_with_context(chunks()))

    client = app.test_client()
    told = [client.get("/").text for _ in range(3)]
    # A stream with a context ends it twice there; here once.
    return told, [what for what, _ in itertools.groupby(seen)]


@program  # pallets/flask#4112, #4126
def async_methods_of_view_classes(module: t.Any, get: Get) -> t.Any:
    app = make(module)

    class View(module.views.View):  # type: ignore[misc, name-defined]
        async def dispatch_request(self) -> str:
            await asyncio.sleep(0)
            return f"view {module.request.path}"

    class Method(module.views.MethodView):  # type: ignore[misc, name-defined]
        init_every_request = False

        async def get(self) -> str:
            await asyncio.sleep(0)
            return f"method {module.g.get('n')}"

        def post(self) -> str:
            return "post"

    app.before_request(lambda: setattr(module.g, "n", 1))
    app.add_url_rule("/view", view_func=View.as_view("view"))
    app.add_url_rule("/method", view_func=Method.as_view("method"))
    asked = [("/view", "GET"), ("/method", "GET"), ("/method", "POST"), ("/method", "HEAD")]
    return [get(app, path, method) for path, method in asked]


# --- overrides --------------------------------------------------------------------------------


@program  # jzempel/flask-exceptional#12
def handle_exception_wrapped_by_an_extension(module: t.Any, get: Get) -> t.Any:
    app, seen = make(module), []
    original = app.handle_exception

    @functools.wraps(original)
    def handle(error: Exception) -> t.Any:
        seen.append(type(error).__name__)
        return original(error)

    app.handle_exception = handle

    @app.get("/")
    def index() -> str:
        raise ZeroDivisionError

    return get(app, "/")[0], seen


@program  # closeio/sync-engine#1064
def error_handlers_put_into_the_registry_by_hand(module: t.Any, get: Get) -> t.Any:
    app = make(module)
    app.error_handler_spec[None][None][ZeroDivisionError] = lambda error: ("divided", 418)
    app.error_handler_spec[None][404][importlib.import_module("werkzeug.exceptions").NotFound] = (
        lambda error: ("lost", 404)
    )

    @app.get("/")
    def index() -> str:
        raise ZeroDivisionError

    return get(app, "/"), get(app, "/nowhere")


@program  # alphagov/backdrop#283, pallets/flask#1317
def on_json_loading_failed_of_a_class_and_of_one_request(module: t.Any, get: Get) -> t.Any:
    class Request(module.Request):  # type: ignore[misc, name-defined]
        def on_json_loading_failed(self, error: t.Any) -> t.Any:
            raise BadRequest("told by the class")

    class App(module.Flask):  # type: ignore[misc, name-defined]
        request_class = Request

    app = App("reports", root_path=".", static_folder=None)

    @app.post("/class")
    def of_class() -> t.Any:
        return module.request.get_json()

    @app.post("/one")
    def of_one() -> t.Any:
        module.request.on_json_loading_failed = lambda error: {"told": "by one"}
        return module.request.get_json()

    names = ("class", "one")
    return [get(app, f"/{name}", "POST", content_type="application/json") for name in names]


@program  # alisaifee/flask-limiter#124, pallets-eco/flask-debugtoolbar#40
def views_and_hooks_that_are_partials(module: t.Any, get: Get) -> t.Any:
    app, seen = make(module), []

    class Callable:
        def __call__(self, *args: t.Any) -> t.Any:
            seen.append(len(args))

    app.add_url_rule("/<x>", "view", functools.partial(lambda a, x: a + x, "a"))
    app.before_request(functools.partial(seen.append, "before"))  # type: ignore[arg-type]
    app.after_request(functools.partial(lambda a, response: response, 1))
    app.teardown_request(functools.partial(lambda a, error: seen.append("end"), 1))  # type: ignore[arg-type]
    app.before_request(Callable())
    app.register_error_handler(404, functools.partial(lambda a, error: (a, 404), "lost"))
    return get(app, "/x"), get(app, "/a/b"), seen, app.view_functions["view"].args


@program  # evansd/whitenoise#158
def a_middleware_around_wsgi_app_and_around_its_class(module: t.Any, get: Get) -> t.Any:
    class App(module.Flask):  # type: ignore[misc, name-defined]
        def wsgi_app(self, environ: t.Any, start_response: t.Any) -> t.Any:
            if environ["PATH_INFO"] == "/file":
                start_response("200 OK", [("X-By", "class")])
                return [b"by the class"]
            return super().wsgi_app(environ, start_response)

    app = App("reports", root_path=".", static_folder=None)
    app.add_url_rule("/", "index", lambda: module.request.environ.get("by", ""))
    inner = app.wsgi_app

    def around(environ: t.Any, start_response: t.Any) -> t.Any:
        environ["by"] = "around"
        return inner(environ, start_response)

    app.wsgi_app = around
    return get(app, "/"), get(app, "/file")


@program  # dchevell/flask-executor#52
def a_function_carried_into_a_thread_that_outlives_the_request(module: t.Any, get: Get) -> t.Any:
    app, seen, threads = make(module), [], []
    begin = threading.Event()

    @app.get("/<n>")
    def index(n: str) -> str:
        module.g.n = n

        @module.copy_current_request_context
        def work() -> None:
            begin.wait(5)
            seen.append((module.request.path, module.g.get("n"), module.current_app.name))

        threads.append(threading.Thread(target=work))
        threads[-1].start()
        return "started"

    told = [get(app, "/1")[:2], get(app, "/2")[:2]]
    begin.set()
    for thread in threads:
        thread.join()
    return told, sorted(seen)


@program  # GoogleCloudPlatform/flask-talisman#23
def process_response_without_its_base(module: t.Any, get: Get) -> t.Any:
    class App(module.Flask):  # type: ignore[misc, name-defined]
        def process_response(self, response: t.Any) -> t.Any:
            return response

    app, seen = App("reports", root_path=".", static_folder=None), []
    app.secret_key = "key"
    app.after_request(lambda response: seen.append("after") or response)

    @app.get("/")
    def index() -> str:
        module.session["a"] = 1
        module.after_this_request(lambda response: seen.append("late") or response)
        return "ok"

    with app.test_client() as client:
        response = client.get("/")
    return get(app, "/"), response.headers.getlist("Set-Cookie"), seen


@program  # pallets/flask#1571
def make_response_of_what_no_view_may_return(module: t.Any, get: Get) -> t.Any:
    class App(module.Flask):  # type: ignore[misc, name-defined]
        def make_response(self, rv: t.Any) -> t.Any:
            if isinstance(rv, (set, int, type(None))):
                rv = f"{type(rv).__name__}: {rv}"
            return super().make_response(rv)

    app = App("reports", root_path=".", static_folder=None)
    values = {"/set": {1}, "/int": 7, "/none": None, "/text": "text", "/pair": ("a", 201)}
    for path, value in values.items():
        app.add_url_rule(path, path, lambda value=value: value)
    app.register_error_handler(404, lambda error: 404)
    return [get(app, path)[:2] for path in [*values, "/nowhere"]]


@program  # python-injector/flask_injector#38
def registries_whose_functions_are_all_wrapped(module: t.Any, get: Get) -> t.Any:
    app, seen = make(module), []

    class View(module.views.MethodView):  # type: ignore[misc, name-defined]
        def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
            seen.append((args, kwargs))

        def get(self, n: int) -> str:
            return f"got {n}"

    app.add_url_rule("/<int:n>", view_func=View.as_view("view", 1, a=2))
    app.before_request(lambda: None)
    app.teardown_request(lambda error: None)
    app.register_error_handler(404, lambda error: ("lost", 404))

    def wrapped(func: t.Any) -> t.Any:
        @functools.wraps(func)
        def call(*args: t.Any, **kwargs: t.Any) -> t.Any:
            seen.append("wrapped")  # type: ignore[arg-type]
            return func(*args, **kwargs)

        return call

    def wrap(registry: t.Any) -> None:
        for key, value in registry.items():
            if isinstance(value, dict):
                wrap(value)
            elif isinstance(value, list):
                registry[key] = [wrapped(func) for func in value]
            else:
                registry[key] = wrapped(value)

    view = app.view_functions["view"]
    free = sorted({"class_args", "class_kwargs"} & set(view.__code__.co_freevars))
    for name in ("view_functions", "before_request_funcs", "teardown_request_funcs"):
        wrap(getattr(app, name))
    wrap(app.error_handler_spec)
    return free, get(app, "/3"), get(app, "/x"), seen, app.view_functions["view"].view_class is View


@program  # scoutapp/scout_apm_python#183, pallets-eco/flask-debugtoolbar#150
def dispatch_request_of_another_object(module: t.Any, get: Get) -> t.Any:
    app, seen = make(module), []

    class Agent:
        def dispatch_request(self) -> t.Any:
            request = module.request
            seen.append(request.method)
            if request.routing_exception is not None:
                app.raise_routing_exception(request)
            if request.method == "OPTIONS" and request.url_rule.provide_automatic_options:
                return app.make_default_options_response()
            return app.view_functions[request.url_rule.endpoint](**request.view_args)

    proxied = make(module)
    proxied.dispatch_request = wrapt.CallableObjectProxy(proxied.dispatch_request)
    app.dispatch_request = Agent().dispatch_request
    for one in (app, proxied):
        one.add_url_rule("/<n>", "n", lambda n: n)
    asked = [("/1", "GET"), ("/1", "OPTIONS"), ("/1", "POST"), ("/1/2", "GET")]
    return [get(one, path, method) for one in (app, proxied) for path, method in asked], seen


# --- names ------------------------------------------------------------------------------------


def _name(module: t.Any, path: str, name: str) -> str:
    """Say whether `from flask.path import name` works."""
    place = importlib.import_module(f"{module.__name__}{path}")
    return "there" if hasattr(place, name) else "missing"


@program  # playpauseandstop/Flask-And-Redis#68, chiangf/Flask-Elasticsearch#19
def names_that_went_or_stayed(module: t.Any, get: Get) -> t.Any:
    names = [
        *(("", "_request_ctx_stack"), ("", "_app_ctx_stack")),  # Miksus/flask-redmail#6
        *((".globals", "request_ctx"), (".globals", "app_ctx")),  # pallets/flask#4723
        *((".globals", "_request_ctx_stack"), (".globals", "_cv_request")),
        *((".signals", "signals_available"), ("", "signals_available")),  # instana#456
        *((".json", "JSONEncoder"), (".json", "JSONDecoder"), ("", "json_available")),
        *(("", "after_this_request"), ("", "safe_join")),
        *((".helpers", "safe_join"), (".helpers", "total_seconds"), (".app", "_make_timedelta")),
        *((".templating", "_render"), (".scaffold", "_endpoint_from_view_func")),
    ]
    found = [tried(lambda n=name, p=path: _name(module, p, n)) for path, name in names]  # type: ignore[misc]
    # What is there beside Flask's is Quart's, or was Flask's.
    beside = {"signals_available", "safe_join"}
    return [pair for pair in zip(names, found, strict=True) if pair[0][1] not in beside]


@program  # DataDog/dd-trace-py#4025, #5671, #2426
def methods_that_agents_ask_for(module: t.Any, get: Get) -> t.Any:
    names = ["before_first_request", "try_trigger_before_first_request_functions", "json_encoder"]
    names += ["_register_error_handler", "send_file_max_age_default", "use_x_sendfile", "env"]
    names += ["got_first_request", "_find_error_handler", "propagate_exceptions", "add_url_rule"]
    names += ["full_dispatch_request", "finalize_request", "_got_first_request"]
    app = make(module)
    return [(name, hasattr(module.Flask, name), hasattr(app, name)) for name in names]


@program  # markwal/OctoPrint-GPX#6
def modules_that_went(module: t.Any, get: Get) -> t.Any:
    return [
        tried(lambda n=n: importlib.import_module(f"{module.__name__}.{n}").__name__.split(".")[1])  # type: ignore[misc]
        for n in ("exceptions", "ext", "_compat", "scaffold", "testsuite", "cli", "sansio.app")
    ]


# --- agents and ContextVars ---------------------------------------------------------------------

var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="unset")


def _instrumented(module: t.Any, errors: list[str]) -> t.Any:
    """Return an app with hooks as OpenTelemetry's: a token in the environ, taken back last."""
    app = make(module)

    def begin() -> None:
        module.request.environ["token"] = var.set("span")

    def end(error: t.Any) -> None:
        token = module.request.environ.pop("token", None)
        if token is None:
            return
        try:
            var.reset(token)
        except (ValueError, RuntimeError) as failed:
            errors.append(type(failed).__name__)

    app.before_request(begin)
    app.teardown_request(end)
    return app


@program  # open-telemetry/opentelemetry-python-contrib#3937, langgenius/dify#36809
def tokens_of_streams(module: t.Any, get: Get) -> t.Any:
    errors: list[str] = []
    app = _instrumented(module, errors)

    def chunks() -> t.Iterator[str]:
        yield module.request.path
        yield "end"

    @app.get("/sync")
    def sync() -> t.Any:
        return module.Response(module.stream_with_context(chunks()))

    @app.get("/bare")
    def bare() -> t.Any:
        return module.Response(iter(["a", "b"]))

    return [get(app, f"/{name}")[:2] for name in ("sync", "bare")], errors


@program  # open-telemetry/opentelemetry-python-contrib#868
def tokens_and_a_copied_context(module: t.Any, get: Get) -> t.Any:
    errors: list[str] = []
    app = _instrumented(module, errors)

    @app.get("/")
    def index() -> str:
        found: list[str] = []

        @module.copy_current_request_context
        def work() -> None:
            found.append(module.request.path)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return f"{found} {var.get()}"

    # The copy's end takes the token out of the environ first, in its thread, there as here.
    return get(app, "/"), errors


@program  # langgenius/dify#39921, open-telemetry/opentelemetry-python-contrib#3099
def teardown_functions_run_once(module: t.Any, get: Get) -> t.Any:
    app, ended = make(module), []
    app.teardown_request(lambda error: ended.append(type(error).__name__))

    @app.get("/error")
    def error() -> str:
        raise ZeroDivisionError

    @app.get("/stream")
    def stream() -> t.Any:
        return module.Response(iter("ab"))

    app.add_url_rule("/", "index", lambda: "ok")
    told = [get(app, path)[0] for path in ("/", "/error", "/stream", "/nowhere")]
    return told, ended


@program  # pydantic/logfire#1607
def a_stream_that_is_closed_early(module: t.Any, get: Get) -> t.Any:
    app, seen = make(module), []

    def chunks() -> t.Iterator[str]:
        token = var.set("chunks")
        try:
            while True:
                yield "a"
        finally:
            seen.append(tried(lambda: var.reset(token)))
            seen.append(module.request.path)

    @app.get("/")
    def index() -> t.Any:
        return module.Response(module.stream_with_context(chunks()))

    body = app.wsgi_app(create_environ("/"), lambda *args: None)
    next(iter(body))
    body.close()
    return seen


@program  # getsentry/sentry-python#493
def what_one_request_set_is_not_the_next_ones(module: t.Any, get: Get) -> t.Any:
    app = make(module)

    @app.get("/")
    def index() -> str:
        before = var.get()
        if "set" in module.request.args:
            var.set("event")
        return before

    def visit() -> t.Any:
        return [get(app, path)[1] for path in ("/", "/?set", "/?set")][:2]

    return contextvars.copy_context().run(visit)


@program  # DataDog/dd-trace-py#19209
def methods_whose_bytecode_is_replaced(module: t.Any, get: Get) -> t.Any:
    """An agent puts its own code into the function that a class has, before the app is made."""
    seen: list[str] = []
    originals = {}
    names = ["full_dispatch_request", "preprocess_request", "process_response", "make_response"]
    for name in names:
        func = getattr(module.Flask, name)
        copy = types.FunctionType(func.__code__, func.__globals__, name, func.__defaults__)
        originals[name] = func, func.__code__
        func.__globals__[f"_agent_{name}"] = functools.partial(_note, seen, name, copy)
        space: dict[str, t.Any] = {}
        exec(f"def {name}(*args, **kwargs): return _agent_{name}(*args, **kwargs)", space)
        func.__code__ = space[name].__code__
    try:
        app = make(module)
        app.add_url_rule("/", "index", lambda: "ok")
        return get(app, "/")[:2], sorted(seen)
    finally:
        for name, (func, code) in originals.items():
            func.__code__ = code
            func.__globals__.pop(f"_agent_{name}")


def _note(seen: list[str], name: str, func: t.Any, *args: t.Any, **kwargs: t.Any) -> t.Any:
    seen.append(name)
    return func(*args, **kwargs)


# --- paths --------------------------------------------------------------------------------------


@program  # pallets/flask#5489, pallets/werkzeug#2834
def double_slashes(module: t.Any, get: Get) -> t.Any:
    told = []
    for merge in (True, False):
        app = make(module)
        app.url_map.merge_slashes = merge

        def guard() -> t.Any:
            return ("no", 403) if module.request.path.startswith("/admin") else None

        app.before_request(guard)
        for rule in ("/api", "/api/path", "/admin", "/p/<path:p>", "/dir/"):
            app.add_url_rule(rule, rule, lambda p="": f"{module.request.path} {p}")
        paths = ["//admin", "///admin", "/api//path", "/api//other", "//api", "/p//a//b", "/dir//"]
        told.append([get(app, path) for path in paths])
    return told


@program  # pallets/flask#2738, #2629, #2746
def prefixes_of_blueprints(module: t.Any, get: Get) -> t.Any:
    told = []
    for prefix in ("/a/", "/a", "", "/", "//a//"):
        for rule in ("/b/", "/b", "b", "", "//b"):
            app = make(module)
            bp = module.Blueprint("bp", "reports")
            bp.add_url_rule(rule, "view", lambda: module.url_for(".view"))
            register = functools.partial(app.register_blueprint, bp, url_prefix=prefix)
            result = tried(register)
            rules = [str(found) for found in app.url_map.iter_rules()]
            told.append((prefix, rule, result, rules, [get(app, r) for r in rules if r[:1] == "/"]))
    return told


@program  # pallets/flask#5286
def what_url_for_quotes(module: t.Any, get: Get) -> t.Any:
    app = make(module)
    app.add_url_rule("/x/<v>", "x", lambda v: v)
    app.add_url_rule("/p/<path:v>", "p", lambda v: v)
    values = ["a b", "a/b", "a;b", "a%2Fb", "ä", "a?b", "a#b", "a+b", ":@", "..", "//", ""]
    with app.test_request_context():
        return [
            tried(lambda e=e, v=v: module.url_for(e, v=v, q=v, _anchor=v))  # type: ignore[misc]
            for e in ("x", "p")
            for v in values
        ]


@program  # pallets/werkzeug#477, #971, pallets/flask#3534, #1972, #2507
def encoded_slashes(module: t.Any, get: Get) -> t.Any:
    app = make(module)
    app.add_url_rule("/one/<v>", "one", lambda v: f"{v} {module.request.path}")
    app.add_url_rule("/two/<path:a>/<path:b>", "two", lambda a, b: f"{a} {b}")
    app.add_url_rule("/e/<path:a>/block/<int:n>/get", "e", lambda a, n: f"{a} {n}")
    paths = ["/one/ab/cd", "/two/a/b/c/d", "/e/foo.com//bar/baz/block/12345/get"]
    return [get(app, path) for path in paths]


@program  # pallets/werkzeug#773, #1074, #2533
def slashes_at_the_end(module: t.Any, get: Get) -> t.Any:
    app = make(module)
    rules: list[tuple[str, dict[str, t.Any]]] = [
        ("/h/<i>/", {"methods": ["GET"]}),
        ("/h/<i>", {"methods": ["PUT"], "strict_slashes": False}),
        ("/h/<i>/", {"methods": ["DELETE"]}),
        *(("/leaf", {"strict_slashes": False}), ("/leaf/", {})),
        *(("/path/<path:i>/", {}), ("/branch/", {"strict_slashes": False})),
    ]
    for number, (rule, options) in enumerate(rules):
        app.add_url_rule(rule, str(number), lambda i="", n=number: f"{n} {i}", **options)
    asked = [
        *(("/h/1", method) for method in ("GET", "PUT", "DELETE", "POST")),
        *(("/h/1/", method) for method in ("GET", "PUT", "DELETE")),
        *((path, "GET") for path in ("/leaf", "/leaf/", "/path/a/b", "/path/a/b/", "/branch")),
        *(("/branch/", "GET"), ("/branch?a=1&b", "GET"), ("/path/a?x=%2F", "GET")),
    ]
    return [get(app, path, method) for path, method in asked]


@program  # pallets-eco/flask-social#66
def urls_below_a_dispatcher(module: t.Any, get: Get) -> t.Any:
    app = make(module)

    @app.route("/connect/<name>")
    def connect(name: str) -> str:
        url = module.url_for("connect", name=name)
        return f"{url} {module.url_for('connect', name=name, _external=True)} {module.request.path}"

    @app.route("/go")
    def go() -> t.Any:
        return module.redirect(module.url_for("connect", name="x"))

    app.add_url_rule("/dir/", "dir", lambda: module.request.url)
    mounted = Client(DispatcherMiddleware(lambda e, s: None, {"/administration": app}))  # type: ignore[arg-type, return-value]
    return [
        (response.status_code, response.text, response.headers.get("Location"))
        for response in (
            mounted.get(f"/administration{path}")
            for path in ("/connect/google", "/go", "/dir", "/dir/", "//dir", "", "/")
        )
    ]


@program  # new-usemame/Calibre-Web-NextGen#1300
def redirects_to_nowhere_else(module: t.Any, get: Get) -> t.Any:
    app = make(module)
    app.add_url_rule("/kosync/", "kosync", lambda: "ok")
    app.add_url_rule("/<path:p>/", "any", lambda p: p)
    paths = ["/kosync", "//evil.example", "/\\evil.example", "/..//evil.example", "/kosync/\r\nSet"]
    return [get(app, path) for path in paths]


# --- both sides -----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("door", [by_wsgi, by_asgi])
@pytest.mark.parametrize("run", PROGRAMS, ids=lambda run: run.__name__)
def test_the_same_as_on_flask(run: t.Any, door: Get) -> None:
    def alone(*args: t.Any) -> t.Any:
        return contextvars.Context().run(run, *args)

    assert alone(quartish, door) == alone(flask, by_wsgi)


# --- Quart ----------------------------------------------------------------------------------------


async def errors_as_http_exceptions(module: t.Any) -> t.Any:  # pallets/quart#121, #120
    app = module.Quart("reports", root_path=".", static_folder=None)
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.route("/fail")
    async def fail() -> str:
        raise ZeroDivisionError

    @app.route("/abort/<int:code>")
    async def abort(code: int) -> t.Any:
        module.abort(code)

    async def handle(error: t.Any) -> t.Any:
        original = getattr(error, "original_exception", None)
        return {"code": error.code, "original": type(original).__name__}, error.code

    app.register_error_handler(HTTPException, handle)
    paths = ("/fail", "/nowhere", "/abort/405", "/abort/406", "/abort/500")
    return [await _told(ask(app, path)) for path in paths]


async def views_of_classes(module: t.Any) -> t.Any:  # pallets/quart#81
    app = module.Quart("reports", root_path=".", static_folder=None)

    def decorated(func: t.Any) -> t.Any:
        @functools.wraps(func)
        async def call(*args: t.Any, **kwargs: t.Any) -> t.Any:
            return f"decorated {await app.ensure_async(func)(*args, **kwargs)}"

        return call

    views: t.Any = quart.views if module is quart else quartish.views

    class View(views.MethodView):  # type: ignore[misc, name-defined]
        decorators = [decorated]

        async def get(self) -> str:
            return "async"

        def post(self) -> str:
            return "sync"

    app.add_url_rule("/", view_func=View.as_view("view"))
    return [await _told(ask(app, "/", method)) for method in ("GET", "POST", "PUT")]


async def tasks_and_callbacks_of_a_request(module: t.Any) -> t.Any:  # pallets/quart#33, #56
    app = module.Quart("reports", root_path=".", static_folder=None)
    seen: list[t.Any] = []

    @app.route("/")
    async def index() -> str:
        async def work() -> str:
            await asyncio.sleep(0)
            return f"{module.current_app.name} {module.request.path}"

        def done(task: t.Any) -> None:
            seen.append((module.current_app.name, task.result()))

        task = asyncio.ensure_future(work())
        task.add_done_callback(done)
        await task
        await asyncio.sleep(0)
        return t.cast(str, await app.sync_to_async(lambda: module.current_app.name)())

    return await _told(ask(app, "/")), seen


async def files_on_condition(module: t.Any) -> t.Any:  # pallets/quart#172, #94
    app = module.Quart("reports", root_path=str(HERE), static_folder="house")

    @app.route("/files/<name>")
    async def file(name: str) -> t.Any:
        response = await module.send_from_directory(app.static_folder, name, conditional=True)
        response.headers.set("Cache-Control", "no-cache")
        return response

    client = app.test_client()
    told = []
    for url in ("/files/test_budget.py", "/static/test_import.py", "/static/../conftest.py"):
        first = await client.get(url)
        etag, date = (first.headers.get(name, "") for name in ("ETag", "Last-Modified"))
        asked: list[dict[str, str]] = [
            {"If-None-Match": etag},
            {"If-Modified-Since": date},
            {"Range": "bytes=0-1"},
            {"If-None-Match": etag, "Range": "bytes=0-0"},
            {"If-Range": etag, "Range": "bytes=1-2"},
            {"If-Match": '"another"'},
        ]
        for headers in asked:
            got = await client.get(url, headers=headers)
            names = ("Cache-Control", "Content-Range", "ETag")
            told.append((got.status_code, await got.get_data(), *map(got.headers.get, names)))
    return told


async def _told(answer: t.Awaitable[t.Any]) -> t.Any:
    got = await answer
    return got.status, got.text, got.headers.get("Content-Type")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "run",
    [
        errors_as_http_exceptions,
        views_of_classes,
        tasks_and_callbacks_of_a_request,
        files_on_condition,
    ],
)
async def test_the_same_as_on_quart(run: t.Any) -> None:
    assert await run(quartish.quart) == await run(quart)


async def test_a_limit_of_the_requests_own_replaces_the_apps() -> None:  # pallets/quart#425
    """*Quart:* refuses what the app's limit refuses, and takes what this one would refuse."""
    app = quartish.Quart("reports", root_path=".", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = 10

    @app.post("/<int:limit>")
    async def view(limit: int) -> str:
        quartish.request.max_content_length = limit
        return str(len(await quartish.request.get_data()))  # type: ignore[misc]

    client = app.test_client()
    posted = [(limit, size) for limit in (3, 1000) for size in (2, 5, 50)]
    statuses = [(await client.post(f"/{x}", data=b"x" * n)).status_code for x, n in posted]
    assert statuses == [200, 413, 413, 200, 200, 200]


async def test_a_stream_with_context_has_g() -> None:  # pallets/quart#361
    """*Quart:* the stream has another `g`."""
    app = quartish.Quart("reports", root_path=".", static_folder=None)

    @app.route("/")
    async def view() -> t.Any:
        quartish.g.mark = "mark"

        @quartish.stream_with_context
        async def generate() -> t.AsyncIterator[str]:
            yield quartish.request.path
            yield quartish.g.mark

        return generate()

    assert (await ask(app, "/")).text == "/mark"
