"""Finding templates, what they see, rendering and streaming them, in both colours."""

from __future__ import annotations

import asyncio
import importlib
import logging
import typing as t
from pathlib import Path

import pytest
from jinja2 import DictLoader
from jinja2 import TemplateNotFound

import quartish
from quartish import templating
from quartish._concurrency.coroutines import is_awaitable
from quartish._current import _cv_app
from tests._peer import ask

TEMPLATES = {
    "hello.html": "Hello {{ name }}!",
    "list.html": "{% for item in items %}<{{ item }}>{% endfor %}",
    "call.html": "{{ call() }}",
    "base.html": "[{% block body %}{% endblock %}]",
    "child.html": "{% extends 'base.html' %}{% block body %}{{ name }}{% endblock %}",
}


@pytest.fixture
def app(colour: t.Any) -> t.Any:
    return make_app(colour)


@pytest.fixture
def flask() -> t.Any:
    return make_app(quartish.Flask)


@pytest.fixture
def quart() -> t.Any:
    return make_app(quartish.Quart)


def make_app(colour: t.Any) -> t.Any:
    app = colour(__name__)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    app.secret_key = "key"
    app.jinja_env.loader = DictLoader(TEMPLATES)
    return app


async def plain(value: t.Any) -> t.Any:
    """Return what a call gives, awaited where it has to be."""
    return await value if is_awaitable(value) else value


async def render(app: t.Any, *args: t.Any, **context: t.Any) -> str:
    """Render a string in an app context, in the app's own colour."""
    async with app.app_context():
        return t.cast(str, await plain(quartish.render_template_string(*args, **context)))


@pytest.mark.parametrize("framework", ["flask", "quartish"])
def test_what_an_agent_puts_in_the_place_of_what_renders_is_called(
    framework: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As X-Ray's SDK does; the app comes first, by position."""
    module = pytest.importorskip(framework)
    place = importlib.import_module(f"{framework}.templating")
    told: list[t.Any] = []

    def put(name: str) -> None:
        real = getattr(place, name)

        def wrapped(*given: t.Any) -> t.Any:
            told.append((name, given[0].name, given[1].name, dict(given[2])))
            return real(*given)

        monkeypatch.setattr(place, name, wrapped)

    put("_render")
    put("_stream")
    app = module.Flask("agents")
    app.jinja_env.loader = DictLoader(TEMPLATES)
    with app.app_context():
        assert module.render_template("hello.html", name="a") == "Hello a!"
        assert module.render_template_string("{{ n }}", n=1) == "1"
        assert "".join(module.stream_template("hello.html", name="b")) == "Hello b!"
        assert "".join(module.stream_template_string("{{ n }}", n=2)) == "2"
    assert told == [
        ("_render", "agents", "hello.html", {"name": "a"}),
        ("_render", "agents", None, {"n": 1}),
        ("_stream", "agents", "hello.html", {"name": "b"}),
        ("_stream", "agents", None, {"n": 2}),
    ]


def view(app: t.Any, path: str = "/") -> t.Callable[[t.Callable[[], t.Any]], t.Any]:
    """Route `path` to a function whose result is awaited where it has to be."""

    def register(func: t.Callable[[], t.Any]) -> t.Any:
        async def call() -> t.Any:
            return await plain(func())

        app.add_url_rule(path, func.__name__, call)
        return func

    return register


# --- Rendering --------------------------------------------------------------------------


async def test_render(app: t.Any) -> None:
    async with app.app_context():
        for template in (
            "hello.html",
            ["missing.html", "hello.html"],
            app.jinja_env.get_template("hello.html"),
        ):
            text = await plain(quartish.render_template(template, name="<you>"))
            assert text == "Hello &lt;you&gt;!"
        assert await plain(quartish.render_template("child.html", name="x")) == "[x]"
        text = await plain(quartish.render_template_string("{{ name }}", name="<you>"))
        assert text == "&lt;you&gt;"
        with pytest.raises(TemplateNotFound):
            await plain(quartish.render_template("missing.html"))


async def test_the_colour_decides(flask: t.Any, quart: t.Any) -> None:
    with flask.app_context():
        assert type(quartish.render_template("hello.html")) is str
    async with quart.app_context():
        rendering: t.Any = quartish.render_template("hello.html")
        assert not isinstance(rendering, str)
        assert await rendering == "Hello !"


def test_outside_of_a_context() -> None:
    with pytest.raises(RuntimeError, match="Working outside of application context"):
        quartish.render_template("x")
    with pytest.raises(RuntimeError, match="Working outside of application context"):
        quartish.stream_template_string("x")


async def test_the_environment_may_differ_from_the_colour() -> None:
    async def call() -> str:
        await asyncio.sleep(0)
        return "called"

    class AsyncFlask(quartish.Flask):
        jinja_options = {"enable_async": True}

    class SyncQuart(quartish.Quart):
        jinja_options = {"enable_async": False}

    flask = make_app(AsyncFlask)

    @flask.get("/")
    def index() -> str:  # its thread waits
        return quartish.render_template("call.html", call=call)

    @flask.get("/async")
    async def index_async() -> str:
        return quartish.render_template("call.html", call=call)

    @flask.get("/still")
    async def index_still() -> str:  # has nothing to wait for
        return quartish.render_template("hello.html")

    assert (await ask(flask)).text == "called"
    assert (await ask(flask, "/still")).text == "Hello !"
    with pytest.raises(RuntimeError, match="async function while called synchronously"):
        await ask(flask, "/async")
    quart = make_app(SyncQuart)
    assert not quart.jinja_env.is_async
    assert await render(quart, "{{ x }}", x=1) == "1"


async def test_async_functions_in_templates(quart: t.Any) -> None:
    async def call() -> str:
        await asyncio.sleep(0)
        return "called"

    assert await render(quart, "{{ call() }}", call=call) == "called"


# --- The environment --------------------------------------------------------------------


def test_strings_stay_compiled(app: t.Any) -> None:
    env = app.jinja_env
    code = env.from_string("{{ x }}").root_render_func.__code__
    assert env.from_string("{{ x }}").root_render_func.__code__ is code
    assert env.from_string("{{ y }}").root_render_func.__code__ is not code
    assert env.from_string("{{ x }}", {"x": 1}).globals["x"] == 1
    assert "x" not in env.from_string("{{ x }}").globals
    env.globals["x"] = "late"
    assert env.from_string("{{ x }}").globals["x"] == "late"

    class Other(quartish.Flask):
        jinja_options = {"cache_size": 0}

    env = make_app(Other).jinja_env
    code = env.from_string("{{ x }}").root_render_func.__code__
    assert env.from_string("{{ x }}").root_render_func.__code__ is not code


def test_an_overlay_compiles_its_own(flask: t.Any) -> None:
    env = flask.jinja_env
    other = env.overlay(variable_start_string="<<", variable_end_string=">>")
    source = "{{ 1 }} << 1 >>"
    for _ in range(2):
        assert env.from_string(source).render() == "1 << 1 >>"
        assert other.from_string(source).render() == "{{ 1 }} 1"


def test_an_environment_of_ones_own(colour: t.Any) -> None:
    class Mine(templating.Environment):
        pass

    class App(colour):  # type: ignore[misc]
        jinja_environment = Mine

        def create_global_jinja_loader(self) -> t.Any:
            return DictLoader({"x": "mine"})

    app = App(__name__)
    assert type(app.jinja_env) is Mine
    assert app.jinja_env.app is app
    assert app.jinja_env.is_async is not app.plain
    assert app.jinja_env.list_templates() == ["x"]
    loader = DictLoader({})
    assert Mine(app, loader=loader).loader is loader


# --- Finding templates ------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path: Path, colour: t.Any) -> t.Any:
    """An app and a blueprint with templates in folders: `both` is in both."""
    for owner in "app", "shop":
        folder = tmp_path / owner
        folder.mkdir()
        for name in "both", owner:
            (folder / f"{name}.html").write_text(f"{name} of {owner}")
    app = colour("shopping", root_path=str(tmp_path), template_folder="app")
    app.config["PROPAGATE_EXCEPTIONS"] = True
    shop = quartish.Blueprint("shop", __name__, root_path=str(tmp_path), template_folder="shop")

    @shop.get("/<name>")
    async def show(name: str) -> t.Any:
        return await plain(quartish.render_template(name))

    app.register_blueprint(shop)
    app.register_blueprint(quartish.Blueprint("bare", __name__))
    return app


async def test_the_app_comes_before_the_blueprints(folders: t.Any) -> None:
    assert (await ask(folders, "/both.html")).text == "both of app"
    assert (await ask(folders, "/app.html")).text == "app of app"
    assert (await ask(folders, "/shop.html")).text == "shop of shop"
    assert sorted(folders.jinja_env.list_templates()) == ["app.html", "both.html", "shop.html"]


async def test_loading_explained(folders: t.Any, caplog: pytest.LogCaptureFixture) -> None:
    folders.config["EXPLAIN_TEMPLATE_LOADING"] = True
    with caplog.at_level(logging.INFO):
        assert (await ask(folders, "/both.html")).text == "both of app"
        assert "multiple loaders returned a match" in caplog.text
        assert "2: trying loader of blueprint 'shop'" in caplog.text
        with pytest.raises(TemplateNotFound):
            await ask(folders, "/missing.html")
    assert "the template could not be found" in caplog.text


# --- What a template sees ---------------------------------------------------------------


async def test_what_is_there(app: t.Any) -> None:
    source = "{{ request.args.a }} {{ g.b }} {{ config.DEBUG }} {{ session.c }} {{ url_for('x') }}"

    @view(app)
    def x() -> t.Any:
        quartish.g.b = "bee"
        quartish.session["c"] = "sea"
        return quartish.render_template_string(source)

    assert (await ask(app, "/?a=ey")).text == "ey bee False sea /"
    assert await render(app, "{{ g is defined }} {{ config.PROPAGATE_EXCEPTIONS }}") == "True True"


async def test_the_session_is_opened_by_templates_that_read_it(app: t.Any) -> None:
    @view(app, "/no")
    def no() -> t.Any:
        return quartish.render_template("hello.html", name="you")

    @view(app, "/yes")
    def yes() -> t.Any:
        return quartish.render_template_string("{{ session.get('a', 'none') }}")

    assert "vary" not in (await ask(app, "/no")).headers
    answer = await ask(app, "/yes")
    assert (answer.text, answer.headers["vary"]) == ("none", "Cookie")


async def test_who_wins(app: t.Any) -> None:
    blueprint = quartish.Blueprint("outer", __name__)
    inner = quartish.Blueprint("inner", __name__)

    def gives(owner: t.Any, name: str, *keys: str) -> None:
        owner.context_processor(lambda: dict.fromkeys(keys, name))

    gives(app, "app", "a", "b", "c", "d")
    gives(app, "later", "b", "c", "d")
    gives(blueprint, "outer", "c", "d")
    gives(inner, "inner", "d")
    source = "{{ a }} {{ b }} {{ c }} {{ d }} {{ config }}"

    async def show() -> t.Any:
        arguments = {"config": None} if "mine" in quartish.request.path else {"a": 0, "config": 1}
        return await plain(quartish.render_template_string(source, **arguments))

    for owner in app, blueprint, inner:
        owner.add_url_rule(f"/{owner.name}", "show", show)
    inner.add_url_rule("/mine", "mine", show)
    blueprint.register_blueprint(inner)
    app.register_blueprint(blueprint)
    assert (await ask(app, f"/{app.name}")).text == "0 later later later 1"
    assert (await ask(app, "/outer")).text == "0 later outer outer 1"
    assert (await ask(app, "/inner")).text == "0 later outer inner 1"
    assert (await ask(app, "/mine")).text == "app later outer inner None"


async def test_async_context_processors(app: t.Any) -> None:
    @app.context_processor
    async def processor() -> dict[str, t.Any]:
        await asyncio.sleep(0)
        return {"x": "awaited"}

    @app.get("/")
    def index() -> t.Any:  # its thread waits
        return quartish.render_template_string("{{ x }}")

    @view(app, "/async")
    def index_async() -> t.Any:
        return quartish.render_template_string("{{ x }}")

    assert (await ask(app)).text == "awaited"
    if app.plain:
        # Nothing can wait for it there, and the error says what to do.
        with pytest.raises(RuntimeError, match="Make the function that it met a plain 'def'"):
            await ask(app, "/async")
    else:
        assert (await ask(app, "/async")).text == "awaited"


async def test_the_app_may_override(colour: t.Any) -> None:
    if colour is quartish.Flask:

        class Plain(quartish.Flask):
            def update_template_context(self, context: dict[str, t.Any]) -> None:
                super().update_template_context(context)
                context["name"] = "mine"

        app = make_app(Plain)
    else:

        class Awaitable(quartish.Quart):
            async def update_template_context(self, context: dict[str, t.Any]) -> None:  # type: ignore[override]
                await super().update_template_context(context)
                context["name"] = "mine"

        app = make_app(Awaitable)

    @app.context_processor
    def processor() -> dict[str, t.Any]:
        return {"other": "given"}

    assert await render(app, "{{ name }} {{ other }}", name="x") == "mine given"


async def test_update_template_context(app: t.Any) -> None:
    app.context_processor(lambda: {"a": 1, "b": 1})
    context = {"a": 0}
    await plain(app.update_template_context(context))  # outside of any context
    assert context == {"a": 0, "b": 1}
    async with app.app_context():
        await plain(app.update_template_context(context := {}))
        assert context == {"a": 1, "b": 1, "g": quartish.g._get_current_object()}


# --- Signals ----------------------------------------------------------------------------


async def test_signals(app: t.Any) -> None:
    heard: list[t.Any] = []

    def before(sender: t.Any, template: t.Any, context: dict[str, t.Any]) -> None:
        heard.append(("before", sender, template.name, context["name"], "g" in context))
        context["name"] = "changed"

    def after(sender: t.Any, template: t.Any, context: dict[str, t.Any]) -> None:
        heard.append(("after", sender, template.name, context["name"]))

    with (
        quartish.before_render_template.connected_to(before, app),
        quartish.template_rendered.connected_to(after, app),
    ):
        async with app.app_context():
            for stream in False, True:
                if stream:
                    pieces = await plain(quartish.stream_template("hello.html", name="you"))
                    assert heard == [("before", app, "hello.html", "you", True)]
                    text = "".join(await collect(pieces))
                else:
                    text = await plain(quartish.render_template("hello.html", name="you"))
                assert text == "Hello changed!"
                assert heard == [
                    ("before", app, "hello.html", "you", True),
                    ("after", app, "hello.html", "changed"),
                ]
                heard.clear()


async def test_async_receivers(app: t.Any) -> None:
    heard: list[str] = []

    async def before(sender: t.Any, **kwargs: t.Any) -> None:
        await asyncio.sleep(0)
        heard.append("before")

    async def after(sender: t.Any, **kwargs: t.Any) -> None:
        await asyncio.sleep(0)
        heard.append("after")

    @app.get("/")
    def index() -> t.Any:
        return quartish.render_template("hello.html")

    @app.get("/stream")
    def stream() -> t.Any:
        return quartish.stream_template("hello.html")

    with (
        quartish.before_render_template.connected_to(before, app),
        quartish.template_rendered.connected_to(after, app),
    ):
        for path in "/", "/stream":
            assert (await ask(app, path)).text == "Hello !"
            assert heard == ["before", "after"]
            heard.clear()


# --- Streaming --------------------------------------------------------------------------


async def collect(pieces: t.Any) -> list[str]:
    if hasattr(pieces, "__aiter__"):
        return [piece async for piece in pieces]
    return list(pieces)


async def test_streams_in_an_app_context(flask: t.Any, quart: t.Any) -> None:
    with flask.app_context():
        pieces: t.Any = quartish.stream_template("list.html", items=[1, 2])
    assert "".join(pieces) == "<1><2>"
    async with quart.app_context():
        stream: t.Any = quartish.stream_template_string("<{{ x }}>", x=1)
        pieces = await stream
    assert "".join([piece async for piece in pieces]) == "<1>"


@pytest.mark.parametrize("view_kind", ["def", "async def"])
async def test_streams_of_views(app: t.Any, view_kind: str) -> None:
    log: list[str] = []

    def items() -> t.Iterator[str]:
        for name in "a", "b":
            log.append(name)
            yield quartish.request.args[name]

    @app.teardown_request
    def teardown(exc: BaseException | None) -> None:
        log.append("teardown")

    def stream() -> t.Any:
        log.append("view")
        return quartish.stream_template("list.html", items=items())

    if view_kind == "def":
        app.add_url_rule("/", "stream", stream)
    else:
        view(app)(stream)
    answer = await ask(app, "/?a=x&b=y")
    assert answer.text == "<x><y>"
    assert len(answer.messages) > 2  # piece by piece
    assert log == ["view", "a", "b", "teardown"]


async def test_a_stream_that_is_closed_early(quart: t.Any) -> None:
    closed: list[bool] = []

    async def items() -> t.AsyncIterator[int]:
        try:
            for number in range(100):
                yield number
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    token = _cv_app.set(quart.app_context())
    try:
        pieces: t.Any = await quartish.stream_template("list.html", items=items())  # type: ignore[misc]
        assert await anext(pieces) == "<"
        await pieces.aclose()
    finally:
        _cv_app.reset(token)
    del pieces
    await asyncio.sleep(0.01)
    assert closed == [True]


async def test_an_error_in_a_stream(app: t.Any) -> None:
    async with app.app_context():
        stream = quartish.stream_template_string("a{{ 1 / zero }}b", zero=0)
        with pytest.raises(ZeroDivisionError):
            await collect(await plain(stream))
