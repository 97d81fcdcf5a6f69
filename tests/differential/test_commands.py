"""The command line on apps that are named in all ways, and `routes` of apps of all shapes: what
comes of it, as in Flask and Quart. The texts of errors are ours."""

from __future__ import annotations

import os
import random
import sys
import typing as t
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.differential import _awaiting
from tests.differential._beside import assert_same
from tests.differential._beside import Side
from tests.differential._beside import without

FACTORY = "def create_app(name='f', *, k=1):\n    return Flask(name)\n"
FILES = {
    "app.py": "app = Flask('a')\n@app.cli.command('hi')\ndef hi(): print(app.name, app.debug)\n",
    "wsgi.py": "application = Flask('w')\n",
    "factory.py": FACTORY,
    "make.py": "def make_app(): return Flask('m')\n",
    "two.py": "a = Flask('1'); b = Flask('2')\n",
    "none.py": "x = 1\n",
    "broken.py": "import nope_nope\n",
    "syntax.py": "def (\n",
    "raises.py": "raise ValueError('boom')\n",
    "args.py": "def create_app(a): return Flask(a)\n",
    "no_app.py": "def create_app(): return 5\n",
    "type_error.py": "def create_app():\n    [].x()\n",
    "pkg/__init__.py": "app = Flask('p')\n",
    "pkg/sub.py": "other = Flask('sub')\n",
    ".env": "FROM_ENV=1\n",
    "attribute.py": "class C:\n    app = Flask('in')\nobj = C()\ndef f(): return C.app\n",
}
APPS = [
    *(None, None, "app", "app.py", "app:app", "app:nope", "factory", "factory:create_app", "make"),
    *("factory:create_app('x')", "factory:create_app('x',k=2)", "factory:create_app(", "two:a"),
    *("factory:create_app(x)", "factory:create_app(1+1)", "make:make_app", "two", "none", "broken"),
    *(
        "syntax",
        "raises",
        "args",
        "args:create_app",
        "args:create_app('q')",
        "no_app",
        "type_error",
    ),
    *("no_app:create_app()", "pkg", "pkg.sub:other", "pkg/sub.py:other", "nope_mod", "nope/x.py"),
    *(
        "wsgi",
        "attribute:obj.app",
        "attribute:f()",
        "attribute:C.app",
        "",
        "app:",
        "./app.py",
        ":app",
    ),
    *("factory:create_app()()", "app:app.name"),
]
COMMANDS = [
    *(["hi"], ["hi"], ["routes"], ["--help"], ["routes", "--sort", "match"], ["nope"]),
    *(["routes", "--all-methods"], ["shell", "--help"], ["hi", "--x"], []),
]
OPTIONS = [[], [], [], ["--debug"], ["--no-debug"], ["-e", ".env"], ["--env-file", "nope.env"]]
ENVIRONS: list[dict[str, str]] = [
    *({}, {}, {"FLASK_DEBUG": "1"}, {"FLASK_DEBUG": "0"}, {"FLASK_SKIP_DOTENV": "1"}),
    *({"FLASK_APP": "app"}, {"FLASK_APP": "wsgi"}, {"FLASK_APP": "nope"}),
]
FOLDER = Path()


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    global FOLDER
    FOLDER = tmp_path_factory.mktemp("commands")
    for framework in ("flask", "quartish", "quart", "quartish.quart"):
        imported = "Quart as Flask" if framework.endswith("quart") else "Flask"
        for name, text in FILES.items():
            file = FOLDER / framework / name
            file.parent.mkdir(parents=True, exist_ok=True)
            begin = f"from {framework} import {imported}\n" if name.endswith(".py") else ""
            file.write_text(begin + text)


def run_commands(side: Side, r: random.Random) -> None:
    folder, cli = FOLDER / side.module.__name__, side.sub("cli").cli
    place, path, environ = Path.cwd(), [*sys.path], dict(os.environ)
    made = {name.partition(".")[0].partition("/")[0] for name in FILES}
    os.chdir(folder)
    try:
        for _ in range(3):
            for name in [name for name in sys.modules if name.partition(".")[0] in made]:
                del sys.modules[name]
            sys.path[:] = [str(folder), *path]
            app, command = r.choice(APPS), r.choice(COMMANDS)
            arguments = [*([] if app is None else ["--app", app]), *r.choice(OPTIONS), *command]
            kept = {k: v for k, v in environ.items() if not k.startswith(("FLASK", "QUART"))}
            os.environ.clear()
            prefix = "QUART" if side.module.__name__.endswith("quart") else "FLASK"
            said = {k.replace("FLASK", prefix): v for k, v in r.choice(ENVIRONS).items()}
            os.environ.update({**kept, **said})
            result = CliRunner().invoke(cli, arguments, prog_name="flask")
            side.tell(arguments, result.exit_code, type(result.exception).__name__)
            if not result.exit_code and command[:1] in (["hi"], ["routes"]):
                side.tell(result.output)
    finally:
        os.chdir(place)
        sys.path[:] = path
        os.environ.clear()
        os.environ.update(environ)


#: Of a command that is not there, Flask pushes a context to look for it.
without_signals = without("signal")


@pytest.mark.filterwarnings("ignore")
def test_commands_end_as_in_flask() -> None:
    assert_same(run_commands, 40, doors=(), departs=without_signals)


@pytest.mark.filterwarnings("ignore")
def test_commands_end_as_in_quart() -> None:
    _awaiting.assert_same(run_commands, 40, without_signals)


SORTS = ["endpoint", "methods", "domain", "rule", "match", "bad"]
MADE_WITH: list[dict[str, t.Any]] = [
    *({}, {"static_folder": "st"}, {"subdomain_matching": True}),
    {"host_matching": True, "static_host": "h", "static_folder": "st"},
]


def list_routes(side: Side, r: random.Random) -> None:
    app = side.app(**r.choice(MADE_WITH))
    for number in range(r.randrange(6)):
        rule, name = r.choice(["/", "/a", "/b/<int:x>", "/é", "/c/"]), r.choice("zam")
        methods = r.choice([None, ["GET", "POST"], ["PUT"], ["OPTIONS", "GET"], []])
        options = r.choice([{}, {"subdomain": "s"}])
        add = app.add_url_rule
        side.tried(add, f"{rule}{number}", f"{name}{number}", list, methods=methods, **options)
    if r.random() < 0.5:
        bp = side.module.Blueprint("bp", __name__, url_prefix="/bp")
        bp.add_url_rule("/q", "q", list)
        app.register_blueprint(bp, **r.choice([{}, {"subdomain": "t"}]))
    for arguments in ([], ["-s", r.choice(SORTS)], ["--all-methods"]):
        result = app.test_cli_runner().invoke(args=["routes", *arguments])
        side.tell(arguments, result.exit_code, result.output)


def test_routes_are_listed_as_in_flask() -> None:
    assert_same(list_routes, 40, doors=())
