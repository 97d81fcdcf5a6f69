"""Classes whose methods are views: Flask's own, and those of extensions."""

from __future__ import annotations

from .resolve import Project

_VERBS: tuple[str, ...] = ("get", "post", "put", "delete", "patch", "head", "options")
#: A class -> the library that calls its methods by a `def` of its own, "" for Flask.
CLASSES = {
    "flask.views.View": "",
    "flask.views.MethodView": "",
    **dict.fromkeys(("flask_classful.FlaskView", "flask_classy.FlaskView"), "Flask-Classful"),
    "flask_restful.Resource": "Flask-RESTful",
    **dict.fromkeys(("flask_restx.Resource", "flask_restplus.Resource"), "flask-restx"),
}
#: A decorator that makes views of methods -> the library that calls them.
EXPOSING = {
    **dict.fromkeys(
        (
            *("flask_appbuilder.expose", "flask_appbuilder.api.expose"),
            *("flask_appbuilder.baseviews.expose", "flask_appbuilder.views.expose"),
        ),
        "Flask-AppBuilder",
    ),
    **dict.fromkeys(("flask_admin.expose", "flask_admin.base.expose"), "Flask-Admin"),
}


def methods_of(project: Project, name: str, *, inherited: bool = True) -> list[str]:
    """Return the methods of a class of the project that are views; with `inherited` those of its
    bases, too."""
    ancestry = project.ancestry(name)
    if "flask.views.MethodView" in ancestry or _resource(ancestry):
        wanted = _VERBS
    elif "flask.views.View" in ancestry:
        wanted = ("dispatch_request",)
    elif any(CLASSES.get(base) == "Flask-Classful" for base in ancestry):
        wanted = ()
    else:
        return []
    found: dict[str, str] = {}
    for klass in ancestry if inherited else [name]:
        if klass in project.classes:
            for method, dotted in project.classes[klass].methods.items():
                plain = not wanted and not method.startswith(("_", "before_", "after_"))
                if dotted in project.functions and (method in wanted or plain):
                    found.setdefault(method, dotted)
    return list(found.values())


def _resource(ancestry: list[str]) -> bool:
    return any(base.endswith(".Resource") and base in CLASSES for base in ancestry)
