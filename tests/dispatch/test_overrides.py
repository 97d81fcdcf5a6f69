"""What extensions and tools do to an app: methods redefined, registries edited late."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
import typing as t
import weakref

import pytest
from jinja2 import DictLoader
from werkzeug.routing import Map
from werkzeug.routing import Rule

from quartish import abort
from quartish import Blueprint
from quartish import copy_current_request_context
from quartish import current_app
from quartish import Flask
from quartish import g
from quartish import make_response
from quartish import render_template
from quartish import Request
from quartish import request
from quartish import request_finished
from quartish import Response
from quartish import session
from quartish import stream_with_context
from quartish import url_for
from quartish import websocket
from quartish.blueprints import BlueprintSetupState
from quartish.globals import app_ctx
from quartish.json.provider import DefaultJSONProvider
from quartish.sessions import SecureCookieSession
from quartish.sessions import SessionInterface
from tests._peer import Answer
from tests._peer import ask
from tests._scripted import WebsocketPeer
from tests._waiting import are_collected
from tests._waiting import until

Door = t.Callable[..., t.Awaitable[Answer]]


@pytest.fixture(params=["wsgi", "asgi"])
def door(request: pytest.FixtureRequest) -> Door:
    """What asks an app for a path: a test client, or a server."""

    async def by_client(app: Flask, path: str = "/", method: str = "GET") -> Answer:
        # What it sets would be seen by the caller, as under Flask; here by nobody after it.
        client = app.test_client()
        response = contextvars.copy_context().run(client.open, path, method=method)
        answer = Answer(response.status_code, response.headers, [response.data])
        response.close()
        return answer

    return by_client if request.param == "wsgi" else ask


@pytest.fixture(params=["def", "async"])
def make_view(request: pytest.FixtureRequest) -> t.Callable[..., t.Any]:
    """What makes a view of a function: the `def` itself, or an `async def` around it."""

    def make(func: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        @functools.wraps(func)
        async def view(**kwargs: t.Any) -> t.Any:
            await asyncio.sleep(0)
            return func(**kwargs)

        return view if request.param == "async" else func

    return make


async def test_a_sync_decorator_that_knows_nothing_of_async_views() -> None:
    app = Flask("app")

    def tagged(view: t.Any) -> t.Any:
        @functools.wraps(view)
        def inner(**kwargs: t.Any) -> t.Any:
            response = make_response(view(**kwargs), 201)
            response.headers["X-Tag"] = "tagged"
            return response

        return inner

    @app.get("/<name>")
    @tagged
    async def greet(name: str) -> t.Any:
        return {"hello": name}

    for answer in (app.test_client().get("/ada"), await ask(app, "/ada")):
        assert answer.headers["X-Tag"] == "tagged"
        assert "ada" in answer.text
    assert answer.status == 201


@pytest.fixture
def traced() -> tuple[Flask, list[str]]:
    """An app, and what is seen of it by a tool that puts itself around the class, as tracers do."""
    seen: list[str] = []

    class Traced(Flask):
        pass

    call, dispatch = Traced.__call__, Traced.dispatch_request

    def traced_call(self: t.Any, environ: t.Any, start_response: t.Any) -> t.Any:
        seen.append(environ["PATH_INFO"])
        return call(self, environ, start_response)

    @functools.wraps(dispatch)
    def traced_dispatch(self: t.Any) -> t.Any:
        seen.append("dispatch")
        return dispatch(self)

    app = Traced("app")

    @app.post("/<name>")
    async def greet(name: str) -> t.Any:
        return f"Hello {name}"

    app.test_client().post("/before")  # the patches come late
    Traced.__call__ = traced_call  # type: ignore[assignment, method-assign]
    Traced.dispatch_request = traced_dispatch  # type: ignore[method-assign]
    return app, seen


async def test_patching_the_class_for_wsgi_leaves_the_asgi_door_open(traced: t.Any) -> None:
    app, seen = traced
    assert app.test_client().post("/ada").text == "Hello ada"
    assert seen == ["/ada", "dispatch"]
    answer = await ask(app, "/bob", "POST")
    assert (answer.status, answer.text) == (200, "Hello bob")
    assert seen[2:] == ["/bob", "dispatch"]
    async with app.test_app():  # lifespan
        pass


async def test_a_subclass_may_define_call_for_wsgi_or_for_asgi() -> None:
    class Wsgi(Flask):
        def __call__(self, environ: t.Any, start_response: t.Any) -> t.Any:  # type: ignore[override]
            environ["HTTP_X_FROM"] = "subclass"
            return super().__call__(environ, start_response)

    class Asgi(Flask):
        async def __call__(self, scope: t.Any, receive: t.Any, send: t.Any) -> None:  # type: ignore[override]
            scope["headers"].append((b"x-from", b"subclass"))
            await super().__call__(scope, receive, send)

    for cls in (Wsgi, Asgi):
        app = cls("app")
        app.add_url_rule("/", "view", lambda: request.headers["X-From"])
        assert (await ask(app)).text == "subclass"


FORM = {"content_type": "application/x-www-form-urlencoded", "transfer_encoding": "chunked"}


@pytest.mark.parametrize("way", ["decorator", "hook", "middleware"])
@pytest.mark.parametrize("touched", ["first in the thread", "first on the loop"])
async def test_async_code_reads_the_body_in_the_thread_lane(way: str, touched: str) -> None:
    app = Flask("app")
    app.config["MAX_CONTENT_LENGTH"] = 1_000_000

    def decorated(view: t.Any) -> t.Any:
        @functools.wraps(view)
        def inner() -> t.Any:
            if touched == "first in the thread":
                assert request.form["name"] == "ada"
            return app.ensure_sync(view)()

        return inner

    async def read() -> t.Any:
        await asyncio.sleep(0)
        return [request.form["name"], len(request.form["more"])]

    if way == "hook":
        app.before_request(read)
        app.add_url_rule("/", "view", lambda: "not reached", methods=["POST"])
    else:
        app.add_url_rule("/", "view", decorated(read), methods=["POST"])
    if way == "middleware":
        inner = app.wsgi_app
        app.wsgi_app = lambda *args: inner(*args)  # type: ignore[method-assign]
    app.config["MAX_FORM_MEMORY_SIZE"] = None
    for size in (10, 600_000):
        half = b"x" * (size // 2)
        answer = await ask(app, "/", "POST", body=[b"name=ada&more=", half, half], **FORM)  # type: ignore[arg-type]
        assert (answer.status, answer.text.replace(" ", "").strip()) == (200, f'["ada",{size}]')
    big = b"x" * 900_000
    answer = await ask(app, "/", "POST", body=[b"name=ada&more=", big, big], **FORM)  # type: ignore[arg-type]
    assert answer.status == 413


# --- the dispatch family ------------------------------------------------------------------

PATHS = {
    "dispatch_request": "/",
    "full_dispatch_request": "/",
    "preprocess_request": "/",
    "process_response": "/",
    "finalize_request": "/",
    "make_response": "/",
    "do_teardown_request": "/",
    "do_teardown_appcontext": "/",
    "create_url_adapter": "/",
    "inject_url_defaults": "/",
    "handle_user_exception": "/ill",
    "handle_exception": "/ill",
    "log_exception": "/ill",
    "should_ignore_error": "/ill",
    "handle_http_exception": "/teapot",
    "raise_routing_exception": "/missing",
    "make_default_options_response": "OPTIONS /",
}


def family_app(cls: type[Flask], make_view: t.Any) -> Flask:
    app = cls("app")

    def index() -> t.Any:
        return url_for("index", _external=True)

    def ill() -> t.Any:
        raise ZeroDivisionError

    def teapot() -> t.Any:
        abort(418)

    for view in (index, ill, teapot):
        path = "/" if view is index else f"/{view.__name__}"
        app.add_url_rule(path, view_func=make_view(view))
    return app


@pytest.mark.parametrize("place", ["subclass", "instance", "wrapped"])
@pytest.mark.parametrize("name", PATHS)
async def test_each_method_may_be_redefined(
    name: str, place: str, door: Door, make_view: t.Any
) -> None:
    seen: list[str] = []
    own = getattr(Flask, name)

    class Sub(Flask):
        pass

    def override(self: t.Any, *args: t.Any, **kwargs: t.Any) -> t.Any:
        seen.append(threading.current_thread().name)
        return own(self, *args, **kwargs)

    if place == "wrapped":
        override = functools.wraps(own)(override)
    if place == "instance":
        app = family_app(Flask, make_view)
        setattr(app, name, functools.partial(override, app))
    else:
        setattr(Sub, name, override)
        app = family_app(Sub, make_view)

    plain = family_app(Flask, make_view)
    method, _, path = PATHS[name].rpartition(" ")
    answer = await door(app, path, method or "GET")
    expected = await door(plain, path, method or "GET")
    assert seen, f"{name} was not called"
    assert (answer.status, answer.text) == (expected.status, expected.text)


async def test_an_override_gives_another_answer(door: Door, make_view: t.Any) -> None:
    class Sub(Flask):
        def dispatch_request(self) -> t.Any:
            return f"<{super().dispatch_request()}>" if request.path == "/" else "mine"  # type: ignore[str-bytes-safe]

        def make_response(self, rv: t.Any) -> t.Any:
            return super().make_response((rv, {"X-Made": "here"}))

        def handle_user_exception(self, e: Exception) -> t.Any:
            return f"caught {type(e).__name__}", 503

    app = family_app(Sub, make_view)
    app.before_request(lambda: 1 / 0 if request.path == "/ill" else None)  # type: ignore[type-var]
    for path, status in (("/", 200), ("/teapot", 200)):
        answer = await door(app, path)
        assert answer.status == status
        assert answer.headers["X-Made"] == "here"
    assert (await door(app, "/teapot")).text == "mine"


WEBSOCKET_FAMILY = (
    "full_dispatch_websocket preprocess_websocket dispatch_websocket finalize_websocket"
    " postprocess_websocket handle_websocket_exception do_teardown_websocket"
).split()


@pytest.mark.parametrize("name", WEBSOCKET_FAMILY)
async def test_each_method_of_websockets_may_be_redefined(name: str) -> None:
    """By a `def` that calls Flask's colour's own."""
    seen: list[str] = []
    own = getattr(Flask, name)

    def override(self: t.Any, *args: t.Any) -> t.Any:
        seen.append(name)
        return own(self, *args)

    app = type("Sub", (Flask,), {name: override})("app")
    app.before_websocket(lambda: seen.append("before"))
    app.after_websocket(lambda response: seen.append("after"))
    app.teardown_websocket(lambda error: seen.append("teardown"))

    @app.websocket("/")
    async def handle() -> None:
        seen.append("handler")
        await websocket.send("done")

    @app.websocket("/ill")
    async def fail() -> None:
        raise ZeroDivisionError

    async with WebsocketPeer(app, "/") as peer:
        await peer.ended()
    assert peer.said == ["done"] and peer.code == 1000
    assert [each for each in seen if each != name] == ["before", "handler", "after", "teardown"]
    assert (name in seen) == (name != "handle_websocket_exception")
    async with WebsocketPeer(app, "/ill") as peer:
        await peer.ended()
    assert name in seen and peer.said == [] and seen.count("teardown") == 2


def test_the_websocket_family_is_for_websockets() -> None:
    app = Flask("app")
    for name in WEBSOCKET_FAMILY:
        with pytest.raises(RuntimeError, match="context"), app.app_context():
            getattr(app, name)(*[None] * (getattr(Flask, name).__code__.co_argcount - 1))


# --- live registries ------------------------------------------------------------------------


async def test_registries_edited_between_requests(door: Door, make_view: t.Any) -> None:
    app = Flask("app")
    app.jinja_env.loader = DictLoader({"page": "{{ late }} {{ url_for('late') }}"})
    view = make_view(lambda **values: render_template("page"))
    app.add_url_rule("/<lang>/", "late", view)
    app.add_url_rule("/ill", "ill", make_view(lambda: 1 / 0))
    seen: list[str] = []
    assert (await door(app, "/en/")).status == 500  # nothing gives the URL its language

    app.url_default_functions.setdefault(None, []).append(lambda e, v: v.setdefault("lang", "de"))
    app.template_context_processors[None].append(lambda: {"late": "processed"})
    app.before_request_funcs.setdefault(None, []).append(lambda: seen.append("before"))

    def after(response: t.Any) -> t.Any:
        seen.append("after")
        return response

    app.after_request_funcs.setdefault(None, []).append(after)
    app.teardown_request_funcs.setdefault(None, []).append(lambda exc: seen.append("teardown"))
    app.error_handler_spec[None][None][ZeroDivisionError] = lambda e: ("zero", 507)
    assert (await door(app, "/en/")).text == "processed /de/"
    assert seen == ["before", "after", "teardown"]
    assert (await door(app, "/ill")).status == 507

    assert app.view_functions["late"] is view
    app.view_functions["late"] = make_view(lambda **values: "replaced")
    assert (await door(app, "/en/")).text == "replaced"


async def test_registries_edited_during_a_request(door: Door, make_view: t.Any) -> None:
    app = Flask("app")
    seen: list[str] = []

    def tag(response: t.Any) -> t.Any:
        response.headers["X-Late"] = "yes"
        return response

    def index() -> t.Any:
        app.after_request_funcs.setdefault(None, []).append(tag)
        app.teardown_request_funcs.setdefault(None, []).append(lambda exc: seen.append("torn"))
        app.view_functions["other"] = make_view(lambda: "other")
        app.extensions["late"] = app.blueprints
        return "index"

    def first() -> None:
        app.before_request_funcs[None].append(lambda: seen.append("second"))

    app.before_request(first)
    app.add_url_rule("/", view_func=make_view(index))
    app.add_url_rule("/other", "other", lambda: "not this")
    answer = await door(app)
    assert answer.headers["X-Late"] == "yes"
    assert seen == ["second", "torn"]
    assert (await door(app, "/other")).text == "other"


async def test_attributes_replaced_on_the_app(door: Door, make_view: t.Any) -> None:
    class MyRequest(Request):
        shout = property(lambda self: self.path.upper())

    class MyResponse(Response):
        default_mimetype = "text/x-mine"

    class MyJSON(DefaultJSONProvider):
        def dumps(self, obj: t.Any, **kwargs: t.Any) -> str:
            return "mine: " + super().dumps(obj, **kwargs)

    class MySession(SecureCookieSession):
        pass

    class MySessions(SessionInterface):
        def open_session(self, app: t.Any, request: t.Any) -> t.Any:
            return MySession({"opened": request.path})

        def save_session(self, app: t.Any, session: t.Any, response: t.Any) -> None:
            response.headers["X-Session"] = session["opened"]

    app = Flask("app")

    def index() -> t.Any:
        kind = type(session._get_current_object()).__name__  # type: ignore[attr-defined]
        return [request.shout, kind]  # type: ignore[attr-defined]

    app.add_url_rule("/a", "a", make_view(index))
    app.add_url_rule("/text", "text", make_view(lambda: "text"))
    assert (await door(app, "/a")).status == 500
    app.request_class = MyRequest
    app.response_class = MyResponse
    app.json = MyJSON(app)
    app.session_interface = MySessions()
    answer = await door(app, "/a")
    assert answer.text.split() == ["mine:", '["/A","MySession"]']
    assert answer.headers["X-Session"] == "/a"
    assert (await door(app, "/text")).headers["Content-Type"] == "text/x-mine; charset=utf-8"
    app.url_map = Map([Rule("/elsewhere", endpoint="a")])  # type: ignore[assignment]
    assert (await door(app, "/a")).status == 404
    assert (await door(app, "/elsewhere")).status == 200


async def test_a_blueprints_setup_state_may_be_patched(door: Door) -> None:
    class Quiet(Blueprint):
        def make_setup_state(self, *args: t.Any) -> BlueprintSetupState:
            state = super().make_setup_state(*args)
            add = state.add_url_rule

            def add_url_rule(rule: str, *args: t.Any, **options: t.Any) -> None:
                add(f"/patched{rule}", *args, **options)

            state.add_url_rule = add_url_rule  # type: ignore[method-assign]
            return state

    bp = Quiet("bp", __name__, url_prefix="/bp")
    bp.add_url_rule("/x", "x", lambda: "x")
    app = Flask("app")
    app.register_blueprint(bp)
    assert (await door(app, "/bp/patched/x")).text == "x"


# --- threads and contexts ---------------------------------------------------------------------

var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="unset")


async def test_a_request_of_the_thread_lane_has_one_thread_and_one_context(door: Door) -> None:
    app = Flask("app")
    threads: set[int] = set()
    values: list[str] = []

    def look(value: t.Any = None) -> t.Any:
        threads.add(threading.get_ident())
        values.append(var.get())
        var.set(str(len(values)))
        return value

    app.before_request(look)
    app.after_request(look)
    app.teardown_request(look)
    app.teardown_appcontext(look)

    @app.get("/")
    def stream() -> t.Any:
        look()

        def generate() -> t.Iterator[str]:
            for _ in range(3):
                look()
                yield "item"

        return Response(stream_with_context(generate()))

    answer = await door(app)
    assert answer.text == "itemitemitem"
    assert len(threads) == 1
    assert values == ["unset", *map(str, range(1, len(values)))]
    assert len(values) == 8
    assert var.get() == "unset"


@pytest.mark.parametrize("hook", ["def", "async"])
@pytest.mark.parametrize("writer", ["before", "view"])
async def test_context_vars_go_from_hook_to_view_to_teardown(
    hook: str, writer: str, door: Door, make_view: t.Any
) -> None:
    app = Flask("app")
    seen: dict[str, str] = {}

    def write() -> None:
        var.set("written")

    async def write_async() -> None:
        await asyncio.sleep(0)
        var.set("written")

    if writer == "before":
        app.before_request(write if hook == "def" else write_async)

    def view() -> t.Any:
        seen["view"] = var.get()
        var.set(f"{var.get()} in view")
        return "done"

    def after(response: t.Any) -> t.Any:
        seen["after"] = var.get()
        return response

    app.add_url_rule("/", "view", make_view(view))
    app.after_request(after)
    app.teardown_request(lambda exc: seen.update(teardown=var.get()))
    first = "written" if writer == "before" else "unset"
    for _ in range(2):  # and nothing is left of it for the next request
        assert (await door(app)).text == "done"
        last = f"{first} in view"
        assert seen == {"view": first, "after": last, "teardown": last}
    assert var.get() == "unset"


async def test_ensure_sync_in_a_worker_thread(door: Door) -> None:
    app = Flask("app")

    async def answer() -> str:
        await asyncio.sleep(0)
        return "an answer"

    def plain() -> str:
        return "plain"

    @app.get("/")
    def view() -> t.Any:
        assert app.ensure_sync(plain) is plain
        return [app.ensure_sync(answer)(), current_app.ensure_sync(answer)()]

    assert (await door(app)).text.split() == ['["an', 'answer","an', 'answer"]']


async def test_an_app_may_have_its_own_ensure_sync(door: Door) -> None:
    seen: list[str] = []

    class Sub(Flask):
        def ensure_sync(self, func: t.Any) -> t.Any:
            seen.append(func.__name__)
            return super().ensure_sync(func)

    app = Sub("app")

    @app.before_request
    def hook() -> None:
        pass

    @app.get("/")
    async def view() -> str:
        return "view"

    assert (await door(app)).text == "view"
    assert seen == ["hook", "view"]


async def test_contexts_are_objects_with_an_identity(door: Door, make_view: t.Any) -> None:
    app = Flask("app")
    refs: list[weakref.ref[t.Any]] = []
    ids: list[int] = []

    def note(value: t.Any = None) -> t.Any:
        ctx = app_ctx._get_current_object()  # type: ignore[attr-defined]
        ids.append(id(ctx))
        ctx.mark = getattr(ctx, "mark", 0) + 1
        refs.append(weakref.ref(ctx))
        g.marks = ctx.mark
        return value

    app.before_request(note)
    app.after_request(note)
    app.teardown_request(note)

    def view() -> t.Any:
        note()
        with app.app_context():
            inner = app_ctx._get_current_object()  # type: ignore[attr-defined]
            assert id(inner) != ids[0] and not hasattr(inner, "mark")
            assert "marks" not in g
        return str(g.marks)

    app.add_url_rule("/", "view", make_view(view))
    assert (await door(app)).text == "2"
    assert len(set(ids)) == 1 and len(ids) == 4
    await until(lambda: are_collected(refs))


async def test_the_request_goes_into_real_threads(door: Door, make_view: t.Any) -> None:
    app = Flask("app")
    app.secret_key = "secret"

    def view() -> t.Any:
        session["name"] = "ada"
        found: list[t.Any] = []

        @copy_current_request_context
        def work(number: int) -> None:
            found.append((number, request.path, session["name"], threading.get_ident()))

        threads = [threading.Thread(target=work, args=[number]) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({ident for *_, ident in found} | {threading.get_ident()}) >= 2
        return sorted(str(entry[:3]) for entry in found)

    app.add_url_rule("/x", "x", make_view(view))
    answer = await door(app, "/x")
    assert answer.text.count("'/x', 'ada'") == 3


async def test_signals_with_and_without_a_sender(door: Door, make_view: t.Any) -> None:
    app, other = Flask("app"), Flask("other")
    seen: list[str] = []

    def anybody(sender: t.Any, response: t.Any) -> None:
        assert sender is app
        seen.append(f"anybody {current_app.name}")

    async def mine(sender: t.Any, response: t.Any) -> None:
        await asyncio.sleep(0)
        seen.append("mine")

    def others(sender: t.Any, response: t.Any) -> None:
        seen.append("others")

    app.add_url_rule("/", "view", make_view(lambda: "view"))
    with request_finished.connected_to(anybody), request_finished.connected_to(mine, app):
        with request_finished.connected_to(others, other):
            assert (await door(app)).text == "view"
    assert sorted(seen) == ["anybody app", "mine"]
