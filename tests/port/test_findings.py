"""`quartish port`: what a person should look at, each beside what must not be told."""

from __future__ import annotations

import pytest

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
PAIRS = [(rule, *pair) for rule, pairs in CASES.items() for pair in pairs]


@pytest.mark.parametrize(("rule", "code", "twin"), PAIRS)
def test_each_rule(ported: Porting, rule: str, code: str, twin: str) -> None:
    last = 1 if rule == "unread" else code.count("\n") + 1
    if rule == "before-first-request":
        last -= 1
    assert last in ported(code + "\n").found(rule)
    assert not ported(twin + "\n").found(rule)
    assert not ported({"tests/test_x.py": code + "\n"}).found(rule) or rule in ("unread", "version")


def test_each_rule_has_its_case_and_its_place_in_the_report() -> None:
    rules = {rule.name for rule in RULES}
    assert rules <= CASES.keys()
    grouped = {name for _, names in GROUPS for name in names}
    assert CASES.keys() <= grouped
    assert all(rule.cure for rule in RULES)


def test_a_module_of_the_project_is_not_what_it_is_called(ported: Porting) -> None:
    files = {"gevent.py": "x = 1\n", "app.py": "import gevent\n"}
    assert not ported(files).found("green-threads")
