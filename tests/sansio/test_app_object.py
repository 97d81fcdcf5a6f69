"""What an app and its contexts say of themselves, played on Flask's and on ours."""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import types
import typing as t
from pathlib import Path

import flask
import flask.ctx
import flask.globals
import jinja2
import pytest
from werkzeug.routing import BuildError
from werkzeug.test import create_environ
from werkzeug.test import run_wsgi_app

import quartish
import quartish.ctx
import quartish.globals
import quartish.quart
import quartish.testing
from quartish._http.inbox import HttpInbox
from tests._peer import ask
from tests._scripted import WebsocketPeer

MODULES = [flask, quartish]


def on_both(play: t.Callable[[t.Any], t.Any]) -> t.Any:
    ours = play(quartish)
    assert ours == play(flask)
    return ours


# --- the app ------------------------------------------------------------------------------------


def test_where_the_instance_folder_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is given is absolute; else beside the package, or in its prefix's `var`."""
    (tmp_path / "beside_me.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "note.txt").write_text("näht", encoding="utf-8")

    def play(module: t.Any) -> t.Any:
        with pytest.raises(ValueError, match="must be absolute"):
            module.Flask("app", instance_path="here")
        app = module.Flask("app", instance_path=str(tmp_path))
        with app.open_instance_resource("note.txt") as file:
            seen: list[t.Any] = [file.read()]
        with app.open_instance_resource("note.txt", "r", encoding="utf-8") as file:
            seen.append(file.read())
        return [*seen, *(module.Flask(name).instance_path for name in ("jinja2", "beside_me"))]

    seen = on_both(play)
    assert seen[0] == "näht".encode() and seen[1] == "näht"
    assert seen[2].endswith("var/jinja2-instance") and seen[3] == str(tmp_path / "instance")


@pytest.mark.parametrize("file", [None, "/somewhere/run_me.py"])
def test_the_name_of_a_script(file: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    import __main__

    app = {module: module.Flask("app") for module in MODULES}
    for each in app.values():
        each.import_name = "__main__"
        vars(each).pop("name", None)
    if file is None:
        monkeypatch.delattr(__main__, "__file__", raising=False)
    else:
        monkeypatch.setattr(__main__, "__file__", file, raising=False)
    assert on_both(lambda module: app[module].name) == ("run_me" if file else "__main__")


def test_methods_are_a_list() -> None:
    def play(module: t.Any) -> t.Any:
        with pytest.raises(TypeError, match="must be a list of strings"):
            module.Flask("app").add_url_rule("/", "view", lambda: "", methods="GET")

    on_both(play)


@pytest.mark.parametrize("answers", ["", "none", "none raise", "raise", "none url", "raise url"])
def test_handlers_of_urls_that_cannot_be_built(answers: str) -> None:
    def play(module: t.Any) -> t.Any:
        app = module.Flask("app")
        seen: list[t.Any] = []

        def handler(answer: str) -> t.Any:
            def handle(error: BuildError, endpoint: str, values: dict[str, t.Any]) -> t.Any:
                seen.append((str(error)[:30], endpoint, values))
                if answer == "raise":
                    raise BuildError("another", values, None)
                return "/elsewhere" if answer == "url" else None

            return handle

        app.url_build_error_handlers = [handler(answer) for answer in answers.split()]
        with app.test_request_context("/"):
            try:
                return seen, module.url_for("nowhere", a=1)
            except BuildError as error:
                return seen, error.endpoint

    _, told = on_both(play)
    assert told == (
        "/elsewhere" if "url" in answers else "another" if "raise" in answers else "nowhere"
    )


# --- contexts -----------------------------------------------------------------------------------


def test_g_as_an_object() -> None:
    def play(module: t.Any) -> t.Any:
        g = module.ctx._AppCtxGlobals()
        g.a = 1
        del g.a
        with pytest.raises(AttributeError, match="b"):
            del g.b
        with module.Flask("app").app_context():
            return [repr(g), "object at" in repr(module.g._get_current_object()), [*g]]

    assert on_both(play)[0] == "<flask.g of 'app'>"
    for module in MODULES:
        assert "_AppCtxGlobals object at" in repr(module.ctx._AppCtxGlobals())


def test_an_apps_context_within_anothers_request() -> None:
    def play(module: t.Any) -> t.Any:
        one, two = module.Flask("one"), module.Flask("two")
        two.config["SERVER_NAME"] = "two.example"
        two.add_url_rule("/two", "two", lambda: "")
        with one.test_request_context("/path"), two.app_context():
            app_ctx = module.globals.app_ctx
            app_ctx.g.seen = 1
            adapter = app_ctx.url_adapter
            seen = [module.current_app.name, module.request.path, module.g.seen, app_ctx.app.name]
            return [*seen, adapter.build("two", force_external=True)]

    assert on_both(play) == ["two", "/path", 1, "two", "http://two.example/two"]


def test_what_contexts_are_called() -> None:
    app = quartish.Flask("app")
    with app.app_context() as ctx:
        assert "of app>" in repr(ctx) and "http" not in repr(ctx)
    with app.test_request_context("/path", method="PUT") as ctx:
        assert "'http://localhost/path' [PUT] of app>" in repr(ctx)
        assert ctx.request_websocket is ctx.request


def test_the_wrong_context_is_popped() -> None:
    def play(module: t.Any) -> t.Any:
        app = module.Flask("app")
        outer, inner = app.app_context(), app.app_context()
        outer.push()
        inner.push()
        with pytest.raises(AssertionError, match="Popped wrong app context"):
            outer.pop()

    for module in MODULES:
        contextvars.copy_context().run(play, module)


async def test_a_context_made_of_a_connection() -> None:
    """*Quart:* its contexts are given the request or the websocket itself."""
    app = quartish.quart.Quart("app")
    async with app.test_request_context("/?q=1"):
        request = quartish.quart.request._get_current_object()  # type: ignore[attr-defined]
    context = type(app.app_context())(app, request)
    assert context.has_request and context.request is request
    async with context:
        assert quartish.quart.request.args["q"] == "1"


# --- the plain client ---------------------------------------------------------------------------


def test_the_parts_of_a_url_are_for_one_without_base() -> None:
    def play(module: t.Any) -> t.Any:
        app = module.Flask("app", subdomain_matching=True)
        app.config["SERVER_NAME"] = "example.com:5000"
        app.add_url_rule("/", "view", lambda: module.request.url, subdomain="<sub>")
        app.view_functions["view"] = lambda sub: f"{sub} {module.request.url}"
        client = app.test_client()
        with pytest.raises(AssertionError, match="base_url"):
            client.get("/", base_url="http://x.example.com", subdomain="y")
        return client.get("/", subdomain="y", url_scheme="https").text

    assert on_both(play) == "y https://y.example.com:5000/"


def test_sessions_of_clients() -> None:
    class Null(dict[str, t.Any]):
        modified = accessed = True

    def play(module: t.Any) -> t.Any:
        app = module.Flask("app")
        seen: list[t.Any] = []
        with pytest.raises(TypeError, match="Cookies are disabled"):
            with app.test_client(use_cookies=False).session_transaction():
                pass
        interface = module.sessions.SessionInterface()
        app.session_interface = interface
        interface.open_session = lambda app, request: None
        with pytest.raises(RuntimeError, match="did not open a session"):
            with app.test_client().session_transaction():
                pass
        interface.open_session = lambda app, request: Null()
        interface.is_null_session = lambda session: isinstance(session, Null)
        interface.save_session = lambda *args: seen.append("saved")
        with app.test_client().session_transaction() as session:
            seen.append(type(session).__name__)
        client = app.test_client()
        with client, pytest.raises(RuntimeError, match="Cannot nest"):
            client.__enter__()
        return seen

    assert on_both(play) == ["Null"]


def test_a_command_with_an_object_of_its_own() -> None:
    def play(module: t.Any) -> t.Any:
        import click

        app, other = module.Flask("app"), module.Flask("other")

        @app.cli.command("name")
        @click.pass_obj
        def name(info: t.Any) -> None:
            click.echo(info.load_app().name)

        runner = app.test_cli_runner()
        info = module.cli.ScriptInfo(create_app=lambda: other)
        return [runner.invoke(args=["name"]).output, runner.invoke(args=["name"], obj=info).output]

    import flask.cli

    import quartish.cli

    assert on_both(play) == ["app\n", "other\n"]
    assert flask.cli.ScriptInfo is not quartish.cli.ScriptInfo


# --- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["299 Odd", 299])
def test_a_status_beside_a_response(status: t.Any) -> None:
    def play(module: t.Any) -> t.Any:
        app = module.Flask("app")
        with app.test_request_context("/"):
            made = module.make_response((module.Response("x"), status))
        return made.status, made.status_code

    assert on_both(play)[1] == 299


def test_pages_of_many_errors() -> None:
    """Descriptions may come from clients; they are not kept for ever."""
    from quartish._dispatch import errors

    def play(module: t.Any) -> t.Any:
        app = module.Flask("app")

        @app.route("/<int:number>")
        def view(number: int) -> t.Any:
            module.abort(400, f"number {number} of <many>")

        client = app.test_client()
        return [client.get(f"/{number}").text for number in [*range(140), 0]]

    seen = on_both(play)
    assert "number 139 of &lt;many&gt;" in seen[139] and seen[0] == seen[140]
    assert len(errors._pages) <= 128


def test_a_scheme_without_a_host() -> None:
    def play(module: t.Any) -> t.Any:
        app = module.Flask("app")
        app.add_url_rule("/", "view", lambda: "")
        with app.test_request_context("/"):
            with pytest.raises(ValueError, match="_external"):
                module.url_for("view", _scheme="https", _external=False)
            return module.url_for("view", _scheme="https")

    assert on_both(play) == "https://localhost/"


@pytest.mark.parametrize("name", ["_cv_app", "_cv_request"])
def test_the_variable_of_the_context(name: str) -> None:
    """What extensions look into to see whether there is one."""

    def play(module: t.Any) -> t.Any:
        variable = getattr(module.globals, name)
        with pytest.raises(LookupError):
            variable.get()
        app = module.Flask("app")
        seen = [variable.get(None), variable.get("default")]
        with app.app_context():
            seen.append(variable.get(None) is None)
            with app.test_request_context("/path"):
                seen.append(variable.get().app is app)
        return seen

    assert on_both(play) == [None, "default", name == "_cv_request", True]


async def test_both_framings_of_a_body() -> None:
    """RFC 9112, section 6.3: a message with both is not to be believed."""
    app = quartish.Flask("app")
    app.add_url_rule("/", "view", lambda: "", methods=["POST"])
    framing = {"content_length": "1", "transfer_encoding": "chunked"}
    answer = await ask(app, "/", "POST", body=[b"a"], **framing)  # type: ignore[arg-type]
    assert answer.status == 400 and "Transfer-Encoding" in answer.text


async def test_a_request_that_cannot_be_closed(
    colour: type[t.Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The rest of the teardown goes on; the log has it."""
    app, seen = colour("app"), list[t.Any]()

    class Request(app.request_class):  # type: ignore[misc, name-defined]
        def close(self) -> None:
            raise LookupError("closing")

    app.request_class = Request
    app.add_url_rule("/", "view", lambda: "")
    app.teardown_request(lambda error: seen.append("request"))
    app.teardown_appcontext(lambda error: seen.append("app"))
    assert (await ask(app)).status == 200
    assert seen == ["request", "app"]
    assert "in the end of view 'view'" in caplog.text and "LookupError: closing" in caplog.text


async def test_an_apps_own_handle_request_that_raises() -> None:
    """The server is told, as in *Quart*; `tests/quart/test_errors_shown.py` has more."""

    class App(quartish.quart.Quart):
        async def handle_request(self, request: t.Any) -> t.Any:
            raise LookupError("its own")

    with pytest.raises(LookupError, match="its own"):
        await ask(App("app"))


async def test_what_runs_after_a_websocket() -> None:
    app, seen = quartish.Flask("app"), list[t.Any]()

    @app.websocket("/")
    async def handle() -> None:
        quartish.ctx.after_this_websocket(lambda response: seen.append(response))
        await quartish.websocket.send("done")

    with pytest.raises(RuntimeError, match="after_this_websocket"):
        quartish.ctx.after_this_websocket(lambda response: response)
    async with WebsocketPeer(app) as peer:
        await peer.ended()
    assert peer.said == ["done"] and seen == [None]


@pytest.mark.parametrize("variable", ["FLASK_DEBUG", "QUARTISH_DEBUG"])
def test_a_server_of_somebody_elses(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who replaced Werkzeug's is given the app, as Flask would give it."""
    for name in ("FLASK_DEBUG", "QUARTISH_DEBUG", "QUART_DEBUG"):
        monkeypatch.delenv(name, raising=False)

    def play(module: t.Any) -> t.Any:
        served: list[t.Any] = []
        monkeypatch.setattr(
            "werkzeug.serving.run_simple",
            lambda host, port, app, **options: served.append((host, port, app, options)),
        )
        app = module.Flask("app")
        assert not app.debug
        monkeypatch.setenv(variable if module is quartish else "FLASK_DEBUG", "1")
        app.config["SERVER_NAME"] = "here.example:8080"
        app.run()
        app.run("127.0.0.1", 5001, debug=False, load_dotenv=False)
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv("FLASK_DEBUG", raising=False)
        assert all(each[2] is app for each in served)
        return [(host, port, options["use_reloader"]) for host, port, _, options in served]

    ours = on_both(play)
    assert ours == [("here.example", 8080, True), ("127.0.0.1", 5001, False)]


async def test_an_app_called_by_the_attribute() -> None:
    """`app.__call__` serves as `app` does, by either interface."""
    app = quartish.Flask("app")
    app.add_url_rule("/", "view", lambda: "seen")
    assert (await ask(app.__call__)).text == "seen"
    environ = create_environ("/")
    assert b"".join(run_wsgi_app(app.__call__, environ)[0]) == b"seen"
    with pytest.raises(ValueError, match="'other'"):
        await app.asgi_app({"type": "other"}, None, None)  # type: ignore[arg-type]


def test_debug_mode_is_set_by_run_task() -> None:
    app = quartish.quart.Quart("app")
    serving = app.run_task(debug=True)
    assert app.debug
    serving.close()


@pytest.mark.parametrize("absolute", [True, False])
async def test_a_location_is_made_absolute_where_the_class_says_so(absolute: bool) -> None:
    def play(module: t.Any) -> t.Any:
        app = module.Flask("app")
        app.response_class = type(
            "R", (app.response_class,), {"autocorrect_location_header": absolute}
        )
        app.add_url_rule("/a/b", "view", lambda: module.redirect("../c?ä=1"))
        return app

    ours = (await ask(play(quartish), "/a/b", host="example.com")).headers["Location"]
    theirs = play(flask).test_client().get("/a/b", base_url="http://example.com")
    assert ours == theirs.headers["Location"]
    assert ours.startswith("http://example.com/c") == absolute


async def test_contexts_of_quarts_are_copied_as_what_they_are() -> None:
    async def play(module: t.Any) -> t.Any:
        contexts = importlib.import_module(f"{module.__name__}.ctx")
        app = module.Quart("app")
        seen: list[t.Any] = []

        @app.websocket("/")
        async def handle() -> None:
            websocket = module.websocket._get_current_object()
            context = contexts.WebsocketContext(app, websocket)
            copied = context.copy()
            seen.append(isinstance(copied, contexts.WebsocketContext))
            seen.append(copied.websocket is websocket)
            own = type("Own", (contexts.WebsocketContext,), {})
            seen.append(isinstance(own(app, websocket), own) and not isinstance(copied, own))
            await websocket.send("done")

        async with app.test_request_context("/"):
            request = module.request._get_current_object()
            copied = contexts.RequestContext(app, request).copy()
            seen.append(isinstance(copied, contexts.RequestContext) and copied.request is request)
            seen.append(isinstance(copied, contexts.WebsocketContext))
        async with app.test_client().websocket("/") as connection:
            assert await connection.receive() == "done"
        return seen

    import quart

    ours = await play(quartish.quart)
    assert ours == await play(quart)
    assert ours == [True, False, True, True, True]


@pytest.mark.parametrize("ignored", [False, True])
async def test_errors_that_teardown_need_not_know(ignored: bool) -> None:
    def play(module: t.Any) -> t.Any:
        app, seen = module.Flask("app"), list[t.Any]()
        app.testing = True
        app.should_ignore_error = lambda error: ignored
        app.teardown_request(lambda error: seen.append(type(error)))
        app.add_url_rule("/", "view", lambda: {}["missing"])  # type: ignore[index]
        return app, seen

    for by_server in (False, True):
        app, seen = play(quartish)
        with pytest.raises(KeyError):
            await ask(app) if by_server else app.test_client().get("/")
        assert seen == [type(None) if ignored else KeyError]
    app, seen = play(flask)
    with pytest.raises(KeyError):
        app.test_client().get("/")
    assert seen == [type(None) if ignored else KeyError]


def test_a_command_within_the_context_of_its_app() -> None:
    def play(module: t.Any) -> t.Any:
        import click

        app, seen = module.Flask("app"), list[t.Any]()

        @app.cli.command("see")
        def see() -> None:
            click.echo(module.g.get("from_outside", "another g"))

        runner = app.test_cli_runner()
        app.teardown_appcontext(lambda error: seen.append("torn down"))
        with app.app_context():
            module.g.from_outside = "the same g"
            inside = runner.invoke(args=["see"]).output
            assert not seen
        return inside, runner.invoke(args=["see"]).output, seen

    assert on_both(play)[0] == "the same g\n"


def test_what_a_loader_keeps_to_itself_is_not_explained(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Loader(jinja2.DictLoader):
        def __init__(self) -> None:
            super().__init__({"page": "found"})
            self._token, self.folder, self.names = "unspeakable", "here", ["a", "b"]

    def play(module: t.Any) -> t.Any:
        app = module.Flask("app")
        app.config["EXPLAIN_TEMPLATE_LOADING"] = True
        app.jinja_loader = Loader()
        caplog.clear()
        with app.app_context(), caplog.at_level("INFO"):
            assert module.render_template("page") == "found"
        return caplog.text

    for module in MODULES:
        told = play(module)
        assert "folder: 'here'" in told and "- b" in told and "unspeakable" not in told


def test_names_of_a_module_that_has_some_of_its_own() -> None:
    from quartish._names import serve

    module = types.ModuleType("some")

    def own(name: str) -> t.Any:
        if name == "mine":
            return "its own"
        raise AttributeError(name)

    module.__getattr__ = own  # type: ignore[method-assign]
    serve(module)
    assert module.mine == "its own"
    with pytest.raises(AttributeError, match="module 'some' has no attribute 'nowhere'"):
        _ = module.nowhere


def test_what_werkzeug_does_not_have_is_named() -> None:
    from quartish._werkzeug import parts_of
    from quartish._werkzeug import require

    class Owner:
        there = 1

    require(Owner, "there")
    with pytest.raises(RuntimeError, match=r"Owner\.gone, which Werkzeug \S+ does not have"):
        require(Owner, "there", "gone")
    assert parts_of(types.SimpleNamespace()) is None  # type: ignore[arg-type]


async def test_no_access_log_where_none_was_asked_for() -> None:
    from quartish._access_log import AccessLog

    written: list[str] = []
    logger = types.SimpleNamespace(info=lambda message, *args: written.append(message))
    request = {"client": None, "query_string": b"", "raw_path": b"/", "method": "GET"}
    request |= {"type": "http", "http_version": "1.1"}  # type: ignore[dict-item]
    for access in (None, logger):
        log = AccessLog(types.SimpleNamespace(accesslog=access, errorlog=None))
        await log.access(request, {"status": 200}, 0.1)  # type: ignore[arg-type]
        assert len(written) == (access is not None)


def test_metadata_of_an_alias_has_no_files() -> None:
    from quartish._module_alias import _exists
    from quartish._module_alias import _StandIn

    project = _StandIn("flask", "3.1.3")
    assert (project.version, project.metadata["Name"], project.files) == ("3.1.3", "flask", None)
    assert Path(str(project.locate_file("x"))) == Path(quartish.__file__).parent / "x"
    assert _exists("json.decoder") and not _exists("json.nothing")
    assert not _exists("no_such_package.inside")


def test_two_contexts_seen_as_one() -> None:
    """Where only the app's is active, the rest is that one's, or says what is missing."""
    from quartish._current import Layers

    app = quartish.Flask("app")
    with app.app_context() as ctx:
        layers: t.Any = Layers(ctx, None)
        assert layers.app is app and layers.has_request is False and layers.conn is None
        layers.of_an_extensions = "its own"
        assert vars(ctx)["of_an_extensions"] == layers.of_an_extensions == "its own"
        assert repr(layers) == repr(ctx)
        with pytest.raises(RuntimeError, match="outside of request context"):
            _ = layers.request
        with pytest.raises(RuntimeError, match="SERVER_NAME"):
            layers.url_adapter or quartish.url_for("static", filename="x")
    with pytest.raises(RuntimeError, match="outside of application context"):
        _ = Layers(None, ctx).g


@pytest.mark.parametrize("handler", [dict, lambda error: ("handled", 200)])
async def test_a_builtin_among_the_hooks(colour: type[t.Any], handler: t.Any) -> None:
    """It has no signature that could be asked for."""
    from quartish._current import _takes_context

    assert _takes_context(type) is _takes_context(handler) is False


async def test_files_of_an_inbox_that_was_made_by_itself() -> None:
    """What is read ahead past its memory goes to a file, and comes back in order."""
    pieces = [b"%06d" % n * 20_000 for n in range(30)]
    messages = [{"type": "http.request", "body": each, "more_body": True} for each in pieces]

    async def receive() -> t.Any:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop(0)

    inbox = HttpInbox(receive)
    inbox.watch()
    async with asyncio.timeout(10):
        while messages:
            await asyncio.sleep(0.01)
    assert inbox.spool.file_size > 1_000_000
    got = [(await inbox.get())["body"] for _ in pieces]
    await inbox.close()
    assert got == pieces
