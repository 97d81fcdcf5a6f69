"""The names that users give to what they add are theirs.

Subclasses of `Request`, `Flask`, session interfaces and their like define what they please, and
requests and apps carry what hooks and extensions set on them: Flask, Quart and Werkzeug know what
names they have of their own. What we have beside those, and do not document, is named so that
nobody meets it: `quartish_...`. What is documented may be taken over, without harm to requests.
"""

from __future__ import annotations

import collections.abc as cabc
import io
import logging
import typing as t

import flask
import flask.json.provider
import flask.sessions
import flask.testing
import pytest

import quartish
import quartish.json.provider
import quartish.sessions
import quartish.testing

KINDS: dict[str, tuple[t.Any, t.Any]] = {
    "request": (flask.Request, quartish.Request),
    "response": (flask.Response, quartish.Response),
    "app": (flask.Flask, quartish.Flask),
    "blueprint": (flask.Blueprint, quartish.Blueprint),
    "session_interface": (
        flask.sessions.SecureCookieSessionInterface,
        quartish.sessions.SecureCookieSessionInterface,
    ),
    "client": (flask.testing.FlaskClient, quartish.testing.FlaskClient),
    "json": (
        flask.json.provider.DefaultJSONProvider,
        quartish.json.provider.DefaultJSONProvider,
    ),
}
#: Quart's, or documented: the registries of an app, and what a request was made of. They are set,
#: so that a subclass may have no property of that name, which it is told at once.
SET = {
    *("scope", "components", "component_overrides", "websockets"),
    *(f"{when}_serving_funcs" for when in ("before", "while", "after")),
    *(f"{when}_websocket_funcs" for when in ("before", "after", "teardown")),
}


class Odd:
    """Neither callable nor iterable, and no text."""


def method(*args: t.Any, **kwargs: t.Any) -> str:
    return "mine"


MEANINGS: dict[str, t.Any] = {
    "property": property(lambda self: "mine"),
    "method": method,
    "none": None,
    "text": "mine",
    "odd": Odd(),
}


def make(module: t.Any, kind: str = "", cls: t.Any = None) -> t.Any:
    """Return an app with a bit of everything, in which `cls` takes the place of a class."""
    app = (cls if kind == "app" else module.Flask)("own", static_folder=None)
    app.secret_key = "key"
    if kind in ("request", "response"):
        setattr(app, f"{kind}_class", cls)
    elif kind == "session_interface":
        app.session_interface = cls()
    elif kind == "client":
        app.test_client_class = cls
    elif kind == "json":
        app.json = cls(app)
    request, session = module.request, module.session

    @app.after_request
    def after(response: t.Any) -> t.Any:
        response.headers["X-After"] = "yes"
        return response

    app.before_request(lambda: None)
    app.teardown_request(lambda error: None)
    app.register_error_handler(KeyError, lambda error: ("handled", 500))
    app.add_url_rule("/", "index", lambda: "index")
    app.add_url_rule("/stream", "stream", lambda: (c for c in "abc"))
    app.add_url_rule("/made", "made", lambda: module.make_response(("a", 201, {"X-B": "2"})))

    @app.post("/form")
    def form() -> t.Any:
        files = {name: file.read().decode() for name, file in request.files.items()}
        return {"form": request.form.to_dict(), "files": files, "all": sorted(request.values)}

    @app.post("/data")
    def data() -> t.Any:
        return [request.get_data(as_text=True), request.content_type, request.mimetype_params]

    @app.post("/json")
    def body() -> t.Any:
        return [request.json, request.is_json, request.mimetype]

    @app.get("/session")
    def counted() -> str:
        session["n"] = session.get("n", 0) + 1
        text = "{{ request.path }} {{ session.n }} {{ url_for('index') }}"
        return t.cast(str, module.render_template_string(text))

    @app.get("/error")
    def error() -> t.Any:
        raise KeyError("x")

    @app.get("/seen")
    def seen() -> t.Any:
        names = ("url", "host", "full_path", "root_path", "remote_addr", "endpoint", "date")
        told = [str(getattr(request, name)) for name in names]
        return [*told, request.args, sorted(request.cookies), request.headers.get("X-Header")]

    blueprint = (cls if kind == "blueprint" else module.Blueprint)("bp", "own", url_prefix="/bp")
    blueprint.add_url_rule("/", "index", lambda: "bp")
    blueprint.before_request(lambda: None)
    app.register_blueprint(blueprint)
    return app


def requests() -> t.Iterator[tuple[str, str, dict[str, t.Any]]]:
    yield "POST", "/form", {"data": {"a": "b", "f": (io.BytesIO(b"file"), "name")}}
    yield "POST", "/form", {"data": {"a": "b"}}
    yield "POST", "/data", {"data": b"xx", "content_type": "text/plain; charset=utf-8"}
    yield "POST", "/json", {"json": {"a": [1]}}
    yield "POST", "/json", {"data": "{", "content_type": "application/json"}
    for path in ("/session", "/session", "/error", "/made", "/stream", "/nowhere", "/bp/"):
        yield "GET", path, {}
    date = {"Date": "Wed, 21 Oct 2015 07:28:00 GMT", "X-Header": "y"}
    yield "GET", "/seen?a=1&b=2", {"headers": date}
    yield from [("POST", "/", {}), ("HEAD", "/", {})]


def answers(app: t.Any) -> list[t.Any]:
    client, told = app.test_client(), []
    for verb, path, options in requests():
        response = client.open(path, method=verb, **options)
        text = response.get_data(as_text=True) if response.status_code < 405 else ""
        told.append([verb, path, response.status, text, sorted({*response.headers.keys()})])
    with app.app_context():
        told.append(app.json.dumps({"a": 1}))
    return told


def instance(module: t.Any, kind: str) -> t.Any:
    """Return one that has served, so that it has all its attributes."""
    app = make(module)
    if kind in ("request", "response"):
        with app.test_request_context("/", method="POST", data={"a": "b"}):
            request = module.request._get_current_object()
            answer = [request.form, app.response_class()]
            return request if kind == "request" else answer[1]
    if kind == "blueprint":
        return module.Blueprint("a", "b")
    return app if kind == "app" else app.test_client() if kind == "client" else getattr(app, kind)


def ours(kind: str) -> list[str]:
    """Return our names that a user's could meet: those that Flask's class has not."""
    found = {*dir(instance(quartish, kind))} - {*dir(instance(flask, kind))} - {"_abc_impl"}
    return sorted(n for n in found if not n.startswith(("__", "quartish_", "_quartish_")))


@pytest.fixture(autouse=True)
def _quiet() -> cabc.Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("meaning", MEANINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_subclass_has_names_of_its_own(kind: str, meaning: str) -> None:
    usual = answers(make(flask))
    assert answers(make(quartish)) == usual
    taken = [
        *(
            "body",
            "path_info",
            "_path",
            "_file",
            "_parsed",
            "_content_type",
            "_stream",
            "_data",
        ),
        *(
            "raw_headers",
            "settings",
            "_settings",
            "_cache",
            "load",
            "store",
            "writer",
            "drive",
        ),
    ]
    for name in [*ours(kind), *taken]:
        if meaning == "property" and name in SET:
            told = rf"class Own has a property {name!r} \(.*, line \d+\).* Give .* another name"
            own = {name: MEANINGS[meaning]}
            mixin = type("Mixin", (), own)
            for bases, names in (((KINDS[kind][1],), own), ((mixin, KINDS[kind][1]), {})):
                with pytest.raises(TypeError, match=told):
                    type("Own", bases, names)
            continue
        cls = type("Own", (KINDS[kind][1],), {name: MEANINGS[meaning]})
        assert answers(make(quartish, kind, cls)) == usual, name


@pytest.mark.parametrize("meaning", ["none", "text", "odd"])
def test_requests_and_apps_carry_what_is_set_on_them(meaning: str) -> None:
    usual = answers(make(flask))
    for name in [
        *ours("request"),
        "body",
        "_file",
        "_parsed",
        "_content_type",
        "raw_headers",
    ]:
        app = make(quartish)

        def carry(name: str = name) -> None:
            setattr(quartish.request._get_current_object(), name, MEANINGS[meaning])  # type: ignore[attr-defined]

        app.before_request_funcs[None].insert(0, carry)
        assert answers(app) == usual, name
    for name in [*ours("app"), "settings", "_settings", "drive", "_background"]:
        app = make(quartish)
        setattr(app, name, MEANINGS[meaning])
        assert answers(app) == usual, name


# --- properties in front of what is computed once ---------------------------------------------


def cached(kind: t.Any) -> list[str]:
    """Return the attributes of Werkzeug's request that are computed once, when first read."""
    return sorted(
        name
        for base in kind.__mro__
        for name, value in vars(base).items()
        if type(value).__name__ == "cached_property" and not name.startswith("_")
        if name != "host"  # which Flask sets, as it looks at the trusted hosts
    )


def with_property(base: t.Any, name: str, calls: list[str], settable: bool) -> t.Any:
    def read(self: t.Any) -> t.Any:
        own = super(cls, self)
        assert getattr(own, name) is getattr(own, name)
        calls.append("read")
        return getattr(own, name)

    def write(self: t.Any, value: t.Any) -> None:
        calls.append("set")

    cls: t.Any = type("Own", (base,), {name: property(read, write if settable else None)})
    return cls


@pytest.mark.parametrize("settable", [False, True])
@pytest.mark.parametrize("name", cached(flask.Request))
def test_a_property_asks_for_what_it_stands_before(name: str, settable: bool) -> None:
    def told(module: t.Any) -> t.Any:
        calls: list[str] = []
        app = make(module, "request", with_property(module.Request, name, calls, settable))
        return answers(app), "set" in calls

    assert told(quartish) == told(flask)


def test_a_property_that_comes_late() -> None:
    calls: list[str] = []

    class Own(quartish.Request):
        pass

    app = make(quartish, "request", Own)
    usual = answers(app)
    late = with_property(quartish.Request, "stream", calls, True)
    Own.stream = property(lambda self: super(Own, self).stream, vars(late)["stream"].fset)  # type: ignore[assignment]
    assert answers(app) == usual
    del Own.stream
    assert answers(app) == usual
    assert not calls
