"""How the same override is put into apps of real Flask, of real Quart and of ours, and what is
seen of it: the answers to a set of requests, and how often the method was called for each.

What overrides is what a user of Flask or Quart would have written: of the colour that the
method has there, with its arguments.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import re
import types
import typing as t
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import flask
import quart
import werkzeug.exceptions
import wrapt
from werkzeug.test import EnvironBuilder
from werkzeug.test import run_wsgi_app

import quartish
import quartish.quart
from tests._scopes import websocket_scope

from ._peer import ask

HERE = __file__.rpartition("/")[0]
#: Those that come when the app has served a request.
LATE = ("instance", "stock class after", "wrapt after")
WAYS = ("subclass", "subclass on app", "stock class", "functools.wraps", "wrapt", *LATE)
#: How the original is called: with what was given, or with the names that the original has.
CALLS = ("as given", "by name")


@dataclass(frozen=True)
class Side:
    """A framework: where its names are, and its class of apps."""

    module: t.Any
    app_class: t.Any

    @property
    def awaits(self) -> bool:
        return hasattr(self.app_class, "handle_websocket")

    @property
    def doors(self) -> list[Door]:
        if self.app_class is flask.Flask:
            return [by_wsgi]
        return [by_asgi] if self.awaits else [by_wsgi, by_asgi]


FLASK = Side(flask, flask.Flask)
QUART = Side(quart, quart.Quart)
OUR_FLASK = Side(quartish, quartish.Flask)
OUR_QUART = Side(quartish.quart, quartish.Quart)

#: How the methods of one are overridden: by a class of that name on the app, or an instance.
ATTRIBUTES = {
    "session_interface": "session_interface",
    "request": "request_class",
    "response": "response_class",
    "json": "json",
    "config": "config_class",
    "websocket": "websocket_class",
    "client": "test_client_class",
}

# --- the app ---------------------------------------------------------------------------------


class OutOfStock(werkzeug.exceptions.BadRequest):
    """A class that no framework has seen."""


COOKIES: dict[str, str] = {}
for _name, _items in (("kept", {"a": 1}), ("permanent", {"a": 1, "_permanent": True})):
    _app = flask.Flask("app")
    _app.secret_key = "key"
    _signer = _app.session_interface.get_signing_serializer(_app)  # type: ignore[attr-defined]
    COOKIES[_name] = f"session={_signer.dumps(_items)}"

JSON = {"method": "POST", "body": b'{"a": [1, 2]}', "content_type": "application/json"}
FORM = {"method": "POST", "body": b"a=1&b=2"}
FORM["content_type"] = "application/x-www-form-urlencoded"
FILE: dict[str, t.Any] = {"method": "POST", "content_type": "multipart/form-data; boundary=x"}
FILE["body"] = (
    b'--x\r\nContent-Disposition: form-data; name="f"; filename="f.txt"\r\n\r\nfile\r\n--x--\r\n'
)

#: The contexts: the app's method that makes each, which is redefined too.
MAKERS = {
    "context": "request_context",
    "app_context": "app_context",
    "websocket_context": "websocket_context",
}

#: What each part has an instance of on the app, so that a method may be assigned to it.
ON_INSTANCE = ("session_interface", "json", "app", *MAKERS)
#: What is there when the app is made, so that to set it on the app comes too late.
BEFORE = ("app", "blueprint", "config")

#: What is asked for, and with what.
REQUESTS: list[tuple[str, dict[str, t.Any]]] = [
    *[(f"/{kind}", {}) for kind in ("", "abort", "custom", "error", "handled", "none", "stream")],
    *[(f"/{kind}", {}) for kind in ("json", "list", "tuple", "made", "moved", "page", "later")],
    *[(f"/{kind}", {}) for kind in ("read", "write", "lasting", "url", "bare", "copied")],
    *[(f"/{kind}", {"cookie": COOKIES["kept"]}) for kind in ("", "read", "write", "clear")],
    *[(f"/{kind}", {"cookie": COOKIES["permanent"]}) for kind in ("", "error")],
    ("/", {"cookie": "session=garbage"}),
    *[(f"/?fail={hook}", {}) for hook in ("before", "after", "teardown")],
    *[("/static/conftest.py", {}), ("/nowhere", {}), ("/slash", {}), ("/bp/", {}), ("/bp/ill", {})],
    *[("/", {"method": "HEAD"}), ("/", {"method": "OPTIONS"}), ("/", {"method": "DELETE"})],
    *[("/get_json", JSON), ("/get_json", {**JSON, "body": b"{"}), ("/get_json", FORM)],
    *[("/form", FORM), ("/form", FILE), ("/data", FORM), ("/values", FORM)],
]
SOCKETS = ["/ws", "/ws/read", "/ws/ill", "/ws/abort", "/ws/nowhere"]


def make_app(side: Side, cls: t.Any, is_async: bool, blueprint_class: t.Any = None) -> t.Any:
    module = side.module
    app = cls("app", root_path=HERE, static_folder=HERE, static_url_path="/static")
    app.secret_key = "key"
    app.config["PROPAGATE_EXCEPTIONS"] = False

    def fail(hook: str) -> None:
        if module.request.args.get("fail") == hook:
            raise LookupError(hook)

    app.before_request(lambda: fail("before"))

    @app.after_request
    def after(response: t.Any) -> t.Any:
        fail("after")
        response.headers["X-After"] = "yes"
        return response

    @app.teardown_request
    def teardown(error: t.Any) -> None:
        fail("teardown")

    app.register_error_handler(KeyError, lambda error: ("handled", 418))
    act = _acts(side)

    def view(kind: str = "index", **values: str) -> t.Any:
        return act(kind)

    async def async_view(kind: str = "index") -> t.Any:
        rv = act(kind)
        return await rv if inspect.isawaitable(rv) else rv

    view = async_view if is_async else view  # type: ignore[assignment]
    app.add_url_rule("/", "index", view)
    app.add_url_rule("/<kind>", "kind", view, methods=["GET", "POST"])
    app.add_url_rule("/slash/", "slash", view)
    app.config.from_mapping(A=1)
    app.config.from_object({"B": 2}.items())
    app.context_processor(lambda: {"more": 1})
    app.add_template_filter(str.upper, "shout")
    bp = (blueprint_class or module.Blueprint)("bp", "bp", url_prefix="/bp", root_path=HERE)
    bp.add_url_rule("/", "index", view)
    bp.route("/ill")(functools.wraps(view)(functools.partial(view, "error")))
    bp.before_request(lambda: None)
    bp.after_app_request(lambda response: response)
    bp.app_errorhandler(410)(lambda error: ("gone", 410))
    bp.app_template_filter("quiet")(str.lower)
    bp.url_defaults(lambda endpoint, values: None)
    bp.record_once(lambda state: None)
    app.register_blueprint(bp)
    if side.awaits:
        _add_sockets(side, app)
    return app


def _acts(side: Side) -> t.Callable[[str], t.Any]:
    module = side.module

    def act(kind: str) -> t.Any:
        request, session = module.request, module.session
        match kind:
            case "abort":
                module.abort(403)
            case "custom":
                raise OutOfStock("none left")
            case "error":
                raise LookupError("view")
            case "handled":
                raise KeyError
            case "none":
                return None
            case "stream":
                return (letter for letter in "ab")
            case "json":
                return {"a": 1}
            case "list":
                return [1, 2]
            case "tuple":
                return "tuple", 201, {"X-Tuple": "yes"}
            case "made":
                response = module.current_app.response_class("made", 202)
                response.set_cookie("name", "value")
                return response
            case "bare":
                return werkzeug.Response("bare", 203, {"X-Bare": "yes"})
            case "moved":
                return module.redirect("/there")
            case "page":
                return module.render_template_string("{{ request.path }}{{ session.get('a') }}")
            case "later":

                @module.after_this_request
                def late(response: t.Any) -> t.Any:
                    response.headers["X-Late"] = "yes"
                    return response
            case "read":
                return f"{session.get('a')}"
            case "write":
                session["a"] = 2
            case "lasting":
                session["a"] = 3
                session.permanent = True
            case "clear":
                session.clear()
            case "copied":
                return module.copy_current_request_context(lambda: request.path)()
            case "url":
                return module.url_for("static", filename="x")
            case "get_json":
                return request.get_json()
            case "form":
                return _joined(request.form, request.files)
            case "data":
                return request.data
            case "values":
                return _joined(request.values)
        return kind

    return act


def _joined(*mappings: t.Any) -> t.Any:
    if not inspect.isawaitable(mappings[0]):
        return " ".join(str(sorted(mapping.keys())) for mapping in mappings)

    async def join() -> str:
        return " ".join([str(sorted((await mapping).keys())) for mapping in mappings])

    return join()


def _add_sockets(side: Side, app: t.Any) -> None:
    module = side.module

    @app.after_websocket
    def after(response: t.Any) -> t.Any:
        return response

    @app.websocket("/ws")
    @app.websocket("/ws/<kind>")
    async def socket(kind: str = "echo") -> None:
        if kind == "abort":
            module.abort(403)
        if kind == "read":
            await module.websocket.send(str(module.session.get("a")))
        if kind == "ill":
            raise LookupError
        await module.websocket.send(await module.websocket.receive())


# --- the doors -------------------------------------------------------------------------------

Seen = tuple[t.Any, ...]
Door = t.Callable[..., t.Awaitable[Seen]]
HEADERS = ("X-After", "X-Late", "X-Tuple", "X-Bare", "X-Seen", "Vary", "Location", "Allow")
HEADERS += ("Content-Type",)  # type: ignore[assignment]
_VALUE = re.compile(r"(session=)[^;]+|(expires=)[^;]+", re.IGNORECASE)


def _seen(status: int, headers: t.Any, body: bytes) -> Seen:
    cookies = [_VALUE.sub(r"\1\2...", line) for line in headers.getlist("Set-Cookie")]
    cookies = [";".join(sorted(line.split(";"))) for line in cookies]
    found = {name: headers.get(name) for name in HEADERS if name in headers}
    if "Allow" in found:
        found["Allow"] = ", ".join(sorted(found["Allow"].split(", ")))
    return status, found, cookies, body[:120]


async def by_wsgi(app: t.Any, path: str, options: dict[str, t.Any]) -> Seen:
    options = dict(options)
    method, data = options.pop("method", "GET"), options.pop("body", b"")
    headers = {name.replace("_", "-"): value for name, value in options.items()}

    def work() -> Seen:
        environ = EnvironBuilder(path, method=method, data=data, headers=headers).get_environ()  # type: ignore[arg-type]
        chunks, status, got = run_wsgi_app(app, environ, buffered=True)
        return _seen(int(status[:3]), got, b"".join(chunks))

    return await asyncio.to_thread(work)


async def by_asgi(app: t.Any, path: str, options: dict[str, t.Any]) -> Seen:
    options = dict(options)
    body = options.pop("body", b"")
    if body:
        options["content_length"] = str(len(body))
    answer = await ask(app, path, options.pop("method", "GET"), body=[body], **options)
    return _seen(answer.status, answer.headers, answer.body)


async def by_websocket(app: t.Any, path: str) -> Seen:
    scope = websocket_scope(
        path,
        headers=[(b"host", b"localhost"), (b"cookie", COOKIES["kept"].encode())],
        extensions={"websocket.http.response": {}},
    )
    to_app = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hello"}]
    sent: list[t.Any] = []
    ended = asyncio.Event()

    async def receive() -> dict[str, t.Any]:
        if not to_app:
            await ended.wait()
            return {"type": "websocket.disconnect", "code": 1000}
        return to_app.pop(0)

    async def send(message: t.Any) -> None:
        sent.append((message["type"], message.get("text"), message.get("status")))

    await app(scope, receive, send)
    return tuple(sent)


async def play(
    side: Side, door: Door, app: t.Any, calls: Counter[str], requests: t.Any = REQUESTS
) -> list[Seen]:
    """Return what each request gives, or raises, and how often something was called for it."""
    rows: list[Seen] = []
    for path, options in requests:
        calls.clear()
        seen: t.Any
        try:
            seen = await door(app, path, options)
        except Exception as error:
            seen = f"{type(error).__name__}: {error}"
        if path == "/?fail=teardown":  # *Flask:* the answer is lost
            seen = None
            calls.clear()
        rows.append((path, options, seen, dict(calls)))
    if side.awaits:
        for path in SOCKETS:
            calls.clear()
            try:
                seen = await by_websocket(app, path)
            except Exception as error:
                seen = f"{type(error).__name__}: {error}"
            rows.append((path, "websocket", seen, dict(calls)))
    return rows


# --- the overrides ---------------------------------------------------------------------------


def counting(
    original: t.Any, model: t.Any, call: str, way: str, note: t.Callable[[t.Any], None]
) -> t.Any:
    """Return what takes the place of `original` in a class: it has the colour and the arguments
    of `model`, which is the original in the real framework."""
    kind = type(original) if isinstance(original, (classmethod, staticmethod)) else None
    if kind is not None:
        original, model = original.__func__, model.__func__
    bind = _by_name(model) if call == "by name" else lambda *args, **kwargs: (args, kwargs)
    if way.startswith("wrapt"):

        def wrapper(wrapped: t.Any, instance: t.Any, args: t.Any, kwargs: t.Any) -> t.Any:
            note(instance)
            args, kwargs = bind(None, *args, **kwargs)
            return wrapped(*args[1:], **kwargs)

        return wrapt.FunctionWrapper(kind(original) if kind else original, wrapper)  # type: ignore[arg-type]
    if inspect.iscoroutinefunction(model):

        async def method(*args: t.Any, **kwargs: t.Any) -> t.Any:
            note(args[0])
            args, kwargs = bind(*args, **kwargs)
            return await original(*args, **kwargs)

    else:

        def method(*args: t.Any, **kwargs: t.Any) -> t.Any:  # type: ignore[misc]
            note(args[0] if args else None)
            args, kwargs = bind(*args, **kwargs)
            return original(*args, **kwargs)

    method.__signature__ = inspect.signature(model)  # type: ignore[attr-defined]
    if way == "functools.wraps":
        method = functools.wraps(original)(method)
        method.__wrapped__ = original  # type: ignore[attr-defined]
    return kind(method) if kind else method


def _by_name(model: t.Any) -> t.Callable[..., tuple[tuple[t.Any, ...], dict[str, t.Any]]]:
    """Return what tells how a call is written by the names that the parameters have; it raises
    TypeError for arguments which are not the model's."""
    signature = inspect.signature(model)
    parameters = list(signature.parameters.values())
    plain = all(parameter.kind is not parameter.VAR_POSITIONAL for parameter in parameters)

    def bind(*args: t.Any, **kwargs: t.Any) -> t.Any:
        bound = signature.bind(*args, **kwargs)
        if not plain:
            return args, kwargs
        first, named = args[:1], {}
        for parameter in parameters[1:]:
            if parameter.name in bound.arguments:
                value = bound.arguments[parameter.name]
                if parameter.kind is parameter.VAR_KEYWORD:
                    named.update(value)
                elif parameter.kind is parameter.POSITIONAL_ONLY:
                    first += (value,)
                else:
                    named[parameter.name] = value
        return first, named

    return bind


@dataclass(frozen=True)
class Case:
    """One way to override methods of the class `stock`, as those of `model` are."""

    part: str
    stock: t.Any
    model: t.Any
    names: tuple[str, ...]
    way: str = "subclass"
    call: str = "as given"


@contextlib.contextmanager
def overridden(
    side: Side, case: Case, is_async: bool, calls: Counter[str]
) -> t.Iterator[tuple[t.Any, t.Callable[[], None]]]:
    """Make an app with the methods overridden. Where that is to be late, what is given beside it
    does it."""
    stock, way = case.stock, case.way
    originals = {name: inspect.getattr_static(stock, name) for name in case.names}
    methods = {
        name: counting(
            original,
            inspect.getattr_static(case.model, name),
            case.call,
            way,
            lambda _, name=name: calls.update([name]),  # type: ignore[misc]
        )
        for name, original in originals.items()
    }
    attribute = ATTRIBUTES.get(case.part, "")
    app_class = type("App", (side.app_class,), {})
    on_stock = way in ("stock class", "stock class after", "wrapt after")
    own = [name for name in case.names if name in vars(stock)]

    def patch() -> None:
        for name, method in methods.items():
            setattr(stock, name, method)

    def patch_instance() -> None:
        instance = getattr(app, attribute) if attribute else app
        for name, method in methods.items():
            setattr(instance, name, method.__get__(instance, type(instance)))

    def install(target: t.Any) -> None:
        sub = type(stock)(stock.__name__, (stock,), methods)
        if case.part in MAKERS:
            maker = making(stock if way == "instance" else sub)
            bound = maker if isinstance(target, type) else maker.__get__(target)
            setattr(target, MAKERS[case.part], bound)
        elif attribute == "session_interface":
            target.session_interface = sub()
        elif attribute == "json":
            if isinstance(target, type):
                target.json_provider_class = sub  # type: ignore[attr-defined]
            else:
                target.json = sub(target)
        else:
            setattr(target, attribute, sub)

    def making(cls: t.Any) -> t.Any:
        def make(app: t.Any, *given: t.Any) -> t.Any:
            ctx = cls(app, *given)
            for name, method in methods.items() if way == "instance" else ():
                setattr(ctx, name, method.__get__(ctx, cls))
            return ctx

        return make

    late: t.Callable[[], None] = lambda: None  # noqa: E731
    blueprint_class: t.Any = None
    try:
        if way == "stock class":
            patch()
        elif way == "instance" and case.part not in MAKERS:
            late = patch_instance
        elif on_stock:
            late = patch
        elif case.part == "app":
            app_class = type("App", (side.app_class,), methods)
        elif case.part == "blueprint":
            blueprint_class = type("Own", (stock,), methods)
        elif way != "subclass on app":
            install(app_class)
        app = make_app(side, app_class, is_async, blueprint_class)
        if way == "subclass on app":
            install(app)
        if way == "instance" and attribute == "session_interface":
            app.session_interface = stock()  # not the one that all apps share
        yield app, late
    finally:
        if on_stock:
            for name, original in originals.items():
                if name in own:
                    setattr(stock, name, original)
                elif name in vars(stock):
                    delattr(stock, name)


async def observe(
    side: Side, door: Door, case: Case, is_async: bool, requests: t.Any = REQUESTS
) -> list[Seen]:
    """Return what is seen of an app with the method overridden: see `play`."""
    calls: Counter[str] = Counter()
    with overridden(side, case, is_async, calls) as (app, late):
        if case.way in LATE:
            await door(app, "/", {})
            late()
        made = [("set up", None, None, dict(calls))] if case.way not in LATE else []
        return [*made, *await play(side, door, app, calls, requests)]


def apart(colour: str, part: str, attributes: bool = False) -> dict[str, str]:
    """Return what docs/overrides.md says is called otherwise: the methods, or what it says of
    attributes, with their reasons."""
    text = (Path(HERE).parent / "docs" / "overrides.md").read_text()
    text = text.split("## Attributes")[attributes]
    found = re.findall(r"^\| `([\w.]+)` \| (\w+) \| (.+) \|$", text, re.MULTILINE)
    return {
        name: why
        for name, where, why in found
        if where in ("both", colour) and name.startswith(f"{part}.")
    }


def public_methods(cls: type[t.Any]) -> list[str]:
    """Return the names of a class's public methods: of its instances, of itself, and static."""
    kinds = (types.FunctionType, classmethod, staticmethod)
    return [
        name
        for name in dir(cls)
        if not name.startswith("_") and isinstance(inspect.getattr_static(cls, name), kinds)
    ]
