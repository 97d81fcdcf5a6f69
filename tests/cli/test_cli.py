"""The command line: finding apps, groups and their contexts, and the commands."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import ssl
import subprocess
import sys
import textwrap
import typing as t
from pathlib import Path
from types import ModuleType

import click
import pytest
from click.testing import CliRunner
from click.testing import Result

from quartish import Blueprint
from quartish import current_app
from quartish import Flask
from quartish import g
from quartish._cli.commands import AppLoader
from quartish._cli.commands import is_running_from_cli
from quartish.cli import AppGroup
from quartish.cli import cli
from quartish.cli import find_app_by_string
from quartish.cli import find_best_app
from quartish.cli import FlaskGroup
from quartish.cli import load_dotenv
from quartish.cli import locate_app
from quartish.cli import NoAppException
from quartish.cli import prepare_import
from quartish.cli import QuartGroup
from quartish.cli import QuartishGroup
from quartish.cli import run_command
from quartish.cli import ScriptInfo
from quartish.cli import with_appcontext

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0


@pytest.fixture(autouse=True)
def clean_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> t.Iterator[None]:
    """An empty folder to be in, and a process that is afterwards what it was."""
    environ, modules, path = dict(os.environ), dict(sys.modules), sys.path[:]
    for name in environ:
        if name.startswith(("QUART", "FLASK", "WERKZEUG")):
            del os.environ[name]
    monkeypatch.chdir(tmp_path)
    yield
    os.environ.clear()
    os.environ.update(environ)
    sys.path[:] = path
    for name in sys.modules.keys() - modules.keys():
        if getattr(sys.modules[name], "__file__", None) and not name.startswith("quartish"):
            if str(tmp_path) in str(sys.modules[name].__file__):
                del sys.modules[name]


def write(name: str, text: str) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))
    return path.resolve()


def invoke(command: click.Command, *args: str, **options: t.Any) -> Result:
    result = CliRunner().invoke(command, args, **options)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def module(**names: t.Any) -> ModuleType:
    made = ModuleType("made")
    vars(made).update(names)
    return made


# --- Finding an app ---------------------------------------------------------------------------


def test_best_app(colour: type[t.Any]) -> None:
    one, two = colour("one"), colour("two")
    assert find_best_app(module(app=one, other=two)) is one
    assert find_best_app(module(application=one, other=two)) is one
    assert find_best_app(module(x=one, app="no app")) is one
    assert find_best_app(module(x=one, y=one)) is one  # two names of one app
    assert find_best_app(module(make_app=lambda: one)) is one
    assert find_best_app(module(create_app=lambda: "no app", make_app=lambda: one)) is one


def wants_arguments(name: str) -> None:
    raise AssertionError


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({}, "no application or factory"),
        ({"x": Flask("one"), "y": Flask("two")}, "'made' holds 2 applications"),
        ({"create_app": wants_arguments}, r"Pass them with 'made:create_app\(args\)'"),
        ({"create_app": Flask}, "no application or factory"),
    ],
)
def test_no_best_app(names: dict[str, t.Any], message: str) -> None:
    with pytest.raises(NoAppException, match=message):
        find_best_app(module(**names))


def test_type_error_inside_a_factory_is_its_own() -> None:
    def create_app(name: str = "") -> t.Any:
        raise TypeError("mine")

    for find in (find_best_app, lambda m: find_app_by_string(m, "create_app()")):
        with pytest.raises(TypeError, match="mine"):
            find(module(create_app=create_app))


def test_app_by_string(colour: type[t.Any]) -> None:
    def create(name: str, *, suffix: str = "") -> t.Any:
        return colour(name + suffix)

    made = module(here=colour("here"), create=create)
    assert find_app_by_string(made, " here ").name == "here"
    assert find_app_by_string(made, "create('a')").name == "a"
    assert find_app_by_string(made, "create('a', suffix='b',)").name == "ab"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("create(", "Failed to parse 'create\\('"),
        ("1 + 1", "as an attribute name or function call"),
        ("a.b()", "must be a simple name"),
        ("create(unknown)", "as literal values"),
        ("create({[]: 1})", "as literal values"),
        ("create(**{'a': 1})", "as literal values"),
        ("create(1, 2)", "could not be called with these arguments"),
        ("nothing", "Failed to find attribute 'nothing' in 'made'"),
        ("text", "'made:text' is no application, it is of type 'str'"),
        ("create(1)", "is of type 'int'"),
    ],
)
def test_no_app_by_string(name: str, message: str) -> None:
    made = module(create=lambda x: x, text="")
    with pytest.raises(NoAppException, match=message):
        find_app_by_string(made, name)


def test_prepare_import() -> None:
    write("outer/inner/app.py", "")
    write("outer/inner/__init__.py", "")
    write("outer/__init__.py", "")
    here = str(Path.cwd())
    for path in ("outer/inner/app.py", "outer/inner/app", "./outer/../outer/inner/app.py"):
        sys.path[:] = [name for name in sys.path if name != here]
        assert prepare_import(path) == "outer.inner.app"
        assert sys.path[0] == here
    assert prepare_import("outer/inner/__init__.py") == "outer.inner"
    assert prepare_import("dotted.name") == "dotted.name"
    assert sys.path.count(here) == 1


def test_missing_module_and_one_that_fails() -> None:
    sys.path.insert(0, os.getcwd())
    write("needs_more.py", "import not_installed_anywhere")
    write("package/__init__.py", "")
    assert locate_app("nowhere", None, raise_if_not_found=False) is None
    assert locate_app("package.nowhere", None, raise_if_not_found=False) is None
    with pytest.raises(NoAppException, match="Could not import 'nowhere'"):
        locate_app("nowhere", None)
    with pytest.raises(NoAppException, match="No module named 'not_installed_anywhere'"):
        locate_app("needs_more", None, raise_if_not_found=False)


def test_script_info(colour: type[t.Any]) -> None:
    write(
        "place.py",
        f"""
        from quartish import {colour.__name__} as App
        first, second = App("first"), App("second")
        def create(name): return App(name)
        """,
    )
    info = ScriptInfo("place:second")
    assert info.load_app().name == "second"
    assert info.load_app() is info.load_app()
    assert ScriptInfo(f"{Path.cwd()}/place.py:create('x')").load_app().name == "x"
    assert ScriptInfo(create_app=lambda: colour("made")).load_app().name == "made"
    with pytest.raises(NoAppException, match="'QUARTISH_APP' or 'FLASK_APP'"):
        ScriptInfo().load_app()
    write("app.py", "from quartish import Flask; app = Flask('from app.py')")
    assert ScriptInfo().load_app().name == "from app.py"
    write("wsgi.py", "from quartish import Flask; app = Flask('from wsgi.py')")
    assert ScriptInfo().load_app().name == "from wsgi.py"


@pytest.mark.parametrize("variable", ["QUARTISH_DEBUG", "FLASK_DEBUG", "QUART_DEBUG"])
def test_debug_flag_is_set_from_the_environment(variable: str) -> None:
    os.environ[variable] = "1"

    def create_app() -> Flask:
        app = Flask("app")
        app.debug = False
        return app

    assert ScriptInfo(create_app=create_app).load_app().debug
    assert not ScriptInfo(create_app=create_app, set_debug_flag=False).load_app().debug


# --- Environment files ------------------------------------------------------------------------


def test_env_files_and_which_has_the_last_word() -> None:
    pytest.importorskip("dotenv")
    write("above/.env", "A=env\nHAM=火腿")
    write("above/.quartishenv", "A=quartish\nB=quartish\nSET=file\nEMPTY")
    write("above/.quartenv", "B=quart\nC=quart")
    write("above/.flaskenv", "C=flask\nD=flask")
    given = write("given", "D=given")
    Path("above/here").mkdir()
    os.chdir("above/here")
    os.environ["SET"] = "process"
    assert load_dotenv(given)
    found = {name: os.environ[name] for name in ("A", "B", "C", "D", "SET", "HAM")}
    assert found == {
        "A": "env", "B": "quartish", "C": "quart", "D": "given", "SET": "process", "HAM": "火腿",
    }  # fmt: skip
    assert "EMPTY" not in os.environ
    assert Path.cwd().name == "here"


def test_env_file_that_is_missing() -> None:
    pytest.importorskip("dotenv")
    write(".env", "A=env")
    assert not load_dotenv("missing", load_defaults=False)
    assert "A" not in os.environ


def test_env_files_without_dotenv(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "dotenv", None)
    assert not load_dotenv()
    assert capsys.readouterr().err == ""
    write(".quartishenv", "A=1")
    assert not load_dotenv()
    assert "Install python-dotenv" in capsys.readouterr().err
    result = CliRunner().invoke(cli, ["--env-file", ".quartishenv", "routes"])
    assert (result.exit_code, "python-dotenv must be installed" in result.output) == (2, True)


def test_app_named_in_an_env_file() -> None:
    pytest.importorskip("dotenv")
    write("place.py", "from quartish import Flask; app = Flask('placed', static_folder=None)")
    write("given", "QUARTISH_APP=place")
    assert invoke(cli, "--env-file", "given", "routes").output == "No routes were registered.\n"
    write(".env", "FLASK_APP=place")
    os.environ.pop("QUARTISH_APP")
    os.environ["QUARTISH_SKIP_DOTENV"] = "1"
    assert "Could not locate an application" in invoke(cli, "routes").output
    os.environ["QUARTISH_SKIP_DOTENV"] = "0"
    assert invoke(cli, "routes").output == "No routes were registered.\n"


# --- Groups and contexts ----------------------------------------------------------------------


def test_commands_run_in_the_app_context(colour: type[t.Any]) -> None:
    app = colour("app")
    ended = []

    @app.teardown_appcontext
    async def teardown(exc: BaseException | None) -> None:
        await asyncio.sleep(0)
        ended.append(exc)

    def parameter(ctx: click.Context, param: click.Parameter, value: str) -> str:
        g.parameter = current_app.name
        return value

    @app.cli.command()
    @click.argument("value", callback=parameter)
    def plain(value: str) -> None:
        click.echo(f"{current_app.name} {g.parameter} {value}")

    @app.cli.command("async")
    @click.argument("value", callback=parameter)
    async def awaiting(value: str) -> None:
        await asyncio.sleep(0)
        click.echo(f"{current_app.name} {g.parameter} {value}")
        assert click.get_current_context().params == {"value": "x"}
        g.late = True

    @app.cli.group()
    def sub() -> None: ...

    @sub.command()
    async def deep() -> None:
        click.echo(f"deep in {current_app.name}")

    group = FlaskGroup(create_app=lambda: app)
    assert invoke(group, "plain", "x").output == "app app x\n"
    assert invoke(group, "async", "x").output == "app app x\n"
    assert invoke(group, "sub", "deep").output == "deep in app\n"
    assert ended == [None, None, None]


def test_async_commands_share_a_loop_and_write_back_their_context(colour: type[t.Any]) -> None:
    app, loops = colour("app"), []

    @app.cli.group(chain=True)
    async def steps() -> None:
        loops.append(asyncio.get_running_loop())

    @steps.command()
    async def first() -> None:
        loops.append(asyncio.get_running_loop())
        g.seen = "by first"

    @steps.command()
    def second() -> None:
        click.echo(g.seen)

    assert invoke(FlaskGroup(create_app=lambda: app), "steps", "first", "second").output == (
        "by first\n"
    )
    assert loops[0] is loops[1]


def test_async_command_without_the_app() -> None:
    group = AppGroup("group")

    @group.command(with_appcontext=False)
    async def alone() -> None:
        await asyncio.sleep(0)
        click.echo(bool(current_app))

    @group.command(with_appcontext=False)
    async def misused() -> None:
        raise click.UsageError("not like that")

    assert invoke(group, "alone").output == "False\n"
    result = invoke(group, "misused")
    assert result.exit_code == 2
    assert "Usage: group misused" in result.output and "not like that" in result.output


async def test_async_command_invoked_where_a_loop_runs(colour: type[t.Any]) -> None:
    app = colour("app")

    @app.cli.command()
    async def awaiting() -> None:
        await asyncio.sleep(0)
        click.echo(f"{current_app.name} {click.get_current_context().info_name}")

    assert invoke(FlaskGroup(create_app=lambda: app), "awaiting").output == "app awaiting\n"


async def test_callback_called_where_a_loop_runs() -> None:
    group = AppGroup("group")

    @group.command(with_appcontext=False)
    async def alone() -> int:
        return 42

    assert t.cast(t.Any, alone.callback)() == 42


def test_loose_command_finds_its_app() -> None:
    @click.command()
    @with_appcontext
    async def loose() -> None:
        click.echo(current_app.name)

    assert invoke(loose, obj=ScriptInfo(create_app=lambda: Flask("given"))).output == "given\n"
    write("app.py", "from quartish import Flask; app = Flask('found')")
    assert invoke(loose).output == "found\n"


def test_loader_that_knows_no_app() -> None:
    with pytest.raises(click.UsageError, match="Start this command from a FlaskGroup"):
        AppLoader().load_app()


def test_blueprint_commands(colour: type[t.Any]) -> None:
    app = colour("app")
    blueprint = Blueprint("blue", __name__)

    @blueprint.cli.command()
    async def name() -> None:
        click.echo(f"blue in {current_app.name}")

    app.register_blueprint(blueprint)
    assert app.test_cli_runner().invoke(args=["blue", "name"]).output == "blue in app\n"


def test_groups_have_the_names_of_both_frameworks() -> None:
    assert FlaskGroup is QuartGroup is QuartishGroup


def test_group_with_parameters_and_settings_of_its_own() -> None:
    @click.group(
        cls=FlaskGroup,
        create_app=lambda: Flask("app"),
        params=[click.Option(["--name"])],
        context_settings={"auto_envvar_prefix": "MINE"},
        add_default_commands=False,
        add_version_option=False,
    )
    def group(name: str) -> None:
        click.echo(f"{name} {os.environ.get('FLASK_DEBUG')}")

    @group.command()
    def show() -> None:
        click.echo(current_app.debug)

    os.environ["MINE_NAME"] = "from mine"
    os.environ["QUARTISH_NAME"] = "not asked for"
    assert invoke(group, "--debug", "show").output == "from mine 1\nTrue\n"
    os.environ["QUARTISH_DEBUG"] = "1"
    assert invoke(group, "--no-debug", "show").output == "from mine 0\nFalse\n"
    assert invoke(group, "run").exit_code == 2
    assert invoke(group, "--version").exit_code == 2


def test_help_shows_commands_of_the_app_and_why_it_did_not_load() -> None:
    write(
        "app.py",
        """
        from quartish import Flask
        app = Flask("app")
        app.cli.command("mine")(print)
        app.teardown_appcontext(print)  # help needs no context
        """,
    )
    output = invoke(cli, "--help").output
    assert "  mine" in output and not output.endswith("None\n")
    os.environ["FLASK_APP"] = "nowhere"
    result = invoke(cli)
    assert "Could not import 'nowhere'" in result.output
    assert "  routes" in result.output
    write("broken.py", "1 / 0")
    os.environ["QUARTISH_APP"] = "broken"  # is asked before FLASK_APP
    assert "ZeroDivisionError" in invoke(cli, "--help").output
    assert "ZeroDivisionError" not in invoke(cli, "--version").output


def test_unknown_command() -> None:
    result = invoke(cli, "missing")
    assert result.exit_code == 2
    assert "Could not locate an application" in result.output
    assert "No such command 'missing'" in result.output


class EntryPoint:
    def __init__(self, name: str, loaded: list[str]) -> None:
        self.name, self.loaded = name, loaded

    def load(self) -> click.Command:
        self.loaded.append(self.name)
        return click.Command(self.name, callback=lambda: click.echo(f"plugin {self.name}"))


def test_plugins_for_flask_wait_until_flask_means_quartish(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    monkeypatch.setattr(
        importlib.metadata,
        "entry_points",
        lambda group: [EntryPoint(group.partition(".")[0], loaded)],
    )
    monkeypatch.delitem(sys.modules, "flask", raising=False)
    monkeypatch.delitem(sys.modules, "quart", raising=False)
    app: t.Any = Flask("app")

    def group() -> FlaskGroup:
        return FlaskGroup(create_app=lambda: app)

    assert invoke(group(), "quartish").output == "plugin quartish\n"
    assert invoke(group(), "flask").exit_code == 2
    assert "flask" not in loaded

    def create_app() -> t.Any:  # an app module that says `import quartish.as_flask`
        monkeypatch.setitem(sys.modules, "flask", sys.modules["quartish"])
        return app

    late = FlaskGroup(create_app=create_app)
    assert invoke(late, "flask").output == "plugin flask\n"
    assert {"flask", "quartish"} <= set(late.list_commands(click.Context(late)))
    assert loaded.count("flask") == 1


# --- Options ----------------------------------------------------------------------------------


def run_options(*args: str) -> dict[str, t.Any]:
    group = click.Context(cli, info_name="quartish", auto_envvar_prefix="FLASK")
    return run_command.make_context("run", list(args), parent=group).params


def test_options_from_the_environment() -> None:
    assert (run_options()["host"], run_options()["port"]) == ("127.0.0.1", 5000)
    os.environ["QUART_RUN_PORT"] = "3"
    assert run_options()["port"] == 3
    os.environ["FLASK_RUN_PORT"] = "2"
    assert run_options()["port"] == 2
    os.environ["QUARTISH_RUN_PORT"] = "1"
    assert run_options()["port"] == 1
    assert run_options("--port", "0")["port"] == 0
    os.environ["QUARTISH_RUN_RELOAD"] = "1"
    assert run_options()["reload"] is True


def test_separated_paths() -> None:
    write("a", "")
    write("b", "")
    assert run_options("--extra-files", os.pathsep.join("ab"))["extra_files"] == ["a", "b"]


def test_certificate_options(monkeypatch: pytest.MonkeyPatch) -> None:
    file = str(write("cert.pem", ""))
    assert run_options("--key", file, "--cert", file)["cert"] == (file, file)
    assert run_options("--certfile", file, "--keyfile", file)["cert"] == (file, file)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    monkeypatch.setitem(sys.modules, "place", module(Context=context))
    assert run_options("--cert", "place.Context")["cert"] is context

    monkeypatch.setitem(sys.modules, "cryptography", ModuleType("cryptography"))
    assert run_options("--cert", "ADHOC")["cert"] == "adhoc"

    for args, message in [
        (("--cert", file), "Required when using"),
        (("--key", file), "must also be specified"),
        (("--key", file, "--cert", "adhoc"), "must be a file too"),
        (("--key", file, "--cert", "place.Context"), "must be a file too"),
        (("--cert", "missing"), "does not exist"),
        (("--cert", "place"), "does not exist"),
    ]:
        with pytest.raises(click.BadParameter, match=message):
            run_options(*args)

    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(click.BadParameter, match="cryptography"):
        run_options("--cert", "adhoc")


def test_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "quartish" and missing:
            raise importlib.metadata.PackageNotFoundError(name)
        return f"{name}-version"

    monkeypatch.setattr(importlib.metadata, "version", version)
    missing = False
    first, second, third = invoke(cli, "--version").output.splitlines()
    assert first.startswith("Python 3.")
    assert second == "quartish quartish-version, with the interface of Flask 3.1.3 and Quart 0.22.0"
    assert third == "Werkzeug werkzeug-version"
    missing = True
    assert "quartish (not installed)" in invoke(cli, "--version").output


# --- run --------------------------------------------------------------------------------------


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> dict[str, t.Any]:
    """What the `run` command asked the server for."""
    asked: dict[str, t.Any] = {}

    def run(app: t.Any, host: str, port: int, **options: t.Any) -> None:
        asked.update(options, app=app, host=host, port=port)

    monkeypatch.setattr("quartish._cli.run.run", run)
    return asked


def test_run(served: dict[str, t.Any], colour: type[t.Any]) -> None:
    app = colour("app")
    group = FlaskGroup(create_app=lambda: app)
    assert " * Debug mode: off" in invoke(group, "run", "-h", "::1", "-p", "1").output
    assert (served["app"], served["host"], served["port"]) == (app, "::1", 1)
    assert (served["debug"], served["use_reloader"], served["use_debugger"]) == (False,) * 3
    invoke(group, "--debug", "run")
    assert (served["debug"], served["use_reloader"], served["use_debugger"]) == (True,) * 3
    invoke(group, "run", "--debug", "--no-reload", "--no-debugger")
    assert (served["debug"], served["use_reloader"], served["use_debugger"]) == (True, False, False)
    assert app.config["DEBUGGER"] is False


def test_run_shows_all_of_a_traceback(served: dict[str, t.Any], colour: type[t.Any]) -> None:
    os.environ.pop("QUARTISH_TRACEBACKS", None)
    group = FlaskGroup(create_app=lambda: colour("app"))
    invoke(group, "run", "--tracebacks", "full")
    assert os.environ["QUARTISH_TRACEBACKS"] == "full"
    assert invoke(group, "run", "--tracebacks", "some").exit_code == 2


def test_run_says_what_is_served(served: dict[str, t.Any]) -> None:
    write("place.py", "from quartish import Flask; app = Flask('x'); app.run()")
    output = invoke(cli, "--app", "place:app", "run").output
    assert " * Ignoring a call to 'app.run()'" in output
    assert " * Serving quartish app 'place:app'" in output


def test_calls_of_app_run_are_ignored_only_under_a_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert not is_running_from_cli()
    os.environ["FLASK_RUN_FROM_CLI"] = "true"
    assert is_running_from_cli()
    assert "'__main__'" not in capsys.readouterr().out
    os.environ["WERKZEUG_RUN_MAIN"] = "true"  # it was said before the reload
    assert is_running_from_cli()
    assert capsys.readouterr().out == ""


def test_run_fails_with_an_app_that_does_not_load(served: dict[str, t.Any]) -> None:
    write("app.py", "1 / 0")
    with pytest.raises(ZeroDivisionError):
        invoke(cli, "run")
    assert served == {}


@pytest.mark.parametrize(("value", "coloured"), [("", True), ("1", False)])
def test_colours_are_left_out_where_they_are_not_wanted(value: str, coloured: bool) -> None:
    """https://no-color.org: where it is set and not empty. Where there is no terminal there are
    none in any case; `color` is what the runner says in its place."""
    os.environ["NO_COLOR"] = value

    @click.command("paint")
    def paint() -> None:
        click.secho("red", fg="red")

    group = FlaskGroup(create_app=lambda: Flask("app"))
    group.add_command(paint)
    output = CliRunner().invoke(group, ["paint"], color=None if value else True).output  # type: ignore[arg-type]
    assert ("\x1b[" in output) is coloured
    assert "\x1b[" not in CliRunner().invoke(group, ["paint"]).output


def test_run_loads_no_app_where_a_child_will(served: dict[str, t.Any]) -> None:
    write("app.py", "1 / 0")
    assert invoke(cli, "run", "--debug").exit_code == 0
    assert (served["use_reloader"], served["workers"]) == (True, 1)
    assert invoke(cli, "run", "--workers", "2").exit_code == 0
    assert (served["use_reloader"], served["workers"]) == (False, 2)
    assert invoke(cli, "run", "--debug", "--workers", "2").exit_code == 0
    assert (served["use_reloader"], served["workers"]) == (False, 2)
    refused = invoke(cli, "run", "--reload", "--workers", "2")
    assert refused.exit_code == 2 and "exclude each other" in refused.output


# --- shell and routes -------------------------------------------------------------------------


def test_routes(colour: type[t.Any]) -> None:
    app = colour("app", static_folder=None)
    app.add_url_rule("/b/<int:x>", endpoint="one", methods=["GET", "POST"])
    app.add_url_rule("/a", endpoint="two", methods=["DELETE"])
    app.add_websocket("/ws", endpoint="three", view_func=print)
    group = FlaskGroup(create_app=lambda: app)
    assert invoke(group, "routes").output.splitlines() == [
        "Endpoint  Methods    Rule      ",
        "--------  ---------  ----------",
        "one       GET, POST  /b/<int:x>",
        "three     WEBSOCKET  /ws       ",
        "two       DELETE     /a        ",
    ]
    assert "GET, HEAD, OPTIONS, POST" in invoke(group, "routes", "--all-methods").output

    def order(sort: str) -> list[str]:
        lines = invoke(group, "routes", "-s", sort).output.splitlines()[2:]
        return [line.split()[0] for line in lines]

    assert order("rule") == ["two", "one", "three"]
    assert order("methods") == ["two", "one", "three"]
    matched = [rule.endpoint for rule in app.url_map.iter_rules()]
    assert order("match") == order("domain") == matched


@pytest.mark.parametrize("host_matching", [True, False])
def test_routes_with_domains(host_matching: bool) -> None:
    app: t.Any = Flask("app", static_folder=None, host_matching=host_matching)
    key, title = ("host", "Host") if host_matching else ("subdomain", "Subdomain")
    app.add_url_rule("/a", endpoint="a", **{key: "z"})
    app.add_url_rule("/b", endpoint="b", **{key: "y"})
    output = invoke(FlaskGroup(create_app=lambda: app), "routes", "-s", "domain").output
    lines = [line.split() for line in output.splitlines()]
    assert lines[0] == ["Endpoint", "Methods", title, "Rule"]
    assert [line[2] for line in lines[2:]] == ["y", "z"]


def test_shell(colour: type[t.Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sys, "__interactivehook__", raising=False)
    app = colour("shelled")

    async def fetch() -> int:
        await asyncio.sleep(0)
        return 42

    app.shell_context_processor(lambda: {"fetch": fetch})
    os.environ["PYTHONSTARTUP"] = str(write("startup.py", "started = 'yes'"))
    typed = """
    started
    await fetch()
    x = await fetch() + 1
    x
    app.name
    await nothing()
    async def f(): return 'defined here'

    await f()
    g
    raise SystemExit(3)
    """
    group = FlaskGroup(create_app=lambda: app)
    result = CliRunner().invoke(group, ["shell"], input=textwrap.dedent(typed).lstrip())
    assert result.exit_code == 3
    for expected in ("App: shelled", "'yes'", "42", "43", "'shelled'", "NameError", "'defined"):
        assert expected in result.output, result.output


def test_shell_completes_its_own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    readline = pytest.importorskip("readline")
    hooked = []
    monkeypatch.setattr(sys, "__interactivehook__", lambda: hooked.append(True), raising=False)
    completers: list[t.Any] = []
    monkeypatch.setattr(readline, "set_completer", completers.append)
    app = Flask("app")
    app.shell_context_processor(lambda: {"very_own_name": 1})
    result = invoke(FlaskGroup(create_app=lambda: app), "shell", input="")
    assert result.exit_code == 0 and hooked == [True]
    assert completers[-1]("very_own", 0) == "very_own_name"


# --- The program ------------------------------------------------------------------------------


def test_python_m() -> None:
    write("app.py", "from quartish import Quart; app = Quart('x', static_folder=None)")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "quartish", "routes"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "No routes were registered.\n", "")
