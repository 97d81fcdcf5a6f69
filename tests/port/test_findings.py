"""`quartish port`: what a person should look at, each beside what must not be told."""

from __future__ import annotations

import re
import typing as t

import pytest

from quartish._port.blocking import TABLE
from quartish._port.findings import RULES
from quartish._port.report import GROUPS
from tests.port._ported import Porting

APP = "from flask import Flask\napp = Flask(__name__)\n"
#: A rule -> code in whose last line it is found, and code in which it is not.
CASES = {
    "thread-local": [
        ("import threading\nx = threading.local()", "import threading\nx = threading.Thread()"),
        ("from threading import local\nx = local()", "def local(): ...\nx = local()"),
    ],
    "internals": [
        ("from flask import _request_ctx_stack", "from flask import request"),
        ("from flask.globals import _app_ctx_stack", "from flask.globals import app_ctx"),
    ],
    "flask-ext": [("from flask.ext.login import x", "from flask_login import x")],
    "wsgi-app": [
        (APP + "app.wsgi_app = f(app.wsgi_app)", APP + "x = app.wsgi_app"),
        ("def init(app):\n    app.wsgi_app = f(app.wsgi_app)", "wsgi_app = f(1)"),
    ],
    "wsgi-middleware": [
        (
            "from werkzeug.middleware.proxy_fix import ProxyFix\nx = ProxyFix(1)",
            "from quartish.middleware import ProxyFix\nx = ProxyFix(1)",
        )
    ],
    "before-first-request": [
        (APP + "@app.before_first_request\ndef f(): ...", APP + "@app.before_request\ndef f(): ...")
    ],
    "json-encoder": [
        (APP + "app.json_encoder = 1", APP + "app.json = 1"),
        ("from flask.json import JSONEncoder", "from json import JSONEncoder"),
    ],
    "green-threads": [
        ("import gevent.monkey", "import geventlike"),
        ("from eventlet import wsgi", "eventlet = 1"),
    ],
    "asgi-bridge": [
        ("from asgiref.wsgi import WsgiToAsgi", "from asgiref.sync import sync_to_async")
    ],
    "version": [
        ("import flask\nprint(flask.__version__)", "import jinja2\nprint(jinja2.__version__)"),
        (
            "from importlib.metadata import version\nversion('flask')",
            "from importlib.metadata import version\nversion('flask-login')",
        ),
    ],
    "app-run": [(APP + "app.run()", APP + "app.runs()\nx = 1\nx.run()")],
    "wsgi-server": [
        ("import waitress\nwaitress.serve(1)", "import uvicorn\nuvicorn.run(1)"),
        ("from cheroot import wsgi\nwsgi.Server(1)", "from cherry import wsgi\nwsgi.Server(1)"),
    ],
    "extension": [("import flask_login", "import flaskr"), ("import flask_unheard_of", "import x")],
    "production": [
        (APP + "app.config['SECRET_KEY'] = 'dev'", APP + "app.config['SECRET_KEY'] = secret()"),
        (APP + "app.config.from_mapping(DEBUG=True)", APP + "app.config.from_mapping(DEBUG=False)"),
    ],
    "unread": [("def (", "def f(): ...")],
    "blocks-thread": [
        (
            APP + "import time\n@app.get('/')\ndef f():\n    time.sleep(1)",
            APP + "import time\ndef no_view():\n    time.sleep(1)",
        )
    ],
    "blocks-loop": [
        (
            APP + "import time\n@app.get('/')\nasync def f():\n    time.sleep(1)",
            APP + "import asyncio\n@app.get('/')\nasync def f():\n    await asyncio.sleep(1)",
        ),
        (
            APP + "@app.get('/')\nasync def f():\n    return g()\ndef g():\n    return open('x')",
            APP + "from quartish.utils import run_sync\n@app.get('/')\nasync def f():\n"
            "    return await run_sync(g)()\ndef g():\n    return open('x')",
        ),
    ],
}
QUART = {"app.py": "from quart import Quart\napp = Quart(__name__)\n"}
ASKS = APP + "import requests\n@app.get('/')\ndef f():\n    return requests.get('x'{}).text\n"
#: A rule -> files and options by which it is found at a line of the last of them, and by which it
#: is not: those that are found in other files, or by an option.
MORE: dict[str, tuple[dict[str, str], dict[str, str], dict[str, t.Any], int]] = {
    "no-such-name": (
        {"app.py": "from flask import Flask, nothing\n"},
        {"app.py": "from flask import Flask, request\n"},
        {},
        1,
    ),
    "httpx": (
        {"app.py": ASKS.format("")},
        {"app.py": ASKS.format(", verify=False")},
        {"rewrite": ["httpx"]},
        6,
    ),
    "not-awaited": (
        {"app.py": "from flask import request\nx = lambda: request.form\n"},
        {"app.py": "from flask import request\nx = lambda: request.args\n"},
        {"colour": "awaitable"},
        2,
    ),
    "plain-tests": (
        {**QUART, "tests/test_app.py": "from quart import request\n"},
        {**QUART, "tests/test_app.py": "from app import app\n"},
        {"colour": "plain"},
        1,
    ),
    "server": (
        {"Procfile": "web: gunicorn -w 4 app:app\n"},
        {"Procfile": "web: hypercorn app:app\n"},
        {},
        1,
    ),
    "flask-env": ({".env": "A=1\nFLASK_ENV=x\n"}, {".env": "FLASK_DEBUG=1\n"}, {}, 2),
    "locked": (
        {"requirements.txt": "flask==3 --hash=sha256:00\n"},
        {"requirements.txt": "django==3 --hash=sha256:00\n"},
        {},
        1,
    ),
    "plugin": (
        {"pyproject.toml": '[project.entry-points."flask.commands"]\nx = "y:z"\n'},
        {"pyproject.toml": '[project.entry-points."quartish.commands"]\nx = "y:z"\n'},
        {},
        1,
    ),
}
PAIRS = [(rule, *pair) for rule, pairs in CASES.items() for pair in pairs]


@pytest.mark.parametrize(("rule", "code", "twin"), PAIRS)
def test_each_rule(ported: Porting, rule: str, code: str, twin: str) -> None:
    last = 1 if rule == "unread" else code.count("\n") + 1
    if rule == "before-first-request":
        last -= 1
    assert last in ported(code + "\n").found(rule)
    assert not ported(twin + "\n").found(rule)
    assert not ported({"tests/test_x.py": code + "\n"}).found(rule) or rule in ("unread", "version")


@pytest.mark.parametrize("rule", MORE)
def test_each_rule_of_other_files(ported: Porting, rule: str) -> None:
    files, twins, options, line = MORE[rule]
    assert ported(files, **options).found(rule) == [line]
    assert ported(twins, **options).found(rule) == []


def test_each_rule_has_its_cases_and_its_place_in_the_report() -> None:
    """There is no rule without code that it is shown to fire at, and code that it is not."""
    grouped = {name for _, names in GROUPS for name in names}
    assert CASES.keys() | MORE.keys() == grouped
    assert {rule.name for rule in RULES} <= CASES.keys()
    assert all(rule.cure for rule in RULES)
    assert all(pairs and all(code != twin for code, twin in pairs) for pairs in CASES.values())


def test_each_name_of_each_rule(ported: Porting) -> None:
    """Each path that a rule lists is found where it is met; a module of the project that is
    called like it is none."""
    lines: list[str] = []
    wanted: list[tuple[int, str]] = []
    for rule in RULES:
        for path in rule.paths:
            path = path.replace("?app.", "flask.Flask().").replace("?bp.", "flask.Blueprint().")
            kinds = rule.kinds.split()
            thing, _, name = path.removesuffix("*").rpartition(".")
            if "()" in path:
                lines.append(f"from flask import {thing.removeprefix('flask.').removesuffix('()')}")
                use = {"store": "X('x').{} = 1", "call": "X('x').{}()", "load": "X('x').{}"}
                klass = thing.removeprefix("flask.").removesuffix("()")
                lines.append(
                    use[next(kind for kind in kinds if kind in use)]
                    .format(name)
                    .replace("X(", f"{klass}(")
                )
            elif "import" in kinds:
                lines.append(f"from {thing} import {name}" if thing else f"import {name}")
            else:
                x = f"x{len(lines)}"
                lines.append(
                    f"from {thing} import {name} as {x}" if thing else f"import {name} as {x}"
                )
                lines.append(f"{x}.y()" if path.endswith("*") else f"{x}()")
            wanted.append((len(lines), rule.name))
    code = "\n".join(lines) + "\n"
    project = ported(code)
    for line, name in wanted:
        assert line in project.found(name), (name, lines[line - 1])
    roots = {line.split()[1].partition(".")[0] for line in lines if line[:4] in ("from", "impo")}
    own = {f"{root}/__init__.py": "" for root in roots}
    project = ported({"app.py": code, **own})
    assert not {f.rule for f in project.report.findings} & {rule.name for rule in RULES}


def test_each_entry_of_what_blocks(ported: Porting) -> None:
    """A view that calls it stays, for the reason that the table has; one that calls something of
    the project by the same names is turned."""
    code, twin = [APP], [APP]
    reasons: list[str] = []
    for number, entry in enumerate(TABLE):
        call = entry.path
        if call.startswith("builtins."):
            call = call.removeprefix("builtins.")
        root = call.partition(".")[0]
        call = re.sub(r"\(\)", "('x')", call).replace("[]", "['x']")
        head = "" if entry.path.startswith("builtins.") else f"    import {root}\n"
        if entry.path.count(".") and not set("([") & set(entry.path) and head:
            head = f"    import {entry.path.rpartition('.')[0]}\n"
        body = f"@app.get('/{number}')\ndef view{number}():\n"
        code.append(f"{body}{head}    return {call}('x')\n")
        twin.append(f"{body}    return own('x')\n")
        reasons.append(entry.waits)
    twin.append("def own(x):\n    return x\n")
    project = ported("\n".join(code))
    assert not project.found("unread")
    views = {view.name: view for view in project.report.views}
    assert len(views) == len(TABLE) > 250
    for number, waits in enumerate(reasons):
        view = views[f"view{number}"]
        assert not view.turned
        assert f"waits for {waits}" in view.why, (TABLE[number].path, view.why)
    assert len(ported("\n".join(twin)).turned()) == len(TABLE)


def test_a_module_of_the_project_is_not_what_it_is_called(ported: Porting) -> None:
    files = {"gevent.py": "x = 1\n", "app.py": "import gevent\n"}
    assert not ported(files).found("green-threads")
