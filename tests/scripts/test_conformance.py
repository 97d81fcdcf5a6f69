"""The edit that the conformance runner makes: views become async, nothing else changes."""

from __future__ import annotations

import importlib.util
import textwrap
import typing as t
from pathlib import Path

import pytest

PATH = Path(__file__).parents[1] / "conformance" / "async_views.py"


@pytest.fixture(scope="module")
def make_views_async() -> t.Any:
    spec = importlib.util.spec_from_file_location("async_views", PATH)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.make_views_async


@pytest.mark.parametrize(
    ("source", "views"),
    [
        ("@app.route('/')\n@login\ndef view(): pass", ["view"]),
        ("@bp.post('/')\ndef view(): pass", ["view"]),
        ("@app.endpoint('x')\ndef view(): pass", ["view"]),
        ("@method_route('/')\ndef view(): pass", ["view"]),
        ("def view(): pass\napp.add_url_rule('/', 'x', view)", ["view"]),
        ("def view(): pass\napp.add_url_rule('/', view_func=view)", ["view"]),
        ("def view(): pass\napp.view_functions['x'] = view", ["view"]),
        ("def view(): pass\napp.route('/')(view)", ["view"]),
        ("class A(View):\n def dispatch_request(self): pass", ["dispatch_request"]),
        (
            "class A(views.MethodView):\n def get(self): pass\n def other(self): pass\n"
            "class B(A):\n def post(self): pass",
            ["get", "post"],
        ),
        ("class A:\n def get(self): pass", []),
        ("@app.route('/')\ndef view(): yield 'a'", []),
        ("@app.route('/')\ndef view():\n def inner(): yield 'a'\n return inner()", ["view"]),
        ("@app.route('/')\ndef view(): pass\nassert view() is None", []),
        ("@app.route('/')\nasync def view(): pass", []),
        ("@app.before_request\ndef hook(): pass", []),
        ("@app.errorhandler(404)\ndef handler(e): pass", []),
        ("@pytest.fixture\ndef app(): pass", []),
    ],
)
def test_views_found(make_views_async: t.Any, source: str, views: list[str]) -> None:
    changed, found = make_views_async(source)
    assert found == views
    assert changed.count("async def") == source.count("async def") + len(views)
    compile(changed, "test", "exec")


def test_nothing_else_changes(make_views_async: t.Any) -> None:
    source = textwrap.dedent(
        """
        def test(app):  # a comment
            @app.route("/")
            def index( ):
                return "def index"

            assert app
        """
    )
    assert make_views_async(source)[0] == source.replace("def index( )", "async def index( )")
