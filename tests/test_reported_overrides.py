"""More of what people reported, of contexts, overrides, config, names and agents, as small
programs: each is run on real Flask and here, by both doors, and tells the same."""

from __future__ import annotations

import asyncio
import contextvars
import json
import threading
import typing as t
from functools import partial

import flask
import pytest
import quart
import wrapt

import quartish
import quartish.quart
from tests.test_public_reports import by_asgi
from tests.test_public_reports import by_wsgi
from tests.test_public_reports import Get
from tests.test_public_reports import make
from tests.test_public_reports import tried

pytestmark = pytest.mark.usefixtures("quiet")

PROGRAMS: list[t.Callable[[t.Any, Get], t.Any]] = []


def program(func: t.Any) -> t.Any:
    PROGRAMS.append(func)
    return func


@program  # pallets/flask#2935
def a_copied_context_has_the_session_of_now(module: t.Any, get: Get) -> t.Any:
    app, told = make(module), []

    def note(where: str) -> None:
        path, session = module.request.path, dict(module.session)
        told.append((where, path, session, dict(vars(module.g)), hasattr(module.request, "mark")))

    def apart(func: t.Callable[[str], None], where: str) -> None:
        thread = threading.Thread(target=func, args=(where,))
        thread.start()
        thread.join()

    def both() -> str:
        module.session["before"] = module.g.before = 1
        module.request.mark = True
        copied = module.copy_current_request_context(note)
        module.session["after"] = module.g.after = 1
        apart(copied, "thread")
        copied("here")
        note("view")
        return "done"

    @app.get("/plain")
    def plain() -> str:
        return both()

    @app.get("/async")
    async def coroutine() -> str:
        await asyncio.sleep(0)
        return both()

    return [get(app, "/plain"), get(app, "/async")], told


@program  # pallets/flask#3291, #2726, #2736
def a_response_class_that_takes_any_value(module: t.Any, get: Get) -> t.Any:
    asked: list[t.Any] = []

    class Model:
        def __init__(self, name: str) -> None:
            self.name = name

        def __call__(self, environ: t.Any, start_response: t.Any) -> t.Any:
            raise AssertionError("the response class knows better")

    class Response(module.Response):  # type: ignore[misc]
        default_mimetype = "application/json"

        @classmethod
        def force_type(cls, response: t.Any, environ: t.Any = None) -> t.Any:
            asked.append((type(response).__name__, environ is not None))
            if isinstance(response, Model):
                return cls(json.dumps({"name": response.name}), headers={"X-Model": "yes"})
            return super().force_type(response, environ)

    app = make(module)
    app.response_class = Response
    for path, value in {
        "/model": Model("a"),
        "/tuple": (Model("b"), 201, {"X-Of": "tuple"}),
        "/list": [1, {"a": 2}],
        "/dict": {"a": 1},
        "/flask": module.Response.__mro__[1]("there"),
        "/none": None,
        "/bool": True,
        "/number": (5, 200),
        "/str": "text",
    }.items():
        app.add_url_rule(path, path[1:], lambda value=value: value)
    app.add_url_rule("/async", "async", _returning(Model("c")))
    return [
        [get(app, f"/{name}")[:2] for name in app.view_functions],
        [
            app.test_client().get(f"/{name}").headers.get("Content-Type")
            for name in ("model", "str")
        ],
        [app.test_client().get("/tuple").headers.get("X-Of")],
        asked,
    ]


def _returning(value: t.Any) -> t.Any:
    async def view() -> t.Any:
        return value

    return view


@program  # pallets/flask#2800
def an_app_that_makes_responses_of_its_results(module: t.Any, get: Get) -> t.Any:
    class Result:
        def __init__(self, value: t.Any, status: int = 200) -> None:
            self.value, self.status = value, status

        def to_response(self) -> t.Any:
            return module.make_response(module.jsonify(self.value), self.status)

    made: list[str] = []

    class Api(module.Flask):  # type: ignore[misc]
        def make_response(self, rv: t.Any) -> t.Any:
            made.append(type(rv).__name__)
            if isinstance(rv, Result):
                return rv.to_response()
            return super().make_response(rv)

    app = Api("reports", root_path=".", static_folder=None)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.add_url_rule("/", "result", lambda: Result({"a": [1]}, 202))
    app.add_url_rule("/async", "async", _returning(Result("late", 418)))
    app.add_url_rule("/text", "text", lambda: "text")
    app.add_url_rule("/nothing", "nothing", lambda: None)
    app.register_error_handler(404, lambda error: Result("gone", 404))
    app.register_error_handler(500, lambda error: Result("failed", 500))
    return [get(app, path) for path in ("/", "/async", "/text", "/nothing", "/missing")], made


@program  # dynaconf/dynaconf#521, #199; pallets/flask#1992
def a_config_of_another_kind(module: t.Any, get: Get) -> t.Any:
    class Shown(dict[str, t.Any]):
        """Has the settings of a library of its own, and falls back to the app's."""

        def __init__(self, settings: dict[str, t.Any], app: t.Any) -> None:
            super().__init__(app.config)
            self.settings, self.before = settings, app.config

        def get(self, key: str, default: t.Any = None) -> t.Any:
            return self.settings.get(key, self.before.get(key, default))

        def __getitem__(self, key: str) -> t.Any:
            return self.settings[key] if key in self.settings else self.before[key]

        def __setitem__(self, key: str, value: t.Any) -> None:
            self.settings[key] = value

        def __contains__(self, key: object) -> bool:
            return key in self.settings or key in self.before

        def __getattr__(self, name: str) -> t.Any:
            try:
                return self[name]
            except KeyError:
                return getattr(self.before, name)

    settings: dict[str, t.Any] = {"TESTING": False, "SESSION_COOKIE_NAME": "own"}
    app = make(module)

    @app.get("/")
    def index() -> t.Any:
        module.session["a"] = 1
        config = module.current_app.config
        return {"name": config["NAME"], "absent": "ABSENT" in config, "get": config.get("ABSENT")}

    @app.get("/broken")
    def broken() -> str:
        return str(module.current_app.config["ABSENT"])

    client = app.test_client()
    told: list[t.Any] = [get(app, "/broken")[0]]
    app.config = Shown(settings, app)
    settings["NAME"] = "library"
    for change in (
        {},
        {"DEBUG": True},
        {"DEBUG": False, "SESSION_COOKIE_NAME": "other", "SESSION_COOKIE_SECURE": True},
        {"TRUSTED_HOSTS": ["elsewhere"]},
    ):
        settings.update(change)
        cookie = client.get("/").headers.get("Set-Cookie", "")
        told.append((get(app, "/"), cookie.partition("=")[0], "Secure" in cookie))
    app.config["TRUSTED_HOSTS"] = None
    told += [get(app, "/"), get(app, "/broken")[0], app.config.SESSION_COOKIE_NAME, app.testing]
    app.config.from_mapping(NAME="mapped")
    return told, settings.get("NAME"), app.config.before.get("NAME")


@program  # pallets/flask#2853, #1457
def properties_and_dicts_given_to_a_config(module: t.Any, get: Get) -> t.Any:
    class Base:
        NAME = "a"

        @property
        def HELLO(self) -> str:
            return f"Hello, {self.NAME}"

    class Production(Base):
        NAME = "b"

    told: list[t.Any] = []
    for given in (Production, Production(), {"NAME": "c"}, "tests.test_reported_overrides.ABSENT"):
        app = make(module)
        told.append(tried(partial(app.config.from_object, given)))
        hello = app.config.get("HELLO")
        told.append((app.config.get("NAME"), type(hello).__name__))
    return told


@program  # pallets/flask#4944, #1494, #1498, #503
def error_handlers_of_blueprints_and_their_names(module: t.Any, get: Get) -> t.Any:
    told: list[t.Any] = []
    for name in ("", "a.b", "ok"):
        told.append(tried(lambda: module.Blueprint(name, "reports").name))  # noqa: B023 (at once)
    app = make(module)
    blueprint = module.Blueprint("blue", "reports", url_prefix="/blue")
    inner = module.Blueprint("inner", "reports", url_prefix="/inner")
    blueprint.add_url_rule("/hello", "hello", lambda: "hello", methods=["GET"])
    for where in (blueprint, inner):
        where.add_url_rule("/abort/<int:code>", "abort", lambda code: module.abort(code))
    for code in (404, 405):
        blueprint.register_error_handler(code, lambda error: (f"blue {error.code}", error.code))

    @app.errorhandler(404)
    @app.errorhandler(405)
    def by_path(error: t.Any) -> t.Any:
        """Look for the handler of the blueprint whose prefix the path has."""
        for name, found in app.blueprints.items():
            if module.request.path.startswith(found.url_prefix or "/-"):
                handlers = app.error_handler_spec.get(name, {}).get(error.code, {})
                for kind, handler in handlers.items():
                    if isinstance(error, kind):
                        return f"{name} by path: {handler(error)[0]}", error.code
        return f"app {error.code}", error.code

    blueprint.register_blueprint(inner)
    app.register_blueprint(blueprint)
    told += [
        get(app, path, method)
        for path, method in [
            ("/blue/hello", "POST"),
            ("/blue/missing", "GET"),
            ("/blue/abort/404", "GET"),
            ("/blue/inner/abort/405", "GET"),
            ("/blue/inner/missing", "GET"),
            ("/elsewhere", "GET"),
            ("/blue/abort/410", "GET"),
        ]
    ]
    return told


@program  # instana/python-sensor#106, getsentry/raven-python#1108
def an_agent_comes_to_an_app_that_serves(module: t.Any, get: Get) -> t.Any:
    """It wraps a method of the class, and gives the app its hooks at the next request."""
    app = make(module)
    told: list[t.Any] = []
    app.add_url_rule("/", "index", lambda: "index")
    app.add_url_rule("/broken", "broken", lambda: 1 // 0)
    app.add_url_rule("/async", "async", _returning("async"))
    told.append(get(app, "/"))

    def before() -> None:
        module.g.span = {"path": module.request.path}

    def after(response: t.Any) -> t.Any:
        module.g.span["status"] = response.status_code
        response.headers["X-Trace"] = "1"
        return response

    def teardown(error: BaseException | None) -> None:
        told.append(
            (module.g.pop("span", None), type(error).__name__, module.has_request_context())
        )

    def dispatch(wrapped: t.Any, instance: t.Any, args: t.Any, kwargs: t.Any) -> t.Any:
        if not hasattr(instance, "_was_here"):
            told.append(tried(lambda: instance.before_request(before)))  # it is too late for that
            instance.before_request_funcs.setdefault(None, []).append(before)
            instance.after_request_funcs.setdefault(None, []).append(after)
            instance.teardown_appcontext_funcs.append(teardown)
            instance._was_here = True
        return wrapped(*args, **kwargs)

    def failed(wrapped: t.Any, instance: t.Any, args: t.Any, kwargs: t.Any) -> t.Any:
        told.append(type(args[0]).__name__)
        return wrapped(*args, **kwargs)

    names = ("full_dispatch_request", "handle_user_exception")
    originals = {name: getattr(module.Flask, name) for name in names}
    own = {name for name in names if name in vars(module.Flask)}
    try:
        for name, wrapper in zip(names, (dispatch, failed), strict=True):
            wrapt.wrap_function_wrapper(module, f"Flask.{name}", wrapper)
        told += [get(app, path) for path in ("/", "/broken", "/async", "/missing")]
        told.append(app.test_client().get("/").headers.get("X-Trace"))
    finally:
        for name, original in originals.items():
            if name in own:
                setattr(module.Flask, name, original)
            else:
                delattr(module.Flask, name)
    told.append(get(app, "/"))
    return told


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("door", [by_wsgi, by_asgi])
@pytest.mark.parametrize("run", PROGRAMS, ids=lambda run: run.__name__)
def test_the_same_as_on_flask(run: t.Any, door: Get) -> None:
    def alone(*args: t.Any) -> t.Any:
        return contextvars.Context().run(run, *args)

    assert alone(quartish, door) == alone(flask, by_wsgi)


@pytest.mark.filterwarnings("ignore")
async def test_an_agent_puts_a_class_in_the_place_of_quarts_as_on_quart() -> None:
    """open-telemetry/opentelemetry-python-contrib#4994, #5004; DataDog/dd-trace-py#2169"""

    async def play(module: t.Any) -> t.Any:
        spans: list[dict[str, t.Any]] = []
        current: contextvars.ContextVar[dict[str, t.Any]] = contextvars.ContextVar("current")

        class Middleware:
            def __init__(self, app: t.Any, name: t.Callable[[t.Any], str]) -> None:
                self.app, self.name = app, name

            async def __call__(self, scope: t.Any, receive: t.Any, send: t.Any) -> None:
                span: dict[str, t.Any] = {"name": self.name(scope), "sent": []}
                spans.append(span)
                token = current.set(span)

                async def note(message: t.Any) -> None:
                    span["sent"].append((message["type"], message.get("status")))
                    await send(message)

                try:
                    await self.app(scope, receive, note)
                except Exception as error:
                    span["error"] = type(error).__name__
                    raise
                finally:
                    current.reset(token)

        async def route() -> None:
            rule = module.request.url_rule
            current.get()["route"] = None if rule is None else (rule.rule, rule.endpoint)

        class Instrumented(module.Quart):  # type: ignore[misc]
            def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
                super().__init__(*args, **kwargs)
                inner = super().asgi_app
                self.asgi_app = Middleware(inner, lambda scope: scope["path"])
                self.before_request(route)

        original, module.Quart = module.Quart, Instrumented
        try:
            app = module.Quart("reports", root_path=".", static_folder=None)
        finally:
            module.Quart = original

        @app.get("/user/<int:number>")
        async def user(number: int) -> t.Any:
            current.get()["seen"] = number
            return {"span": current.get()["name"]}

        @app.get("/plain")
        def plain() -> str:
            return str(current.get()["name"])

        @app.get("/broken")
        async def broken() -> str:
            return str(1 // 0)

        @app.get("/stream")
        async def stream() -> t.Any:
            async def chunks() -> t.AsyncIterator[str]:
                yield current.get()["name"]
                await asyncio.sleep(0)
                yield "end"

            return chunks()

        @app.websocket("/ws")
        async def ws() -> None:
            await module.websocket.send(current.get()["name"])

        client = app.test_client()
        told: list[t.Any] = [isinstance(app, original)]
        for path in ("/user/5", "/plain", "/broken", "/stream", "/missing"):
            response = await client.get(path)
            told.append((response.status_code, await response.get_data()))
        async with client.websocket("/ws") as peer:
            told.append(await peer.receive())
        for span in spans:  # how many pieces a body has is the framework's own
            span["sent"] = sorted(set(span["sent"]), key=str)
        return told, spans

    assert await play(quartish.quart) == await play(quart)
