"""Objects that answer whatever they are asked for, as mocks and lazy proxies do, in each place
where an app takes a function or a value: where Flask answers, we answer the same.
"""

from __future__ import annotations

import logging
import typing as t
from collections.abc import Callable
from unittest import mock

import flask
import pytest

import quartish
import quartish.typed  # which looks at views that it did not make

Place = Callable[[t.Any, t.Any, t.Any], object]


class Proxy:
    """Has every attribute but special ones, as proxies of remote objects have."""

    def __getattr__(self, name: str) -> t.Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(self)()

    def __call__(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        return "proxy"


class Greedy(Proxy):
    """Has special ones, too."""

    def __getattr__(self, name: str) -> t.Any:
        return type(self)()


def real(*args: t.Any, **kwargs: t.Any) -> str:
    return "real"


VALUES: dict[str, Callable[[], t.Any]] = {
    "text": lambda: "text",
    "None": lambda: None,
    "an iterator": lambda: iter(["a", "b"]),
    "a tuple": lambda: (mock.MagicMock(), 201),
    "no callable": mock.NonCallableMagicMock,
    "an AsyncMock": mock.AsyncMock,
}


def returning(value: Callable[[], t.Any]) -> Callable[[], t.Any]:
    return lambda: mock.MagicMock(return_value=value())


OBJECTS: dict[str, Callable[[], t.Any]] = {
    "MagicMock": mock.MagicMock,
    "Mock": mock.Mock,
    "AsyncMock": lambda: mock.AsyncMock(return_value="text"),
    "autospec": lambda: mock.create_autospec(real, return_value="text"),
    "wraps": lambda: mock.MagicMock(wraps=real),
    "raises": lambda: mock.MagicMock(side_effect=ValueError("mock")),
    **{f"returns {name}": returning(value) for name, value in VALUES.items()},
    "awaits a mock": lambda: mock.AsyncMock(return_value=mock.MagicMock()),
    "proxy": Proxy,
    "greedy proxy": Greedy,
}


def _view_twice(app: t.Any, module: t.Any, thing: t.Any) -> None:
    app.add_url_rule("/own", "own", thing)
    app.add_url_rule("/again", "own", thing)


def _view_of_a_blueprint(app: t.Any, module: t.Any, thing: t.Any) -> None:
    blueprint = module.Blueprint("bp", "mocks")
    blueprint.add_url_rule("/own", "own", thing)
    app.register_blueprint(blueprint)


def _in_a_template(app: t.Any, module: t.Any, thing: t.Any) -> None:
    app.jinja_env.globals["thing"] = app.jinja_env.filters["thing"] = thing
    source = "{{ thing(1) is none }}{{ 1|thing is none }}{% for x in thing %}{{ x }}{% endfor %}"
    app.view_functions["index"] = lambda: module.render_template_string(source)


def _on_g(app: t.Any, module: t.Any, thing: t.Any) -> None:
    app.before_request(lambda: setattr(module.g, "thing", thing))
    app.view_functions["index"] = lambda: str(module.g.thing is thing)


METHODS = [
    *("dispatch_request", "full_dispatch_request", "preprocess_request", "make_response"),
    *("process_response", "handle_user_exception", "handle_http_exception", "logger"),
    *("handle_exception", "finalize_request", "log_exception", "session_interface"),
    *("json", "make_default_options_response"),
]


def setting(name: str) -> Place:
    return lambda app, module, thing: setattr(app, name, thing)


PLACES: dict[str, Place] = {
    "view twice": _view_twice,
    "view of a blueprint": _view_of_a_blueprint,
    "view replaced": lambda app, module, thing: app.view_functions.update(index=thing),
    "before": lambda app, module, thing: app.before_request(thing),
    "after": lambda app, module, thing: app.after_request(thing),
    "teardown": lambda app, module, thing: app.teardown_request(thing),
    "teardown of the app": lambda app, module, thing: app.teardown_appcontext(thing),
    "error": lambda app, module, thing: app.register_error_handler(KeyError, thing),
    "404": lambda app, module, thing: app.register_error_handler(404, thing),
    "500": lambda app, module, thing: app.register_error_handler(500, thing),
    "preprocessor": lambda app, module, thing: app.url_value_preprocessor(thing),
    "defaults": lambda app, module, thing: app.url_defaults(thing),
    "context processor": lambda app, module, thing: app.context_processor(thing),
    "config": lambda app, module, thing: app.config.update(THING=thing),
    "signal": lambda app, module, thing: module.request_started.connect(thing, app),
    "template": _in_a_template,
    "g": _on_g,
    **{name: setting(name) for name in METHODS},
}


def answers(module: t.Any, place: str, kind: str, testing: bool) -> list[t.Any]:
    """Return what each request was answered; None where it failed."""
    app = module.Flask("mocks")
    app.secret_key, app.testing = "key", testing
    app.add_url_rule("/", "index", lambda: "index")
    app.add_url_rule("/error", "error", lambda: dict[str, str]()["x"])

    @app.get("/session")
    def session() -> t.Any:
        module.session["a"] = 1
        return module.render_template_string("{{ 1 }}")

    thing = OBJECTS[kind]()
    try:
        PLACES[place](app, module, thing)
    except TypeError:
        return [None] * 7
    told: list[t.Any] = []
    client = app.test_client()
    for path in ("/", "/own", "/again", "/error", "/nowhere", "/session"):
        try:
            response = client.get(path)
        except Exception:
            told.append(None)
        else:
            works = response.status_code < 500
            told.append([path, response.status, response.text] if works else None)
    calls = thing.call_count if isinstance(thing, mock.NonCallableMock) else 0
    return [*told, calls if None not in told else None]


@pytest.mark.filterwarnings("ignore")  # of coroutines that nobody awaits
@pytest.mark.parametrize("place", PLACES)
def test_as_flask_answers(place: str) -> None:
    logging.disable(logging.CRITICAL)
    try:
        for kind in OBJECTS:
            for testing in (False, True):
                theirs = answers(flask, place, kind, testing)
                ours = answers(quartish, place, kind, testing)
                for one, other in zip(theirs, ours, strict=True):
                    assert one in (None, other) or "Mock" in str(one), (kind, testing)
    finally:
        logging.disable(logging.NOTSET)
