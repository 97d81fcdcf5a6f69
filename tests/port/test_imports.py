"""`quartish port`: imports, each form with what must stay as it is."""

from __future__ import annotations

import pytest

from quartish._port.runner import port
from quartish._port.runner import write
from tests.port._ported import Porting

FORMS = {
    "from": ("from flask import Flask, request", "from quartish import Flask, request"),
    "from, several lines": (
        "from flask import (  # all\n    Flask,\n    g as gg,\n)",
        "from quartish import (  # all\n    Flask,\n    g as gg,\n)",
    ),
    "from a module": (
        "from flask.json.provider import JSONProvider",
        "from quartish.json.provider import JSONProvider",
    ),
    "all names": ("from flask import *", "from quartish import *"),
    "the module": (
        "import flask\napp = flask.Flask(flask.__name__)",
        "import quartish\napp = quartish.Flask(quartish.__name__)",
    ),
    "the module, bare": (
        "import flask\nprint(flask, [flask], x=flask)",
        "import quartish\nprint(quartish, [quartish], x=quartish)",
    ),
    "a name of its own": ("import flask as f\nf.g.x = 1", "import quartish as f\nf.g.x = 1"),
    "a module in it": (
        "import flask.views\nflask.views.View",
        "import quartish.views\nquartish.views.View",
    ),
    "a module's own name": (
        "import flask.views as v\nv.View",
        "import quartish.views as v\nv.View",
    ),
    "among others": (
        "import os, flask, sys; flask.g",
        "import os, quartish, sys; quartish.g",
    ),
    "type checking": (
        "import typing as t\nif t.TYPE_CHECKING:\n    from flask.typing import ResponseReturnValue",
        "import typing as t\nif t.TYPE_CHECKING:\n"
        "    from quartish.typing import ResponseReturnValue",
    ),
    "in a function": (
        "def f():\n    import flask\n    return flask.g",
        "def f():\n    import quartish\n    return quartish.g",
    ),
    "if it is there": (
        "try:\n    import flask\nexcept ImportError:\n    flask = None",
        "try:\n    import quartish as flask\nexcept ImportError:\n    flask = None",
    ),
    "a parameter of that name": (
        "import flask\ndef f(flask): return flask",
        "import quartish as flask\ndef f(flask): return flask",
    ),
    "in an annotation": (
        'import flask\ndef f(r: "flask.Request"): ...',
        'import quartish as flask\ndef f(r: "flask.Request"): ...',
    ),
    "quartish is something else": (
        "import flask\nquartish = 1\nflask.g",
        "import quartish as flask\nquartish = 1\nflask.g",
    ),
    "the name of an attribute": (
        "import flask\nx.flask = f(flask=1).flask",
        "import quartish\nx.flask = f(flask=1).flask",
    ),
    "patched": (
        'from unittest.mock import patch\npatch("flask.g")',
        'from unittest.mock import patch\npatch("quartish.g")',
    ),
    "imported by name": (
        "import importlib\nimportlib.import_module('flask.json')",
        "import importlib\nimportlib.import_module('quartish.json')",
    ),
}
#: What says flask, and does not mean it.
NOT = {
    "a module beside it": "from .flask import x",
    "extensions' names": "import flaskr\nfrom flaskr.flask import x",
    "a string": 'name = "flask"\nprint("flask.g")',
    "a comment": "# import flask\nx = 1",
    "a name": "flask = 1\nprint(flask.real)",
    "flask.ext": "from flask.ext.login import x",
    "no patch": 'open("flask.json")',
}
QUART = {
    "from": ("from quart import Quart", "from quartish.quart import Quart"),
    "from a module": ("from quart.testing import *", "from quartish.quart.testing import *"),
    "the module": (
        "import quart\nquart.Quart(1)",
        "import quartish.quart as quart\nquart.Quart(1)",
    ),
    "its own name": ("import quart as q\nq.g", "import quartish.quart as q\nq.g"),
    "a module in it": (
        "import quart.json\nquart.json",
        "import quartish.quart as quart, quartish.quart.json\nquart.json",
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form(ported: Porting, form: str) -> None:
    before, after = FORMS[form]
    project = ported(before + "\n")
    assert project.after["app.py"] == after + "\n"
    assert not project.again()


@pytest.mark.parametrize("form", NOT)
def test_what_stays(ported: Porting, form: str) -> None:
    assert not ported(NOT[form] + "\n").report.edited


@pytest.mark.parametrize("form", QUART)
def test_each_form_of_quart(ported: Porting, form: str) -> None:
    before, after = QUART[form]
    project = ported(before + "\n")
    assert project.after["app.py"] == after + "\n"
    assert not project.again()


def test_a_module_of_the_project_called_flask_stays(ported: Porting) -> None:
    assert not ported({"flask.py": "x = 1\n", "app.py": "import flask\nflask.x\n"}).report.edited


def test_line_ends_marks_and_encodings_stay(ported: Porting) -> None:
    project = ported({"app.py": "x = 1\n"})
    path = project.root / "app.py"
    for data in (
        b"import flask\r\n\r\nx = 'a'  # b\r\n",
        b"\xef\xbb\xbfimport flask\nx = 1",
        b"# -*- coding: latin-1 -*-\nimport flask\nx = '\xe9'\n",
        b"if 1:\n\timport flask\n\tflask.g\n",
    ):
        path.write_bytes(data)
        write(port(project.root, project.options))
        assert path.read_bytes() == data.replace(b"flask", b"quartish")


def test_a_name_that_others_take_is_kept(ported: Porting) -> None:
    files = {
        "shop/__init__.py": "",
        "shop/views.py": "import flask\nflask.g\n",
        "shop/other.py": "import flask\nflask.g\n",
        "tests/test_views.py": 'from unittest.mock import patch\npatch("shop.views.flask")\n',
    }
    project = ported(files)
    assert project.after["shop/views.py"] == "import quartish as flask\nflask.g\n"
    assert project.after["shop/other.py"] == "import quartish\nquartish.g\n"


def test_extensions_get_flask_first(ported: Porting) -> None:
    files = {
        "shop/__init__.py": '"""The shop."""\n\nfrom shop.a import x\n',
        "shop/a.py": "from flask_login import LoginManager\n",
        "run.py": "from flask_cors import CORS\n",
        "plain.py": "import shop\n",
    }
    project = ported(files)
    line = "import quartish.as_flask  # noqa: F401  isort: skip (extensions import flask)"
    assert project.after["shop/__init__.py"] == f'"""The shop."""\n\n{line}\nfrom shop.a import x\n'
    assert project.after["run.py"] == f"{line}\nfrom flask_cors import CORS\n"
    assert {one.file for one in project.report.edited} == {"shop/__init__.py", "run.py"}
    assert not project.again()


def test_names_that_quartish_lacks_are_told(ported: Porting) -> None:
    project = ported("from flask import Flask, nothing\nfrom flask.globals import g, _nothing\n")
    assert project.found("no-such-name") == [1, 2]
