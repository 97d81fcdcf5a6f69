"""What an app and its contexts say of themselves, played on Flask's and on ours."""

from __future__ import annotations

import contextvars
import typing as t
from pathlib import Path

import flask
import flask.ctx
import flask.globals
import pytest
from werkzeug.routing import BuildError

import quartish
import quartish.ctx
import quartish.globals
import quartish.quart
import quartish.testing

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
        request = quartish.quart.request._get_current_object()
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
