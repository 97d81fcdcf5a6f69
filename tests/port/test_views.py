"""`quartish port`: which views become `async def`, and which must not."""

from __future__ import annotations

from textwrap import dedent

import pytest

from tests.port._ported import Porting

HEAD = "from flask import Flask, request, g, render_template\n\napp = Flask(__name__)\n"
#: Views that are known not to block.
TURNED = {
    "a value": "@app.get('/')\ndef view():\n    return 'x'",
    "the request": "@app.post('/')\ndef view():\n    return request.form['a'].strip().lower()",
    "a loop": "@app.get('/')\ndef view():\n    return {k: int(v) for k, v in request.args.items()}",
    "a helper": "def helper(x):\n    return x.upper()\n\n@app.get('/')\ndef view():\n"
    "    return helper('a')",
    "a class of the project": "class C:\n    def m(self):\n        return 1\n\n@app.get('/')\n"
    "def view():\n    return str(C().m())",
    "a template": "@app.get('/<name>')\ndef view(name):\n"
    "    return render_template('x.html', name=name, n=len(name))",
    "add_url_rule": "def view():\n    return ''\n\napp.add_url_rule('/', view_func=view)",
    "another route": "@app.route('/a')\n@app.route('/b')\ndef view():\n    return ''",
    "a generator": "@app.get('/')\ndef view():\n    def rows():\n        yield 'a'\n"
    "    return rows()",
    "awaits of others": "async def other(): ...\n\n@app.get('/')\ndef view():\n    return ''",
    "a response's cookie": "@app.get('/')\ndef view():\n    r = app.make_response('x')\n"
    "    r.set_cookie('a', 'b')\n    return r",
    "a cast": "import typing\nreq = typing.cast('X', request)\n@app.get('/')\ndef view():\n"
    "    return req.args.get('a')",
    "an optional parameter": "import typing as t\n"
    "def helper(x: t.Optional[str], y: 'dict[str, int]'):\n"
    "    return str(x.strip()) + str(y.get('a'))\n"
    "@app.get('/')\ndef view():\n"
    "    return helper('a', {})",
    "strings of a list": "@app.get('/')\ndef view():\n"
    "    return ''.join(p.strip() for i, p in enumerate(request.args['a']) if not p.isspace())",
    "a part of the path": "@app.get('/<name>')\ndef view(name):\n    return name.replace('a', 'b')",
    "a decorator that registers": "ALL = []\ndef listed(f):\n    ALL.append(f)\n    return f\n\n"
    "@app.get('/')\n@listed\ndef view():\n    return ''",
}
#: Views that block, that may, or that something calls without waiting: and a word of why.
LEFT = {
    "sleep": ("import time\n@app.get('/')\ndef view():\n    time.sleep(1)", "time.sleep"),
    "by another name": (
        "from time import sleep as s\n@app.get('/')\ndef view():\n    s(1)",
        "time.sleep",
    ),
    "requests": ("import requests\n@app.get('/')\ndef view():\n    requests.get('x')", "network"),
    "a session": (
        "import requests\ns = requests.Session()\n@app.get('/')\ndef view():\n    s.get('x')",
        "network",
    ),
    "a file": ("@app.get('/')\ndef view():\n    return open('x').read()", "a file"),
    "a path": (
        "from pathlib import Path\n@app.get('/')\ndef view():\n"
        "    return (Path('x') / 'y').read_text()",
        "a file",
    ),
    "a helper's": (
        "import sqlite3\ndef db():\n    return sqlite3.connect('x')\n@app.get('/')\ndef view():\n"
        "    return db().execute('x')",
        "a database",
    ),
    "what g holds": (
        "import redis\n@app.before_request\ndef connect():\n    g.r = redis.Redis()\n"
        "@app.get('/')\ndef view():\n    return g.r.get('x')",
        "Redis",
    ),
    "what nobody knows": (
        "import acme\n@app.get('/')\ndef view():\n    return acme.thing()",
        "nothing is known",
    ),
    "a parameter": (
        "def helper(x):\n    return x.get('a')\n@app.get('/')\ndef view():\n"
        "    return helper(request)",
        "nothing is known",
    ),
    "what a table holds": (
        "import acme\nALL = {'a': acme.x}\n@app.get('/')\ndef view():\n    return ALL['a']()",
        "nothing is known",
    ),
    "a callback": (
        "def key(x):\n    return open(x)\n@app.get('/')\ndef view():\n"
        "    return sorted('ab', key=key)",
        "a file",
    ),
    "a lock": (
        "import threading\nlock = threading.Lock()\n@app.get('/')\ndef view():\n"
        "    with lock:\n        return ''",
        "another thread",
    ),
    "a constructor": (
        "class C:\n    def __init__(self):\n        self.f = open('x')\n@app.get('/')\n"
        "def view():\n    C()",
        "a file",
    ),
    "a property": (
        "class C:\n    @property\n    def p(self):\n        return open('x')\nc = C()\n"
        "@app.get('/')\ndef view():\n    return c.p",
        "a file",
    ),
    "what may be a path": (
        "def helper(x):\n    x.replace('y')\n@app.get('/')\ndef view():\n    helper(g.path)",
        "nothing is known",
    ),
    "what may be a thread": (
        "import acme\nworker = acme.Worker()\n@app.get('/')\ndef view():\n    worker.join()",
        "nothing is known",
    ),
    "called": (
        "@app.get('/')\ndef view():\n    return ''\n\ndef other():\n    return view()",
        "calls it",
    ),
    "taken": ("@app.get('/')\ndef view():\n    return ''\n\nall = [view]", "something else"),
    "a wrapper": (
        "import functools\ndef wrap(f):\n    @functools.wraps(f)\n    def inner():\n"
        "        return f()\n    return inner\n@app.get('/')\n@wrap\ndef view():\n    return ''",
        "its decorator `wrap`",
    ),
    "a wrapper that looks": (
        "def wrap(f):\n    def inner():\n        return f() + 'x'\n    return inner\n"
        "@app.get('/')\n@wrap\ndef view():\n    return ''",
        "uses what the view returns",
    ),
    "an annotated wrapper that looks": (
        "from typing import Callable, Any\ndef wrap(f: Callable[[], Any]) -> Any:\n"
        "    def inner():\n        return [f()]\n    return inner\n"
        "@app.get('/')\n@wrap\ndef view():\n    return ''",
        "uses what the view returns",
    ),
    "a wrapper of which the parameter is of a type": (
        "from typing import TypeVar\nF = TypeVar('F')\ndef wrap(f: F) -> F:\n"
        "    def inner():\n        return [f()]\n    return inner\n"
        "@app.get('/')\n@wrap\ndef view():\n    return ''",
        "nothing is known",
    ),
    "others' wrapper": (
        "from acme import wrap\n@app.get('/')\n@wrap\ndef view():\n    return ''",
        "its decorator `wrap`",
    ),
    "a hook": (
        "@app.before_request\ndef hook():\n    open('x')\n@app.get('/')\ndef view():\n"
        "    return ''",
        "its hook `hook`",
    ),
    "a generator": ("@app.get('/')\ndef view():\n    yield ''", "a generator"),
    "a template's function": (
        "@app.template_global()\ndef f():\n    return open('x')\n@app.get('/')\ndef view():\n"
        "    return render_template('x')",
        "whose `f`",
    ),
    "what a template gets": (
        "import acme\n@app.get('/')\ndef view():\n    return render_template('x', a=acme.thing)",
        "gives a template",
    ),
    "twice": (
        "if 1:\n    @app.get('/')\n    def view():\n        return ''\nelse:\n"
        "    def view():\n        return ''",
        "more than once",
    ),
    "a password": (
        "from werkzeug.security import check_password_hash as c\n@app.get('/')\ndef view():\n"
        "    return str(c('a', 'b'))",
        "processor",
    ),
    "an upload": ("@app.get('/')\ndef view():\n    request.files['a'].save('x')", "a file"),
    "the user": (
        "from flask_login import current_user\n@app.get('/')\ndef view():\n"
        "    return current_user.name",
        "loads the user",
    ),
}


@pytest.mark.parametrize("kind", TURNED)
def test_turned(ported: Porting, kind: str) -> None:
    project = ported(HEAD + TURNED[kind] + "\n")
    assert project.turned() == ["view"]
    assert "async def view(" in project.after["app.py"]
    assert project.after["app.py"].count("async def") == 1 + (kind == "awaits of others")
    assert not project.again()


@pytest.mark.parametrize("kind", LEFT)
def test_left(ported: Porting, kind: str) -> None:
    code, why = LEFT[kind]
    project = ported(HEAD + code + "\n")
    assert project.turned() == []
    assert "async def" not in project.after["app.py"]
    assert why in project.view("view").why
    assert not project.again()


BREAK = (
    "called",
    "taken",
    "a wrapper that looks",
    "an annotated wrapper that looks",
    "a wrapper of which the parameter is of a type",
    "others' wrapper",
    "a generator",
    "twice",
)


@pytest.mark.parametrize("kind", LEFT)
def test_all_views(ported: Porting, kind: str) -> None:
    """Asked for, all are turned but those that would not work."""
    project = ported(HEAD + LEFT[kind][0] + "\n", every=True)
    assert project.turned() == ([] if kind in BREAK else ["view"])


def test_no_views(ported: Porting) -> None:
    project = ported(HEAD + TURNED["a value"] + "\n", views=False)
    assert project.turned() == []


def test_tests_that_call_a_view(ported: Porting) -> None:
    view = HEAD + "@app.get('/')\ndef view():\n    return ''\n"
    call = "from app import view\n\n{}def test_view():\n    assert {}view() == ''\n"
    for words, turned in ((("", ""), []), (("async ", "await "), ["view"])):
        project = ported({"app.py": view, "tests/test_app.py": call.format(*words)})
        assert project.turned() == turned


def test_a_view_that_calls_a_view_awaits_it(ported: Porting) -> None:
    code = """
    @app.get('/')
    def index():
        return ''

    @app.get('/home')
    def home():
        return index() + "x".join([index() for _ in range(2)])
    """
    project = ported(HEAD + dedent(code))
    assert project.turned() == ["index", "home"]
    assert project.changed()[-1] == (
        '    return await index() + "x".join([await index() for _ in range(2)])'
    )
    project = ported(HEAD + dedent(code).replace("[index() for _ in range(2)]", "map(index, 'a')"))
    assert project.turned() == ["home"]  # which calls the other as it is
    assert "await" not in project.after["app.py"]


def test_views_of_another_file(ported: Porting) -> None:
    files = {
        "src/shop/__init__.py": "from flask import Flask\nfrom .views import bp, other\n\n\n"
        "def create_app():\n    app = Flask(__name__)\n    app.register_blueprint(bp)\n"
        "    app.add_url_rule('/other', view_func=other)\n\n    @app.route('/inner')\n"
        "    def inner():\n        return ''\n\n    return app\n",
        "src/shop/views.py": "from flask import Blueprint\nfrom shop import db\n\n"
        "bp = Blueprint('shop', __name__)\n\n\n@bp.get('/')\ndef good():\n    return ''\n\n\n"
        "@bp.get('/rows')\ndef bad():\n    return db.get().execute('')\n\n\n"
        "def other():\n    return ''\n",
        "src/shop/db.py": "import sqlite3\nfrom flask import g\n\n\ndef get():\n"
        "    if 'db' not in g:\n        g.db = sqlite3.connect('x')\n    return g.db\n",
    }
    project = ported(files)
    assert project.turned() == ["inner", "good", "other"]
    assert "sqlite3.connect" in project.view("bad").why


def test_class_views(ported: Porting) -> None:
    code = """
    from flask.views import MethodView

    class Base(MethodView):
        def rows(self):
            return open("x")

    class Good(Base):
        def get(self):
            return self.name()

        def name(self):
            return "x"

    class Bad(Base):
        def get(self):
            return self.rows()

    app.add_url_rule("/good", view_func=Good.as_view("good"))
    """
    project = ported(HEAD + dedent(code))
    views = {view.line: view.turned for view in project.report.views}
    assert list(views.values()) == [True, False]


@pytest.mark.parametrize(
    ("decorators", "turned", "every"),
    [
        ("[same]", True, True),
        ("(factory(1), same)", True, True),
        ("[same, passing]", False, True),
        ("[looking]", False, False),
        ("[acme.wrap]", False, False),
    ],
)
def test_decorators_of_a_class(ported: Porting, decorators: str, turned: bool, every: bool) -> None:
    code = f"""
    import acme
    from flask.views import MethodView

    def same(f):
        return f

    def factory(n):
        def wrap(f):
            return f
        return wrap

    def passing(f):
        def inner(*a):
            return f(*a)
        return inner

    def looking(f):
        def inner(*a):
            return f(*a) + "x"
        return inner

    class Class(MethodView):
        decorators = {decorators}

        def get(self):
            return ""
    """
    assert bool(ported(HEAD + dedent(code)).turned()) is turned
    assert bool(ported(HEAD + dedent(code), every=True).turned()) is every


def test_a_class_view_that_another_calls_stays(ported: Porting) -> None:
    code = """
    from flask.views import MethodView

    class Base(MethodView):
        def get(self):
            return ""

    class Direct(Base):
        def get(self):
            def inner():
                return {}.get()
            return inner()
    """
    for call in ("super()", "super(Direct, self)"):
        project = ported(HEAD + dedent(code.format(call)))
        # The second may be: it calls the first as it is.
        assert [view.turned for view in project.report.views] == [False, True]


def test_methods_are_looked_up_in_pythons_order(ported: Porting) -> None:
    code = """
    from flask.views import MethodView

    class Top(MethodView):
        def post(self):
            return ""

    class Left(Top):
        pass

    class Right(MethodView):
        def post(self):
            return open("x")

    class Both(Left, Right):
        def post(self):
            return super().post()
    """
    project = ported(HEAD + dedent(code))
    assert [view.turned for view in project.report.views] == [True, False, True]
    assert "await super().post()" in project.after["app.py"]


def test_hooks_of_other_blueprints_are_no_matter(ported: Porting) -> None:
    code = """
    from flask import Blueprint

    one = Blueprint("one", __name__)
    two = Blueprint("two", __name__)

    @one.before_request
    def hook():
        open("x")

    @one.get("/")
    def first():
        return ""

    @two.get("/")
    def second():
        return ""
    """
    assert ported(dedent(code)).turned() == ["second"]
    setting = "\napp = Flask('x')\napp.config['SYNC_HOOKS_IN_THREAD'] = True\n"
    code = "from flask import Flask\n" + dedent(code) + setting
    assert ported(code).turned() == ["first", "second"]


def test_what_is_no_view(ported: Porting) -> None:
    code = """
    import pytest

    class Client:
        def get(self, x): ...

    client = Client()

    @client.get("x")
    def no_view(): ...

    @pytest.fixture
    def app(): ...
    """
    assert not ported(code).report.views


SLEEP = """
import time
from flask import Flask

app = Flask(__name__)


def pause(n):
    time.sleep(n)


@app.get("/")
def view():
    pause(1)
    time.sleep(2)  # short
    return ""
"""


def test_sleep_is_rewritten_when_asked(ported: Porting) -> None:
    assert ported(SLEEP).turned() == []
    project = ported(SLEEP, rewrite=["sleep"])
    assert project.turned() == ["view"]
    assert project.changed() == [
        "import asyncio",
        "from quartish import Flask",
        "async def pause(n):",
        "    await asyncio.sleep(n)",
        "async def view():",
        "    await pause(1)",
        "    await asyncio.sleep(2)  # short",
    ]
    assert not project.again()


@pytest.mark.parametrize(
    "other", ["def other():\n    pause(1)", "table = [pause]", "x = [(lambda: pause(1))]"]
)
def test_sleep_stays_where_somebody_would_not_wait(ported: Porting, other: str) -> None:
    project = ported(f"{SLEEP}\n{other}\n", rewrite=["sleep"])
    if other.startswith("def"):
        assert project.turned() == []  # a thread may run `other`
    assert "def pause(n):\n    time.sleep(n)" in project.after["app.py"]
    assert "async def pause" not in project.after["app.py"]
    assert not project.again()


def test_the_project_extends_the_table(ported: Porting) -> None:
    code = HEAD + "import acme, ours\n\n@app.get('/')\ndef view():\n    acme.ask()\n    ours.f()\n"
    settings = '[tool.quartish.port]\nharmless = ["ours.f"]\n'
    assert ported(code).turned() == []
    more = '[tool.quartish.port]\nharmless = ["ours", "acme"]\n'
    assert ported({"app.py": code, "pyproject.toml": more}).turned() == ["view"]
    more = settings + '[tool.quartish.port.blocking]\n"acme.ask" = "acme.ask_async"\n'
    project = ported({"app.py": code, "pyproject.toml": more})
    [finding] = [one for one in project.report.findings if one.rule == "blocks-thread"]
    assert "acme.ask_async" in finding.cure
