"""What people reported of other tools that rewrite Python, and of moving from Flask to Quart: each
as a test of `quartish port`. The reports are named by repository and number."""

from __future__ import annotations

from textwrap import dedent

import pytest

from quartish._port.plan import Options
from quartish._port.runner import port
from quartish._port.runner import write
from tests.port._ported import Porting

HEAD = "import flask\nfrom flask import Flask, request\napp = Flask(__name__)\n"
#: Code that Python takes and libcst refuses, or crashes at.
REFUSED = {
    # Instagram/LibCST#930
    "a walrus in an index": "_ = {0: 1}\nx = _[_:=0] if 0 else 1",
    "a lambda without a space": "f = lambda*_:_",
    "else before a string": 'x = 1\ny = x if x else""if x else x',
    "return before parentheses": "def f():return()if 1 else 2",
    "a string of several lines": 'if 1:\n    """\n)"""',
    # Instagram/LibCST#829
    "tabs and spaces": "def foo(x):\n\t with x:\n\t\t pass",
    # Instagram/LibCST#446
    "a form feed in front": "class A:\n\x0c pass",
    # Instagram/LibCST#1095
    "while without a space": "while(False):\n    pass\nassert(True)",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_libcst_cannot_read_is_left_and_the_rest_ported(ported: Porting, kind: str) -> None:
    code = f"{HEAD}{REFUSED[kind]}\n\n@app.get('/')\ndef view():\n    return flask.g.x\n"
    project = ported(code)
    assert not project.report.failed and not project.found("unread")
    assert project.after["app.py"] == code.replace("flask", "quartish").replace(
        "def view", "async def view"
    )
    assert not project.again()


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
def test_ends_of_lines_in_strings_stay(ported: Porting, end: str) -> None:
    """asottile/pyupgrade#76, hadialqattan/pycln#202: a backslash before CRLF in a string."""
    text = 'import flask\nx = f("""\\\n    a\n    """, flask.g)\n'.replace("\n", end)
    project = ported({"app.py": "x = 1\n"})
    path = project.root / "app.py"
    path.write_bytes(text.encode())
    write(port(project.root, Options()))
    assert path.read_bytes() == text.replace("flask", "quartish").encode()


def test_emoji_beside_names_in_a_long_f_string(ported: Porting) -> None:
    """asottile/pyupgrade#949: positions after an emoji were those of bytes."""
    code = (
        'import flask\nx = f"""\n<p style="width: 100%">🔗 This is {flask.request.path}\n'
        "é {flask.g.y!r:>{flask.g.w}} flask {{flask}}</p>\n{'🔗' + f'{flask.g.z}'}\"\"\"\n"
    )
    project = ported(code)
    after = project.after["app.py"]
    assert after == code.replace("flask.", "quartish.").replace("import flask", "import quartish")


def test_awaits_in_an_f_string(ported: Porting) -> None:
    """pallets/quart's guide to migration: what is in f-strings has to be awaited, too."""
    code = """
    from flask import Flask, request

    app = Flask(__name__)


    @app.post("/")
    def view():
        return f"é🔗 {request.form['a']!r} {request.get_json()}" f'''
    {request.form["b"]}'''
    """
    project = ported(dedent(code), colour="awaitable")
    after = project.after["app.py"]
    assert "{(await request.form)['a']!r} {await request.get_json()}" in after
    assert '{(await request.form)["b"]}' in after


def test_a_method_of_a_form_is_awaited_in_parentheses(ported: Porting) -> None:
    """pallets/quart#61: `await request.form.to_dict()` awaits the wrong thing."""
    code = HEAD + "@app.post('/')\ndef proxy():\n    return request.form.to_dict()\n"
    project = ported(code, colour="awaitable")
    assert project.changed()[-1] == "    return (await request.form).to_dict()"


def test_imports_that_may_fail_keep_both_branches(ported: Porting) -> None:
    """browniebroke/django-codemod#147, #38: names of both branches, and their aliases, stay."""
    code = """
    try:
        from flask import json as j, request as _
    except ImportError:
        from acme import j, _

    try:
        import flask
    except ImportError:
        flask = None
    x = flask and flask.g
    """
    project = ported(dedent(code))
    assert project.changed() == [
        "    from quartish import json as j, request as _",
        "    import quartish as flask",
    ]


def test_the_alias_of_a_module_in_a_module_stays(ported: Porting) -> None:
    """Instagram/LibCST#1252: `import a.b as x` lost or doubled its alias."""
    project = ported("import flask.json as j, flask.views\nj.dumps(flask.views)\n")
    assert project.after["app.py"] == (
        "import quartish.json as j, quartish.views\nj.dumps(quartish.views)\n"
    )


def test_async_methods_of_classful_views_stay(ported: Porting) -> None:
    """pallets/quart#81: what calls a class view's methods has to await them."""
    code = """
    from flask_classful import FlaskView

    class Shop(FlaskView):
        def index(self):
            return "x"
    """
    project = ported(dedent(code), every=True)
    assert project.turned() == [] and "async" not in project.after["app.py"]
