"""`quartish port`: views that are registered through calls which wrap them, and class views of
extensions; each that is turned answers as it did, on a real app."""

from __future__ import annotations

import typing as t
from textwrap import dedent

import pytest

from quartish import Flask
from quartish.testing import FlaskClient
from tests.port._ported import Ported
from tests.port._ported import Porting

HEAD = dedent(
    """
    import functools
    from functools import partial, wraps
    from flask import Blueprint, Flask, request
    from flask.views import MethodView, View

    app = Flask(__name__)
    bp = Blueprint("bp", __name__)


    def same(f):
        f.seen = True
        return f


    def passing(f):
        @wraps(f)
        def inner(*args, **kwargs):
            return f(*args, **kwargs)
        return inner


    def looking(f):
        @wraps(f)
        def inner(*args, **kwargs):
            return f(*args, **kwargs) + "!"
        return inner


    def awaiting(f):
        @wraps(f)
        async def inner(*args, **kwargs):
            return await app.ensure_sync(f)(*args, **kwargs)
        return inner


    def factory(number):
        def wrap(f):
            return f
        return wrap


    def view():
        return "seen"


    class Class(MethodView):
        def get(self):
            return "seen"


    class Single(View):
        def dispatch_request(self):
            return "seen"
    """
)
END = "\napp.register_blueprint(bp)\n"
#: How a view is registered -> whether it is turned, by default and with `--all-views`.
WAYS: dict[str, tuple[str, bool, bool]] = {
    "plain": ('app.add_url_rule("/", view_func=view)', True, True),
    "by position": ('app.add_url_rule("/", None, same(view))', True, True),
    "gives it back": ('app.add_url_rule("/", view_func=same(view))', True, True),
    "passes on": ('app.add_url_rule("/", view_func=passing(view))', False, True),
    "looks": ('app.add_url_rule("/", view_func=looking(view))', False, False),
    "awaits": ('app.add_url_rule("/", view_func=awaiting(view))', True, True),
    "a factory": ('bp.add_url_rule("/", view_func=factory(5)(view))', True, True),
    "two": ('app.add_url_rule("/", view_func=same(factory(1)(view)))', True, True),
    "two, one passes": ('app.add_url_rule("/", view_func=same(passing(view)))', False, True),
    "twice": (
        'app.add_url_rule("/", view_func=view)\n'
        'app.add_url_rule("/2", "2", view_func=looking(view))',
        False,
        False,
    ),
    "a partial": (
        'app.add_url_rule("/", endpoint="x", view_func=functools.partial(view))',
        True,
        True,
    ),
    "another's": (
        'from acme import wrap\napp.add_url_rule("/", view_func=wrap(view))',
        False,
        False,
    ),
    "a decorator, called": ('app.route("/")(view)', True, True),
    "a decorator, called with a wrapper": ('bp.get("/")(same(view))', True, True),
    "a decorator, called with what looks": ('app.route("/")(looking(view))', False, False),
    "a class": ('app.add_url_rule("/", view_func=Class.as_view("c"))', True, True),
    "a class, wrapped": (
        'app.add_url_rule("/", view_func=passing(Class.as_view("c")))',
        False,
        True,
    ),
    "a class, looked at": (
        'app.add_url_rule("/", view_func=looking(Class.as_view("c")))',
        False,
        False,
    ),
    "a class, given back": (
        'bp.add_url_rule("/", view_func=same(Class.as_view("c")))',
        True,
        True,
    ),
    "a class of one method": (
        'app.add_url_rule("/", view_func=passing(Single.as_view(name="s")))',
        False,
        True,
    ),
}  # fmt: skip


def names(project: Ported) -> list[str]:
    return [view.dotted for view in project.report.views if view.turned]


@pytest.mark.parametrize("way", WAYS)
def test_each_way(ported: Porting, way: str) -> None:
    code, chosen, every = WAYS[way]
    wanted = "app.Class.get" if "Class" in code else "app.view"
    wanted = "app.Single.dispatch_request" if "Single" in code else wanted
    for options, turned in (({}, chosen), ({"every": True}, every)):
        project = ported(f"{HEAD}\n{code}\n{END}", **options)
        views = [view.dotted for view in project.report.views]
        assert wanted in views
        assert (wanted in names(project)) is turned
        assert not project.again()
        if "acme" not in code:
            said = "seen!" if "looking(" in code and way != "twice" else "seen"
            assert client(project).get("/").text == said


def client(project: Ported) -> FlaskClient:
    space: dict[str, t.Any] = {"__name__": "app"}
    exec(compile(project.after["app.py"], "app.py", "exec"), space)
    app: Flask = space["app"]
    return app.test_client()


OTHERS = {
    "Flask-Admin": (
        """
        from flask_admin import BaseView, expose

        class Mine(BaseView):
            @expose("/")
            def view(self):
                return ""

            def no_view(self):
                return ""
        """
    ),
    "Flask-AppBuilder": (
        """
        from flask_appbuilder.api import BaseApi, expose, safe

        class Mine(BaseApi):
            @expose("/", methods=["GET"])
            @safe
            def view(self):
                return ""
        """
    ),
    "Flask-Classful": (
        """
        from flask_classful import FlaskView

        class Mine(FlaskView):
            def view(self):
                return ""

            def before_request(self, name):
                return None

            def _no_view(self):
                return ""
        """
    ),
    "Flask-RESTful": (
        """
        from flask_restful import Resource

        class Mine(Resource):
            def get(self):
                return ""

            def no_view(self):
                return ""
        """
    ),
    "flask-restx": (
        """
        from flask_restx import Namespace, Resource

        ns = Namespace("x")

        @ns.route("/")
        class Mine(Resource):
            def get(self):
                return ""
        """
    ),
}


@pytest.mark.parametrize("library", OTHERS)
def test_class_views_of_others_count_and_stay(ported: Porting, library: str) -> None:
    project = ported(dedent(OTHERS[library]), every=True)
    [view] = project.report.views
    assert view.name in ("view", "get") and view.kind == "class view"
    assert view.why == f"{library} calls it, by a `def` of its own in a worker thread"
    assert "async" not in project.after["app.py"]


def test_what_only_looks_like_it(ported: Porting) -> None:
    code = """
    from acme import expose, Resource, FlaskView

    class Mine(Resource, FlaskView):
        @expose("/")
        def get(self):
            return ""

    x = thing.route("/")(Mine)
    y = thing.get("/")(Mine().get)
    """
    assert not ported(dedent(code)).report.views
